"""A connection to SQLite with a thread of its own, in which whole transactions run.

aiosqlite crosses into its thread once for every statement, and SQLAlchemy's asyncio layer four times: the twenty-five
statements of a turn cost 8 ms. Here a transaction crosses once, so it is an ordinary function on an ordinary
SQLAlchemy connection. That it can't be cancelled half-way is the other reason.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TypeVar

import aiosqlite
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.pool import StaticPool

from bot.storage.dialects import synchronous

T = TypeVar("T")


class Thread(aiosqlite.Connection):
    """Open it with `await Thread(url, writer=...).open()`; what `run` is given, it runs one after the other."""

    connection: Connection

    def __init__(self, url: str, *, writer: bool) -> None:
        place = synchronous(url)
        arguments, options = place.get_dialect()().create_connect_args(place)
        super().__init__(lambda: sqlite3.connect(arguments[0], **options), iter_chunk_size=64)
        # What people write is not for the log: errors say the statement, never its values.
        self.engine = create_engine(place, creator=lambda: self._conn, poolclass=StaticPool, hide_parameters=True)
        prepare_sqlite(self.engine, writer=writer)

    async def open(self) -> Thread:
        """Raises SQLAlchemy's `DBAPIError`, or `sqlite3.Error` where there is not even a file."""
        await self
        try:
            self.connection = await self.run(self.engine.connect)
        except BaseException:
            await self.close()
            raise
        return self

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Run it in the thread. Whoever waits may be cancelled; the function is not."""
        result: T = await self._execute(function, *arguments)  # type: ignore[no-untyped-call]
        return result


def prepare_sqlite(engine: Engine, *, writer: bool) -> None:
    """What every connection to SQLite is told first; a connection that only reads is told so too."""

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # we begin transactions ourselves, below
        cursor = connection.cursor()
        cursor.execute("PRAGMA busy_timeout=5000")
        cursor.execute("PRAGMA foreign_keys=ON")
        if writer:
            cursor.execute("PRAGMA journal_mode=WAL")
            # With NORMAL a power cut loses acknowledged commits; FULL costs about 0.1 ms.
            cursor.execute("PRAGMA synchronous=FULL")
            cursor.execute("PRAGMA secure_delete=ON")  # what is deleted is overwritten; see also `Store.scrub`
        else:
            cursor.execute("PRAGMA query_only=ON")
            cursor.execute("PRAGMA wal_autocheckpoint=0")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.execute(BEGIN_WRITE if writer else BEGIN_READ)


BEGIN_WRITE = text("BEGIN IMMEDIATE")
BEGIN_READ = text("BEGIN")
