"""Searches for the message of a send whose outcome is unknown: the connection broke, or the process died.

Begin with `SendReconciler.find`. It edits the ids that the message can have got into exactly the text that it should
have; the message that already has this text answers "not modified". `SendReconciler.mark` is called before each send
and stores where such a search would have to begin.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from bot.errors import TransportUnavailable
from bot.ports import Outbox
from bot.telegram.client.api import Api, NoMessage, NoMethod, NotModified
from bot.telegram.sending import messages
from bot.telegram.sending.messages import Screen
from bot.telegram.sending.progress import Edit, Progress
from bot.types import Address

# How many message ids behind the newest known one an unconfirmed send may have got: other chats count in the same line.
LOOK_AHEAD, LOOK_AHEAD_AFTER_START = 3, 24
MOST_PROBES = 32
SUPERGROUP = -1_000_000_000_000  # chats below have message ids of their own; all others of a bot share theirs


@dataclass(slots=True, kw_only=True)
class SendReconciler:
    """Finds the message that a send with unknown outcome may have left.

    `acquire_slot` and `edit` are methods of the `Deliverer`, so that a search keeps to the flood budget and edits as
    any delivery does.
    """

    api: Api
    outbox: Outbox
    acquire_slot: Callable[[int], Awaitable[None]]
    edit: Edit
    # A line is a sequence of message ids: a supergroup has its own, all other chats of a bot share one.
    _newest: dict[int, int] = field(default_factory=dict, init=False)  # the highest known id of each line
    _looked_up: set[int] = field(default_factory=set, init=False)  # lines whose highest id was read from the outbox
    _flying: int = field(default=0, init=False)  # sends under way: each may get the next id of its line

    def note_id(self, chat: int, message_id: int) -> None:
        """Note that a message id exists: messages sent later get higher ids."""
        line = _line(chat)
        self._newest[line] = max(self._newest.get(line, 0), message_id)

    def newest_id(self, chat: int) -> int:
        """Return the highest known message id of the line from which the chat gets its ids."""
        return self._newest.get(_line(chat), 0)

    @contextmanager
    def flying(self) -> Iterator[None]:
        """Count a send as under way inside the context: until it is over it may have got any of the next ids."""
        self._flying += 1
        try:
            yield
        finally:
            self._flying -= 1

    async def mark(self, progress: Progress) -> None:
        """Note the highest known id before a send. It is stored only if a search from the stored id would be long."""
        await self._load_newest(progress.delivery.address)
        progress.last_known_id = max(progress.last_known_id, self.newest_id(progress.delivery.address.chat))
        if progress.stored is None or progress.last_known_id >= progress.stored + LOOK_AHEAD_AFTER_START // 2:
            await self.outbox.begin(progress.delivery, progress.last_known_id)
            progress.stored = progress.last_known_id

    async def find(self, progress: Progress, part: Screen, *, last: bool) -> int:
        """Return the id of the message that an unconfirmed send has left in the chat; 0 when there is none."""
        to = progress.delivery.address
        # The message of its own live view is searched for too, though its id may have been stored meanwhile.
        known = await self.outbox.own_message_ids(to, but=progress.delivery.id) | {*progress.ids} | progress.cleared
        first = progress.last_known_id + 1
        last_id = max(self.newest_id(to.chat), progress.last_known_id) + progress.ahead + self._flying
        for id_ in [id_ for id_ in range(first, last_id + 1) if id_ not in known][:MOST_PROBES]:
            if await self._is_there(progress, part, id_, last=last):
                return id_
            progress.failures = 0  # Telegram answers
            progress.cleared.add(id_)  # after a broken connection the search goes on behind it
        progress.outcome_unknown = False
        progress.cleared.clear()  # the next send may get one of these ids
        return 0

    async def _is_there(self, progress: Progress, part: Screen, message_id: int, *, last: bool) -> bool:
        """Return whether a message is this delivery's and stands in its topic. Edits the message into `part`.

        If it was the answer in another topic, the search for that answer edits it back.
        """
        looked = False
        try:
            try:
                edited = await self.edit(progress, part, message_id, last=last)
            except NotModified:
                if message_id not in progress.touched and not (progress.was_left and _may_have_topics(progress)):
                    return True
                looked = True  # perhaps a search has edited it into this
                edited = await self._read_message(progress, part, message_id)
        except (NoMessage, NoMethod):
            return False
        except TransportUnavailable:
            progress.touched.add(message_id)
            raise
        if not isinstance(edited, dict):  # such a server answers alike where there is no message
            return False
        if _thread(edited) != (progress.delivery.address.thread if progress.thread else 0):
            return False
        if looked:
            await self.edit(progress, part, message_id, last=last)
        return True

    async def _read_message(self, progress: Progress, part: Screen, message_id: int) -> Any:
        """Return the message. Telegram returns it only when an edit changes it, so its button gets another label."""
        while True:
            progress.looks += 1
            button = messages.stop_keyboard("…" * progress.looks)
            await self.acquire_slot(progress.delivery.address.chat)
            with suppress(NotModified):  # a search before a crash may have set this label
                return await self.api.call(messages.edit(part, progress.delivery.address, message_id, button))

    async def _load_newest(self, to: Address) -> None:
        """Read the highest id known before the start from the outbox, once for each line."""
        if (line := _line(to.chat)) not in self._looked_up:
            chats = (line, line) if line else (SUPERGROUP, sys.maxsize)
            self.note_id(to.chat, await self.outbox.highest_message_id(to.bot, *chats))
            self._looked_up.add(line)


def _line(chat: int) -> int:
    """Return the sequence that numbers the messages of a chat: a supergroup has its own, all other chats of a bot share
    0.
    """
    return chat if chat < SUPERGROUP else 0


def _may_have_topics(progress: Progress) -> bool:
    return progress.delivery.address.chat < 0 or progress.delivery.address.thread != 0


def _thread(message: dict[str, Any]) -> int:
    return (message.get("message_thread_id") or 0) if message.get("is_topic_message") else 0
