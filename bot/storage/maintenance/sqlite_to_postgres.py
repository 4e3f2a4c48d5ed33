"""Copies a SQLite deployment into PostgreSQL. Begin with `move`.

The SQLite file is only read. Either all rows arrive, or none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import DDL, Connection, LargeBinary, MetaData, Table, func, insert, inspect, select, text
from sqlalchemy.exc import DBAPIError

from bot.errors import BadInput, ConfigError
from bot.storage.engines.dialects import connector
from bot.storage.engines.sqlite_files import alone, path_of
from bot.storage.engines.urls import is_sqlite, shown
from bot.storage.maintenance import migrations
from bot.storage.tables import METADATA

BATCH = 1_000  # rows that are read and written at a time
FEW = 20  # of those that hold files
LOCK: Any = DDL("LOCK TABLE %(fullname)s IN EXCLUSIVE MODE")  # type: ignore[no-untyped-call]  # nobody writes then
TABLES: Sequence[Table] = METADATA.sorted_tables


@dataclass(frozen=True, slots=True)
class Moved:
    """The number of rows of each table. `before`: an earlier call had copied all of them already."""

    rows: Mapping[str, int]
    before: bool


async def move(source: str, target: str, own: MetaData | None = None) -> Moved:
    """Copy all rows, and compare what arrived with what was sent, row by row. `own` are the tables of a programmer.

    May be repeated: what is there already is only compared. Raises `ConfigError` while a bot runs on the source, for a
    source that is not there or has an older schema, and for a target that can't be used; `BadInput` for a target that
    holds other rows, or can't hold these, and for a source with tables that are neither ours nor of `own`.
    """
    path = path_of(source)
    if not is_sqlite(source) or path is None or not path.exists():
        raise ConfigError(f"DATABASE_URL: {shown(source)} is no SQLite database that could be moved")
    if is_sqlite(target):
        raise BadInput("a database is moved to postgresql://user:password@host/name")
    with alone(source):
        if (revision := await migrations.current(source)) != migrations.HEAD:
            raise ConfigError(f"DATABASE_URL: {path} has schema {revision or 'none'}: run `govorun migrate` first")
        await migrations.upgrade(target)
        with connector(source, writer=False).connect() as old, connector(target, writer=True).connect() as new:
            return _moved(old, new, shown(target), own or MetaData())


def _moved(old: Connection, new: Connection, place: str, own: MetaData) -> Moved:
    tables = [*TABLES, *own.sorted_tables]
    with old.begin():
        known = {*METADATA.tables, *migrations.VERSIONS.tables, *own.tables}
        if foreign := sorted(set(inspect(old).get_table_names()) - known):
            raise BadInput(
                f"{', '.join(foreign)}: these tables are of an App; name it with --app, so that they come along"
            )
        wanted = {table.name: _sum(old, table) for table in tables}
        with new.begin():
            own.create_all(new)
            for table in tables:
                new.execute(LOCK.against(table))
            found = {table.name: _sum(new, table) for table in tables}
            if strangers := [name for name, (count, _) in found.items() if count and found != wanted]:
                raise BadInput(f"{place} holds other rows already ({', '.join(strangers)}): choose an empty database")
            if found != wanted:
                for table in tables:
                    _copy(old, new, table)
                    if _sum(new, table) != wanted[table.name]:
                        raise BadInput(f"{place}: {table.name} did not arrive as it was; nothing is kept")
    return Moved({name: count for name, (count, _) in wanted.items()}, before=found == wanted)


def _copy(old: Connection, new: Connection, table: Table) -> None:
    statement = insert(table)
    try:
        for rows in _batches(old, table):
            new.execute(statement, [dict(row._mapping) for row in rows])
    except DBAPIError as error:
        raise BadInput(f"{table.name} can't be copied: {error.orig}") from None
    if "id" in table.c and table.primary_key.columns.keys() == ["id"]:
        _count_on(old, new, table)


def _count_on(old: Connection, new: Connection, table: Table) -> None:
    """Set the sequences, so that new rows get ids above all that were ever used."""
    highest = old.scalar(select(func.max(table.c.id))) or 0
    if table.dialect_options["sqlite"]["autoincrement"]:
        given = old.scalar(text("SELECT seq FROM sqlite_sequence WHERE name = :name"), {"name": table.name})
        highest = max(highest, given or 0)
    values = {"name": table.name, "next": highest + 1}
    new.execute(text("SELECT setval(pg_get_serial_sequence(:name, 'id'), :next, false)"), values)


def _sum(connection: Connection, table: Table) -> tuple[int, int]:
    """Return how many rows there are and a sum of their hashes.

    The sum does not depend on their order, since databases sort texts differently.
    """
    count, total = 0, 0
    for rows in _batches(connection, table):
        for row in rows:
            values = tuple(value.replace("\0", "\ufffd") if isinstance(value, str) else value for value in row)
            total += int.from_bytes(hashlib.sha256(repr(values).encode()).digest())
        count += len(rows)
    return count, total % 2**256


def _batches(connection: Connection, table: Table) -> Iterator[Sequence[Any]]:
    size = FEW if any(isinstance(column.type, LargeBinary) for column in table.c) else BATCH
    result = connection.execute(select(table), execution_options={"yield_per": size})
    return result.partitions()
