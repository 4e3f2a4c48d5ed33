"""One process or many: which dispatcher a bot gets, and what all processes of one bot share."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from bot.clock import Clock
from bot.config.settings import Settings
from bot.dispatch.conversation_queue import ConversationQueue
from bot.errors import ConfigError
from bot.jobs.worker import JobWorker
from bot.ports import Dispatcher
from bot.runtime.local_dispatcher import LocalDispatcher
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
