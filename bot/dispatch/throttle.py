"""Turns away updates above the limits before they are queued, with at most one sentence a minute in a chat."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from math import ceil

from bot.access.policy import Access, Actor, Decision
from bot.access.rate_limit import RateLimit
from bot.clock import Clock
from bot.config.settings import Settings
from bot.dispatch.admission import is_signal
from bot.dispatch.error_boundary import ErrorBoundary
from bot.dispatch.lanes import TOUCHES, Lanes
from bot.outbox import finish_with, finish_with_notice, with_choices
from bot.ports import Handler, Reply
from bot.storage.store import Store, Tx
from bot.telemetry.turn_log import TurnLogs
from bot.texts.catalog import say
from bot.types import Incoming, Kind, Permission

MINUTE = 60.0
TOO_LONG = "limit.long"


@dataclass(frozen=True, slots=True)
class Excess:
    """Why an update is turned away: the key of the sentence for the user, and the values in the sentence."""

    sentence: str
    values: dict[str, object] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Throttle:
    """A layer that passes on updates within the limits, without awaiting anything before; `refuse` ends the others.

    `attends` are the groups of operators, who may write as fast as they can. `served` are the keys of conversations in
    which a person answers: no model is asked, so as many messages as one likes may wait.
    """

    lanes: Lanes
    clock: Clock
    access: Access
    settings: Settings
    refuse: TurnAway
    attends: Container[int] = ()
    served: Container[str] = ()
    _people: RateLimit = field(init=False)
    _told: RateLimit = field(init=False)

    def __post_init__(self) -> None:
        rate, settings = self.settings.user_rate, self.settings
        if rate is None:  # as often as Telegram lets the bot write to one chat
            rate = MINUTE * settings.telegram_chat_rate
        self._people = RateLimit(interval=MINUTE / rate if rate else 0.0, burst=settings.user_burst)
        self._told = RateLimit(interval=MINUTE, burst=1)

    async def __call__(self, incoming: Incoming, reply: Reply, handler: Handler) -> None:
        passes = incoming.accepted or is_signal(incoming)  # updates accepted before a restart
        excess = None if passes else self._excess(incoming)
        if excess is None:
            await handler(incoming, reply)
        else:
            self.refuse(incoming, reply, excess, told=self._tells(incoming, excess))

    def _excess(self, incoming: Incoming) -> Excess | None:
        settings, length = self.settings, len(incoming.text)
        if incoming.kind in (Kind.UNHANDLED, Kind.BUSINESS):  # nobody's rate: people talk to each other in a group
            return Excess("limit.busy") if self.lanes.size >= 2 * settings.queue_size else None
        if incoming.address.chat in self.attends:
            return None
        ahead = 0 if incoming.address.key in self.served else self.lanes.ahead_of(incoming)
        if ahead > settings.chat_queue and incoming.kind not in TOUCHES:  # presses and reactions take no time
            return Excess("limit.queue", {"count": settings.chat_queue})
        if self.lanes.size >= (settings.queue_size if ahead else 2 * settings.queue_size):
            return Excess("limit.busy")
        if wait := self._wait(incoming):
            return Excess("limit.rate", {"seconds": ceil(wait)})
        if length > settings.longest_question:
            return Excess(TOO_LONG, {"length": length, "limit": settings.longest_question})
        return None

    def _tells(self, incoming: Incoming, excess: Excess) -> bool:
        """Whether to tell the user why: at most once a minute, but always for a press or a message that is too long.

        Never if the bot may not speak.
        """
        if self.access.authorize(Actor.of(incoming), Permission.TALK) in (Decision.NOT_HERE, Decision.BLOCKED):
            return False
        if incoming.kind in (Kind.UNHANDLED, Kind.BUSINESS):
            return False
        if excess.sentence == TOO_LONG or incoming.kind is Kind.BUTTON:
            return True
        return not self._told.take(incoming.address.chat, self.clock.monotonic())

    def _wait(self, incoming: Incoming) -> float:
        """Seconds until this user may write again. Stop has a rate of its own, so that it always works."""
        if self.access.authorize(Actor.of(incoming), Permission.EXCEED) is Decision.ALLOWED:
            return 0.0
        return self._people.take((incoming.user.id, incoming.kind is Kind.STOP), self.clock.monotonic())


@dataclass(frozen=True, slots=True)
class MissedNotes:
    """Counts the messages that were turned away and that nobody will answer: `note` does it in the transaction that
    ends the turn, `wake_jobs` is called after the commit.
    """

    note: Callable[[Tx, Incoming], None]
    wake_jobs: Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnAway:
    """Ends the turn of an update above the limits: with a sentence for the user if `told`, else silently.

    `missed` notes the message for the operators of the support desk, if there is one.
    """

    store: Store
    tasks: asyncio.TaskGroup
    turns: TurnLogs
    boundary: ErrorBoundary
    missed: MissedNotes | None = None

    def __call__(self, incoming: Incoming, reply: Reply, excess: Excess, *, told: bool) -> None:
        async def end(incoming: Incoming, reply: Reply) -> None:
            await self._end(incoming, reply, excess, told=told)

        self.tasks.create_task(self._in_turn(incoming, reply, end))

    async def _in_turn(self, incoming: Incoming, reply: Reply, end: Handler) -> None:
        with self.turns.open(incoming) as turn:
            turn.ending = "refused"
            await self.boundary(incoming, reply, end)

    async def _end(self, incoming: Incoming, reply: Reply, excess: Excess, *, told: bool) -> None:
        if incoming.kind is Kind.BUTTON:
            known = await self.store.read(lambda tx: with_choices(tx, incoming))
            await reply.acknowledge(say(known.language, excess.sentence, **excess.values))
            await finish_with(self.store, incoming, reply)
            return

        def work(tx: Tx) -> None:
            if self.missed is not None and incoming.kind is Kind.MESSAGE and incoming.private:
                self.missed.note(tx, incoming)

        if told and incoming.kind is not Kind.REACTION:
            await finish_with_notice(self.store, incoming, reply, excess.sentence, work, **excess.values)
        else:
            await reply.acknowledge()

            def done(tx: Tx) -> None:
                tx.inbox.mark_done(incoming.ids)
                work(tx)

            await self.store.write(done)
        if self.missed is not None:
            self.missed.wake_jobs()
