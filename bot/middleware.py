"""What stands between the transport and the commands: each is a handler around a handler. `app.py` lists them.

in order      one queue a conversation; Stop never waits in it
  -> boundary    errors become replies
    -> admit        who may talk to this bot
      -> commands
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Collection, Coroutine
from dataclasses import replace
from typing import Any

from bot.clock import Clock
from bot.errors import StorageUnavailable, UserError
from bot.outbox import settle
from bot.storage.store import Store
from bot.texts.catalog import say
from bot.types import Handler, Incoming, Kind, Outgoing, Reply

log = logging.getLogger(__name__)

MOST_ATTEMPTS = 3  # crashes while working on one message before it is given up
LONGEST_BACKOFF = 30.0
AT_ONCE = (Kind.STOP, Kind.GONE, Kind.BACK)
NOBODYS = (*AT_ONCE, Kind.MOVED)


class InOrder:
    """One queue a conversation: its messages are worked on one after the other, other conversations do not wait.

    Calling it only puts the message into its queue. Buttons have a queue of their own beside the conversation's: a
    setting can be changed while an answer is being written.
    """

    def __init__(self, handler: Handler, tasks: asyncio.TaskGroup) -> None:
        self.handler = handler
        self.tasks = tasks
        self._lanes: dict[str, deque[tuple[Incoming, Reply]]] = {}
        self._workers: set[asyncio.Task[None]] = set()

    async def __call__(self, incoming: Incoming, reply: Reply) -> None:
        if incoming.kind in AT_ONCE:
            self._start(self._at_once(incoming, reply))
            return
        key = incoming.address.key + ("#button" if incoming.kind is Kind.BUTTON else "")
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = deque()
            lane.append((incoming, reply))
            self._start(self._work(key, lane))
        elif not (incoming.kind is Kind.EDIT and _amend(lane, incoming)):
            lane.append((incoming, reply))

    async def _at_once(self, incoming: Incoming, reply: Reply) -> None:
        await self.handler(incoming, reply)

    @property
    def busy(self) -> bool:
        return bool(self._workers)

    async def drain(self, seconds: float) -> None:
        """Let what runs come to its end, then cancel it: its rows are open and will be worked on after a restart."""
        for lane in self._lanes.values():
            while len(lane) > 1:
                lane.pop()
        if self._workers:
            await asyncio.wait(self._workers, timeout=seconds)
        for worker in self._workers:
            worker.cancel()
        if self._workers:
            await asyncio.wait(self._workers)

    async def _work(self, key: str, lane: deque[tuple[Incoming, Reply]]) -> None:
        try:
            while lane:
                incoming, reply = lane[0]  # it stays in the lane while it is worked on, but can't be amended
                await self.handler(incoming, reply)
                lane.popleft()
        finally:
            del self._lanes[key]

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self.tasks.create_task(work)
        self._workers.add(task)
        task.add_done_callback(self._workers.discard)


def _amend(lane: deque[tuple[Incoming, Reply]], edit: Incoming) -> bool:
    """An edit of a question that still waits replaces it. Not by a command: those run once, when they are sent."""
    if edit.text.startswith("/"):
        return False
    for place in range(1, len(lane)):
        waiting, reply = lane[place]
        if waiting.message_id == edit.message_id:
            lane[place] = replace(waiting, text=edit.text, ids=(*waiting.ids, *edit.ids)), reply
            return True
    return False


class Boundary:
    """Errors become replies; a traceback goes to the log under a code that the user is told."""

    def __init__(self, handler: Handler, store: Store, clock: Clock) -> None:
        self.handler = handler
        self.store = store
        self.clock = clock

    async def __call__(self, incoming: Incoming, reply: Reply) -> None:
        wait = 1.0
        while True:
            try:
                await self._handle(incoming, reply)
                return
            except StorageUnavailable as error:  # nothing was changed, so nothing is lost: wait for the disk
                log.error("%s; trying again in %.0f s", error, wait)
                await self.clock.sleep(wait)
                wait = min(wait * 2, LONGEST_BACKOFF)

    async def _handle(self, incoming: Incoming, reply: Reply) -> None:
        language = incoming.user.language
        if incoming.attempts >= MOST_ATTEMPTS:
            log.error("turn %s: given up after %d crashes", incoming.id, incoming.attempts)
            await self._say(incoming, reply, say(language, "error.crashed"))
            return
        try:
            await self.handler(incoming, reply)
        except StorageUnavailable:
            raise
        except UserError as error:
            await self._say(incoming, reply, str(error))
        except Exception:  # the one place where every error ends
            code = secrets.token_hex(3)
            log.exception("turn %s failed: code %s", incoming.id, code)
            await self._say(incoming, reply, say(language, "error.bug", code=code))

    async def _say(self, incoming: Incoming, reply: Reply, sentence: str) -> None:
        if incoming.kind is Kind.BUTTON:
            await reply.acknowledge()
        await settle(self.store, incoming, reply, Outgoing(sentence, plain=True))


class Admit:
    """Closed by default: only owners pass, others are told their number once a message."""

    def __init__(self, handler: Handler, store: Store, *, is_open: bool, owners: Collection[int]) -> None:
        self.handler = handler
        self.store = store
        self.is_open = is_open
        self.owners = frozenset(owners)

    async def __call__(self, incoming: Incoming, reply: Reply) -> None:
        if self.allows(incoming):
            await self.handler(incoming, reply)
        elif incoming.kind in (Kind.MESSAGE, Kind.STOP) and incoming.private and not incoming.data:
            sentence = say(incoming.user.language, "closed", id=incoming.user.id)
            await settle(self.store, incoming, reply, Outgoing(sentence, plain=True))
        else:
            await reply.acknowledge(say(incoming.user.language, "closed", id=incoming.user.id))
            await settle(self.store, incoming, reply)

    def allows(self, incoming: Incoming) -> bool:
        """What has no user (Telegram's own Stop button, a chat that moved) is let through: it asks for nothing."""
        return self.is_open or incoming.user.id in self.owners or (not incoming.user.id and incoming.kind in NOBODYS)
