"""A bot inside another program (`App.running`), in real time: the program has an event loop of its own."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot import App, Incoming, Reply, Running
from bot.errors import ConfigError
from bot.sandbox.ai_studio.server import Studio
from bot.sandbox.telegram.server_facade import Telegram

ANNA = 1001


@pytest.fixture
async def telegram() -> AsyncIterator[Telegram]:
    telegram = Telegram(limits=False)
    await telegram.start()
    yield telegram
    await telegram.close()


@pytest.fixture
async def app(telegram: Telegram, tmp_path: Path) -> AsyncIterator[App]:
    studio = Studio(quotas=False)
    await studio.start()
    keys: Any = {name.lower(): value for name, value in studio.settings().items()}
    app = App(
        bot_token=telegram.token, telegram_api_url=telegram.url, access="open",
        database_url=f"sqlite+aiosqlite:///{tmp_path / 'own.db'}",
        **keys,
    )  # fmt: skip
    yield app
    await studio.close()


async def test_it_runs_in_the_loop_of_the_caller_and_leaves_the_process_alone(app: App, telegram: Telegram) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
    frozen, threshold, handlers = gc.get_freeze_count(), gc.get_threshold(), list(logging.getLogger().handlers)
    async with app.running() as running:
        telegram.say(ANNA, "hello")
        await telegram.wait_for(lambda: telegram.texts(ANNA) or None, 30)
        sent = await running.send(ANNA, "From the shop", key="1")
        assert (await sent.outcome(within=30)).state == "delivered"
        assert app.current is running
    after = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
    assert (before, threshold) == (after, gc.get_threshold())
    assert gc.get_freeze_count() <= frozen
    assert handlers == logging.getLogger().handlers
    async with app.running() as running:  # again, on its database
        assert (await running.send(ANNA, "Twice?", key="1")).is_new is False


async def test_leaving_the_block_lets_a_running_answer_finish(app: App, telegram: Telegram) -> None:
    begun = asyncio.Event()

    @app.command("slow")
    async def slow(incoming: Incoming, reply: Reply) -> str:
        begun.set()
        await asyncio.sleep(0.3)
        return "done"

    async with app.running():
        telegram.say(ANNA, "/slow")
        async with asyncio.timeout(30):
            await begun.wait()
    assert telegram.texts(ANNA) == ["done"]


async def test_an_error_in_the_block_stops_the_bot_and_is_the_callers(app: App) -> None:
    with pytest.raises(ZeroDivisionError):
        async with app.running():
            raise ZeroDivisionError
    async with app.running():  # nothing holds the database
        pass


async def test_what_is_wrong_at_the_start_is_raised_as_it_is(app: App, telegram: Telegram, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="BOT_TOKEN"):
        async with app.running(bot_token="42:" + "x" * 35):
            pytest.fail("Telegram does not know it")

    @app.lifespan
    async def broken(running: Running) -> AsyncIterator[None]:
        raise OSError("no disk")
        yield

    with pytest.raises(ConfigError, match=r"broken \(.*\): OSError: no disk"):
        async with app.running():
            pytest.fail("it did not start")
    folder = tmp_path / "bots"
    folder.mkdir()
    (folder / "one.env").write_text(f"BOT_TOKEN={telegram.token}\n")
    (folder / "one.env").chmod(0o600)
    with pytest.raises(ConfigError, match=r"BOTS: App\.running runs one bot"):
        async with app.running(bots=folder):
            pytest.fail("there are several")
