"""A thousand strangers at the ports of the running bot, which may open 256 files (P27, T7)."""

from __future__ import annotations

import asyncio
import resource
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
import pytest

from bench.crew import free_port
from bot.http.listener import HEAD_DEADLINE
from bot.sandbox.ai_studio.server import Studio
from bot.sandbox.telegram.server_facade import Telegram
from tests.promises.e2e.surroundings import PATIENCE, Process

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(sys.platform != "linux", reason="sets limits of another process, has all of 127.x.y.z"),
]

FILES = 256
STRANGERS = 1000
SECRET = "the-secret_of_a_test"
HALF = b"POST /hook HTTP/1.1\r\nHost: x\r\n"
UPDATE = {
    "update_id": 7,
    "message": {"message_id": 7, "date": 1_800_000_000, "chat": {"id": 1001, "type": "private"}, "text": "hello"},
}


@asynccontextmanager
async def bot(folder: Path, hook: int, health: int) -> AsyncIterator[Process]:
    """`govorun run` with both servers, once its webhook is set."""
    telegram, studio = Telegram(limits=False), Studio(quotas=False)
    settings = {
        "BOT_TOKEN": telegram.token, "TELEGRAM_API_URL": await telegram.start(), "ACCESS": "open",
        "WEBHOOK_URL": f"http://127.0.0.1:{hook}/hook", "WEBHOOK_PORT": str(hook), "WEBHOOK_SECRET": SECRET,
        "HEALTH_PORT": str(health),
    }  # fmt: skip
    await studio.start()
    settings |= {name.upper(): value for name, value in studio.settings().items()}
    try:
        async with Process.start("run", directory=folder, **settings) as process:
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (FILES, FILES))
            await telegram.wait_for(lambda: telegram.webhook.info()["url"] or None, PATIENCE)
            yield process
    finally:
        await studio.close()
        await telegram.close()


@contextmanager
def crowd(ports: list[int], addresses: int) -> Iterator[None]:
    """Strangers who send half a request to each port in turn, from so many addresses, and stay while this lasts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * STRANGERS), hard))
    try:
        with ExitStack() as held:
            for number in range(STRANGERS):
                stranger = held.enter_context(socket.socket())
                stranger.settimeout(HEAD_DEADLINE)
                stranger.bind((f"127.0.1.{1 + number % addresses}", 0))
                stranger.connect(("127.0.0.1", ports[number % len(ports)]))
                stranger.send(HALF)
            yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("addresses", [1, 250])
async def test_t7_a_thousand_half_requests_keep_neither_telegram_nor_a_monitor_out(
    tmp_path: Path, addresses: int
) -> None:
    hook, health = free_port(), free_port()
    async with bot(tmp_path, hook, health) as process, aiohttp.ClientSession() as session:
        with crowd([hook, health], addresses):
            async with asyncio.timeout(HEAD_DEADLINE / 2):  # before any of them is closed for being late
                headers = {"X-Telegram-Bot-Api-Secret-Token": SECRET}
                async with session.post(f"http://127.0.0.1:{hook}/hook", json=UPDATE, headers=headers) as response:
                    assert response.status == 200
                async with session.get(f"http://127.0.0.1:{health}/healthz") as response:
                    assert response.status == 200
        process.signal(signal.SIGTERM)
        code, _, log = await process.ended()
    assert code == 0
    assert "Traceback" not in log
    about = [line for line in log.splitlines() if "closed connections" in line]
    assert 1 <= len(about) <= 4  # of each server the first one at once, and the sum at the end
