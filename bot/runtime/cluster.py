"""One process or many: which dispatcher a bot gets, and what all processes of one bot share."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.clock import Clock
from bot.config.settings import Settings
from bot.dispatch.conversation_queue import ConversationQueue
from bot.errors import ConfigError
from bot.jobs.worker import JobWorker
from bot.ports import ChatHost, Dispatcher
from bot.storage.store import Store

if TYPE_CHECKING:
    from bot.storage.cluster.shared_rate_limit import SharedRateLimit
    from bot.storage.cluster.shared_semaphore import SharedSemaphore


EXTRA = "DATABASE_URL: PostgreSQL needs an extra of Govorun: pip install 'govorun[postgres]'"


def quota(settings: Settings, clock: Clock, bot: int) -> SharedRateLimit:
    """Return the rate limit that all processes of a bot share. The dispatcher opens its connection when it runs."""
    from bot.storage.cluster.procrastinate import connector
    from bot.storage.cluster.shared_rate_limit import SharedRateLimit

    return SharedRateLimit(
        connector=connector(settings.database_url), bot=bot, rate=settings.telegram_rate, clock=clock
    )


def dispatcher(
    settings: Settings,
    store: Store,
    queue: ConversationQueue,
    jobs: JobWorker,
    quota: SharedRateLimit | None,
    reload_access: Callable[[], Awaitable[None]],
) -> Dispatcher:
    """Return the dispatcher of a bot. With a `quota` it shares the work with other processes.

    `reload_access` reloads the cached members and groups after another process has changed them.
    """
    if quota is None:
        return LocalDispatcher(store=store, queue=queue, jobs=jobs, bot=jobs.bot)
    from bot.runtime.cluster_dispatcher import ClusterDispatcher

    return ClusterDispatcher(
        link=quota.link,
        url=settings.database_url,
        store=store,
        queue=queue,
        jobs=jobs,
        bot=jobs.bot,
        reload_access=reload_access,
    )


def places(settings: Settings, clock: Clock) -> SharedSemaphore:
    """Return the semaphore for requests to the model in all processes. Raises `ConfigError` without psycopg."""
    try:
        from bot.storage.cluster.shared_semaphore import SharedSemaphore
    except ImportError:
        raise ConfigError(EXTRA) from None
    return SharedSemaphore(
        url=settings.database_url, name=f"models {settings.yc_folder_id}", most=settings.yc_concurrency, clock=clock
    )


def first_code(settings: Settings, used: int) -> str:
    """Return the code that makes somebody the first owner, equal in all processes; only the token's owner can compute
    it.

    `used`: how many such codes were used. Each gives another code, so that a former owner does not know the next.
    """
    made = hmac.digest(settings.bot_token.get_secret_value().encode(), b"first owner %d" % used, "sha256")
    return base64.urlsafe_b64encode(made[:16]).decode().rstrip("=")


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
