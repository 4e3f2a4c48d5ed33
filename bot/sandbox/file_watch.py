"""`govorun sandbox --reload`: notices that files of a bot have changed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

PAUSE = 0.5  # seconds between two looks
WATCHED = (".py", ".toml", ".md")
FOREIGN = ("__pycache__", "node_modules", "venv", "env", "build", "dist", "tests")
UNREAD = ("README.md", "CHANGELOG.md", "LICENSE.md", "CONTRIBUTING.md")  # for people, and not for the bot


async def on_changes(folder: Path, changed: Callable[[], Awaitable[None]]) -> None:
    """Await `changed` after each change of code, prompts or settings below a folder, until cancelled."""
    before = look(folder)
    while True:
        await asyncio.sleep(PAUSE)
        now = await asyncio.to_thread(look, folder)
        if now != before:
            before = now
            await changed()


def look(folder: Path) -> Mapping[str, int]:
    """Return when each watched file was changed (nanoseconds). Hidden folders, environments, tests and
    texts about the project are left out."""
    found: dict[str, int] = {}
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in FOREIGN]
        for path in (os.path.join(where, name) for name in names if name.endswith(WATCHED) and name not in UNREAD):
            try:
                found[path] = os.stat(path).st_mtime_ns
            except OSError:  # removed since, or a link to nothing
                continue
    return found
