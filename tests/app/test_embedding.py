"""A bot inside another program (`App.running`), in real time: the program has an event loop of its own."""

from __future__ import annotations

import asyncio
import contextvars
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
from tests.support.stage import Stage

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
    with pytest.raises(ConfigError, match="temprature is no setting of Govorun, did you mean temperature"):
        async with app.running(temprature=2):  # type: ignore[call-arg]
            pytest.fail("nobody knows it")
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


async def test_each_app_has_its_own_running_bot_and_finds_it_from_any_task(
    app: App, telegram: Telegram, tmp_path: Path
) -> None:
    async def of(one: App) -> Running | None:
        return await asyncio.create_task(_current(one), context=contextvars.Context())  # as a web server calls a route

    async def _current(one: App) -> Running | None:
        try:
            return one.current
        except RuntimeError:
            return None

    other_telegram = Telegram(limits=False, seed=2)
    await other_telegram.start()
    other = App(**app.given)

    @other.command("whose")
    async def whose(incoming: Incoming, reply: Reply) -> str:
        return str(other.current.bot)

    changes: Any = {
        "bot_token": other_telegram.token,
        "telegram_api_url": other_telegram.url,
        "database_url": f"sqlite+aiosqlite:///{tmp_path / 'other.db'}",
    }
    async with app.running() as running:
        assert (await of(app), await of(other)) == (running, None)
        async with other.running(**changes) as second:
            assert second is not running
            assert (app.current, other.current) == (running, second)
            assert (await of(app), await of(other)) == (running, second)
            other_telegram.say(ANNA, "/whose")
            await other_telegram.wait_for(lambda: other_telegram.texts(ANNA) or None, 30)
            assert other_telegram.texts(ANNA) == [str(second.bot)]
        assert (await of(app), await of(other)) == (running, None)
    assert await of(app) is None
    await other_telegram.close()


async def test_an_app_that_runs_already_says_so(app: App) -> None:
    async with app.running():
        with pytest.raises(RuntimeError, match=r"runs already.*BOTS"):
            async with app.running():
                pytest.fail("it runs twice")
    async with app.running():
        pass


async def test_the_block_is_entered_while_telegram_is_away_and_the_bot_connects_by_itself(
    app: App, telegram: Telegram
) -> None:
    @app.command("ping")
    async def ping(incoming: Incoming, reply: Reply) -> str:
        return "pong"

    async with app.running() as running:
        telegram.say(ANNA, "/ping")
        await telegram.wait_for(lambda: telegram.texts(ANNA) or None, 30)
    await telegram.down()
    async with asyncio.timeout(10):
        async with app.running():  # and left at once
            assert app.current
    async with asyncio.timeout(30):
        async with app.running() as running:
            sent = await running.send(ANNA, "Good morning", key="1")
            assert sent.state == "waiting"
            await telegram.up()
            assert (await sent.outcome(within=25)).state == "delivered"
            telegram.say(ANNA, "/ping")
            await telegram.wait_for(lambda: len(telegram.texts(ANNA)) == 3 or None, 25)
    assert telegram.texts(ANNA) == ["pong", "Good morning", "pong"]


async def test_in_tests_the_running_bot_of_the_app_is_that_of_the_kit(stage: Stage, bot_app: App) -> None:
    await stage.start()

    async def route() -> Any:
        return bot_app.current

    assert stage.app is not None
    assert await asyncio.create_task(route(), context=contextvars.Context()) is stage.app.running
    await stage.stop()
    with pytest.raises(RuntimeError, match="no bot of this App runs here"):
        await route()
