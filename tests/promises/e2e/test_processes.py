"""`govorun sandbox` and `govorun run` as whole processes: start, talk, kill, signals, ends."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.sandbox.ai_studio.server import Studio
from bot.sandbox.telegram.server_facade import Telegram
from tests.promises.e2e.surroundings import ANNA, PATIENCE, Page, Process, drafts, is_message_of_the_bot, working_in
from tests.support.forked import Forked, server_socket

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]
LONG = "Write me a long essay about the sea, please."


@asynccontextmanager
async def sandbox(directory: Path, *, is_new: bool = False) -> AsyncIterator[tuple[Process, Page]]:
    """A sandbox whose bot is in `directory`/world. `is_new`: in a Python that has imported nothing yet."""
    words = ("-m", "bot", "sandbox", "--no-browser", "--port", "0", "--directory", "world")
    async with (Process.python if is_new else Process.fork)(*words, directory=directory) as process:
        line = await process.said("http://")
        async with Page.open(line.split()[-1]) as page:
            yield process, page


def settings_in(file: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in file.read_text().splitlines())


@asynccontextmanager
async def services(**settings: str) -> AsyncIterator[tuple[Telegram, Studio, dict[str, str]]]:
    """The sandbox's servers here, and the environment of a bot that uses them."""
    telegram, studio = Telegram(limits=False), Studio(quotas=False)
    url, _ = await telegram.start(), await studio.start()
    environment = {name.upper(): value for name, value in studio.settings().items()}
    environment |= {"BOT_TOKEN": telegram.token, "TELEGRAM_API_URL": url, "ACCESS": "open", **settings}
    try:
        yield telegram, studio, environment
    finally:
        await studio.close()
        await telegram.close()


async def is_up(telegram: Telegram) -> None:
    """Wait until a bot has said which commands it has: it takes updates then."""
    await telegram.wait_for(lambda: telegram.calls_of("setMyCommands"), PATIENCE)


# --- sandbox ----------------------------------------------------------------------------------------------------------


async def test_the_sandbox_prints_its_address_and_answers_with_a_growing_draft(tmp_path: Path) -> None:
    async with sandbox(tmp_path, is_new=True) as (process, page):
        state = await page.state()
        assert state["bot"]["running"]
        after = await page.say("hello")
        events = await page.answered(after)
        shown, (final,) = drafts(events), await page.texts()
        assert len(shown) > 1
        assert [len(text) for text in shown] == sorted(len(text) for text in shown)
        assert final.startswith(shown[0][:5])
        process.signal(signal.SIGINT)
        code, out, err = await process.ended()
        assert (code, err) == (0, "")
        assert "http://" not in out
        assert re.search(r"To own the bot, write to it: /start [\w-]{16,}\n", out)
    assert working_in(tmp_path / "world") == []


async def test_ctrl_c_ends_the_sandbox_soon_even_while_the_bot_speaks(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as (process, page):
        after = await page.say(LONG)
        await page.events(after, lambda event: event["type"] == "draft" and len(event["draft"]["text"]) > 40)
        assert len(working_in(tmp_path / "world")) == 1
        begun = time.monotonic()
        process.signal(signal.SIGINT)
        code, _, err = await process.ended()
        assert (code, err) == (0, "")
        assert time.monotonic() - begun < 10
    assert working_in(tmp_path / "world") == []


@pytest.mark.parametrize("sent", [0, 10, 1 << 16], ids=["nothing", "a part", "all"])
async def test_programs_are_started_also_after_one_that_ordered_another_was_killed(tmp_path: Path, sent: int) -> None:
    """The server of forks is shared by all tests of a process: without it all of them would fail."""
    async with Forked.running("-c", "raise SystemExit(7)", directory=tmp_path, environment={}) as program:
        assert await program.wait() == 7
    order = json.dumps({"words": ["-c", "pass"], "directory": str(tmp_path), "environment": {}}).encode() + b"\n"
    for _ in range(5):
        with socket.socket(socket.AF_UNIX) as killed, open(os.devnull, "r+b") as nothing:  # noqa: ASYNC230
            killed.connect(str(server_socket()))
            if sent:
                socket.send_fds(killed, [order[:sent]], [nothing.fileno()] * 3)
    async with Forked.running("-c", "raise SystemExit(7)", directory=tmp_path, environment={}) as program:
        assert await asyncio.wait_for(program.wait(), PATIENCE) == 7


async def test_who_asks_for_a_program_and_orders_none_holds_up_nobody(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(server_socket()))
        async with Forked.running("-c", "raise SystemExit(7)", directory=tmp_path, environment={}) as program:
            assert await asyncio.wait_for(program.wait(), PATIENCE) == 7


async def test_a_sandbox_that_is_killed_takes_its_bot_along(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as (process, page):
        assert (await page.state())["bot"]["running"]
        process.signal(signal.SIGKILL)
        await process.ended()
    async with asyncio.timeout(PATIENCE):
        while working_in(tmp_path / "world"):
            await asyncio.sleep(0.05)


async def test_the_second_start_keeps_the_chats_and_goes_on(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as (process, page):
        await page.answered(await page.say("hello"))
        before = (await page.state())["messages"]
        process.signal(signal.SIGTERM)
        assert (await process.ended())[0] == 0
    begun = time.monotonic()
    async with sandbox(tmp_path) as (process, page):
        assert (await page.state())["messages"] == before
        assert time.monotonic() - begun < 8
        await page.answered(await page.say("and again"))
        assert len(await page.texts()) == 2
        process.signal(signal.SIGINT)
        await process.ended()


async def test_an_answer_that_a_kill_interrupts_arrives_once_after_the_next_start(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as (process, page):
        after = await page.say("hello")
        events = await page.events(after, lambda event: event["type"] == "draft" and len(event["draft"]["text"]) > 40)
        assert not (await page.do("bot", action="kill"))["bot"]["running"]
        assert not any(map(is_message_of_the_bot, events))
        await page.do("bot", action="start")
        await page.answered(after)
        first = await page.texts()
        await page.answered(await page.say("and now?"))
        texts = await page.texts()
        assert texts[: len(first)] == first
        assert len(texts) == 2, texts
        process.signal(signal.SIGINT)
        await process.ended()


async def test_a_bot_that_is_started_by_hand_finds_the_settings_of_the_run(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as (process, page):
        told = await process.said("by hand")
        await page.do("bot", action="stop")
        settings = settings_in(Path(told.split()[-1]))
        async with Process.start("run", directory=tmp_path, **settings) as by_hand:
            await page.answered(await page.say("hello"))
            by_hand.signal(signal.SIGTERM)
            assert (await by_hand.ended())[0] == 0
        process.signal(signal.SIGINT)
        await process.ended()


async def test_each_run_has_a_token_of_its_own_and_its_files_are_its_owners(tmp_path: Path) -> None:
    world = tmp_path / "world"
    world.mkdir(0o755)
    for name in ("bot.log", "bot.env"):
        (world / name).touch(0o644)
    tokens, keys = set(), set()
    for run in range(2):
        async with sandbox(tmp_path) as (process, page):
            settings = settings_in(world / "bot.env")
            if run == 0:
                await page.do("bot", action="kill")
                await page.do("bot", action="start")
                await page.answered(await page.say("hello"))
                assert settings_in(world / "bot.env") == settings
            process.signal(signal.SIGINT)
            await process.ended()
        tokens.add(settings["BOT_TOKEN"])
        keys.add(settings["YC_API_KEY"])
        modes = {path.name: path.stat().st_mode & 0o777 for path in (world, *world.iterdir())}
        assert modes.pop("world") == 0o700
        assert {"bot.log", "bot.env", "chats.json", "govorun.db"} <= modes.keys()
        assert set(modes.values()) == {0o600}, modes
    assert (len(tokens), len(keys)) == (2, 2)


async def test_a_port_that_is_taken_is_told_in_one_line(tmp_path: Path) -> None:
    async with Process.start("sandbox", "--no-browser", "--port", "0", directory=tmp_path) as process:
        port = (await process.said("http://")).rstrip("/").rpartition(":")[2]
        arguments = ("sandbox", "--no-browser", "--port", port, "--directory", "other")
        async with Process.start(*arguments, directory=tmp_path) as second:
            code, out, err = await second.ended()
        assert (code, out) == (2, "")
        assert err.startswith(f"govorun: --port {port} is taken")
        assert len(err.splitlines()) == 1
        process.signal(signal.SIGINT)
        await process.ended()
    assert working_in(tmp_path / "other") == []


# --- run --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_an_idle_bot_in_order(tmp_path: Path, number: signal.Signals) -> None:
    async with (
        services() as (telegram, _, environment),
        Process.start("run", directory=tmp_path, **environment) as process,
    ):
        await is_up(telegram)
        process.signal(number)
        code, out, err = await process.ended()
        assert (code, out) == (0, ""), err
        assert "Traceback" not in err


async def test_a_signal_lets_the_running_answer_finish(tmp_path: Path) -> None:
    async with (
        services(SHUTDOWN_GRACE="20") as (telegram, studio, environment),
        Process.python("-m", "bot", "run", directory=tmp_path, **environment) as process,
    ):
        studio.speed = 20.0
        studio.script([f"word{number} " for number in range(40)])
        telegram.say(ANNA, "talk")
        await telegram.wait_for(lambda: any("word5" in draft["text"] for draft in telegram.drafts), PATIENCE)
        process.signal(signal.SIGTERM)
        code, _, err = await process.ended()
        assert (code, "Traceback" in err) == (0, False), err
        (text,) = telegram.texts(ANNA)
        assert text.split()[-1] == "word39"


async def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    async with (
        services(SHUTDOWN_GRACE="60") as (telegram, studio, environment),
        Process.start("run", directory=tmp_path, **environment) as process,
    ):
        studio.speed = 1.0
        studio.script([f"word{number} " for number in range(100)])
        telegram.say(ANNA, "talk")
        await telegram.wait_for(lambda: telegram.drafts, PATIENCE)
        process.signal(signal.SIGTERM)
        polls = len(telegram.calls_of("getUpdates"))
        await telegram.wait_for(lambda: len(telegram.calls_of("getUpdates")) > polls, PATIENCE)
        process.signal(signal.SIGTERM)
        assert (await process.ended())[0] == 1


async def test_a_second_bot_on_the_same_database_refuses_in_one_line(tmp_path: Path) -> None:
    async with (
        services() as (telegram, _, environment),
        Process.start("run", directory=tmp_path, **environment) as first,
    ):
        await is_up(telegram)
        async with Process.start("run", directory=tmp_path, **environment) as second:
            code, out, err = await second.ended()
        assert (code, out) == (2, "")
        assert err.startswith("govorun: DATABASE_URL: another Govorun works with govorun.db")
        assert len(err.splitlines()) == 1
        telegram.say(ANNA, "are you still there?")
        await telegram.wait_for(lambda: telegram.texts(ANNA), PATIENCE)
        first.signal(signal.SIGTERM)
        assert (await first.ended())[0] == 0


async def test_a_token_that_is_revoked_is_told_and_not_asked_about_again_and_again(tmp_path: Path) -> None:
    async with (
        services(SHUTDOWN_GRACE="1") as (telegram, _, environment),
        Process.start("run", directory=tmp_path, **environment) as process,
    ):
        await is_up(telegram)
        telegram.fail_next("*", code=401, times=None)
        telegram.say(ANNA, "hello")
        line = await process.warned("BOT_TOKEN")
        assert "@BotFather" in line
        polls = len(telegram.calls_of("getUpdates"))
        process.signal(signal.SIGTERM)
        code, out, err = await process.ended()
        assert (code, out) == (0, "")
        assert "Traceback" not in err
        assert telegram.token not in line + err
        assert polls <= 2


async def test_a_log_of_trouble_has_no_token_in_it(tmp_path: Path) -> None:
    """The library's own errors hold the whole address, token and all."""
    async with (
        services(LOG_LEVEL="DEBUG") as (telegram, _, environment),
        Process.start("run", directory=tmp_path, **environment) as process,
    ):
        await is_up(telegram)
        raw = f"HTTP/1.1 200 OK\r\nbad header {telegram.token}\r\n\r\n".encode()
        fault = telegram.fail_next("getUpdates", raw=raw, times=2)
        telegram.say(ANNA, "hello")
        await telegram.wait_for(lambda: telegram.texts(ANNA), PATIENCE)
        async with asyncio.timeout(PATIENCE):
            while not fault.spent:
                await asyncio.sleep(0.05)
        process.signal(signal.SIGTERM)
        code, _, err = await process.ended()
        assert code == 0
        assert "taking updates: " in err
        assert telegram.token not in err
        assert telegram.token.partition(":")[2] not in err
