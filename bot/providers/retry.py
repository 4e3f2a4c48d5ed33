"""Trying again: after which pauses, and how long a server wishes to be left alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from email.utils import parsedate_to_datetime
from random import Random
from typing import TypeVar

from bot.clock import Clock
from bot.errors import ModelUnavailable

LONGEST_WAIT = 3600.0  # seconds that a server is believed

T = TypeVar("T")


class Retry:
    """Waits between tries: longer each time, by chance, so that those who failed together don't return together."""

    def __init__(
        self, clock: Clock, random: Random, *, first: float = 0.5, factor: float = 2.0, longest: float = 10.0
    ) -> None:
        self.clock = clock
        self._random = random
        self._first = first
        self._factor = factor
        self._longest = longest

    def delay(self, attempt: int, retry_after: float = 0.0) -> float:
        """Seconds to wait after failure number `attempt` (from 1); never less than `retry_after`."""
        step = min(self._longest, self._first * self._factor ** (attempt - 1))
        return retry_after + step * self._random.uniform(0.5, 1.0)

    async def pause(self, attempt: int, error: ModelUnavailable, until: float) -> bool:
        """Wait, unless the wait would not end before `until` (of the clock's `monotonic`): then False at once."""
        delay = self.delay(attempt, error.retry_after)
        if self.clock.monotonic() + delay >= until:
            return False
        await self.clock.sleep(delay)
        return True

    async def call(self, action: Callable[[], Awaitable[T]], *, until: float, tries: int = 3) -> T:
        """Await `action` until it does not raise `ModelUnavailable`, at most `tries` times."""
        attempt = 1
        while True:
            try:
                return await action()
            except ModelUnavailable as error:
                if attempt >= tries or not await self.pause(attempt, error, until):
                    raise
            attempt += 1


def retry_after(headers: Mapping[str, str], now: float) -> float:
    """Seconds to wait by the header Retry-After (seconds or a date, `now` is Unix time), 0 where it says nothing."""
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value) if value[:1].isdigit() else parsedate_to_datetime(value).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(max(seconds, 0.0), LONGEST_WAIT)
