"""The process: event loop, signals, the lock on its database, the health server, and how the process ends."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING

from bot.clock import SystemClock
from bot.concurrency.allocator import return_freed_memory
from bot.config.multi_bot import Plan, one_line
from bot.config.settings import Settings
from bot.errors import BotError, ConfigError
from bot.extension import Extension
from bot.ports import ProcessRole
from bot.runtime.event_loop import WatchedLoop
from bot.runtime.health import sd_notify
from bot.runtime.resources import SharedResources
from bot.runtime.supervisor import Problems, Supervisor
from bot.storage.engines.sqlite_files import alone
from bot.storage.engines.urls import is_sqlite
from bot.telemetry import logging as logs
from bot.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from bot.runtime.health.server import HealthByBot

log = logging.getLogger(__name__)

DEFECT = 70  # the exit status: EX_SOFTWARE
STANDARD_INPUT = 0
YOUNG = 5_000  # new objects before the garbage collector looks at them; Python's own 700 are those of one answer
OLDER = (10, 10)  # after so many collections of a generation the next older one is collected: Python's own numbers

Read = Callable[[], Plan]


def run(
    plan: Plan,
    read: Read,
    extension: Extension | None = None,
    role: ProcessRole = ProcessRole.ALL,
    problems: Problems | None = None,
) -> None:
    """Run the bots until they are stopped, on an event loop that reports blocking callbacks. Raises as `serve` does.

    An unexpected exception is written into the log, which is redacted, and not to the interpreter, which would print
    all.
    """
    return_freed_memory()
    _freeze_loaded_objects()
    with asyncio.Runner(loop_factory=WatchedLoop) as runner:
        try:
            runner.run(serve(plan, read, extension, role, problems))
        except BotError:
            raise
        except Exception:
            log.critical("the bot ends because of a defect", exc_info=True)
            raise SystemExit(DEFECT) from None


async def serve(
    plan: Plan,
    read: Read,
    extension: Extension | None = None,
    role: ProcessRole = ProcessRole.ALL,
    problems: Problems | None = None,
) -> None:
    """Run until SIGTERM or SIGINT, then drain; a second signal ends the process at once.

    SIGHUP calls `read` and applies the new settings. `problems` finds what is wrong after each start of a bot (see
    `Supervisor`). Raises the error that ended the last bot.
    """
    check = partial(_check, role=role)
    plan, settings = plan.checked(check), plan.process
    with alone(settings.database_url):
        async with (
            sd_notify.telling(SystemClock()) as notifier,
            SharedResources.open(settings, SystemClock()) as process,
        ):
            supervisor = Supervisor(
                process=process, plan=plan, role=role, extension=extension or Extension(), problems=problems
            )
            notifier.is_ready = supervisor.is_ready
            async with health(settings, supervisor.health_by_bot, process.metrics):
                _on_signals(supervisor.stop, partial(_reload, supervisor, lambda: read().checked(check)))
                await _run_watched(supervisor)


def health(settings: Settings, health_by_bot: HealthByBot, metrics: Metrics) -> AbstractAsyncContextManager[str]:
    """Serve health checks while inside, if HEALTH_PORT is set. Yields the address, or "". Raises `ConfigError`."""
    if not settings.health_port:
        return nullcontext("")
    from bot.runtime.health.server import serving  # with it comes a server, 2 MB

    return serving(settings, health_by_bot, metrics)


def _check(settings: Settings, role: ProcessRole) -> None:
    """Raise `ConfigError` if the settings do not allow this role."""
    if is_sqlite(settings.database_url):
        if role is not ProcessRole.ALL:
            raise ConfigError(f"--role {role}: several processes need PostgreSQL, and DATABASE_URL is a file")
        return
    if role is ProcessRole.WEBHOOK and not settings.webhook_url:
        raise ConfigError(f"--role {role}: WEBHOOK_URL is empty, so there is nothing to take")
    if role.takes and settings.webhook_url and not settings.webhook_secret.get_secret_value():
        raise ConfigError("WEBHOOK_SECRET is empty: all processes that take the webhook need the same one")


async def _run_watched(supervisor: Supervisor) -> None:
    loop = asyncio.get_running_loop()
    with loop.watched(supervisor.process.metrics) if isinstance(loop, WatchedLoop) else nullcontext():
        await supervisor.run()


def _freeze_loaded_objects() -> None:
    """Keep the garbage collector from the modules and classes loaded so far, which took pauses of 0.1 s each time.

    New objects are collected less often, too. Together that was 6 % of the CPU time. Bots are built after this call,
    so that a bot that is replaced can be collected.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *OLDER)


def _on_signals(stop: Callable[[], None], reload: Callable[[], None]) -> None:
    """Stop in order at the first signal and at once at the second: unfinished work is in the database.

    SIGHUP reloads the settings, unless a terminal sends it because it was closed: then it stops the process, too.
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


def _reload(supervisor: Supervisor, read: Read) -> None:
    """Read the settings again and apply them, unless they are wrong."""
    try:
        plan = read()
    except ConfigError as error:
        log.error("the settings stay as they are: %s", one_line(error))
        return
    # Keep redacting old secrets: a bot that is stopping may still log them.
    logs.configure(plan.process.log_level, [*plan.secrets(), *supervisor.secrets()], plan.process.log_format)
    log.info("the settings were read again")
    supervisor.apply(plan)
