"""P19, F88: whoever waits for the store may be cancelled at any of its awaits, and nobody else notices.

Cancelling is exhaustive: each call is cancelled at its first await, then at its second, until it has no more of them.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from bot.billing.budget import settle_interrupted
from bot.clock import SystemClock
from bot.errors import StorageUnavailable
from bot.outbox import public_fallback
from bot.ports import Delivery, DeliveryState
from bot.storage.mailboxes import StoredInbox, StoredOutbox
from bot.storage.store import Store
from bot.types import Address, Outgoing, User


def inbox(store: Store) -> StoredInbox:
    return StoredInbox(store=store, interrupted=settle_interrupted)


def outbox(store: Store) -> StoredOutbox:
    return StoredOutbox(store=store, fallback=public_fallback)


BOT = 42
WHERE = Address("telegram", BOT, 1001)
DELIVERY = Delivery(1, "1", WHERE, Outgoing("answer"), DeliveryState.PENDING, (), 0, 0, 0, 0.0)
Call = Callable[[Store], Coroutine[Any, Any, Any]]

CALLS: dict[str, Call] = {
    "write": lambda store: store.write(lambda tx: tx.inbox.add_update(BOT, 5, "", "{}")),
    "failing write": lambda store: store.write(lambda tx: tx.connection.exec_driver_sql("SELECT nonsense")),
    "read": lambda store: store.read(lambda tx: tx.inbox.list_open(BOT)),
    "check": lambda store: store.check_writable(),
    "retry_until_stored": lambda store: store.retry_until_stored(
        lambda: store.write(lambda tx: tx.chats.store_choices(WHERE, model="lite"))
    ),
    "accept": lambda store: inbox(store).accept(BOT, [(1, "", "{}", "/1"), (2, "", "{}", "/1")]),
    "open": lambda store: inbox(store).open(BOT),
    "take": lambda store: inbox(store).take(BOT, WHERE.chat_key, (), interrupted=True),
    "done": lambda store: inbox(store).done([1]),
    "quarantine": lambda store: inbox(store).quarantine(1, "broken"),
    "find": lambda store: inbox(store).find(BOT, "x"),
    "waiting": lambda store: outbox(store).waiting(BOT, WHERE.chat_key),
    "next": lambda store: outbox(store).next(WHERE),
    "place": lambda store: outbox(store).note_streaming_message("2", WHERE, 70),
    "ours": lambda store: outbox(store).claimed_ids(WHERE, 0, WHERE.chat, but=0),
    "left": lambda store: outbox(store).unfinished(BOT),
    "begin": lambda store: outbox(store).begin(DELIVERY, 9),
    "progress": lambda store: outbox(store).progress(DELIVERY, (70,), done=1, sent=True),
    "postpone": lambda store: outbox(store).postpone(DELIVERY, 1.0),
    "bury": lambda store: outbox(store).dead_letter(DELIVERY, "no"),
    "gone": lambda store: outbox(store).chat_blocked(BOT, WHERE.chat),
    "move": lambda store: outbox(store).chat_migrated(BOT, WHERE.chat, -100),
}


class CancelledAt:
    """Awaits a coroutine that is cancelled when it is about to wait for the `number`-th time."""

    def __init__(self, work: Coroutine[Any, Any, Any], number: int) -> None:
        self.work = work
        self.number = number
        self.reached = False

    def __await__(self) -> Generator[Any, Any, Any]:
        waits, cancel = 0, False
        while True:
            try:
                awaited = self.work.throw(asyncio.CancelledError()) if cancel else self.work.send(None)
            except StopIteration as done:
                return done.value
            cancel = waits == self.number
            waits += 1
            if cancel:
                self.reached = True
                if isinstance(awaited, asyncio.Future):  # as a task does it
                    awaited._asyncio_future_blocking = False
                    awaited.cancel()
            else:
                yield awaited


@pytest.fixture
async def store(tmp_path: Path, template: Path) -> AsyncIterator[Store]:
    path = Path(shutil.copy(template, tmp_path / "bot.db"))
    async with Store.open(f"sqlite+aiosqlite:///{path}", SystemClock()) as store:
        await store.write(lambda tx: tx.outbox.add_answer("1", WHERE, Outgoing("answer")))
        await store.write(lambda tx: tx.chats.record_seen(WHERE, User(7, "Anna"), private=True))
        yield store


@pytest.mark.sweep
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("crowd", [0, 6])
async def test_p19_f88_a_call_that_is_cancelled_at_any_await_leaves_the_store_as_it_should_be(
    store: Store, name: str, crowd: int
) -> None:
    number = 0
    while True:
        others = [asyncio.create_task(_count(store)) for _ in range(crowd)]
        call = CancelledAt(CALLS[name](store), number)
        with suppress(asyncio.CancelledError, OperationalError):
            await call
        await _in_order(store, number)
        assert all([await other for other in others])
        if not call.reached:
            break
        number += 1
    assert number >= 1


async def _in_order(store: Store, number: int) -> None:
    """The next write is done at once and seen by every reader: no transaction was left open, no old view either."""
    model = f"m{number}"
    async with asyncio.timeout(60):
        await store.write(lambda tx: tx.chats.store_choices(Address("telegram", BOT, 1), model=model))
        await store.write(lambda tx: tx.chats.record_seen(Address("telegram", BOT, 1), User(8, "Eve"), private=True))
        await store.write(lambda tx: tx.chats.store_choices(Address("telegram", BOT, 1), model=model))
        seen = [store.read(lambda tx: tx.chats.read_choices(Address("telegram", BOT, 1)).model) for _ in range(4)]
        assert await asyncio.gather(*seen) == [model] * 4
        assert await store.read(lambda tx: tx.connection.exec_driver_sql("PRAGMA integrity_check").scalar()) == "ok"


async def _count(store: Store) -> bool:
    return await store.read(lambda tx: bool(tx.connection.exec_driver_sql("SELECT 1").scalar()))


async def test_a_cancelled_wait_for_a_broken_disk_ends_at_once(store: Store) -> None:
    async def fails() -> None:
        raise StorageUnavailable("the disk is full")

    waiting = asyncio.create_task(store.retry_until_stored(fails))
    await asyncio.sleep(0)
    waiting.cancel()
    async with asyncio.timeout(60):
        await asyncio.wait({waiting})
    assert waiting.cancelled()


async def test_a_batch_of_updates_whose_acceptance_is_cancelled_is_there_as_a_whole(
    store: Store, tmp_path: Path
) -> None:
    for number in range(20):
        batch = [(10 * number + place, "", "{}", "/1") for place in range(3)]
        with pytest.raises(asyncio.CancelledError):
            await CancelledAt(inbox(store).accept(BOT, batch), 0)
    await store.check_writable()
    connection = sqlite3.connect(tmp_path / "bot.db")
    counts = connection.execute("SELECT count(*) FROM updates GROUP BY update_id / 10").fetchall()
    connection.close()
    assert counts == [(3,)] * 20
