"""What an error of SQLite means for whoever asked: wait, give up, or it was a defect of ours."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError

from bot.errors import Lost, StorageUnavailable
from bot.storage.files import RESTORE

# Primary result codes (sqlite.org/rescode.html); the extended ones have these in their lowest byte.
PASSING = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_NOMEM,
    }
)
DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def meaning(error: BaseException, *, writing: bool = True) -> BaseException:
    """`StorageUnavailable` for what may pass, `Lost` for a damaged file, else the error itself."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(cause, "sqlite_errorcode", -1)
    if is_damage(error):
        return Lost(
            f"the database is damaged, or the disk below it ({cause}): start again, which checks it, or {RESTORE}"
        )
    # For a connection that may only read, the same words say that we tried to write.
    if code & 0xFF in PASSING and (writing or code != sqlite3.SQLITE_READONLY):
        return StorageUnavailable(f"the database can't be {'written' if writing else 'read'}: {cause}")
    return error


def is_damage(error: BaseException) -> bool:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return getattr(cause, "sqlite_errorcode", 0) & 0xFF in DAMAGED
