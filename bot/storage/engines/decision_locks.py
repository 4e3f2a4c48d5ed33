"""What chats decide together, one transaction after the other: who decides holds the guard of it. Begin with `insist`.

A transaction on PostgreSQL sees the state of when it began (`postgres.py`). Two that change the same row notice each
other, but two that add up rows and then each add one do not. A guard is a table that is locked as the first thing in
the transaction, before there is a state to be seen: who waited for it sees what the others have done.

Nobody has to know beforehand: a work that comes to such a decision without the guard is undone and run again under it.
Where that happens often, `Store.write` is told the guard, which saves the first try. SQLite has one writer anyway.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from sqlalchemy import Connection, text

HELD = "guards"  # the key in `Connection.info`


class DecisionLock(StrEnum):
    """The tables are small and seldom written: nothing else wants such a lock of them, and no clean-up waits."""

    SPENDING = "allowances"  # what may still be spent
    PEOPLE = "members"  # who is let in, by whom, and how many may ask


LOCKS = {
    DecisionLock.SPENDING: text("LOCK TABLE allowances IN SHARE ROW EXCLUSIVE MODE"),
    DecisionLock.PEOPLE: text("LOCK TABLE members IN SHARE ROW EXCLUSIVE MODE"),
}


class Unguarded(Exception):
    """The work has come to a decision that needs this guard."""

    def __init__(self, guard: DecisionLock) -> None:
        super().__init__(guard)
        self.guard = guard


def insist(connection: Connection, guard: DecisionLock) -> None:
    """Raises `Unguarded` in a transaction that does not hold it."""
    if connection.dialect.name == "postgresql" and guard not in connection.info.get(HELD, ()):
        raise Unguarded(guard)


def take(connection: Connection, guards: Collection[DecisionLock]) -> None:
    """The first thing in a transaction: its guards, always in the same order, so that nobody waits for ever."""
    connection.info[HELD] = guards
    for guard in sorted(guards):
        connection.execute(LOCKS[guard])
