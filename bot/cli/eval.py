"""`govorun eval`: asks cases again, and says what is better or worse."""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.app import chosen_app
from bot.cli.terminal import Bot, agree_or_ask
from bot.errors import BadInput

if TYPE_CHECKING:
    from bot.evaluation.evaluation import Baseline, Evaluation
    from bot.evaluation.pairwise_judge import PairJudge
    from bot.evaluation.results import Comparison
    from bot.ports import Agree, Say

ORIGINS = "file, added, liked, disliked, gap, gold, topic, code"
PROGRESS = 5.0  # seconds between two lines
FOLDER = Path("eval")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a run is to be: how often each case is asked, with what it is compared, what it may cost, where it goes."""

    tries: int = 1
    against: str = "last"
    name: str = ""
    most_worse: int = 0
    most_cost: Decimal = Decimal(0)
    judge: str = ""
    json_file: Path | None = None
    junit: Path | None = None


def evaluate_cases(
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
    bot: Bot = 0,
) -> None:
    """Ask your cases again, and say what is better or worse (exit code 1 if a demand is not met any more)."""
    from bot.config import multi_bot
    from bot.config.settings import has_key, load
    from bot.runtime.opening import open_evaluation
    from bot.runtime.optional.evaluation import Beside

    program = chosen_app.find_app()
    settings = program.settings() if program is not None else load()
    if program is not None:
        program.extension.ai.only_models = bool(program.extension.ai.models) and not has_key(settings)
    given = {"prompts": prompts, "routing": routing, "embedder": embedder}
    beside = Beside(
        model=model,
        persona=persona,
        settings={key: value for key, value in given.items() if value},
        folder=cases or settings.eval_cases or FOLDER,
        only=frozenset(filter(None, only.replace(" ", "").split(","))),
        own=program.extension.ai.cases if program is not None else (),
    )
    wish = Wish(
        tries=runs,
        against=against,
        name=name,
        most_worse=most_worse,
        most_cost=Decimal(str(most_cost)),
        judge=judge,
        json_file=to_json,
        junit=junit,
    )
    number = multi_bot.one_of(settings, bot)

    async def run() -> bool:
        agree = agree_or_ask(yes=yes)
        added = program.extension if program is not None else None
        async with open_evaluation(settings, number, beside, added) as evaluation:
            return await evaluate(evaluation, wish, typer.echo, agree)

    sys.exit(0 if asyncio.run(run()) else 1)


async def evaluate(evaluation: Evaluation, wish: Wish, say: Say, agree: Agree) -> bool:
    """Ask the cases, say what has changed, and keep the run. Returns whether it is fine: nothing is broken or worse,
    and every case was asked. Raises `BadInput`, `LimitReached`.
    """
    from bot.billing.pricing import millionths, shown
    from bot.evaluation.collecting import count_by_origin
    from bot.evaluation.report import format_count, format_lines
    from bot.evaluation.results import compare

    before = await evaluation.baseline(wish.against)
    cases = await evaluation.cases()
    if not cases:
        raise BadInput(
            f"there is no case: write {FOLDER}/*.toml, rate answers by 👍 and 👎, or reply /eval add to an answer"
        )
    found = await evaluation.estimate(cases, wish.tries)
    origins = ", ".join(f"{count} {origin}" for origin, count in count_by_origin(cases).items())
    limit, judge = millionths(wish.most_cost), _judge(evaluation, wish)
    beside = judge.most(len(cases)) if judge is not None and before.results else 0
    if found.most or beside:
        likely = "" if found.likely is None else f"about {shown('en', found.likely, evaluation.currency)}, "
        price = f"{likely}at most {shown('en', min(found.most, limit or found.most), evaluation.currency)}"
        price += f"; the judge at most {shown('en', beside, evaluation.currency)}" if beside else ""
        if not agree(f"{format_count(len(cases))} ({origins}): {price}. Go on?"):
            say("Nothing was asked.")
            return False
    else:
        say(f"{format_count(len(cases))} ({origins}), free of charge.")
    results = await evaluation.run(cases, tries=wish.tries, limit=limit, progress=_countdown(say))
    comparison = compare(before.results, results)
    failed = comparison.fails(wish.most_worse)
    for told in format_lines(comparison, evaluation.currency, _against(before)):
        say(told)
    if judge is not None:
        for told in await _judged(judge, comparison, evaluation):
            say(told)
    write(comparison, wish, evaluation.options, failed=failed)
    await evaluation.keep(results, wish.name)
    return not failed


def _judge(evaluation: Evaluation, wish: Wish) -> PairJudge | None:
    from bot.evaluation.pairwise_judge import PairJudge

    if not wish.judge:
        return None
    options = evaluation.replay.assistant.routing.options
    model = next((one.model for one in options if one.name == wish.judge), None)
    if model is None:
        raise BadInput(f"--judge {wish.judge}: MODELS has {', '.join(one.name for one in options)}")
    return PairJudge(store=evaluation.store, model=model, bot=evaluation.bot, name=f"eval-{secrets.token_hex(4)}")


async def _judged(judge: PairJudge, comparison: Comparison, evaluation: Evaluation) -> list[str]:
    """What the judge says of the answers that differ, once its price is held back."""
    from bot.evaluation.pairwise_judge import find_comparable, format_judgement

    pairs = find_comparable(comparison.pairs)
    if not pairs:
        return ["The judge has nothing to compare: no answer differs."]
    async with evaluation.reserve(judge.name, judge.most(len(pairs))) as budget:
        found = await judge.judge(pairs)
        budget.spent = found.cost
    return [format_judgement(found, judge.model.name, evaluation.currency)]


def write(comparison: Comparison, wish: Wish, options: Mapping[str, Any], *, failed: bool) -> None:
    """Write the files that are wished for. Raises `BadInput`."""
    from bot.evaluation.report import format_json, format_junit

    try:
        if wish.json_file is not None:
            told = json.dumps(format_json(comparison, options, failed=failed), ensure_ascii=False, indent=1)
            wish.json_file.write_text(told + "\n", "utf-8")
        if wish.junit is not None:
            wish.junit.write_text(format_junit(comparison), "utf-8")
    except OSError as error:
        raise BadInput(f"{error.filename}: {error.strerror or 'can not be written'}") from None


def _against(before: Baseline) -> str:
    return before.name if before.results else ""


def _countdown(say: Say) -> Callable[[int], None]:
    from bot.evaluation.report import format_count

    last = time.monotonic()

    def tell(left: int) -> None:
        nonlocal last
        if left and time.monotonic() - last >= PROGRESS:
            last = time.monotonic()
            say(f"{format_count(left)} left")

    return tell
