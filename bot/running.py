"""The bot as a process: signals, the lock on its database, and how it ends."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import make_url

from bot.app import build
from bot.errors import BotError, ConfigError
from bot.settings import Settings


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT, then drain; a second signal ends at once. Raises the error that ended the bot."""
    with alone(settings.database_url):
        try:
            async with build(settings) as app:
                _on_signals(app.stop)
                await app.run()
        except* BotError as group:
            raise _first(group) from None


@contextmanager
def alone(url: str) -> Iterator[None]:
    """Hold the lock file beside an SQLite database. Raises `ConfigError` when another process has it."""
    database = make_url(url).database
    if not url.startswith("sqlite") or not database or database == ":memory:":
        yield
        return
    path = Path(database + ".lock")
    try:
        handle = path.open("a")
    except OSError as error:
        raise ConfigError(f"DATABASE_URL: can't write beside {database}: {error.strerror}") from None
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(
                f"DATABASE_URL: another Govorun works with {database}; stop it first, or use another file"
            ) from None
        yield


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
