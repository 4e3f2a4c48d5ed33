"""Time, as an argument: everything that waits or looks at the time does it through a `Clock`."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """The source of time, passed as an argument. Tests pass a clock that they move by hand."""

    def monotonic(self) -> float:
        """Seconds since some moment: for durations and deadlines. Never jumps."""

    def time(self) -> float:
        """Unix time in seconds: only for what is stored or shown, because wall clocks jump."""

    async def sleep(self, seconds: float) -> None:
        """Wait for this many seconds; not at all if they are 0 or negative."""


class SystemClock:
    """The clock of the operating system."""

    def monotonic(self) -> float:
        """Seconds of the system's monotonic clock."""
        return time.monotonic()

    def time(self) -> float:
        """Unix time in seconds."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Suspend this task for so many seconds; not at all if they are negative."""
        await asyncio.sleep(max(seconds, 0.0))
