"""A connection to SQLite with a thread of its own, in which whole transactions run.

aiosqlite crosses into its thread once for every statement, and SQLAlchemy's asyncio layer four times: the twenty-five
statements of a turn cost 8 ms. Here a transaction crosses once, so it is an ordinary function on an ordinary
SQLAlchemy connection. That it can't be cancelled half-way is the other reason.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import aiosqlite
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, Dialect
from sqlalchemy.pool import NullPool, StaticPool
from sqlalchemy.util import LRUCache

from bot.storage.engines.urls import synchronous

T = TypeVar("T")


class Thread(aiosqlite.Connection):
    """Open it with `await Thread(url, writer=...).open()`; what `run` is given, it runs one after the other."""

    connection: Connection

    def __init__(self, url: str, *, writer: bool) -> None:
        place = synchronous(url)
        arguments, options = place.get_dialect()().create_connect_args(place)
        super().__init__(lambda: sqlite3.connect(arguments[0], **options), iter_chunk_size=64)
        self.engine = engine(place, lambda: self._conn, writer=writer)

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


def engine(place: URL, connect: Callable[[], sqlite3.Connection], *, writer: bool) -> Engine:
    """An engine for one connection. What SQLAlchemy has compiled for one engine of a process it knows for all."""
    # What people write is not for the log: errors say the statement, never its values.
    made = create_engine(place, creator=connect, poolclass=StaticPool, hide_parameters=True)
    made.dialect = _dialect()
    made.update_execution_options(compiled_cache=_COMPILED)
    prepare_sqlite(made, writer=writer)
    return made


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
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")


@cache
def _dialect() -> Dialect:
    """One for all connections: what SQLAlchemy has compiled, at 1 ms a statement, is good for one dialect only."""
    engine = create_engine("sqlite://", poolclass=NullPool)
    engine.connect().close()  # it reads what this SQLite can do
    return engine.dialect


_COMPILED = LRUCache[Any, Any](500)
