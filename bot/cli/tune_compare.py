"""`govorun tune compare`: a tuned model against its base on your own cases (`govorun eval`). Begin with `compare`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from bot.batch.rows import open_rows
from bot.batch.tuned_models import use_classifier
from bot.batch.tuning import BETTER, TuningWork, Verdict, question_of
from bot.batch.vendor.work_folder import work_folder
from bot.billing.pricing import shown
from bot.cli import eval
from bot.config.entries import ModelConfig
from bot.config.settings import Settings
from bot.errors import BadInput, ModelRefused
from bot.evaluation.cases import Case
from bot.evaluation.report import format_count, format_lines
from bot.evaluation.results import Comparison
from bot.evaluation.results import compare as compare_runs
from bot.llm.topics.samples import masked
from bot.ports import Agree, Say
from bot.providers import catalog
from bot.runtime.opening import open_evaluation
from bot.runtime.optional.evaluation import Beside
from bot.storage.tables.batch import StoredTuning

BASE, TUNED = "the-base", "the-tuned"


async def compare(settings: Settings, work: TuningWork, tuning: StoredTuning, say: Say, agree: Agree) -> Verdict | None:
    """Ask base and tuned model the cases that were not in the data.

    Returns the verdict and what differs; None if the price was not agreed to. Raises `BadInput` where there are no such
    cases.
    """
    seen = await _questions(work, tuning, say)
    with work_folder() as folder:
        (before, old), (after, new) = _sides(settings, tuning, folder)
        async with open_evaluation(before, tuning.bot, old, clock=work.store.clock) as evaluation:
            cases = unseen(await evaluation.cases(), seen)
            if not cases:
                raise BadInput("there is no case that was not in the data: docs/evaluation.md says how to make some")
            most = (await evaluation.estimate(cases, 2)).most
            price = shown("en", most, settings.currency)
            if most and not agree(f"{format_count(len(cases))}, each asked of both: at most {price}. Go on?"):
                return None
            first = await evaluation.run(cases)
        async with open_evaluation(after, tuning.bot, new, clock=work.store.clock) as evaluation:
            comparison = compare_runs(first, await evaluation.run(cases))
    return Verdict(verdict_of(comparison), format_lines(comparison, settings.currency, "the base"))


def unseen(cases: Sequence[Case], seen: Collection[str]) -> list[Case]:
    """The cases whose questions a model has not learned; `seen` are questions without names and numbers."""
    return [case for case in cases if not case.stale and _plain(case.question) not in seen]


def verdict_of(comparison: Comparison) -> str:
    """Return in one sentence what a comparison says of the tuned model.

    It begins with `BETTER` if more cases got better than worse, and that is no noise.
    """
    better, worse = len(comparison.better), len(comparison.worse)
    told = f"{better} better, {worse} worse of {format_count(len(comparison.new))} (p {comparison.chance:.2f})"
    if better > worse and not comparison.is_noise:
        return f"{BETTER}: {told}"
    return f"noise: {told}" if better > worse else f"not better: {told}"


async def _questions(work: TuningWork, tuning: StoredTuning, say: Say) -> set[str]:
    """The questions that the data has, as the service keeps it."""
    found: set[str] = set()
    with work_folder() as folder:
        for dataset in filter(None, (tuning.train, tuning.validation)):
            path = folder / f"{dataset}.jsonl"
            try:
                await work.datasets.download(dataset, path)
            except ModelRefused as error:
                say(f"the data is gone ({error}): cases that were in it are compared, too")
                continue
            found.update(_plain(question_of(row.columns)) for row in open_rows(path))
    return found


def _plain(text: str) -> str:
    return masked(text).strip().lower()


def _sides(settings: Settings, tuning: StoredTuning, folder: Path) -> Sequence[tuple[Settings, Beside]]:
    """The settings and what answers instead, of the base and of the tuned model."""
    cases = settings.eval_cases or eval.FOLDER
    old = Beside(folder=cases)
    if tuning.target.startswith("cls://"):
        if settings.routing is None:
            raise BadInput("a classifier is compared by ROUTING, which is not set")
        routing = folder / "routing.toml"
        routing.write_bytes(settings.routing.read_bytes())
        use_classifier(tuning, routing, lambda _line: None)
        return (settings, old), (settings, replace(old, settings={"routing": routing}))
    if not tuning.target.startswith("gpt://"):
        raise BadInput("embeddings are compared by govorun kb eval: govorun tune use prints how to take them")
    own = [ModelConfig(name=name, title=name, model=uri) for name, uri in ((BASE, tuning.base), (TUNED, tuning.target))]
    given = settings.model_copy(update={"models": [*catalog.choices(settings.models), *own]})
    learned = given.model_copy(update={"system_prompt": tuning.system} if tuning.system else {})
    return (given, replace(old, model=BASE)), (learned, replace(old, model=TUNED))
