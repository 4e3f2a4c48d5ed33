"""A bot of its own process whose model acts as soon as it is asked; its tool writes a line into a file, slowly."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from bot import Tool
from bot.config.settings import load
from bot.runtime.build import Instead, build
from tests.support.scripted_model import ScriptedModel, call

FILE, SECONDS = Path(sys.argv[1]), float(sys.argv[2])


async def write(text: str) -> str:
    """Write a line."""
    await asyncio.sleep(SECONDS / 2)
    with FILE.open("a") as file:  # noqa: ASYNC230
        file.write(f"{text}\n")
    await asyncio.sleep(SECONDS / 2)
    return "written"


class Eager(ScriptedModel):
    def forget(self) -> None:
        """After a restart it has to go on where it was."""
        if FILE.with_suffix(".asked").exists():
            self.answers.popleft()
        FILE.with_suffix(".asked").touch()


async def main() -> None:
    model = Eager([call("write", text="once")], "It is written.")
    model.forget()
    async with build(
        load(), instead=Instead(routing=model.routing, tools=[Tool.of(write, needs_approval=True)])
    ) as app:
        await app.run()


asyncio.run(main())
