"""A semaphore that processes share, for requests to the model.

A place is the right to one request at a time. A row of `govorun_places` says how many places a process has and how many
more it wants; it expires unless the process renews it. A process with more than its fair part gives places back when
others wait.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from contextlib import suppress

import psycopg

from bot.clock import Clock
from bot.storage.cluster.procrastinate import conninfo
from bot.storage.engines.postgres_server import key

log = logging.getLogger(__name__)

RENEW = 1.0  # seconds
LAPSE = 6.0  # seconds without a renewal after which others get the places of a process
MEMORY = 10.0  # seconds for which what was needed once is kept ready, where nobody waits for it
LOOK = 0.2  # seconds between two looks of a process that waits
OTHERS = """
SELECT COALESCE(sum(taken), 0), COALESCE(sum(wanted), 0), count(*) FROM govorun_places
WHERE name = %(name)s AND holder <> %(holder)s AND expires > now()
"""
KEEP = """
INSERT INTO govorun_places (name, holder, taken, wanted, expires)
VALUES (%(name)s, %(holder)s, %(taken)s, %(wanted)s, now() + make_interval(secs => %(lapse)s))
ON CONFLICT (name, holder) DO UPDATE
SET taken = excluded.taken, wanted = excluded.wanted, expires = excluded.expires
"""
LEAVE = "DELETE FROM govorun_places WHERE name = %(name)s AND (holder = %(holder)s OR expires < now())"


class SharedSemaphore:
    """A semaphore of `most` places that several processes share. `run` must be running in the background."""

    def __init__(self, *, url: str, name: str, most: int, clock: Clock) -> None:
        self.most = most
        self._url = url
        self._name = name
        self._clock = clock
        self._holder = uuid.uuid4().hex
        self._taken = 0
        self._used = 0
        self._waiting = 0
        self._peak = 0  # the most that was needed lately
        self._peak_at = float("-inf")
        self._wake = asyncio.Event()
        self._wanted = asyncio.Event()  # somebody waits for a place
        self._freed = asyncio.Condition()

    async def acquire(self) -> bool:
        """Wait for a free place and take it. Returns True."""
        self._waiting += 1
        try:
            async with self._freed:
                while self._used >= self._taken:
                    self._wanted.set()
                    self._wake.set()
                    await self._freed.wait()
                self._used += 1
        finally:
            self._waiting -= 1
        return True

    def release(self) -> None:
        """Give a place back: the request has ended."""
        self._used -= 1
        self._wake.set()

    async def run(self) -> None:
        """Take, renew and give back places until cancelled. While the server is away, this process keeps its places."""
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(conninfo(self._url), autocommit=True) as connection:
                    # rows that a server crash loses would soon expire anyway
                    await connection.execute("SET synchronous_commit = off")
                    while True:
                        await self._settle(connection)
                        await self._rest()
            except psycopg.OperationalError as error:
                log.debug("places of %s: %s", self._name, error)
                await self._clock.sleep(RENEW)

    async def _rest(self) -> None:
        """Sleep until a place is wanted or given back, but never so long that places lapse.

        A place that was given back is kept for a moment: the next request often takes it, without a word to the server.
        """
        if self._waiting and self._used >= self._taken:
            await self._clock.sleep(LOOK)
            return
        idle = not self._taken and not self._waiting
        with suppress(TimeoutError):
            async with asyncio.timeout(None if idle else RENEW):
                await self._wake.wait()
            async with asyncio.timeout(LOOK):
                await self._wanted.wait()
        self._wake.clear()
        self._wanted.clear()

    async def _settle(self, connection: psycopg.AsyncConnection[tuple[int, int, int]]) -> None:
        """Tell the server what this process needs, and take as much of it as is free."""
        given = {"name": self._name, "holder": self._holder, "lapse": LAPSE}
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (key(f"places {self._name}"),))
            row = await (await connection.execute(OTHERS, given)).fetchone()
            taken, wanted, others = row or (0, 0, 0)
            need = self._used + self._waiting
            spare = self._spare(need, self.most - taken)
            part = min(need, max(self.most // (others + 1), 1)) if wanted else need + spare
            allowed = max(min(part, self.most - taken), 0)
            self._taken = min(self._taken, allowed)  # what is to be given back is not used again
            mine = max(self._used, allowed)
            if mine or need:
                await connection.execute(KEEP, {**given, "taken": mine, "wanted": max(need - mine, 0)})
            else:
                await connection.execute(LEAVE, given)
        self._taken = allowed
        async with self._freed:
            self._freed.notify_all()

    def _spare(self, need: int, free: int) -> int:
        """Return how many places to keep though nobody waits: up to the recent peak, and half of the free ones."""
        now = self._clock.monotonic()
        if need >= self._peak or now - self._peak_at > MEMORY:
            self._peak, self._peak_at = need, now
        return min(self._peak - need, max(free - need, 0) // 2)
