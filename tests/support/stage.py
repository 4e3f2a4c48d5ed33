"""The stage of the test kit for our own tests: without sockets and threads where a test does not ask for them."""

from __future__ import annotations

import asyncio

from bot.runtime.bot import Bot
from bot.runtime.build import Instead, build
from bot.testing.stage import ANNA, BORIS, CODE, PATIENCE, TEAM, Stage, opened
from tests.support.wire import InlineProcess

__all__ = ["ANNA", "BORIS", "CODE", "PATIENCE", "TEAM", "Stage", "WireStage", "opened"]


class WireStage(Stage):
    """A stage whose bot keeps its database in the loop."""

    async def _live(self, ready: asyncio.Future[Bot]) -> None:
        instead = Instead(seed=1, **self.given)
        async with (
            InlineProcess.open(self.settings, self.clock) as process,
            build(self.settings, extension=self.extension, shared=self.shared, process=process, instead=instead) as app,
        ):
            ready.set_result(app)
            await app.run()
