"""From raw updates to the handler: on disk first, then read one by one, pieces joined, handed on.

Begin with `Intake.accept`: polling (`polling.py`) and the webhook (`webhook.py`) both end there, and so does a start
after a crash. Only when it returns may Telegram be told that we have the updates.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bot.clock import Clock
from bot.telegram import updates
from bot.types import Handler, Inbox, Incoming, Kind, Received, Reply

log = logging.getLogger(__name__)

Key = tuple[str, int, str]  # conversation, user, album ("" for a paste)

PASTE_QUIET = 0.8  # seconds after a piece that is as long as a message can be
ALBUM_QUIET = 1.0  # seconds after a part of an album


@dataclass(slots=True)
class Gathering:
    """Messages that are one question: the parts of an album, or a long paste that a client has cut."""

    incoming: Incoming
    album: str
    timer: asyncio.Task[None] | None = None


@dataclass(slots=True)
class Intake:
    """`reply` makes the way back for what came in; `handler` must not block (see `middleware.InOrder`)."""

    inbox: Inbox
    clock: Clock
    me: updates.Me
    reply: Callable[[Incoming, str], Reply]
    handler: Handler
    saw: Callable[[int, int], None]
    tasks: asyncio.TaskGroup
    last: float = 0.0  # when something was last accepted, monotonic
    _open: dict[Key, Gathering] = field(default_factory=dict)

    async def recover(self) -> None:
        """At a start: work on what was accepted and not finished, in the old order."""
        rows = await self.inbox.open(self.me.id)
        if rows:
            log.info("%d updates are left from before: working on them", len(rows))
        await self._dispatch([(row, _loaded(row.raw)) for row in rows])

    async def accept(self, raw: Sequence[Any]) -> None:
        """Commit updates to the inbox, then hand them on. Raises `StorageUnavailable`: nothing was accepted then."""
        by_id = {id_: update for update in raw if (id_ := updates.number(update)) is not None}
        kept = [(id_, updates.once(update), _dumped(update)) for id_, update in by_id.items()]
        new = await self.inbox.accept(self.me.id, kept)
        self.last = self.clock.monotonic()
        await self._dispatch([(row, by_id[row.update_id]) for row in new])

    async def _dispatch(self, rows: Sequence[tuple[Received, dict[str, Any]]]) -> None:
        nothing_to_do: list[int] = []
        for row, update in rows:
            try:
                incoming = updates.read(update, [row], self.me)
            except updates.Bad as error:
                log.warning("update %d can't be read and is set aside: %s", row.update_id, error)
                await self.inbox.quarantine(row.id, str(error))
                continue
            if incoming is None:
                nothing_to_do.append(row.id)
            else:
                self.saw(incoming.address.chat, incoming.message_id)
                await self._gather(incoming, update)
        if nothing_to_do:
            await self.inbox.done(nothing_to_do)

    async def _gather(self, incoming: Incoming, update: dict[str, Any]) -> None:
        if incoming.kind is not Kind.MESSAGE:
            await self._hand_on(incoming, update)
            return
        album, long = updates.album(update), updates.goes_on(incoming.text) and not incoming.text.startswith("/")
        key = (incoming.address.key, incoming.user.id, album)
        await self._close_others(key)
        waiting = self._open.get(key)
        if waiting is not None:
            waiting.incoming = _joined(waiting.incoming, incoming)
        elif album or long:
            waiting = self._open[key] = Gathering(incoming, album)
        else:
            await self._hand_on(incoming, update)
            return
        if album or long:
            self._restart(key, waiting)
        else:  # a short piece is the last one
            await self._close(key)

    async def _close_others(self, key: Key) -> None:
        """What the same user began before is whole now, except that albums may come through each other."""
        for other in [other for other in self._open if other[:2] == key[:2] and other != key]:
            if not (key[2] and other[2]):
                await self._close(other)

    def _restart(self, key: Key, gathering: Gathering) -> None:
        if gathering.timer is not None:
            gathering.timer.cancel()
        gathering.timer = self.tasks.create_task(self._close_later(key, gathering))

    async def _close_later(self, key: Key, gathering: Gathering) -> None:
        await self.clock.sleep(ALBUM_QUIET if gathering.album else PASTE_QUIET)
        if self._open.get(key) is gathering:
            gathering.timer = None
            await self._close(key)

    async def _close(self, key: Key) -> None:
        gathering = self._open.pop(key)
        if gathering.timer is not None:
            gathering.timer.cancel()
        await self._hand_on(gathering.incoming, {})

    async def _hand_on(self, incoming: Incoming, update: dict[str, Any]) -> None:
        await self.handler(incoming, self.reply(incoming, updates.press(update)))


def _dumped(update: dict[str, Any]) -> str:
    """An update as it came. One that is nested too deep to be written down is no message: only its number is kept."""
    try:
        return json.dumps(update)
    except RecursionError:
        return json.dumps({"update_id": update["update_id"]})


def _loaded(raw: str) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _joined(first: Incoming, more: Incoming) -> Incoming:
    """Clients cut a paste at 4,096 characters, at a white space where there is one, and drop that."""
    glue = "" if len(first.text) % 4096 == 0 and first.text else "\n"
    text = glue.join(part for part in (first.text, more.text) if part)
    return replace(
        first,
        text=text,
        parts=(*first.parts, *more.parts),
        ids=(*first.ids, *more.ids),
        message_id=more.message_id,
        attempts=max(first.attempts, more.attempts),
    )
