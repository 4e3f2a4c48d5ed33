"""Which updates a crash counts against: what was worked on, or only what came with the file that was being opened."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.clock import SystemClock
from bot.concurrency.lease import Lease
from bot.storage.engines.job_notify import Queue
from bot.storage.store import Store, Tx

BOT = 42


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    async with Store.open(database_url, SystemClock()) as store:
        yield store


def adds(tx: Tx, *places: str) -> list[int]:
    """An update in each chat: their rows."""
    received = [tx.inbox.add_update(BOT, number, f"once{number}", "{}", place) for number, place in enumerate(places)]
    return [row.id for row in received if row is not None]


async def _nobody_asks() -> None:
    raise AssertionError


def by_worker(tx: Tx, worker: int) -> Tx:
    """The transaction as one process of several makes it."""
    tx.queue = Queue(
        tx.connection,
        Lease(lock="", job=0, worker=worker, attempts=0, clock=SystemClock(), look=_nobody_asks, seen=0.0),
    )
    return tx


def attempts(tx: Tx) -> dict[int, int]:
    return {row.id: row.attempts for row in tx.inbox.list_open(BOT)}


async def test_a_crash_counts_against_everything_that_was_worked_on(store: Store) -> None:
    def crash(tx: Tx) -> tuple[dict[int, int], list[int]]:
        one, other, waiting = adds(tx, "/1", "/2", "/3")
        tx.inbox.mark_begun([one, other])
        tx.inbox.count_attempts(BOT)
        return attempts(tx), [one, other, waiting]

    counted, rows = await store.write(crash)
    assert [counted[row] for row in rows] == [1, 1, 0]


async def test_a_crash_while_a_file_is_opened_counts_against_its_update_alone(store: Store) -> None:
    def crash(tx: Tx) -> tuple[dict[int, int], list[int], list[int]]:
        file, bystander = adds(tx, "/1", "/2")
        counts = []
        for _ in range(3):
            tx.inbox.mark_begun([bystander])
            tx.inbox.mark_begun([file], opening=True)
            counts.append(len(tx.inbox.count_attempts(BOT)))
        return attempts(tx), [file, bystander], counts

    counted, rows, counts = await store.write(crash)
    assert [counted[row] for row in rows] == [3, 0]
    assert counts == [2, 2, 2]  # both were interrupted


async def test_a_crash_after_the_file_was_opened_counts_as_any_other(store: Store) -> None:
    def crash(tx: Tx) -> tuple[dict[int, int], list[int]]:
        file, other = adds(tx, "/1", "/2")
        tx.inbox.mark_begun([file], opening=True)
        tx.inbox.mark_begun([file, other])
        tx.inbox.count_attempts(BOT)
        return attempts(tx), [file, other]

    counted, rows = await store.write(crash)
    assert [counted[row] for row in rows] == [1, 1]


@pytest.mark.parametrize("order", [("/file", "/beside", "/far"), ("/beside", "/far", "/file")])
async def test_of_many_processes_only_the_one_that_opened_the_file_spares_what_it_worked_on(
    store: Store, order: tuple[str, ...]
) -> None:
    """The chats of a process that died are taken up one after the other, by others."""
    file, beside, far = await store.write(lambda tx: adds(tx, "/file", "/beside", "/far"))

    def begin(tx: Tx) -> None:
        by_worker(tx, 7).inbox.mark_begun([file], opening=True)

    def begin_others(tx: Tx) -> None:
        by_worker(tx, 7).inbox.mark_begun([beside])

    def begin_far(tx: Tx) -> None:
        by_worker(tx, 8).inbox.mark_begun([far])

    def again(tx: Tx) -> None:
        tx.inbox.mark_begun([file])

    for work in (begin, begin_others, begin_far):
        await store.write(work)
    for place in order:
        await store.write(lambda tx, place=place: tx.inbox.count_attempts(BOT, place))  # type: ignore[misc]
        if place == "/file":  # it is begun anew before the next chat is taken up
            await store.write(again)
    counted = await store.read(attempts)
    assert [counted[row] for row in (file, beside, far)] == [1, 0, 1]
