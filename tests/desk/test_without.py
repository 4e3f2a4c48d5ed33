"""Without the setting DESK nothing of the support desk is there."""

from __future__ import annotations

import os
from pathlib import Path
from subprocess import PIPE

import pytest

from bot.texts.catalog import say
from tests.support.desk_side import desk_on
from tests.support.forked import Forked
from tests.support.loaded import Loaded, among
from tests.support.stage import ANNA, Stage


@pytest.mark.process
def test_nothing_of_the_desk_is_imported_with_the_bot(loaded: Loaded) -> None:
    assert among(loaded.bot, ("bot.desk",)) == []


async def test_nobody_is_called_without_a_desk(stage: Stage) -> None:
    await stage.start()
    assert (await stage.ask("/human")).startswith(say("en", "unknown.command", command="/human", near="")[:12])


@pytest.mark.process
async def test_a_desk_is_drained_before_it_is_switched_off(
    stage: Stage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    desk = await desk_on(stage, tmp_path)
    await desk.called()
    await desk.presses("desk.take")
    await stage.stop()
    await stage.start(desk=None)
    await stage.until(lambda: "the support desk has open cases (1)" in caplog.text or None)
    await stage.stop()
    settings = {"BOT_TOKEN": stage.telegram.token, "YC_API_KEY": "none", "YC_FOLDER_ID": "none"}
    environment = {**os.environ, **settings, "DATABASE_URL": stage.settings.database_url}
    for told in ("Cases given back to the bot: 1", "No case is open."):
        assert await drained(environment, tmp_path) == (told, "")
    await stage.start()
    assert await stage.until(lambda: stage.telegram.texts(ANNA)[-1:] == [say("en", "desk.returned")] or None)
    stage.studio.script("Here I am.")
    assert await stage.ask("hello") == "Here I am."


async def drained(environment: dict[str, str], folder: Path) -> tuple[str, str]:
    """What the command says, on both streams."""
    async with Forked.running(
        *("-m", "bot", "desk", "drain"), directory=folder, environment=environment, stdout=PIPE, stderr=PIPE
    ) as command:
        out, err = await command.communicate()
        return out.decode().strip(), err.decode()
