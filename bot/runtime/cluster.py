"""One process or many: which dispatcher a bot gets, and what all processes of one bot have together."""

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
    from bot.storage.cluster.shared_semaphore import Places


EXTRA = "DATABASE_URL: PostgreSQL needs an extra of Govorun: pip install 'govorun[postgres]'"


def quota(settings: Settings, clock: Clock, bot: int) -> SharedRateLimit:
    """What all processes of the bot may send together. Its link is not open: the dispatcher opens it when it runs."""
    from bot.storage.cluster.procrastinate import connector
    from bot.storage.cluster.shared_rate_limit import SharedRateLimit

    return SharedRateLimit(connector(settings.database_url), bot, settings.telegram_rate, clock)


def dispatcher(
    settings: Settings,
    store: Store,
    queue: ConversationQueue,
    jobs: JobWorker,
    quota: SharedRateLimit | None,
    reload_access: Callable[[], Awaitable[None]],
) -> Dispatcher:
    """`quota`: other processes may work for the same bot. `reload_access` reads anew who is let in."""
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


def places(settings: Settings, clock: Clock) -> Places:
    """What may be under way at the model in all processes together. Raises `ConfigError` without psycopg."""
    try:
        from bot.storage.cluster.shared_semaphore import Places
    except ImportError:
        raise ConfigError(EXTRA) from None
    return Places(settings.database_url, f"models {settings.yc_folder_id}", settings.yc_concurrency, clock)


def first_code(settings: Settings, used: int) -> str:
    """What makes the first owner, the same in all processes: nobody knows it who does not know the token.

    It is another one after each that was used: who owned the bot once does not know the next.
    """
    made = hmac.digest(settings.bot_token.get_secret_value().encode(), b"first owner %d" % used, "sha256")
    return base64.urlsafe_b64encode(made[:16]).decode().rstrip("=")
