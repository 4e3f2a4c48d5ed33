"""P18, F84: a power cut at any moment loses nothing that was acknowledged, and spoils nothing.

The full form, with 400 acknowledged writes: `POWER_CUT_WRITES=400 pytest -n0 --log-cli-level=INFO
tests/promises/disk/test_power_cut.py`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from tests.promises.disk.patient import Patient
from tests.promises.disk.replay import Disk, changes
from tests.support.child import PYTHONPATH

log = logging.getLogger(__name__)
ROOT = Path(__file__).parents[3]


@dataclass
class Toll:
    """What became of a run: how many cuts, in how many of them a database was unsound or acknowledged rows missing."""

    cuts: int = 0
    synced: int = 0
    told: int = 0
    unsound: int = 0
    missing: int = 0


TURNS = 6
COUNT = int(os.environ.get("POWER_CUT_WRITES", "60"))


@pytest.mark.process
def test_p18_f84_no_power_cut_takes_what_was_acknowledged(shim: Path, tmp_path: Path, template: Path) -> None:
    toll = _replayed(*_recorded(shim, tmp_path, template, COUNT, "FULL"))
    log.info("%s", toll)
    assert toll.told == COUNT
    assert toll.synced > COUNT / 5
    assert (toll.unsound, toll.missing) == (0, 0)


@pytest.mark.process
def test_without_the_sync_at_each_commit_rows_would_be_missing(shim: Path, tmp_path: Path, template: Path) -> None:
    """Proves that the test above can fail."""
    toll = _replayed(*_recorded(shim, tmp_path, template, 50, "NORMAL"))
    log.info("%s", toll)
    assert toll.missing > 0


@pytest.mark.e2e
async def test_p18_f84_what_telegram_saw_of_the_bot_is_on_its_disk_after_any_power_cut(
    shim: Path, tmp_path: Path, template: Path
) -> None:
    """An update that was confirmed, an answer that was sent: both are in the database at the moment they are seen."""
    seen = Seen()
    async with Patient.open(tmp_path, template.read_bytes(), shim=shim, DISK_LOG=str(tmp_path / "log")) as patient:
        looking = asyncio.create_task(seen.look(patient))
        for number in range(TURNS):
            await patient.ask(f"question {number}")
        patient.process.signal(signal.SIGTERM)
        await patient.process.ended()
        looking.cancel()
        await asyncio.wait({looking})
    database = str(patient.database)
    disk = Disk(str(patient.database.parent), {database: template.read_bytes()}, {database})
    made, chance, cuts = list(changes(tmp_path / "log")), random.Random(1), 0
    for change, following in pairwise(made):
        disk.take(change)
        for luck in (None, chance) if change.what in "SCU" else ():
            cuts += 1
            rows = _cut(disk, tmp_path / "after", luck)
            assert rows is not None, "the database is spoilt"
            assert rows.updates >= {id_ for id_, at in seen.confirmed.items() if at < following.at}
            assert rows.answers >= len([at for at in seen.answers if at < following.at])
    log.info("%d cuts, %d updates confirmed, %d answers seen", cuts, len(seen.confirmed), len(seen.answers))
    assert (len(seen.confirmed), len(seen.answers)) == (TURNS, TURNS)
    assert cuts > 4 * TURNS


@dataclass
class Seen:
    """When Telegram saw what (monotonic seconds)."""

    confirmed: dict[int, float] = field(default_factory=dict)
    answers: list[float] = field(default_factory=list)

    async def look(self, patient: Patient) -> None:
        known: set[int] = set()

        def note() -> None:
            waiting = {item.update_id for item in patient.telegram.updates.waiting()}
            for gone in known - waiting - set(self.confirmed):
                self.confirmed[gone] = time.monotonic()
            known.update(waiting)
            self.answers += [time.monotonic()] * (len(patient.texts) - len(self.answers))

        await patient.telegram.wait_for(note, 60)


@dataclass
class Rows:
    updates: set[int]
    answers: int


def _cut(disk: Disk, place: Path, luck: random.Random | None) -> Rows | None:
    """What a start finds after a power cut; None in a database that is not sound."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for name, content in disk.cut(luck).items():
        (place / Path(name).name).write_bytes(content)
    with closing(sqlite3.connect(place / "bot.db")) as connection:
        try:
            sound = connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            updates = {id_ for (id_,) in connection.execute("SELECT update_id FROM updates")}
            (answers,) = connection.execute("SELECT count(*) FROM messages WHERE role = 'assistant'").fetchone()
        except sqlite3.DatabaseError:
            return None
    return Rows(updates, answers) if sound else None


def _recorded(shim: Path, tmp_path: Path, template: Path, count: int, synchronous: str) -> tuple[Disk, Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    database = folder / "bot.db"
    shutil.copy(template, database)
    disk = Disk(str(folder), {str(database): template.read_bytes()}, {str(database)})
    log = tmp_path / "log"
    command = [
        sys.executable,
        "-m",
        "tests.promises.disk.writer",
        f"sqlite+aiosqlite:///{database}",
        str(count),
        synchronous,
    ]
    environment = {**os.environ, "LD_PRELOAD": str(shim), "DISK_FOLDER": str(folder), "DISK_LOG": str(log)}
    environment["PYTHONPATH"] = PYTHONPATH
    subprocess.run(command, check=True, env=environment, cwd=tmp_path)
    return disk, log


def _replayed(disk: Disk, log: Path) -> Toll:
    toll, chance = Toll(), random.Random(1)
    place = log.with_name("after")
    for change in changes(log):
        before = len(disk.told)
        disk.take(change)
        if change.what == "S":
            toll.synced += 1
        if change.what in "SCU" or len(disk.told) > before:
            for luck in (None, chance):
                _judge(toll, disk, place, luck)
    toll.told = len(disk.told.split())
    return toll


def _judge(toll: Toll, disk: Disk, place: Path, luck: random.Random | None) -> None:
    toll.cuts += 1
    rows = _cut(disk, place, luck)
    toll.unsound += rows is None
    toll.missing += bool({int(number) for number in disk.told.split()} - (rows.updates if rows else set()))
