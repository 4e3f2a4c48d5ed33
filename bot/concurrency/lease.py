"""The right of one process to work on something: a lease, and what was started under it.

`current` is set where the work begins and is inherited by every task that is started in it, like the turn in
`telemetry/turn_log.py`. Where one process does everything there is none, and nothing of this happens. Whoever has lost
a lease is stopped by `LeaseLost` before it can do anything that somebody sees: the next holder is at work already.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import Context, ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bot.clock import Clock
from bot.types import Address

T = TypeVar("T")
CERTAIN = 2.5  # seconds for which a look at the lease counts; it is given to others after more than these


class LeaseLost(asyncio.CancelledError):
    """Another process works on this now. A cancellation: nobody answers it, and no apology is sent."""


class FencedOut(Exception):
    """The database has found, inside a transaction, that the lease is not ours any more."""


def lock_of(address: Address) -> str:
    """The name of the lease of a chat."""
    return f"chat:{address.bot}:{address.place}"


@dataclass(slots=True, eq=False)
class Lease:
    """`lock` is what nobody else may work on; job, worker and attempts together are never given out twice.

    `seen` is when it was last known to be ours (of the clock's `monotonic`), `look` asks again. `tasks` is what was
    started under it and has not ended; `changed` is set when one has, and when there are `news` of the chat. `over` is
    set when nothing is done under it any more.
    """

    lock: str
    job: int
    worker: int
    attempts: int
    clock: Clock
    look: Callable[[], Awaitable[None]]
    seen: float
    lost: bool = False
    news: bool = False
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def covers(self, address: Address) -> bool:
        return self.lock == lock_of(address)

    async def insist(self) -> None:
        """Return while it is ours. Raises `LeaseLost`.

        A process may have stood still: after more time than a look counts for it is looked at anew.
        """
        while not self.lost and self.clock.monotonic() - self.seen > CERTAIN:
            await self.look()
        if self.lost:
            raise LeaseLost

    def lose(self) -> None:
        """End everything that was started under it."""
        self.lost = True
        self.changed.set()
        for task in self.tasks:
            task.cancel()


current: ContextVar[Lease | None] = ContextVar("lease", default=None)


async def insist() -> None:
    """Return where the work is ours to do. Raises `LeaseLost`."""
    if (lease := current.get()) is not None:
        await lease.insist()


def covers(address: Address) -> bool:
    """Whether what waits for a chat is delivered from here."""
    lease = current.get()
    return lease is None or lease.covers(address)


class Tasks(asyncio.TaskGroup):
    """A task group that knows under which lease a task was started: with its last one the work has come to its end."""

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        task = super().create_task(coro, name=name, context=context)
        lease = current.get() if context is None else context.get(current)
        if lease is not None:
            lease.tasks.add(task)
            task.add_done_callback(lambda ended: _ended(lease, ended))
        return task


def _ended(lease: Lease, task: asyncio.Task[Any]) -> None:
    lease.tasks.discard(task)
    lease.changed.set()
