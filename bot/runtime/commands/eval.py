"""`govorun eval`: the command. What it does stands in `eval_runs`, which is imported only when it runs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from bot.runtime.commands.kb import BOT, agree_on_terminal

if TYPE_CHECKING:
    from bot.config.settings import Settings
    from bot.extension import Extension

ORIGINS = "file, added, liked, disliked, gap, gold, topic, code"


class Program(Protocol):
    """A programmer's bot: an `App`."""

    extension: Extension

    def settings(self) -> Settings:
        """Return the settings of the bot. Raises `ConfigError`."""


def command(find: Callable[[], Program | None]) -> Callable[..., None]:
    """The command `govorun eval`; `find` returns the App that it works for, if it is one of a programmer."""

    def evaluate(
        model: Annotated[str, typer.Option(help="Let this model answer, by its name in MODELS.")] = "",
        persona: Annotated[str, typer.Option(help="Let this persona answer.")] = "",
        prompts: Annotated[Path | None, typer.Option(help="Use this folder in place of PROMPTS_DIR.")] = None,
        routing: Annotated[Path | None, typer.Option(help="Use this file in place of ROUTING.")] = None,
        embedder: Annotated[str, typer.Option(help="Use this in place of EMBEDDINGS.")] = "",
        against: Annotated[str, typer.Option(help="Compare with the last run, a name, or a JSON file.")] = "last",
        name: Annotated[str, typer.Option(help="Keep the run under this name.")] = "",
        runs: Annotated[int, typer.Option(min=1, max=9, help="Ask each case so often; the majority counts.")] = 1,
        most_worse: Annotated[int, typer.Option(min=0, help="Fail when more cases than these get worse.")] = 0,
        most_cost: Annotated[float, typer.Option(min=0.0, help="Spend no more; the rest is not asked.")] = 0.0,
        judge: Annotated[str, typer.Option(help="Let this model say which of two answers is better, too.")] = "",
        cases: Annotated[Path | None, typer.Option(help="The folder with files of cases; else EVAL_CASES.")] = None,
        only: Annotated[str, typer.Option(help=f"Only cases of these origins, with commas: {ORIGINS}.")] = "",
        to_json: Annotated[Path | None, typer.Option("--json", help="Write the results into this file.")] = None,
        junit: Annotated[Path | None, typer.Option(help="Write a JUnit file.")] = None,
        yes: Annotated[bool, typer.Option("--yes", help="Agree to prices without being asked (for cron, CI).")] = False,
        bot: int = BOT,
    ) -> None:
        """Ask your cases again, and say what is better or worse (exit code 1 if a demand is not met any more)."""
        from bot.config.settings import has_key, load
        from bot.runtime.commands import eval_runs
        from bot.runtime.optional.evaluation import Beside

        program = find()
        settings = program.settings() if program is not None else load()
        if program is not None:
            program.extension.ai.only_models = bool(program.extension.ai.models) and not has_key(settings)
        given = {"prompts": prompts, "routing": routing, "embedder": embedder}
        beside = Beside(
            model=model, persona=persona, settings={key: value for key, value in given.items() if value},
            folder=cases or settings.eval_cases or eval_runs.FOLDER,
            only=frozenset(filter(None, only.replace(" ", "").split(","))),
            own=program.extension.ai.cases if program is not None else (),
        )  # fmt: skip
        wish = eval_runs.Wish(
            tries=runs, against=against, name=name, most_worse=most_worse, most_cost=Decimal(str(most_cost)),
            judge=judge, json_file=to_json, junit=junit,
        )  # fmt: skip
        _run(settings, bot, beside, wish, program.extension if program is not None else None, yes=yes)

    return evaluate


def _run(settings: Settings, bot: int, beside: Any, wish: Any, added: Extension | None, *, yes: bool) -> None:
    from bot.config import multi_bot
    from bot.runtime.commands import eval_runs
    from bot.runtime.opening import open_evaluation

    number = multi_bot.one_of(settings, bot)

    async def run() -> bool:
        agree = (lambda _: True) if yes else agree_on_terminal
        async with open_evaluation(settings, number, beside, added) as evaluation:
            return await eval_runs.evaluate(evaluation, wish, typer.echo, agree)

    sys.exit(0 if asyncio.run(run()) else 1)
