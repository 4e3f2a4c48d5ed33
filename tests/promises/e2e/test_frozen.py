"""A process that freezes: whoever watches over it notices, ends it, and learns where it stood (F102)."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.sandbox.ai_studio.server import Studio
from bot.sandbox.telegram.server_facade import Telegram
from tests.promises.e2e.surroundings import ANNA, PATIENCE, ROOT, Process
from tests.support.child import PYTHONPATH

pytestmark = pytest.mark.e2e

INIT = ("-I", str(ROOT / "deploy" / "container_init.py"), "--seconds", "4", sys.executable)
OWN = """
import time

from bot import App

app = App()


@app.command("freeze", "Freeze")
async def freeze(incoming, reply):
    time.sleep(3600)


app.run()
"""


@dataclass
class World:
    telegram: Telegram
    environment: dict[str, str]
    directory: Path


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    (tmp_path / "mybot.py").write_text(OWN)
    telegram, studio = Telegram(limits=False), Studio(quotas=False)
    url, _ = await telegram.start(), await studio.start()
    environment = {name.upper(): value for name, value in studio.settings().items()}
    environment |= {"BOT_TOKEN": telegram.token, "TELEGRAM_API_URL": url, "ACCESS": "open", "PYTHONPATH": PYTHONPATH}
    yield World(telegram, environment, tmp_path)
    await studio.close()
    await telegram.close()


async def test_a_frozen_bot_is_ended_in_its_container_and_says_where_it_was(world: World) -> None:
    async with Process.python(*INIT, "mybot.py", directory=world.directory, **world.environment) as process:
        world.telegram.say(ANNA, "/start")
        await world.telegram.wait_for(lambda: world.telegram.texts(ANNA) or None, PATIENCE)
        world.telegram.say(ANNA, "/freeze")
        code, _, err = await process.ended()
    assert code == 128 + signal.SIGABRT
    assert "no sign of life for 4 s" in err
    assert "in freeze\n" in err
    assert world.telegram.token not in err


async def test_systemd_hears_that_the_bot_is_ready_when_it_is_and_nothing_from_a_frozen_one(world: World) -> None:
    address = f"@govorun-e2e-{os.getpid()}"
    told = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "600000"}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind("\0" + address[1:])
        systemd.setblocking(False)
        heard: list[bytes] = []

        async def hear(word: bytes) -> None:
            while word not in heard:
                heard.append(await asyncio.get_running_loop().sock_recv(systemd, 4096))

        async with asyncio.timeout(PATIENCE):
            async with Process.fork("mybot.py", directory=world.directory, **world.environment, **told) as process:
                await hear(b"READY=1")
                assert world.telegram.calls_of("getUpdates") or world.telegram.calls_of("getMe")
                heard.clear()
                await hear(b"WATCHDOG=1")
                world.telegram.say(ANNA, "/freeze")
                while await _speaks(systemd):
                    pass
                process.signal(signal.SIGABRT)  # as systemd does
                code, _, err = await process.ended()
    assert code == -signal.SIGABRT
    assert "in freeze\n" in err


async def _speaks(systemd: socket.socket) -> bool:
    """Whether a sign comes within five times the pause between two of them."""
    try:
        async with asyncio.timeout(1):
            await asyncio.get_running_loop().sock_recv(systemd, 4096)
    except TimeoutError:
        return False
    return True
