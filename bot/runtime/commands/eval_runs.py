"""`govorun eval`: what the command does. Begin with `evaluate`."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from bot.billing.pricing import millionths, shown
from bot.errors import BadInput
from bot.evaluation.collecting import count_by_origin
from bot.evaluation.evaluation import Baseline, Evaluation
from bot.evaluation.judge import PairJudge, comparable, line
from bot.evaluation.report import Comparison, Pair, as_json, as_junit, compared, counted, lines
from bot.ports import Agree, Say

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


async def evaluate(evaluation: Evaluation, wish: Wish, say: Say, agree: Agree) -> bool:
    """Ask the cases, say what has changed, and keep the run. Returns whether it is fine: nothing is broken or worse,
    and every case was asked. Raises `BadInput`, `LimitReached`.
    """
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
        if not agree(f"{counted(len(cases))} ({origins}): {price}. Go on?"):
            say("Nothing was asked.")
            return False
    else:
        say(f"{counted(len(cases))} ({origins}), free of charge.")
    results = await evaluation.run(cases, tries=wish.tries, limit=limit, progress=_countdown(say))
    comparison = compared(before.results, results)
    failed = comparison.fails(wish.most_worse)
    for told in lines(comparison, evaluation.currency, _against(before)):
        say(told)
    if judge is not None:
        for told in await _judged(judge, comparison, evaluation):
            say(told)
    write(comparison, wish, evaluation.options, failed=failed)
    await evaluation.keep(results, wish.name)
    return not failed


def _judge(evaluation: Evaluation, wish: Wish) -> PairJudge | None:
    if not wish.judge:
        return None
    options = evaluation.replay.assistant.routing.options
    model = next((one.model for one in options if one.name == wish.judge), None)
    if model is None:
        raise BadInput(f"--judge {wish.judge}: MODELS has {', '.join(one.name for one in options)}")
    return PairJudge(store=evaluation.store, model=model, bot=evaluation.bot, name=f"eval-{secrets.token_hex(4)}")


async def _judged(judge: PairJudge, comparison: Comparison, evaluation: Evaluation) -> list[str]:
    """What the judge says of the answers that differ, once its price is held back."""
    before = {one.case.key: one for one in comparison.old}
    pairs = comparable([Pair(before.get(one.case.key), one) for one in comparison.new if one.is_judged])
    if not pairs:
        return ["The judge has nothing to compare: no answer differs."]
    async with evaluation.held(judge.most(len(pairs))) as paid:
        found = await judge.judge(pairs)
        paid(found.cost, 0)
    return [line(found, judge.model.name, evaluation.currency)]


def write(comparison: Comparison, wish: Wish, options: Mapping[str, Any], *, failed: bool) -> None:
    """Write the files that are wished for. Raises `BadInput`."""
    try:
        if wish.json_file is not None:
            told = json.dumps(as_json(comparison, options, failed=failed), ensure_ascii=False, indent=1)
            wish.json_file.write_text(told + "\n", "utf-8")
        if wish.junit is not None:
            wish.junit.write_text(as_junit(comparison), "utf-8")
    except OSError as error:
        raise BadInput(f"{error.filename}: {error.strerror or 'can not be written'}") from None


def _against(before: Baseline) -> str:
    return before.name if before.results else ""


def _countdown(say: Say) -> Callable[[int], None]:
    last = time.monotonic()

    def tell(left: int) -> None:
        nonlocal last
        if left and time.monotonic() - last >= PROGRESS:
            last = time.monotonic()
            say(f"{counted(left)} left")

    return tell
