"""procrastinate as Govorun asks for it: a worker that is told of a job looks for it at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from procrastinate import App, JobContext, PsycopgConnector
from procrastinate.worker import Worker

from bot.clock import SystemClock
from bot.storage.cluster.procrastinate import Broker, conninfo
from bot.storage.engines.job_notify import queue_of
from bot.storage.store import Store
from tests.support.postgres_side import Server

SELDOM = 30.0  # seconds until a worker looks by itself
SOON = 60.0  # seconds: a loaded machine is slow
BOT = 42


class Far(PsycopgConnector):
    """A server whose answer to the next statement with some word in it stays on its way until `arrives`.

    `asked` is how many there were.
    """

    def delay(self, word: str) -> None:
        self.word = word
        self.asked = 0
        self.answered, self.arrives = asyncio.Event(), asyncio.Event()

    async def execute_query_one_async(self, query: Any, **arguments: Any) -> dict[str, Any]:
        row: dict[str, Any] = await super().execute_query_one_async(query, **arguments)
        self.asked += self.word in query
        if self.word in query and not self.answered.is_set():
            self.answered.set()
            await self.arrives.wait()
        return row


class Doing:
    """What a worker has begun, and may end."""

    def __init__(self) -> None:
        self.begun: asyncio.Queue[str] = asyncio.Queue()
        self.ends = asyncio.Event()

    async def chat(self, _context: JobContext, place: str) -> None:
        self.begun.put_nowait(place)
        await self.ends.wait()


@asynccontextmanager
async def working(url: str, link: Far, doing: Doing) -> AsyncIterator[Broker]:
    app = App(connector=link)
    app.job_manager = broker = Broker(connector=link, url=url, queue=queue_of(BOT), clock=SystemClock(), load=lambda: 0)
    app.task(name="chat", pass_context=True)(doing.chat)
    async with app.open_async():
        worker = Worker(
            app, queues=[queue_of(BOT)], concurrency=10, delete_jobs="always", install_signal_handlers=False,
            fetch_job_polling_interval=SELDOM, shutdown_graceful_timeout=1.0,
        )  # fmt: skip
        task = asyncio.create_task(worker.run())  # type: ignore[no-untyped-call]
        try:
            yield broker
        finally:
            worker.stop()  # type: ignore[no-untyped-call]
            await task


@pytest.fixture
async def store(postgres_url: str) -> AsyncIterator[Store]:
    async with Store.open(postgres_url, SystemClock()) as store:
        yield store


@pytest.fixture
def link(postgres_url: str) -> Far:
    link = Far(conninfo=conninfo(postgres_url), min_size=1, max_size=4)
    link.delay("procrastinate_fetch_job")
    return link


async def test_a_job_that_is_told_while_none_is_found_is_looked_for_at_once(
    store: Store, link: Far, postgres_url: str
) -> None:
    doing = Doing()
    async with working(postgres_url, link, doing):
        await link.answered.wait()  # there is none: that is on its way
        await asyncio.sleep(0.2)  # until the worker listens
        await store.write(lambda tx: tx.queue.announce_chat(BOT, "/1"))
        await asyncio.sleep(0.2)  # until it was told
        link.arrives.set()
        async with asyncio.timeout(SOON):
            assert await doing.begun.get() == "/1"
        doing.ends.set()


async def test_what_waits_for_a_job_that_is_just_ending_is_begun_at_once(
    store: Store, postgres: Server, link: Far, postgres_url: str
) -> None:
    """The end does not see what comes after it has begun, and who comes does not see that it will be over."""
    doing = Doing()
    link.arrives.set()
    async with working(postgres_url, link, doing):
        await asyncio.sleep(0.2)
        await store.write(lambda tx: tx.queue.announce_chat(BOT, "/1"))
        async with asyncio.timeout(SOON):
            await doing.begun.get()
        async with await psycopg.AsyncConnection.connect(conninfo(postgres_url)) as other:
            await other.execute("SELECT FROM procrastinate_jobs FOR UPDATE")
            doing.ends.set()
            await asyncio.sleep(0.2)  # until the end waits for the row
            await store.write(lambda tx: tx.queue.announce_chat(BOT, "/1"))
            await asyncio.sleep(0.2)  # until the worker was told, and has found nothing
        async with asyncio.timeout(SOON):
            assert await doing.begun.get() == "/1"
    assert postgres.execute("SELECT count(*) FROM procrastinate_jobs", postgres_url) == [(0,)]


async def test_a_worker_that_was_told_of_one_job_asks_for_one(store: Store, link: Far, postgres_url: str) -> None:
    doing = Doing()
    link.arrives.set()
    async with working(postgres_url, link, doing):
        await link.answered.wait()
        await asyncio.sleep(0.2)  # until the worker listens
        before = link.asked
        async with asyncio.timeout(SOON):
            for place in ("/1", "/2"):
                await store.write(lambda tx, place=place: tx.queue.announce_chat(BOT, place))  # type: ignore[misc]
                assert await doing.begun.get() == place
                await asyncio.sleep(0.05)  # until it would have asked for another
        doing.ends.set()
        assert link.asked == before + 2


async def test_all_that_a_dead_worker_had_is_begun_at_once(
    store: Store, postgres: Server, link: Far, postgres_url: str
) -> None:
    """One word tells of all of it."""
    doing, places = Doing(), [f"/{number}" for number in range(1, 9)]
    for place in places:
        await store.write(lambda tx, place=place: tx.queue.announce_chat(BOT, place))  # type: ignore[misc]
    postgres.execute("UPDATE procrastinate_jobs SET status = 'doing'", postgres_url)
    link.arrives.set()
    async with working(postgres_url, link, doing) as broker:
        await link.answered.wait()
        await asyncio.sleep(0.2)  # until the worker listens
        assert await broker.rescue() == len(places)
        async with asyncio.timeout(SOON):
            assert sorted([await doing.begun.get() for _ in places]) == places
        doing.ends.set()


async def test_where_one_job_is_found_that_nobody_has_told_of_there_may_be_more(
    store: Store, postgres: Server, link: Far, postgres_url: str
) -> None:
    doing, places = Doing(), [f"/{number}" for number in range(1, 9)]
    link.arrives.set()
    async with working(postgres_url, link, doing):
        await link.answered.wait()
        await asyncio.sleep(0.2)  # until the worker listens
        postgres.execute(
            "SET session_replication_role = replica; INSERT INTO procrastinate_jobs (queue_name, task_name, lock, args)"
            " SELECT 'bot42', 'chat', n, jsonb_build_object('place', '/' || n) FROM generate_series(1, 8) AS n",
            postgres_url,
        )
        await store.write(lambda tx: tx.queue.announce_chat(BOT, "/9"))
        async with asyncio.timeout(SOON):
            assert sorted([await doing.begun.get() for _ in (*places, "/9")]) == [*places, "/9"]
        doing.ends.set()
