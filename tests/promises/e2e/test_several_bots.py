"""`govorun run` with a folder of bots, as a whole process: SIGHUP while people write, and wrong folders."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.sandbox.ai_studio.server import Studio
from bot.sandbox.telegram.server_facade import Telegram
from tests.promises.e2e.surroundings import ANNA, PATIENCE, Process
from tests.support.forked import Forked

pytestmark = pytest.mark.e2e

BORIS = 1002
TOKENS = ("4200000042:AAsandboxSandboxSandboxSandboxSandbox1", "4300000043:BBsandboxSandboxSandboxSandboxSandbox2")
RELOADS = 5


@asynccontextmanager
async def services() -> AsyncIterator[tuple[list[Telegram], Studio, dict[str, str]]]:
    """A server for each of two tokens, one of models that repeats what is said, and the environment of the process."""
    telegrams = [Telegram(token, limits=False, username=f"bot_{token[:4]}_bot") for token in TOKENS]
    studio = Studio(quotas=False)
    studio.answer(lambda messages: messages[-1]["text"])
    for telegram in telegrams:
        await telegram.start()
    await studio.start()
    common = {name.upper(): value for name, value in studio.settings().items()}
    common |= {"ACCESS": "open", "STREAMING": "off", "SUMMARIES": "false", "NAME_CHATS": "false", "BOTS": "bots"}
    common |= {
        "USER_RATE": "0",
        "CHAT_QUEUE": "100",
        "QUEUE_NOTICE": "0",
        "TELEGRAM_RATE": "0",
        "TELEGRAM_CHAT_RATE": "0",
    }
    try:
        yield telegrams, studio, common
    finally:
        await studio.close()
        for telegram in telegrams:
            await telegram.close()


def write(folder: Path, name: str, telegram: Telegram, prompt: str) -> None:
    folder.mkdir(exist_ok=True)
    rows = {"BOT_TOKEN": telegram.token, "TELEGRAM_API_URL": telegram.url, "SYSTEM_PROMPT": prompt}
    (folder / f"{name}.env").write_text("".join(f"{key}={value}\n" for key, value in rows.items()))


async def test_messages_through_five_reloads_are_all_answered_once_and_in_order(
    tmp_path: Path, database_url: str
) -> None:
    async with services() as (telegrams, studio, common):
        for number, telegram in enumerate(telegrams):
            write(tmp_path / "bots", f"bot{number}", telegram, "version 0")
        async with Process.start("run", directory=tmp_path, DATABASE_URL=database_url, **common) as process:
            for telegram in telegrams:
                await telegram.wait_for(lambda telegram=telegram: telegram.calls_of("setMyCommands"), PATIENCE)  # type: ignore[misc]
            said: list[str] = []
            for reload in range(1, RELOADS + 1):
                for step in range(6):
                    said.append(f"message {reload}.{step}")
                    for telegram in telegrams:
                        telegram.say(ANNA, said[-1])
                        telegram.say(BORIS, said[-1])
                    if step == 2:
                        for number, telegram in enumerate(telegrams):
                            write(tmp_path / "bots", f"bot{number}", telegram, f"version {reload}")
                        process.signal(signal.SIGHUP)
                    await asyncio.sleep(0.05)
            for telegram in telegrams:
                for person in (ANNA, BORIS):
                    await telegram.wait_for(
                        lambda telegram=telegram, person=person: len(telegram.texts(person)) >= len(said),  # type: ignore[misc]
                        PATIENCE,
                    )
            process.signal(signal.SIGTERM)
            code, _, log = await process.ended()
        assert code == 0
        for telegram in telegrams:
            for person in (ANNA, BORIS):
                assert telegram.texts(person) == said
        assert f"version {RELOADS}" in str([seen.body for seen in studio.seen("completion")])
        assert log.count("the settings were read again") == RELOADS
        assert "Traceback" not in log


async def test_a_folder_of_bots_that_are_all_wrong_ends_the_process_with_a_line_for_each(tmp_path: Path) -> None:
    async with services() as (telegrams, _, common):
        for name in ("one", "other"):
            write(tmp_path / "bots", name, telegrams[0], "twins")
        async with Process.start("run", directory=tmp_path, **common) as process:
            code, _, log = await process.ended()
    assert code == 2
    assert re.search(r"govorun: one\.env: BOT_TOKEN: other\.env has the same", log)
    assert TOKENS[0] not in log
    assert not (tmp_path / "govorun.db").exists()


async def test_wrong_settings_are_one_line_at_a_reload_and_the_bot_answers_on(tmp_path: Path, template: Path) -> None:
    shutil.copy(template, tmp_path / "govorun.db")
    async with services() as (telegrams, _, common):
        del common["BOTS"]
        common |= {"BOT_TOKEN": telegrams[0].token, "TELEGRAM_API_URL": telegrams[0].url}
        async with Process.start("run", directory=tmp_path, **common) as process:
            await telegrams[0].wait_for(lambda: telegrams[0].calls_of("setMyCommands"), PATIENCE)
            (tmp_path / ".env").write_text("TEMPERATURE=hot\nLOG_FORMAT=json\n")
            process.signal(signal.SIGHUP)
            line = await process.warned("the settings stay as they are")
            assert "TEMPERATURE: " in line
            telegrams[0].say(ANNA, "hello")
            await telegrams[0].wait_for(lambda: telegrams[0].texts(ANNA), PATIENCE)
            process.signal(signal.SIGTERM)
            code, _, log = await process.ended()
    assert (code, log.count("ERROR")) == (0, 0)


async def test_the_doctor_examines_each_bot_and_names_the_file_that_can_not_be_used(tmp_path: Path) -> None:
    async with services() as (telegrams, _, common):
        write(tmp_path / "bots", "sales", telegrams[1], "You sell.")
        write(tmp_path / "bots", "support", telegrams[0], "You repair.\nTEMPERATURE=hot")
        async with Process.start("doctor", directory=tmp_path, **common) as process:
            code, told, _ = await process.ended()
    assert code == 1
    assert "FAIL  settings   support.env: TEMPERATURE: " in told
    _, _, sales = told.partition("sales.env\n")
    assert "@bot_4300_bot" in sales
    assert "FAIL" not in sales


async def test_a_bot_ends_in_order_when_its_terminal_is_closed(tmp_path: Path, template: Path) -> None:
    shutil.copy(template, tmp_path / "govorun.db")
    ours, theirs = os.openpty()
    async with services() as (telegrams, _, common):
        write(tmp_path / "bots", "support", telegrams[0], "You repair.")
        async with Forked.running(
            "-c", ON_A_TERMINAL, directory=tmp_path, environment={"PATH": os.environ["PATH"], **common},
            stdin=theirs, stderr=theirs,
        ) as process:  # fmt: skip
            os.close(theirs)
            await telegrams[0].wait_for(lambda: telegrams[0].calls_of("setMyCommands"), PATIENCE)
            os.close(ours)
            async with asyncio.timeout(PATIENCE):
                assert await process.wait() == 0


ON_A_TERMINAL = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
sys.argv = ["govorun", "run"]
from bot.__main__ import main
main()
"""
