"""The fixtures: `tg` (people in Telegram), `studio` (the models), `clock` (virtual time), `bot_app` (override it).

    @pytest.fixture
    def bot_app() -> App:
        return app

    async def test_the_bot_greets(tg: Tg) -> None:
        assert (await tg.user("Ann").say("hi")).text == "Hello, Ann!"

All of them use the fixture `stage`: the servers, with a bot that is not started yet. A test that asks for any of these
fixtures runs on an event loop with virtual time; other tests run as always.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from bot import App
from bot.testing.virtual_loop import VirtualLoop

if TYPE_CHECKING:
    from bot.testing.stage import Stage
    from bot.testing.studio import StudioSide
    from bot.testing.tg import Tg
    from bot.testing.virtual_loop import LoopClock

LoopFactories = Mapping[str, Callable[[], asyncio.AbstractEventLoop]]


def staged(item: pytest.Item) -> bool:
    """Whether a test uses the fixture `stage`, directly or through another fixture."""
    return "stage" in getattr(item, "fixturenames", ())


@pytest.hookimpl(optionalhook=True, wrapper=True)
def pytest_asyncio_loop_factories(item: pytest.Item) -> Generator[None, LoopFactories | None, LoopFactories]:
    """Give tests that use the fixture `stage` an event loop with virtual time, and all others a real one."""
    factories = yield
    if staged(item):
        return {"virtual time": VirtualLoop}
    return factories or {"real time": asyncio.new_event_loop}


@pytest.fixture(scope="session")
def govorun_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with the newest schema, made once a session and copied for each test."""
    from bot.storage.maintenance import migrations

    path = tmp_path_factory.mktemp("govorun") / "template.db"
    asyncio.run(migrations.upgrade(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest.fixture
def bot_app() -> App:
    """The bot under test: override this fixture with yours."""
    return App()


@pytest_asyncio.fixture
async def stage(tmp_path: Path, govorun_template: Path, bot_app: App) -> AsyncIterator[Stage]:
    """Both servers and an empty database. The bot is not started: `await stage.start()` does it, and the fixture `tg`
    has done it.
    """
    from bot.testing.stage import opened

    async with opened(tmp_path, govorun_template, own=bot_app) as stage:
        yield stage


@pytest.fixture
def clock(stage: Stage) -> LoopClock:
    """Virtual time: `await clock.sleep(600)` takes about a second, and all that happens in ten minutes has happened."""
    return stage.clock


@pytest.fixture
def studio(stage: Stage) -> StudioSide:
    """The models: what they answer, how they fail, and what they were asked."""
    from bot.testing.studio import StudioSide

    return StudioSide(stage.studio)


@pytest_asyncio.fixture
async def tg(stage: Stage) -> Tg:
    """People in Telegram, and the running bot that they write to."""
    from bot.testing.tg import Tg

    await stage.start()
    return Tg(stage)
