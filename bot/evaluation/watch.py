"""Watches everything that changes answers: files, versions of models, trials that end. At night it asks all cases.

Begin with `EvaluationWatch.run`. What was told is stored, so that a restart tells nothing twice.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bot.access.policy import Role
from bot.access.rights import Rights
from bot.billing.pricing import shown
from bot.errors import BotError
from bot.evaluation.cases import Case
from bot.evaluation.checks import State
from bot.evaluation.evaluation import LAST, Evaluation
from bot.evaluation.report import Comparison, compared, spent
from bot.evaluation.trials import compared_versions, told
from bot.llm.circuit_breaker import CircuitBreaker
from bot.llm.routing import Routing
from bot.prompts.library import Library
from bot.storage.repositories.evaluation.runs import ModelState
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Address

log = logging.getLogger(__name__)

EVERY = 30.0  # seconds between two looks
NAMED = 5  # cases of a night that are named
FILES, NIGHT, TRIAL = "@files", "@night", "@trial "  # names of what was told, beside those of models
ROUTING = "routing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What is watched, because it changes answers: the personas, the models, and the version of the topics ("": there
    are none).
    """

    library: Library
    routing: Routing
    topics: Callable[[], str] = lambda: ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """When all cases are asked each night ("03:30", UTC; "": never), and for how much (millionths of the currency; 0:
    no limit).
    """

    at: str = ""
    budget: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Owners:
    """Who is told of changes, with prices in which currency. `deliver` sends the messages that were stored."""

    rights: Rights
    deliver: Callable[[str, Sequence[Address]], None]
    currency: str = "RUB"


@dataclass(slots=True, kw_only=True)
class EvaluationWatch:
    """Watches what changes the answers of one bot. `open` opens an evaluation of this bot, for the cases that are
    asked.
    """

    store: Store
    bot: int
    watched: Watched
    owners: Owners
    open: Callable[[], AbstractAsyncContextManager[Evaluation]]
    night: Night = Night()
    _files: dict[str, str] = field(default_factory=dict, init=False)

    async def run(self) -> None:
        """Look until cancelled. What fails is tried again at the next look."""
        while True:
            for look in (self._look_at_files, self._look_at_models, self._look_at_trials, self._look_at_clock):
                try:
                    await look()
                except Exception as error:  # a watch that fails must not end the bot
                    log.warning("what answers can't be watched now: %s", str(error) or type(error).__name__)
            await self.store.clock.sleep(EVERY)

    # --- files --------------------------------------------------------------------------------------------------------

    async def _look_at_files(self) -> None:
        now = self._current()
        if now == self._files:
            return
        before = self._files or await self._known_files()
        self._files = now
        changed = [key for key in now if before and before.get(key) != now[key]]
        await self.store.write(lambda tx: tx.evaluations.store_state(self.bot, FILES, ModelState(version=_mark(now))))
        if not changed:
            return
        async with self.open() as evaluation:
            cases = await evaluation.cases()
            touched = [case for case in cases if ROUTING in changed or evaluation.replay.persona(case) in changed]
            price = await self._price(evaluation, touched)
        if touched:
            await self._tell_owners(f"eval-files-{_mark(now)}", lambda language: say(
                language, "eval.changed", what=self._named(language, changed), count=len(touched), price=price(language)
            ))  # fmt: skip

    def _current(self) -> dict[str, str]:
        topics = self.watched.topics()
        versions = {key: persona.version for key, persona in self.watched.library.personas().items()}
        return {**versions, ROUTING: topics} if topics else versions

    async def _known_files(self) -> Mapping[str, str]:
        """The files of the newest run, unless what there is now was told already."""
        mark = await self.store.read(lambda tx: tx.evaluations.find_state(self.bot, FILES).version)
        if not mark or mark == _mark(self._current()):
            return {}
        runs = await self.store.read(lambda tx: tx.evaluations.list_runs(self.bot)[:1])
        found: Mapping[str, str] = runs[0].options.get("files", {}) if runs else {}
        return found

    def _named(self, language: str, changed: Sequence[str]) -> str:
        names = [
            say(language, "eval.changed.routing")
            if key == ROUTING
            else self.watched.library.persona(key).name(language)
            for key in changed
        ]
        return ", ".join(names)

    # --- models, trials -----------------------------------------------------------------------------------------------

    async def _look_at_models(self) -> None:
        for option in self.watched.routing.options:
            version = option.model.version if isinstance(option.model, CircuitBreaker) else ""
            if not version:
                continue
            name = option.name
            state = await self.store.read(lambda tx, name=name: tx.evaluations.find_state(self.bot, name))  # type: ignore[misc]
            if state.version == version:
                continue
            new = ModelState(version, state.down)
            await self.store.write(lambda tx, name=name, new=new: tx.evaluations.store_state(self.bot, name, new))  # type: ignore[misc]
            if state.version:
                await self._tell_version(option.title, state.version, version)

    async def _tell_version(self, model: str, old: str, new: str) -> None:
        async with self.open() as evaluation:
            cases = await evaluation.cases()
            price = await self._price(evaluation, cases)
        key = f"eval-version-{_mark({model: new})}-{int(self.store.clock.time())}"
        await self._tell_owners(key, lambda language: say(
            language, "eval.version", model=model, old=old, new=new, count=len(cases), price=price(language)
        ))  # fmt: skip

    async def _look_at_trials(self) -> None:
        """Tell once how a trial has gone that has ended."""

        def work(tx: Tx) -> list[Address]:
            chats, now = [], tx.clock.time()
            for one in compared_versions(tx, self.bot, self.watched.library):
                name = f"{TRIAL}{one.trial.label}"[:200]
                if one.ended(now) and not tx.evaluations.find_state(self.bot, name).version:
                    tx.evaluations.store_state(self.bot, name, ModelState("over"))
                    chats += self.owners.rights.tell(
                        tx, self.bot, f"eval-trial-{one.trial.version}",
                        lambda language, one=one: told(one, language, now, self.owners.currency), Role.OWNER,  # type: ignore[misc]
                    )  # fmt: skip
            return chats

        if self.watched.library.trials():
            self.owners.deliver("", await self.store.write(work))

    # --- the night ----------------------------------------------------------------------------------------------------

    async def _look_at_clock(self) -> None:
        if not self.night.at:
            return
        now = datetime.fromtimestamp(self.store.clock.time(), UTC)
        day = f"{now:%Y-%m-%d}"
        last = await self.store.read(lambda tx: tx.evaluations.find_state(self.bot, NIGHT).version)
        if not last:  # the first night is the one that comes
            begun = "" if f"{now:%H:%M}" < self.night.at else day
            await self.store.write(lambda tx: tx.evaluations.store_state(self.bot, NIGHT, ModelState(begun or "-")))
        elif f"{now:%H:%M}" >= self.night.at and last != day:
            await self.store.write(lambda tx: tx.evaluations.store_state(self.bot, NIGHT, ModelState(day)))
            await self._ask_all(day)

    async def _ask_all(self, day: str) -> None:
        try:
            async with self.open() as evaluation:
                before, cases = await evaluation.baseline(LAST), await evaluation.cases()
                if not cases:
                    return
                results = await evaluation.run(cases, limit=self.night.budget)
                await evaluation.keep(results)
        except BotError as error:
            reason = str(error)
            await self._tell_owners(
                f"eval-night-{day}", lambda language: say(language, "eval.night.failed", reason=reason)
            )
            return
        found = compared(before.results, results)
        log.info("%d cases were asked: %d worse, %d broken", len(cases), len(found.worse), len(found.broken))
        if found.fails(0):
            await self._tell_owners(f"eval-night-{day}", lambda language: self._night(language, found))

    def _night(self, language: str, found: Comparison) -> str:
        unasked = [*found.of(State.LEFT), *found.of(State.FAILED)]
        bad = [pair.new for pair in (*found.broken, *found.worse)]
        named = dict.fromkeys(f"· {one.case.question[:80]}: {one.why_in(language)[:120]}" for one in [*bad, *unasked])
        return say(
            language, "eval.night", count=len(found.new), worse=len(found.worse), broken=len(found.broken),
            unasked=len(unasked), cost=shown(language, spent(found.new)[0], self.owners.currency),
            names="\n".join(list(named)[:NAMED]),
        )  # fmt: skip

    # --- telling ------------------------------------------------------------------------------------------------------

    async def _price(self, evaluation: Evaluation, cases: Sequence[Case]) -> Callable[[str], str]:
        """What these cases cost, in words of a language."""
        found = await evaluation.estimate(cases)
        key, amount = ("eval.price.most", found.most) if found.likely is None else ("eval.price", found.likely)
        return lambda language: say(language, key, price=shown(language, amount, self.owners.currency))

    async def _tell_owners(self, key: str, text: Callable[[str], str]) -> None:
        chats = await self.store.write(lambda tx: self.owners.rights.tell(tx, self.bot, key, text, Role.OWNER))
        self.owners.deliver("", chats)


def _mark(files: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:16]
