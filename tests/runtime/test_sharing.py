"""What all processes of a bot share: places at the model, messages a second, and who leads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from procrastinate import App

from bot.clock import SystemClock
from bot.storage.cluster.leader_election import Leader
from bot.storage.cluster.procrastinate import CONNECTIONS, Broker, connector
from bot.storage.cluster.shared_rate_limit import SharedRateLimit
from bot.storage.cluster.shared_semaphore import SharedSemaphore
from tests.promises.crash.line import Line
from tests.support.postgres_side import Server

PATIENCE = 60.0  # seconds: a loaded machine is slow


@asynccontextmanager
async def sharing(url: str, most: int, processes: int) -> AsyncIterator[Sequence[SharedSemaphore]]:
    found = [SharedSemaphore(url=url, name="models", most=most, clock=SystemClock()) for _ in range(processes)]
    tasks = [asyncio.create_task(places.run()) for places in found]
    try:
        yield found
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def test_all_processes_together_have_as_many_places_as_one(postgres_url: str) -> None:
    async with sharing(postgres_url, 4, 3) as processes:
        under_way, most = 0, 0

        async def ask(places: SharedSemaphore) -> None:
            nonlocal under_way, most
            await places.acquire()
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0.05)
            under_way -= 1
            places.release()

        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*[ask(processes[number % 3]) for number in range(30)])
        assert most == 4


async def test_who_holds_all_places_gives_a_fair_part_to_who_waits(postgres_url: str) -> None:
    async with sharing(postgres_url, 4, 2) as (first, second), asyncio.timeout(PATIENCE):

        async def busy() -> None:
            while True:
                await first.acquire()
                await asyncio.sleep(0.05)
                first.release()

        crowd = [asyncio.create_task(busy()) for _ in range(12)]
        await asyncio.sleep(0.5)
        for _ in range(2):
            await second.acquire()
        for one in crowd:
            one.cancel()


async def test_places_of_a_process_that_is_gone_are_free_again_after_seconds(
    postgres_url: str, postgres: Server
) -> None:
    async with sharing(postgres_url, 2, 1) as (gone,):
        for _ in range(2):
            await gone.acquire()
    async with sharing(postgres_url, 2, 1) as (other,):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.7):
                await other.acquire()
        await asyncio.to_thread(postgres.execute, "UPDATE govorun_places SET expires = now()", postgres_url)
        async with asyncio.timeout(PATIENCE):
            await other.acquire()


async def test_processes_together_send_no_faster_than_one_may(postgres_url: str) -> None:
    async with AsyncExitStack() as stack:
        rates = []
        for _ in range(3):
            link = connector(postgres_url)
            await link.open_async()
            stack.push_async_callback(link.close_async)
            rates.append(SharedRateLimit(connector=link, bot=42, rate=20.0, clock=SystemClock()))
        begun = asyncio.get_running_loop().time()

        async def send(rate: SharedRateLimit) -> None:
            for _ in range(10):
                await rate.permit()

        await asyncio.gather(*map(send, rates))
        assert 1.3 <= asyncio.get_running_loop().time() - begun <= 4.0  # 30 messages, 20 a second


async def test_a_leader_whose_connection_breaks_stops_and_another_goes_on(postgres_url: str, postgres: Server) -> None:
    led: list[int] = []
    ended = asyncio.Event()

    async def lead(number: int) -> None:
        led.append(number)
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    leaders = [Leader(url=postgres_url, what="test", clock=SystemClock()) for _ in range(2)]
    tasks = [asyncio.create_task(leaders[0].run(lambda: lead(0)))]
    async with asyncio.timeout(PATIENCE):
        while not led:
            await asyncio.sleep(0.02)
        tasks.append(asyncio.create_task(leaders[1].run(lambda: lead(1))))
        await asyncio.sleep(0.3)
        cut = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        await asyncio.to_thread(postgres.execute, cut)
        await ended.wait()
        while len(led) < 2:
            await asyncio.sleep(0.02)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


@pytest.mark.timeout(300)
async def test_a_leader_that_hears_nothing_of_the_server_stops_before_another_begins(
    postgres_url: str, postgres: Server
) -> None:
    led: list[tuple[str, float]] = []
    now = asyncio.get_running_loop().time

    async def lead(name: str) -> None:
        led.append((name, now()))
        try:
            await asyncio.Event().wait()
        finally:
            led.append((f"{name} ends", now()))

    async with Line.open(f"{postgres.sockets}/.s.PGSQL.5432") as line, asyncio.timeout(2 * PATIENCE):
        name = postgres_url.partition("@/")[2].partition("?")[0]
        parted = Leader(url=f"postgresql://postgres@127.0.0.1:{line.port}/{name}", what="test", clock=SystemClock())
        tasks = [asyncio.create_task(parted.run(lambda: lead("parted")))]
        while not led:
            await asyncio.sleep(0.02)
        tasks.append(
            asyncio.create_task(Leader(url=postgres_url, what="test", clock=SystemClock()).run(lambda: lead("other")))
        )
        line.part()
        while len(led) < 3:
            await asyncio.sleep(0.02)
        for task in tasks:
            task.cancel()
        line.heal()
        await asyncio.wait(tasks)
    assert [name for name, _ in led[:3]] == ["parted", "parted ends", "other"]


# --- ends -------------------------------------------------------------------------------------------------------------


async def test_a_word_to_the_others_that_waits_for_a_connection_can_be_cancelled_at_any_moment(
    postgres_url: str,
) -> None:
    """On Python 3.11 the pool loses a cancellation that comes together with a connection."""
    link = connector(postgres_url)
    broker = Broker(connector=link, url=postgres_url, queue="bot42", clock=SystemClock(), load=lambda: 0)
    async with App(connector=link).open_async():
        for moment in range(12):
            async with AsyncExitStack() as all_of_them:
                for _ in range(CONNECTIONS):
                    await all_of_them.enter_async_context(link.pool.connection())
                word = asyncio.create_task(broker.tell("a word"))
                await asyncio.sleep(0.01)
            for _ in range(moment):
                await asyncio.sleep(0)
            if word.cancel():
                await asyncio.wait({word})
                assert word.cancelled(), moment
