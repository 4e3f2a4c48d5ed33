"""An event loop whose time is virtual: when nothing can happen, it jumps to the next timer.

Real sockets on loopback and SQLite's threads work as always; only waiting costs nothing. An hour of flood wait, the
30 s of a draft's life and a poll that stays open pass as soon as everybody waits.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import threading
from pathlib import Path
from typing import Any

QUIET = 0.01  # real seconds without an event before the loop believes that nothing is under way

TASKS = Path("/proc/self/task")


def others_work() -> bool:
    """Whether another thread of the process runs or waits for the disk (Linux; elsewhere nobody is asked)."""
    me = str(threading.get_native_id())
    try:
        others = [name for name in os.listdir(TASKS) if name != me]
        return any((TASKS / name / "stat").read_text().rpartition(")")[2].split()[0] in "RD" for name in others)
    except OSError:  # one that has just ended
        return False


class _Selector(selectors.DefaultSelector):
    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            return super().select(None)
        events = super().select(0)
        if events or timeout <= 0:
            return events
        while not (events := super().select(QUIET)) and others_work():
            pass
        if not events:
            self.loop.now += timeout
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.now = 0.0
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now


class LoopClock:
    """The loop's time as a `Clock`; the wall clock begins in January 2027."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def time(self) -> float:
        return 1_800_000_000.0 + self.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(seconds, 0.0))
