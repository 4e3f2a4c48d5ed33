"""A bot inside another program, in its event loop: `App.running`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

from bot.clock import Clock, SystemClock
from bot.config.multi_bot import Plan
from bot.config.settings import Settings, has_key
from bot.errors import BotError, ConfigError
from bot.extension import Extension
from bot.extension.running import Running, current
from bot.runtime.bot import Bot
from bot.runtime.build import build
from bot.runtime.resources import SharedResources
from bot.storage.engines.sqlite_files import alone

log = logging.getLogger(__name__)

CLOCK = SystemClock()
PATIENCE = 10.0  # seconds for a start, after which the bot goes on to start while the program does its own work


class Startable(Protocol):
    """What is asked of an App to run it."""

    extension: Extension

    def settings(self, **more: Any) -> Settings:
        """Return the settings. Raises `ConfigError`."""
        ...

    def plan(self, settings: Settings) -> Plan:
        """Return the bots to run. Raises `ConfigError`."""
        ...


@asynccontextmanager
async def entered(app: Startable, given: Mapping[str, Any], clock: Clock = CLOCK) -> AsyncIterator[Running[Any]]:
    """Run the bot of an App in a task of its own while the block lasts, and yield it once it takes updates, or is ready
    but for Telegram, which may be away for hours: the bot goes on trying.
    """
    program = app.extension.program
    if program.is_entered:
        raise RuntimeError(
            "this App runs already: leave its block of App.running first; for several bots there is BOTS"
        )
    program.is_entered = True
    try:
        async with _entered(app, given, clock) as running:
            yield running
    finally:
        program.is_entered = False


@asynccontextmanager
async def _entered(app: Startable, given: Mapping[str, Any], clock: Clock) -> AsyncIterator[Running[Any]]:
    settings = app.settings(**given)
    app.extension.ai.only_models = bool(app.extension.ai.models) and not has_key(settings)
    plan = app.plan(settings)
    if settings.bots is not None:
        raise ConfigError("BOTS: App.running runs one bot; several bots are run by `govorun run` or App.run")
    (settings,) = plan.bots.values()
    with alone(settings.database_url):
        ready: asyncio.Future[Bot] = asyncio.get_running_loop().create_future()
        life = asyncio.create_task(_live(app, settings, clock, ready), name="bot")
        try:
            await asyncio.wait([ready, life], return_when=asyncio.FIRST_COMPLETED)  # type: ignore[type-var]
            if life.done():
                await life
            bot = await ready
            token = current.set(bot.running)
            try:
                yield bot.running
            finally:
                current.reset(token)
                bot.stop()
        except BaseException:
            if not ready.done():
                life.cancel()
            raise
        finally:
            await asyncio.wait([life])
        if not life.cancelled():
            await life


async def _live(app: Startable, settings: Settings, clock: Clock, ready: asyncio.Future[Bot]) -> None:
    try:
        async with (
            SharedResources.open(settings, clock, hooks=app.extension.program.hooks) as process,
            build(settings, extension=app.extension, process=process) as bot,
        ):
            opening = asyncio.create_task(_tell(bot, ready))
            try:
                await bot.run()
            finally:
                opening.cancel()
    except asyncio.CancelledError:
        raise
    except BaseException as raised:
        error = _only(raised)
        if ready.done():
            log.critical("the bot has ended by itself: %s", error)
        raise error from None if error is raised else raised


async def _tell(bot: Bot, ready: asyncio.Future[Bot]) -> None:
    waits = [asyncio.create_task(event.wait()) for event in (bot.started, bot.telegram.is_away)]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE)
    finally:
        for wait in waits:
            wait.cancel()
    ready.set_result(bot)


def _only(error: BaseException) -> BaseException:
    """Return the first error of ours in a group, or else the first error."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    found = [_only(one) for one in error.exceptions]
    return next((one for one in found if isinstance(one, BotError)), found[0])
