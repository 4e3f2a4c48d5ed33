"""Without the setting DESK nothing of the support desk is there."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bot.texts.catalog import say
from tests.support.stage import Stage

LOADED = "import bot.cli, bot.runtime.wiring, sys; print([name for name in sys.modules if name.startswith('bot.desk')])"


@pytest.mark.process
def test_nothing_of_the_desk_is_imported_with_the_bot() -> None:
    found = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


async def test_nobody_is_called_without_a_desk(stage: Stage) -> None:
    await stage.start()
    assert (await stage.ask("/human")).startswith(say("en", "unknown.command", command="/human", near="")[:12])
