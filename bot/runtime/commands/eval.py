"""`govorun eval`: the command. What it does stands in `eval_runs`, which is imported only when it runs."""

from __future__ import annotations

import asyncio
import sys
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from bot.runtime.commands.kb import BOT, agree_on_terminal

ORIGINS = "file, added, liked, disliked, gap, gold, topic, code"


def evaluate(
    model: Annotated[str, typer.Option(help="Let this model answer, by its name in MODELS.")] = "",
    persona: Annotated[str, typer.Option(help="Let this persona answer.")] = "",
    prompts: Annotated[Path | None, typer.Option(help="Use this folder in place of PROMPTS_DIR.")] = None,
    routing: Annotated[Path | None, typer.Option(help="Use this file in place of ROUTING.")] = None,
    embedder: Annotated[str, typer.Option(help="Use this in place of EMBEDDINGS.")] = "",
    against: Annotated[str, typer.Option(help="Compare with the last run, one with a name, or a JSON file.")] = "last",
    name: Annotated[str, typer.Option(help="Keep the run under this name.")] = "",
    runs: Annotated[int, typer.Option(min=1, max=9, help="Ask each case so often; what is more frequent counts.")] = 1,
    most_worse: Annotated[int, typer.Option(min=0, help="Fail when more cases than these get worse.")] = 0,
    most_cost: Annotated[float, typer.Option(min=0.0, help="Spend no more; what does not fit is not asked.")] = 0.0,
    judge: Annotated[str, typer.Option(help="Let this model say which of two answers is better, too.")] = "",
    cases: Annotated[Path | None, typer.Option(help="The folder with files of cases; eval if not given.")] = None,
    only: Annotated[str, typer.Option(help=f"Only cases of these origins, with commas: {ORIGINS}.")] = "",
    to_json: Annotated[Path | None, typer.Option("--json", help="Write the results into this file.")] = None,
    junit: Annotated[Path | None, typer.Option(help="Write a JUnit file.")] = None,
    own: Annotated[str, typer.Option("--app", help="Your own bot: module:name or file.py:name of its App.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Agree to prices without being asked (for cron and CI).")] = False,
    bot: int = BOT,
) -> None:
    """Ask your cases again, and say what has become better or worse (exit code 1 if a demand is not met any more)."""
    from bot.config import multi_bot
    from bot.config.settings import load
    from bot.runtime.commands import eval_runs

    program = None
    if own:
        from bot import app

        program = app.find(own)
    settings = program.settings() if program is not None else load()
    given = {"prompts": prompts, "routing": routing, "embedder": embedder}
    beside = eval_runs.Beside(
        model=model,
        persona=persona,
        settings={key: value for key, value in given.items() if value},
        folder=cases or settings.eval_cases or eval_runs.FOLDER,
        only=frozenset(filter(None, only.replace(" ", "").split(","))),
    )
    wish = eval_runs.Wish(
        tries=runs, against=against, name=name, most_worse=most_worse, most_cost=Decimal(str(most_cost)), judge=judge,
        json_file=to_json, junit=junit,
    )  # fmt: skip
    number = multi_bot.one_of(settings, bot)

    async def run() -> bool:
        agree = (lambda _: True) if yes else agree_on_terminal
        extension = program.extension if program is not None else None
        async with eval_runs.opened(settings, number, beside, extension) as evaluation:
            return await eval_runs.evaluate(evaluation, wish, typer.echo, agree)

    sys.exit(0 if asyncio.run(run()) else 1)
