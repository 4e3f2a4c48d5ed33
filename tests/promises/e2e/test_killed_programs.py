"""`kill -9` inside the code of a programmer: in the lifespan, a job, an endpoint, after a message was stored.

See P2 in docs/promises.md.
"""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import aiohttp
import pytest

from bench.crew import free_port
from bot.sandbox.ai_studio.server import Studio
from bot.sandbox.telegram.server_facade import Telegram
from tests.promises.e2e.surroundings import ANNA, PATIENCE, Process

pytestmark = pytest.mark.e2e

SECRET = "0123456789abcdef"
PROGRAM = '''
import os, signal
from datetime import timedelta
from pathlib import Path
from bot import App

app = App()

def die(where):
    """Kill the process at this place, the first time that it is there."""
    if os.environ["DIES"] == where and not Path(where).exists():
        Path(where).touch()
        os.kill(os.getpid(), signal.SIGKILL)

@app.lifespan
async def life(running):
    await running.send(1001, "opened", key="opened") if Path("known").exists() else None
    die("lifespan")
    yield

@app.job
async def note(run):
    await run.running.send(run.user, "note is coming", key=run.key)
    die("job")
    return "note"

@app.http.post("/order")
async def order(request, running):
    die("before the message")
    await running.send(1001, "order", key="order")
    die("after the message")
    await running.later("note", key="note", at=timedelta(), to=1001)
    die("after the job was planned")
    return "done"

if __name__ == "__main__":
    app.run()
'''
POINTS = ("before the message", "after the message", "after the job was planned", "job", "lifespan")


async def test_whatever_is_killed_nothing_is_lost_and_nothing_comes_twice(tmp_path: Path) -> None:
    (tmp_path / "mybot.py").write_text(PROGRAM)
    telegram, studio, port = Telegram(limits=False), Studio(quotas=False), free_port()
    url, _ = await telegram.start(), await studio.start()
    environment = {name.upper(): value for name, value in studio.settings().items()}
    environment |= {"BOT_TOKEN": telegram.token, "TELEGRAM_API_URL": url, "ACCESS": "open"}
    environment |= {"HTTP_SECRET": SECRET, "WEBHOOK_PORT": str(port)}
    try:
        for point in POINTS:
            async with Process.fork("mybot.py", directory=tmp_path, DIES=point, **environment) as process:
                if not (tmp_path / "known").exists():
                    telegram.say(ANNA, "hello")
                    await telegram.wait_for(lambda: telegram.texts(ANNA) or None, PATIENCE)
                    (tmp_path / "known").touch()
                calling = asyncio.create_task(ordered(port))
                code, _, err = await process.ended()
                calling.cancel()
                assert code == -signal.SIGKILL, (point, err)
        async with Process.fork("mybot.py", directory=tmp_path, DIES="", **environment) as process:
            assert await ordered(port) == "done"
            await telegram.wait_for(lambda: len(telegram.texts(ANNA)) >= 5 or None, PATIENCE)
            process.signal(signal.SIGTERM)
            assert (await process.ended())[0] == 0
    finally:
        await studio.close()
        await telegram.close()
    assert sorted(telegram.texts(ANNA)[1:]) == ["note", "note is coming", "opened", "order"]


async def ordered(port: int) -> str:
    """Call the endpoint, as a shop does that gets no answer, until there is one."""
    headers = {"Authorization": f"Bearer {SECRET}"}
    async with asyncio.timeout(PATIENCE), aiohttp.ClientSession(headers=headers) as session:
        while True:
            try:
                async with session.post(f"http://127.0.0.1:{port}/order") as response:
                    assert response.status == 200
                    return await response.text()
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)
