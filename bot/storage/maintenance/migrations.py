"""Which schema this code needs, and how a database gets there. Begin with `upgrade`; the steps are in `migrations/`.

Beside its revision (the table of alembic) a database keeps the oldest revision whose code works with it (the table
`govorun_schema`). A step that only adds to the schema leaves that as it is, so during an update the processes of the
version before go on, and may be started again.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from bot.concurrency.retry import Backoff
from bot.errors import ConfigError
from bot.storage.engines import job_notify
from bot.storage.engines.dialects import connector
from bot.storage.engines.errors import is_damage, is_in_the_way, meaning
from bot.storage.engines.sqlite_copy import before_migration, is_served, outdated
from bot.storage.engines.sqlite_files import ADVICE, RESTORE, claim, path_of
from bot.storage.engines.urls import is_sqlite, shown, synchronous
from bot.storage.tables import METADATA

log = logging.getLogger(__name__)

VERSIONS = sa.MetaData()  # what no step makes: the table of alembic, as it makes it, and one row about it
VERSION = sa.Table(
    "alembic_version",
    VERSIONS,
    sa.Column("version_num", sa.String(32)),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
COMPATIBILITY = sa.Table("govorun_schema", VERSIONS, sa.Column("oldest", sa.String(32), nullable=False))
OURS = ("updates", "deliveries", "conversations")  # no other program has all of these
HEAD = "0035"  # known here so that a start does not load alembic (0.3 s) to find that there is nothing to do
OLDEST = "0032"  # the oldest revision whose code works with `HEAD`: the highest `CONTRACTS` of the steps
LONGEST_CHECK = 1.0  # seconds of a start for the search for broken pages
MOST_TRIES = 60  # to change tables that others use: about two minutes
BACKOFF = Backoff(0.1, 1.0)


@dataclass(frozen=True, slots=True)
class State:
    """The schema of a database. `oldest` is the oldest revision whose code works with it, "" if it is not known."""

    revision: str
    oldest: str

    @property
    def is_known(self) -> bool:
        """Whether this code can read the schema or bring it up to date."""
        return self.revision in known()

    @property
    def is_served(self) -> bool:
        """Whether this code can work with the schema."""
        return is_served(known(), self.revision, self.oldest)


def scripts() -> Path:
    """Return the folder with the migrations."""
    inside = Path(__file__).parents[2] / "migrations"
    return inside if inside.is_dir() else inside.parents[1] / "migrations"


def known() -> frozenset[str]:
    """Return the revisions that this code can read or bring up to date."""
    return frozenset(step.name.partition("_")[0] for step in (scripts() / "versions").glob("0*_*.py"))


async def current(url: str) -> str | None:
    """Return the revision of a database; None for an empty one. Raises `ConfigError` as `find` does."""
    told = await find(url)
    return None if told is None else told.revision


async def find(url: str) -> State | None:
    """Return the schema of a database; None for an empty one.

    Raises `ConfigError` for a database that belongs to another program, is damaged, can't be opened, or is older than
    all steps. Nothing is changed.
    """
    return await asyncio.to_thread(_find, url)


def _find(url: str) -> State | None:
    told = _in_file(url) if is_sqlite(url) else _on_server(url)
    if told is not None and (problem := outdated(known(), told.revision)):
        raise ConfigError(f"DATABASE_URL: {shown(url)}: {problem}")
    return told


def _in_file(url: str) -> State | None:
    _look_around(url)
    engine = sa.create_engine(synchronous(url), poolclass=NullPool)
    try:
        with engine.connect() as connection:
            tables = _tables(url, connection, "file")
            if VERSION.name not in tables:
                return None
            _look_through(url, connection)
            return state(connection)
    except sa.exc.DBAPIError as error:
        advice = f": choose another file, or {RESTORE}" if is_damage(error) else ""
        raise ConfigError(f"DATABASE_URL: {shown(url)} can't be opened: {error.orig}{advice}") from None
    finally:
        engine.dispose()


def _on_server(url: str) -> State | None:
    from bot.storage.engines import postgres_server

    try:
        with postgres_server.engine(url).connect() as connection:
            postgres_server.insist(connection, url)
            tables = _tables(url, connection, "database")
            known_names = (VERSION.name, *METADATA.tables)
            ours = {name for name in tables if name in known_names or name.startswith(job_notify.BESIDE)}
            postgres_server.insist_on_rights(connection, url, ours)
            told = state(connection) if VERSION.name in tables else None
            if told is None or told.revision in known() - {HEAD}:
                postgres_server.insist_on_making(connection, url)
            return told
    except sa.exc.DBAPIError as error:
        raise postgres_server.unreachable(url, error) from None


def _tables(url: str, connection: sa.Connection, place: str) -> set[str]:
    """Return the names of all tables. Raises `ConfigError` when they are another program's."""
    tables = set(sa.inspect(connection).get_table_names())
    if tables - {VERSION.name} and not tables >= {VERSION.name, *OURS}:
        raise ConfigError(f"DATABASE_URL: {shown(url)} holds tables of another program; choose another {place}")
    return tables


def state(connection: sa.Connection) -> State | None:
    """Read the revision and the oldest compatible one; None if alembic's table is empty."""
    revision = connection.scalar(sa.select(VERSION))
    if revision is None:
        return None
    is_told = sa.inspect(connection).has_table(COMPATIBILITY.name)
    return State(revision, (connection.scalar(sa.select(COMPATIBILITY)) if is_told else None) or "")


def write_oldest(connection: sa.Connection, oldest: str) -> None:
    """Store the oldest revision whose code works with the schema."""
    COMPATIBILITY.create(connection, checkfirst=True)
    connection.execute(sa.delete(COMPATIBILITY))
    connection.execute(sa.insert(COMPATIBILITY), {"oldest": oldest})


def _look_through(url: str, connection: sa.Connection) -> None:
    """Refuse a file with broken pages, which every write would spoil more. A check that takes too long is left out."""
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


async def upgrade(url: str) -> str:
    """Bring the database to `HEAD`, a file after a copy of it was made. Returns the revision that it has then.

    A newer schema is left alone. Raises `ConfigError` for a database that this code must not touch,
    `StorageUnavailable` when the disk fails.
    """
    told = await find(url)
    if told is None or _is_behind(url, told):
        return await asyncio.to_thread(_migrate, url, told)
    if not told.is_known:
        log.warning("the database has schema %s of a newer version; this one (%s) works with it", told.revision, HEAD)
    return told.revision


async def insist(url: str) -> None:
    """Raise `ConfigError` for a database whose schema is older or newer than this code can work with as it is."""
    told = await find(url)
    if told is None or _is_behind(url, told):
        raise ConfigError(
            f"DATABASE_URL: {shown(url)} does not have the schema of this version ({HEAD}), and another Govorun "
            "works with it: start that one anew with this version first"
        )


def _is_behind(url: str, told: State) -> bool:
    """Raise `ConfigError` for a schema with which this code does not work."""
    if not told.is_served:
        than = f", which needs a version with schema {told.oldest} or newer" if told.oldest else ""
        raise ConfigError(
            f"DATABASE_URL: {shown(url)} was written by a newer version of Govorun ({told.revision} > {HEAD}){than}: "
            f"start that version, or {RESTORE if is_sqlite(url) else 'restore a dump'}"
        )
    return told.is_known and told.revision != HEAD


def _migrate(url: str, told: State | None) -> str:
    path = path_of(url)
    if path is not None and told is not None:
        copy = before_migration(path, told.revision)
        log.info("schema %s -> %s; before it a copy: %s", told.revision, HEAD, copy)
    try:
        if not is_sqlite(url):
            return _migrate_server(url)
        climb(url) if told else _create(url)
    except sa.exc.DBAPIError as error:
        raise meaning(error) from error
    return HEAD


def _migrate_server(url: str) -> str:
    """Let one of the processes that start together change the schema; the others wait for it."""
    from bot.storage.engines import postgres_server

    with postgres_server.migrating(url):
        told = _find(url)
        if told is None:
            _create(url)
        elif _is_behind(url, told):
            log.info("schema %s -> %s", told.revision, HEAD)
            climb(url)
        else:
            return told.revision
    return HEAD


def _create(url: str) -> None:
    """Create all tables at once in an empty database. Alembic is not imported for its `stamp`: that takes 11 MB."""
    engine = connector(url, writer=True)
    try:
        with engine.begin() as connection:
            VERSIONS.create_all(connection)
            METADATA.create_all(connection)
            job_notify.create(connection)
            connection.execute(sa.insert(VERSION), {"version_num": HEAD})
            write_oldest(connection, OLDEST)
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


def configuration(url: str, folder: Path | None = None) -> Any:
    """Return alembic's configuration for a database. `folder` holds the migrations; None: those of this code."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(folder or scripts()))
    config.attributes["url"] = url
    return config


def climb(url: str, folder: Path | None = None) -> None:
    """Run the migrations that a database lacks: all of them or none.

    On a server it gives way to transactions that use the tables, and tries again; raises `DBAPIError` after two
    minutes.
    """
    from alembic import command

    for attempt in count(1):
        try:
            command.upgrade(configuration(url, folder), "head")
        except sa.exc.DBAPIError as error:
            if not is_in_the_way(error) or attempt == MOST_TRIES:
                raise
            log.info("the schema is in use (%s); try %s of %s", error.orig, attempt + 1, MOST_TRIES)
            time.sleep(BACKOFF.pause(attempt))
        else:
            return
