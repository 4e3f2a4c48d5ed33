"""The engine of one process that does everything: what is accepted is handed on at once, and nobody has to be told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.dispatch.pipeline import ConversationQueue
from bot.jobs.worker import Jobs
from bot.ports import ChatHost
from bot.storage.store import Store


@dataclass(slots=True)
class LocalDispatcher:
    store: Store
    handler: ConversationQueue
    jobs: Jobs
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

    async def permit(self) -> None:
        """The budget of this process is the whole one."""

    def spent(self) -> None:
        """It was counted there."""

    async def drain(self, seconds: float) -> None:
        await self.handler.drain(seconds)
        await self.store.write(lambda tx: tx.updates.park(self.bot))
