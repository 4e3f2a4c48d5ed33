"""P34: a process that works on a run dies at each of its writes, before or after the commit; another one goes on.

No answer is lost, doubled or at another question's row. Of each death at most the requests that were on their way are
asked again: nobody can know whether the service had taken them. The long form: `BATCH_STEP=1`.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from itertools import count
from typing import Any, TypeVar, cast

import pytest

from bot.batch.runner import CONCURRENCY, LEASE, BatchRunner
from bot.cli import batch
from bot.cli.batch import find_run
from bot.storage.store import Store, Tx
from tests.batch.test_runs import BOT, World, world

pytestmark = [pytest.mark.disk, pytest.mark.sweep]
__all__ = ["world"]
T = TypeVar("T")
QUESTIONS = [f"Question {number}?" for number in range(25)]
STEP = int(os.environ.get("BATCH_STEP", "9"))  # 1: each write


class Death(BaseException):
    """The process is gone: nothing of it runs on, not even what tidies up."""


class MortalStore:
    """A store whose process dies at write number `point`; every later call finds it dead."""

    def __init__(self, store: Store, point: int, *, after_commit: bool) -> None:
        self._store = store
        self._left = point
        self._after_commit = after_commit
        self.clock = store.clock

    async def write(self, work: Callable[[Any], T]) -> T:
        self._left -= 1
        if self._left < 0 or (self._left == 0 and not self._after_commit):
            raise Death
        done = await self._store.write(work)
        if self._left == 0:
            raise Death
        return done

    write_until_stored = write

    async def read(self, work: Callable[[Any], T]) -> T:
        if self._left <= 0:
            raise Death
        return await self._store.read(work)


def costs(number: int, tx: Tx) -> tuple[int, int]:
    """What the ledger has of a run, and what the run says of itself."""
    return tx.ledger.cost_of_turn(BOT, f"batch-{number}", 0.0), tx.batches.spent(number)[1]


@pytest.mark.turns(4)
@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("after_commit", [False, True])
async def test_p34_a_death_at_any_write_loses_no_answer_and_pays_at_most_what_was_on_its_way_twice(
    world: World, mode: str, after_commit: bool
) -> None:
    path = world.file(*({"number": number, "question": text} for number, text in enumerate(QUESTIONS)))
    model, endpoint = world.service.text(), "completion" if mode == "sync" else "completionAsync"
    later = world.service.later() if mode == "async" else None
    deaths = 0
    for point in count(1, STEP):
        number = await batch.begin(world.workspace, path, "", mode, {}, Decimal(0))
        run, before = await find_run(world.workspace, number), len(world.asked(endpoint))
        mortal = cast("Store", MortalStore(world.store, point, after_commit=after_commit))
        dead = False
        try:
            await BatchRunner(store=mortal, model=model, later=later).work(run)
        except Death:
            dead, deaths = True, deaths + 1
        await world.store.clock.sleep(LEASE + 1)
        assert await BatchRunner(store=world.store, model=model, later=later).work(run)
        assert (await find_run(world.workspace, number)).state == "done"
        rows = await world.rows(number)
        assert [row["question"] in row["answer"] for row in rows] == [True] * len(QUESTIONS)
        paid = Counter(world.asked(endpoint)[before:])
        assert set(paid) == set(QUESTIONS)
        assert paid.total() - len(QUESTIONS) <= (CONCURRENCY if dead else 0)
        booked, spent = await world.store.read(partial(costs, number))
        assert booked == spent > 0
        if not dead:
            break
    assert deaths > len(QUESTIONS) // STEP


async def test_two_processes_do_not_work_on_one_run(world: World) -> None:
    path = world.file(*({"question": text} for text in QUESTIONS))
    number = await batch.begin(world.workspace, path, "", "sync", {}, Decimal(0))
    run, model = await find_run(world.workspace, number), world.service.text()
    one, other = (BatchRunner(store=world.store, model=model).work(run) for _ in range(2))
    assert sorted(await asyncio.gather(one, other)) == [False, True]
    assert sorted(world.asked()) == sorted(QUESTIONS)
