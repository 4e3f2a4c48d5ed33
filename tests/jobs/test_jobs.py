"""What is done later: when, again after failing, and without standing in each other's way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from itertools import pairwise

from bot.jobs.worker import AT_ONCE, BACKOFF, LONGEST_WAIT, JobWorker, Work
from bot.storage.store import Store
from bot.types import Address, Job
from tests.support.stage import ANNA, Stage

WHERE = Address("telegram", 42, ANNA)


async def test_a_job_is_done_when_it_is_due_and_earlier_ones_first(stage: Stage) -> None:
    done: list[tuple[str, float]] = []
    async with _worker(stage, {"note": lambda store: _noting(store, stage, done)}) as (store, jobs):
        now = stage.clock.time()
        for key, later in (("c", 45.0), ("a", 5.0), ("b", 20.0)):
            await _add(store, "note", key, now + later)
        jobs.added.set()
        await asyncio.sleep(60)
        assert [key for key, _ in done] == ["a", "b", "c"]
        assert all(0 <= at - now - later < 1 for (_, at), later in zip(done, (5.0, 20.0, 45.0), strict=True))


async def test_a_job_that_becomes_due_does_not_wait_for_a_slow_one(stage: Stage) -> None:
    done: list[tuple[str, float]] = []

    def slow(store: Store) -> Work:
        async def work(job: Job) -> None:
            await asyncio.sleep(25)
            await store.write(lambda tx: tx.jobs.delete_done(job))

        return work

    kinds = {"slow": slow, "note": lambda store: _noting(store, stage, done)}
    async with _worker(stage, kinds) as (store, jobs):
        now = stage.clock.time()
        await _add(store, "slow", "1", now)
        await _add(store, "note", "2", now + 4)
        jobs.added.set()
        await asyncio.sleep(10)
        assert [key for key, _ in done] == ["2"]
        assert done[0][1] - now < 5


async def test_a_failing_job_is_tried_again_ever_later_and_stops_no_other(stage: Stage) -> None:
    tries: list[float] = []
    done: list[tuple[str, float]] = []

    def failing(_store: Store) -> Work:
        async def work(_job: Job) -> None:
            tries.append(stage.clock.time())
            raise RuntimeError("broken")

        return work

    kinds = {"failing": failing, "note": lambda store: _noting(store, stage, done)}
    async with _worker(stage, kinds) as (store, jobs):
        await _add(store, "failing", "1", stage.clock.time())
        await _add(store, "note", "2", stage.clock.time() + 100)
        jobs.added.set()
        await asyncio.sleep(110)
        waits = [later - earlier for earlier, later in pairwise(tries)]
        assert [round(wait) for wait in waits] == [BACKOFF.first * 2**number for number in range(len(waits))]
        assert len(waits) == 5
        assert [key for key, _ in done] == ["2"]


async def test_a_job_that_failed_a_thousand_times_still_does_not_break_the_worker(stage: Stage) -> None:
    tries: list[float] = []

    def failing(_store: Store) -> Work:
        async def work(_job: Job) -> None:
            tries.append(stage.clock.time())
            raise RuntimeError("broken")

        return work

    async with _worker(stage, {"failing": failing}) as (store, jobs):
        await _add(store, "failing", "1", stage.clock.time(), attempts=5_000)
        jobs.added.set()
        await asyncio.sleep(BACKOFF.longest + 10)
        assert [round(at - tries[0]) for at in tries] == [0, BACKOFF.longest]


async def test_a_kind_that_nobody_knows_stops_no_other(stage: Stage) -> None:
    done: list[tuple[str, float]] = []
    async with _worker(stage, {"note": lambda store: _noting(store, stage, done)}) as (store, jobs):
        await _add(store, "from a newer version", "1", stage.clock.time())
        await _add(store, "note", "2", stage.clock.time())
        jobs.added.set()
        await asyncio.sleep(1)
        assert [key for key, _ in done] == ["2"]


async def test_a_crowd_of_jobs_is_done_a_few_at_a_time_each_once(stage: Stage) -> None:
    running, most, done = 0, 0, list[str]()

    def busy(store: Store) -> Work:
        async def work(job: Job) -> None:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(1)
            running -= 1
            done.append(job.key)
            await store.write(lambda tx: tx.jobs.delete_done(job))

        return work

    async with _worker(stage, {"busy": busy}) as (store, jobs):
        for number in range(30):
            await _add(store, "busy", str(number), stage.clock.time())
        jobs.added.set()
        await asyncio.sleep(10)
    assert most == AT_ONCE
    assert sorted(done, key=int) == [str(number) for number in range(30)]


async def test_a_job_survives_a_restart_and_one_of_the_same_key_is_one_job(stage: Stage) -> None:
    done: list[tuple[str, float]] = []
    kinds = {"note": lambda store: _noting(store, stage, done)}
    async with _worker(stage, kinds) as (store, _):
        due = stage.clock.time() + LONGEST_WAIT * 2
        await _add(store, "note", "1", due)
        await _add(store, "note", "1", due - 50)
    assert done == []
    async with _worker(stage, kinds):
        await asyncio.sleep(LONGEST_WAIT * 2 + 1)
    assert [key for key, _ in done] == ["1"]


async def test_another_bots_jobs_are_left_alone(stage: Stage) -> None:
    done: list[tuple[str, float]] = []
    async with _worker(stage, {"note": lambda store: _noting(store, stage, done)}) as (store, jobs):
        await store.write(lambda tx: tx.jobs.add_job(Job("note", "1", Address("telegram", 43, ANNA))))
        jobs.added.set()
        await asyncio.sleep(LONGEST_WAIT + 1)
    assert done == []


def _noting(store: Store, stage: Stage, done: list[tuple[str, float]]) -> Work:
    async def work(job: Job) -> None:
        done.append((job.key, stage.clock.time()))
        await store.write(lambda tx: tx.jobs.delete_done(job))

    return work


async def _add(store: Store, kind: str, key: str, due: float, attempts: int = 0) -> None:
    await store.write(lambda tx: tx.jobs.add_job(Job(kind, key, WHERE, due=due, attempts=attempts)))


@asynccontextmanager
async def _worker(stage: Stage, kinds: Mapping[str, Callable[[Store], Work]]) -> AsyncIterator[tuple[Store, JobWorker]]:
    """A worker on the stage's database and time."""
    async with Store.open(stage.settings.database_url, stage.clock) as store:
        jobs = JobWorker(store=store, bot=WHERE.bot, kinds={kind: make(store) for kind, make in kinds.items()})
        worker: asyncio.Task[None] = asyncio.create_task(jobs.run())
        try:
            yield store, jobs
        finally:
            assert not worker.done(), worker
            worker.cancel()
            await asyncio.wait({worker})


async def test_who_began_a_job_that_keeps_failing_is_told_once_with_the_error(stage: Stage) -> None:
    told: list[tuple[str, str]] = []

    def failing(_store: Store) -> Work:
        async def work(_job: Job) -> None:
            raise OSError("the disk is read-only")

        return work

    async def tell(job: Job, error: Exception) -> None:
        told.append((job.key, str(error)))

    async with _worker(stage, {"export": failing}) as (store, jobs):
        jobs.tell = tell
        await _add(store, "export", "1", stage.clock.time())
        jobs.added.set()
        await asyncio.sleep(20)
        assert told == []
        await asyncio.sleep(3_600)
    assert told == [("1", "the disk is read-only")]
