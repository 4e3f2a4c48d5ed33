"""The clocks of our own tests. A stage has the loop's own time instead (`bot.testing.virtual_loop.LoopClock`)."""

from __future__ import annotations

import asyncio

from bot.clock import SystemClock
from bot.testing.virtual_loop import VirtualLoop


def pass_by(seconds: float) -> None:
    """Let so much time of a stage pass at once: what a bot does every hour in a week costs a test half a minute."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.now += seconds


class VirtualClock:
    """Time that passes only where a test wants it to; the wall clock begins at `start`, in January 2027.

    `sleep` moves the time at once and lets the others run. With `by_hand` it waits until the test moves the time with
    `advance`. `slept` are the seconds of each call of `sleep`.
    """

    def __init__(self, start: float = 1_800_000_000.0, *, by_hand: bool = False) -> None:
        self.now = 0.0
        self.start = start
        self.slept: list[float] = []
        self._by_hand = by_hand
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []
        self._asleep = asyncio.Condition()

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.start + self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if not self._by_hand:
            self.now += max(seconds, 0.0)
            await asyncio.sleep(0)
            return
        sleeper: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.now + seconds, sleeper))
        async with self._asleep:
            self._asleep.notify_all()
        await sleeper

    @property
    def sleeping(self) -> list[float]:
        """When those who sleep wake up, in seconds from now."""
        return sorted(until - self.now for until, sleeper in self._sleepers if not sleeper.done())

    async def until_asleep(self, seconds: float, tolerance: float = 0.001) -> None:
        """Return when somebody sleeps for so long. Raises `TimeoutError` after a real minute."""
        async with asyncio.timeout(60), self._asleep:
            await self._asleep.wait_for(lambda: any(abs(left - seconds) <= tolerance for left in self.sleeping))

    def advance(self, seconds: float) -> None:
        """Move the time, and wake who has slept long enough."""
        self.now += seconds
        for until, sleeper in self._sleepers:
            if until <= self.now and not sleeper.done():
                sleeper.set_result(None)
        self._sleepers = [item for item in self._sleepers if not item[1].done()]


class ShiftedClock(SystemClock):
    """Real time on a machine whose clocks are `shift` seconds ahead."""

    def __init__(self, shift: float = 0.0) -> None:
        self.shift = shift

    def monotonic(self) -> float:
        return super().monotonic() + max(self.shift, 0.0)  # counts from the start of the machine: never below zero

    def time(self) -> float:
        return super().time() + self.shift
