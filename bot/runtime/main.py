"""The process: event loop, signals, the lock on its database, the health server, and how the process ends."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING

from bot.clock import SystemClock
from bot.config.multi_bot import Plan, one_line
from bot.config.settings import Settings
from bot.errors import BotError, ConfigError
from bot.extension import Extension
from bot.ports import ProcessRole
from bot.runtime import sd_notify
from bot.runtime.event_loop import WatchedLoop
from bot.runtime.resources import SharedResources
from bot.runtime.supervisor import Supervisor
from bot.storage.engines.sqlite_files import alone
from bot.storage.engines.urls import is_sqlite
from bot.telemetry import logging as logs
from bot.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from bot.runtime.health_server import Patients

log = logging.getLogger(__name__)

DEFECT = 70  # the exit status: EX_SOFTWARE
STANDARD_INPUT = 0
MMAP_THRESHOLD, LARGE = -3, 1 << 20  # M_MMAP_THRESHOLD of mallopt(3); bytes
YOUNG = 5_000  # new objects before the garbage collector looks at them; Python's own 700 are those of one answer

Read = Callable[[], Plan]


def run(plan: Plan, read: Read, extension: Extension | None = None, role: ProcessRole = ProcessRole.ALL) -> None:
    """Run the bots until they are stopped, on an event loop that reports blocking callbacks. Raises as `serve` does.

    An unexpected exception is written into the log, which is redacted, and not to the interpreter, which would print
    all.
    """
    _give_large_blocks_back()
    _keep_what_is_loaded()
    with asyncio.Runner(loop_factory=WatchedLoop) as runner:
        try:
            runner.run(serve(plan, read, extension, role))
        except BotError:
            raise
        except Exception:
            log.critical("the bot ends because of a defect", exc_info=True)
            raise SystemExit(DEFECT) from None


async def serve(
    plan: Plan, read: Read, extension: Extension | None = None, role: ProcessRole = ProcessRole.ALL
) -> None:
    """Run until SIGTERM or SIGINT, then drain; a second signal ends the process at once.

    SIGHUP calls `read` and applies the new settings. Raises the error that ended the last bot.
    """
    check = partial(_check, role=role)
    plan, settings = plan.checked(check), plan.process
    with alone(settings.database_url) if is_sqlite(settings.database_url) else nullcontext():
        async with (
            sd_notify.telling(SystemClock()) as notifier,
            SharedResources.open(settings, SystemClock()) as process,
        ):
            fleet = Supervisor(process=process, plan=plan, role=role, extension=extension or Extension())
            notifier.is_ready = fleet.is_ready
            async with health(settings, fleet.health_by_bot, process.metrics):
                _on_signals(fleet.stop, partial(_reload, fleet, lambda: read().checked(check)))
                await _watched(fleet)


def health(settings: Settings, patients: Patients, metrics: Metrics) -> AbstractAsyncContextManager[str]:
    """Serve health checks while inside, if HEALTH_PORT is set. Gives the address, or "". Raises `ConfigError`."""
    if not settings.health_port:
        return nullcontext("")
    from bot.runtime.health_server import serving  # with it comes a server, 2 MB

    return serving(settings, patients, metrics)


def _check(settings: Settings, role: ProcessRole) -> None:
    """Raises `ConfigError` for a role that can't be played with these settings."""
    if is_sqlite(settings.database_url):
        if role is not ProcessRole.ALL:
            raise ConfigError(f"--role {role}: several processes need PostgreSQL, and DATABASE_URL is a file")
        return
    if role is ProcessRole.WEBHOOK and not settings.webhook_url:
        raise ConfigError(f"--role {role}: WEBHOOK_URL is empty, so there is nothing to take")
    if role.takes and settings.webhook_url and not settings.webhook_secret.get_secret_value():
        raise ConfigError("WEBHOOK_SECRET is empty: all processes that take the webhook need the same one")


async def _watched(fleet: Supervisor) -> None:
    loop = asyncio.get_running_loop()
    with loop.watched(fleet.process.metrics) if isinstance(loop, WatchedLoop) else nullcontext():
        await fleet.run()


def _keep_what_is_loaded() -> None:
    """It stays to the end, so the garbage collector need not go through it again, in pauses of 0.1 s.

    What is young is looked at less often too. Together that was 6 % of the CPU. The bots come after it: one that is
    built anew leaves the one before to the collector.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG)


def _on_signals(stop: Callable[[], None], reload: Callable[[], None]) -> None:
    """The first signal stops in order, the second at once: what is open is in the database.

    SIGHUP is also what a terminal says when it is closed: that is no call for new settings.
    """
    loop, terminal = asyncio.get_running_loop(), os.isatty(STANDARD_INPUT)

    def first() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, os._exit, 1)
        stop()

    def hung_up() -> None:
        if terminal and not os.isatty(STANDARD_INPUT):
            first()
        else:
            reload()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, first)
    loop.add_signal_handler(signal.SIGHUP, hung_up)


def _reload(fleet: Supervisor, read: Read) -> None:
    """Read the settings again. Those that can't be used change nothing."""
    try:
        plan = read()
    except ConfigError as error:
        log.error("the settings stay as they are: %s", one_line(error))
        return
    # What is replaced may still be said by what is being stopped.
    logs.configure(plan.process.log_level, [*plan.secrets(), *fleet.secrets()], plan.process.log_format)
    log.info("the settings were read again")
    fleet.apply(plan)


def _give_large_blocks_back() -> None:
    """Let glibc return the memory of a file to the system when it is freed.

    Left alone, glibc raises its threshold for that with the first large block, and keeps the next ones: 30 MB after
    three files of 14 MB. Other C libraries have no such call, and no such habit.
    """
    if sys.platform == "linux":
        with suppress(AttributeError):
            ctypes.CDLL(None).mallopt(MMAP_THRESHOLD, LARGE)
