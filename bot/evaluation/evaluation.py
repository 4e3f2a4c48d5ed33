"""All steps of an evaluation: which cases there are, what they cost, their results, an earlier run. Begin with
`Evaluation.cases`, then `Evaluation.run`.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bot.billing.budget import MONEY, TOKENS, Budget, Reservation
from bot.errors import BadInput, ModelUnavailable
from bot.evaluation.cases import Case, of_code
from bot.evaluation.checks import Outcome, reason
from bot.evaluation.collecting import Sources, collect
from bot.evaluation.replay import Replay
from bot.evaluation.results import Result, State, grade, merge_tries
from bot.storage.store import Store, Tx
from bot.storage.tables.evaluation import NEWEST_RUN, RESULTS
from bot.types import Address, Incoming, User

LAST = "last"
AT_ONCE = 4
LEARNING = (2.0, 5.0, 10.0, 20.0, 30.0)  # seconds after each try to learn the samples of topics


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run may cost, in millionths of the currency: at `most`, and `likely`, by the last run (None: there was
    none). `tokens` is the most that are used.
    """

    most: int
    tokens: int
    likely: int | None


@dataclass(frozen=True, slots=True)
class Baseline:
    """The earlier run that a run is compared with, and its name for people. Without results there was none."""

    name: str = ""
    results: Sequence[Result] = ()


@dataclass(slots=True, kw_only=True)
class RunBudget:
    """The money of a run, in millionths of the currency, and the tokens of its models. A `limit` of 0 is none.

    `held` is the highest price of the answers under way.
    """

    limit: int = 0
    spent: int = 0
    tokens: int = 0
    held: int = 0

    def take(self, most: int) -> bool:
        """Hold back the highest price of an answer. Returns False if there is not enough left for it."""
        if self.limit and self.spent + self.held + most > self.limit:
            return False
        self.held += most
        return True

    def settle(self, most: int, cost: int, tokens: int) -> None:
        """Replace what was held back by what the answer has cost."""
        self.held -= most
        self.tokens += tokens
        self.spent += cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The evaluation of one bot. `budget` has the caps of the whole bot, `options` say what answers in this run."""

    store: Store
    replay: Replay
    bot: int
    sources: Sources = field(default_factory=Sources)
    budget: Budget = field(default_factory=Budget)
    options: Mapping[str, Any] = field(default_factory=dict)
    currency: str = "RUB"

    async def cases(self) -> list[Case]:
        """All cases, each once. Raises `BadInput` for a file of cases that can't be read."""
        return await self.store.read(lambda tx: collect(tx, self.bot, self.sources))

    async def estimate(self, cases: Sequence[Case], tries: int = 1) -> Estimate:
        """Return what it costs to ask each of these cases `tries` times."""
        each = [self.replay.most(case) for case in cases]
        last = await self.baseline(LAST)
        known = {one.case.key: one.cost // max(one.tries, 1) for one in last.results if one.is_judged}
        asked = [known[case.key] for case in cases if case.key in known]
        likely = tries * sum(asked) * len(cases) // len(asked) if asked else None
        return Estimate(tries * sum(price for _, price in each), tries * sum(tokens for tokens, _ in each), likely)

    async def run(
        self,
        cases: Sequence[Case],
        *,
        tries: int = 1,
        limit: int = 0,
        progress: Callable[[int], None] = lambda _left: None,
    ) -> list[Result]:
        """Ask each case `tries` times, several at once, and return the results in the order of the cases.

        Their price is held back in the budgets first, at most `limit` (millionths; 0: all of it). What does not fit
        into `limit` is not asked, and said to be so. `progress` is called with the number of cases that are left.
        Raises `LimitReached` where the budgets have no room, and `ModelUnavailable` if topics can't be learned.
        """
        found, name = await self.estimate(cases, tries), f"eval-{secrets.token_hex(4)}"
        own = {case.key: one.check for case, one in zip(of_code(self.sources.own), self.sources.own, strict=True)}
        slots, left = asyncio.Semaphore(AT_ONCE), len(cases)

        async def ask(number: int, case: Case) -> Result:
            nonlocal left
            turns = [f"{name}-{number}-{attempt}" for attempt in range(tries)]
            async with slots:
                result = await self._ask(case, turns, budget, own.get(case.key))
            left -= 1
            progress(left)
            return result

        price = min(found.most, limit) if limit else found.most
        async with self.reserve(name, price, found.tokens) as budget:
            budget.limit = limit
            await self._learn_topics()
            async with asyncio.TaskGroup() as tasks:
                asked = [tasks.create_task(ask(number, case)) for number, case in enumerate(cases)]
            return [task.result() for task in asked]

    @asynccontextmanager
    async def reserve(self, name: str, price: int, tokens: int = 0) -> AsyncIterator[RunBudget]:
        """Reserve money (millionths) and tokens under a name, which no other run has, for as long as the block runs. It
        counts in the `RunBudget` what it uses of them.

        Raises `LimitReached` where the budgets of the whole bot have no room for it.
        """
        budget = RunBudget()
        reservation = await self.store.write(lambda tx: self._reserve(tx, name, tokens, price))
        try:
            yield budget
        finally:
            await self.store.write(lambda tx: reservation.settle(tx, budget.tokens, budget.spent))

    async def keep(self, results: Sequence[Result], name: str = "") -> None:
        """Store the results of a run, so that later runs can be compared with it."""
        rows = [(one.case.user, one.case.asked_in, one.to_row()) for one in results]
        await self.store.write(lambda tx: tx.evaluations.add_run(self.bot, name, self.options, rows))

    async def baseline(self, against: str) -> Baseline:
        """An earlier run: the last one, one with a name, or one of a JSON file. Of its cases those are taken that this
        run asks, too, by their origin. Raises `BadInput` if there is no run with this name; with `LAST` there may be
        none.
        """
        found = await self._earlier(against)
        only = self.sources.only
        return replace(found, results=[one for one in found.results if not only or one.case.origin in only])

    async def _earlier(self, against: str) -> Baseline:
        if against.endswith(".json"):
            return Baseline(against, read_results(Path(against)))

        def read(tx: Tx) -> Baseline | None:
            runs = tx.all(NEWEST_RUN, bot=self.bot)
            run = next((one for one in runs if against in (LAST, one.name)), None)
            if run is None:
                return None
            rows = [one.body for one in tx.all(RESULTS, run_id=run.id)]
            return Baseline(run.name or "the last run", [Result.from_row(row) for row in rows])

        found = await self.store.read(read)
        if found is None and against != LAST:
            raise BadInput(f"there is no run called {against}: govorun eval --name {against} makes one")
        return found or Baseline()

    async def _learn_topics(self) -> None:
        """Learn the samples of topics, which a running bot does bit by bit. Raises `ModelUnavailable`."""
        chooser = self.replay.assistant.turn_start.topics
        if chooser is None:
            return
        for wait in LEARNING:
            await chooser.topics.refresh()
            if not chooser.topics.failure:
                return
            await self.store.clock.sleep(wait)
        raise ModelUnavailable(f"the examples of topics can't be learned now: {chooser.topics.failure}")

    async def _ask(
        self, case: Case, turns: Sequence[str], budget: RunBudget, own: Callable[[str], object] | None
    ) -> Result:
        tried: list[Result] = []
        most = self.replay.most(case)[1]
        for turn in turns:
            if not budget.take(most):
                return Result(case=case, state=State.LEFT, error=reason("purse"), cost=sum(one.cost for one in tried))
            outcome = Outcome(error="not asked")
            try:
                outcome = await self.replay.ask(case, turn)
            finally:
                budget.settle(most, outcome.cost, outcome.tokens)
            tried.append(grade(case, outcome, own))
        return merge_tries(tried)

    def _reserve(self, tx: Tx, name: str, tokens: int, price: int) -> Reservation:
        asked, budget = Incoming(name, Address("telegram", self.bot, 0), User(0), private=True), self.budget
        money = budget.reserve_price(tx, asked, price, self.currency, "en") if budget.caps(MONEY, asked) else 0
        held = budget.reserve(tx, asked, TOKENS, tokens, "en") if budget.caps(TOKENS, asked) else 0
        return Reservation(held, money)


def read_results(file: Path) -> list[Result]:
    """The results in a file that `govorun eval --json` has written. Raises `BadInput`."""
    try:
        return [Result.from_row(row) for row in json.loads(file.read_text("utf-8"))["results"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{file}: no results of govorun eval: {str(error) or type(error).__name__}") from None
