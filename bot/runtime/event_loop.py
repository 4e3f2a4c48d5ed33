"""The event loop, and a watch over callbacks that block it: while one computes, everything else waits.

Begin with `WatchedLoop`. Its selector knows when the loop begins to work and when it waits again, so an idle loop is
not woken to be measured. A thread looks at the loop ten times a second and notes the line of code in which it is stuck,
since nobody could find that out afterwards.
"""

from __future__ import annotations

import asyncio
import logging
import selectors
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath
from types import FrameType

from bot.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

BLOCK = 0.2  # seconds
LOOK = 0.1  # seconds between looks of the thread: half of what counts as a block, so that it sees each one
MEMORY = 60.0  # seconds that the longest block is shown
LOG_EVERY = 10.0  # seconds between lines: a machine that is too slow must not fill its log as well
MOST_CALLERS = 4  # frames, from the innermost


class Watched(selectors.DefaultSelector):
    """A selector that knows since when the loop has been working (`since`, monotonic seconds; 0.0: it is waiting)."""

    def __init__(self) -> None:
        super().__init__()
        self.since = 0.0
        self.where = ""  # noted by the thread while a block lasts
        self.metrics = Metrics()
        self.longest_at = self._logged_at = float("-inf")

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for events, as every selector does, and count how long the loop has worked before."""
        if self.since:
            self._worked(time.monotonic() - self.since)
        self.since = 0.0
        events = super().select(timeout)
        self.since = time.monotonic()
        return events

    def _worked(self, seconds: float) -> None:
        where, self.where = self.where, ""
        self.metrics.loop_busy_seconds.inc(seconds)
        if seconds > BLOCK:
            self._blocked(seconds, where, self.since + seconds)

    def _blocked(self, seconds: float, where: str, now: float) -> None:
        self.metrics.loop_blocks.inc()
        if seconds >= self.metrics.longest_block:
            self.metrics.longest_block, self.longest_at = seconds, now
        if now - self._logged_at >= LOG_EVERY:
            self._logged_at = now
            log.warning("the event loop was held up for %.0f ms in %s", seconds * 1000, where or "an unknown place")


class WatchedLoop(asyncio.SelectorEventLoop):
    """The event loop of the process; `watched` measures it."""

    def __init__(self) -> None:
        self._watched = Watched()
        super().__init__(self._watched)

    @contextmanager
    def watched(self, metrics: Metrics) -> Iterator[None]:
        """Measure into `metrics` while inside. Call it in the thread of the loop."""
        self._watched.metrics = metrics
        ended = threading.Event()
        thread = threading.Thread(target=_look, args=(self._watched, threading.get_ident(), ended), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _look(watched: Watched, loop_thread: int, ended: threading.Event) -> None:
    while not ended.wait(LOOK):
        since, now = watched.since, time.monotonic()
        if since and now - since > LOOK and not watched.where:
            where = _callers(sys._current_frames().get(loop_thread))
            if watched.since == since:
                watched.where = where
        if now - watched.longest_at > MEMORY:
            watched.metrics.longest_block = 0.0


def _callers(frame: FrameType | None) -> str:
    """Return the innermost functions of a stack, with files and lines but no values."""
    callers: list[str] = []
    while frame is not None and len(callers) < MOST_CALLERS:
        file = "/".join(PurePath(frame.f_code.co_filename).parts[-2:])
        callers.append(f"{frame.f_code.co_name} ({file}:{frame.f_lineno})")
        frame = frame.f_back
    return ", called by ".join(callers)
