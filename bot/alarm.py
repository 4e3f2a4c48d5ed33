"""A timeout for waits that come by the hundred."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Alarm:
    """`asyncio.timeout` for many short waits of one task, one after the other, with one timer for all of them.

    A timer for each piece of a stream was a twentieth of an answer's CPU. The timer that is set rings early, since most
    waits end well before their time, and is wound again then.
    """

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._until = 0.0
        self._waiting: asyncio.Task[Any] | None = None
        self._rang = False

    @contextmanager
    def set(self, until: float) -> Iterator[None]:
        """Raises `TimeoutError` where what is inside waits for longer."""
        if (task := asyncio.current_task()) is None:
            raise RuntimeError("only a task can be woken")
        cancelling = task.cancelling()
        self._until, self._waiting, self._rang = until, task, False
        if self._timer is None or self._timer.when() > until:
            self._wind()
        try:
            yield
        except asyncio.CancelledError:
            if self._rang and task.uncancel() <= cancelling:
                raise TimeoutError from None
            raise
        finally:
            self._waiting = None

    def remove(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wind(self) -> None:
        self.remove()
        self._timer = self.loop.call_at(self._until, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._waiting is None:
            return
        if self.loop.time() < self._until:
            self._wind()
        else:
            self._rang = True
            self._waiting.cancel()
