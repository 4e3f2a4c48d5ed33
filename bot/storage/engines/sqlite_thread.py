"""A connection to SQLite with a thread of its own, which runs whole transactions.

aiosqlite crosses into its thread once for every statement, and SQLAlchemy's asyncio layer four times: the twenty-five
statements of a turn cost 8 ms. Here a transaction crosses once: it is an ordinary function on an ordinary
SQLAlchemy connection, which also can't be cancelled half-way.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import aiosqlite
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import URL, Dialect
from sqlalchemy.pool import NullPool, StaticPool

from bot.storage.engines.urls import synchronous

T = TypeVar("T")


class Thread(aiosqlite.Connection):
    """A connection with a thread that runs one function after the other. Use `await Thread(url, writer=...).open()`."""

    connection: Connection

    def __init__(self, url: str, *, writer: bool) -> None:
        place = synchronous(url)
        arguments, options = place.get_dialect()().create_connect_args(place)
        super().__init__(lambda: sqlite3.connect(arguments[0], **options), iter_chunk_size=64)
        self.engine = engine(place, lambda: self._conn, writer=writer)

    async def open(self) -> Thread:
        """Start the thread and connect. Raises SQLAlchemy's `DBAPIError`, or `sqlite3.Error` without a file."""
        await self
        try:
            self.connection = await self.run(self.engine.connect)
        except BaseException:
            await self.close()
            raise
        return self

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Run a function in the thread. Cancelling the caller does not cancel the function."""
        result: T = await self._execute(function, *arguments)  # type: ignore[no-untyped-call]
        return result


def engine(place: URL, connect: Callable[[], sqlite3.Connection], *, writer: bool) -> Engine:
    """Return an engine for one connection."""
    # What people write is not for the log: errors say the statement, never its values.
    made = create_engine(place, creator=connect, poolclass=StaticPool, hide_parameters=True)
    prepare_sqlite(made, writer=writer)
    return made


def prepare_sqlite(engine: Engine, *, writer: bool) -> None:
    """Set up each connection of an engine: time limits, foreign keys, and what a writer or a reader needs."""

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the dialect begins transactions
        cursor = connection.cursor()
        cursor.execute("PRAGMA busy_timeout=5000")
        cursor.execute("PRAGMA foreign_keys=ON")
        if writer:
            cursor.execute("PRAGMA journal_mode=WAL")
            # With NORMAL a power cut loses acknowledged commits; FULL costs about 0.1 ms.
            cursor.execute("PRAGMA synchronous=FULL")
            cursor.execute("PRAGMA secure_delete=ON")  # what is deleted is overwritten; see also `Store.scrub_deleted`
        else:
            cursor.execute("PRAGMA query_only=ON")
            cursor.execute("PRAGMA wal_autocheckpoint=0")
        cursor.close()

    engine.dialect = _dialect("BEGIN IMMEDIATE" if writer else "BEGIN")


class _Dialect(SQLiteDialect_pysqlite):
    """SQLAlchemy's dialect, but it begins transactions with a statement: a listener to "begin" would slow down every
    statement.
    """

    supports_statement_cache = True

    def __init__(self, begin: str) -> None:
        super().__init__(dbapi=sqlite3)
        self._begin = begin

    def do_begin(self, dbapi_connection: Any) -> None:
        dbapi_connection.execute(self._begin)


@cache
def _dialect(begin: str) -> Dialect:
    """Return the one dialect of all connections that begin so."""
    dialect = _Dialect(begin)
    with create_engine("sqlite://", poolclass=NullPool).connect() as connection:
        dialect.initialize(connection)  # it reads what this SQLite can do
    return dialect
