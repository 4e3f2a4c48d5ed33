"""An event loop with virtual time: when nothing can happen, its clock jumps to the next timer.

Real sockets on loopback and SQLite's threads work as always; only waiting takes no time. An hour of flood wait, the 30
s of a draft and an open poll pass as soon as everything waits.
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

QUIET = 0.01  # real seconds without an event after which nothing can be in progress

TASKS = Path("/proc/self/task")


def others() -> tuple[bool, list[str]]:
    """Whether another thread of the process runs or waits for the disk, and for how long each one has run so far.

    A thread that waits for the GIL, which this thread holds, looks idle; but it has run since the last look. Linux
    only: elsewhere no thread is reported.
    """
    me = str(threading.get_native_id())
    try:
        folders = [TASKS / name for name in os.listdir(TASKS) if name != me]
        states = [(folder / "stat").read_text().rpartition(")")[2].split()[0] for folder in folders]
        return bool({"R", "D"} & {*states}), [(folder / "schedstat").read_text() for folder in folders]
    except OSError:  # the thread has just ended
        return False, []


class Selector(selectors.DefaultSelector):
    """Waits for sockets and threads; when nothing has come for `QUIET` seconds, it moves the loop's time instead."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> Any:
        """Wait for events up to `timeout` seconds of virtual time."""
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
    """The event loop. `now` is the virtual time in seconds; `errands` are calls in executors of the bot's own."""

    selector: type[Selector] = Selector

    def __init__(self) -> None:
        self.now = 0.0
        self.errands: set[Future[Any]] = set()
        selector = self.selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        """The virtual time in seconds."""
        return self.now

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:  # type: ignore[override]
        """Run a function in a thread. The clock does not jump while an executor other than the default one works.

        A thread of such an executor may wait for another process and then looks idle.
        """
        if executor is None:
            return super().run_in_executor(executor, func, *args)
        errand: Future[Any] = executor.submit(func, *args)
        self.errands.add(errand)
        errand.add_done_callback(self.errands.discard)
        return asyncio.wrap_future(errand, loop=self)


class LoopClock:
    """The virtual time of a loop (the running one by default) as a `Clock`, usable in other threads too.

    The wall clock begins in January 2027.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop or asyncio.get_running_loop()
        self.shift = 0.0  # seconds that a test has moved the wall clock

    def monotonic(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._loop.time()

    def time(self) -> float:
        """The virtual Unix time."""
        return 1_800_000_000.0 + self.monotonic() + self.shift

    async def sleep(self, seconds: float) -> None:
        """Wait so many virtual seconds."""
        await asyncio.sleep(max(seconds, 0.0))
