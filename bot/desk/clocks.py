"""How long a customer has waited for the desk, and what was promised: pure functions on a case.

A promise counts working time while it is the desk's turn: from the customer's oldest unanswered message to the answer
of a person. The time in which a case is snoozed or closed, or waits for its customer's answer, is not counted.
Everything is computed from the case and from the hours as they are now, so an edit of the file, a pause of the bot or a
wrong system clock leaves nothing wrong behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.desk.policy.desk_file import Promises, Quiet
from bot.desk.policy.hours import Hours
from bot.storage.tables.desk import HELD, SNOOZED, WAITING, Case

SOON, LATE, CLOSE_SOON, CLOSE_LATE, WARNED = 1, 2, 4, 8, 16  # bits of `Case.told`
TURN = SOON | LATE  # begin anew with each message of the customer that waits
FIRST, NEXT, CLOSE = "first", "next", "close"


@dataclass(frozen=True, slots=True)
class Overdue:
    """A promise of time (`what`) to the customer of a case that will soon be missed, or if `late` is missed.

    `left` are the working seconds until then, negative when late. `bits` are added to `Case.told` when operators were
    told.
    """

    case: Case
    what: str
    late: bool
    left: float
    bits: int


def customer_wrote(case: Case, now: float) -> Case:
    """The case after a message of its customer."""
    asked = case.asked or now
    return replace(case, asked=asked, touched=now, told=case.told & ~WARNED)


def operator_answered(case: Case, hours: Hours, now: float) -> Case:
    """The case after an answer of a person."""
    return replace(_paused(case, hours, now), answered=case.answered or now, touched=now)


def turned(before: Case, after: Case, hours: Hours, now: float) -> Case:
    """Return the case with its times as they are after a change of its owner.

    A call and a wake start the customer's waiting time; a change that takes the case from people ends it.
    """
    if not before.is_for_people and after.is_for_people:
        answered = after.answered if after.reason == "again" else 0.0
        return replace(after, asked=now, touched=now, answered=answered, told=0, spent=0.0)
    if before.owner == SNOOZED and after.owner in (WAITING, HELD):
        return replace(after, asked=now, touched=now)
    if after.owner not in (WAITING, HELD):
        return _paused(after, hours, now)
    return after


def overdue(case: Case, promise: Promises, hours: Hours, now: float) -> Sequence[Overdue]:
    """Return which promises of time to a customer are nearly or quite broken, and were not told to the operators yet:
    at most one about the next answer and one about the end of the case.
    """
    if case.owner not in (WAITING, HELD) or not case.asked:
        return ()
    waited = hours.between(case.asked, now)
    turn = NEXT if case.answered else FIRST
    found = (
        _over(case, turn, promise.next if case.answered else promise.first, waited, promise.remind, (SOON, LATE)),
        _over(case, CLOSE, promise.close, case.spent + waited, promise.remind, (CLOSE_SOON, CLOSE_LATE)),
    )
    return [one for one in found if one is not None]


def quiet_until(case: Case, quiet: Quiet) -> float | None:
    """Return when a case whose customer is silent is warned about, or closed if the warning was given; None while
    operators have to answer.
    """
    if case.owner != HELD or case.asked or not case.answered or not quiet.quiet:
        return None
    return case.touched + (quiet.grace if case.told & WARNED else quiet.quiet)


def _over(
    case: Case, what: str, promised: float | None, used: float, remind: float, bits: tuple[int, int]
) -> Overdue | None:
    soon, late = bits
    if not promised:
        return None
    if used >= promised:
        return None if case.told & late else Overdue(case, what, late=True, left=promised - used, bits=soon | late)
    if used >= promised * remind:
        return None if case.told & soon else Overdue(case, what, late=False, left=promised - used, bits=soon)
    return None


def _paused(case: Case, hours: Hours, now: float) -> Case:
    waited = hours.between(case.asked, now) if case.asked else 0.0
    return replace(case, asked=0.0, spent=case.spent + waited, told=case.told & ~TURN)
