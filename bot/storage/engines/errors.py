"""What an error of SQLite or PostgreSQL means: it may pass, the database is lost, or it is a defect of ours."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError

from bot.errors import Lost, StorageUnavailable
from bot.storage.engines.sqlite_files import RESTORE

# Primary result codes (sqlite.org/rescode.html); the extended ones have these in their lowest byte.
PASSING = frozenset({
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOMEM,
})  # fmt: skip
DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

# SQLSTATE codes (postgresql.org/docs/current/errcodes-appendix.html): classes, and single codes.
CONFLICTS = frozenset({"40001", "40P01"})  # serialization failure, deadlock
LOCKED = "55P03"  # a lock could not be taken in time
TWICE = "23505"  # unique violation: two who looked both found no such row, or it is a defect
PASSING_CLASSES = ("08", "28", "40", "53", "57", "58")  # connection, login, rollback, resources, shutdown, system
PASSING_STATES = frozenset({"25006", "25P03", "25P04", "42501", LOCKED})  # read-only, time limits, rights, locks
GONE_STATES = frozenset({"3D000", "3F000", "42P01"})  # no such database, schema, table
DAMAGED_CLASS = "XX"


def meaning(error: BaseException, *, writing: bool = True) -> BaseException:
    """Translate an error: `StorageUnavailable` for a failure that may pass, `Lost` for a damaged or deleted database,
    otherwise the error itself.
    """
    cause = error.orig if isinstance(error, DBAPIError) else error
    if is_damage(error):
        return Lost(
            f"the database is damaged, or the disk below it ({cause}): start again, which checks it, or {RESTORE}"
        )
    if _state(error) in GONE_STATES:
        return Lost(f"the database is gone ({cause})")
    if _passes(error, writing=writing):
        return StorageUnavailable(f"the database can't be {'written' if writing else 'read'}: {cause}")
    return error


def _passes(error: BaseException, *, writing: bool) -> bool:
    # For a connection that may only read, the same words say that we tried to write.
    if is_sqlite(error):
        code = _code(error) & 0xFF
        return code in PASSING and (writing or code != sqlite3.SQLITE_READONLY)
    state = _state(error)
    if state == "25006" and not writing:
        return False
    return state in PASSING_STATES or state.startswith(PASSING_CLASSES) or is_broken(error)


def is_damage(error: BaseException) -> bool:
    """Return whether the database is damaged."""
    return _code(error) & 0xFF in DAMAGED or _state(error).startswith(DAMAGED_CLASS)


def is_conflict(error: BaseException) -> bool:
    """Return whether a transaction conflicted with another one, so that a second try may succeed."""
    return _state(error) in CONFLICTS or is_twice(error)


def is_in_the_way(error: BaseException) -> bool:
    """Return whether a table could not be locked because other transactions are using it."""
    return _state(error) in CONFLICTS | {LOCKED}


def is_twice(error: BaseException) -> bool:
    """Return whether the database refused a row because another row has its unique key."""
    return _state(error) == TWICE


def is_broken(error: BaseException) -> bool:
    """Return whether the connection to the server broke, or none could be made."""
    if not isinstance(error, DBAPIError) or is_sqlite(error):
        return False
    return error.connection_invalidated or (not _state(error) and type(error.orig).__name__ == "OperationalError")


def is_sqlite(error: BaseException) -> bool:
    """Return whether an error is one of SQLite."""
    return isinstance(_cause(error), sqlite3.Error)


def _cause(error: BaseException) -> BaseException | None:
    return error.orig if isinstance(error, DBAPIError) else error


def _code(error: BaseException) -> int:
    return int(getattr(_cause(error), "sqlite_errorcode", 0))


def _state(error: BaseException) -> str:
    return getattr(_cause(error), "sqlstate", None) or ""
