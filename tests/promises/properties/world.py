"""The whole bot between a Telegram, a model and a database that live in this process. Begin with `World`.

What is real: everything from aiogram's client and the poller down to SQLite, and the sandbox's Telegram. What is not:
sockets, threads and time. So one seed gives one course of events, and a kill may fall between any two steps.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from bot.ai import AsyncModel
from bot.config.settings import Settings
from bot.extension import Extension
from bot.http.client import Http
from bot.llm.routing import ModelOption, Routing
from bot.providers.yandex.service import YandexStudio
from bot.runtime.bot import Bot, Placement
from bot.runtime.models import Models, helper_model
from bot.runtime.parts import Given
from bot.runtime.resources import SharedResources
from bot.runtime.wiring import wire
from bot.sandbox.telegram.server_facade import Telegram, buttons_of, text_of
from bot.storage.store import Store
from bot.telegram.client.api import Api
from bot.telegram.sending.messages import STOP
from bot.testing.virtual_loop import LoopClock
from tests.promises.properties.brain import Brain
from tests.promises.properties.in_process import StepLoop, Wire
from tests.promises.properties.inline_disk import InlineDisk
from tests.support.stage import OneReading

ANNA, BORIS, TEAM = 1001, 1002, -1001000000001
PATIENCE = 3_600.0  # virtual seconds until what has not come is lost
OPEN_WORK = """
    SELECT (SELECT count(*) FROM updates WHERE state IN ('new', 'begun'))
         + (SELECT count(*) FROM deliveries WHERE state IN ('pending', 'sending'))
"""

Place = tuple[int, int]  # chat, topic
HTTP = Http()  # nobody is asked over it


class World:
    """`steps` and `wait` let things happen, `kill` and `start` are the bot's process, `settle` waits for peace."""

    studio: type[YandexStudio] = YandexStudio
    async_models: Callable[[str], AsyncModel | None] = staticmethod(lambda _name: None)
    added = Extension()

    def __init__(self, folder: Path, template: Path, **changes: Any) -> None:
        self.loop = StepLoop()
        self.clock = LoopClock(self.loop)
        self.telegram = Telegram(clock=self.clock, limits=False, topics=True, seed=1)
        self.brain = Brain(self._shown_to)
        self.places: dict[str, Place] = {}  # where each question was asked
        self.disk = InlineDisk(folder / "govorun.db")
        shutil.copy(template, self.disk.path)
        self.settings = self._settings(changes)
        self.lives = 0
        self.app: Bot | None = None
        self._process: asyncio.Task[None] | None = None

    def _settings(self, changes: dict[str, Any]) -> Settings:
        return OneReading().settings(
            _env_file=None,
            **{
                "bot_token": self.telegram.token, "yc_api_key": "AQVN-secret", "yc_folder_id": "b1g",
                "access": "open", "image_model": "", "user_rate": 0, "chat_queue": 1_000,
                "name_chats": False, "summaries": False,  # their model would be asked over a real network
                **changes,
            },
        )  # fmt: skip

    # --- the process --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        self.lives += 1
        self._process = self.loop.create_task(self._live())

    def kill(self) -> None:
        """The process is gone between two steps: nothing more of it reaches the disk or Telegram."""
        self.disk.pull()
        self.app = None
        self.loop.run_until_complete(_cancel_all())
        self._process = None

    def stop(self) -> None:
        """SIGTERM: the orderly way."""
        assert self._process is not None
        self.steps(5)
        assert self.app is not None
        self.loop.call_soon(self.app.stop)
        self.loop.run_until_complete(self._process)
        self.app = None

    def close(self) -> None:
        self.kill()
        self.loop.close()

    async def _live(self) -> None:
        """What `app.build` does, with another model, without sockets and threads."""
        store = self.disk.store(self.clock)
        api = Api(token=self.telegram.token, url="http://127.0.0.1:9")
        api.bot.session = Wire(self.telegram)
        try:
            async with asyncio.TaskGroup() as tasks:
                self.app = self._wired(store, api, tasks)
                await self.app.run()
                tasks.create_task(_end())
        except* _End:
            pass
        await store._close()
        self.disk.pull()

    def _wired(self, store: Store, api: Api, tasks: asyncio.TaskGroup) -> Bot:
        routing = Routing([ModelOption("one", "One", self.brain), ModelOption("two", "Two", self.brain)])
        chance = random.Random(1)
        studio = self.studio(settings=self.settings, http=HTTP, clock=self.clock, random=chance, metrics=api.metrics)
        return wire(
            Given(
                settings=self.settings,
                store=store,
                process=SharedResources(settings=self.settings, clock=self.clock, http=HTTP, opened=AsyncExitStack()),
                api=api,
                models=Models(
                    studio=studio,
                    routing=routing,
                    helper=helper_model(self.settings, studio, self.added),
                    async_models=self.async_models,
                    images=studio.image_models(),
                    chance=chance,
                ),
                added=self.added,
                placement=Placement(tasks=tasks),
            )
        )

    # --- time ---------------------------------------------------------------------------------------------------------

    def steps(self, count: int) -> None:
        self.loop.steps(count)
        self._look()

    def wait(self, seconds: float) -> None:
        self.loop.wait(seconds)
        self._look()

    def settle(self) -> None:
        """Wait until nothing is left to do. Raises `AssertionError` when that does not come."""
        end = self.loop.now + PATIENCE
        while not self.peaceful():
            assert self.loop.now < end, "something is never done"
            self.wait(1.0)

    def peaceful(self) -> bool:
        if self.telegram.pending or self.app is None or self.app.inbound.lanes.size:
            return False
        connection = sqlite3.connect(f"file:{self.disk.path}?mode=ro", uri=True)
        try:
            return bool(connection.execute(OPEN_WORK).fetchone()[0] == 0)
        finally:
            connection.close()

    def _look(self) -> None:
        """A bot that has ended by itself is a failure."""
        if self._process is not None and self._process.done():
            self._process.result()
            raise AssertionError("the bot has ended by itself")

    # --- looking ------------------------------------------------------------------------------------------------------

    def messages(self, place: Place) -> list[dict[str, Any]]:
        """What the bot wrote in a conversation, without what still grows."""
        mine = self.telegram.state.profile.id
        there = self.telegram.transcript(place[0], place[1])
        return [message for message in there if message["from"]["id"] == mine and not grows(message)]

    def growing(self, place: Place) -> list[dict[str, Any]]:
        return [message for message in self.telegram.transcript(*place) if grows(message)]

    def shown(self, place: Place) -> list[str]:
        return [text_of(message) for message in self.messages(place)]

    def _shown_to(self, token: str) -> list[str]:
        return self.shown(self.places[token])


def grows(message: dict[str, Any]) -> bool:
    return any(button["callback_data"] == STOP for button in buttons_of(message))


class _End(Exception):
    """Ends the bot's background tasks."""


async def _end() -> None:
    raise _End


async def _cancel_all() -> None:
    me = asyncio.current_task()
    while others := asyncio.all_tasks() - {me}:
        for task in others:
            task.cancel()
        await asyncio.wait(others)
        for task in others:
            if not task.cancelled():
                task.exception()
