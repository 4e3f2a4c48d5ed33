"""The store: told means on disk, a failure undoes only itself, and neither cancelling nor a full disk wedges it."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from bot.clock import SystemClock
from bot.errors import StorageUnavailable
from bot.storage.store import GROUP, Store, Tx
from bot.types import Address, Delivery, DeliveryState, Outgoing, Text, User

WHERE = Address("telegram", 42, 1001)
Write = Callable[[Tx], Coroutine[Any, Any, int]]


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
    async with store.read() as before:
        assert await _updates(before) == []
        await store.write(_adding(1))
        assert await _updates(before) == []  # one state of the database
    async with store.read() as after:
        assert await _updates(after) == [1]


async def test_a_work_reads_its_own_changes_and_returns_its_result(store: Store) -> None:
    async def work(tx: Tx) -> list[int]:
        await _adding(1)(tx)
        return await _updates(tx)

    assert await store.write(work) == [1]


@pytest.mark.parametrize("crowd", [1, 3, GROUP * 2 + 5])
async def test_a_failing_work_undoes_only_itself(store: Store, database: Path, crowd: int) -> None:
    async def failing(tx: Tx) -> int:
        await _adding(9_999)(tx)
        raise RuntimeError("broken")

    works = [failing if number % 3 == 1 else _adding(number) for number in range(crowd)]
    outcomes = await asyncio.gather(*map(store.write, works), return_exceptions=True)
    assert all(isinstance(outcome, RuntimeError) == (number % 3 == 1) for number, outcome in enumerate(outcomes))
    assert _elsewhere(database) == [number for number in range(crowd) if number % 3 != 1]


async def test_a_lone_failing_work_leaves_nothing(store: Store, database: Path) -> None:
    async def failing(tx: Tx) -> int:
        await _adding(1)(tx)
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        await store.write(failing)
    await store.write(_adding(2))
    assert _elsewhere(database) == [2]


async def test_writes_are_done_in_the_order_they_were_asked(store: Store) -> None:
    order: list[int] = []

    def noting(number: int) -> Write:
        async def work(tx: Tx) -> int:
            order.append(number)
            return await _adding(number)(tx)

        return work

    await asyncio.gather(*(store.write(noting(number)) for number in range(GROUP + 10)))
    assert order == list(range(GROUP + 10))


async def test_readers_can_not_write(store: Store) -> None:
    with pytest.raises(OperationalError, match="readonly"):
        async with store.read() as tx:
            await tx.updates.add(42, 1, "", "{}")
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

    async def read() -> None:
        async with store.read() as tx:
            await _updates(tx)
            await _updates(tx)

    for number in range(150):
        task = asyncio.create_task(read())
        for _ in range(number % 40):
            await asyncio.sleep(0)
        if number % 2:
            await asyncio.sleep(chance.random() * 0.003)
        task.cancel()
        await asyncio.wait({task})
    await store.write(_adding(7))

    async def see() -> list[int]:
        async with store.read() as tx:
            found = await _updates(tx)
            await asyncio.sleep(0.01)  # so that every connection of the pool is used
            return found

    async with asyncio.timeout(3):
        assert await asyncio.gather(*(see() for _ in range(8))) == [[7]] * 8


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
    async with store.read() as tx:
        assert await _updates(tx) == []
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
        async with store.read() as tx:
            assert await _updates(tx) == []
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
    async def look(tx: Tx) -> dict[str, Any]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return {name: (await tx.connection.execute(text(f"PRAGMA {name}"))).scalar_one() for name in names}

    assert await store.write(look) == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}
    async with store.read() as tx:
        assert (await tx.connection.execute(text("PRAGMA query_only"))).scalar_one() == 1


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
    async def work(tx: Tx) -> list[bool]:
        asked = ((42, 1, "a"), (42, 1, "b"), (42, 2, "a"), (43, 1, "a"), (42, 3, ""), (42, 4, ""))
        return [await tx.updates.add(bot, id_, once, "{}") is not None for bot, id_, once in asked]

    assert await store.write(work) == [True, False, False, True, True, True]


async def test_an_answer_takes_over_the_message_it_was_shown_in_whichever_was_first(store: Store) -> None:
    await store.write(lambda tx: tx.deliveries.place("1", WHERE, 70))
    await store.write(lambda tx: tx.deliveries.add("1", WHERE, Outgoing("placed first")))
    await store.write(lambda tx: tx.deliveries.add("2", WHERE, Outgoing("finished first")))
    await store.write(lambda tx: tx.deliveries.place("2", WHERE, 80))
    seen = []
    for _ in range(2):
        async with store.read() as tx:
            delivery = await tx.deliveries.next(WHERE)
        assert delivery is not None
        seen.append((delivery.outgoing.text, delivery.message_ids, delivery.state))
        await store.write(_sending(delivery))
    sending = DeliveryState.SENDING
    assert seen == [("placed first", (70,), sending), ("finished first", (80,), sending)]


async def test_a_message_that_is_shown_too_late_does_not_change_what_was_sent(store: Store) -> None:
    await store.write(lambda tx: tx.deliveries.add("1", WHERE, Outgoing("sent")))
    async with store.read() as tx:
        delivery = await tx.deliveries.next(WHERE)
    assert delivery is not None
    await store.write(lambda tx: tx.deliveries.progress(delivery.id, (90,), done=1, sent=True))
    await store.write(lambda tx: tx.deliveries.place("1", WHERE, 91))
    async with store.read() as tx:
        assert await tx.deliveries.placed("1", WHERE) == 90


async def test_the_same_turn_is_remembered_once(store: Store) -> None:
    async def work(tx: Tx) -> list[str]:
        conversation = await tx.messages.conversation(WHERE)
        for said in ("first", "again"):
            await tx.messages.add(conversation, WHERE, "1", "user", (Text(said),))
        await tx.messages.add(conversation, WHERE, "1", "assistant", (Text("answer"),), ending="cut")
        return [row.message.text + row.ending for row in await tx.messages.last(conversation, 10)]

    assert await store.write(work) == ["first", "answercut"]


async def test_forgetting_an_answer_leaves_the_question_and_other_chats(store: Store) -> None:
    other = Address("telegram", 42, 1002)

    async def work(tx: Tx) -> list[list[str]]:
        conversations = [await tx.messages.conversation(where) for where in (WHERE, other)]
        for conversation, where in zip(conversations, (WHERE, other), strict=True):
            for role in ("user", "assistant"):
                await tx.messages.add(conversation, where, "1", role, (Text(role),))
        await tx.messages.forget(WHERE, "1", "assistant")
        return [[row.message.role for row in await tx.messages.last(found, 10)] for found in conversations]

    assert await store.write(work) == [["user"], ["user", "assistant"]]


async def test_a_group_that_moves_takes_everything_along_and_disturbs_nobody(store: Store) -> None:
    group, new, other = Address("telegram", 42, -5), Address("telegram", 42, -1005), Address("telegram", 42, -55)
    person = User(7, "Anna", "en")

    async def prepare(tx: Tx) -> int:
        for where in (group, other):
            await tx.chats.seen(where, person, private=False)
            await tx.chats.choose(where, model="lite")
            await tx.buttons.wait_for(where, 7, "image.change", turn="1")
        await tx.deliveries.add("1", group, Outgoing("waiting"))
        return await tx.messages.conversation(group)

    conversation = await store.write(prepare)
    await store.write(lambda tx: tx.chats.move(42, -5, -1005))

    async def look(tx: Tx) -> None:
        assert (await tx.chats.choices(new)).model == "lite"
        assert await tx.messages.conversation(new) == conversation
        assert (await tx.deliveries.next(new)) is not None
        assert (await tx.deliveries.next(group)) is None
        assert await tx.buttons.awaited(group, 7) is None
        assert await tx.buttons.awaited(other, 7) is not None

    await store.write(look)


async def test_text_of_every_kind_comes_back_as_it_was(store: Store) -> None:
    said = '\'; DROP TABLE messages;-- %_%\\ \u202e 😀 \x0b \ufeff {"a": 1}'

    async def work(tx: Tx) -> str:
        conversation = await tx.messages.conversation(WHERE)
        await tx.messages.add(conversation, WHERE, "1", "user", (Text(said),))
        return (await tx.messages.last(conversation, 1))[0].message.text

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
    async def work(tx: Tx) -> int:
        await tx.updates.add(42, number, "", "x" * size)
        return 1

    return work


def _sending(delivery: Delivery) -> Callable[[Tx], Coroutine[Any, Any, None]]:
    return lambda tx: tx.deliveries.progress(delivery.id, (1,), done=1, sent=True)


def _pragma(setting: str) -> Write:
    async def work(tx: Tx) -> int:
        await tx.connection.execute(text(f"PRAGMA {setting}"))
        return 1

    return work


async def _limit(store: Store, pages: int) -> None:
    """The disk has room for so many pages more; a PRAGMA can't make it smaller than the file."""

    async def work(tx: Tx) -> None:
        count = (await tx.connection.execute(text("PRAGMA page_count"))).scalar_one()
        await tx.connection.execute(text(f"PRAGMA max_page_count={count + pages}"))

    await store.write(work)


async def _updates(tx: Tx) -> list[int]:
    return list((await tx.connection.execute(text("SELECT update_id FROM updates ORDER BY id"))).scalars())


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
