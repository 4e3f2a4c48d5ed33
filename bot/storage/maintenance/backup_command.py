"""`govorun backup`, `restore` and `verify`: what an operator does with copies of the database.

The bot may run during a backup and a verification, and must not during a restore.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bot.errors import BadInput, BotError, ConfigError
from bot.storage.engines import sqlite_copy
from bot.storage.engines.sqlite_files import alone, path_of
from bot.storage.engines.urls import is_sqlite
from bot.storage.maintenance import migrations
from bot.storage.maintenance.trimming import Trimmed, trim


def save(url: str, target: Path | None = None) -> Path:
    """Copy the database to `target` (None: beside it, named after the time) and examine the copy.

    Raises `BadInput` if it can't be made, or is not sound; a copy that is not sound is left for inspection.
    """
    source = _place(url)
    if not source.exists():
        raise ConfigError(f"DATABASE_URL: there is no {source} to copy")
    target = target or source.with_name(f"{source.name}-backup-{sqlite_copy.stamp()}")
    sqlite_copy.copy(source, target)
    _insist(target)
    return target


def save_without_knowledge(url: str, target: Path | None, sent: Path) -> tuple[Path, Trimmed]:
    """Make a copy as `save` does, but without what the knowledge base can read again (`trimming.trim`).

    `sent` is the folder with the files that were sent to the bot. Returns the copy, and what was left out.
    """
    target = save(url, target)
    try:
        trimmed = trim(target, sent)
        _insist(target)
    except BotError:
        target.unlink()
        raise
    return target, trimmed


def restore(url: str, source: Path) -> Path | None:
    """Put a copy in the place of the database. Returns where the replaced one is kept, None if there was none.

    Raises `ConfigError` while a bot runs, `BadInput` for a copy that is not sound; then nothing was changed.
    """
    place = _place(url)
    with alone(url), sqlite_copy.spare(place) as new:
        _insist(source)
        sqlite_copy.copy(source, new)
        _insist(new)
        return sqlite_copy.put(new, place)


def verify(url: str, path: Path | None = None) -> Iterator[tuple[bool, str]]:
    """Check a database, or a copy of one, and yield for each point whether it is sound, with a line for people.

    `path` None: the bot's own database.
    """
    path = path or _place(url)
    report = sqlite_copy.examine(path, migrations.known())
    yield not report.problems, f"{path}: schema {report.revision or 'unknown'}"
    for problem in report.problems:
        yield False, problem
    for what, count in report.open.items():
        if count:
            yield True, f"{count} {what}"


def _insist(path: Path) -> None:
    if problems := sqlite_copy.examine(path, migrations.known()).problems:
        raise BadInput(f"{path} is not sound: {'; '.join(problems)}")


def _place(url: str) -> Path:
    if not is_sqlite(url):
        raise ConfigError(
            "DATABASE_URL: this is for files; with PostgreSQL use pg_dump -Fc, pg_restore and its own checks "
            "(docs/postgresql.md)"
        )
    place = path_of(url)
    if place is None:
        raise ConfigError("DATABASE_URL: a database in memory can't be copied")
    return place
