"""What stands between the transport and the commands: each is a handler around a handler. `runtime/build.py` lists
them.

door          what is too much is turned away politely
-> in order    one queue a conversation; Stop never waits in it
-> boundary    errors become replies
-> admit        who may talk to this bot
-> commands
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any

from bot.access.policy import Access, Actor, Decision
from bot.access.rate_limit import Limits, Pace
from bot.clock import Clock, SystemClock
from bot.errors import Lost, StorageUnavailable, UserError
from bot.outbox import aside, set_aside, settle, tell
from bot.ports import Handler, Reply
from bot.storage.repositories.buttons import QUEUED
from bot.storage.store import Store
from bot.telemetry import turn_log
from bot.telemetry.incidents import IncidentLog
from bot.telemetry.turn_log import TurnLogs
from bot.texts.catalog import say
from bot.types import Address, Incoming, Kind, Outgoing, Permission

log = logging.getLogger(__name__)

MOST_ATTEMPTS = 3  # crashes while working on one message before it is given up
MOST_OF_MANY = 10  # the same where many processes work, which are stopped and moved by others all the time
SOOTHING = 2.0  # seconds after which a press that waits is confirmed
APART = 2.0  # seconds between the last tries of several messages: only one of them may be what ends the process
AT_ONCE = (Kind.STOP, Kind.GONE, Kind.BACK)
TOUCHED = "#button"  # the lane of these, beside that of the conversation
TOUCHES = (Kind.BUTTON, Kind.REACTION)  # of what the bot wrote
BESIDE = "#other"  # ... and of that for what only handlers know that are not ours
SIGNALS = (Kind.GONE, Kind.BACK, Kind.MOVED)  # what the messenger tells of itself
ONE_A_MINUTE = 60.0
TOO_LONG = "limit.long"
Refusal = Callable[[Incoming, Reply, Decision], Awaitable[None]]


@dataclass(slots=True)
class Throttle:
    """Turns away what is too much before it is queued: one sentence a minute in a chat, the rest in silence.

    What passes goes into `queue`. Nothing is awaited but that, and nothing is kept of what was turned away.
    """

    queue: ConversationQueue
    store: Store
    clock: Clock
    tasks: asyncio.TaskGroup
    access: Access
    limits: Limits
    incidents: IncidentLog | None = None
    _people: Pace = field(init=False)
    _told: Pace = field(init=False)

    def __post_init__(self) -> None:
        rate = self.limits.user_rate
        self._people = Pace(ONE_A_MINUTE / rate if rate else 0.0, self.limits.user_burst)
        self._told = Pace(ONE_A_MINUTE, 1)

    async def __call__(self, incoming: Incoming, reply: Reply) -> None:
        passes = incoming.accepted or _is_signal(incoming)  # what was let in once is not turned away by a restart
        too_much = None if passes else self._too_much(incoming)
        if too_much is None:
            await self.queue(incoming, reply)
            return
        away = TurnedAway(self.store, *too_much, told=self._tells(incoming, too_much[0]))
        self.tasks.create_task(self._turn_away(incoming, reply, away))

    async def _turn_away(self, incoming: Incoming, reply: Reply, away: TurnedAway) -> None:
        with self.queue.turns.open(incoming) as turn:
            turn.ending = "refused"
            await ErrorBoundary(away, self.store, self.incidents)(incoming, reply)

    def _too_much(self, incoming: Incoming) -> tuple[str, dict[str, object]] | None:
        """The key of the sentence that says why, and its values."""
        limits, length = self.limits, len(incoming.text)
        if incoming.kind is Kind.OTHER:  # what people say to each other in a group is nobody's pace
            return ("limit.busy", {}) if self.queue.size >= 2 * limits.queue else None
        waiting = self.queue.waiting(incoming)
        if waiting > limits.chat_queue and incoming.kind not in TOUCHES:  # they take no time
            return "limit.queue", {"count": limits.chat_queue}
        if self.queue.size >= (limits.queue if waiting else 2 * limits.queue):
            return "limit.busy", {}
        if wait := self._pace(incoming):
            return "limit.rate", {"seconds": ceil(wait)}
        if length > limits.longest:
            return TOO_LONG, {"length": length, "limit": limits.longest}
        return None

    def _tells(self, incoming: Incoming, sentence: str) -> bool:
        """Whether to say why. Who sends something too long is no flood, and is told each time.

        Where the bot may not speak it says nothing.
        """
        if self.access.authorize(Actor.of(incoming), Permission.TALK) in (Decision.NOT_HERE, Decision.BLOCKED):
            return False
        if incoming.kind is Kind.OTHER:
            return False
        if sentence == TOO_LONG or incoming.kind is Kind.BUTTON:
            return True
        return not self._told.take(incoming.address.chat, self.clock.monotonic())

    def _pace(self, incoming: Incoming) -> float:
        """Seconds until this user may write again. Whoever asked too much can still say Stop: it has its own pace."""
        if self.access.authorize(Actor.of(incoming), Permission.EXCEED) is Decision.ALLOWED:
            return 0.0
        return self._people.take((incoming.user.id, incoming.kind is Kind.STOP), self.clock.monotonic())


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """Ends the turn of what was too much: with the sentence or, not `told`, only in the inbox. A press gets a toast."""

    store: Store
    sentence: str
    values: dict[str, object]
    told: bool

    async def __call__(self, incoming: Incoming, reply: Reply) -> None:
        if incoming.kind is Kind.BUTTON:
            await _toast(self.store, incoming, reply, self.sentence, **self.values)
        elif self.told and incoming.kind is not Kind.REACTION:
            await tell(self.store, incoming, reply, self.sentence, **self.values)
        else:
            await reply.acknowledge()
            await self.store.write(lambda tx: tx.updates.done(incoming.ids))


class ConversationQueue:
    """One queue a conversation: its messages are worked on one after the other, other conversations do not wait.

    Calling it only puts the message into its queue. Most buttons have a queue of their own beside the conversation's: a
    setting can be changed while an answer is being written. `outdate` is told of an edit that replaces nothing
    here: the answer that is being written may be to what the message said before. An edit into a command is neither.
    `queued` is told of messages that stand behind another, `empty` when none does any more.
    """

    def __init__(
        self,
        handler: Handler,
        tasks: asyncio.TaskGroup,
        turns: TurnLogs | None = None,
        outdate: Callable[[Incoming], None] = lambda _: None,
        queued: Callable[[Incoming], None] = lambda _: None,
        empty: Callable[[Address], None] = lambda _: None,
    ) -> None:
        self.handler = handler
        self.outdate = outdate
        self.queued = queued
        self.empty = empty
        self.tasks = tasks
        self.turns = turns or TurnLogs(SystemClock())
        self._lanes: dict[str, deque[tuple[Incoming, Reply]]] = {}
        self._workers: set[asyncio.Task[None]] = set()
        self._is_draining = False

    async def __call__(self, incoming: Incoming, reply: Reply) -> None:
        if incoming.kind in AT_ONCE:
            self._start(self._at_once(incoming, reply))
            return
        if self._is_draining:  # it stays open, like what waited: behind what runs it would overtake that
            return
        key = _lane(incoming)
        lane = self._lanes.get(key)
        if incoming.kind is Kind.EDIT and not incoming.text.startswith("/"):
            if lane is not None and _amend(lane, incoming):
                return
            self.outdate(incoming)
        if lane is None:
            lane = self._lanes[key] = deque()
            self._start(self._work(lane))
        elif incoming.kind is Kind.BUTTON and not key.endswith(TOUCHED):
            self._start(self._soothe(reply))
        else:
            self.queued(incoming)
        lane.append((incoming, reply))
        if incoming.kind is Kind.MOVED:  # what comes next, in the chat's new place, must find its conversation there
            self._lanes.setdefault(replace(incoming.address, chat=int(incoming.data)).key, self._lanes[key])

    async def _soothe(self, reply: Reply) -> None:
        """What a press asks for may have to wait for an answer: it must not look lost meanwhile."""
        await self.turns.clock.sleep(SOOTHING)
        await reply.acknowledge()

    @property
    def size(self) -> int:
        """How much is waiting or being worked on."""
        lanes = {id(lane): len(lane) for lane in self._lanes.values()}
        return sum(lanes.values()) + len(self._workers) - len(lanes)

    def waiting(self, incoming: Incoming) -> int:
        """How many are before this one, the one that is worked on included; 0 where it waits for nobody."""
        lane = self._lanes.get(_lane(incoming), ())
        amends = incoming.kind is Kind.EDIT and any(one.message_id == incoming.message_id for one, _ in lane)
        return 0 if amends or incoming.kind in AT_ONCE else len(lane)

    def waits(self, incoming: Incoming) -> bool:
        """Whether it stands behind another."""
        lane = self._lanes.get(_lane(incoming), ())
        return any(one is incoming for one, _ in list(lane)[1:])

    def drop(self, address: Address, user: int) -> Sequence[Incoming]:
        """Take out what a user has said there and what waits; the caller ends their turns."""
        lane = self._lanes.get(address.key, deque())
        dropped = [one for one, _ in list(lane)[1:] if one.user.id == user and one.kind is Kind.MESSAGE]
        for item in [item for item in lane if item[0] in dropped]:
            lane.remove(item)
        return dropped

    def works_for(self, user: int) -> bool:
        """Whether something that this user has said waits or is being worked on; presses don't count."""
        said = (incoming for key, lane in self._lanes.items() if not key.endswith(TOUCHED) for incoming, _ in lane)
        return any(incoming.user.id == user for incoming in said)

    async def _at_once(self, incoming: Incoming, reply: Reply) -> None:
        with self.turns.open(incoming):
            await self.handler(incoming, reply)

    @property
    def busy(self) -> bool:
        return bool(self._workers)

    def lanes(self) -> list[tuple[str, list[int]]]:
        """The turn at the head of each lane, and the inbox rows that are in it."""
        open_lanes = [lane for lane in self._lanes.values() if lane]
        return [(lane[0][0].id, [row for incoming, _ in lane for row in incoming.ids]) for lane in open_lanes]

    async def drain(self, seconds: float) -> None:
        """Let what runs come to its end, then cancel it: its rows are open and will be worked on after a restart.

        Nothing is begun any more but what does not wait for its turn: Stop ends what runs.
        """
        self._is_draining = True
        for lane in self._lanes.values():
            while len(lane) > 1:
                lane.pop()
        if self._workers:
            await asyncio.wait(self._workers, timeout=seconds)
        for worker in self._workers:
            worker.cancel()
        if self._workers:
            await asyncio.wait(self._workers)

    async def _work(self, lane: deque[tuple[Incoming, Reply]]) -> None:
        try:
            while lane:
                incoming, reply = lane[0]  # it stays in the lane while it is worked on, but can't be amended
                with self.turns.open(incoming):
                    await self.handler(incoming, reply)
                lane.popleft()
                if len(lane) < 2 and _lane(incoming) == incoming.address.key:
                    self.empty(incoming.address)
        finally:
            for key in [key for key, one in self._lanes.items() if one is lane]:
                del self._lanes[key]

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self.tasks.create_task(work)
        self._workers.add(task)
        task.add_done_callback(self._workers.discard)


def _lane(incoming: Incoming) -> str:
    if incoming.kind is Kind.OTHER:
        return incoming.address.key + BESIDE
    aside = incoming.kind in TOUCHES and not incoming.data.startswith(QUEUED)
    return incoming.address.key + (TOUCHED if aside else "")


def _amend(lane: deque[tuple[Incoming, Reply]], edit: Incoming) -> bool:
    """An edit of a question that still waits replaces it."""
    for place in range(1, len(lane)):
        waiting, reply = lane[place]
        if waiting.message_id == edit.message_id:
            lane[place] = replace(waiting, text=edit.text, ids=(*waiting.ids, *edit.ids)), reply
            return True
    return False


class ErrorBoundary:
    """Errors become replies; a traceback goes to the log under a code that the user is told."""

    def __init__(
        self, handler: Handler, store: Store, incidents: IncidentLog | None = None, most: int = MOST_ATTEMPTS
    ) -> None:
        self.handler = handler
        self.store = store
        self.most = most
        self.incidents = incidents or IncidentLog(store.clock)
        self._last_try = float("-inf")  # when the newest of them begins or began

    async def __call__(self, incoming: Incoming, reply: Reply) -> None:
        if incoming.attempts == self.most - 1:
            await self._stand_apart()
        # Where the disk fails nothing was changed, so the turn can be begun anew.
        await self.store.patiently(lambda: self._handle(incoming, reply))

    async def _stand_apart(self) -> None:
        """Wait until the others that were there at the same crashes have had time to end the process again.

        What waits has not begun, so that no crash is counted for it.
        """
        now = self.store.clock.monotonic()
        self._last_try = max(now, self._last_try + APART)
        await self.store.clock.sleep(self._last_try - now)

    async def _handle(self, incoming: Incoming, reply: Reply) -> None:
        if incoming.attempts >= self.most:
            log.error("turn %s: given up after %d crashes", incoming.id, incoming.attempts)
            if incoming.kind is Kind.OTHER:
                await set_aside(self.store, incoming, f"given up after {incoming.attempts} crashes")
                return
            await reply.acknowledge()
            await tell(self.store, incoming, reply, "error.crashed")
            return
        try:
            await self.handler(incoming, reply)
        except (StorageUnavailable, Lost):
            raise
        except UserError as error:
            await reply.acknowledge()
            incoming = await aside(self.store, incoming, reply)
            await settle(self.store, incoming, reply, Outgoing(str(error), plain=True))
        except Exception as error:  # the one place where every error ends
            turn_log.current.get().mark_failed(error)
            code = self.incidents.record(error, incoming.id)
            log.exception("turn %s failed: code %s", incoming.id, code)
            await reply.acknowledge()
            await tell(self.store, incoming, reply, "error.bug", code=code)


class Admission:
    """Closed by default: whom nobody let in goes to `refuse` (`access/onboarding.py`), which ends the turn."""

    def __init__(self, handler: Handler, access: Access, refuse: Refusal) -> None:
        self.handler = handler
        self.access = access
        self.refuse = refuse

    async def __call__(self, incoming: Incoming, reply: Reply) -> None:
        action = Permission.SIGNAL if _is_signal(incoming) else Permission.TALK
        actor = Actor.of(incoming)
        decision = self.access.authorize(actor, action)
        if decision is not Decision.ALLOWED:
            await self.refuse(incoming, reply, decision)
            return
        await self.handler(incoming, reply)
        if incoming.kind is Kind.BACK and not self.access.is_here(actor):
            await self.refuse(incoming, reply, Decision.NOT_HERE)


def _is_signal(incoming: Incoming) -> bool:
    """What has no user is a signal where it asks for nothing: Telegram does not say who pressed its own Stop button."""
    return incoming.kind in SIGNALS or (incoming.kind in (Kind.STOP, Kind.OTHER) and not incoming.user.id)


async def _toast(store: Store, incoming: Incoming, reply: Reply, sentence: str, **values: object) -> None:
    """Answer a press with a short sentence that stays for a moment."""
    choices = await store.read(lambda tx: tx.chats.choices(incoming.address))
    await reply.acknowledge(say(choices.language_for(incoming.user), sentence, **values))
    await settle(store, incoming, reply)
