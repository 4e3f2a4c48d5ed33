"""`govorun eval`: what the command does. Begin with `opened`, then `evaluate`."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from bot.access.policy import Access
from bot.billing.budget import Budget, Everybody
from bot.billing.pricing import millionths, shown
from bot.clock import Clock, SystemClock
from bot.config.groups.money import BudgetSettings
from bot.config.settings import Settings
from bot.errors import BadInput, ConfigError
from bot.evaluation.collecting import Sources, count_by_origin
from bot.evaluation.evaluation import Baseline, Evaluation
from bot.evaluation.replay import Change, Replay
from bot.evaluation.report import Comparison, as_json, as_junit, compared, lines
from bot.extension import Extension, OwnCase
from bot.llm.topics.routing_file import RoutingFile
from bot.runtime.build import answering_apart
from bot.runtime.resources import SharedResources
from bot.storage.engines.sqlite_files import alone
from bot.storage.engines.urls import is_sqlite
from bot.storage.maintenance import migrations

Say = Callable[[str], None]
Agree = Callable[[str], bool]
PROGRESS = 5.0  # seconds between two lines
FOLDER = Path("eval")
OVERRULED = {"prompts": "prompts_dir", "routing": "routing", "embedder": "embeddings"}


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What answers in place of what the settings say: `model`, `persona`, and settings by the names in `OVERRULED`.

    `folder` holds the files of cases, `own` are cases of a programmer, `only` the origins that are wanted.
    """

    model: str = ""
    persona: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None
    own: Sequence[OwnCase] = ()
    only: frozenset[str] = frozenset()

    @property
    def options(self) -> dict[str, str]:
        """What differs from the settings, by name."""
        told = {"model": self.model, "persona": self.persona, **{name: str(v) for name, v in self.settings.items()}}
        return {name: value for name, value in told.items() if value}


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
    limit = millionths(wish.most_cost)
    if found.most:
        likely = "" if found.likely is None else f"about {shown('en', found.likely, evaluation.currency)}, "
        price = f"{likely}at most {shown('en', min(found.most, limit or found.most), evaluation.currency)}"
        if not agree(f"{len(cases)} cases ({origins}): {price}. Go on?"):
            say("Nothing was asked.")
            return False
    else:
        say(f"{len(cases)} cases ({origins}), free of charge.")
    results = await evaluation.run(cases, tries=wish.tries, limit=limit, progress=_countdown(say))
    comparison = compared(before.results, results)
    failed = comparison.fails(wish.most_worse)
    for line in lines(comparison, evaluation.currency, _against(before)):
        say(line)
    write(comparison, wish, evaluation.options, failed=failed)
    await evaluation.keep(results, wish.name)
    return not failed


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
            say(f"{left} cases left")

    return tell


def unlimited(settings: Settings) -> Settings:
    """The settings without any limit of spending: a run holds back its price as a whole."""
    return settings.model_copy(update=_no_limits())


def budget_of(settings: Settings) -> Budget:
    """The budgets of the whole bot alone: a run is no person's."""
    personal = {name: value for name, value in _no_limits().items() if name.startswith(("user_", "chat_", "role_"))}
    return Budget.from_settings(settings.model_copy(update=personal), Access(), Everybody())


def _no_limits() -> dict[str, Any]:
    return {name: one.get_default(call_default_factory=True) for name, one in BudgetSettings.model_fields.items()}


@asynccontextmanager
async def evaluation_of(
    settings: Settings, bot: int, process: SharedResources, beside: Beside, extension: Extension | None = None
) -> AsyncIterator[Evaluation]:
    """The evaluation of a bot beside the bot itself. Raises `ConfigError`."""
    changed = unlimited(settings).model_copy(update={OVERRULED[name]: v for name, v in beside.settings.items()})
    async with answering_apart(changed, bot, process, extension) as (ground, answering):
        assistant = answering.assistant
        _check(beside, assistant.routing.options, ground.library.personas())
        topics = assistant.turn_start.topics
        replay = Replay(
            store=ground.people.meter.store,
            assistant=assistant,
            bot=bot,
            role=ground.people.access.role,
            change=Change(model=beside.model, persona=beside.persona),
        )
        # What is right is told by the file of now, also where another one is tried.
        table = RoutingFile(settings.routing).table if settings.routing is not None else None
        table = table or (topics.topics.table if topics is not None else None)
        yield Evaluation(
            store=replay.store,
            replay=replay,
            bot=bot,
            sources=Sources(folder=beside.folder, topics=table, own=beside.own, only=beside.only),
            budget=budget_of(settings),
            options=beside.options,
            currency=settings.currency,
        )


def _check(beside: Beside, options: Sequence[Any], personas: Mapping[str, Any]) -> None:
    names = [one.name for one in options]
    if beside.model and beside.model not in names:
        raise BadInput(f"--model {beside.model}: MODELS has {', '.join(names)}")
    if beside.persona and beside.persona not in personas:
        raise BadInput(f"--persona {beside.persona}: there are {', '.join(personas)}")
    for name in ("prompts", "routing"):
        if (path := beside.settings.get(name)) is not None and not path.exists():
            raise BadInput(f"--{name} {path}: there is no such file or folder")


@asynccontextmanager
async def opened(
    settings: Settings, bot: int, beside: Beside, extension: Extension | None = None, clock: Clock | None = None
) -> AsyncIterator[Evaluation]:
    """The evaluation of a bot, which may run meanwhile."""
    url = settings.database_url
    async with AsyncExitStack() as stack:
        try:
            stack.enter_context(alone(url) if is_sqlite(url) else nullcontext())
        except ConfigError:
            await migrations.insist(url)  # a schema that the running bot does not know would end it
        process = await stack.enter_async_context(SharedResources.open(settings, clock or SystemClock()))
        yield await stack.enter_async_context(evaluation_of(settings, bot, process, beside, extension))
