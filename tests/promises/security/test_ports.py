"""The running bot opens no port unless it is asked to, and then on this machine only (P28)."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from bench.crew import free_port
from bot.sandbox.ai_studio.server import Studio
from bot.sandbox.telegram.server_facade import Telegram
from tests.promises.e2e.surroundings import Process

pytestmark = pytest.mark.e2e

LISTENING = "0A"


def listening(pid: int) -> set[str]:
    """The addresses, as `ip:port`, that a process listens on, from /proc; IPv6 ones as the kernel writes them."""
    sockets = set()
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            sockets.add(os.readlink(handle))
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == LISTENING and f"socket:[{rest[5]}]" in sockets:
                found.add(readable(local))
    return found


def readable(local: str) -> str:
    address, port = local.split(":")
    if len(address) == 8:
        address = socket.inet_ntoa(bytes.fromhex(address)[::-1])
    return f"{address}:{int(port, 16)}"


@pytest.fixture
async def services() -> AsyncIterator[tuple[Telegram, dict[str, str]]]:
    telegram, studio = Telegram(limits=False, seed=1), Studio(quotas=False)
    await telegram.start()
    await studio.start()
    settings = {
        "BOT_TOKEN": telegram.token, "TELEGRAM_API_URL": telegram.url, "ACCESS": "open", **{
            name.upper(): value for name, value in studio.settings().items()
        },
    }  # fmt: skip
    yield telegram, settings
    await studio.close()
    await telegram.close()


async def ports(services: tuple[Telegram, dict[str, str]], folder: Path, **more: str) -> set[str]:
    """What a bot with these settings listens on, once it answers."""
    telegram, settings = services
    async with Process.start("run", directory=folder, **settings, **more) as process:
        async with asyncio.timeout(60):
            while telegram.updates.polled == 0.0 and not telegram.webhook.info()["url"]:
                await asyncio.sleep(0.05)
        return listening(process.pid)


async def test_a_bot_as_it_comes_listens_nowhere(services: tuple[Telegram, dict[str, str]], tmp_path: Path) -> None:
    assert await ports(services, tmp_path) == set()


async def test_what_is_asked_for_listens_on_this_machine_only(
    services: tuple[Telegram, dict[str, str]], tmp_path: Path
) -> None:
    hook, health = free_port(), free_port()
    asked = {"WEBHOOK_URL": f"http://127.0.0.1:{hook}/hook", "WEBHOOK_PORT": str(hook), "HEALTH_PORT": str(health)}
    assert await ports(services, tmp_path, **asked) == {f"127.0.0.1:{hook}", f"127.0.0.1:{health}"}


def test_a_port_that_is_open_is_seen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert f"127.0.0.1:{server.getsockname()[1]}" in listening(os.getpid())
