"""The states of a case, and what changes them: `step`. Pure: no clock, no database.

A case is an episode of one customer's conversation, from the first question until it is closed. Exactly one side owns
it at a time: the bot, nobody yet (it waits for an operator), or the operator who holds it. `version` grows with each
change of the owner or holder; an answer of the bot is sent only if the version is the one with which it was begun.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.storage.tables.desk import BOT, CLOSED, HELD, SNOOZED, WAITING, Case

REOPEN = 24 * 3600.0  # seconds after the close in which the customer's next message opens the case again


class NotPossible(Exception):
    """The state of the case does not know this event: nothing changes. `key` is the text that says why."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key = key
        self.values = values


@dataclass(frozen=True, slots=True)
class Call:
    """A person is asked for: by the customer, a rule, or the bot itself. `reason` is a key of `desk.reason.*`."""

    reason: str


@dataclass(frozen=True, slots=True)
class Take:
    """The operator `by` takes the case over, from the bot, from the queue or from a colleague."""

    by: int


@dataclass(frozen=True, slots=True)
class Return:
    """The operator `by` gives the case back to the bot; 0: the customer does."""

    by: int = 0


@dataclass(frozen=True, slots=True)
class Release:
    """Its holder `by` can't go on: the case waits again."""

    by: int


@dataclass(frozen=True, slots=True)
class Give:
    """The operator `by` gives the case to the operator `to`, or to the team `team`, where it waits."""

    by: int
    to: int = 0
    team: str = ""


@dataclass(frozen=True, slots=True)
class Snooze:
    """The holder `by` puts the case aside until the Unix time `until`."""

    by: int
    until: float


@dataclass(frozen=True, slots=True)
class Wake:
    """The time of a snoozed case has come, or its customer has written."""


@dataclass(frozen=True, slots=True)
class Close:
    """The operator `by` closes the case; 0: the customer has blocked the bot or deleted the data."""

    by: int = 0


@dataclass(frozen=True, slots=True)
class Reopen:
    """The customer writes again soon after the close, and the operator `to` has the case again; 0: it waits."""

    to: int = 0


Event = Call | Take | Return | Release | Give | Snooze | Wake | Close | Reopen


def was_just_closed(case: Case, now: float) -> bool:
    """Return whether a closed case, which a person has handled, is opened again by a message of its customer at the
    Unix time `now`: within a day of its close it is.
    """
    return case.owner == CLOSED and bool(case.last_holder) and now - case.closed <= REOPEN


def step(case: Case, event: Event, now: float) -> Case:
    """Return the case after an event at the Unix time `now`. Raises `NotPossible`."""
    after = _step(case, event, now)
    changed = (after.owner, after.holder) != (case.owner, case.holder)
    return replace(after, version=case.version + changed)


def _step(case: Case, event: Event, now: float) -> Case:
    if case.owner == CLOSED and not isinstance(event, Reopen):
        raise NotPossible("desk.is_closed")
    match event:
        case Call(reason):
            if case.owner != BOT:
                raise NotPossible("desk.is_called")
            return replace(case, owner=WAITING, holder=0, reason=reason, waiting_since=now)
        case Take(by):
            if case.owner == HELD and case.holder == by:
                raise NotPossible("desk.is_yours")
            return replace(case, owner=HELD, holder=by, last_holder=by, snoozed_until=0.0)
        case Return(by):
            if case.owner == BOT:
                raise NotPossible("desk.is_bots")
            _only_holder(case, by)
            return replace(case, owner=BOT, holder=0, snoozed_until=0.0)
        case Release(by):
            if case.holder != by or case.owner not in (HELD, SNOOZED):
                raise NotPossible("desk.not_yours")
            return replace(case, owner=WAITING, holder=0, waiting_since=now, snoozed_until=0.0)
        case Give(by, to, team):
            _only_holder(case, by)
            if case.owner == HELD and case.holder == to:
                raise NotPossible("desk.is_theirs")
            if to:
                return replace(case, owner=HELD, holder=to, last_holder=to, snoozed_until=0.0)
            return replace(case, owner=WAITING, holder=0, team=team, waiting_since=now, snoozed_until=0.0)
        case Snooze(by, until):
            if case.owner != HELD or case.holder != by:
                raise NotPossible("desk.not_yours")
            if until <= now:
                raise NotPossible("desk.snooze_past")
            return replace(case, owner=SNOOZED, snoozed_until=until)
        case Wake():
            if case.owner != SNOOZED:
                raise NotPossible("desk.not_snoozed")
            return replace(case, owner=HELD, snoozed_until=0.0)
        case Close(by):
            _only_holder(case, by)
            return replace(case, owner=CLOSED, holder=0, closed=now, snoozed_until=0.0)
        case Reopen(to):
            if not was_just_closed(case, now):
                raise NotPossible("desk.not_closed")
            owner, last = (HELD, to) if to else (WAITING, case.last_holder)
            return replace(
                case, owner=owner, holder=to, last_holder=last, closed=0.0, waiting_since=now, reason="again"
            )


def _only_holder(case: Case, by: int) -> None:
    """What a case becomes is decided by who holds it. While nobody does, any operator decides; 0 is nobody's act."""
    if by and case.owner in (HELD, SNOOZED) and case.holder != by:
        raise NotPossible("desk.not_yours")


WORDS = {  # how the events are called outside
    "Call": "called",
    "Take": "taken",
    "Return": "returned",
    "Release": "released",
    "Give": "given",
    "Snooze": "snoozed",
    "Wake": "woken",
    "Close": "closed",
    "Reopen": "reopened",
}
