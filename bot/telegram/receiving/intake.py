"""From raw updates to the handler: each is stored first, then read, joined with what belongs to it, and handed on.

Begin with `Intake.accept`: polling (`telegram/receiving/polling.py`) and the webhook (`telegram/receiving/webhook.py`)
both end there. Only when `accept` has returned may an update be confirmed to Telegram.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bot.clock import Clock
from bot.concurrency.retry import Backoff, Retry
from bot.errors import StorageUnavailable
from bot.ports import Handler, Inbox, Received, Reply
from bot.telegram.client import safe_json
from bot.telegram.client.api import Api
from bot.telegram.receiving import parsing
from bot.telegram.receiving.gathering import MessageGathering
from bot.types import Address, Incoming, Kind

log = logging.getLogger(__name__)

AT_A_TIME = 100  # updates of an earlier run that are handed on before other tasks get a turn
BACKOFF = Backoff(1.0, 30.0)  # between tries to store what became of an update


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateHandlers:
    """What an accepted update leads to.

    `reply` makes the reply to what came in, given also the id of the button press ("" if there was none). `handler`
    must not block (see `dispatch/conversation_queue.py`). `note_id` gets the address and the id of each message,
    `returned` the chat in which the bot was unblocked, was added to or got other rights.
    `dismiss` answers updates that Telegram wants answered although the bot ignores them (see
    `telegram/receiving/auto_answers.py`). `others` are the kinds of updates that the bot itself can't read and that are
    handed on all the same, to aiogram's routers.
    """

    reply: Callable[[Incoming, str], Reply]
    handler: Handler
    note_id: Callable[[Address, int], None]
    returned: Callable[[int], None]
    dismiss: Callable[[dict[str, Any]], None]
    others: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class Intake:
    """Stores updates, reads them and hands them on in order.

    With `at_once` this process works on what it accepts; otherwise the process that holds the lease of the chat does,
    by `take`.
    """

    api: Api
    inbox: Inbox
    clock: Clock
    me: parsing.Me
    tasks: asyncio.TaskGroup
    handlers: UpdateHandlers
    at_once: bool = True
    last: float = field(default=0.0, init=False)  # monotonic time when updates were last accepted
    _gathering: MessageGathering = field(init=False)

    def __post_init__(self) -> None:
        self._gathering = MessageGathering(clock=self.clock, tasks=self.tasks, hand_on=self._hand_on)

    @property
    def wanted(self) -> list[str]:
        """The kinds of updates that Telegram is asked to send (`allowed_updates` of the Bot API)."""
        return list(dict.fromkeys((*parsing.ALLOWED, *self.me.reads, *self.handlers.others)))

    async def recover(self) -> None:
        """Hand on, at a start, the updates that an earlier run accepted and did not finish, in the order they came."""
        rows = await self.inbox.open(self.me.id)
        if rows:
            log.info("%d updates are left from before: working on them", len(rows))
        for first in range(0, len(rows), AT_A_TIME):
            left = [(row, _loaded(row.raw)) for row in rows[first : first + AT_A_TIME]]
            await self._dispatch(left, accepted=True)
            await asyncio.sleep(0)  # thousands of updates would block the event loop for seconds

    async def take(self, place: str, known: set[int], *, interrupted: bool = False) -> None:
        """Hand on the unfinished updates of one chat whose rows are not in `known`, and add their rows to `known`.

        `interrupted`: the process that held the lease of the chat before is gone, and may have begun some of them.
        """
        rows = await self.inbox.take(self.me.id, place, known, interrupted=interrupted)
        known.update(row.id for row in rows)
        await self._dispatch([(row, _loaded(row.raw)) for row in rows], accepted=interrupted)

    def leave(self, place: str) -> None:
        """Forget what was being gathered in a chat whose lease this process has given up."""
        self._gathering.leave(place)

    async def accept(self, given: Sequence[Any]) -> None:
        """Commit updates to the inbox, then hand on the new ones.

        Raises `StorageUnavailable` if the commit failed: then none of them was accepted.
        """
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
            self.api.tracer.record_update(self.me.id, str(row.id), since)
        updates = self.api.metrics.updates
        updates.labels("taken").inc(len(new))
        updates.labels("ignored").inc(len(given) - len(by_id))
        updates.labels("repeated").inc(len(by_id) - len(new))
        if self.at_once:
            await self._dispatch([(row, by_id[row.update_id]) for row in new])

    async def _dispatch(self, rows: Sequence[tuple[Received, dict[str, Any]]], *, accepted: bool = False) -> None:
        idle: list[int] = []
        broken: dict[int, str] = {}
        for row, update in rows:
            try:
                incoming = parsing.read(update, row, self.me)
                is_ours = incoming is not None and incoming.addressed
                other = None if is_ours else parsing.other(update, row, self.me, self.handlers.others)
            except parsing.UnreadableUpdate as error:
                broken[row.id] = str(error)
            except Exception as error:  # a defect of the reader costs this update, never those after it
                log.exception("update %d broke the reader", row.update_id)
                broken[row.id] = f"the reader failed: {type(error).__name__}"
            else:
                if incoming is None or not (incoming.addressed or await self.inbox.answers_all(incoming.address)):
                    incoming = other
                if incoming is not None:
                    incoming = await self._with_turn(incoming, update)
                    if not incoming.address.visible_to:  # ephemeral messages have ids of their own
                        self.handlers.note_id(incoming.address, incoming.message_id)
                    if incoming.kind is Kind.UNBLOCKED:  # at once: turns of the chat may wait for what is delivered
                        self.handlers.returned(incoming.address.chat)
                    came = self.clock.monotonic()
                    since = row.at.timestamp()
                    await self._gathering.add(replace(incoming, came=came, since=since, accepted=accepted), update)
                    continue
                idle.append(row.id)
            self.handlers.dismiss(update)
        self.api.metrics.updates.labels("unreadable").inc(len(broken))
        self.api.metrics.updates.labels("idle").inc(len(idle))
        if idle or broken:
            self.tasks.create_task(self._store_skipped(idle, broken))

    async def _with_turn(self, incoming: Incoming, update: dict[str, Any]) -> Incoming:
        """Add to an edit the turn of the message that was edited; return everything else unchanged.

        Where the turn can't be looked up, the edit gets none and changes nothing.
        """
        if incoming.kind is not Kind.EDIT:
            return incoming
        try:
            row = await self.inbox.find(self.me.id, parsing.original(update))
        except StorageUnavailable as error:
            log.error("%s: an edit is not followed", error)
            row = None
        return replace(incoming, of="" if row is None else str(row))

    async def _store_skipped(self, idle: Sequence[int], broken: dict[int, str]) -> None:
        """Mark `idle` rows as done and move `broken` rows (with the reason) to the dead letters, until that is stored.

        This is a task of its own, so that the other updates of the batch neither wait for it nor fail with it.
        """
        for id_, reason in broken.items():
            log.warning("the update in row %d can't be read and is set aside: %s", id_, reason)

        async def write() -> None:
            for id_, reason in broken.items():
                await self.inbox.quarantine(id_, reason)
            await self.inbox.done(idle)

        retry = Retry(self.clock, BACKOFF, on=StorageUnavailable)
        await retry.call(write, failed=lambda error, pause: log.error("%s; trying again in %.0f s", error, pause))

    async def _hand_on(self, incoming: Incoming, update: dict[str, Any]) -> None:
        await self.handlers.handler(incoming, self.handlers.reply(incoming, parsing.press(update)))


def _loaded(text: str) -> dict[str, Any]:
    """Return an update as the inbox stores it; an empty one if the stored text is not a JSON object."""
    try:
        found = safe_json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
