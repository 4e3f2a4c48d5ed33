"""The fixtures: `tg` (people in Telegram), `studio` (the models), `clock` (virtual time), `bot_app` (override it).

    @pytest.fixture
    def bot_app() -> App:
        return app

    async def test_the_bot_greets(tg: Tg) -> None:
        assert (await tg.user("Ann").say("hi")).text == "Hello, Ann!"

All of them use the fixture `stage`: the servers, with a bot that is not started yet. A test that asks for any of these
fixtures runs on an event loop with virtual time; other tests run as always, even those that have fixtures of their own
with these names.
"""

from __future__ import annotations

import asyncio
import difflib
import re
import warnings
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from govorun import load

if TYPE_CHECKING:
    from bot import App
    from bot.testing.stage import Stage
    from bot.testing.studio import StudioSide
    from bot.testing.tg import Group, Person, Tg
    from bot.testing.virtual_loop import LoopClock

LoopFactories = Mapping[str, Callable[[], asyncio.AbstractEventLoop]]


def staged(item: pytest.Item) -> bool:
    """Whether a test uses the fixture `stage` of Govorun, directly or through another fixture.

    A fixture `stage` of somebody else does not use `govorun_stage`.
    """
    return "govorun_stage" in getattr(item, "fixturenames", ())


@pytest.hookimpl(optionalhook=True, wrapper=True)
def pytest_asyncio_loop_factories(item: pytest.Item) -> Generator[None, LoopFactories | None, LoopFactories]:
    """Give tests that use the fixture `stage` an event loop with virtual time, and all others a real one."""
    factories = yield
    if staged(item):
        load()
        from bot.testing.virtual_loop import VirtualLoop

        return {"virtual time": VirtualLoop}
    return factories or {"real time": asyncio.new_event_loop}


@pytest.fixture(scope="session")
def govorun_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with the newest schema, made once a session and copied for each test."""
    load()
    from bot.storage.maintenance import migrations

    path = tmp_path_factory.mktemp("govorun") / "template.db"
    asyncio.run(migrations.upgrade(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest.fixture
def bot_app(request: pytest.FixtureRequest) -> App:
    """The bot under test: the App that GOVORUN_APP or `[tool.govorun] app` in pyproject.toml names, if there is one.
    Override this fixture with yours.
    """
    load()
    from bot import App
    from bot.app import find, named

    folder = request.config.rootpath
    place = named(folder)
    if not place:
        warnings.warn(
            'the bot under test is Govorun\'s own: name your App in pyproject.toml ([tool.govorun] app = "bot.py:app") '
            "or by GOVORUN_APP, or override the fixture bot_app",
            stacklevel=1,
        )
    return find(place, folder) if place else App()


@pytest_asyncio.fixture
async def govorun_stage(tmp_path: Path, govorun_template: Path, bot_app: App) -> AsyncIterator[Stage]:
    """What the fixture `stage` returns, under a name that nobody else uses."""
    from bot.testing.stage import opened

    async with opened(tmp_path, govorun_template, own=bot_app) as stage:
        yield stage


@pytest.fixture
def stage(govorun_stage: Stage) -> Stage:
    """Both servers and an empty database. The bot is not started: `await stage.start()` does it, and the fixture `tg`
    has done it.
    """
    return govorun_stage


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


class Dialogue:
    """Compares chats with files: `dialogue(ann)`. The first file of a test is `dialogues/NAME OF THE TEST.txt` beside
    the file of the test, the next ones have a number more. `pytest --update-dialogues` writes them.
    """

    def __init__(self, folder: Path, test: str, *, update: bool) -> None:
        self._folder, self._test, self._update, self._count = folder, test, update, 0

    def __call__(self, person: Person, to: Group | None = None) -> None:
        """Compare the chat of a person with the bot, or a group. Raises `AssertionError` with the difference."""
        self._count += 1
        number = f"-{self._count}" if self._count > 1 else ""
        file = self._folder / f"{self._test}{number}.txt"
        text = person.dialogue(to)
        if self._update:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
            return
        if not file.exists():
            raise AssertionError(f"there is no {file}: pytest --update-dialogues writes it\n\n{text}")
        kept = file.read_text("utf-8")
        if text != kept:
            lines = difflib.unified_diff(kept.splitlines(), text.splitlines(), str(file), "now", lineterm="")
            raise AssertionError("the dialogue has changed; pytest --update-dialogues accepts it\n" + "\n".join(lines))


@pytest.fixture
def dialogue(request: pytest.FixtureRequest) -> Dialogue:
    """`dialogue(ann)` compares Ann's chat with a text file that people can read: see `Dialogue`."""
    test = re.sub(r"[^\w.-]+", "-", str(request.node.name)).strip("-")
    update = bool(request.config.getoption("--update-dialogues", default=False))
    return Dialogue(request.node.path.parent / "dialogues", test, update=update)
