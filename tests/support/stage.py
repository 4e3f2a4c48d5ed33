"""The stage of the test kit for our own tests: without sockets and threads where a test does not ask for them."""

from __future__ import annotations

import asyncio
import os
from typing import Any, ClassVar

from pydantic import SecretStr

from bot import App
from bot.config.settings import Settings
from bot.runtime.bot import Bot
from bot.runtime.build import Instead, build
from bot.testing.stage import ANNA, BORIS, CODE, PATIENCE, TEAM, Stage, opened
from tests.support.wire import InlineProcess

__all__ = ["ANNA", "BORIS", "CODE", "PATIENCE", "TEAM", "OneReading", "Stage", "WireStage", "opened"]


class OneReading(App):
    """An App that reads the environment once a process: that takes a sixth of the time of a test with a stage.

    What a stage gives (addresses, a token, keys) is put, as it is, into a copy of those settings.
    """

    read: ClassVar[dict[object, Settings]] = {}

    def settings(self, **more: Any) -> Settings:
        """The settings that `App` would return for what a stage gives."""
        environment = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
        same = (frozenset(environment.items()), frozenset(more))
        first = self.read.get(same) or self.read.setdefault(same, super().settings(**more))
        secret = {name for name in more if isinstance(getattr(first, name, None), SecretStr)}
        given = {name: SecretStr(value) if name in secret else value for name, value in more.items()}
        given |= {name: value for name in more if isinstance(value := getattr(first, name, None), bool)}
        given.pop("_env_file")
        return first.model_copy(update=given)


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
