"""The bot as a process: its event loop, signals, the lock on its database, the health server, and how it ends."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Callable
from contextlib import nullcontext

from bot.announce import announce
from bot.app import Bot, build
from bot.engine import Role
from bot.errors import BotError, ConfigError
from bot.extension import Extension
from bot.loop import WatchedLoop
from bot.probes import serving
from bot.settings import Settings
from bot.storage.dialects import is_sqlite
from bot.storage.files import alone

log = logging.getLogger(__name__)

DEFECT = 70  # the exit status: EX_SOFTWARE
YOUNG = 5_000  # new objects before the garbage collector looks at them; Python's own 700 are those of one answer


def run(settings: Settings, extension: Extension | None = None, role: Role = Role.ALL) -> None:
    """Run the bot until it is stopped, on an event loop that tells when it is held up. Raises as `serve`.

    A defect that ends it goes into the log, where no secret stands, and not to the interpreter, which prints it all.
    """
    with asyncio.Runner(loop_factory=WatchedLoop) as runner:
        try:
            runner.run(serve(settings, extension, role))
        except BotError:
            raise
        except Exception:
            log.critical("the bot ends because of a defect", exc_info=True)
            raise SystemExit(DEFECT) from None


async def serve(settings: Settings, extension: Extension | None = None, role: Role = Role.ALL) -> None:
    """Run until SIGTERM or SIGINT, then drain; a second signal ends at once. Raises the error that ended the bot."""
    _check(settings, role)
    with alone(settings.database_url) if is_sqlite(settings.database_url) else nullcontext():
        try:
            async with build(settings, extension=extension, role=role) as app, serving(app) as health:
                announce(settings, health, app.store.version, app.joining.code)
                _on_signals(app.stop)
                _keep_what_is_loaded()
                await _watched(app)
        except* BotError as group:
            raise _first(group) from None


def _check(settings: Settings, role: Role) -> None:
    """Raises `ConfigError` for a role that can't be played with these settings."""
    if is_sqlite(settings.database_url):
        if role is not Role.ALL:
            raise ConfigError(f"--role {role}: several processes need PostgreSQL, and DATABASE_URL is a file")
        return
    if role is Role.WEBHOOK and not settings.webhook_url:
        raise ConfigError(f"--role {role}: WEBHOOK_URL is empty, so there is nothing to take")
    if role.takes and settings.webhook_url and not settings.webhook_secret.get_secret_value():
        raise ConfigError("WEBHOOK_SECRET is empty: all processes that take the webhook need the same one")


async def _watched(app: Bot) -> None:
    loop = asyncio.get_running_loop()
    with loop.watched(app.metrics) if isinstance(loop, WatchedLoop) else nullcontext():
        await app.run()


def _keep_what_is_loaded() -> None:
    """It stays to the end, so the garbage collector need not go through it again, in pauses of 0.1 s.

    What is young is looked at less often too. Together that was 6 % of the CPU.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG)


def _on_signals(stop: Callable[[], None]) -> None:
    """The first signal stops in order, the second at once: what is open is in the database."""
    loop = asyncio.get_running_loop()

    def first() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, os._exit, 1)
        stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, first)


def _first(group: BaseExceptionGroup[BotError]) -> BotError:
    for error in group.exceptions:
        return _first(error) if isinstance(error, BaseExceptionGroup) else error
    raise AssertionError("an exception group is never empty")
