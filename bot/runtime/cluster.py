"""One process or many: which engine a bot gets, and what the processes of one bot have together."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from bot.clock import Clock
from bot.config.settings import Settings
from bot.dispatch.pipeline import ConversationQueue
from bot.errors import ConfigError
from bot.jobs.worker import Jobs
from bot.ports import Dispatcher
from bot.runtime.local_dispatcher import LocalDispatcher
from bot.storage.store import Store

if TYPE_CHECKING:
    from bot.storage.cluster.shared_semaphore import Places


EXTRA = "DATABASE_URL: PostgreSQL needs an extra of Govorun: pip install 'govorun[postgres]'"


def engine(
    settings: Settings,
    store: Store,
    handler: ConversationQueue,
    jobs: Jobs,
    clock: Clock,
    bot: int,
    look: Callable[[], Awaitable[None]],
    *,
    shared: bool,
) -> Dispatcher:
    """`shared`: other processes may work for the same bot. `look` reads anew who is let in."""
    if not shared:
        return LocalDispatcher(store, handler, jobs, bot)
    from bot.runtime.cluster_dispatcher import ClusterDispatcher

    return ClusterDispatcher(settings.database_url, store, handler, jobs, clock, bot, settings.telegram_rate, look)


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
