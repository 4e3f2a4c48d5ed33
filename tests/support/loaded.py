"""What a new Python has loaded when a bot is built, from one process for all tests that ask. Begin with `loaded`."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.once import once

CODE = """
import asyncio, json, sys
import bot.__main__, bot.runtime.main, bot.config.multi_bot
at_command = [*sys.modules]
import bot.runtime.supervisor, bot.runtime.build, bot.telegram.transport
from bot.clock import SystemClock
from bot.config.settings import Settings
from bot.runtime.resources import SharedResources
from bot.storage.store import Store

async def open_all():
    async with SharedResources.open(Settings(_env_file=None), SystemClock()), Store.open(sys.argv[1], SystemClock()):
        pass

asyncio.run(open_all())
at_bot = [*sys.modules]
import bot.sandbox.main
on_demand = sys.modules["bot.telegram.client.fast_import"].load()
print(json.dumps({"command": at_command, "bot": at_bot, "sandbox": [*sys.modules], "is_on_demand": on_demand}))
"""


@dataclass(frozen=True)
class Loaded:
    """The names of modules: of `govorun run` before it builds a bot, of a bot on SQLite, of a sandbox with a bot; and
    whether aiogram builds its models on demand.
    """

    command: list[str]
    bot: list[str]
    sandbox: list[str]
    is_on_demand: bool


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """The names of the modules that are loaded at three moments of a start."""
    return Loaded(**once(tmp_path_factory, "loaded", _loaded))


def _loaded(folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-c", CODE, f"sqlite+aiosqlite:///{folder}/bot.db"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=120)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def among(modules: list[str], prefixes: tuple[str, ...]) -> list[str]:
    """Return those modules that have one of these names, or are inside a package with such a name."""
    return [name for name in modules if f"{name}.".startswith(tuple(f"{prefix}." for prefix in prefixes))]
