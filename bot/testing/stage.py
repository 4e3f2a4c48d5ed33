"""The sandbox's servers and the bot as production builds it, in one process with virtual time. Begin with `opened`."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection

from bot import App
from bot.config.settings import Settings
from bot.extension import Extension
from bot.runtime.bot import Bot
from bot.runtime.build import Instead, build
from bot.sandbox.ai_studio.server import Studio
from bot.sandbox.guard import Json
from bot.sandbox.telegram.server_facade import Telegram, buttons_of, find_button
from bot.storage.engines.dialects import connector
from bot.telegram.sending.messages import STOP
from bot.testing.virtual_loop import LoopClock

T = TypeVar("T")
ANNA, BORIS, TEAM = 1001, 1002, -1001000000001
CODE = re.compile(r" (?:Code|Код) [0-9a-f]{6}:[^.]{1,60}\.")
# Settings with other defaults in tests: whoever writes is answered, and only what a test is about asks the model.
# What an App gives counts more.
IN_TESTS: Mapping[str, Any] = {
    "access": "open",
    "name_chats": False,
    "summaries": False,
    "queue_notice": 0.0,
    "http_secret": "0123456789abcdef",
}
PATIENCE = 900.0  # virtual seconds until a wait is a failure


@dataclass(kw_only=True)
class Stage:
    """Both servers and a bot that can be started, stopped and killed.

    ANNA and BORIS are people, TEAM is a group. `given` goes to `Instead`: what the bot under test has in place of AI
    Studio's models.
    """

    telegram: Telegram
    studio: Studio
    settings: Settings
    clock: LoopClock
    # Not in the repr, which asyncio makes of what a fixture returns, each time: the bot's would take seconds.
    app: Bot | None = field(default=None, init=False, repr=False)
    extension: Extension | None = None
    shared: bool | None = None
    given: Json = field(default_factory=dict)
    _task: asyncio.Task[None] | None = field(default=None, init=False, repr=False)
    _reader: Connection | None = field(default=None, init=False, repr=False)  # is there only while the bot runs

    async def start(self, **changes: Any) -> Bot:
        """Start the bot with these changes of its settings and return it once it runs."""
        self.settings = self.settings.model_copy(update=changes)
        ready: asyncio.Future[Bot] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._live(ready))
        await asyncio.wait([ready, self._task], return_when=asyncio.FIRST_COMPLETED)  # type: ignore[type-var]
        if not ready.done():
            await self._task
        self.app = await ready
        return self.app

    async def _live(self, ready: asyncio.Future[Bot]) -> None:
        instead = Instead(seed=1, **self.given)
        async with build(
            self.settings, clock=self.clock, extension=self.extension, shared=self.shared, instead=instead
        ) as app:
            ready.set_result(app)
            await app.run()

    async def stop(self) -> None:
        """Stop the bot in order, as SIGTERM does."""
        self._close_reader()
        self._running().stop()
        await self._life()

    async def ended(self) -> None:
        """Wait until the bot ends by itself. Raises the exception that ended it."""
        self._close_reader()
        await self._life()

    async def crash(self) -> None:
        """Kill the bot, as far as that is possible in one process: all its tasks are cancelled at once."""
        self._close_reader()
        self._life().cancel()
        await asyncio.wait({self._life()})

    async def close(self) -> None:
        """End the bot if it still runs, and both servers."""
        self._close_reader()
        if self._task is not None and not self._task.done():
            await self.crash()
        await self.telegram.close()
        await self.studio.close()

    def _running(self) -> Bot:
        if self.app is None:
            raise RuntimeError("start the bot first")
        return self.app

    def _life(self) -> asyncio.Task[None]:
        if self._task is None:
            raise RuntimeError("start the bot first")
        return self._task

    async def until(self, found: Callable[[], T | None]) -> T:
        """Call `found` after each event in Telegram and return its first true value. Raises `TimeoutError`."""
        return await self.telegram.wait_for(found, PATIENCE)

    async def texts(self, count: int, chat: int = ANNA, thread: int | None = None) -> list[str]:
        """Wait until the bot has sent `count` messages to a chat and has finished writing all of them; return their
        texts.

        The codes of failures, which are random, are removed from the texts.
        """
        await self.until(lambda: (len(self.telegram.texts(chat, thread)) >= count and not self.growing(chat)) or None)
        return [CODE.sub("", text) for text in self.telegram.texts(chat, thread)]

    def growing(self, chat: int = ANNA) -> bool:
        """Whether the bot is still writing a message in the chat: one has a Stop button."""
        buttons = [button for message in self.telegram.transcript(chat) for button in buttons_of(message)]
        return any(button.get("callback_data") == STOP for button in buttons)

    async def ask(self, text: str, chat: int = ANNA, user: int | None = None, thread: int = 0) -> str:
        """Write a message and return the text of the bot's next message."""
        before = len(self.telegram.texts(chat, thread or None))
        self.telegram.say(chat, text, user, thread)
        return (await self.texts(before + 1, chat, thread or None))[-1]

    async def press(self, label: str, chat: int = ANNA, user: int | None = None) -> None:
        """Press the newest button with this label. Raises `AssertionError` if there is none."""
        self.telegram.press(chat, *find_button(self.telegram.transcript(chat), label), user)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Run a query in the bot's database, from outside of the bot, and return the rows.

        Waits ask many times a second, so while the bot runs one connection is kept: a new one reads the whole schema.
        """
        if self._task is None or self._task.done():
            with connector(self.settings.database_url, writer=False).connect() as connection:
                return _rows(connection, query)
        if self._reader is None:
            self._reader = connector(self.settings.database_url, writer=False).connect()
        try:
            return _rows(self._reader, query)
        finally:
            self._reader.rollback()  # the next query sees what has been committed meanwhile

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def prompts(self) -> list[list[dict[str, str]]]:
        """What the model was asked: the messages of each native request, oldest first."""
        return [seen.body["messages"] for seen in self.studio.seen("completion")]


@asynccontextmanager
async def opened(
    folder: Path,
    template: Path,
    token: str = "",
    own: App | None = None,
    kind: type[Stage] = Stage,
    **changes: Any,
) -> AsyncIterator[Stage]:
    """Start both servers with a copy of the database `template`. The bot is not started. `changes` are settings.

    Addresses, ports, keys and the database are those of the test; all other settings are the App's, with the defaults
    of `IN_TESTS`.
    """
    own = own or App()
    clock = LoopClock()
    telegram = Telegram(token, clock=clock, limits=False, topics=True, seed=1)
    studio = Studio(clock=clock, quotas=False)
    await telegram.start()
    await studio.start()
    database = folder / "govorun.db"
    shutil.copy(template, database)
    settings = own.settings(
        _env_file=None,
        bot_token=telegram.token,
        telegram_api_url=telegram.url,
        webhook_port=_free_port(),
        **{name: value for name, value in IN_TESTS.items() if name not in own.given},
        database_url=f"sqlite+aiosqlite:///{database}",
        **{name.lower(): value for name, value in studio.settings().items()},
    )
    stage = kind(
        telegram=telegram,
        studio=studio,
        settings=settings.model_copy(update=changes),
        clock=clock,
        extension=own.extension,
        shared=False,
    )
    try:
        yield stage
    finally:
        await stage.close()


def _rows(connection: Connection, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.exec_driver_sql(query)]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
