"""Which schema this code needs, and how a database gets there (the steps are in `migrations/`)."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from bot.errors import ConfigError
from bot.storage import queue
from bot.storage.copies import before_migration
from bot.storage.dialects import connector, is_sqlite, shown, synchronous
from bot.storage.faults import is_damage, meaning
from bot.storage.files import ADVICE, RESTORE, claim, path_of
from bot.storage.tables import Base

log = logging.getLogger(__name__)

VERSION = "alembic_version"
OURS = ("updates", "deliveries", "conversations")  # no other program has all of these
HEAD = "0007"  # known here so that a start does not load alembic (0.3 s) to find that there is nothing to do
LONGEST_CHECK = 1.0  # seconds of a start for the search for broken pages


def scripts() -> Path:
    inside = Path(__file__).parents[1] / "migrations"
    return inside if inside.is_dir() else inside.parents[1] / "migrations"


def known() -> frozenset[str]:
    """The revisions that this code can read or bring up to date."""
    return frozenset(step.name.partition("_")[0] for step in (scripts() / "versions").glob("0*_*.py"))


async def current(url: str) -> str | None:
    """The revision of a database; None for an empty one.

    Raises `ConfigError` for one that is not ours, is damaged, or can't be opened; nothing is changed then.
    """
    return await asyncio.to_thread(_current, url)


def _current(url: str) -> str | None:
    return _in_file(url) if is_sqlite(url) else _on_server(url)


def _in_file(url: str) -> str | None:
    _look_around(url)
    engine = sa.create_engine(synchronous(url), poolclass=NullPool)
    try:
        with engine.connect() as connection:
            tables = _tables(url, connection, "file")
            if VERSION not in tables:
                return None
            _look_through(url, connection)
            return _revision(connection)
    except sa.exc.DBAPIError as error:
        advice = f": choose another file, or {RESTORE}" if is_damage(error) else ""
        raise ConfigError(f"DATABASE_URL: {shown(url)} can't be opened: {error.orig}{advice}") from None
    finally:
        engine.dispose()


def _on_server(url: str) -> str | None:
    from bot.storage import server

    try:
        with server.engine(url).connect() as connection:
            server.insist(connection, url)
            tables = _tables(url, connection, "database")
            server.insist_on_rights(connection, url, tables & {VERSION, *Base.metadata.tables})
            revision = _revision(connection) if VERSION in tables else None
            if revision is None or revision in known() - {HEAD}:
                server.insist_on_making(connection, url)
            return revision
    except sa.exc.DBAPIError as error:
        raise server.unreachable(url, error) from None


def _tables(url: str, connection: sa.Connection, place: str) -> set[str]:
    """The names of the tables that are there. Raises `ConfigError` when they are another program's."""
    tables = set(sa.inspect(connection).get_table_names())
    if tables - {VERSION} and not tables >= {VERSION, *OURS}:
        raise ConfigError(f"DATABASE_URL: {shown(url)} holds tables of another program; choose another {place}")
    return tables


def _revision(connection: sa.Connection) -> str | None:
    revision: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return revision


def _look_through(url: str, connection: sa.Connection) -> None:
    """Refuse a file with broken pages: every write would spoil more of it. What takes too long is left out."""
    driver: Any = connection.connection.driver_connection
    end = time.monotonic() + LONGEST_CHECK
    driver.set_progress_handler(lambda: time.monotonic() > end, 100_000)
    try:
        (found,) = driver.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        log.info("the database is too large to be checked at each start; `govorun verify` does it")
        return
    finally:
        driver.set_progress_handler(None, 0)
    if found != "ok":
        what = " ".join(found.split())
        raise ConfigError(f"DATABASE_URL: {shown(url)} is damaged ({what}): {RESTORE}")


async def upgrade(url: str) -> None:
    """Bring the database to `HEAD`, a file after a copy of it was made. A schema of another version is left alone.

    Raises `ConfigError` for a database that this code must not touch, `StorageUnavailable` when the disk fails.
    """
    if (revision := _upgradable(url, await current(url))) != HEAD:
        await asyncio.to_thread(_migrate, url, revision)


def _upgradable(url: str, revision: str | None) -> str | None:
    """The same revision. Raises `ConfigError` for one that this code does not know."""
    if revision is not None and revision not in known():
        raise ConfigError(
            f"DATABASE_URL: {shown(url)} was written by a newer version of Govorun ({revision} > {HEAD}): "
            f"start that version, or {RESTORE if is_sqlite(url) else 'restore a dump'}"
        )
    return revision


def _migrate(url: str, revision: str | None) -> None:
    path = path_of(url)
    if path is not None and revision is not None:
        log.info("schema %s -> %s; before it a copy: %s", revision, HEAD, before_migration(path, revision))
    try:
        if is_sqlite(url):
            _alembic(url) if revision else _create(url)
        else:
            _migrate_server(url)
    except sa.exc.DBAPIError as error:
        raise meaning(error) from error


def _migrate_server(url: str) -> None:
    """One of the processes that start at the same time does it; the others wait, and find it done."""
    from bot.storage import server

    with server.migrating(url):
        revision = _upgradable(url, _current(url))
        if revision is None:
            _create(url)
        elif revision != HEAD:
            log.info("schema %s -> %s", revision, HEAD)
            _alembic(url)


def _create(url: str) -> None:
    """All tables at once, in an empty database: alembic is 0.3 s and 10 MB that only older databases need."""
    engine = connector(url, writer=True)
    name = sa.PrimaryKeyConstraint("version_num", name=f"{VERSION}_pkc")
    version = sa.Table(VERSION, sa.MetaData(), sa.Column("version_num", sa.String(32), nullable=False), name)
    try:
        with engine.begin() as connection:
            version.create(connection, checkfirst=True)
            Base.metadata.create_all(connection)
            queue.create(connection)
            connection.execute(sa.insert(version), {"version_num": HEAD})
    finally:
        engine.dispose()


def _look_around(url: str) -> None:
    """Refuse what SQLite would only call "unable to open", and what it would quietly throw away."""
    path = path_of(url)
    if path is None:
        return
    if not path.parent.is_dir():
        raise ConfigError(f"DATABASE_URL: {shown(url)} can't be opened: there is no folder {path.parent}")
    wal = Path(f"{path}-wal")
    if wal.exists() and wal.stat().st_size and not (path.exists() and path.stat().st_size):
        raise ConfigError(f"DATABASE_URL: {path} is missing or empty, and {wal.name} still has its changes: {ADVICE}")
    try:
        claim(path)
    except OSError as error:
        raise ConfigError(f"DATABASE_URL: {shown(url)} can't be opened: {error.strerror}") from None


def configuration(url: str) -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(scripts()))
    config.attributes["url"] = url
    return config


def _alembic(url: str) -> None:
    from alembic import command

    command.upgrade(configuration(url), "head")
