"""All steps of an evaluation: which cases there are, what they cost, their answers, what has changed. Begin with
`Evaluation.cases`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bot.billing.budget import MONEY, TOKENS, Budget, Reservation
from bot.errors import BadInput
from bot.evaluation.cases import Case, of_code
from bot.evaluation.collecting import Sources, collect
from bot.evaluation.replay import Replay
from bot.evaluation.running import Purse, Result, Runner
from bot.storage.store import Store, Tx
from bot.types import Address, Incoming, User

LAST = "last"


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
        self, cases: Sequence[Case], *, tries: int = 1, limit: int = 0, progress: Callable[[int], None] | None = None
    ) -> list[Result]:  # fmt: skip
        """Ask the cases. Their price is held back in the budgets first, at most `limit` (millionths; 0: all of it).

        Raises `LimitReached` where the budgets have no room for it. What does not fit into `limit` is not asked.
        """
        found, name = await self.estimate(cases, tries), f"eval-{secrets.token_hex(4)}"
        held = min(found.most, limit) if limit else found.most
        purse = Purse(limit=limit)
        runner = Runner(
            replay=self.replay,
            name=name,
            tries=tries,
            purse=purse,
            progress=progress or (lambda _left: None),
            own={
                case.key: one.check
                for case, one in zip(of_code(self.sources.own), self.sources.own, strict=True)
                if one.check
            },
        )
        async with self.held(held, found.tokens, name) as paid:
            try:
                return await runner.run(cases)
            finally:
                paid(purse.spent, purse.tokens)

    @asynccontextmanager
    async def held(self, price: int, tokens: int = 0, name: str = "") -> AsyncIterator[Callable[[int, int], None]]:
        """Hold back a price (millionths) and tokens while the block runs; it calls what it gets with both as they were.

        Raises `LimitReached` where the budgets have no room for it.
        """
        turn, spent = name or f"eval-{secrets.token_hex(4)}", (0, 0)
        reservation = await self.store.write(lambda tx: self._reserve(tx, turn, tokens, price))

        def paid(cost: int, used: int) -> None:
            nonlocal spent
            spent = used, cost

        try:
            yield paid
        finally:
            await self.store.write(lambda tx: reservation.settle(tx, *spent))

    async def keep(self, results: Sequence[Result], name: str = "") -> None:
        """Store the results of a run, so that later runs can be compared with it."""
        rows = [(one.case.user, one.case.asked_in, one.stored()) for one in results]
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

        def read(tx: Tx) -> tuple[str, Sequence[Mapping[str, Any]]] | None:
            runs = tx.evaluations.list_runs(self.bot)
            run = next((one for one in runs if against in (LAST, one.name)), None)
            return None if run is None else (run.name, tx.evaluations.list_results(run.id))

        found = await self.store.read(read)
        if found is not None:
            return Baseline(found[0] or "the last run", [Result.restored(row) for row in found[1]])
        if against != LAST:
            raise BadInput(f"there is no run called {against}: govorun eval --name {against} makes one")
        return Baseline()

    def _own(self) -> dict[str, Callable[[str], object]]:
        own = self.sources.own
        return {case.key: one.check for case, one in zip(of_code(own), own, strict=True) if one.check is not None}

    def _reserve(self, tx: Tx, name: str, tokens: int, price: int) -> Reservation:
        asked = Incoming(name, Address("telegram", self.bot, 0), User(0), private=True)
        money = (
            self.budget.reserve_price(tx, asked, price, self.currency, "en") if self.budget.caps(MONEY, asked) else 0
        )
        held = self.budget.reserve(tx, asked, TOKENS, tokens, "en") if self.budget.caps(TOKENS, asked) else 0
        return Reservation(held, money)


def read_results(file: Path) -> list[Result]:
    """The results in a file that `govorun eval --json` has written. Raises `BadInput`."""
    try:
        return [Result.restored(row) for row in json.loads(file.read_text("utf-8"))["results"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{file}: no results of govorun eval: {str(error) or type(error).__name__}") from None
