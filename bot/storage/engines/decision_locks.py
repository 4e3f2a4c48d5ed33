"""Locks for decisions that add up rows, made one transaction after the other. Begin with `insist`.

A transaction on PostgreSQL sees the state of when it began (`postgres.py`). Two that change one row notice each other,
but two that each count rows and then add one do not (write skew). A decision lock is a table that is locked as the
first thing in the transaction, so that whoever waited for it sees what the others have done.

No caller has to know beforehand: a work that comes to such a decision without the lock is rolled back and run again
under it. `Store.write` can be told the lock, which saves the first try. SQLite has one writer anyway.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from sqlalchemy import Connection, text

HELD = "guards"  # the key in `Connection.info`


class DecisionLock(StrEnum):
    """The kinds of decisions. Their tables are small and seldom written, and no clean-up waits for the lock."""

    SPENDING = "allowances"  # what may still be spent
    PEOPLE = "members"  # who is let in, by whom, and how many may ask
    CASES = "desk_groups"  # which number a case gets


LOCKS = {
    DecisionLock.SPENDING: text("LOCK TABLE allowances IN SHARE ROW EXCLUSIVE MODE"),
    DecisionLock.PEOPLE: text("LOCK TABLE members IN SHARE ROW EXCLUSIVE MODE"),
    DecisionLock.CASES: text("LOCK TABLE desk_groups IN SHARE ROW EXCLUSIVE MODE"),
}


class Unguarded(Exception):
    """Raised in a transaction that needs this decision lock and does not hold it: it is run again under the lock."""

    def __init__(self, guard: DecisionLock) -> None:
        super().__init__(guard)
        self.guard = guard


def insist(connection: Connection, guard: DecisionLock) -> None:
    """Raise `Unguarded` in a transaction of PostgreSQL that does not hold the lock."""
    if connection.dialect.name == "postgresql" and guard not in connection.info.get(HELD, ()):
        raise Unguarded(guard)


def take(connection: Connection, guards: Collection[DecisionLock]) -> None:
    """Lock the tables of these decisions, before anything else and always in one order, so that no deadlock comes."""
    connection.info[HELD] = guards
    for guard in sorted(guards):
        connection.execute(LOCKS[guard])
