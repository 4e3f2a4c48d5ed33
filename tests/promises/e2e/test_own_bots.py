"""A bot that somebody has written, as the processes that people start: in the sandbox, and on Telegram."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from pathlib import Path

import pytest
from aiohttp import ClientSession

from bench.crew import free_port
from bot.sandbox.ai_studio.server import Studio
from bot.sandbox.bot_process import BotProcess
from bot.sandbox.telegram.server_facade import Telegram
from tests.promises.e2e.surroundings import ANNA, PATIENCE, ROOT, Page, Process

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(sys.platform != "linux", reason="the bot is ended with its sandbox"),
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the README's example in it."""
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (tmp_path / "mybot.py").write_text(code)
    (tmp_path / ".env").write_text("SYSTEM_PROMPT=for another day\n")
    return tmp_path


@pytest.mark.turns(2)
@pytest.mark.parametrize(
    "program",
    [
        ("mybot.py",),
        ("-m", "mybot"),
        ("-m", "bot", "sandbox", "--no-browser", "--port", "0", "--app", "mybot:app"),
        ("-m", "bot", "sandbox", "--no-browser", "--port", "0", "--app", "mybot.py"),
    ],
    ids=" ".join,
)
async def test_without_a_token_it_answers_in_the_sandbox(project: Path, program: tuple[str, ...]) -> None:
    start = Process.python if program == ("mybot.py",) else Process.fork
    async with start(*program, directory=project) as process:
        line = await process.said("http://")
        async with Page.open(line.split()[-1]) as page:
            after = await page.say("/menu")
            await page.answered(after)
            assert "flat white" in (await page.texts())[-1]
            after = await page.say("/pay")
            await page.answered(after)
            assert (await page.texts())[-1] == "Today it is on the house."
        process.signal(signal.SIGINT)
        code, _, err = await process.ended()
        assert code == 0
        assert "Traceback" not in err
    assert (project / ".govorun" / "govorun.db").exists()


async def test_the_port_of_the_endpoints_is_that_of_the_script_or_the_environment(tmp_path: Path) -> None:
    code = """
from govorun import App, HttpRequest, Running

app = App({setting})

@app.http.get("/orders/{{number}}")
async def order(request: HttpRequest, running: Running, number: int) -> dict[str, int]:
    return {{"order": number}}

app.run({argument})
"""
    asked = {"setting": "", "argument": ""}
    for place in ("argument", "setting", "environment"):
        port = free_port()
        given = {"argument": f"port={port}", "setting": f"webhook_port={port}"}
        (tmp_path / "mybot.py").write_text(
            code.format(**(asked | {name: given[name] for name in given if name == place}))
        )
        environment = {"WEBHOOK_PORT": str(port)} if place == "environment" else {}
        async with Process.fork("mybot.py", directory=tmp_path, **environment) as process:
            line = await process.said("Endpoints of the App")
            address, _, bearer = line.strip().removeprefix("Endpoints of the App: ").partition(", ")
            assert address == f"http://127.0.0.1:{port}", place
            headers = {"Authorization": bearer.removeprefix("Authorization: ")}
            async with ClientSession(headers=headers) as session, session.get(f"{address}/orders/7") as response:
                assert await response.json() == {"order": 7}
            process.signal(signal.SIGINT)
            await process.ended()


@pytest.mark.parametrize("program", [("mybot.py",), ("-m", "bot", "run", "--app", "mybot")], ids=" ".join)
async def test_with_a_token_it_runs_on_telegram(project: Path, program: tuple[str, ...]) -> None:
    telegram, studio = Telegram(limits=False), Studio(quotas=False)
    url, _ = await telegram.start(), await studio.start()
    environment = {name.upper(): value for name, value in studio.settings().items()}
    environment |= {"BOT_TOKEN": telegram.token, "TELEGRAM_API_URL": url, "ACCESS": "open"}
    try:
        async with Process.fork(*program, directory=project, **environment) as process:
            telegram.say(ANNA, "/start")
            said = await telegram.wait_for(lambda: telegram.texts(ANNA) or None, PATIENCE)
            assert said == ["Hello, Anna! What will it be?"]
            process.signal(signal.SIGTERM)
            assert (await process.ended())[0] == 0
    finally:
        await studio.close()
        await telegram.close()


async def test_what_is_missing_or_wrong_is_said_in_a_line(project: Path) -> None:
    async with Process.fork("mybot.py", directory=project, BOT_TOKEN="42:abcdef") as process:
        code, _, err = await process.ended()
        assert (code, err.startswith("govorun: YC_API_KEY is missing")) == (1, True)
    async with Process.start("run", "--app", "mybot:nothing", directory=project) as process:
        code, _, err = await process.ended()
        assert (code, err) == (
            2,
            "govorun: --app mybot:nothing: there is no App called nothing in mybot; there is mybot:app\n",
        )


async def test_a_bot_that_fails_in_the_sandbox_says_so_where_the_sandbox_was_started(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ended = asyncio.Event()
    bot = BotProcess(tmp_path, {}, ended.set, (sys.executable, "-c", "import nothing_of_the_kind"))
    await bot.start()
    ended.clear()
    await asyncio.wait_for(ended.wait(), PATIENCE)
    assert "the bot has ended by itself (code 1)" in caplog.text
    assert "No module named 'nothing_of_the_kind'" in caplog.text
    await bot.close()


async def test_a_bot_that_the_sandbox_ends_is_not_complained_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ended = asyncio.Event()
    bot = BotProcess(tmp_path, {}, ended.set, (sys.executable, "-c", "import time; time.sleep(60)"))
    await bot.start()
    ended.clear()
    await bot.control("kill")
    await asyncio.wait_for(ended.wait(), PATIENCE)
    assert "ended" not in caplog.text
