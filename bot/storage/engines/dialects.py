"""Which database a URL means, how to reach it for a moment, and what both can't say in the same words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, create_engine
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite.dml import OnConflictDoNothing, OnConflictDoUpdate
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.pool import NullPool

from bot.storage.engines.urls import is_sqlite, synchronous

insert: Callable[[Any], sqlite.Insert] = sqlite.insert  # for `on_conflict_do_...`: see below


@compiles(OnConflictDoNothing, "postgresql")
@compiles(OnConflictDoUpdate, "postgresql")
def _on_conflict(clause: Any, compiler: Any, **options: Any) -> str:
    """SQLite has taken its clause over from PostgreSQL, and SQLAlchemy keeps it in the same fields but one.

    PostgreSQL's own `insert` would say it too, but loading it costs those who use SQLite memory.
    """
    clause.constraint_target = None
    visit = getattr(compiler, f"visit_{clause.__visit_name__}")
    return str(visit(clause, **options))


def connector(url: str, *, writer: bool) -> Engine:
    """Connections outside a store, each its own. Raises `ConfigError` where the driver is not installed."""
    if not is_sqlite(url):
        from bot.storage.engines.postgres_server import engine

        return engine(url)
    from bot.storage.engines.sqlite_thread import prepare_sqlite

    # What people write is not for the log: errors say the statement, never its values.
    made = create_engine(synchronous(url), poolclass=NullPool, hide_parameters=True)
    prepare_sqlite(made, writer=writer)
    return made
