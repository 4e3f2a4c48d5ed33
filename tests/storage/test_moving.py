"""`govorun move`: a SQLite deployment arrives in PostgreSQL whole, or nothing does."""

from __future__ import annotations

import asyncio
import os
import pty
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from bot.ai import Usage
from bot.cli import app
from bot.clock import SystemClock
from bot.errors import BadInput, ConfigError
from bot.runtime.optional import own_tables
from bot.storage.engines.dialects import connector
from bot.storage.engines.sqlite_files import alone
from bot.storage.maintenance import sqlite_to_postgres
from bot.storage.store import Store, Tx
from bot.storage.tables import METADATA
from bot.types import Address, File, Image, Job, Outgoing, Text, User
from tests.support.forked import Forked
from tests.support.postgres_side import Server

WHERE = Address("telegram", 42, 1001)


def live(tx: Tx) -> None:
    """A bit of everything: texts of every kind, files, numbers above 32 bits, what is true and what is not there."""
    tx.chats.record_seen(WHERE, User(7_000_000_000, "Анна \0 'о\"", "ru"), private=True)
    tx.chats.set_voice_answers(WHERE, on=True)
    conversation = tx.messages.current_conversation(WHERE)
    said = (Text("Ёжик\x0b😀"), Image(b"\x00\xff\x00", "image/jpeg"))
    question = tx.messages.add_message(conversation, WHERE, "1", "user", said, user=7_000_000_000, place=2**40)
    tx.messages.add_message(conversation, WHERE, "1", "assistant", (Text("answer"),), parent=question.id, ending="stop")
    tx.documents.store_document(conversation, "1", 7, "book.pdf", 2, [(1, "", "page \0 one"), (2, "", "page two")])
    tx.documents.store_vectors({kept.id: (0.5, -1.5) for kept in tx.documents.list_passages(conversation)[:1]})
    tx.outbox.add_answer("1", WHERE, Outgoing("answer", file=File(b"\xff\xd8", "photo")))
    tx.ledger.add_line(WHERE, 7, "1", "yandexgpt", Usage(10, 20, 0), cost=123_456_789_012)
    tx.jobs.add_job(Job("reminder", "k", WHERE, {"text": "да"}, due=1_800_000_000.123456))
    for number in range(2_500):
        tx.inbox.add_update(42, number, f"once-{number}" if number % 2 else "", f'{{"n": {number}}}')
    tx.inbox.mark_done([2_500])
    tx.inbox.delete_done_before(42, 2e9)


@pytest.fixture
async def source(tmp_path: Path) -> str:
    url = f"sqlite+aiosqlite:///{tmp_path}/bot.db"
    async with Store.open(url, SystemClock()) as store:
        await store.write(live)
    return url


@pytest.fixture
async def target(postgres: Server) -> AsyncIterator[str]:
    url = postgres.create("template1")
    yield url
    await asyncio.to_thread(postgres.drop, url)


async def test_everything_arrives_and_the_bot_goes_on_there(source: str, target: str) -> None:
    moved = await sqlite_to_postgres.move(source, target)
    assert not moved.before
    assert moved.rows["updates"] == 2_499
    assert {"messages", "blobs", "passages", "deliveries", "usage", "jobs"} <= {n for n, c in moved.rows.items() if c}
    async with Store.open(source, SystemClock()) as old, Store.open(target, SystemClock()) as new:

        def look(tx: Tx) -> object:
            conversation = tx.messages.current_conversation(WHERE)
            history = tx.blobs.load_images([row.message for row in tx.messages.list_newest(conversation, 9)])
            passages = [
                (kept.text.replace("\0", "\ufffd"), kept.vector) for kept in tx.documents.list_passages(conversation)
            ]
            return (
                history,
                passages,
                tx.outbox.next_unsent(WHERE),
                tx.jobs.list_due(42, 2e9, 9),
                tx.chats.answers_with_voice(WHERE),
            )

        assert await old.read(look) == await new.read(look)
        # A turn is named after its first row: ids never come back, even those of rows that are gone.
        added = await new.write(lambda tx: tx.inbox.add_update(42, 9_999, "", "{}"))
        assert added is not None
        assert added.id == 2_501
        conversation = await new.write(lambda tx: tx.messages.begin_conversation(WHERE))
        await new.write(lambda tx: tx.messages.add_message(conversation, WHERE, "2", "user", (Text("next"),)))


async def test_a_second_move_finds_all_of_it_there(source: str, target: str) -> None:
    first = await sqlite_to_postgres.move(source, target)
    second = await sqlite_to_postgres.move(source, target)
    assert second.before
    assert second.rows == first.rows


async def test_a_database_with_other_rows_is_refused_and_left_alone(source: str, target: str) -> None:
    async with Store.open(target, SystemClock()) as store:
        await store.write(lambda tx: tx.inbox.add_update(42, 1, "", "x"))
    with pytest.raises(BadInput, match=r"holds other rows already \(updates\)"):
        await sqlite_to_postgres.move(source, target)
    assert _count(target) == 1


async def test_what_can_not_arrive_whole_does_not_arrive_at_all(source: str, target: str) -> None:
    async with Store.open(source, SystemClock()) as store:
        await store.write(
            lambda tx: tx.connection.exec_driver_sql("UPDATE usage SET turn = hex(randomblob(60))").close()
        )
    with pytest.raises(BadInput, match="usage can't be copied: value too long"):
        await sqlite_to_postgres.move(source, target)
    assert _count(target) == 0


async def test_tables_of_an_app_come_along_and_are_never_left_behind(source: str, target: str) -> None:
    own = sa.MetaData()
    orders = sa.Table("shop_orders", own, sa.Column("id", sa.Integer, primary_key=True), sa.Column("at", sa.DateTime))
    row = {"at": datetime(2026, 11, 24, 9, 30)}  # noqa: DTZ001  the column stores no zone
    async with Store.open(source, SystemClock()) as store:
        await own_tables.prepare(store, own, {})
        await store.write(lambda tx: tx.connection.execute(sa.insert(orders), row))
    with pytest.raises(BadInput, match="shop_orders: these tables are of an App; name it with --app"):
        await sqlite_to_postgres.move(source, target)
    moved = await sqlite_to_postgres.move(source, target, own)
    assert moved.rows["shop_orders"] == 1
    async with Store.open(target, SystemClock()) as store:
        await own_tables.prepare(store, own, {})
        more = sa.insert(orders).returning(orders.c.id)
        assert await store.write(lambda tx: tx.connection.scalar(more, row)) == 2, "numbers go on"


async def test_a_database_that_a_bot_works_with_is_not_moved(source: str, target: str) -> None:
    with alone(source), pytest.raises(ConfigError, match="another Govorun works with"):
        await sqlite_to_postgres.move(source, target)


async def test_only_a_file_is_moved_and_only_to_a_server(source: str, target: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no SQLite database"):
        await sqlite_to_postgres.move(f"sqlite+aiosqlite:///{tmp_path}/none.db", target)
    with pytest.raises(BadInput, match="postgresql://"):
        await sqlite_to_postgres.move(source, source)


def test_the_command_says_what_was_moved(
    source: str, target: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", source)
    done = CliRunner().invoke(app, ["move", "--to", target])
    assert "    2,499  updates" in done.output
    assert done.output.endswith("Every row is there. Now set DATABASE_URL to it.\n")
    assert CliRunner().invoke(app, ["move", "--to", target]).output.endswith("Every row was there already.\n")
    wrong = CliRunner().invoke(app, ["move", "--to", "postgresql://anna:hush@"])
    assert isinstance(wrong.exception, BadInput)
    assert "hush" not in str(wrong.exception)


@pytest.mark.parametrize(
    "shape", ["postgresql://anna:hush@host/name", "postgresql://host/name?user=anna&password=hush"]
)
def test_a_password_in_the_argument_is_warned_of_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shape: str
) -> None:
    """T1: There is nothing to move, so nothing is asked of that host."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MOVE_TO", shape)
    assert CliRunner().invoke(app, ["move"]).stderr == ""
    assert CliRunner().invoke(app, ["move", "--to", "postgresql://anna@host/name"]).stderr == ""
    (told,) = CliRunner().invoke(app, ["move", "--to", shape]).stderr.splitlines()
    assert "MOVE_TO" in told
    assert "history" in told
    assert "hush" not in told


def test_where_to_is_read_from_the_settings(
    source: str, target: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"DATABASE_URL={source}\nMOVE_TO={target}\n")
    assert CliRunner().invoke(app, ["move"]).output.endswith("Every row is there. Now set DATABASE_URL to it.\n")


def test_without_an_address_and_a_terminal_it_is_said_how_to_give_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["move"])
    assert isinstance(done.exception, BadInput)
    assert "MOVE_TO" in str(done.exception)


@pytest.mark.process
async def test_on_a_terminal_it_asks_where_to_and_shows_nothing_of_the_answer(
    source: str, target: str, tmp_path: Path
) -> None:
    ours, theirs = pty.openpty()
    seen = asyncio.StreamReader()
    terminal = os.fdopen(ours, "r+b", 0)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(seen), terminal)
    words, environment = ("-m", "bot", "move"), {"PATH": os.environ["PATH"], "DATABASE_URL": source}
    async with (
        asyncio.timeout(60),
        Forked.running(
            *words, directory=tmp_path, environment=environment, stdin=theirs, stdout=theirs, stderr=theirs
        ) as process,
    ):
        os.close(theirs)
        asked = await seen.readuntil(b": ")  # the space comes when nothing is shown any more
        terminal.write(target.encode() + b"\n")
        told = await seen.readuntil(b"Every row is there.")
        assert await process.wait() == 0
    assert b"postgresql://" in asked
    assert target.encode() not in asked + told


def _count(url: str) -> int:
    with connector(url, writer=False).connect() as connection:
        counts = [connection.exec_driver_sql(f'SELECT count(*) FROM "{name}"') for name in METADATA.tables]
        return sum(count.scalar_one() for count in counts)
