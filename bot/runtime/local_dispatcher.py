"""The dispatcher of a bot that one process runs: what is accepted is handed on at once, and nobody has to be told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.dispatch.conversation_queue import ConversationQueue
from bot.jobs.worker import JobWorker
from bot.ports import ChatHost
from bot.storage.store import Store


@dataclass(slots=True, kw_only=True)
class LocalDispatcher:
    store: Store
    queue: ConversationQueue
    jobs: JobWorker
    bot: int

    @property
    def at_once(self) -> bool:
        return True

    async def begin(self, chats: ChatHost) -> None:
        await chats.recover()

    async def run(self) -> None:
        await self.jobs.run()

    async def lead(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        await work()

    async def drain(self, seconds: float) -> None:
        await self.queue.drain(seconds)
        await self.store.write(lambda tx: tx.inbox.requeue(self.bot))
