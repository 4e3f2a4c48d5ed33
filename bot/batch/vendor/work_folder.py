"""A folder for the files that a run or a command works with, such as a dataset on its way. Begin with `work_folder`."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "govorun-batch-"
YOUNG = 60.0  # seconds: a folder that is younger may be about to be locked


@contextmanager
def work_folder() -> Iterator[Path]:
    """Make a folder in TMPDIR and remove it at the end.

    Also remove those of processes that were killed: they hold what people have written. A process that lives holds a
    lock (flock(2)) on its folder, which the system lets go of with the process.
    """
    _remove_abandoned()
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name, _locked(Path(name)):
        yield Path(name)


def _remove_abandoned() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError), _locked(folder):  # in use, somebody else's, or just removed by another process
            found = folder.lstat()
            if found.st_uid == os.getuid() and found.st_mtime < time.time() - YOUNG:
                shutil.rmtree(folder)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock on a folder. Raises `OSError` if another process has it, or if it is no folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
