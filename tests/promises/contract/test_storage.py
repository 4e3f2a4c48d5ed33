"""What callers may expect of a store: the same tests on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError

from bot.clock import SystemClock
from bot.errors import Lost, StorageUnavailable
from bot.ports import Delivery, DeliveryState
from bot.storage.engines.dialects import connector
from bot.storage.engines.sqlite import GROUP
from bot.storage.store import Store, Tx
from bot.types import Address, Outgoing, Text, User

WHERE = Address("telegram", 42, 1001)
Write = Callable[[Tx], int]


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    async with Store.open(database_url, SystemClock()) as store:
        yield store


async def test_a_write_returns_when_it_is_on_disk(store: Store, database_url: str) -> None:
    for number in range(20):
        await store.write(_adding(number))
        assert number in _elsewhere(database_url)


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


async def test_what_is_asked_with_one_statement_is_what_was_committed_and_changes_nothing(store: Store) -> None:
    await store.write(_adding(1))
    assert await store.read_one(_updates) == [1]
    with pytest.raises(DBAPIError, match=r"read-?only"):
        await store.read_one(_adding(2))
    assert await store.read_one(_updates) == await store.read(_updates) == [1]


async def test_a_work_reads_its_own_changes_and_returns_its_result(store: Store) -> None:
    def work(tx: Tx) -> list[int]:
        _adding(1)(tx)
        return _updates(tx)

    assert await store.write(work) == [1]


@pytest.mark.parametrize("crowd", [1, 3, GROUP * 2 + 5])
async def test_a_failing_work_undoes_only_itself(store: Store, database_url: str, crowd: int) -> None:
    def failing(tx: Tx) -> int:
        _adding(9_999)(tx)
        raise RuntimeError("broken")

    works = [failing if number % 3 == 1 else _adding(number) for number in range(crowd)]
    outcomes = await asyncio.gather(*map(store.write, works), return_exceptions=True)
    assert all(isinstance(outcome, RuntimeError) == (number % 3 == 1) for number, outcome in enumerate(outcomes))
    assert _elsewhere(database_url) == [number for number in range(crowd) if number % 3 != 1]


async def test_a_lone_failing_work_leaves_nothing(store: Store, database_url: str) -> None:
    def failing(tx: Tx) -> int:
        _adding(1)(tx)
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        await store.write(failing)
    await store.write(_adding(2))
    assert _elsewhere(database_url) == [2]


async def test_readers_can_not_write_and_that_is_a_defect_that_no_waiting_heals(store: Store) -> None:
    with pytest.raises(DBAPIError, match=r"read-?only"):
        await store.read(_adding(1))
    await store.write(_adding(2))


async def test_a_cancelled_callers_work_is_committed_and_the_writer_lives(store: Store, database_url: str) -> None:
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
    async with asyncio.timeout(60):
        await store.write(_adding(1_000))
    # One that was cancelled before it began has asked for nothing.
    written = _elsewhere(database_url)
    assert set(range(120)) - set(written) <= {0, 30, 60, 90}
    assert written[-1] == 1_000


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

    async with asyncio.timeout(60):
        assert await asyncio.gather(*(store.read(_updates) for _ in range(8))) == [[7]] * 8


async def test_closing_waits_for_what_was_asked(database_url: str) -> None:
    async with Store.open(database_url, SystemClock()) as store:
        tasks = [asyncio.create_task(store.write(_adding(number))) for number in range(100)]
        await asyncio.sleep(0)
    assert [task.result() for task in tasks] == [1] * 100
    assert _elsewhere(database_url) == list(range(100))


async def test_an_update_is_accepted_once_by_id_and_by_what_it_says(store: Store) -> None:
    def work(tx: Tx) -> list[bool]:
        asked = ((42, 1, "a"), (42, 1, "a"), (42, 2, "a"), (43, 1, "a"), (42, 3, ""), (42, 3, ""), (42, 4, ""))
        return [tx.inbox.add_update(bot, id_, once, "{}") is not None for bot, id_, once in asked]

    assert await store.write(work) == [True, False, False, True, True, False, True]


async def test_a_number_that_is_used_again_for_something_else_is_a_new_update(store: Store) -> None:
    """A server may begin its numbers anew; what had the number before keeps its row."""

    def work(tx: Tx) -> list[bool]:
        asked = ((1, "5/1/@100"), (1, "5/1/@200"), (1, "5/1/@200"), (7, "5/1/@100"), (1, "press/8@3/0"))
        return [tx.inbox.add_update(42, id_, once, "{}") is not None for id_, once in asked]

    assert await store.write(work) == [True, True, False, False, True]
    kept = await store.read(lambda tx: tx.inbox.find_by_once(42, "5/1/@100"))
    assert (await store.read(lambda tx: tx.inbox.list_open(42)))[0].id == kept


async def test_what_was_taken_by_the_version_before_is_known_by_its_shorter_name(store: Store) -> None:
    def work(tx: Tx) -> list[bool]:
        return [tx.inbox.add_update(42, 1, once, "{}") is not None for once in ("5/1/", "5/1/@100")]

    assert await store.write(work) == [True, False]
    assert await store.read(lambda tx: tx.inbox.find_by_once(42, "5/1/@100")) is not None


async def test_an_answer_takes_over_the_message_it_was_shown_in_whichever_was_first(store: Store) -> None:
    await store.write(lambda tx: tx.outbox.claim_message("1", WHERE, 70))
    await store.write(lambda tx: tx.outbox.add_answer("1", WHERE, Outgoing("placed first")))
    await store.write(lambda tx: tx.outbox.add_answer("2", WHERE, Outgoing("finished first")))
    await store.write(lambda tx: tx.outbox.claim_message("2", WHERE, 80))
    seen = []
    for _ in range(2):
        delivery = await store.read(lambda tx: tx.outbox.next_unsent(WHERE))
        assert delivery is not None
        seen.append((delivery.outgoing.text, delivery.message_ids, delivery.state))
        await store.write(_sending(delivery))
    # On PostgreSQL another process may have the chat: only who has it sends at once. The second waits for the first.
    sending = DeliveryState.SENDING if store.version.startswith("SQLite") else DeliveryState.PENDING
    assert seen == [("placed first", (70,), sending), ("finished first", (80,), DeliveryState.PENDING)]


async def test_a_message_that_is_shown_too_late_does_not_change_what_was_sent(store: Store) -> None:
    await store.write(lambda tx: tx.outbox.add_answer("1", WHERE, Outgoing("sent")))
    delivery = await store.read(lambda tx: tx.outbox.next_unsent(WHERE))
    assert delivery is not None
    await store.write(lambda tx: tx.outbox.record_progress(delivery.id, (90,), done=1, sent=True))
    await store.write(lambda tx: tx.outbox.claim_message("1", WHERE, 91))
    assert await store.read(lambda tx: tx.outbox.claimed_message("1", WHERE)) == 90


async def test_what_one_member_alone_sees_is_never_taken_for_a_message_of_the_chat(store: Store) -> None:
    """Its ids are others, so a reaction to message 7 is not one to the seventh whisper."""
    alone = replace(WHERE, visible_to=1002)

    def work(tx: Tx) -> list[object]:
        for turn, where in (("1", WHERE), ("2", alone)):
            tx.messages.add_message(
                tx.messages.current_conversation(where), where, turn, "assistant", (Text("answer"),)
            )
            tx.outbox.add_answer(turn, where, Outgoing("answer"))
            delivery = tx.outbox.next_unsent(where)
            assert delivery is not None
            tx.outbox.record_progress(delivery.id, (int(turn) + 5,), done=1, sent=True)
        return [found and found.turn for found in (tx.outbox.find_shown(WHERE, id_) for id_ in (6, 7))]

    assert await store.write(work) == ["1", None]


async def test_the_same_turn_is_remembered_once(store: Store) -> None:
    def work(tx: Tx) -> list[str]:
        conversation = tx.messages.current_conversation(WHERE)
        for said in ("first", "again"):
            tx.messages.add_message(conversation, WHERE, "1", "user", (Text(said),))
        tx.messages.add_message(conversation, WHERE, "1", "assistant", (Text("answer"),), ending="cut")
        return [row.message.text + row.ending for row in tx.messages.list_newest(conversation, 10)]

    assert await store.write(work) == ["first", "answercut"]


async def test_a_branch_is_read_from_its_tip_and_the_other_one_stays(store: Store) -> None:
    def texts(tx: Tx, conversation: int) -> list[str]:
        return [row.text for row in tx.messages.list_newest(conversation, 10)]

    def work(tx: Tx) -> None:
        conversation = tx.messages.current_conversation(WHERE)
        first = tx.messages.add_message(conversation, WHERE, "1", "user", (Text("question"),), place=7).id
        one = tx.messages.add_message(conversation, WHERE, "1", "assistant", (Text("one"),)).id
        tx.messages.add_message(conversation, WHERE, "2", "user", (Text("next"),))
        two = tx.messages.add_message(conversation, WHERE, "3", "assistant", (Text("two"),), parent=first).id
        assert texts(tx, conversation) == ["question", "two"]
        answer = tx.messages.find_message(one)
        assert answer is not None
        assert tx.messages.list_versions(answer) == [one, two]
        tx.messages.show_branch(answer)
        assert texts(tx, conversation) == ["question", "one", "next"]
        assert [row.text for row in tx.messages.list_branch(two, 1)] == ["two"]
        edited = tx.messages.add_message(conversation, WHERE, "4", "user", (Text("edited"),), parent=0, place=7).id
        three = tx.messages.add_message(conversation, WHERE, "4", "assistant", (Text("three"),), parent=edited).id
        assert tx.messages.list_versions(answer) == [one, two, three]
        assert texts(tx, conversation) == ["edited", "three"]

    await store.write(work)


async def test_a_group_that_moves_takes_everything_along_and_disturbs_nobody(store: Store) -> None:
    group, new, other = Address("telegram", 42, -5), Address("telegram", 42, -1005), Address("telegram", 42, -55)
    person = User(7, "Anna", "en")

    def prepare(tx: Tx) -> int:
        for where in (group, other):
            tx.chats.record_seen(where, person, private=False)
            tx.chats.store_choices(where, model="lite")
            tx.buttons.await_answer(where, 7, "image.change", turn="1")
        tx.outbox.add_answer("1", group, Outgoing("waiting"))
        return tx.messages.current_conversation(group)

    conversation = await store.write(prepare)
    await store.write(lambda tx: tx.chats.change_id(42, -5, -1005))

    def look(tx: Tx) -> None:
        assert tx.chats.read_choices(new).model == "lite"
        assert tx.messages.current_conversation(new) == conversation
        assert tx.outbox.next_unsent(new) is not None
        assert tx.outbox.next_unsent(group) is None
        assert tx.buttons.find_awaited(group, 7) is None
        assert tx.buttons.find_awaited(other, 7) is not None

    await store.write(look)


async def test_text_of_every_kind_comes_back_as_it_was(store: Store) -> None:
    said = '\'; DROP TABLE messages;-- %_%\\ \u202e 😀 \x0b \ufeff {"a": 1}'

    def work(tx: Tx) -> str:
        conversation = tx.messages.current_conversation(WHERE)
        tx.messages.add_message(conversation, WHERE, "1", "user", (Text(said),))
        return tx.messages.list_newest(conversation, 1)[0].message.text

    assert await store.write(work) == said


async def test_a_number_that_does_not_fit_is_refused_and_disturbs_nobody(store: Store, database_url: str) -> None:
    outcomes = await asyncio.gather(
        store.write(_adding(1)), store.write(_adding(2**63)), store.write(_adding(2)), return_exceptions=True
    )
    assert isinstance(outcomes[1], Exception)
    assert not isinstance(outcomes[1], StorageUnavailable | Lost)  # waiting would not help
    assert _elsewhere(database_url) == [1, 2]


def _sending(delivery: Delivery) -> Callable[[Tx], None]:
    return lambda tx: tx.outbox.record_progress(delivery.id, (1,), done=1, sent=True)


# --- many at once -----------------------------------------------------------------------------------------------------


async def test_a_work_that_reads_and_decides_is_not_deceived_by_others(store: Store, database_url: str) -> None:
    """A lost update would leave a smaller number."""

    def counting(tx: Tx) -> int:
        choice = tx.chats.read_choices(WHERE)
        tx.chats.store_choices(WHERE, model=str(int(choice.model or 0) + 1))
        return 1

    await store.write(lambda tx: tx.chats.record_seen(WHERE, User(7, "Anna", "en"), private=True))
    async with Store.open(database_url, SystemClock()) as other:
        places = [store, other] if "postgresql" in database_url else [store]
        await asyncio.gather(*(place.write(counting) for place in places for _ in range(40)))
        assert (await store.read(lambda tx: tx.chats.read_choices(WHERE))).model == str(40 * len(places))


async def test_what_is_asked_after_a_cancelled_write_comes_after_it(store: Store) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(tx: Tx) -> int:
        begun.set()
        go_on.wait(10)
        return _adding(1)(tx)

    await store.write(_adding(0))
    cancelled = asyncio.create_task(store.write(slow))
    await asyncio.to_thread(begun.wait, 10)
    cancelled.cancel()
    await asyncio.wait({cancelled})
    seen = asyncio.create_task(store.write(_updates))
    await asyncio.sleep(0.05)
    go_on.set()
    assert await seen == [0, 1]


async def test_a_check_is_a_commit(store: Store, database_url: str) -> None:
    """Each database counts what was committed, whoever did it."""
    is_sqlite = database_url.startswith("sqlite")
    count = text("PRAGMA data_version" if is_sqlite else "SELECT pg_snapshot_xmax(pg_current_snapshot())")
    with connector(database_url, writer=False).connect() as other:
        before = other.execute(count).scalar_one()
        other.rollback()
        await store.check_writable()
        assert other.execute(count).scalar_one() != before


async def test_what_was_deleted_is_cleaned_up_behind_a_running_store(store: Store, database_url: str) -> None:
    """SQLite: the word is in none of the files any more. PostgreSQL: a new row takes the place of the first one."""
    await store.write(lambda tx: tx.inbox.add_update(42, 0, "", "apricot" * 1_000))
    await asyncio.gather(*(store.write(_adding(number)) for number in range(1, 20)))
    await store.write(lambda tx: tx.connection.execute(text("DELETE FROM updates")))
    name = make_url(database_url).database or ""
    files = [Path(name), Path(f"{name}-wal")] if database_url.startswith("sqlite") else []
    assert any(b"apricot" in file.read_bytes() for file in files) == bool(files)
    await store.scrub_deleted()
    assert not any(b"apricot" in file.read_bytes() for file in files)
    await store.write(_adding(1))
    if not files:
        assert await store.read(lambda tx: tx.connection.scalar(text("SELECT ctid FROM updates"))) == "(0,1)"


# --- what several need ------------------------------------------------------------------------------------------------


def _adding(number: int, size: int = 2) -> Write:
    def work(tx: Tx) -> int:
        tx.inbox.add_update(42, number, "", "x" * size)
        return 1

    return work


def _updates(tx: Tx) -> list[int]:
    return list(tx.connection.execute(text("SELECT update_id FROM updates ORDER BY id")).scalars())


def _elsewhere(url: str) -> list[int]:
    """What another program sees."""
    with connector(url, writer=False).connect() as connection:
        return list(connection.execute(text("SELECT update_id FROM updates ORDER BY update_id")).scalars())
