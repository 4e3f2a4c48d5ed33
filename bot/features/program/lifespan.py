"""Opens at the start what a programmer's code needs, and closes it at the end: `App.lifespan`."""

from __future__ import annotations

import logging
import traceback
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from bot.errors import BotError, ConfigError
from bot.extension import Lifespan, Running

log = logging.getLogger(__name__)


@asynccontextmanager
async def opened(lifespans: Sequence[Lifespan], running: Running[Any]) -> AsyncIterator[list[Any]]:
    """Enter the lifespans in the order in which they were added, and leave them in the other. Yields what they yield.

    Raises `ConfigError` that names the line of the function which failed. A failure at the end is only logged: the bot
    stops anyway.
    """
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(_one(lifespan, running)) for lifespan in lifespans]


@asynccontextmanager
async def _one(lifespan: Lifespan, running: Running[Any]) -> AsyncIterator[Any]:
    name, context = getattr(lifespan, "__name__", "lifespan"), asynccontextmanager(lifespan)(running)
    try:
        yielded = await context.__aenter__()
    except BotError:
        raise
    except Exception as error:
        raise ConfigError(f"{name}{_line(error, lifespan)}: {type(error).__name__}: {error}") from error
    raised: BaseException | None = None
    try:
        yield yielded
    except BaseException as error:
        raised = error
        raise
    finally:
        try:
            await context.__aexit__(type(raised) if raised else None, raised, None)
        except Exception as error:
            if error is not raised:
                log.exception("%s%s failed at the end", name, _line(error, lifespan))


def _line(error: Exception, lifespan: Lifespan) -> str:
    """Return " (file:line)" of the function's own line that raised an error; "" if it has none."""
    file = getattr(getattr(lifespan, "__code__", None), "co_filename", "")
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f" ({lines[-1].filename}:{lines[-1].lineno})" if lines else ""
