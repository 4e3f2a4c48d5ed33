"""Copies of a database: made while the bot runs (`copy`), examined (`examine`), put in its place (`put`).

Nothing here waits for the bot, and the bot does not wait either: a copy is read in one transaction, which in WAL mode
blocks nobody.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection

from bot.clock import SystemClock
from bot.errors import BadInput, StorageUnavailable
from bot.storage.engines.errors import is_damage
from bot.storage.engines.sqlite_files import BESIDE, PRIVATE, on_disk

log = logging.getLogger(__name__)

KEPT = 3  # copies from before a migration that stay beside the database
COMPLAINTS = 5  # lines about what is wrong in one file
OPEN = {
    "updates that are not answered": "SELECT count(*) FROM updates WHERE state IN ('new', 'begun')",
    "answers that are not delivered": "SELECT count(*) FROM deliveries WHERE state IN ('pending', 'sending')",
    "pictures that are not finished": "SELECT count(*) FROM operations WHERE state NOT IN ('done', 'failed')",
    "jobs": "SELECT count(*) FROM jobs",
    "updates that were given up": "SELECT count(*) FROM updates WHERE state = 'dead'",
    "answers that were given up": "SELECT count(*) FROM deliveries WHERE state = 'dead'",
}


@dataclass(frozen=True, slots=True)
class Report:
    """What a database holds. `problems` are sentences, none for a sound one; `open` counts unfinished work."""

    revision: str | None
    problems: tuple[str, ...]
    open: dict[str, int]


def stamp() -> str:
    """The present time as a part of a file name."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(SystemClock().time()))


def copy(source: Path, target: Path) -> None:
    """Copy a database as it is now, whole or not at all, for its owner alone (mode 600).

    Everything that was committed before the call is in it. Raises `BadInput` for a target that is there already, for
    a source that is none, and `StorageUnavailable` when the disk fails.
    """
    if target.exists():
        raise BadInput(f"{target} is there already, and a backup never replaces one")
    part = target.with_name(target.name + ".part")
    try:
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE))
        _pages(source, part)
        part.rename(target)
        on_disk(target.parent)
    except (OSError, sqlite3.Error) as error:
        part.unlink(missing_ok=True)
        raise told(error, f"{source} can't be copied to {target}") from None


def _pages(source: Path, part: Path) -> None:
    while True:
        idle = not _in_use(source)
        with closing(_reader(source)) as original, closing(sqlite3.connect(part)) as copied:
            original.backup(copied)  # in one step: one state, and no beginning anew because somebody writes
            copied.execute("PRAGMA journal_mode=DELETE")  # one file, which needs nothing beside itself
        if not (idle and _in_use(source)):
            break
    with part.open("rb") as written:
        os.fsync(written)


def examine(path: Path, known: frozenset[str]) -> Report:
    """Look at everything in a database without changing it; `known` are the revisions that this version can read."""
    if not path.is_file():
        return Report(None, ("there is no such file",), {})
    try:
        with closing(_reader(path)) as connection:
            return _report(connection, known)
    except sqlite3.Error as error:
        return Report(None, (f"it can't be read: {error}",), {})


def _report(connection: sqlite3.Connection, known: frozenset[str]) -> Report:
    connection.execute("BEGIN")
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables >= {"alembic_version", "updates", "deliveries", "jobs", "operations"}:
        return Report(None, ("it is no database of Govorun",), {})
    (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone() or (None,)
    is_told = "govorun_schema" in tables
    (oldest,) = (is_told and connection.execute("SELECT oldest FROM govorun_schema").fetchone()) or (None,)
    problems = [f"damaged: {line}" for (line,) in connection.execute(f"PRAGMA integrity_check({COMPLAINTS})")]
    problems = [] if problems == ["damaged: ok"] else problems
    strays = connection.execute("PRAGMA foreign_key_check").fetchmany(COMPLAINTS)
    problems += [f"row {row} of {table} belongs to nothing" for table, row, *_ in strays]
    if problem := outdated(known, revision):
        problems.append(problem)
    elif not is_served(known, revision, oldest):
        problems.append(f"schema {revision} is not known to this version of Govorun (it knows up to {max(known)})")
    counts = {what: connection.execute(question).fetchone()[0] for what, question in OPEN.items()}
    return Report(revision, tuple(problems), counts)


def is_served(known: frozenset[str], revision: str | None, oldest: str | None = None) -> bool:
    """Return whether code that knows the revisions `known` works with a database.

    It works with a newer one whose steps only added to the schema: `oldest` is the oldest revision whose code works.
    """
    return revision in known or (oldest in known and (revision or "") > max(known))


def outdated(known: frozenset[str], revision: str | None) -> str:
    """Return what to do about a schema from before all revisions `known`; "" for others."""
    if revision is None or revision >= min(known):
        return ""
    return (
        f"schema {revision} is too old, this version of Govorun begins at {min(known)}: start once the last "
        'version that reads it (docs/operations.md, "Updates of Govorun"), or begin with an empty database'
    )


def put(copied: Path, place: Path) -> Path | None:
    """Put a copy in the place of a database that nobody uses. Returns where the replaced one is kept, if there was one.

    A power cut at any moment leaves the old database or the new one at its place, and the old one beside it.
    """
    kept = place.with_name(f"{place.name}-replaced-{stamp()}") if place.exists() else None
    try:
        if kept is not None:
            _fold(place)
            _keep(place, kept)
        # A WAL of the old database beside the new one would be written into it.
        for ending in BESIDE:
            Path(f"{place}{ending}").unlink(missing_ok=True)
        on_disk(place.parent)
        copied.replace(place)
        on_disk(place.parent)
    except OSError as error:
        raise told(error, f"{place} can't be replaced") from None
    return kept


def rescue(connection: Connection, lost: Path) -> None:
    """Save what an open connection still sees of a deleted file, and log where."""
    target = lost.with_name(f"{lost.name}-rescued-{stamp()}")
    try:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE))
        with closing(sqlite3.connect(target)) as saved:
            connection.connection.driver_connection.backup(saved)  # type: ignore[union-attr]
            saved.execute("PRAGMA journal_mode=DELETE")
    except (OSError, sqlite3.Error) as error:
        log.error("what was in the lost %s can't be saved as %s: %s", lost, target, error)
    else:
        log.error("what was in the lost %s is saved as %s", lost, target)


def before_migration(path: Path, revision: str) -> Path:
    """Copy a database before its schema changes, and delete the oldest of such copies."""
    target = path.with_name(f"{path.name}-backup-{revision}-{stamp()}")
    if not target.exists():  # else an earlier start in this second has made it
        copy(path, target)
    name = re.compile(re.escape(path.name) + r"-backup-[0-9a-f]+-\d{8}T\d{6}Z")
    found = [file for file in path.parent.iterdir() if name.fullmatch(file.name)]
    for old in sorted(found, key=lambda file: file.name.rpartition("-")[2])[:-KEPT]:
        old.unlink()
    return target


def _fold(path: Path) -> None:
    """Write the WAL into the file if that works; a damaged database is kept as it is."""
    if not _in_use(path):
        return
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error:
        return


def _keep(path: Path, kept: Path) -> None:
    for ending in ("", "-wal"):
        old, new = Path(f"{path}{ending}"), Path(f"{kept}{ending}")
        if not old.exists():
            continue
        try:
            os.link(old, new)
        except OSError:  # a file system without links
            shutil.copy2(old, new)
            with new.open("rb") as written:
                os.fsync(written)


def _reader(path: Path) -> sqlite3.Connection:
    """Open a connection that changes neither the database nor a file beside it."""
    address = f"file:{quote(str(path.absolute()))}?mode=ro" + ("" if _in_use(path) else "&immutable=1")
    return sqlite3.connect(address, uri=True, isolation_level=None)


def _in_use(path: Path) -> bool:
    """Whether a database is open, or was when its process died: then the newest rows are in the WAL."""
    return Path(f"{path}-wal").exists()


@contextmanager
def spare(path: Path) -> Iterator[Path]:
    """Yield a free name beside `path`, and delete the file of that name at the end."""
    name = path.with_name(f"{path.name}-new")
    name.unlink(missing_ok=True)
    try:
        yield name
    finally:
        name.unlink(missing_ok=True)


def told(error: OSError | sqlite3.Error, what: str) -> BadInput | StorageUnavailable:
    """The error of ours that a failing copy means."""
    return BadInput(f"{what}: {error}") if is_damage(error) else StorageUnavailable(f"{what}: {error}")
