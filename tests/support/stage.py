"""The stage of the test kit, under the name that our own tests use."""

from __future__ import annotations

import asyncio

from bot.runtime.bot import Bot
from bot.runtime.build import build
from bot.testing.stage import ANNA, BORIS, CODE, PATIENCE, TEAM, Stage, opened
from tests.support.wire import InlineProcess

__all__ = ["ANNA", "BORIS", "CODE", "PATIENCE", "TEAM", "Stage", "WireStage", "opened"]


class WireStage(Stage):
    """A stage whose bot keeps its database in the loop."""

    async def _live(self, ready: asyncio.Future[Bot]) -> None:
        async with (
            InlineProcess.open(self.settings, self.clock) as process,
            build(self.settings, seed=1, process=process, **self.given) as app,
        ):
            ready.set_result(app)
            await app.run()
