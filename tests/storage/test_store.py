"""The store: told means on disk, a failure undoes only itself, and neither cancelling nor a full disk wedges it."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import textwrap
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from bot.clock import SystemClock
from bot.errors import Lost, StorageUnavailable
from bot.storage.engines.sqlite import GROUP, READERS
from bot.storage.engines.sqlite_files import alone
from bot.storage.store import Store, Tx
from bot.types import Address
from tests.support.forked import Forked

WHERE = Address("telegram", 42, 1001)
Write = Callable[[Tx], int]


@pytest.fixture
def database(tmp_path: Path, template: Path) -> Path:
    return Path(shutil.copy(template, tmp_path / "bot.db"))


@pytest.fixture
async def store(database: Path) -> AsyncIterator[Store]:
    async with Store.open(_url(database), SystemClock()) as store:
        yield store


# --- what writing promises --------------------------------------------------------------------------------------------


async def test_writes_are_done_in_the_order_they_were_asked(store: Store) -> None:
    order: list[int] = []

    def noting(number: int) -> Write:
        def work(tx: Tx) -> int:
            order.append(number)
            return _adding(number)(tx)

        return work

    await asyncio.gather(*(store.write(noting(number)) for number in range(GROUP + 10)))
    assert order == list(range(GROUP + 10))


# --- the disk ---------------------------------------------------------------------------------------------------------


async def test_a_full_disk_is_said_and_it_goes_on_when_there_is_room(store: Store, database: Path) -> None:
    await _limit(store, 0)
    with pytest.raises(StorageUnavailable, match="full"):
        await store.write(_adding(1, size=200_000))
    assert await store.read(_updates) == []
    await _limit(store, 1_000)
    await store.write(_adding(2, size=200_000))
    assert _elsewhere(database) == [2]


async def test_on_a_full_disk_nobody_of_a_crowd_is_told_something_wrong(store: Store, database: Path) -> None:
    """SQLite may undo the whole transaction, those beside the one that did not fit included."""
    await _limit(store, 0)
    sizes = [10, 200_000, 10, 10, 200_000, 10]
    works = [store.write(_adding(number, size=size)) for number, size in enumerate(sizes)]
    outcomes = await asyncio.gather(*works, return_exceptions=True)
    assert isinstance(outcomes[1], StorageUnavailable)
    assert isinstance(outcomes[4], StorageUnavailable)
    told = [number for number, outcome in enumerate(outcomes) if not isinstance(outcome, BaseException)]
    assert _elsewhere(database) == told
    await _limit(store, 1_000)
    await store.write(_adding(100))
    assert _elsewhere(database) == [*told, 100]


async def test_a_read_only_database_is_said(database: Path) -> None:
    other = sqlite3.connect(database)
    other.execute("PRAGMA journal_mode=WAL")
    other.execute("SELECT * FROM updates").fetchall()  # the shared memory of the WAL is there
    async with Store.open(f"sqlite+aiosqlite:///file:{database}?mode=ro&uri=true", SystemClock()) as store:
        outcomes = await asyncio.gather(store.write(_adding(1)), store.write(_adding(2)), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [StorageUnavailable] * 2
        assert await store.read(_updates) == []
    other.close()


async def test_a_database_that_can_not_be_opened_is_said_at_once(database: Path) -> None:
    url = f"sqlite+aiosqlite:///file:{database}?mode=ro&uri=true"
    with sqlite3.connect(database) as other:
        other.execute("PRAGMA journal_mode=DELETE")
    other.close()
    with pytest.raises(StorageUnavailable):
        async with Store.open(url, SystemClock()):
            pass


async def test_a_database_that_another_program_locks_is_said_and_not_lost(store: Store, database: Path) -> None:
    await store.write(_pragma("busy_timeout=50"))
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    outcomes = await asyncio.gather(store.write(_adding(1)), store.write(_adding(2)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [StorageUnavailable] * 2
    other.execute("ROLLBACK")
    other.close()
    await store.write(_adding(3))
    assert _elsewhere(database) == [3]


async def test_sqlite_keeps_what_it_was_told_over_a_power_cut(store: Store) -> None:
    def look(tx: Tx) -> dict[str, Any]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return {name: tx.connection.execute(text(f"PRAGMA {name}")).scalar_one() for name in names}

    assert await store.write(look) == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}
    assert await store.read(lambda tx: tx.connection.scalar(text("PRAGMA query_only"))) == 1


async def test_p18_readers_never_checkpoint_and_the_writer_closes_last(store: Store, database: Path) -> None:
    """A WAL that one connection checkpoints while another commits can be corrupted by SQLite before 3.51.3."""
    pragma = "PRAGMA wal_autocheckpoint"
    readers = [store.read(lambda tx: tx.connection.exec_driver_sql(pragma).scalar()) for _ in range(2 * READERS)]
    assert await asyncio.gather(*readers) == [0] * 2 * READERS
    assert await store.write(lambda tx: tx.connection.exec_driver_sql(pragma).scalar()) == 1_000


async def test_a_closed_store_leaves_one_file(database: Path) -> None:
    async with Store.open(_url(database), SystemClock()) as store:
        await store.write(_adding(1))
        await store.read(_updates)
    assert [path.name for path in database.parent.iterdir()] == [database.name]


async def test_t31_nobody_else_can_read_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    async with Store.open(_url(path), SystemClock()) as store:
        with alone(_url(path)):
            await store.write(_adding(1))
            modes = {file.name: oct(file.stat().st_mode & 0o777) for file in tmp_path.iterdir()}
    assert modes == dict.fromkeys(("new.db", "new.db-wal", "new.db-shm", "new.db.lock"), "0o600")


async def test_a_check_is_a_commit_and_says_what_stands_in_its_way(store: Store, database: Path) -> None:
    before = Path(f"{database}-wal").stat().st_size
    await store.check_writable()
    assert Path(f"{database}-wal").stat().st_size > before
    await store.write(_pragma("busy_timeout=50"))
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageUnavailable, match="locked"):
        await store.check_writable()
    other.execute("ROLLBACK")
    other.close()
    await store.check_writable()


async def test_a_question_that_the_disk_can_not_answer_is_said_as_such(store: Store) -> None:
    with pytest.raises(StorageUnavailable, match="can't be read: unable to open"):
        await store.read(lambda tx: tx.connection.exec_driver_sql("ATTACH '/nowhere/x.db' AS elsewhere"))
    assert await store.read(_updates) == []


async def test_an_outage_is_a_line_when_it_comes_and_a_line_when_it_goes(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    await _limit(store, 0)
    for number in range(5):
        with pytest.raises(StorageUnavailable):
            await store.write(_adding(number, size=200_000))
    await _limit(store, 1_000)
    await store.write(_adding(9, size=200_000))
    said = [record.getMessage() for record in caplog.records if record.name.startswith("bot")]
    assert len(said) == 2
    assert said[0] == "writing to the database: the database can't be written: database or disk is full"
    assert said[1].startswith("writing to the database: works again after")


def _replaced(path: Path) -> None:
    (other := path.with_name("other")).touch()
    other.replace(path)


@pytest.mark.parametrize(
    ("ending", "spoil"), [("", Path.unlink), ("", _replaced), ("-wal", Path.unlink), ("-wal", _replaced)]
)
async def test_f86_a_database_that_is_gone_takes_nothing_more(
    store: Store, database: Path, ending: str, spoil: Callable[[Path], None]
) -> None:
    await store.write(_adding(1))
    spoil(Path(f"{database}{ending}"))
    for _ in range(2):
        with pytest.raises(Lost, match="while it was in use"):
            await store.write(_adding(2))
    with pytest.raises(Lost, match="while it was in use"):
        await store.watch_until_closed()


async def test_f89_damage_that_is_met_while_running_ends_it_with_the_way_out(database: Path) -> None:
    async with Store.open(_url(database), SystemClock()) as store:
        await store.write(lambda tx: [tx.inbox.add_update(42, n, "", f"needle{n:04} " + "x" * 900) for n in range(300)])
    async with Store.open(_url(database), SystemClock()) as store:
        raw = database.read_bytes()
        page = raw.index(b"needle0250") // 4_096
        with database.open("r+b") as file:
            file.seek(4_096 * page)
            file.write(b"\xff" * 4_096)
        with pytest.raises(Lost, match=r"damaged.*govorun restore FILE"):
            await store.read(lambda tx: tx.inbox.list_open(42))
        with pytest.raises(Lost, match="damaged"):
            await store.write(_adding(1))
        with pytest.raises(Lost, match="damaged"):
            await store.watch_until_closed()


@pytest.mark.parametrize(
    "impossible",
    [
        lambda tx: tx.inbox.add_update(42, 2**63, "", "{}"),
        lambda tx: tx.inbox.add_update(42, 1, "\ud800", "{}"),
        lambda tx: tx.inbox.add_update(42, 1, "", "half \ud83d"),
        lambda tx: tx.connection.exec_driver_sql("SELECT length(zeroblob(2000000000) || 'x')").scalar(),
    ],
)
async def test_f93_what_no_row_can_hold_is_its_writers_own_trouble(
    store: Store, database: Path, impossible: Write
) -> None:
    works = [_adding(1), impossible, _adding(2)]
    outcomes = await asyncio.gather(*map(store.write, works), return_exceptions=True)
    assert [isinstance(outcome, BaseException) for outcome in outcomes] == [False, True, False]
    assert not isinstance(outcomes[1], StorageUnavailable | Lost)  # waiting would not help
    assert _elsewhere(database) == [1, 2]


async def test_what_was_told_stays_after_a_kill(database: Path) -> None:
    """A process that is killed while it writes: every number that it printed is there, and the file is sound."""
    code = """
        import asyncio, os, sys
        from bot.clock import SystemClock
        from bot.storage.store import Store

        async def main():
            async with Store.open(sys.argv[1], SystemClock()) as store:
                async def one(number):
                    await store.write(lambda tx: tx.inbox.add_update(42, number, "", "{}"))
                    os.write(1, b"%d\\n" % number)
                    if number == 150:
                        os.kill(os.getpid(), 9)
                for first in range(0, 400, 8):
                    await asyncio.gather(*(one(first + number) for number in range(8)))

        asyncio.run(main())
    """
    words = ("-c", textwrap.dedent(code), _url(database))
    async with Forked.running(
        *words, directory=database.parent, environment={}, stdout=asyncio.subprocess.PIPE
    ) as process:
        told = [int(line) for line in (await process.communicate())[0].split()]
    assert process.returncode == -9
    assert 150 in told
    assert set(told) <= set(_elsewhere(database))
    assert _integrity(database) == "ok"


# --- what several need ------------------------------------------------------------------------------------------------


def _url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


def _adding(number: int, size: int = 2) -> Write:
    def work(tx: Tx) -> int:
        tx.inbox.add_update(42, number, "", "x" * size)
        return 1

    return work


def _pragma(setting: str) -> Write:
    def work(tx: Tx) -> int:
        tx.connection.execute(text(f"PRAGMA {setting}"))
        return 1

    return work


async def _limit(store: Store, pages: int) -> None:
    """The disk has room for so many pages more; a PRAGMA can't make it smaller than the file."""

    def work(tx: Tx) -> None:
        count = tx.connection.execute(text("PRAGMA page_count")).scalar_one()
        tx.connection.execute(text(f"PRAGMA max_page_count={count + pages}"))

    await store.write(work)


def _updates(tx: Tx) -> list[int]:
    return list(tx.connection.execute(text("SELECT update_id FROM updates ORDER BY id")).scalars())


def _elsewhere(path: Path) -> list[int]:
    """What another program sees."""
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT update_id FROM updates ORDER BY id").fetchall()
    connection.close()
    return [row[0] for row in rows]


def _integrity(path: Path) -> str:
    with sqlite3.connect(path) as connection:
        found = str(connection.execute("PRAGMA integrity_check").fetchone()[0])
    connection.close()
    return found
