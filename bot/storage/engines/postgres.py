"""PostgreSQL behind a store: connections that write and some that only read, each in its thread.

Works are written as if only one ran at a time: they read, decide and write. Every transaction is REPEATABLE READ: it
sees one state of the database, and is refused (40001) if it changes a row that another one has changed meanwhile. A
refused work is run again, since it uses nothing but its transaction. So of two works that decide by a row and change
it, the second sees what the first has done. That is enough for

- data of one chat: one process has its lease, and does one thing in a conversation after the other; a job's answer or
  a button, which come from elsewhere, change the head of the conversation, an operation or a job: one row;
- events that must count once: updates, messages of a turn, deliveries, jobs, operations and versions of a summary have
  a unique key, so that the second is refused, and finds the first when it is run again;
- things that are used up: an invitation, a reservation, a button, a request to the admins is one row.

It is not enough if rows are counted or summed up before one is added (write skew). There the transaction holds a
decision lock (`storage/engines/decision_locks.py`), or changes the row of the chat (`Chats.serialize_decisions`).
SERIALIZABLE would prevent write skew by itself, but refuses chats that share nothing but a page of an index: three
times for each answer, if many are answered at once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from itertools import cycle
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from bot.clock import Clock
from bot.concurrency.places import Places
from bot.concurrency.retry import Backoff
from bot.errors import StorageUnavailable
from bot.storage.engines.base import Outcome, Work
from bot.storage.engines.decision_locks import Unguarded
from bot.storage.engines.errors import is_broken, is_conflict, is_twice
from bot.storage.engines.postgres_server import engine
from bot.storage.engines.postgres_session import Session, Unsure

T = TypeVar("T")
WRITERS = 4
READERS = 3
TRIES = 12  # of a work that conflicts with others: together about a second
TOGETHER = 2  # tries beside the other lanes; later ones run alone in this process, so only other processes conflict
TRIES_IF_TWICE = 4
BACKOFF = Backoff(0.002, 0.25)  # after a conflict
MOST_CUTS = 3
SETTLING = 30  # seconds in which the server is asked what became of a commit


class Postgres:
    """The engine of a PostgreSQL server. Use it as `async with Postgres.open(url, clock) as engine`."""

    lanes = WRITERS
    group = 1
    touch = "SELECT pg_current_xact_id()"

    def __init__(self, *, writers: Sequence[Session], readers: Sequence[Session], clock: Clock, version: str) -> None:
        self.version = version
        self._clock = clock
        self._writers = writers
        self._readers = cycle(readers)
        self._places = Places(WRITERS)

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, clock: Clock) -> AsyncIterator[Postgres]:
        """Connect, and disconnect at the end. Raises `DBAPIError` for a server that can't be reached now."""
        source = engine(url)
        async with AsyncExitStack() as sessions:
            made = [Session(source, writer=number < WRITERS) for number in range(WRITERS + READERS)]
            for session in made:
                sessions.push_async_callback(session.close)
            version = await made[0].run(_version)
            yield cls(writers=made[:WRITERS], readers=made[WRITERS:], clock=clock, version=version)

    async def commit(self, lane: int, works: Sequence[Work]) -> list[Outcome]:
        """Run each work in a transaction of its own, on the connection of a lane; returns their outcomes."""
        return [await self._outcome(lane, work) for work in works]

    async def _outcome(self, lane: int, work: Work) -> Outcome:
        try:
            return await self._insisting(lane, work), None
        except Exception as error:  # it goes to the caller who waits for it
            return None, error

    async def _insisting(self, lane: int, work: Work) -> Any:
        """Return the result of a work after its commit. Raises what no further try would change."""
        writer, tries, cuts = self._writers[lane], 0, 0
        while True:
            try:
                async with self._places.take(WRITERS if tries >= TOGETHER else 1):
                    return await writer.run(work.run, work.guards)
            except Unguarded as missing:
                work = replace(work, guards=work.guards | {missing.guard})
            except Unsure as unsure:
                if await self._was_kept(writer, unsure):
                    return unsure.result
                cuts += 1
            except DBAPIError as error:
                tries, cuts = tries + is_conflict(error), cuts + is_broken(error)
                # A connection that was idle may have been cut: a new one will do, or there is no server.
                most = TRIES_IF_TWICE if is_twice(error) else TRIES
                if not (is_conflict(error) or is_broken(error)) or tries >= most or cuts > 1:
                    raise
                if is_conflict(error):  # another pause for each lane: equal pauses would let them conflict again
                    await self._clock.sleep(BACKOFF.pause(tries) * (1 + lane / WRITERS))
            if cuts > MOST_CUTS:
                raise StorageUnavailable("the connection to the database breaks at each commit")

    async def _was_kept(self, writer: Session, commit: Unsure) -> bool:
        """Ask the server whether a commit was kept in which the connection broke. Raises `StorageUnavailable`."""
        for _ in range(SETTLING):
            try:
                fate = await writer.run(commit.fate)
            except DBAPIError as error:
                if not is_broken(error):
                    raise
                fate = "in progress"
            if fate in ("committed", "aborted"):
                return fate == "committed"
            await self._clock.sleep(1.0)
        raise StorageUnavailable("the connection to the database broke during a commit, which may have been kept")

    async def read(self, question: Callable[[Connection], T], *, one: bool = False) -> T:
        """Answer a question, in one state of the database or as `one` statement without a transaction.

        It is asked again if the connection was cut while it was idle. Raises what the second try raises.
        """
        reader = next(self._readers)
        ask = reader.ask if one else reader.run
        try:
            return await ask(question)
        except DBAPIError as error:
            if not is_broken(error):
                raise
        return await ask(question)

    async def scrub(self) -> None:
        """Free the space of deleted rows, so that new rows overwrite it."""
        await self._writers[0].vacuum()

    def look(self) -> None:
        """Do nothing: the next transaction notices a server that is gone."""

    async def rescue(self) -> None:
        """Do nothing: what was committed is on the server."""


def _version(connection: Connection) -> str:
    return f"PostgreSQL {connection.exec_driver_sql('SHOW server_version').scalar_one().split()[0]}"
