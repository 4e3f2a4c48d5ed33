"""A PostgreSQL server: how it is reached, what it must be, and the locks that processes hold on a database."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from bot.errors import ConfigError
from bot.storage.engines.job_notify import BESIDE
from bot.storage.engines.urls import shown, synchronous
from bot.storage.schema import METADATA

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import ExceptionContext

OLDEST = 14
LACKING = text(
    "SELECT name, may FROM (SELECT unnest(CAST(:tables AS text[])) AS name) AS tables, "
    "unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS may "
    "WHERE NOT has_table_privilege(quote_ident(name), may) "
    "UNION ALL SELECT name, 'SELECT' FROM unnest(CAST(:others AS text[])) AS name "
    "WHERE NOT has_table_privilege(quote_ident(name), 'SELECT') ORDER BY 1, 2 DESC LIMIT 1"
)
UNCOUNTED = text(
    "SELECT 'SEQUENCE ' || counter, 'USAGE' FROM unnest(CAST(:tables AS text[])) AS name, "
    "pg_get_serial_sequence(quote_ident(name), 'id') AS counter "
    "WHERE counter IS NOT NULL AND NOT has_sequence_privilege(counter, 'USAGE') ORDER BY 1 LIMIT 1"
)
REACH = {
    "connect_timeout": "10",  # seconds; a host that is gone says nothing
    "application_name": "govorun",
    "client_encoding": "utf8",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",  # milliseconds without an acknowledgement
}
# What waits for a lock, or forgot to end, stands in the way of everybody else.
SETTINGS = "SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '10s'"


def engine(url: str) -> Engine:
    """Return an engine that makes each connection when it is asked for. Raises `ConfigError` without psycopg."""
    place = synchronous(url)
    try:
        made = create_engine(
            place.update_query_dict({name: value for name, value in REACH.items() if name not in place.query}),
            poolclass=NullPool, hide_parameters=True, use_native_hstore=False,
        )  # fmt: skip
    except ImportError:
        raise ConfigError(
            "DATABASE_URL: PostgreSQL needs an extra of Govorun: pip install 'govorun[postgres]'"
        ) from None
    event.listen(made, "connect", _prepare)
    event.listen(made, "handle_error", _cut)
    return made


def _prepare(connection: Any, _record: object) -> None:
    connection.adapters.register_dumper(str, _nul_free())
    connection.autocommit = True
    connection.execute(SETTINGS)
    connection.autocommit = False


@cache
def _nul_free() -> Any:
    from psycopg.types.string import StrDumperUnknown

    class NulFree(StrDumperUnknown):
        """PostgreSQL can't keep the character 0, which SQLite can, and which comes in documents and names."""

        def dump(self, obj: str) -> Any:
            return super().dump(obj.replace("\0", "\ufffd") if "\0" in obj else obj)

    return NulFree


def _cut(context: ExceptionContext) -> None:
    """Keep the first line of an error: the others show values of the row, and users' texts must not be logged."""
    first = str(context.original_exception).partition("\n")[0]
    context.original_exception.args = (first,)
    if context.sqlalchemy_exception is not None:
        context.sqlalchemy_exception.args = (first,)


# --- what a database must be ------------------------------------------------------------------------------------------


def insist(connection: Connection, url: str) -> None:
    """Raise `ConfigError` for a server that is too old or does not store texts as UTF-8."""
    (number,) = connection.exec_driver_sql("SHOW server_version_num").one()
    if int(number) // 10_000 < OLDEST:
        (version,) = connection.exec_driver_sql("SHOW server_version").one()
        raise ConfigError(f"DATABASE_URL: {shown(url)} is PostgreSQL {version}; {OLDEST} or newer is needed")
    (encoding,) = connection.exec_driver_sql("SHOW server_encoding").one()
    if encoding != "UTF8":
        raise ConfigError(
            f"DATABASE_URL: {shown(url)} keeps texts as {encoding}; make it with CREATE DATABASE ... ENCODING 'UTF8'"
        )


def insist_on_rights(connection: Connection, url: str, tables: Collection[str]) -> None:
    """Raise `ConfigError` that names the first right on these tables that the role lacks."""
    written = sorted(name for name in tables if name in METADATA.tables or name.startswith(BESIDE))
    numbered = [name for name in written if _is_numbered(name)]
    lacking = connection.execute(LACKING, {"tables": written, "others": sorted({*tables} - {*written})}).first()
    lacking = lacking or connection.execute(UNCOUNTED, {"tables": numbered}).first()
    if lacking is not None:
        _refuse(connection, url, f"GRANT {lacking[1]} ON {lacking[0]}")


def _is_numbered(name: str) -> bool:
    table = METADATA.tables.get(name)
    return name.startswith("procrastinate_") if table is None else "id" in table.c


def insist_on_making(connection: Connection, url: str) -> None:
    """Raise `ConfigError` if the role may not create tables."""
    schema = connection.exec_driver_sql("SELECT current_schema()").scalar_one()
    question = text("SELECT has_schema_privilege(:schema, 'CREATE')")
    if schema is None or not connection.scalar(question, {"schema": schema}):
        _refuse(connection, url, f"GRANT USAGE, CREATE ON SCHEMA {schema or 'public'}")


def _refuse(connection: Connection, url: str, grant: str) -> None:
    role = connection.exec_driver_sql("SELECT current_user").scalar_one()
    raise ConfigError(f"DATABASE_URL: {shown(url)}: {role} lacks a right: {grant} TO {role}")


# --- locks ------------------------------------------------------------------------------------------------------------


def key(name: str) -> int:
    """Return the number of the advisory lock with a name."""
    return int.from_bytes(hashlib.sha256(f"govorun {name}".encode()).digest()[:8], signed=True)


@contextmanager
def migrating(url: str) -> Iterator[None]:
    """Wait until no other process changes the schema, and keep others from it."""
    try:
        connection = engine(url).execution_options(isolation_level="AUTOCOMMIT").connect()
    except DBAPIError as error:
        raise unreachable(url, error) from None
    try:  # its locks end with the connection, or with the process
        connection.exec_driver_sql("SET lock_timeout = 0")
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": key("schema")})
        yield
    finally:
        try:
            connection.close()
        except DBAPIError:
            connection.invalidate()


def unreachable(url: str, error: DBAPIError) -> ConfigError:
    """Return the error for a server that can't be used, without its password."""
    return ConfigError(f"DATABASE_URL: {shown(url)} can't be used: {' '.join(str(error.orig).split())}")
