"""The tables of a programmer in the bot's database: checked, created and changed at a start. Begin with `prepare`."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping

from sqlalchemy import Column, Connection, MetaData, Table, inspect
from sqlalchemy.exc import DBAPIError

from bot.clock import SystemClock
from bot.errors import ConfigError
from bot.extension import OwnData
from bot.storage.engines import job_notify
from bot.storage.maintenance.migrations import VERSIONS
from bot.storage.store import Store, Tx
from bot.storage.tables import METADATA

log = logging.getLogger(__name__)

EVERY_BOT = 0  # in `program_keys`: the tables are those of all bots of the database
Migration = Callable[[Connection], object]


def check(metadata: MetaData) -> None:
    """Raise `ConfigError` if a table has a name that Govorun uses."""
    ours = {*METADATA.tables, *VERSIONS.tables}
    taken = sorted(name for name in metadata.tables if name in ours or name.startswith(job_notify.BESIDE))
    if taken:
        raise ConfigError(f"App.metadata: Govorun has a table {', '.join(taken)} itself: choose a name with a prefix")


async def upgrade(url: str, own: OwnData) -> list[str]:
    """Bring the tables of an App in the database at `url` up to date, as a start of the bot does, and return what was
    done (`prepare`).
    """
    if own.metadata is None:
        return []
    async with Store.open(url, SystemClock()) as store:
        return await prepare(store, own.metadata, own.migrations)


async def prepare(store: Store, metadata: MetaData, migrations: Mapping[str, Migration]) -> list[str]:
    """Run the migrations that this database lacks, then create what is missing: tables, columns, indexes. Returns a
    line for each change.

    In a database without any of the tables the migrations count as done. All of it is one transaction, which one
    process at a time runs. Raises `ConfigError` for a change that needs a migration, or a migration that fails.
    """
    check(metadata)

    done: list[str] = []

    async def alone() -> None:
        done.extend(await store.write(lambda tx: _bring_up(tx, metadata, migrations)))
        for line in done:
            log.info("tables of the app: %s", line)

    await store.run_alone("tables of the app", alone)
    return done


def _bring_up(tx: Tx, metadata: MetaData, migrations: Mapping[str, Migration]) -> list[str]:
    connection, done = tx.connection, list[str]()
    is_new = not set(metadata.tables) & set(inspect(connection).get_table_names())
    for name, migrate in migrations.items():
        if not tx.program_keys.use(EVERY_BOT, hashlib.sha256(f"migration {name}".encode()).hexdigest()) or is_new:
            continue
        try:
            migrate(connection)
        except DBAPIError as error:
            raise ConfigError(f"App.migration {name}: {error.orig}") from error
        done.append(f"migration {name} was run")
    there = set(inspect(connection).get_table_names())
    for table in metadata.sorted_tables:
        if table.name in there:
            done += _complete(connection, table)
        else:
            table.create(connection)
            done.append(f"{table.name} was created")
    return done


def _complete(connection: Connection, table: Table) -> list[str]:
    """Add the columns and indexes that a table lacks."""
    found, done = inspect(connection), list[str]()
    columns = {column["name"] for column in found.get_columns(table.name)}
    for column in table.columns:
        if column.name not in columns:
            _add(connection, table, column)
            done.append(f"{table.name}.{column.name} was added")
    indexes = {index["name"] for index in found.get_indexes(table.name)}
    for index in table.indexes:
        if index.name not in indexes:
            index.create(connection)
            done.append(f"{index.name} was added")
    if left := columns - set(table.columns.keys()):
        log.info("tables of the app: %s still has %s, which the App does not name", table.name, ", ".join(sorted(left)))
    return done


def _add(connection: Connection, table: Table, column: Column[object]) -> None:
    if column.primary_key or (not column.nullable and column.server_default is None):
        raise ConfigError(
            f"App.metadata: {table.name}.{column.name} can't be added to rows that are there: make it nullable, give "
            "it a server_default, or write an App.migration"
        )
    from alembic.migration import MigrationContext  # 0.3 s, where there is something to add
    from alembic.operations import Operations

    default = getattr(column.server_default, "arg", None)
    new = Column(column.name, column.type, nullable=column.nullable, server_default=default)  # not of a table yet
    Operations(MigrationContext.configure(connection)).add_column(table.name, new)
