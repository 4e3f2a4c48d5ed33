"""SQLite behind a store: one connection that writes, some that only read, each in its thread.

Why one writer: SQLite has one anyway; a cancelled `BEGIN` leaves a connection inside a transaction; and before 3.51.3
two connections of which one checkpoints while the other commits can corrupt the file. The writer groups the commits
that wait for it, so a crowd pays for one fsync.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import cycle
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from bot.errors import StorageUnavailable
from bot.storage.engines import sqlite_copy
from bot.storage.engines.base import Outcome, Work
from bot.storage.engines.errors import meaning
from bot.storage.engines.sqlite_files import Watch, path_of
from bot.storage.engines.sqlite_thread import Thread

T = TypeVar("T")
GROUP = 64  # works that share a commit: more would make the first of them wait
READERS = 2  # an answer to a question takes well under a millisecond


class Sqlite:
    """The engine of a SQLite file. Use it as `async with Sqlite.open(url) as engine`."""

    lanes = 1
    group = GROUP
    version = f"SQLite {sqlite3.sqlite_version}"
    touch = "PRAGMA user_version=1"

    def __init__(self, *, writer: Thread, readers: Sequence[Thread], path: Path | None = None) -> None:
        self.writer = writer
        self._readers = cycle(readers)
        self._path = path
        self._files = Watch(path)

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, *, writes: bool = True) -> AsyncIterator[Sqlite]:
        """Open the connections, close them at the end. Raises `StorageUnavailable` if that is impossible now.

        `writes` False: nothing can be written, as another process is the one that writes.
        """
        async with AsyncExitStack() as threads:
            opened = [await _opened(url, threads, writer=writes and number == 0) for number in range(1 + READERS)]
            writer, *readers = opened
            yield cls(writer=writer, readers=readers, path=path_of(url))

    async def commit(self, lane: int, works: Sequence[Work]) -> list[Outcome]:
        """Run works in one transaction, each in a savepoint; returns their outcomes after the commit."""
        return await self.writer.run(_committed, self.writer.connection, works, self._files)

    async def read(self, question: Callable[[Connection], T], *, one: bool = False) -> T:
        """Answer a question on a connection that can't write; on SQLite one statement is a transaction, too."""
        reader = next(self._readers)
        return await reader.run(_asked, reader.connection, question)

    async def scrub(self) -> None:
        """Write the whole database anew, about a second for 200 MB; nothing else is written meanwhile."""
        await self.writer.run(_scrubbed, self.writer.connection)

    def look(self) -> None:
        """Check that the files are still where the next start looks for them. Raises `Lost`."""
        self._files.look()

    async def rescue(self) -> None:
        """Copy the open database to another name, if its own name is gone."""
        if self._path is not None and self._files.moved():
            await self.writer.run(sqlite_copy.rescue, self.writer.connection, self._path)


async def _opened(url: str, threads: AsyncExitStack, *, writer: bool) -> Thread:
    try:
        thread = await Thread(url, writer=writer).open()
    except (DBAPIError, sqlite3.Error) as error:
        raise meaning(error) from error
    threads.push_async_callback(thread.close)
    return thread


# --- in the thread ----------------------------------------------------------------------------------------------------


def _asked(connection: Connection, question: Callable[[Connection], T]) -> T:
    with connection.begin():
        return question(connection)


def _scrubbed(connection: Connection) -> None:
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)  # noqa: S101  the only one that there is
    for statement in ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
        try:
            busy = raw.execute(statement).fetchone()
        except sqlite3.Error as error:
            raise DBAPIError.instance(statement, None, error, sqlite3.Error) from error
        if busy is not None and busy[0]:
            raise StorageUnavailable("a reader keeps old pages of the database alive")


def _committed(connection: Connection, works: Sequence[Work], files: Watch) -> list[Outcome]:
    """Run works in one transaction and return the outcome of each."""
    try:
        with connection.begin():
            outcomes: list[Outcome]
            one = len(works) == 1
            outcomes = [(works[0](connection), None)] if one else [_apart(connection, work) for work in works]
        files.look()
    except _Undone:
        return [outcome for work in works for outcome in _committed(connection, [work], files)]
    except Exception as error:  # the commit, or the only work: nobody's changes are on disk
        return [(None, error) for _ in works]
    return outcomes


class _Undone(Exception):
    """Raised when SQLite has rolled back a group because of one work (a full disk): each is then run by itself."""


def _apart(connection: Connection, work: Work) -> Outcome:
    """Run one work of a group in a savepoint, so that its failure undoes only its own changes. Raises `_Undone`."""
    raw = connection.connection.driver_connection  # past SQLAlchemy, whose savepoints take a tenth of a turn
    assert isinstance(raw, sqlite3.Connection)  # noqa: S101  the only one that there is
    raw.execute("SAVEPOINT work")
    try:
        result = work(connection)
        raw.execute("RELEASE work")
    except Exception as error:  # it goes to the caller who waits for it
        if not raw.in_transaction:
            raise _Undone from error
        raw.execute("ROLLBACK TO work")
        raw.execute("RELEASE work")
        return None, error
    return result, None
