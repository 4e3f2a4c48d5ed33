"""Watches everything that changes answers: files, versions of models, experiments that end. At night it asks all cases.

Begin with `EvaluationWatch.run`. What was told is stored, so that a restart tells nothing twice.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

from bot.access.policy import Role
from bot.access.rights import Rights
from bot.billing.pricing import shown
from bot.errors import BotError
from bot.evaluation.cases import Case
from bot.evaluation.evaluation import LAST, Evaluation
from bot.evaluation.experiments import describe, list_experiments
from bot.evaluation.results import Comparison, State, compare, measure_cost
from bot.llm.circuit_breaker import CircuitBreaker
from bot.llm.routing import Routing
from bot.prompts.library import Library
from bot.storage.store import Store, Tx
from bot.storage.tables.evaluation import NEWEST_RUN, ModelState
from bot.texts.catalog import say
from bot.types import Address

log = logging.getLogger(__name__)

EVERY = 30.0  # seconds between two looks
MAX_NAMED = 5  # cases of a night that are named
FILES, NIGHT, EXPERIMENT = "@files", "@night", "@trial "  # names of what was told, beside those of models
ROUTING = "routing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What is watched, because it changes answers: the personas, the models, and the versions of files (`files`) by the
    names of personas, and `ROUTING`.
    """

    library: Library
    routing: Routing
    files: Callable[[], Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Owners:
    """Who is told of changes, with prices in which currency. `deliver` sends the messages that were stored."""

    rights: Rights
    deliver: Callable[[str, Sequence[Address]], None]
    currency: str = "RUB"


@dataclass(slots=True, kw_only=True)
class EvaluationWatch:
    """Watches what changes the answers of one bot. `open` opens an evaluation of this bot.

    `night_at` is when all cases are asked each night ("03:30", UTC; "": never), `night_budget` for how much (millionths
    of the currency; 0: no limit).
    """

    store: Store
    bot: int
    watched: Watched
    owners: Owners
    open: Callable[[], AbstractAsyncContextManager[Evaluation]]
    night_at: str = ""
    night_budget: int = 0
    _files: Mapping[str, str] = field(default_factory=dict, init=False)

    async def run(self) -> None:
        """Look until cancelled. What fails is tried again at the next look."""
        while True:
            for look in (self._look_at_files, self._look_at_models, self._look_at_experiments, self._look_at_clock):
                try:
                    await look()
                except Exception as error:  # a watch that fails must not end the bot
                    log.warning("what answers can't be watched now: %s", str(error) or type(error).__name__)
            await self.store.clock.sleep(EVERY)

    # --- files --------------------------------------------------------------------------------------------------------

    async def _look_at_files(self) -> None:
        now = self.watched.files()
        if now == self._files:
            return
        before = self._files or await self._known_files()
        self._files = now
        changed = [key for key in now if before and before.get(key) != now[key]]
        await self._remember(FILES, _mark(now))
        if not changed:
            return
        async with self.open() as evaluation:
            cases = await evaluation.cases()
            touched = [case for case in cases if ROUTING in changed or evaluation.replay.persona_of(case) in changed]
            price = await self._price(evaluation, touched)
        if not touched:
            return

        def text(language: str) -> str:
            what = self._name_files(language, changed)
            return say(language, "eval.changed", what=what, count=len(touched), price=price(language))

        await self._tell_owners(f"eval-files-{_mark(now)}", text)

    async def _known_files(self) -> Mapping[str, str]:
        """The files of the newest run, unless what there is now was told already."""
        mark = await self._recall(FILES)
        if not mark or mark == _mark(self.watched.files()):
            return {}
        runs = await self.store.read(lambda tx: tx.all(NEWEST_RUN, limit=1, bot=self.bot))
        found: Mapping[str, str] = runs[0].options.get("files", {}) if runs else {}
        return found

    def _name_files(self, language: str, changed: Sequence[str]) -> str:
        names = [
            say(language, "eval.changed.routing")
            if key == ROUTING
            else self.watched.library.persona(key).name(language)
            for key in changed
        ]
        return ", ".join(names)

    # --- models, experiments ------------------------------------------------------------------------------------------

    async def _look_at_models(self) -> None:
        for option in self.watched.routing.options:
            version = option.model.version if isinstance(option.model, CircuitBreaker) else ""
            before = await self._recall(option.name) if version else version
            if before != version:
                await self._remember(option.name, version)
                if before:
                    await self._tell_version(option.title, before, version)

    async def _tell_version(self, model: str, old: str, new: str) -> None:
        async with self.open() as evaluation:
            cases = await evaluation.cases()
            price = await self._price(evaluation, cases)

        def text(language: str) -> str:
            count, cost = len(cases), price(language)
            return say(language, "eval.version", model=model, old=old, new=new, count=count, price=cost)

        await self._tell_owners(f"eval-version-{_mark({model: new})}-{int(self.store.clock.time())}", text)

    async def _look_at_experiments(self) -> None:
        """Tell once how an experiment has gone that has ended."""

        def work(tx: Tx) -> list[Address]:
            chats, now = [], tx.clock.time()
            for one in list_experiments(tx, self.bot, self.watched.library):
                name = f"{EXPERIMENT}{one.tried.label}"[:200]
                if one.ended(now) and not tx.evaluations.find_state(self.bot, name).version:
                    tx.put(ModelState(bot=self.bot, model=name, version="over"))
                    text = partial(describe, one, now=now, currency=self.owners.currency)
                    chats += self.owners.rights.tell(tx, self.bot, f"eval-trial-{one.tried.version}", text, Role.OWNER)
            return chats

        if self.watched.library.experiments():
            self.owners.deliver("", await self.store.write(work))

    # --- the night ----------------------------------------------------------------------------------------------------

    async def _look_at_clock(self) -> None:
        if not self.night_at:
            return
        now = datetime.fromtimestamp(self.store.clock.time(), UTC)
        day = f"{now:%Y-%m-%d}"
        last, is_late = await self._recall(NIGHT), f"{now:%H:%M}" >= self.night_at
        if not last:  # the first night is the one that comes
            await self._remember(NIGHT, day if is_late else "-")
        elif is_late and last != day:
            await self._remember(NIGHT, day)
            await self._ask_all(day)

    async def _ask_all(self, day: str) -> None:
        try:
            async with self.open() as evaluation:
                before, cases = await evaluation.baseline(LAST), await evaluation.cases()
                if not cases:
                    return
                results = await evaluation.run(cases, limit=self.night_budget)
                await evaluation.keep(results)
        except BotError as error:
            reason = str(error)
            await self._tell_owners(
                f"eval-night-{day}", lambda language: say(language, "eval.night.failed", reason=reason)
            )
            return
        found = compare(before.results, results)
        log.info("%d cases were asked: %d worse, %d broken", len(cases), len(found.worse), len(found.broken))
        if found.fails(0):
            await self._tell_owners(f"eval-night-{day}", lambda language: self._describe_night(language, found))

    def _describe_night(self, language: str, found: Comparison) -> str:
        unasked = found.of(State.LEFT, State.FAILED)
        bad = [*(pair.new for pair in found.regressed), *unasked]
        named = dict.fromkeys(f"· {one.case.question[:80]}: {one.why_in(language)[:120]}" for one in bad)
        return say(
            language,
            "eval.night",
            count=len(found.new),
            worse=len(found.worse),
            broken=len(found.broken),
            unasked=len(unasked),
            cost=shown(language, measure_cost(found.new)[0], self.owners.currency),
            names="\n".join(list(named)[:MAX_NAMED]),
        )

    # --- what was told, and telling -----------------------------------------------------------------------------------

    async def _recall(self, name: str) -> str:
        return (await self.store.read(lambda tx: tx.evaluations.find_state(self.bot, name))).version

    async def _remember(self, name: str, version: str) -> None:
        def work(tx: Tx) -> None:
            state = replace(tx.evaluations.find_state(self.bot, name), version=version[:100])
            tx.put(state)

        await self.store.write(work)

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
