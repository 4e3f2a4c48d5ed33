"""Connections outside a store, and the statements that SQLite and PostgreSQL need a dialect of SQLAlchemy for."""

from __future__ import annotations

from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Engine, Integer, cast, create_engine, func
from sqlalchemy.pool import NullPool

from bot.storage.engines.urls import is_sqlite, synchronous

T = TypeVar("T")


def connector(url: str, *, writer: bool) -> Engine:
    """An engine for work outside a store: it opens a new connection each time, a read-only one without `writer`.

    Raises `ConfigError` if the driver is not installed.
    """
    if not is_sqlite(url):
        from bot.storage.engines.postgres_server import engine

        return engine(url)
    from bot.storage.engines.sqlite_thread import prepare_sqlite

    # What people write is not for the log: errors say the statement, never its values.
    made = create_engine(synchronous(url), poolclass=NullPool, hide_parameters=True)
    prepare_sqlite(made, writer=writer)
    return made


def whole_part(connection: Connection, number: ColumnElement[Any]) -> ColumnElement[int]:
    """The whole part of a positive number in a query. CAST truncates on SQLite and rounds on PostgreSQL, and `floor`
    may be missing on SQLite.
    """
    return cast(number if connection.dialect.name == "sqlite" else func.floor(number), Integer)
