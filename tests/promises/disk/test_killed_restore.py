"""P20: a restore that is killed anywhere leaves the old database or the new one, and never a mixture."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from bot.storage.engines.sqlite_copy import examine
from bot.storage.maintenance import migrations
from tests.support.child import PYTHONPATH
from tests.support.databases import insert, stored

ROOT = Path(__file__).parents[3]
OLD, NEW = [1, 9], [2]


@pytest.mark.process
async def test_p20_a_restore_that_is_killed_at_any_change_of_names_leaves_one_whole_database(
    shim: Path, tmp_path: Path, template: Path
) -> None:
    ends: list[int] = []
    while not ends or ends[-1] == -signal.SIGKILL:
        folder = tmp_path / str(len(ends))
        folder.mkdir()
        saved = _database(folder / "saved.db", template, NEW)
        _killed_bot(folder / "bot.db", template)
        ends.append(await _restored(shim, folder, saved, kill_at=len(ends) + 1))
        found = stored(folder / "bot.db")
        assert found in (OLD, NEW), f"after {len(ends)} changes of names"
        assert not examine(folder / "bot.db", migrations.known()).problems
        kept = list(folder.glob("bot.db-replaced-*Z"))
        assert found == OLD or [stored(path) for path in kept] == [OLD]
    assert ends[-1] == 0
    assert found == NEW
    assert len(ends) > 3


def _killed_bot(path: Path, template: Path) -> None:
    """A database as a killed process leaves it: its newest row is only in the WAL."""
    _database(path, template, OLD[:1])
    living = path.with_name("living.db")
    shutil.copy(path, living)
    with closing(sqlite3.connect(living)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        insert(connection, OLD[1])
        for ending in ("", "-wal"):
            shutil.copy(f"{living}{ending}", f"{path}{ending}")
    living.unlink()


def _database(path: Path, template: Path, numbers: list[int]) -> Path:
    shutil.copy(template, path)
    with closing(sqlite3.connect(path)) as connection:
        for number in numbers:
            insert(connection, number)
    return path


async def _restored(shim: Path, folder: Path, saved: Path, *, kill_at: int) -> int:
    environment = {
        "PATH": os.environ["PATH"], "PYTHONPATH": PYTHONPATH, "DATABASE_URL": f"sqlite+aiosqlite:///{folder}/bot.db",
        "LD_PRELOAD": str(shim), "DISK_FOLDER": str(folder), "DISK_KILL": str(kill_at),
    }  # fmt: skip
    code = (
        "import sys, bot.storage.maintenance.backup_command as b; from pathlib import Path; "
        "b.restore(sys.argv[1], Path(sys.argv[2]))"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, environment["DATABASE_URL"], str(saved), env=environment, cwd=folder
    )
    return await process.wait()
