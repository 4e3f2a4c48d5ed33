"""The store: told means on disk, a failure undoes only itself, and neither cancelling nor a full disk wedges it."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from bot.boxes import Delivery, DeliveryState
from bot.clock import SystemClock
from bot.errors import Lost, StorageUnavailable
from bot.storage.files import alone
from bot.storage.sqlite import GROUP, READERS
from bot.storage.store import Store, Tx
from bot.types import Address, Outgoing, Text, User

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


async def test_a_write_returns_when_it_is_on_disk(store: Store, database: Path) -> None:
    for number in range(20):
        await store.write(_adding(number))
        assert number in _elsewhere(database)


async def test_a_reader_sees_what_was_committed_and_only_that(store: Store) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def look_twice(tx: Tx) -> tuple[list[int], list[int]]:
        before = _updates(tx)
        begun.set()
        go_on.wait(10)
        return before, _updates(tx)

    looking = asyncio.create_task(store.read(look_twice))
    await asyncio.to_thread(begun.wait, 10)
    await store.write(_adding(1))
    go_on.set()
    assert await looking == ([], [])  # one state of the database
    assert await store.read(_updates) == [1]


async def test_a_work_reads_its_own_changes_and_returns_its_result(store: Store) -> None:
    def work(tx: Tx) -> list[int]:
        _adding(1)(tx)
        return _updates(tx)

    assert await store.write(work) == [1]


@pytest.mark.parametrize("crowd", [1, 3, GROUP * 2 + 5])
async def test_a_failing_work_undoes_only_itself(store: Store, database: Path, crowd: int) -> None:
    def failing(tx: Tx) -> int:
        _adding(9_999)(tx)
        raise RuntimeError("broken")

    works = [failing if number % 3 == 1 else _adding(number) for number in range(crowd)]
    outcomes = await asyncio.gather(*map(store.write, works), return_exceptions=True)
    assert all(isinstance(outcome, RuntimeError) == (number % 3 == 1) for number, outcome in enumerate(outcomes))
    assert _elsewhere(database) == [number for number in range(crowd) if number % 3 != 1]


async def test_a_lone_failing_work_leaves_nothing(store: Store, database: Path) -> None:
    def failing(tx: Tx) -> int:
        _adding(1)(tx)
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        await store.write(failing)
    await store.write(_adding(2))
    assert _elsewhere(database) == [2]


async def test_writes_are_done_in_the_order_they_were_asked(store: Store) -> None:
    order: list[int] = []

    def noting(number: int) -> Write:
        def work(tx: Tx) -> int:
            order.append(number)
            return _adding(number)(tx)

        return work

    await asyncio.gather(*(store.write(noting(number)) for number in range(GROUP + 10)))
    assert order == list(range(GROUP + 10))


async def test_readers_can_not_write_and_that_is_a_defect_that_no_waiting_heals(store: Store) -> None:
    with pytest.raises(OperationalError, match="readonly"):
        await store.read(_adding(1))
    await store.write(_adding(2))


# --- cancelling -------------------------------------------------------------------------------------------------------


async def test_a_cancelled_callers_work_is_committed_and_the_writer_lives(store: Store, database: Path) -> None:
    """Cancelled at every moment between asking and the answer."""
    chance = random.Random(1)
    for number in range(120):
        task = asyncio.create_task(store.write(_adding(number)))
        for _ in range(number % 30):
            await asyncio.sleep(0)
        if number % 2:
            await asyncio.sleep(chance.random() * 0.002)
        task.cancel()
        await asyncio.wait({task})
    async with asyncio.timeout(1):
        await store.write(_adding(1_000))
    # One that was cancelled before it began has asked for nothing.
    written = _elsewhere(database)
    assert set(range(120)) - set(written) <= {0, 30, 60, 90}
    assert written[-1] == 1_000
    assert _integrity(database) == "ok"


async def test_cancelled_readers_leave_no_old_view_behind(store: Store) -> None:
    chance = random.Random(2)

    for number in range(150):
        task = asyncio.create_task(store.read(_updates))
        for _ in range(number % 40):
            await asyncio.sleep(0)
        if number % 2:
            await asyncio.sleep(chance.random() * 0.003)
        task.cancel()
        await asyncio.wait({task})
    await store.write(_adding(7))

    async with asyncio.timeout(3):
        assert await asyncio.gather(*(store.read(_updates) for _ in range(8))) == [[7]] * 8


async def test_closing_waits_for_what_was_asked(database: Path) -> None:
    async with Store.open(_url(database), SystemClock()) as store:
        tasks = [asyncio.create_task(store.write(_adding(number))) for number in range(100)]
        await asyncio.sleep(0)
    assert [task.result() for task in tasks] == [1] * 100
    assert _elsewhere(database) == list(range(100))


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
    await store.check()
    assert Path(f"{database}-wal").stat().st_size > before
    await store.write(_pragma("busy_timeout=50"))
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageUnavailable, match="locked"):
        await store.check()
    other.execute("ROLLBACK")
    other.close()
    await store.check()


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
        await store.watch()


async def test_f89_damage_that_is_met_while_running_ends_it_with_the_way_out(database: Path) -> None:
    async with Store.open(_url(database), SystemClock()) as store:
        await store.write(lambda tx: [tx.updates.add(42, n, "", f"needle{n:04} " + "x" * 900) for n in range(300)])
    async with Store.open(_url(database), SystemClock()) as store:
        raw = database.read_bytes()
        page = raw.index(b"needle0250") // 4_096
        with database.open("r+b") as file:
            file.seek(4_096 * page)
            file.write(b"\xff" * 4_096)
        with pytest.raises(Lost, match=r"damaged.*govorun restore FILE"):
            await store.read(lambda tx: tx.updates.open(42))
        with pytest.raises(Lost, match="damaged"):
            await store.write(_adding(1))
        with pytest.raises(Lost, match="damaged"):
            await store.watch()


@pytest.mark.parametrize(
    "impossible",
    [
        lambda tx: tx.updates.add(42, 2**63, "", "{}"),
        lambda tx: tx.updates.add(42, 1, "\ud800", "{}"),
        lambda tx: tx.updates.add(42, 1, "", "half \ud83d"),
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


def test_what_was_told_stays_after_a_kill(database: Path) -> None:
    """A process that is killed while it writes: every number that it printed is there, and the file is sound."""
    code = """
        import asyncio, os, sys
        from bot.clock import SystemClock
        from bot.storage.store import Store

        async def main():
            async with Store.open(sys.argv[1], SystemClock()) as store:
                async def one(number):
                    await store.write(lambda tx: tx.updates.add(42, number, "", "{}"))
                    os.write(1, b"%d\\n" % number)
                    if number == 150:
                        os.kill(os.getpid(), 9)
                for first in range(0, 400, 8):
                    await asyncio.gather(*(one(first + number) for number in range(8)))

        asyncio.run(main())
    """
    command = [sys.executable, "-c", textwrap.dedent(code), _url(database)]
    done = subprocess.run(command, capture_output=True, cwd=Path(__file__).parents[1], check=False)
    told = [int(line) for line in done.stdout.split()]
    assert done.returncode == -9
    assert 150 in told
    assert set(told) <= set(_elsewhere(database))
    assert _integrity(database) == "ok"


# --- subjects ---------------------------------------------------------------------------------------------------------


async def test_an_update_is_accepted_once_by_id_and_by_what_it_says(store: Store) -> None:
    def work(tx: Tx) -> list[bool]:
        asked = ((42, 1, "a"), (42, 1, "b"), (42, 2, "a"), (43, 1, "a"), (42, 3, ""), (42, 4, ""))
        return [tx.updates.add(bot, id_, once, "{}") is not None for bot, id_, once in asked]

    assert await store.write(work) == [True, False, False, True, True, True]


async def test_an_answer_takes_over_the_message_it_was_shown_in_whichever_was_first(store: Store) -> None:
    await store.write(lambda tx: tx.deliveries.place("1", WHERE, 70))
    await store.write(lambda tx: tx.deliveries.add("1", WHERE, Outgoing("placed first")))
    await store.write(lambda tx: tx.deliveries.add("2", WHERE, Outgoing("finished first")))
    await store.write(lambda tx: tx.deliveries.place("2", WHERE, 80))
    seen = []
    for _ in range(2):
        delivery = await store.read(lambda tx: tx.deliveries.next(WHERE))
        assert delivery is not None
        seen.append((delivery.outgoing.text, delivery.message_ids, delivery.state))
        await store.write(_sending(delivery))
    sending = DeliveryState.SENDING
    assert seen == [("placed first", (70,), sending), ("finished first", (80,), sending)]


async def test_a_message_that_is_shown_too_late_does_not_change_what_was_sent(store: Store) -> None:
    await store.write(lambda tx: tx.deliveries.add("1", WHERE, Outgoing("sent")))
    delivery = await store.read(lambda tx: tx.deliveries.next(WHERE))
    assert delivery is not None
    await store.write(lambda tx: tx.deliveries.progress(delivery.id, (90,), done=1, sent=True))
    await store.write(lambda tx: tx.deliveries.place("1", WHERE, 91))
    assert await store.read(lambda tx: tx.deliveries.placed("1", WHERE)) == 90


async def test_the_same_turn_is_remembered_once(store: Store) -> None:
    def work(tx: Tx) -> list[str]:
        conversation = tx.messages.conversation(WHERE)
        for said in ("first", "again"):
            tx.messages.add(conversation, WHERE, "1", "user", (Text(said),))
        tx.messages.add(conversation, WHERE, "1", "assistant", (Text("answer"),), ending="cut")
        return [row.message.text + row.ending for row in tx.messages.last(conversation, 10)]

    assert await store.write(work) == ["first", "answercut"]


async def test_a_branch_is_read_from_its_tip_and_the_other_one_stays(store: Store) -> None:
    def texts(tx: Tx, conversation: int) -> list[str]:
        return [row.text for row in tx.messages.last(conversation, 10)]

    def work(tx: Tx) -> None:
        conversation = tx.messages.conversation(WHERE)
        first = tx.messages.add(conversation, WHERE, "1", "user", (Text("question"),), place=7).id
        one = tx.messages.add(conversation, WHERE, "1", "assistant", (Text("one"),)).id
        tx.messages.add(conversation, WHERE, "2", "user", (Text("next"),))
        two = tx.messages.add(conversation, WHERE, "3", "assistant", (Text("two"),), parent=first).id
        assert texts(tx, conversation) == ["question", "two"]
        answer = tx.messages.get(one)
        assert answer is not None
        assert tx.messages.versions(answer) == [one, two]
        tx.messages.show(answer)
        assert texts(tx, conversation) == ["question", "one", "next"]
        assert [row.text for row in tx.messages.path(two, 1)] == ["two"]
        edited = tx.messages.add(conversation, WHERE, "4", "user", (Text("edited"),), parent=0, place=7).id
        three = tx.messages.add(conversation, WHERE, "4", "assistant", (Text("three"),), parent=edited).id
        assert tx.messages.versions(answer) == [one, two, three]
        assert texts(tx, conversation) == ["edited", "three"]

    await store.write(work)


async def test_a_group_that_moves_takes_everything_along_and_disturbs_nobody(store: Store) -> None:
    group, new, other = Address("telegram", 42, -5), Address("telegram", 42, -1005), Address("telegram", 42, -55)
    person = User(7, "Anna", "en")

    def prepare(tx: Tx) -> int:
        for where in (group, other):
            tx.chats.seen(where, person, private=False)
            tx.chats.choose(where, model="lite")
            tx.buttons.wait_for(where, 7, "image.change", turn="1")
        tx.deliveries.add("1", group, Outgoing("waiting"))
        return tx.messages.conversation(group)

    conversation = await store.write(prepare)
    await store.write(lambda tx: tx.chats.move(42, -5, -1005))

    def look(tx: Tx) -> None:
        assert tx.chats.choices(new).model == "lite"
        assert tx.messages.conversation(new) == conversation
        assert tx.deliveries.next(new) is not None
        assert tx.deliveries.next(group) is None
        assert tx.buttons.awaited(group, 7) is None
        assert tx.buttons.awaited(other, 7) is not None

    await store.write(look)


async def test_text_of_every_kind_comes_back_as_it_was(store: Store) -> None:
    said = '\'; DROP TABLE messages;-- %_%\\ \u202e 😀 \x0b \ufeff {"a": 1}'

    def work(tx: Tx) -> str:
        conversation = tx.messages.conversation(WHERE)
        tx.messages.add(conversation, WHERE, "1", "user", (Text(said),))
        return tx.messages.last(conversation, 1)[0].message.text

    assert await store.write(work) == said


async def test_a_number_that_does_not_fit_is_refused_and_disturbs_nobody(store: Store, database: Path) -> None:
    outcomes = await asyncio.gather(
        store.write(_adding(1)), store.write(_adding(2**63)), store.write(_adding(2)), return_exceptions=True
    )
    assert isinstance(outcomes[1], OverflowError)
    assert _elsewhere(database) == [1, 2]


# --- what several need ------------------------------------------------------------------------------------------------


def _url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


def _adding(number: int, size: int = 2) -> Write:
    def work(tx: Tx) -> int:
        tx.updates.add(42, number, "", "x" * size)
        return 1

    return work


def _sending(delivery: Delivery) -> Callable[[Tx], None]:
    return lambda tx: tx.deliveries.progress(delivery.id, (1,), done=1, sent=True)


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
