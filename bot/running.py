"""The bot as a process: its event loop, signals, the lock on its database, the health server, and how it ends."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Callable
from contextlib import ExitStack, nullcontext

from bot.announce import announce
from bot.app import Bot, build
from bot.errors import BotError
from bot.extension import Extension
from bot.loop import WatchedLoop
from bot.probes import serving
from bot.settings import Settings
from bot.storage.locks import alone

log = logging.getLogger(__name__)

DEFECT = 70  # the exit status: EX_SOFTWARE
YOUNG = 5_000  # new objects before the garbage collector looks at them; Python's own 700 are those of one answer


def run(settings: Settings, extension: Extension | None = None) -> None:
    """Run the bot until it is stopped, on an event loop that tells when it is held up. Raises as `serve`.

    A defect that ends it goes into the log, where no secret stands, and not to the interpreter, which prints it all.
    """
    with asyncio.Runner(loop_factory=WatchedLoop) as runner:
        try:
            runner.run(serve(settings, extension))
        except BotError:
            raise
        except Exception:
            log.critical("the bot ends because of a defect", exc_info=True)
            raise SystemExit(DEFECT) from None


async def serve(settings: Settings, extension: Extension | None = None) -> None:
    """Run until SIGTERM or SIGINT, then drain; a second signal ends at once. Raises the error that ended the bot."""
    with ExitStack() as stack:
        lock = alone(settings.database_url, settings.bot_id)
        await asyncio.to_thread(stack.enter_context, lock)  # a server may be slow to answer
        try:
            async with build(settings, extension=extension) as app, serving(app) as health:
                announce(settings, health, app.store.version, app.joining.code)
                _on_signals(app.stop)
                _keep_what_is_loaded()
                await _watched(app)
        except* BotError as group:
            raise _first(group) from None


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
