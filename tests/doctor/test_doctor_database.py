"""What the doctor finds in a database, without changing it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from bot.config.settings import Settings
from bot.doctor.finding import Verdict
from bot.doctor.machine import read_database
from bot.storage.maintenance import migrations
from bot.storage.tables.knowledge import SOURCES
from tests.support.doctor_patient import Patient, is_bad


async def test_a_database_that_is_not_there_yet_is_good_and_is_not_made_by_the_check(patient: Patient) -> None:
    patient.database.unlink()
    found = await patient.finding("database")
    assert (found.verdict, "will be made" in found.text) == (Verdict.OK, True)
    assert not patient.database.exists()


async def test_a_current_database_is_left_as_it_is(patient: Patient) -> None:
    before = patient.database.read_bytes()
    found = await patient.finding("database")
    assert "is current" in found.text
    assert "MB of disk are free" in found.text
    assert patient.database.read_bytes() == before


def changed(file: Path, *statements: str) -> None:
    connection = sqlite3.connect(file)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


async def test_a_database_of_a_newer_version_that_only_adds_is_fine(patient: Patient) -> None:
    changed(patient.database, "UPDATE alembic_version SET version_num = '9999'")
    finding = await patient.finding("database")
    assert (finding.verdict, "schema 9999 is of a newer version" in finding.text) == (Verdict.OK, True)


async def test_a_database_of_a_newer_version_is_refused(patient: Patient) -> None:
    changed(
        patient.database,
        "UPDATE alembic_version SET version_num = '9999'",
        "UPDATE govorun_schema SET oldest = '9999'",
    )
    assert is_bad(await patient.finding("database"), Verdict.FAIL, "newer version", "Update Govorun")


async def test_a_database_of_another_program_is_refused(patient: Patient) -> None:
    patient.database.unlink()
    changed(patient.database, "CREATE TABLE songs (title)")
    assert is_bad(await patient.finding("database"), Verdict.FAIL, "another program", "DATABASE_URL=")


async def test_an_empty_database_is_filled_at_the_start(patient: Patient) -> None:
    patient.database.write_bytes(b"")
    found = await patient.finding("database")
    assert (found.verdict, "filled at the start" in found.text) == (Verdict.OK, True)


async def test_a_file_that_is_no_database_is_refused(patient: Patient) -> None:
    patient.database.write_bytes(b"not a database at all" * 100)
    assert is_bad(await patient.finding("database"), Verdict.FAIL, "not a database", "DATABASE_URL=")


async def test_a_damaged_database_is_told(patient: Patient) -> None:
    size = patient.database.stat().st_size
    with patient.database.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * (size - 8192))
    assert (await patient.finding("database")).verdict is Verdict.FAIL


async def test_a_database_in_a_folder_that_is_not_there_is_told(patient: Patient) -> None:
    url = f"sqlite+aiosqlite:///{patient.folder}/nowhere/govorun.db"
    found = await patient.finding("database", database_url=url)
    assert is_bad(found, Verdict.FAIL, "folder does not exist", "own the file")


async def test_a_database_that_somebody_holds_is_told(patient: Patient) -> None:
    holder = sqlite3.connect(patient.database, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        found = await patient.finding("database")
    finally:
        holder.close()
    assert is_bad(found, Verdict.FAIL, "locked", "")


async def test_what_other_checks_read_is_not_migrated(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(_env_file=None, database_url=f"sqlite+aiosqlite:///{patient.database}")
    assert await read_database(settings, lambda tx: tx.all(SOURCES, bot=42)) == []
    monkeypatch.setattr(migrations, "HEAD", "9999")
    assert await read_database(settings, lambda tx: tx.all(SOURCES, bot=42)) is None
    patient.database.unlink()
    assert await read_database(settings, lambda tx: tx.all(SOURCES, bot=42)) is None
    assert not patient.database.exists()
