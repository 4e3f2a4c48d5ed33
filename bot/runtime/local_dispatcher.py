"""The dispatcher of a bot that runs in one process only: that process handles each update it accepts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.dispatch.conversation_queue import ConversationQueue
from bot.jobs.worker import JobWorker
from bot.ports import ChatHost
from bot.storage.store import Store


@dataclass(slots=True, kw_only=True)
class LocalDispatcher:
    """Handles updates and jobs in this process alone; no other process has to be told of anything."""

    store: Store
    queue: ConversationQueue
    jobs: JobWorker
    bot: int

    @property
    def at_once(self) -> bool:
        """True: the process that accepts an update handles it."""
        return True

    async def begin(self, chats: ChatHost) -> None:
        """Work on what an earlier run has left."""
        await chats.recover()

    async def run(self) -> None:
        """Run due jobs until cancelled."""
        await self.jobs.run()

    async def lead(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work`: the only process is always the leader."""
        await work()

    async def drain(self, seconds: float) -> None:
        """Let running turns end for this many seconds, then put the updates of the others back for the next start."""
        await self.queue.drain(seconds)
        await self.store.write(lambda tx: tx.inbox.requeue(self.bot))
