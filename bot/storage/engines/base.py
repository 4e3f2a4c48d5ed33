"""What a store needs of a database: connections in threads. SQLite (`sqlite.Sqlite`) and PostgreSQL
(`postgres.Postgres`) provide it.

Whole transactions are ordinary functions on an ordinary SQLAlchemy connection. Each crosses into a thread once, and
can't be cancelled half-way, because nothing in it waits for the event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection

from bot.storage.engines.decision_locks import DecisionLock

T = TypeVar("T")
Outcome = tuple[Any, BaseException | None]


@dataclass(frozen=True, slots=True)
class Work:
    """The function of a transaction (`run`), and the decision locks that it is known to need."""

    run: Callable[[Connection], Any]
    guards: frozenset[DecisionLock] = frozenset()

    def __call__(self, connection: Connection) -> Any:
        return self.run(connection)


class Engine(Protocol):
    """SQLite or PostgreSQL. `lanes`: how many commits may run at once; `group`: how many works share a commit; one of
    the two is always 1.

    `version` is its name and version ("PostgreSQL 18.4"); `touch` is a statement whose commit writes to the disk but
    changes no row.
    """

    lanes: int
    group: int
    version: str
    touch: str

    async def commit(self, lane: int, works: Sequence[Work]) -> list[Outcome]:
        """Commit works and return the outcome of each. A work may be run more than once, of which one counts."""

    async def read(self, question: Callable[[Connection], T], *, one: bool = False) -> T:
        """Ask in a transaction that sees one state of the database and can't change it. Raises `DBAPIError`.

        `one`: the question is one statement, which needs no transaction.
        """

    async def scrub(self) -> None:
        """Overwrite deleted rows. Raises `DBAPIError`, `StorageUnavailable`."""

    def look(self) -> None:
        """Raise `Lost` if the database is not at the place where the next start looks for it."""

    async def rescue(self) -> None:
        """After `Lost`: save what can be saved, and log where."""
