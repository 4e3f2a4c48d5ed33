"""What only a database server can do to a bot: be away, cut connections, refuse rights, be shared by processes."""

from __future__ import annotations

import asyncio
import logging
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from sqlalchemy.exc import DBAPIError

from bot.clock import SystemClock
from bot.config.settings import Settings, load
from bot.doctor.finding import Verdict
from bot.doctor.machine import check_database
from bot.errors import BotError, ConfigError, Lost, StorageUnavailable
from bot.storage.engines import job_notify, postgres_server
from bot.storage.engines.dialects import connector
from bot.storage.maintenance import backup_command, migrations
from bot.storage.store import Store, Tx
from bot.types import Address
from tests.storage import oldest
from tests.support.loaded import Loaded
from tests.support.postgres_side import Server

WHERE = Address("telegram", 42, 1001)
CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}' AND pid <> pg_backend_pid()"


def name_of(url: str) -> str:
    return url.partition("@/")[2].partition("?")[0]


def cut(postgres: Server, url: str) -> None:
    """Every connection to a database, as an administrator or a network does it."""
    postgres.execute(CUT.format(name_of(url)))


def add(number: int, raw: str = "x") -> Callable[[Tx], None]:
    def work(tx: Tx) -> None:
        tx.inbox.add_update(42, number, "", raw)

    return work


def numbers(tx: Tx) -> list[int]:
    return sorted(row.update_id for row in tx.inbox.list_open(42))


@pytest.fixture
async def store(postgres_url: str) -> AsyncIterator[Store]:
    async with Store.open(postgres_url, SystemClock()) as store:
        yield store


@pytest.fixture
def role(postgres: Server, request: pytest.FixtureRequest) -> str:
    """A user of the server without any right."""
    name = f"role_of_{request.node.name}"[:60]
    postgres.execute(f"CREATE ROLE {name} LOGIN")
    return name


# --- connections ------------------------------------------------------------------------------------------------------


async def test_a_connection_that_was_cut_while_idle_costs_nothing(
    store: Store, postgres: Server, postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(6):
        await store.write(add(number))
    cut(postgres, postgres_url)
    await asyncio.gather(*(store.write(add(number)) for number in range(6, 12)))
    assert await store.read(numbers) == list(range(12))
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_connection_that_is_cut_in_a_transaction_does_its_work_once(
    store: Store, postgres: Server, postgres_url: str
) -> None:
    tries: list[int] = []

    def work(tx: Tx) -> int:
        add(1)(tx)
        tries.append(1)
        if len(tries) == 1:
            cut(postgres, postgres_url)
        add(2)(tx)
        return len(tries)

    assert await store.write(work) == 2
    assert await store.read(numbers) == [1, 2]


@pytest.mark.parametrize("kept", [True, False])
async def test_a_commit_whose_answer_is_lost_is_looked_up(
    store: Store, postgres: Server, postgres_url: str, kept: bool
) -> None:
    """The connection dies after the commit, or before it: the work is not done twice, and not forgotten."""
    done: list[int] = []

    def work(tx: Tx) -> int:
        tx.inbox.add_update(42, 100 + len(done), "", "x")
        done.append(1)
        if len(done) == 1:
            raw: Any = tx.connection.connection.driver_connection
            commit = raw.commit

            def broken() -> None:
                if kept:
                    commit()
                raw.close()
                raise psycopg.OperationalError("the connection is lost")

            raw.commit = broken
        return len(done)

    assert await store.write(work) == (1 if kept else 2)
    assert await store.read(numbers) == ([100] if kept else [101])


async def test_a_server_that_is_away_is_an_outage_that_passes(
    store: Store, postgres: Server, postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    await store.write(add(1))
    name = name_of(postgres_url)
    postgres.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    cut(postgres, postgres_url)
    with pytest.raises(StorageUnavailable):
        await store.write(add(2))
    with pytest.raises(StorageUnavailable):
        await store.read(numbers)
    postgres.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    await store.write(add(3))
    assert await store.read(numbers) == [1, 3]
    said = [record.getMessage() for record in caplog.records if "writing to the database" in record.getMessage()]
    assert len(said) == 2


async def test_tables_that_are_gone_end_the_bot(store: Store, postgres: Server, postgres_url: str) -> None:
    postgres.execute("ALTER TABLE updates RENAME TO elsewhere", postgres_url)
    with pytest.raises(Lost, match="the database is gone"):
        await store.write(add(1))
    with pytest.raises(Lost):
        await store.watch_until_closed()


async def test_an_error_shows_nothing_of_what_people_wrote(store: Store) -> None:
    await store.write(add(1))
    twice = "INSERT INTO updates SELECT id, bot, update_id, 'hush', raw, state, attempts, at, 'hush' FROM updates"
    with pytest.raises(DBAPIError) as caught:
        await store.write(lambda tx: tx.connection.exec_driver_sql(twice))
    assert "duplicate key" in str(caught.value)
    assert "hush" not in str(caught.value.orig)
    assert "(42" not in str(caught.value)


async def test_the_character_0_is_replaced(store: Store) -> None:
    await store.write(add(1, "a\0b"))
    assert [row.raw for row in await store.read(lambda tx: tx.inbox.list_open(42))] == ["a\ufffdb"]


# --- starts -----------------------------------------------------------------------------------------------------------


async def refused(url: str) -> str:
    with pytest.raises(ConfigError) as caught:
        await migrations.upgrade(url)
    (line,) = str(caught.value).splitlines()
    assert line.startswith("DATABASE_URL: ")
    return line


async def test_an_empty_database_is_filled_by_one_of_those_who_start_at_once(postgres: Server) -> None:
    url = postgres.create("template1")
    await asyncio.gather(*(migrations.upgrade(url) for _ in range(4)))
    assert await migrations.current(url) == migrations.HEAD
    assert postgres.execute("SELECT count(*) FROM alembic_version", url) == [(1,)]
    postgres.drop(url)


def old(postgres: Server) -> str:
    """The URL of an empty database of the oldest schema that goes on."""
    url = postgres.create("template1")
    with connector(url, writer=True).begin() as connection:
        connection.exec_driver_sql(oldest.schema("postgresql"))
        job_notify.create(connection)
    return url


async def test_a_database_of_an_earlier_version_is_brought_up_to_date(postgres: Server) -> None:
    url = await asyncio.to_thread(old, postgres)
    await asyncio.gather(*(migrations.upgrade(url) for _ in range(2)))
    assert await migrations.current(url) == migrations.HEAD
    await asyncio.to_thread(command.check, migrations.configuration(url))
    async with Store.open(url, SystemClock()) as store:
        await store.write(add(1))
    postgres.drop(url)


async def test_a_schema_from_before_all_steps_is_told_what_to_do_and_left_alone(
    postgres: Server, postgres_url: str
) -> None:
    postgres.execute("UPDATE alembic_version SET version_num = '0031'", postgres_url)
    assert "schema 0031 is too old, this version of Govorun begins at 0032: start" in await refused(postgres_url)
    assert postgres.execute("SELECT version_num FROM alembic_version", postgres_url) == [("0031",)]


STEP = f"""
from alembic import op
revision, down_revision, branch_labels, depends_on = "9999", "{migrations.HEAD}", None, None
def upgrade():
    op.execute("ALTER TABLE updates ADD COLUMN mood text")
    op.execute("ALTER TABLE messages ADD COLUMN mood text")
"""


@pytest.mark.parametrize("then", ["LOCK TABLE updates IN ROW EXCLUSIVE MODE", "SELECT pg_sleep(1.5)"])
async def test_a_migration_that_meets_those_at_work_lets_them_end_and_begins_anew(
    postgres: Server, postgres_url: str, tmp_path: Path, then: str
) -> None:
    """A deadlock, and a transaction that takes long."""
    folder = tmp_path / "migrations"
    shutil.copytree(migrations.scripts(), folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "9999_moods.py").write_text(STEP)
    async with await psycopg.AsyncConnection.connect(postgres_url) as other:
        await other.execute("SET LOCAL deadlock_timeout = '1min'")  # so that the migration is who gives way
        await other.execute("LOCK TABLE messages IN ROW EXCLUSIVE MODE")
        migration = asyncio.create_task(asyncio.to_thread(migrations.climb, postgres_url, folder))
        while not postgres.execute("SELECT 1 FROM pg_locks WHERE NOT granted", postgres_url):
            await asyncio.sleep(0.01)
        await other.execute(then)
    await migration
    assert await migrations.current(postgres_url) == "9999"


async def test_a_newer_schema_that_took_something_away_is_refused(postgres: Server, postgres_url: str) -> None:
    postgres.execute("UPDATE alembic_version SET version_num = '9999'", postgres_url)
    postgres.execute("UPDATE govorun_schema SET oldest = '9998'", postgres_url)
    assert "newer version of Govorun (9999" in (line := await refused(postgres_url))
    assert "needs a version with schema 9998 or newer" in line
    assert postgres.execute("SELECT version_num FROM alembic_version", postgres_url) == [("9999",)]


async def test_tables_of_another_program_are_left_alone(postgres: Server) -> None:
    url = postgres.create("template1")
    postgres.execute("CREATE TABLE songs (title text)", url)
    assert "tables of another program" in await refused(url)
    assert postgres.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", url) == [(1,)]
    postgres.drop(url)


async def test_a_server_that_is_too_old_is_refused(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_server, "OLDEST", 99)
    assert "is PostgreSQL 18" in (line := await refused(postgres_url))
    assert "99 or newer is needed" in line


async def test_a_database_that_can_not_hold_every_letter_is_refused(postgres: Server) -> None:
    postgres.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    assert "LATIN1" in await refused(postgres.url("latin"))


async def test_a_server_that_is_not_there_is_told_in_one_line_without_the_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    line = await refused(f"postgresql://anna:hush%40hush@127.0.0.1:{port}/govorun")
    assert "refused" in line
    assert "hush" not in line
    assert f"127.0.0.1:{port}/govorun" in line


async def test_a_role_without_rights_is_told_which(postgres: Server, postgres_url: str, role: str) -> None:
    url = postgres.url(name_of(postgres_url), role)
    assert f"GRANT SELECT ON alembic_version TO {role}" in await refused(url)
    postgres.execute(f"GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO {role}", postgres_url)
    assert "GRANT DELETE ON " in await refused(url)
    postgres.execute(f"GRANT DELETE ON ALL TABLES IN SCHEMA public TO {role}", postgres_url)
    assert "GRANT USAGE ON SEQUENCE" in await refused(url)
    postgres.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}", postgres_url)
    async with Store.open(url, SystemClock()) as store:
        await store.write(add(1))
        await store.scrub_deleted()
        postgres.execute(f"REVOKE INSERT ON updates FROM {role}", postgres_url)
        with pytest.raises(StorageUnavailable, match="permission denied for table updates"):
            await store.write(add(2))
        postgres.execute(f"GRANT INSERT ON updates TO {role}", postgres_url)
        await store.write(add(2))


async def test_a_worker_without_rights_on_the_queue_is_told_which(
    postgres: Server, postgres_url: str, role: str
) -> None:
    url = postgres.url(name_of(postgres_url), role)
    every = "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public"
    postgres.execute(f"GRANT {every} TO {role}; GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}", postgres_url)
    for right in (
        "UPDATE ON procrastinate_jobs",
        "INSERT ON govorun_places",
        "USAGE ON SEQUENCE procrastinate_jobs_id_seq",
    ):
        postgres.execute(f"REVOKE {right} FROM {role}", postgres_url)
        assert f"{role} lacks a right: GRANT {right} TO {role}" in (await refused(url)).replace("public.", "")
        postgres.execute(f"GRANT {right} TO {role}", postgres_url)
    await migrations.upgrade(url)


async def test_a_role_that_may_not_make_tables_is_told_so(postgres: Server, role: str) -> None:
    url = postgres.create("template1")
    line = await refused(postgres.url(name_of(url), role))
    assert f"GRANT USAGE, CREATE ON SCHEMA public TO {role}" in line
    postgres.drop(url)


def test_without_the_driver_the_extra_is_named(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "import asyncio; from bot.errors import ConfigError; from bot.storage.maintenance import migrations\n"
        "try: asyncio.run(migrations.upgrade('postgresql://anna:hush@db/govorun'))\n"
        "except ConfigError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "DATABASE_URL: PostgreSQL needs an extra of Govorun: pip install 'govorun[postgres]'\n"


@pytest.mark.process
def test_sqlite_loads_nothing_of_postgresql(loaded: Loaded) -> None:
    assert [name for name in loaded.bot if "psycopg" in name or "postgres" in name] == []


# --- commands ---------------------------------------------------------------------------------------------------------


def settings(url: str) -> Settings:
    return load(_env_file=None, bot_token="42:token", owners="1", database_url=url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://anna:hush%40hush@db.example:5432/govorun?sslmode=require",
        "postgresql://anna@db.example:5432/govorun?sslmode=require&password=hush%40hush",
    ],
)
def test_the_password_of_the_database_is_a_secret(url: str) -> None:
    found = settings(url)
    assert "hush" not in f"{found!r} {found} {found.model_dump()} {found.model_dump_json()}"
    assert {"hush%40hush", "hush@hush"} <= {*found.secrets()}


@pytest.mark.parametrize("url", ["postgresql://anna:hu/sh@db/x", "postgresql://anna:hu sh@db/x", "postgresql://hush"])
def test_an_address_that_is_none_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(url)
    assert "postgresql://user:password@host/name" in str(caught.value)
    assert "hu" not in str(caught.value).replace("%40", "")


async def test_doctor_asks_the_server(postgres: Server, postgres_url: str, role: str) -> None:
    (good,) = [finding async for finding in check_database(settings(postgres_url))]
    assert good.verdict is Verdict.OK
    assert f"schema {migrations.HEAD} is current" in good.text
    (bad,) = [finding async for finding in check_database(settings(postgres.url(name_of(postgres_url), role)))]
    assert bad.verdict is Verdict.FAIL
    assert "GRANT" in bad.text


def test_the_commands_for_files_name_what_to_use_instead(postgres_url: str, tmp_path: Path) -> None:
    for run in (lambda: backup_command.save(postgres_url), lambda: list(backup_command.verify(postgres_url))):
        with pytest.raises(BotError, match="pg_dump"):
            run()


async def test_a_plan_that_was_made_for_an_empty_table_scans_none(postgres_url: str) -> None:
    """The server keeps it: 14 ms for the history of a chat among 10,000 messages, which takes 0.5 ms."""
    history = (
        "EXPLAIN WITH RECURSIVE walk AS (SELECT id, parent FROM messages WHERE id = 1 UNION ALL "
        "SELECT one.id, one.parent FROM messages one JOIN walk ON one.id = walk.parent) "
        "SELECT parts FROM walk JOIN messages ON messages.id = walk.id"
    )
    async with Store.open(postgres_url, SystemClock()) as store:
        for ask in (store.write, store.read):
            plan = await ask(lambda tx: tx.connection.exec_driver_sql(history).scalars().all())
            assert not [line for line in plan if "Seq Scan" in line], plan
