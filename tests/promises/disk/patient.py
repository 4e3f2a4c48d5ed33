"""A bot in a process of its own whose disk can be made to fail: begin with `Patient.open`."""

from __future__ import annotations

import asyncio
import mmap
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from bot.sandbox.ai_studio.server import Studio
from bot.sandbox.telegram.server_facade import Telegram
from tests.promises.e2e.surroundings import ANNA, PATIENCE, Process

KINDS = ("writes", "reads", "syncs", "opens", "removals")  # as in disk.c
FAULTS = struct.Struct("=5i")


class Faults:
    """The switch of `disk.c`: `fail(writes=errno.ENOSPC)` fails from now on, `fail()` heals."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(FAULTS.pack(0, 0, 0, 0, 0))
        with path.open("r+b") as file:
            self._mapped = mmap.mmap(file.fileno(), FAULTS.size)

    def fail(self, **kinds: int) -> None:
        self._mapped[:] = FAULTS.pack(*(kinds.get(kind, 0) for kind in KINDS))


class Patient:
    """What the bot's environment holds is kept, for another start."""

    def __init__(
        self, telegram: Telegram, studio: Studio, database: Path, environment: dict[str, str], faults: Faults
    ) -> None:
        self.telegram = telegram
        self.studio = studio
        self.database = database
        self.faults = faults
        self._environment = environment
        self.process: Process

    @classmethod
    @asynccontextmanager
    async def open(
        cls, folder: Path, template: bytes, *, shim: Path | None = None, **extra: str
    ) -> AsyncIterator[Patient]:
        """`govorun run` with its database in `folder`/data, which is `template` at first; `extra` is environment."""
        data = folder / "data"
        data.mkdir(exist_ok=True)
        database = data / "bot.db"
        database.write_bytes(template)
        faults = Faults(folder / "faults")
        telegram, studio = Telegram(limits=False), Studio(quotas=False)
        url, _ = await telegram.start(), await studio.start()
        studio.speed, studio.ttft = 1_000, 0.01
        environment = {name.upper(): value for name, value in studio.settings().items()}
        environment |= {"BOT_TOKEN": telegram.token, "TELEGRAM_API_URL": url, "ACCESS": "open", "LOG_LEVEL": "INFO"}
        environment |= {"DATABASE_URL": f"sqlite+aiosqlite:///{database}"}
        if shim is not None:
            environment |= {"LD_PRELOAD": str(shim), "DISK_FOLDER": str(data), "DISK_FAULTS": str(folder / "faults")}
        environment |= extra
        patient = cls(telegram, studio, database, environment, faults)
        try:
            async with patient.again():
                yield patient
        finally:
            await studio.close()
            await telegram.close()

    @asynccontextmanager
    async def again(self) -> AsyncIterator[None]:
        """A process; leaving the block kills it, if it still runs."""
        starts = len(self.telegram.calls_of("setMyCommands"))
        start = Process.python if "LD_PRELOAD" in self._environment else Process.fork
        async with start("-m", "bot", "run", directory=self.database.parents[1], **self._environment) as self.process:
            await self.until(lambda: len(self.telegram.calls_of("setMyCommands")) > starts)
            yield

    def say(self, text: str) -> None:
        self.telegram.say(ANNA, text)

    async def until(self, found: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not found():
                await asyncio.sleep(0.05)

    async def ask(self, text: str) -> str:
        """Ask and wait for the answer."""
        before = len(self.texts)
        self.say(text)
        await self.until(lambda: len(self.texts) > before)
        return self.texts[-1]

    @property
    def texts(self) -> list[str]:
        return self.telegram.texts(ANNA)

    @property
    def questions(self) -> list[str]:
        """What the model was asked, in order."""
        return [seen.body["messages"][-1]["text"] for seen in self.studio.seen("completion")]
