"""The schema: what the migrations make is what the code means, and only our own databases are touched."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
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

from bot.errors import ConfigError
from bot.storage import schema
from bot.storage.tables import Base


def test_a_fresh_database_is_what_the_tables_say(template: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{template}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "render_as_batch": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_head_is_the_newest_migration_and_there_is_one_line_of_them() -> None:
    scripts = ScriptDirectory.from_config(schema.configuration("sqlite+aiosqlite://"))
    assert scripts.get_heads() == [schema.HEAD]
    assert scripts.get_bases() == ["0001"]


def test_the_schema_goes_down_and_up_again(tmp_path: Path) -> None:
    configuration = schema.configuration(_url(tmp_path / "bot.db"))
    command.upgrade(configuration, "head")
    before = _tables(tmp_path / "bot.db")
    command.downgrade(configuration, "base")
    assert set(_tables(tmp_path / "bot.db")) == {"alembic_version"}
    command.upgrade(configuration, "head")
    assert _tables(tmp_path / "bot.db") == before


async def test_upgrading_twice_and_an_empty_file_are_fine(tmp_path: Path) -> None:
    (tmp_path / "bot.db").touch()
    await schema.upgrade(_url(tmp_path / "bot.db"))
    await schema.upgrade(_url(tmp_path / "bot.db"))
    assert await schema.current(_url(tmp_path / "bot.db")) == schema.HEAD


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
        await schema.upgrade(_url(path))
    assert "DATABASE_URL" in str(caught.value)
    assert path.read_bytes() == before


async def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "bot.db"
    await schema.upgrade(_url(path))
    _execute(path, "UPDATE alembic_version SET version_num = '9999'")
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=f"newer version of Govorun.*9999 > {schema.HEAD}"):
        await schema.upgrade(_url(path))
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"This is no database at all. " * 100, b"SQLite format 3\0" + b"\xff" * 4_000])
async def test_a_corrupted_file_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bot.db"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="can't be opened"):
        await schema.upgrade(_url(path))
    assert path.read_bytes() == content


async def test_a_file_that_was_cut_short_is_refused(tmp_path: Path, template: Path) -> None:
    path = tmp_path / "bot.db"
    path.write_bytes(template.read_bytes()[:5_000])
    with pytest.raises(ConfigError, match="can't be opened"):
        await schema.upgrade(_url(path))


async def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"can't be opened: there is no folder .*nowhere"):
        await schema.upgrade(_url(tmp_path / "nowhere" / "bot.db"))


async def test_an_upgrade_that_dies_at_any_statement_is_finished_by_the_next_start(
    tmp_path: Path, template: Path
) -> None:
    with _dying(10**6) as seen:
        await schema.upgrade(_url(tmp_path / "whole.db"))
    assert len(seen) > 15
    for number in {*range(0, len(seen), 6), len(seen) - 1}:
        path = tmp_path / f"{number}.db"
        with _dying(number), pytest.raises(OperationalError):
            await schema.upgrade(_url(path))
        await schema.upgrade(_url(path))
        assert _tables(path) == _tables(template), f"died at statement {number}"


@contextmanager
def _dying(at: int) -> Iterator[list[str]]:
    """The database fails at one of the statements that change it: what was not committed is rolled back."""
    seen: list[str] = []

    def spoil(_connection: object, _cursor: object, statement: str, values: object, *_: object) -> tuple[str, object]:
        if statement.lstrip().upper().startswith(("CREATE", "INSERT", "ALTER", "DROP")):
            seen.append(statement)
            if len(seen) == at + 1:
                return "SELECT nothing", values
        return statement, values

    event.listen(Engine, "before_cursor_execute", spoil, retval=True)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", spoil)


def _url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


def _tables(path: Path) -> dict[str, str]:
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'")
    found = dict(rows.fetchall())
    connection.close()
    return found


def _execute(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
