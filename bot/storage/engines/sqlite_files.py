"""The files of a database: where they are, who may read them, and whether they are still there."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import make_url

from bot.errors import ConfigError, Lost

PRIVATE = 0o600  # what people write is nobody else's business on this machine
BESIDE = ("-wal", "-shm")  # what an open database keeps beside itself
RESTORE = "restore a backup with `govorun restore FILE`"
ADVICE = f"put the right file there and start again, or {RESTORE}"


def path_of(url: str) -> Path | None:
    """Return the file of a database; None for one in memory or on a server."""
    place = make_url(url)
    name = place.database or "" if place.get_backend_name() == "sqlite" else ""
    return Path(name.removeprefix("file:")) if name not in ("", ":memory:") else None


def home(url: str) -> Path | None:
    """Return the path beside which other files are kept: that of the database file, or one in the working folder if
    there is no file.
    """
    return path_of(url) if make_url(url).get_backend_name() == "sqlite" else Path("govorun")


def claim(path: Path) -> None:
    """Create the file of a new database for its owner alone; SQLite gives the files beside it this mode, too."""
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, PRIVATE))


@contextmanager
def alone(url: str) -> Iterator[None]:
    """Hold the lock file beside a database. Raises `ConfigError` when another process has it."""
    database = path_of(url)
    if database is None:
        yield
        return
    try:
        lock = os.open(f"{database}.lock", os.O_CREAT | os.O_WRONLY, PRIVATE)
    except OSError as error:
        raise ConfigError(f"DATABASE_URL: can't write beside {database}: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise ConfigError(
            f"DATABASE_URL: another Govorun works with {database}; stop it first, or use another file"
        ) from None
    try:
        yield
    finally:
        os.close(lock)


def on_disk(folder: Path) -> None:
    """Wait until the names of the files in a folder are on the disk: syncing a file does not sync its name."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Watch:
    """Remembers which files an open database has, to notice when one is deleted or replaced.

    Without it the bot would go on storing updates in a deleted file, where nobody would ever find them.
    """

    def __init__(self, path: Path | None) -> None:
        self._paths = [f"{path}{ending}" for ending in ("", *BESIDE)] if path else []
        self._seen: dict[str, tuple[int, int]] = {}

    def look(self) -> None:
        """Raise `Lost` when one of the files was deleted or replaced."""
        if found := self.moved():
            raise Lost(f"{found} while it was in use: {ADVICE}")

    def moved(self) -> str:
        """Return which file was deleted or replaced, as a sentence; "" for none."""
        for path in self._paths:
            try:
                found = os.stat(path)
            except OSError as error:
                if path in self._seen:
                    return f"{path} is gone ({error.strerror})"
                continue
            if self._seen.setdefault(path, (found.st_dev, found.st_ino)) != (found.st_dev, found.st_ino):
                return f"{path} was replaced by another file"
        return ""
