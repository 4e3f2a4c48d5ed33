"""A timeout for a task that waits hundreds of times, as for each piece of a stream. Begin with `Deadline`."""

from __future__ import annotations

import asyncio
from typing import Any, Self


class Deadline:
    """`asyncio.timeout` for many short waits of one task, one after the other, with one timer for all of them.

    A timer for each piece of a stream was a twentieth of an answer's CPU time. Most waits end long before their
    deadline, so the timer is not reset for each wait: it rings too early, and is then set to the current deadline.
    """

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._until = 0.0
        self._waiting: asyncio.Task[Any] | None = None
        self._rang = False
        self._cancelling = 0

    def set(self, until: float) -> Self:
        """Set the time (of the loop's clock) for a `with` block, which raises `TimeoutError` when that has come."""
        if (task := asyncio.current_task()) is None:
            raise RuntimeError("only a task can be woken")
        self._until, self._waiting, self._rang = until, task, False
        self._cancelling = task.cancelling()
        if self._timer is None or self._timer.when() > until:
            self._wind()
        return self

    def __enter__(self) -> None:
        """Do nothing: `set` has done it."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        task, self._waiting = self._waiting, None
        if kind is asyncio.CancelledError and self._rang and task is not None and task.uncancel() <= self._cancelling:
            raise TimeoutError from None

    def remove(self) -> None:
        """Cancel the timer, when no more waits will come."""
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
