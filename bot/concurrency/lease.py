"""Leases: the right of one of several processes to work on a chat or another thing, for a while. Begin with `Lease`.

`current` is the lease under which this task works; tasks that it starts inherit it. If the bot has only one process
there are no leases, and `current` is None. A process that has lost a lease is stopped by `LeaseLost` before it does
anything that people see, since the next holder is at work already.
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
CERTAIN = 2.5  # seconds for which an answer about the lease is relied on; others get the lease later than that


class LeaseLost(asyncio.CancelledError):
    """Another process holds the lease now. It is a cancellation, so no error handler answers or apologises."""


class FencedOut(Exception):
    """A transaction found that this process does not hold the lease any more; nothing was written."""


def lock_of(address: Address) -> str:
    """The name of the lease of the chat that an address is in."""
    return f"chat:{address.bot}:{address.chat_key}"


@dataclass(slots=True, eq=False, kw_only=True)
class Lease:
    """The right of this process to work on what `lock` names, until it is given up or another process gets it.

    `job`, `worker` and `attempts` together are the fencing token: no two leases have the same three. `seen` is when the
    database last confirmed that this process holds the lease (the clock's `monotonic`); `look` asks the database again.
    `tasks` are the tasks that were started under the lease and still run. `changed` is set when one of them ends, and
    when `news` becomes true because the chat has new updates. `over` is set when nothing is done under the lease any
    more.
    """

    lock: str
    job: int
    worker: int
    attempts: int
    clock: Clock
    look: Callable[[], Awaitable[None]]
    seen: float
    lost: bool = field(default=False, init=False)
    news: bool = field(default=False, init=False)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set, init=False)
    changed: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    over: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    def covers(self, address: Address) -> bool:
        """Whether this is the lease of the chat that an address is in."""
        return self.lock == lock_of(address)

    async def ensure_held(self) -> None:
        """Return if this process holds the lease. Raises `LeaseLost`.

        Asks the database if it was last asked more than `CERTAIN` seconds ago: the process may have stood still.
        """
        while not self.lost and self.clock.monotonic() - self.seen > CERTAIN:
            await self.look()
        if self.lost:
            raise LeaseLost

    def ended(self, task: asyncio.Task[Any]) -> None:
        """Forget a task that was started under the lease and has ended."""
        self.tasks.discard(task)
        self.changed.set()

    def lose(self) -> None:
        """Cancel all tasks that were started under the lease: another process holds it."""
        self.lost = True
        self.changed.set()
        for task in self.tasks:
            task.cancel()


current: ContextVar[Lease | None] = ContextVar("lease", default=None)


async def ensure_held() -> None:
    """Return if this task works under no lease, or under one that this process holds. Raises `LeaseLost`."""
    if (lease := current.get()) is not None:
        await lease.ensure_held()


def covers(address: Address) -> bool:
    """Whether this task may deliver to the chat that an address is in: there is no lease, or it is of that chat."""
    lease = current.get()
    return lease is None or lease.covers(address)


class Tasks(asyncio.TaskGroup):
    """A task group that adds each task to the lease under which it was started (`Lease.tasks`)."""

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        """Start a task, as every task group does; adds it to the current lease, if there is one."""
        task = super().create_task(coro, name=name, context=context)
        lease = current.get() if context is None else context.get(current)
        if lease is not None:
            lease.tasks.add(task)
            task.add_done_callback(lease.ended)
        return task
