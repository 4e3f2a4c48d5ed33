"""F85-F87: a disk that fails and heals costs time, never an answer; a database that is gone ends the bot in a sentence.

The bot is a process of its own; `disk.c` stands between it and its files. `DISK_LOCKED=60` gives the full form.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from bot.storage.engines.sqlite_copy import examine
from bot.storage.maintenance import migrations
from tests.promises.disk.patient import Patient

pytestmark = pytest.mark.e2e
LOCKED = float(os.environ.get("DISK_LOCKED", "7"))  # seconds; SQLite itself waits for 5
TROUBLE = 2.5  # seconds
FAULTS = {
    "the disk is full": {"writes": errno.ENOSPC},
    "the disk is broken": {"writes": errno.EIO, "syncs": errno.EIO},
    "the disk became read-only": {"writes": errno.EROFS, "opens": errno.EROFS, "removals": errno.EROFS},
    "syncs fail": {"syncs": errno.EIO},
}
INNER_WORDS = ("database", "disk", "sqlite", "locked", "error", "Traceback")


async def test_f85_f86_p18_a_disk_that_fails_and_heals_costs_no_answer(
    shim: Path, tmp_path: Path, template: Path
) -> None:
    async with Patient.open(tmp_path, template.read_bytes(), shim=shim) as patient:
        expected = ["before"]
        await patient.ask("before")
        for number, (name, fault) in enumerate(FAULTS.items()):
            patient.faults.fail(**fault)
            asked = f"while {number}"
            patient.say(asked)
            expected.append(asked)
            await asyncio.sleep(TROUBLE)
            on_disk = asked in _kept(patient.database)
            assert on_disk or patient.telegram.pending, f"{name}: confirmed to Telegram, and not on disk"
            patient.faults.fail()
            await patient.until(lambda: patient.questions[-1:] == expected[-1:])
            await patient.ask(f"after {number}")
            expected.append(f"after {number}")
        await patient.until(lambda: len(patient.texts) == len(expected))
        assert patient.questions == expected
        assert not [text for text in patient.texts if any(word in text for word in INNER_WORDS)]
        patient.process.signal(signal.SIGTERM)
        code, _, log = await patient.process.ended()
    assert code == 0, log
    assert "Traceback" not in log
    assert log.count("works again") >= 2
    assert len([line for line in log.splitlines() if "writing to the database" in line]) <= 2 * len(FAULTS) + 2, log
    assert not examine(patient.database, migrations.known()).problems


async def test_f87_a_lock_of_another_program_is_waited_for(tmp_path: Path, template: Path) -> None:
    async with Patient.open(tmp_path, template.read_bytes()) as patient:
        expected = ["before"]
        await patient.ask("before")
        other = sqlite3.connect(patient.database, isolation_level=None)
        for seconds in (3.0, LOCKED):
            other.execute("BEGIN IMMEDIATE")
            patient.say(f"for {seconds}")
            expected.append(f"for {seconds}")
            await asyncio.sleep(seconds)
            assert patient.telegram.pending == 1
            other.execute("ROLLBACK")
            await patient.until(lambda: len(patient.texts) == len(expected))
        other.close()
        assert patient.questions == expected
        assert "locked" not in "".join(patient.texts)


async def test_f86_a_disk_that_can_not_be_read_ends_the_bot_in_a_sentence_and_the_next_start_goes_on(
    shim: Path, tmp_path: Path, template: Path
) -> None:
    """SQLite takes EIO of a read for a broken file system, which no waiting heals."""
    async with Patient.open(tmp_path, template.read_bytes(), shim=shim) as patient:
        await patient.ask("before")
        patient.faults.fail(reads=errno.EIO)
        patient.say("meanwhile")
        code, _, log = await patient.process.ended()
        assert code == 2
        assert log.splitlines()[-1].startswith("govorun: the database is damaged, or the disk below it"), log
        assert "Traceback" not in log
        patient.faults.fail()
        async with patient.again():
            await patient.until(lambda: len(patient.texts) == 2)
    assert patient.questions in (["before", "meanwhile"], ["before", "meanwhile", "meanwhile"])


@pytest.mark.parametrize("deed", ["deleted", "replaced"])
async def test_f86_a_database_that_is_gone_ends_the_bot_in_a_sentence_and_is_rescued(
    tmp_path: Path, template: Path, deed: str
) -> None:
    async with Patient.open(tmp_path, template.read_bytes()) as patient:
        await patient.ask("kept for ever")
        if deed == "deleted":
            patient.database.unlink()
        else:
            shutil.copy(template, other := patient.database.with_name("other"))
            other.rename(patient.database)
        patient.say("lost?")
        code, _, log = await patient.process.ended()
        assert code == 2
        assert log.splitlines()[-1].startswith("govorun: "), log
        assert ("is gone" if deed == "deleted" else "was replaced") in log.splitlines()[-1]
        assert "Traceback" not in log
        assert patient.telegram.pending == 1
    (rescued,) = patient.database.parent.glob("bot.db-rescued-*")
    assert str(rescued) in log
    assert not examine(rescued, migrations.known()).problems
    assert rescued.stat().st_mode & 0o777 == 0o600
    rows = sqlite3.connect(rescued).execute("SELECT parts FROM messages WHERE role = 'user'").fetchall()
    assert "kept for ever" in str(rows)


async def test_f85_a_file_system_without_room(small: Path, template: Path) -> None:
    """The real thing: no byte is free, for the WAL and for its index in shared memory neither."""
    async with Patient.open(small, template.read_bytes()) as patient:
        await patient.ask("before")
        ballast = _fill(small)
        patient.say("meanwhile")
        await asyncio.sleep(TROUBLE)
        assert patient.telegram.pending == 1 or len(patient.questions) == 2
        ballast.unlink()
        await patient.until(lambda: len(patient.texts) == 2)
        assert patient.questions == ["before", "meanwhile"]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of three megabytes. Making one takes root."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", folder], capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"NO MOUNT: a full file system is only imitated ({made.stderr.decode().strip()})")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def _fill(folder: Path) -> Path:
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (65_536, 4_096, 512, 1):
            with suppress(OSError):
                while file.write(b"x" * size):
                    pass
    return ballast


def _kept(database: Path) -> str:
    """The updates on disk, as another process sees them."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        rows = connection.execute("SELECT raw FROM updates").fetchall()
        rows += connection.execute("SELECT parts FROM messages").fetchall()
    connection.close()
    return str(rows)
