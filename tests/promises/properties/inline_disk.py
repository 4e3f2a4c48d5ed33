"""A database whose transactions run between two steps of the event loop, not in a thread. See `InlineDisk`."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar, cast

from sqlalchemy.engine import make_url

from bot.clock import Clock
from bot.storage.engines.sqlite import Sqlite
from bot.storage.engines.sqlite_thread import Thread, engine
from bot.storage.store import Store
from bot.telemetry.metrics import Metrics

T = TypeVar("T")


class InlineThread:
    """Looks like `storage.thread.Thread`. After `pull` nothing that is asked of it ever comes back."""

    def __init__(
        self, path: Path, *, writer: bool, written: Callable[[sqlite3.Connection], bool] | None = None
    ) -> None:
        self.written = written
        self.raw = sqlite3.connect(path)
        self.connection = engine(make_url("sqlite://"), lambda: self.raw, writer=writer).connect()
        self.raw.execute("PRAGMA synchronous=OFF")  # no power cut comes here: `tests/promises/disk` is about those
        self.pulled = False

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        await self._turn()
        result = function(*arguments)
        if self.written is not None and self.written(self.raw):
            self.pulled = True
        await self._turn()
        return result

    async def _turn(self) -> None:
        await asyncio.sleep(0)
        if self.pulled:
            await asyncio.get_running_loop().create_future()

    def pull(self) -> None:
        self.pulled = True
        self.raw.close()


class InlineDisk:
    """The power cut of one process is `pull`: a transaction is whole or not there, as SQLite keeps it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written: Callable[[sqlite3.Connection], bool] = lambda _connection: (
            False
        )  # told of each commit; True: pull
        self.threads: list[InlineThread] = []

    def store(self, clock: Clock) -> Store:
        self.threads = [
            InlineThread(self.path, writer=True, written=lambda raw: self.written(raw)),
            InlineThread(self.path, writer=False),
        ]
        writer, *readers = cast(Sequence[Thread], self.threads)
        engine = Sqlite(writer=writer, readers=readers, path=self.path)
        return Store(url=f"sqlite+aiosqlite:///{self.path}", clock=clock, engine=engine, metrics=Metrics())

    def pull(self) -> None:
        for thread in self.threads:
            thread.pull()
        self.threads = []
