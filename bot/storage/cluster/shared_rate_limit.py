"""The rate limit for messages of a bot, shared by its processes through PostgreSQL. Begin with
`SharedRateLimit.permit`.

One row holds the time up to which sending times are given away. With one statement a process takes the next two of
them.
"""

from __future__ import annotations

from procrastinate import PsycopgConnector
from procrastinate.exceptions import ConnectorException

from bot.clock import Clock
from bot.concurrency.retry import Backoff, Retry

PORTION = 2
BACKOFF = Backoff(0.5, 0.5)  # while the server is away
FRESH = 1.0  # seconds in which what was drawn is used, or never
DRAW = """
INSERT INTO govorun_rates AS rate (bot, until) VALUES (%(bot)s, clock_timestamp() + make_interval(secs => %(seconds)s))
ON CONFLICT (bot) DO UPDATE
SET until = GREATEST(rate.until, clock_timestamp()) + make_interval(secs => %(seconds)s)
RETURNING EXTRACT(epoch FROM until - clock_timestamp())::float8 - %(seconds)s AS wait
"""


class SharedRateLimit:
    """A limit that all processes of a bot share (`SendQuota`). `rate` is in messages a second; 0 is no limit."""

    def __init__(self, *, connector: PsycopgConnector, bot: int, rate: float, clock: Clock) -> None:
        self.link = connector
        self._bot = bot
        self._rate = rate
        self._clock = clock
        self._left = 0
        self._owed = 0
        self._until = 0.0

    def spent(self) -> None:
        """Count a message that was sent without waiting: the next request for sending times includes it."""
        self._owed += 1

    async def permit(self) -> None:
        """Wait until one message may be sent. One caller at a time; while the server is away it waits."""
        if not self._rate:
            return
        if not self._left or self._clock.monotonic() > self._until:
            owed, self._owed = self._owed, 0
            await self._clock.sleep(await self._draw(PORTION + owed) + owed / self._rate)
            self._left, self._until = PORTION, self._clock.monotonic() + FRESH
        self._left -= 1

    async def _draw(self, count: int) -> float:
        """Take `count` sending times from the database. Returns the seconds until the first of them."""
        seconds = count / self._rate
        row = await Retry(self._clock, BACKOFF, on=ConnectorException).call(
            lambda: self.link.execute_query_one_async(DRAW, bot=self._bot, seconds=seconds)
        )
        return max(float(row["wait"]), 0.0)
