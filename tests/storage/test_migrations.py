"""The schema: what the migrations make is what the code means, and only our own databases are touched."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError

from bot.clock import SystemClock
from bot.errors import ConfigError
from bot.storage.maintenance import migrations
from bot.storage.store import Store
from bot.storage.tables import METADATA
from tests.storage import oldest
from tests.support.forked import Forked

COMPARED = {
    "compare_type": True,
    "render_as_batch": True,
    "include_name": lambda name, kind, _: (kind, name) != ("table", "govorun_schema"),
}


def test_a_fresh_database_is_what_the_tables_say(template: Path) -> None:
    assert _differences(template) == []


def test_head_is_the_newest_migration_and_there_is_one_line_of_them() -> None:
    scripts = ScriptDirectory.from_config(migrations.configuration("sqlite+aiosqlite://"))
    assert scripts.get_heads() == [migrations.HEAD]
    assert scripts.get_bases() == [oldest.REVISION] == [migrations.OLDEST]


def test_the_schema_goes_down_and_up_again(tmp_path: Path, template: Path) -> None:
    path = Path(shutil.copy(template, tmp_path / "bot.db"))
    command.downgrade(migrations.configuration(_url(path)), oldest.REVISION)
    down, made = _columns(path), _columns(oldest.make(tmp_path / "old.db"))
    assert {table: sorted(names) for table, names in down.items()} == {name: sorted(made[name]) for name in made}
    command.upgrade(migrations.configuration(_url(path)), "head")
    assert _differences(path) == []


async def test_upgrading_twice_and_an_empty_file_are_fine(tmp_path: Path) -> None:
    (tmp_path / "bot.db").touch()
    await migrations.upgrade(_url(tmp_path / "bot.db"))
    await migrations.upgrade(_url(tmp_path / "bot.db"))
    assert await migrations.current(_url(tmp_path / "bot.db")) == migrations.HEAD


@pytest.mark.parametrize(
    ("statements", "says"),
    [
        (["CREATE TABLE films (title TEXT)"], "another program"),
        (["CREATE TABLE alembic_version (version_num TEXT)", "CREATE TABLE films (title TEXT)"], "another program"),
        (
            [
                "CREATE TABLE alembic_version (version_num TEXT)",
                "INSERT INTO alembic_version VALUES ('0001')",
                "CREATE TABLE films (title TEXT)",
            ],
            "another program",
        ),
        (
            [
                "CREATE TABLE alembic_version (version_num TEXT)",
                "INSERT INTO alembic_version VALUES ('00af31c2')",
                "CREATE TABLE films (title TEXT)",
            ],
            "another program",
        ),
    ],
)
async def test_a_database_of_another_program_is_refused_and_left_alone(
    tmp_path: Path, statements: list[str], says: str
) -> None:
    path = tmp_path / "bot.db"
    _execute(path, *statements)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=says) as caught:
        await migrations.upgrade(_url(path))
    assert "DATABASE_URL" in str(caught.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize("begin", [migrations.upgrade, migrations.insist, migrations.find])
async def test_a_schema_from_before_all_steps_is_told_what_to_do_and_left_alone(
    tmp_path: Path, begin: Callable[[str], Awaitable[object]]
) -> None:
    path = oldest.make(tmp_path / "bot.db")
    _execute(path, "UPDATE alembic_version SET version_num = '0031'", "UPDATE govorun_schema SET oldest = '0007'")
    before = path.read_bytes()
    with pytest.raises(
        ConfigError, match=r"0031 is too old.*begins at 0032: start once the last version.*or begin"
    ) as told:
        await begin(_url(path))
    assert "\n" not in str(told.value)
    assert path.read_bytes() == before
    assert [copied.name for copied in tmp_path.iterdir()] == ["bot.db"]


async def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "bot.db"
    await migrations.upgrade(_url(path))
    _execute(path, "UPDATE alembic_version SET version_num = '9999'", "DROP TABLE govorun_schema")
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=f"newer version of Govorun.*9999 > {migrations.HEAD}"):
        await migrations.upgrade(_url(path))
    assert path.read_bytes() == before


async def test_a_newer_schema_that_only_adds_is_worked_with_and_left_alone(
    tmp_path: Path, template: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = Path(shutil.copy(template, tmp_path / "bot.db"))
    _execute(path, "ALTER TABLE chats ADD COLUMN mood TEXT", "UPDATE alembic_version SET version_num = '9999'")
    assert await migrations.upgrade(_url(path)) == "9999"
    assert caplog.messages == [
        f"the database has schema 9999 of a newer version; this one ({migrations.HEAD}) works with it"
    ]
    assert await migrations.find(_url(path)) == migrations.State("9999", migrations.OLDEST)
    async with Store.open(_url(path), SystemClock()) as store:
        await store.write(lambda tx: tx.inbox.add_update(42, 1, "", "{}"))


async def test_a_newer_schema_that_has_taken_something_away_says_what_it_needs(tmp_path: Path, template: Path) -> None:
    path = Path(shutil.copy(template, tmp_path / "bot.db"))
    _execute(path, "UPDATE alembic_version SET version_num = '9999'", "UPDATE govorun_schema SET oldest = '9998'")
    before = path.read_bytes()
    with pytest.raises(
        ConfigError, match=r"\(9999 > \d+\), which needs a version with schema 9998 or newer: start that"
    ):
        await migrations.upgrade(_url(path))
    assert path.read_bytes() == before


COLUMN = ("ALTER TABLE alembic_version ADD COLUMN oldest VARCHAR(32)",)  # which databases of before 0032 may have


@pytest.mark.parametrize(("made", "written"), [((), [("9999",)]), (COLUMN, [("9999", None)])])
def test_a_step_that_takes_something_away_says_which_code_works_after_it(
    tmp_path: Path, template: Path, made: Sequence[str], written: list[tuple[str | None, ...]]
) -> None:
    path = Path(shutil.copy(template, tmp_path / "bot.db"))
    _execute(path, *made)
    folder = tmp_path / "migrations"
    shutil.copytree(migrations.scripts(), folder, ignore=shutil.ignore_patterns("__pycache__"))
    step = f"revision, down_revision, branch_labels, depends_on = '9999', '{migrations.HEAD}', None, None\n"
    (folder / "versions" / "9999_away.py").write_text(f"{step}CONTRACTS = '9999'\n\n\ndef upgrade(): pass\n")
    migrations.climb(_url(path), folder)
    assert _rows(path, "govorun_schema") == [("9999",)]
    assert _rows(path, "alembic_version") == written


@pytest.mark.parametrize("content", [b"This is no database at all. " * 100, b"SQLite format 3\0" + b"\xff" * 4_000])
async def test_a_corrupted_file_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bot.db"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="can't be opened"):
        await migrations.upgrade(_url(path))
    assert path.read_bytes() == content


async def test_a_file_that_was_cut_short_is_refused(tmp_path: Path, template: Path) -> None:
    path = tmp_path / "bot.db"
    path.write_bytes(template.read_bytes()[:5_000])
    with pytest.raises(ConfigError, match="can't be opened"):
        await migrations.upgrade(_url(path))


async def test_f89_a_spoilt_page_is_found_at_the_start_and_the_way_out_is_named(tmp_path: Path, template: Path) -> None:
    path = tmp_path / "bot.db"
    raw = bytearray(template.read_bytes())
    raw[5 * 4096 : 6 * 4096] = b"\xff" * 4096
    path.write_bytes(raw)
    with pytest.raises(ConfigError, match=r"(damaged|malformed).*restore a backup with `govorun restore FILE`"):
        await migrations.upgrade(_url(path))
    assert path.read_bytes() == raw


async def test_f89_changes_that_have_lost_their_database_are_not_thrown_away(tmp_path: Path, template: Path) -> None:
    """SQLite deletes a WAL that it finds beside an empty database."""
    path, wal = tmp_path / "bot.db", tmp_path / "bot.db-wal"
    wal.write_bytes(b"the only copy")
    for empty in (False, True):
        if empty:
            path.touch()
        with pytest.raises(ConfigError, match=r"bot\.db-wal still has its changes"):
            await migrations.upgrade(_url(path))
        assert wal.read_bytes() == b"the only copy"


async def test_f89_a_wal_that_is_cut_short_is_read_as_far_as_it_is_whole(tmp_path: Path, template: Path) -> None:
    """What a power cut leaves looks the same: nothing can tell that more had been there."""
    path = Path(shutil.copy(template, tmp_path / "bot.db"))
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    for number in range(3):
        connection.execute("INSERT INTO users VALUES (42, ?, 'Anna', 'en', 0, '', '')", (number,))
        connection.commit()
    cut = tmp_path / "cut.db"
    shutil.copy(path, cut)
    wal = Path(f"{path}-wal").read_bytes()
    Path(f"{cut}-wal").write_bytes(wal[: len(wal) - 100])
    connection.close()
    await migrations.upgrade(_url(cut))
    assert _rows(cut, "users") == [(42, number, "Anna", "en", 0.0, "", "") for number in range(2)]


async def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"can't be opened: there is no folder .*nowhere"):
        await migrations.upgrade(_url(tmp_path / "nowhere" / "bot.db"))


# --- from every earlier revision --------------------------------------------------------------------------------------


@pytest.mark.parametrize("revision", sorted(migrations.known() - {migrations.HEAD}))
async def test_p20_a_database_of_every_earlier_revision_comes_forward_with_all_its_rows(
    tmp_path: Path, template: Path, revision: str
) -> None:
    path = _filled(tmp_path / "bot.db", revision)
    before = _columns(path)
    rows = _contents(path, before)
    assert all(rows.values()), "a table without rows proves nothing"
    await migrations.upgrade(_url(path))
    assert _tables(path) == _tables(template), "an empty database is made at once, as the steps would make it"
    for table in ("alembic_version", "govorun_schema"):
        assert _rows(path, table) == _rows(template, table)
    after = _columns(path)
    kept = {table: [name for name in names if name in after[table]] for table, names in before.items()}
    found = _contents(path, kept)
    for table, was in rows.items():
        places = [before[table].index(name) for name in kept[table]]
        assert found[table] == [tuple(row[place] for place in places) for row in was], table


async def test_cases_that_people_had_keep_the_id_as_their_number(tmp_path: Path) -> None:
    path = oldest.make(tmp_path / "bot.db")
    states = [("bot", 0, ""), ("waiting", 0, "asked"), ("closed", 7, "asked"), ("closed", 0, ""), ("bot", 0, "rule")]
    for id_, (owner, last_holder, reason) in enumerate(states, 1):
        known = {"id": id_, "owner": owner, "last_holder": last_holder, "reason": reason, "chat": id_}
        columns = {name: known.get(name, 0) for name in _columns(path)["desk_cases"]}
        names = ", ".join(f'"{name}"' for name in columns)
        _execute(path, f"INSERT INTO desk_cases ({names}) VALUES ({', '.join(map(repr, columns.values()))})")
    await migrations.upgrade(_url(path))
    assert _rows(path, "desk_cases", ("id", "number")) == [(1, 0), (2, 2), (3, 3), (4, 0), (5, 5)]


@pytest.mark.process
async def test_f90_a_migration_that_is_killed_at_any_write_is_finished_by_the_next_start(
    tmp_path: Path, template: Path
) -> None:
    """Killed with its process, at the first, a middle and the last statement; the rows are all there afterwards."""
    old = _filled(tmp_path / "old.db", oldest.REVISION)
    users = _rows(old, "users")
    with _dying(10**6) as seen:
        await migrations.upgrade(_url(Path(shutil.copy(old, tmp_path / "whole.db"))))
    for number in {0, len(seen) // 2, len(seen) - 1}:
        path = Path(shutil.copy(old, tmp_path / f"{number}.db"))
        started = f"asyncio.run(test_migrations.killed({str(path)!r}, {number}))"
        code = f"from tests.storage import test_migrations; import asyncio; {started}"
        async with Forked.running("-c", code, directory=tmp_path, environment={"PATH": os.environ["PATH"]}) as dying:
            assert await dying.wait() == -signal.SIGKILL
        await migrations.upgrade(_url(path))
        assert _tables(path) == _tables(template), f"killed at statement {number}"
        assert _rows(path, "users", _columns(old)["users"]) == users
        copies = [copy for copy in tmp_path.glob(f"{number}.db-backup-*") if copy.suffix != ".part"]
        assert copies
        assert all(_rows(copy, "users") == users for copy in copies)


async def killed(path: str, at: int) -> None:
    """In a process of its own: bring a database up to date, and be killed at one of the statements."""
    with _dying(at, lambda: os.kill(os.getpid(), signal.SIGKILL)):
        await migrations.upgrade(_url(Path(path)))


async def test_f106_a_revision_that_nobody_knows_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = oldest.make(tmp_path / "bot.db")
    _execute(path, "UPDATE alembic_version SET version_num = '0035abc'")
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="written by a newer version of Govorun"):
        await migrations.upgrade(_url(path))
    assert path.read_bytes() == before


async def test_an_upgrade_that_dies_at_any_statement_is_finished_by_the_next_start(
    tmp_path: Path, template: Path
) -> None:
    with _dying(10**6) as seen:
        await migrations.upgrade(_url(tmp_path / "whole.db"))
    assert len(seen) > 15
    for number in {*range(0, len(seen), 6), len(seen) - 1}:
        path = tmp_path / f"{number}.db"
        with _dying(number), pytest.raises(OperationalError):
            await migrations.upgrade(_url(path))
        await migrations.upgrade(_url(path))
        assert _tables(path) == _tables(template), f"died at statement {number}"


@contextmanager
def _dying(at: int, strike: Callable[[], None] = lambda: None) -> Iterator[list[str]]:
    """The database fails at one of the statements that change it: what was not committed is rolled back."""
    seen: list[str] = []

    def spoil(_connection: object, _cursor: object, statement: str, values: object, *_: object) -> tuple[str, object]:
        if statement.lstrip().upper().startswith(("CREATE", "INSERT", "ALTER", "DROP")):
            seen.append(statement)
            if len(seen) == at + 1:
                strike()
                return "SELECT nothing", values
        return statement, values

    event.listen(Engine, "before_cursor_execute", spoil, retval=True)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", spoil)


def _url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


def _tables(path: Path) -> dict[str, list[str]]:
    """What each table and index is made of, in no order: steps add what comes later at the end."""
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'")
    found = {name: sorted(re.findall(r"[^\s,()]+", sql)) for name, sql in rows}
    connection.close()
    return found


def _differences(path: Path) -> list[object]:
    """Where the schema of a database is not what the tables say."""
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection, opts=COMPARED), METADATA)
    engine.dispose()
    return list(found)


def _filled(path: Path, revision: str) -> Path:
    """A database of that revision with two rows in every table."""
    command.upgrade(migrations.configuration(_url(oldest.make(path))), revision)
    connection = sqlite3.connect(path)
    for table in sorted(_names(path), key=lambda name: name != "conversations"):
        columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
        for number in (1, 2):
            values = [_value(type_, number) for _, _, type_, *_ in columns]
            connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values))})", values)
    connection.commit()
    connection.close()
    return path


def _value(type_: str, number: int) -> object:
    if "CHAR" in type_ or type_ == "TEXT":
        return f"text {number} \u043f\u0440\u0438\u0432\u0435\u0442"
    if type_ == "BLOB":
        return b"\xff\xd8"
    return number % 2 if type_ == "BOOLEAN" else number + 0.5 if type_ == "FLOAT" else number


def _names(path: Path) -> set[str]:
    return {name for name, sql in _tables(path).items() if "TABLE" in sql} - {"alembic_version", "govorun_schema"}


def _columns(path: Path) -> dict[str, list[str]]:
    """The names of the columns of each table. One connection for all: each reads the whole schema."""
    tables = _names(path)
    with closing(sqlite3.connect(path)) as connection:
        return {table: [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")] for table in tables}


def _contents(path: Path, columns: Mapping[str, Sequence[str]]) -> dict[str, list[tuple[object, ...]]]:
    """The rows of some tables, with these columns."""
    found = {}
    with closing(sqlite3.connect(path)) as connection:
        for table, names in columns.items():
            chosen = ", ".join(name if name == "*" else f'"{name}"' for name in names)
            rows = connection.execute(f"SELECT {chosen} FROM {table}").fetchall()
            found[table] = sorted(rows, key=repr)  # a table without rowids has no order of its own
    return found


def _rows(path: Path, table: str, columns: Sequence[str] = ("*",)) -> list[tuple[object, ...]]:
    return _contents(path, {table: columns})[table]


def _execute(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
