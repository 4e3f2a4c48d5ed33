"""From raw updates to the handler: on disk first, then read one by one, pieces joined, handed on.

Begin with `Intake.accept`: polling (`telegram/receiving/polling.py`) and the webhook (`telegram/receiving/webhook.py`)
both end there, and so does a start after a crash. Only when it returns may Telegram be told that we have the updates.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

from bot.clock import Clock
from bot.concurrency.retry import Backoff, Retry
from bot.errors import StorageUnavailable
from bot.ports import Handler, Inbox, Received, Reply
from bot.telegram.client import safe_json
from bot.telegram.receiving import parsing
from bot.telemetry.metrics import Metrics
from bot.telemetry.tracing import NOTHING, TurnTracer
from bot.types import Incoming, Kind

log = logging.getLogger(__name__)

Key = tuple[str, int, str]  # conversation, user, album ("" for a paste)

PASTE_QUIET = 0.8  # seconds after a piece that is as long as a message can be
ALBUM_QUIET = 1.0  # seconds after a part of an album
MOST_PIECES = 16  # of one question: who sends for ever is answered all the same
MOST_ALBUMS = 1000  # whose late parts are known as such
AT_A_TIME = 100  # updates of an earlier run, handed on at one go
BACKOFF = Backoff(1.0, 30.0)  # between tries to write down what became of an update


@dataclass(slots=True)
class Gathering:
    """Messages that are one question: the parts of an album, or a long paste that a client has cut."""

    pieces: list[Incoming]
    album: str
    timer: asyncio.Task[None] | None = None


@dataclass(slots=True)
class Intake:
    """`reply` makes the way back for what came in; `handler` must not block (see
    `dispatch/conversation_queue.py`).

    `dismiss` ends what Telegram asks in an update that the bot has nothing to do with (see
    `telegram/receiving/auto_answers.py`).
    """

    inbox: Inbox
    clock: Clock
    me: parsing.Me
    reply: Callable[[Incoming, str], Reply]
    handler: Handler
    saw: Callable[[int, int], None]
    dismiss: Callable[[dict[str, Any]], None]
    tasks: asyncio.TaskGroup
    metrics: Metrics = field(default_factory=Metrics)
    tracer: TurnTracer = NOTHING
    others: tuple[str, ...] = ()  # kinds of updates that are handed on although we don't know what they mean
    at_once: bool = True  # what is accepted is handed on here; else by `take`, in the process that has the chat
    last: float = 0.0  # when something was last accepted, monotonic
    _open: dict[Key, Gathering] = field(default_factory=dict)
    _albums: dict[Key, int] = field(default_factory=dict)  # the first messages of the last albums

    @property
    def wanted(self) -> list[str]:
        """What Telegram is asked for."""
        return list(dict.fromkeys((*parsing.ALLOWED, *self.others)))

    async def recover(self) -> None:
        """At a start: work on what was accepted and not finished, in the old order."""
        rows = await self.inbox.open(self.me.id)
        if rows:
            log.info("%d updates are left from before: working on them", len(rows))
        for first in range(0, len(rows), AT_A_TIME):
            left = [(row, _loaded(row.raw)) for row in rows[first : first + AT_A_TIME]]
            await self._dispatch(left, accepted=True)
            await asyncio.sleep(0)  # thousands would keep everybody else waiting for seconds

    async def take(self, place: str, known: set[int], *, interrupted: bool = False) -> None:
        """Work on what is open in one chat and not `known` yet.

        `interrupted`: an earlier holder of the chat is gone.
        """
        rows = await self.inbox.take(self.me.id, place, known, interrupted=interrupted)
        known.update(row.id for row in rows)
        await self._dispatch([(row, _loaded(row.raw)) for row in rows], accepted=interrupted)

    def leave(self, place: str) -> None:
        """The chat is not ours any more: what was being gathered there is in the inbox."""
        for key in [key for key, waiting in self._open.items() if waiting.pieces[0].address.chat_key == place]:
            del self._open[key]

    async def accept(self, given: Sequence[Any]) -> None:
        """Commit updates to the inbox, then hand them on. Raises `StorageUnavailable`: nothing was accepted then."""
        by_id = {id_: update for update in given if (id_ := parsing.number(update)) is not None}
        if 0 < len(by_id) < len(given):
            log.warning("%d of %d updates have no number of their own: ignored", len(given) - len(by_id), len(given))
        kept = [
            (id_, parsing.once(update), safe_json.dumps(update), parsing.place(update)) for id_, update in by_id.items()
        ]
        since = self.clock.time()
        new = await self.inbox.accept(self.me.id, kept)
        self.last = self.clock.monotonic()
        for row in new:
            self.tracer.record_update(self.me.id, str(row.id), since)
        self.metrics.updates.labels("taken").inc(len(new))
        self.metrics.updates.labels("ignored").inc(len(given) - len(by_id))
        self.metrics.updates.labels("repeated").inc(len(by_id) - len(new))
        if self.at_once:
            await self._dispatch([(row, by_id[row.update_id]) for row in new])

    async def _dispatch(self, rows: Sequence[tuple[Received, dict[str, Any]]], *, accepted: bool = False) -> None:
        idle: list[int] = []
        broken: dict[int, str] = {}
        for row, update in rows:
            try:
                incoming = parsing.read(update, [row], self.me)
                if incoming is None and self.others:
                    incoming = parsing.other(update, [row], self.me, self.others)
            except parsing.UnreadableUpdate as error:
                broken[row.id] = str(error)
            except Exception as error:  # a defect of ours: it costs this update, never those behind it
                log.exception("update %d broke the reader", row.update_id)
                broken[row.id] = f"the reader failed: {type(error).__name__}"
            else:
                if incoming is not None:
                    incoming = await self._known(incoming, update)
                    if not incoming.address.visible_to:  # ids of what one person sees are of another line
                        self.saw(incoming.address.chat, incoming.message_id)
                    came = self.clock.monotonic()
                    since = row.at.timestamp()
                    await self._gather(replace(incoming, came=came, since=since, accepted=accepted), update)
                    continue
                idle.append(row.id)
            self.dismiss(update)
        self.metrics.updates.labels("unreadable").inc(len(broken))
        self.metrics.updates.labels("idle").inc(len(idle))
        if idle or broken:
            self.tasks.create_task(self._set_aside(idle, broken))

    async def _known(self, incoming: Incoming, update: dict[str, Any]) -> Incoming:
        """An edit, with the turn of the message that it changes. Where that can't be looked up it changes nothing."""
        if incoming.kind is not Kind.EDIT:
            return incoming
        try:
            row = await self.inbox.find(self.me.id, parsing.original(update))
        except StorageUnavailable as error:
            log.error("%s: an edit is not followed", error)
            row = None
        return replace(incoming, of="" if row is None else str(row))

    async def _set_aside(self, idle: Sequence[int], broken: dict[int, str]) -> None:
        """Write down what needs no work. The rest of the batch never waits for it, nor fails with it."""
        for id_, reason in broken.items():
            log.warning("the update in row %d can't be read and is set aside: %s", id_, reason)

        async def write() -> None:
            for id_, reason in broken.items():
                await self.inbox.quarantine(id_, reason)
            await self.inbox.done(idle)

        retry = Retry(self.clock, BACKOFF, on=StorageUnavailable)
        await retry.call(write, failed=lambda error, pause: log.error("%s; trying again in %.0f s", error, pause))

    async def _gather(self, incoming: Incoming, update: dict[str, Any]) -> None:
        if incoming.kind is Kind.EDIT and self._amended(incoming):
            return
        if incoming.kind is not Kind.MESSAGE:
            await self._hand_on(incoming, update)
            return
        album, long = parsing.album(update), parsing.goes_on(incoming.text) and not incoming.text.startswith("/")
        key = (incoming.address.key, incoming.user.id, album)
        await self._close_others(key)
        waiting = self._open.get(key)
        if waiting is not None:
            waiting.pieces.append(incoming)
        elif album or long:
            incoming = replace(incoming, quotes=self._albums.get(key, 0))  # a part that comes late
            waiting = self._open[key] = Gathering([incoming], album)
        else:
            await self._hand_on(incoming, update)
            return
        if (album or long) and len(waiting.pieces) < MOST_PIECES:
            self._restart(key, waiting)
        else:  # a short piece is the last one
            await self._close(key)

    def _amended(self, edit: Incoming) -> bool:
        """An edit of a piece that still waits for the others replaces it. An edit into a command does nothing."""
        if edit.text.startswith("/"):
            return False
        for key, gathering in self._open.items():
            for place, piece in enumerate(gathering.pieces):
                if key[0] == edit.address.key and piece.message_id == edit.message_id:
                    gathering.pieces[place] = replace(piece, text=edit.text, ids=(*piece.ids, *edit.ids))
                    return True
        return False

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
        if gathering.album:
            self._albums.setdefault(key, gathering.pieces[0].message_id)
            if len(self._albums) > MOST_ALBUMS:
                del self._albums[next(iter(self._albums))]
        if gathering.timer is not None:
            gathering.timer.cancel()
        await self._hand_on(reduce(_joined, gathering.pieces), {})

    async def _hand_on(self, incoming: Incoming, update: dict[str, Any]) -> None:
        await self.handler(incoming, self.reply(incoming, parsing.press(update)))


def _loaded(text: str) -> dict[str, Any]:
    """An update as it was kept; one that is cut is none."""
    try:
        found = safe_json.loads(text)
    except ValueError:
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
        relayed=first.relayed or more.relayed,
    )
