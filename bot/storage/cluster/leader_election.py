"""Leader election: work that one process does at a time, under an advisory lock. Begin with `Leader.run`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg

from bot.clock import Clock
from bot.storage.cluster.procrastinate import conninfo
from bot.storage.engines.postgres_server import key

log = logging.getLogger(__name__)

Connection = psycopg.AsyncConnection[Any]
LOOK = 2.0  # seconds between two tries, and between two signs of life
ANSWER = 6.0  # seconds until a server that does not answer a sign of life is taken for gone: before others get the lock
SILENCE = 10  # seconds without one after which the server gives the lock to others: the process stands still


class Leader:
    """Runs something in one process at a time: the one that holds an advisory lock of PostgreSQL."""

    def __init__(self, *, url: str, what: str, clock: Clock) -> None:
        self._url = url
        self._what = what
        self._clock = clock

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` each time this process becomes the leader, until `work` returns; it is cancelled when the lock may
        be lost.
        """
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(conninfo(self._url), autocommit=True) as connection:
                    while not await self._lock(connection):
                        await self._clock.sleep(LOOK)
                    if await self._lead(connection, work):
                        return
            except psycopg.OperationalError as error:
                log.debug("%s: %s", self._what, error)
                await self._clock.sleep(LOOK)

    async def _lock(self, connection: Connection) -> bool:
        cursor = await connection.execute("SELECT pg_try_advisory_lock(%s)", (key(self._what),))
        row = await cursor.fetchone()
        if row is None or not row[0]:
            return False
        await connection.execute(f"SET idle_session_timeout = '{SILENCE}s'")
        return True

    async def _lead(self, connection: Connection, work: Callable[[], Awaitable[None]]) -> bool:
        """Return whether `work` has returned. Raises what it raises, and `OperationalError`."""
        task, sign = asyncio.ensure_future(work()), None
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=LOOK)
                sign = asyncio.ensure_future(connection.execute("SELECT 1"))
                await asyncio.wait({sign}, timeout=ANSWER)
                if not sign.done():
                    raise psycopg.OperationalError("the server does not answer")
                await sign
            await task
            return True
        finally:
            await _end(task)
            await _end(sign)  # psycopg asks the server to cancel the query: that may take seconds


async def _end(task: asyncio.Future[Any] | None) -> None:
    if task is not None and not task.done():
        task.cancel()
        await asyncio.wait({task})
