"""Trying again after failures that pass: how long to wait (`Backoff`), and calls that are repeated (`Retry`)."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from bot.clock import Clock

MOST_DOUBLINGS = 30

T = TypeVar("T")


@dataclass(frozen=True)
class Backoff:
    """Pauses between tries: `first` seconds, then each time twice as long, up to `longest` seconds.

    With `random` (jitter) a pause is a random part of that, at least half, so that clients that failed together do not
    all return together.
    """

    first: float
    longest: float
    random: Random | None = None

    def pause(self, attempt: int, retry_after: float = 0.0) -> float:
        """Seconds to wait after failure number `attempt` (from 1); never less than the `retry_after` of the server."""
        step = min(self.first * 2.0 ** min(attempt - 1, MOST_DOUBLINGS), self.longest)
        if self.random is None:
            return max(step, retry_after)
        return retry_after + step * self.random.uniform(0.5, 1.0)


class Retry:
    """Repeats calls that raise the error `on`, at most `tries` times; waits at least the error's `retry_after`
    (seconds), if it has one.
    """

    def __init__(self, clock: Clock, backoff: Backoff, *, on: type[Exception], tries: float = math.inf) -> None:
        self.clock = clock
        self.tries = tries
        self._backoff = backoff
        self._on = on

    async def call(
        self,
        action: Callable[[], Awaitable[T]],
        *,
        until: float = math.inf,
        failed: Callable[[Any, float], None] = lambda error, pause: None,
    ) -> T:
        """Await `action` until it succeeds, and return its result.

        Raises its last error after `tries` failures, or if the next pause would not end before `until` (of the
        clock's `monotonic`). `failed` is told each error that is followed by another try, and the seconds until then.
        """
        try:
            return await action()
        except self._on as error:
            failures = [error]  # tenacity costs 45 µs, so it is asked only about failures
        again = AsyncRetrying(
            sleep=self.clock.sleep,
            wait=lambda state: self._pause(state.attempt_number, _error(state)),
            stop=lambda state: (
                state.attempt_number >= self.tries or self.clock.monotonic() + state.upcoming_sleep >= until
            ),
            retry=retry_if_exception_type(self._on),
            before_sleep=lambda state: failed(_error(state), state.upcoming_sleep),
            reraise=True,
        )

        async def attempt() -> T:  # tenacity awaits only what it knows for a coroutine function
            if failures:
                raise failures.pop()
            return await action()

        return await again(attempt)

    async def sleep(self, attempt: int, error: Exception, until: float) -> bool:
        """Wait after failure number `attempt` (from 1), for callers that can't be repeated as a whole.

        Returns False at once after the last try, or where the pause would not end before `until` (of the clock's
        `monotonic`).
        """
        pause = self._pause(attempt, error)
        if attempt >= self.tries or self.clock.monotonic() + pause >= until:
            return False
        await self.clock.sleep(pause)
        return True

    def _pause(self, attempt: int, error: BaseException | None) -> float:
        return self._backoff.pause(attempt, getattr(error, "retry_after", 0.0))


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None
