"""Cases that are asked again beside a running bot of a stage. Begin with `evaluated`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bot.cli.eval import Wish, evaluate
from bot.evaluation.evaluation import Evaluation
from bot.evaluation.results import Result
from bot.runtime.bot import Bot
from bot.runtime.build import Instead
from bot.runtime.opening import apart
from bot.runtime.optional.evaluation import Beside, evaluation_of
from tests.support.stage import Stage
from tests.support.wire import InlineProcess


@dataclass
class Printed:
    """What the command has printed, and whether it ended well."""

    is_fine: bool = True
    lines: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@asynccontextmanager
async def beside(stage: Stage, bot: Bot, how: Beside) -> AsyncIterator[Evaluation]:
    settings, id_ = stage.settings, bot.telegram.api.id
    async with (
        InlineProcess.open(settings, stage.clock) as process,
        evaluation_of(settings, id_, how, apart(process, stage.extension, Instead(**stage.given))) as evaluation,
    ):
        yield evaluation


async def evaluated(stage: Stage, bot: Bot, how: Beside, wish: Wish | None = None, *, agrees: bool = True) -> Printed:
    """Run `govorun eval` beside the bot."""
    printed = Printed()

    def agree(question: str) -> bool:
        printed.asked.append(question)
        return agrees

    async with beside(stage, bot, how) as evaluation:
        printed.is_fine = await evaluate(evaluation, wish or Wish(), printed.lines.append, agree)
    return printed


async def results(stage: Stage, bot: Bot, how: Beside) -> list[Result]:
    """The results of a run that is not kept."""
    async with beside(stage, bot, how) as evaluation:
        return await evaluation.run(await evaluation.cases())


def cases_file(folder: Path, text: str, name: str = "shop") -> Path:
    """Write a file of cases, and return its folder."""
    folder = folder / "eval"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.toml").write_text(text, "utf-8")
    return folder
