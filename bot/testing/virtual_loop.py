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
from typing import Any

QUIET = 0.004  # real seconds without an event after which nothing can be in progress
TASKS = "/proc/self/task"


class Threads:
    """The other threads of this process, as Linux describes them; elsewhere none is seen.

    A thread that waits for the GIL, which this thread holds, looks idle; but it has run since the last look. The files
    of a thread stay open as long as it lives: opening them takes most of the time of a look.
    """

    def __init__(self) -> None:
        self._files: dict[str, tuple[int, int]] = {}  # by the thread's number: its `stat` and its `schedstat`

    def times(self) -> list[bytes]:
        """How long each thread has run so far."""
        try:
            self._find()
            return [os.pread(times, 64, 0) for _, times in self._files.values()]
        except OSError:  # a thread has just ended
            return []

    def works(self) -> bool:
        """Whether one of the threads that `times` has found runs or waits for the disk."""
        try:
            return any(os.pread(state, 512, 0).rpartition(b") ")[2][:1] in b"RD" for state, _ in self._files.values())
        except OSError:  # a thread has just ended
            return True

    def _find(self) -> None:
        """Open the files of new threads and close those of ended ones. Raises `OSError`."""
        names = {*os.listdir(TASKS)} - {str(threading.get_native_id())}
        for name in self._files.keys() - names:
            self._close(name)
        for name in names - self._files.keys():
            state = os.open(f"{TASKS}/{name}/stat", os.O_RDONLY)
            self._files[name] = state, os.open(f"{TASKS}/{name}/schedstat", os.O_RDONLY)

    def _close(self, name: str) -> None:
        for file in self._files.pop(name):
            os.close(file)

    def close(self) -> None:
        """Close all files."""
        for name in [*self._files]:
            self._close(name)


class Selector(selectors.DefaultSelector):
    """Waits for sockets and threads; when nothing has come for `QUIET` seconds, it moves the loop's time instead."""

    loop: VirtualLoop

    def __init__(self) -> None:
        super().__init__()
        self._threads = Threads()

    def select(self, timeout: float | None = None) -> Any:
        """Wait for events up to `timeout` seconds of virtual time."""
        if timeout is None:
            return super().select(None)
        events = super().select(0)
        if events or timeout <= 0:
            return events
        ran = self._threads.times()
        while not (events := super().select(QUIET)):
            before, ran = ran, self._threads.times()
            if ran == before and not self.loop.errands and not self._threads.works():
                break
        if not events:
            self.loop.now += timeout
        return events

    def close(self) -> None:
        """Close the selector and what it has opened to see the threads."""
        self._threads.close()
        super().close()


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
