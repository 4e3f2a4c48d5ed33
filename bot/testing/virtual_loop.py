"""An event loop whose time is virtual: when nothing can happen, it jumps to the next timer.

Real sockets on loopback and SQLite's threads work as always; only waiting costs nothing. An hour of flood wait, the
30 s of a draft's life and a poll that stays open pass as soon as everybody waits.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

QUIET = 0.01  # real seconds without an event before the loop believes that nothing is under way

TASKS = Path("/proc/self/task")


def others() -> tuple[bool, list[str]]:
    """Whether another thread of the process runs or waits for the disk, and how much each has run so far.

    A thread that waits for Python's lock, because we have it, looks like one that has nothing to do; but then it has
    run since we last looked. (Linux; elsewhere nobody is asked.)
    """
    me = str(threading.get_native_id())
    try:
        folders = [TASKS / name for name in os.listdir(TASKS) if name != me]
        states = [(folder / "stat").read_text().rpartition(")")[2].split()[0] for folder in folders]
        return bool({"R", "D"} & {*states}), [(folder / "schedstat").read_text() for folder in folders]
    except OSError:  # one that has just ended
        return False, []


class Selector(selectors.DefaultSelector):
    """Waits for sockets and threads; when nothing has come for `QUIET` seconds, it moves the loop's time instead."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            return super().select(None)
        events = super().select(0)
        if events or timeout <= 0:
            return events
        _, ran = others()
        while not (events := super().select(QUIET)):
            before, (works, ran) = ran, others()
            if not works and not self.loop.errands and ran == before:
                break
        if not events:
            self.loop.now += timeout
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """`now` is the loop's time in seconds; `errands` are calls that run in threads of somebody's own."""

    selector: type[Selector] = Selector

    def __init__(self) -> None:
        self.now = 0.0
        self.errands: set[Future[Any]] = set()
        selector = self.selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:  # type: ignore[override]
        """A thread of somebody's own may wait for another process, and looks idle then: it says when it is done."""
        if executor is None:
            return super().run_in_executor(executor, func, *args)
        errand: Future[Any] = executor.submit(func, *args)
        self.errands.add(errand)
        errand.add_done_callback(self.errands.discard)
        return asyncio.wrap_future(errand, loop=self)


class LoopClock:
    """The time of `loop`, of the running one by default, as a `Clock`. The wall clock begins in January 2027."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop or asyncio.get_running_loop()
        self.shift = 0.0  # how far the wall clock has jumped

    def monotonic(self) -> float:
        return self._loop.time()

    def time(self) -> float:
        return 1_800_000_000.0 + self.monotonic() + self.shift

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(seconds, 0.0))
