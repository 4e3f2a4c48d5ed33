"""Each server of the sandbox can be started alone from the command line."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.promises.e2e.surroundings import Process
from tests.support.sandbox_client import ANNA

pytestmark = pytest.mark.e2e


async def started(process: Process) -> str:
    """The address that the terminal shows."""
    return (await process.said("http://")).split()[-1].rstrip("/")


async def ended(process: Process) -> None:
    process.signal(signal.SIGINT)
    code, _, err = await process.ended()
    assert (code, err) == (0, "")


def settings_in(file: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in file.read_text().splitlines())


async def asked(url: str, **options: Any) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.request(url=url, **options) as response:
        return response.status, await response.json()


async def test_telegram_alone_serves_the_bot_of_its_settings(tmp_path: Path) -> None:
    async with Process.start("sandbox", "--only", "telegram", "--port", "0", directory=tmp_path) as process:
        url, settings = await started(process), settings_in(tmp_path / ".govorun" / "bot.env")
        assert settings["TELEGRAM_API_URL"] == url
        assert not any(name.startswith("YC_") for name in settings)
        _, me = await asked(f"{url}/bot{settings['BOT_TOKEN']}/getMe", method="GET")
        assert me["result"]["username"] == "govorun_sandbox_bot"
        await ended(process)


async def test_ai_studio_alone_answers_a_question(tmp_path: Path) -> None:
    async with Process.start("sandbox", "--only", "ai_studio", "--port", "0", directory=tmp_path) as process:
        url, settings = await started(process), settings_in(tmp_path / ".govorun" / "bot.env")
        assert settings["YC_OPENAI_URL"] == f"{url}/v1"
        assert "BOT_TOKEN" not in settings
        body = {
            "model": f"gpt://{settings['YC_FOLDER_ID']}/yandexgpt/latest",
            "messages": [{"role": "user", "content": "Привет"}],
        }
        headers = {"Authorization": f"Bearer {settings['YC_API_KEY']}"}
        status, answer = await asked(f"{url}/v1/chat/completions", method="POST", json=body, headers=headers)
        assert (status, bool(answer["choices"][0]["message"]["content"])) == (200, True)
        await ended(process)


async def test_the_page_alone_shows_chats_and_has_no_bot(tmp_path: Path) -> None:
    words = ("sandbox", "--only", "page", "--no-browser", "--port", "0")
    async with Process.start(*words, directory=tmp_path) as process:
        url = await started(process)
        sent, said = await asked(f"{url}/world/send", method="POST", json={"chat_id": ANNA, "text": "hello"})
        assert (sent, said["message"]["text"]) == (200, "hello")
        _, state = await asked(f"{url}/world/state", method="GET")
        assert not state["bot"]["running"]
        refused, why = await asked(f"{url}/world/bot", method="POST", json={"action": "start"})
        assert (refused, why["error"]) == (400, "this page was started alone: it has no bot")
        await ended(process)


async def test_an_unknown_part_is_told_in_one_line(tmp_path: Path) -> None:
    async with Process.start("sandbox", "--only", "nothing", directory=tmp_path) as process:
        code, _, err = await process.ended()
    assert code == 2
    assert err == "govorun: --only nothing: there is no such part; known: telegram, ai_studio, page\n"
