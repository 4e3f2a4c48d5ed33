"""An event loop with virtual time: when nothing can happen, its clock jumps to the next timer.

Real sockets on loopback and SQLite's threads work as always; only waiting takes no time. An hour of flood wait, the 30
s of a draft and an open poll pass as soon as everything waits.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any

QUIET = 0.004  # real seconds without an event after which nothing can be in progress
TASKS = "/proc/self/task"


def times() -> dict[str, bytes]:
    """How long each other thread of the process has run so far, by its number; elsewhere than on Linux there is none.

    A thread that waits for the GIL, which this thread holds, looks idle; but it has run since the last look.
    """
    me = str(threading.get_native_id())
    try:
        return {name: _read(f"{TASKS}/{name}/schedstat") for name in os.listdir(TASKS) if name != me}
    except OSError:  # a thread has just ended, or there is no free descriptor
        return {}


def works(threads: Iterable[str]) -> bool:
    """Whether one of these threads runs or waits for the disk."""
    try:
        return any(_read(f"{TASKS}/{name}/stat").rpartition(b") ")[2][:1] in (b"R", b"D") for name in threads)
    except OSError:
        return False


def _read(path: str) -> bytes:
    """Read a short file. `Path.read_bytes` takes three times as long, and waits do this a thousand times a second."""
    file = os.open(path, os.O_RDONLY)
    try:
        return os.read(file, 512)
    finally:
        os.close(file)


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
        ran = times()
        while not (events := super().select(QUIET)):
            before, ran = ran, times()
            if ran == before and not self.loop.errands and not works(ran):
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
