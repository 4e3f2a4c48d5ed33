"""`govorun backup`, `restore`, `verify` (P20, F92, T31): copies are whole, private, and never in the bot's way."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from bot.cli import app
from bot.clock import SystemClock
from bot.errors import BadInput, ConfigError, StorageUnavailable
from bot.storage.engines import sqlite_copy
from bot.storage.engines.sqlite_files import alone
from bot.storage.maintenance import backup_command, migrations
from bot.storage.store import Store, Tx
from tests.storage import oldest
from tests.support.databases import insert, stored
from tests.support.stage import ANNA, Stage


@pytest.fixture
def database(tmp_path: Path, template: Path) -> Path:
    return Path(shutil.copy(template, tmp_path / "bot.db"))


# --- backup -----------------------------------------------------------------------------------------------------------


async def test_p20_a_backup_while_the_bot_writes_is_whole_and_locks_nobody_out(database: Path) -> None:
    """The writer waits for no lock at all here: it would fail at the first one that it meets."""
    async with Store.open(_url(database), SystemClock()) as store:
        await store.write(lambda tx: tx.connection.exec_driver_sql("PRAGMA busy_timeout=0"))
        told: list[int] = []
        copied: list[Path] = []
        writing = asyncio.create_task(_write_on(store, told))
        while len(copied) < 4:
            await _until(lambda: len(told) >= 25 * len(copied))
            before = set(told)
            target = database.with_name(f"{len(copied)}.db")
            copied.append(await asyncio.to_thread(backup_command.save, _url(database), target))
            assert before <= set(stored(target))
        assert not writing.done() or writing.exception() is None
        writing.cancel()
        await asyncio.wait({writing})
    assert set(told) <= set(stored(database))


def test_t31_a_backup_is_one_private_file(database: Path) -> None:
    _add(database, 1)
    saved = backup_command.save(_url(database))
    assert saved.parent == database.parent
    assert _mode(saved) == 0o600
    assert {path.name for path in database.parent.iterdir()} == {database.name, saved.name}
    assert stored(saved) == [1]


def test_a_backup_of_a_killed_bot_has_what_is_only_in_its_wal(database: Path, tmp_path: Path) -> None:
    dead = tmp_path / "dead"
    dead.mkdir()
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode=WAL")
    insert(connection, 7)
    for ending in ("", "-wal"):
        shutil.copy(f"{database}{ending}", dead / f"bot.db{ending}")
    connection.close()
    assert stored(backup_command.save(_url(dead / "bot.db"))) == [7]


def test_a_backup_never_replaces_a_file(database: Path, tmp_path: Path) -> None:
    target = tmp_path / "mine"
    target.write_text("a letter")
    with pytest.raises(BadInput, match="there already"):
        backup_command.save(_url(database), target)
    assert target.read_text() == "a letter"


def test_a_backup_to_nowhere_is_refused_in_a_sentence(database: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable, match="can't be copied to"):
        backup_command.save(_url(database), tmp_path / "nowhere" / "copy.db")
    with pytest.raises(ConfigError, match="there is no"):
        backup_command.save(_url(tmp_path / "missing.db"))


def test_a_backup_that_finds_no_room_leaves_nothing_behind(database: Path, tmp_path: Path) -> None:
    """A folder of which nobody can make files: /proc refuses for root too."""
    with pytest.raises(StorageUnavailable):
        backup_command.save(_url(database), Path("/proc/copy.db"))
    assert [path.name for path in tmp_path.iterdir()] == [database.name]


# --- restore ----------------------------------------------------------------------------------------------------------


def test_p20_a_restored_backup_is_the_database_and_the_replaced_one_stands_beside_it(database: Path) -> None:
    _add(database, 1)
    saved = backup_command.save(_url(database))
    _add(database, 2)
    kept = backup_command.restore(_url(database), saved)
    assert kept is not None
    assert (stored(database), stored(kept)) == ([1], [1, 2])
    assert {_mode(path) for path in database.parent.iterdir()} == {0o600}
    assert {path.name for path in database.parent.iterdir()} == {
        database.name, f"{database.name}.lock", saved.name, kept.name
    }  # fmt: skip


def test_a_wal_of_the_replaced_database_is_kept_with_it_and_not_written_into_the_new_one(database: Path) -> None:
    saved = backup_command.save(_url(database))
    code = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('PRAGMA journal_mode=WAL');"
        'c.execute("INSERT INTO updates (bot, update_id, raw, state, attempts, at, reason)'
        " VALUES (42, 9, '', 'new', 0, 0, '')\"); c.commit(); os._exit(0)"
    )
    assert os.spawnlp(os.P_WAIT, "python3", "python3", "-c", code, str(database)) == 0
    assert Path(f"{database}-wal").stat().st_size
    kept = backup_command.restore(_url(database), saved)
    assert kept is not None
    assert (stored(database), stored(kept)) == ([], [9])


def test_restore_refuses_while_a_bot_runs(database: Path) -> None:
    saved = backup_command.save(_url(database))
    before = database.read_bytes()
    with alone(_url(database)), pytest.raises(ConfigError, match="another Govorun works with"):
        backup_command.restore(_url(database), saved)
    assert database.read_bytes() == before


def _of_another_program(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE films (title TEXT)")


def _of_the_future(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.execute("UPDATE govorun_schema SET oldest = '9999'")


def _of_before(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0031'")


def _with_a_spoilt_page(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[3 * 4096 : 4 * 4096] = b"\xff" * 4096
    path.write_bytes(raw)


def _with_a_stray_row(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "INSERT INTO messages (conversation_id, bot, chat, turn, role, parts, ending, at)"
            " VALUES (77, 42, 1, 't', 'user', '[]', '', 0)"
        )


BAD: dict[str, tuple[Callable[[Path], Any], str]] = {
    "empty": (lambda path: path.write_bytes(b""), "no database of Govorun"),
    "text": (lambda path: path.write_text("no database " * 1_000), "can't be read"),
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:9_000]), "damaged|can't be read"),
    "missing": (lambda path: path.unlink(), "no such file"),
    "another program": (_of_another_program, "no database of Govorun"),
    "newer": (_of_the_future, "schema 9999 is not known"),
    "older": (_of_before, "schema 0031 is too old, .* begins at 0032: start once the last version that reads it"),
    "spoilt": (_with_a_spoilt_page, "damaged|can't be read"),
    "stray": (_with_a_stray_row, "row 1 of messages belongs to nothing"),
}


@pytest.mark.parametrize(("spoil", "says"), BAD.values(), ids=BAD)
def test_f89_restore_never_overwrites_with_a_bad_file(database: Path, spoil: Callable[[Path], Any], says: str) -> None:
    _add(database, 1)
    saved = backup_command.save(_url(database), database.with_name("copy.db"))
    spoil(saved)
    before = database.read_bytes()
    with pytest.raises(BadInput, match=says):
        backup_command.restore(_url(database), saved)
    assert database.read_bytes() == before
    assert {path.name for path in database.parent.iterdir()} <= {"bot.db", "bot.db.lock", "copy.db"}


def test_a_damaged_database_is_replaced_too_and_kept_as_it_was(database: Path) -> None:
    _add(database, 1)
    saved = backup_command.save(_url(database))
    _with_a_spoilt_page(database)
    damaged = database.read_bytes()
    kept = backup_command.restore(_url(database), saved)
    assert kept is not None
    assert stored(database) == [1]
    assert kept.read_bytes() == damaged


def test_the_wal_of_a_database_that_can_not_be_opened_goes_with_it(database: Path) -> None:
    """Left where it is, it would be written into the new database."""
    saved = backup_command.save(_url(database))
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        insert(connection, 9)
        wal = Path(f"{database}-wal").read_bytes()
    database.write_bytes(b"no database " * 400)
    Path(f"{database}-wal").write_bytes(wal)
    kept = backup_command.restore(_url(database), saved)
    assert kept is not None
    assert stored(database) == []
    assert Path(f"{kept}-wal").read_bytes() == wal


def test_restore_where_there_is_no_database_yet(database: Path, tmp_path: Path) -> None:
    _add(database, 1)
    assert backup_command.restore(_url(tmp_path / "new.db"), database) is None
    assert stored(tmp_path / "new.db") == [1]


# --- a restored backup and Telegram -----------------------------------------------------------------------------------


async def test_f92_after_a_restore_only_what_the_backup_does_not_know_is_answered_again(
    stage: Stage, tmp_path: Path
) -> None:
    """Telegram gives everything once more: the bot's word that it has it was given by the later database."""
    await stage.start()
    known = await _asked(stage, "one")
    saved = await asyncio.to_thread(backup_command.save, stage.settings.database_url, tmp_path / "hour-old.db")
    await asyncio.sleep(3_600)
    lost = await _asked(stage, "two")
    await stage.stop()
    await asyncio.to_thread(backup_command.restore, stage.settings.database_url, saved)
    for update in (known, lost):
        stage.telegram.updates.add_raw(update)
    stage.telegram.say(ANNA, "three")
    await stage.start()
    await stage.texts(4)
    asked = [[message["text"] for message in prompt if message["role"] == "user"] for prompt in stage.prompts()]
    assert asked == [["one"], ["one", "two"], ["one", "two"], ["one", "two", "three"]]


async def _asked(stage: Stage, text: str) -> dict[str, Any]:
    """Ask, wait for the answer, and return the update that Telegram had for it."""
    stage.telegram.say(ANNA, text)
    update = stage.telegram.updates.waiting()[-1].body
    await stage.until(lambda: (stage.prompts()[-1:] and stage.prompts()[-1][-1]["text"] == text) or None)
    await stage.texts(len(stage.prompts()))
    return update


# --- before a migration -----------------------------------------------------------------------------------------------


async def test_p20_a_migration_copies_the_database_first_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = oldest.make(tmp_path / "bot.db")
    _add(path, 5)
    with caplog.at_level("INFO", "bot"):
        await migrations.upgrade(_url(path))
    (copy,) = tmp_path.glob("bot.db-backup-0032-*")
    assert str(copy) in caplog.text
    assert sqlite_copy.examine(copy, migrations.known()).revision == "0032"
    assert (stored(copy), stored(path)) == ([5], [5])
    assert _mode(copy) == 0o600


async def test_an_empty_database_is_not_copied(tmp_path: Path) -> None:
    await migrations.upgrade(_url(tmp_path / "bot.db"))
    assert [path.name for path in tmp_path.iterdir()] == ["bot.db"]
    assert _mode(tmp_path / "bot.db") == 0o600


def test_only_the_last_copies_from_before_migrations_are_kept_and_no_other_file_is_touched(database: Path) -> None:
    for day in range(1, 6):
        database.with_name(f"bot.db-backup-0001-2026010{day}T000000Z").touch()
    others = ["bot.db-backup-20250101T000000Z", "bot.db-replaced-20250101T000000Z", "x.db-backup-0001-20250101T000000Z"]
    for name in others:
        database.with_name(name).touch()
    made = sqlite_copy.before_migration(database, "0002")
    left = {path.name for path in database.parent.iterdir()} - {"bot.db", *others}
    assert left == {made.name, "bot.db-backup-0001-20260104T000000Z", "bot.db-backup-0001-20260105T000000Z"}
    assert all(database.with_name(name).exists() for name in others)


async def test_no_migration_without_its_copy(tmp_path: Path) -> None:
    path = oldest.make(tmp_path / "bot.db")
    with _largest_file(40_000), pytest.raises(StorageUnavailable, match="can't be copied"):
        await migrations.upgrade(_url(path))
    assert await migrations.current(_url(path)) == "0032"
    assert [path.name for path in tmp_path.iterdir()] == ["bot.db"]


@contextmanager
def _largest_file(size: int) -> Iterator[None]:
    """What the disk says to a longer one is the same as when it breaks."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


# --- the commands -----------------------------------------------------------------------------------------------------


def test_the_three_commands_say_what_they_did(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _add(database, 1)
    run = _commands(database, monkeypatch)
    saved = database.with_name("copy.db")
    assert run("backup", str(saved)).output == f"{saved} is a sound copy of the database.\n"
    said = run("restore", str(saved)).output
    assert said.startswith(f"{saved} is the database now. The one before is kept as {database}-replaced-")
    report = run("verify").output.splitlines()
    assert report == [f"ok    {database}: schema {migrations.HEAD}", "ok    1 updates that are not answered"]


def test_a_file_from_before_all_steps_is_told_what_to_do(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _of_before(database)
    run = _commands(database, monkeypatch)
    for words in (["backup", "copy.db"], ["verify"], ["migrate"], ["move", "--to", "postgresql://localhost/x"]):
        done = run(*words)
        assert done.exit_code == 1
        said = f"{done.output}{done.exception}"
        assert "schema 0031 is too old, this version of Govorun begins at 0032: start once" in said, words


def test_verify_fails_for_a_damaged_file_and_says_where(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = _commands(database, monkeypatch)
    _with_a_stray_row(database)
    done = run("verify", str(database))
    assert done.exit_code == 1
    assert "FAIL  row 1 of messages belongs to nothing" in done.output


async def test_verify_changes_nothing_and_works_while_the_bot_runs(database: Path) -> None:
    async with Store.open(_url(database), SystemClock()) as store:
        await store.write(lambda tx: tx.inbox.add_update(42, 1, "", "{}"))
        lines = await asyncio.to_thread(lambda: list(backup_command.verify(_url(database))))
        await store.write(lambda tx: tx.inbox.add_update(42, 2, "", "{}"))
    assert lines[1:] == [(True, "1 updates that are not answered")]
    before = {path.name: path.read_bytes() for path in database.parent.iterdir()}
    assert list(backup_command.verify(_url(database)))[1:] == [(True, "2 updates that are not answered")]
    assert {path.name: path.read_bytes() for path in database.parent.iterdir()} == before


def _commands(database: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.chdir(database.parent)
    monkeypatch.setenv("DATABASE_URL", _url(database))
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


async def _write_on(store: Store, told: list[int]) -> None:
    while True:
        number = len(told)

        def work(tx: Tx, number: int = number) -> None:
            tx.inbox.add_update(42, number, "", "x" * 3_000)

        await store.write(work)
        told.append(number)


async def _until(found: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not found():
            await asyncio.sleep(0.005)


def _add(path: Path, number: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        insert(connection, number)


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def _url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"
