"""The evaluation of answers, with the setting EVAL_CASES or by the command. Without it nothing of `bot/evaluation` is
imported. Begin with `evaluation_of`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.access.policy import Access
from bot.billing.budget import Budget, Everybody
from bot.billing.instance_watch import InstanceWatch
from bot.billing.pricing import millionths
from bot.config.groups.money import BudgetSettings
from bot.config.settings import Settings
from bot.errors import BadInput
from bot.extension import OwnCase
from bot.handlers import Handlers
from bot.prompts.library import Library
from bot.runtime.parts import Answering, Given, Ground

if TYPE_CHECKING:
    from bot.evaluation.evaluation import Evaluation
    from bot.evaluation.watch import EvaluationWatch
    from bot.knowledge.base import KnowledgeBase
    from bot.llm.topics.routing_file import RoutingTable
    from bot.runtime.bot import Bot

# Opens parts that answer with these settings in the name of a bot.
Apart = Callable[[Settings, int], AbstractAsyncContextManager[tuple[Ground, Answering]]]
OVERRULED = {"prompts": "prompts_dir", "routing": "routing", "embedder": "embeddings"}


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
async def evaluation_of(settings: Settings, bot: int, beside: Beside, apart: Apart) -> AsyncIterator[Evaluation]:
    """The evaluation of a bot, with parts of its own (`apart`). Raises `ConfigError`, `BadInput`."""
    from bot.evaluation.collecting import Sources
    from bot.evaluation.evaluation import Evaluation
    from bot.evaluation.replay import Replay

    changed = unlimited(settings).model_copy(update={OVERRULED[name]: v for name, v in beside.settings.items()})
    async with apart(changed, bot) as (ground, answering):
        assistant = answering.assistant
        _check(beside, assistant.routing.options, ground.library.personas())
        if "embedder" in beside.settings:
            await _check_embedder(str(beside.settings["embedder"]), bot, ground.knowledge)
        topics = assistant.turn_start.topics
        if topics is not None and topics.topics.problem:
            raise BadInput(topics.topics.problem)
        replay = Replay(
            store=ground.people.meter.store,
            assistant=assistant,
            bot=bot,
            role=ground.people.access.role,
            model=beside.model,
            persona=beside.persona,
        )
        # What is right is told by the file of now, also where another one is tried.
        table = _table(settings) or (topics.topics.table if topics is not None else None)
        yield Evaluation(
            store=replay.store,
            replay=replay,
            bot=bot,
            sources=Sources(folder=beside.folder, topics=table, own=beside.own, only=beside.only),
            budget=budget_of(settings),
            options={**beside.options, "files": files_of(ground.library, table)},
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


async def _check_embedder(name: str, bot: int, base: KnowledgeBase | None) -> None:
    """Raise `BadInput` if passages have no embeddings of an embedder: the former ones would be searched unnoticed."""
    if base is None or base.embedder is None:
        return
    model = base.embedder.name
    missing, _ = await base.store.read(lambda tx: tx.knowledge.size_to_embed(bot, model))
    if missing:
        raise BadInput(
            f"--embedder {name}: {missing:,} passages have no embedding of it. `EMBEDDINGS={name} govorun kb embed` "
            "makes them; those of now stay, and the bot goes on with them"
        )


def evaluation_features(given: Given, ground: Ground) -> Sequence[Handlers]:
    """The command /eval; nothing without EVAL_CASES."""
    settings = given.settings
    if settings.eval_cases is None:
        return ()
    from bot.evaluation.command import EvalCommand

    command = EvalCommand(
        store=given.store,
        bot=given.api.id,
        folder=settings.eval_cases,
        library=ground.library,
        currency=settings.currency,
        table=partial(_table, settings),
    )
    return [command.feature()]


def evaluation_watch(bot: Bot, given: Given, library: Library, apart: Apart) -> EvaluationWatch:
    """The watch over what answers, which one process of the bot runs."""
    from bot.evaluation.watch import EvaluationWatch, Owners, Watched

    settings, people = given.settings, bot.joining
    beside = Beside(folder=settings.eval_cases, own=given.added.ai.cases)
    return EvaluationWatch(
        store=given.store,
        bot=given.api.id,
        watched=Watched(
            library=library, routing=given.models.routing, files=lambda: files_of(library, _table(settings))
        ),
        owners=Owners(rights=people.rights, deliver=people.deliver, currency=settings.currency),
        open=lambda: evaluation_of(settings, given.api.id, beside, apart),
        night_at=settings.eval_at,
        night_budget=millionths(settings.eval_budget),
    )


def instance_watch(bot: Bot, given: Given) -> InstanceWatch:
    """The watch over the instances among the models."""
    return InstanceWatch(
        store=given.store,
        bot=given.api.id,
        routing=given.models.routing,
        names=[row.name for row in given.settings.models if row.uri],
        rights=bot.joining.rights,
        deliver=bot.joining.deliver,
    )


def files_of(library: Library, table: RoutingTable | None) -> dict[str, str]:
    """The versions of the files that decide what is answered, by the names of personas, and `routing`."""
    found = {key: persona.version for key, persona in library.personas().items()}
    return found if table is None else {**found, "routing": table.version}


def _table(settings: Settings) -> RoutingTable | None:
    if settings.routing is None:
        return None
    from bot.llm.topics.routing_file import RoutingFile

    return RoutingFile(settings.routing).table
