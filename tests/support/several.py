"""Two bots in one process on the servers of a stage: two tokens in Telegram, one AI Studio, one database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.config import multi_bot
from bot.config.multi_bot import Plan
from bot.config.settings import Settings, load
from bot.extension import Extension
from bot.runtime.resources import SharedResources
from bot.runtime.supervisor import Problems, Supervisor
from bot.sandbox.telegram.server_facade import Telegram
from tests.support.stage import ANNA, PATIENCE, Stage

OTHER = "4300000043:BBsandboxSandboxSandboxSandboxSandbox2"
NOBODY = "4400000044:CCsandboxSandboxSandboxSandboxSandbox3"  # Telegram does not know it


@dataclass
class Town:
    """`support` is the first bot, `sales` the second; `folder` is BOTS. `given` are settings of the process."""

    stage: Stage
    sales: Telegram
    folder: Path
    given: dict[str, Any] = field(default_factory=dict)
    fleet: Supervisor | None = None
    problems: Problems | None = None
    extension: Extension | None = None
    _life: asyncio.Task[None] | None = None

    @property
    def support(self) -> Telegram:
        return self.stage.telegram

    @property
    def running(self) -> Supervisor:
        assert self.fleet is not None
        return self.fleet

    def write(self, name: str, telegram: Telegram, **settings: str) -> None:
        """The file of a bot."""
        rows = {"BOT_TOKEN": telegram.token, "TELEGRAM_API_URL": telegram.url, **settings}
        path = self.folder / f"{name}.env"
        path.write_text("".join(f"{key}={value}\n" for key, value in rows.items()))
        path.chmod(0o600)

    def read(self, **more: Any) -> Settings:
        common = {name: getattr(self.stage.settings, name) for name in self.stage.settings.model_fields_set}
        return load(**{**common, "bots": self.folder, **self.given, **more})

    def plan(self) -> Plan:
        return multi_bot.plan(self.read(), self.read)

    async def start(self, **given: Any) -> None:
        self.given.update(given)
        self._life = asyncio.create_task(self._live())
        await self.stage.clock.sleep(1)

    async def _live(self) -> None:
        plan = self.plan()
        async with SharedResources.open(plan.process, self.stage.clock) as process:
            self.fleet = Supervisor(
                process=process, plan=plan, shared=False, problems=self.problems,
                extension=self.extension or Extension(),
            )  # fmt: skip
            await self.fleet.run()

    async def reload(self, **given: Any) -> None:
        """SIGHUP, and the time that it takes when nobody waits for an answer."""
        self.given.update(given)
        self.running.apply(self.plan())
        await self.stage.clock.sleep(1)

    async def ended(self) -> None:
        """Raises what it ended with."""
        assert self._life is not None
        await self._life

    async def stop(self) -> None:
        if self._life is not None and not self._life.done():
            self.running.stop()
            await self._life

    async def texts(self, telegram: Telegram, count: int, chat: int = ANNA) -> list[str]:
        """Wait until a bot has said so many messages."""
        await telegram.wait_for(lambda: len(telegram.texts(chat)) >= count or None, PATIENCE)
        return telegram.texts(chat)


@asynccontextmanager
async def town(stage: Stage, folder: Path) -> AsyncIterator[Town]:
    """The servers listen and both files are there; nothing was started."""
    sales = Telegram(OTHER, clock=stage.clock, limits=False, topics=True, seed=2, username="sales_bot")
    await sales.start()
    folder.mkdir()
    found = Town(stage, sales, folder, {"streaming": "off"})
    found.write("support", stage.telegram)
    found.write("sales", sales)
    try:
        yield found
    finally:
        await found.stop()
        await sales.close()
