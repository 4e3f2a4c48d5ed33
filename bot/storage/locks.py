"""Who may work with a database: one process at a time for each bot."""

from __future__ import annotations

from contextlib import AbstractContextManager

from bot.storage import files
from bot.storage.dialects import is_sqlite


def alone(url: str, bot: int) -> AbstractContextManager[None]:
    """Hold the lock of that bot on its database: of a file, or for a bot of a server.

    Raises `ConfigError` when another process has it.
    """
    if is_sqlite(url):
        return files.alone(url)
    from bot.storage import server

    return server.alone(url, bot)
