"""Time for tests: nobody waits."""

from __future__ import annotations

import asyncio


class VirtualClock:
    """`sleep` moves the time at once and lets the others run."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self.now = 0.0
        self.start = start
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.start + self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += max(seconds, 0.0)
        await asyncio.sleep(0)
