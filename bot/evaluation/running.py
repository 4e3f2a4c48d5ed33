"""Runs an evaluation: asks all cases, several at a time, for not more than a purse holds. Begin with `Runner.run`."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from bot.errors import ModelUnavailable
from bot.evaluation.cases import GAP, Case
from bot.evaluation.checks import Check, Outcome, State, examine, own_check, state
from bot.evaluation.reasons import reason, told
from bot.evaluation.replay import Replay

AT_ONCE = 4
LEARNING = (2.0, 5.0, 10.0, 20.0, 30.0)  # seconds after each try to learn the samples of topics
KEPT_TEXT = 4_000  # characters of an answer that are stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of a case: its checks, the answer, and in how many of its `tries` the answer was right.

    `cost` is in millionths of the currency; `seconds` is the time of one answer.
    """

    case: Case
    state: State
    checks: tuple[Check, ...] = ()
    answer: str = ""
    refused: bool = False
    error: str = ""
    topic: str = ""
    model: str = ""
    cost: int = 0
    seconds: float = 0.0
    right: int = 0
    tries: int = 1

    @property
    def why(self) -> str:
        """What is wrong with the answer, in a few words of English; "" for nothing."""
        return self.why_in("en")

    def why_in(self, language: str) -> str:
        """What is wrong with the answer, in a few words of a language; "" for nothing."""
        wrong = [told(check.why, language) for check in self.checks if not check.passed]
        whole = self.error or (self.case.stale if self.state is State.STALE else "")
        return told(whole, language) or "; ".join(wrong)

    @property
    def is_judged(self) -> bool:
        """Whether the answer was found right or wrong."""
        return self.state in (State.RIGHT, State.WRONG)

    @property
    def failed_musts(self) -> frozenset[str]:
        """The demands of the case that the answer does not meet, by their words."""
        return frozenset(f"{one.name}: {one.why}" for one in self.checks if one.must and not one.passed)

    @property
    def badness(self) -> tuple[int, int]:
        """How bad the answer is, for comparison: the demands that are not met, then all checks that are not
        passed.
        """
        return len(self.failed_musts), sum(not one.passed for one in self.checks)

    def stored(self) -> dict[str, Any]:
        """The result as JSON."""
        row = asdict(replace(self, answer=self.answer[:KEPT_TEXT]))
        return {**row, "case": self.case.stored(), "state": str(self.state)}

    @classmethod
    def restored(cls, row: Mapping[str, Any]) -> Result:
        """The result that `stored` has made JSON of."""
        given = {name: value for name, value in row.items() if name in cls.__dataclass_fields__}
        checks = tuple(Check(**one) for one in row.get("checks", ()))
        return cls(**{**given, "case": Case.restored(row["case"]), "state": State(row["state"]), "checks": checks})


@dataclass(slots=True, kw_only=True)
class Purse:
    """The money of a run, in millionths of the currency. A `limit` of 0 is none.

    `held` is the highest price of the answers under way, `tokens` the number that models have read and written.
    """

    limit: int = 0
    spent: int = 0
    tokens: int = 0
    held: int = 0

    def take(self, most: int) -> bool:
        """Hold back the highest price of an answer. Returns False if the purse has not enough for it."""
        if self.limit and self.spent + self.held + most > self.limit:
            return False
        self.held += most
        return True

    def settle(self, most: int, cost: int, tokens: int) -> None:
        """Replace what was held back by what the answer has cost."""
        self.held -= most
        self.tokens += tokens
        self.spent += cost


@dataclass(slots=True, kw_only=True)
class Runner:
    """Asks cases, each `tries` times.

    `progress` is called with the number of cases that are left. The names of turns begin with `name`. `own` are a
    programmer's checks, by the key of their case.
    """

    replay: Replay
    name: str
    tries: int = 1
    purse: Purse = field(default_factory=Purse)
    progress: Callable[[int], None] = lambda _left: None
    own: Mapping[str, Callable[[str], object]] = field(default_factory=dict)

    async def run(self, cases: Sequence[Case]) -> list[Result]:
        """The results of all cases, in their order. What the purse does not allow is not asked, and said to be so."""
        await self._learn_topics()
        places, left = asyncio.Semaphore(AT_ONCE), len(cases)

        async def one(number: int, case: Case) -> Result:
            nonlocal left
            async with places:
                result = await self._asked(number, case)
            left -= 1
            self.progress(left)
            return result

        async with asyncio.TaskGroup() as tasks:
            found = [tasks.create_task(one(number, case)) for number, case in enumerate(cases)]
        return [task.result() for task in found]

    async def _learn_topics(self) -> None:
        """Learn the samples of topics, which a running bot does bit by bit. Raises `ModelUnavailable`."""
        chooser, clock = self.replay.assistant.turn_start.topics, self.replay.store.clock
        if chooser is None:
            return
        for wait in LEARNING:
            await chooser.topics.refresh()
            if not chooser.topics.failure:
                return
            await clock.sleep(wait)
        raise ModelUnavailable(f"the examples of topics can't be learned now: {chooser.topics.failure}")

    async def _asked(self, number: int, case: Case) -> Result:
        tried: list[Result] = []
        most = self.replay.most(case)[1]
        for attempt in range(self.tries):
            if not self.purse.take(most):
                return Result(case=case, state=State.LEFT, error=reason("purse"), cost=sum(one.cost for one in tried))
            outcome = Outcome(error="not asked")
            try:
                outcome = await self.replay.ask(case, f"{self.name}-{number}-{attempt}")
            finally:
                self.purse.settle(most, outcome.cost, outcome.tokens)
            tried.append(judged(case, outcome, self.own.get(case.key)))
        return joined(tried)


def judged(case: Case, outcome: Outcome, own: Callable[[str], object] | None = None) -> Result:
    """Return the result of one answer to a case. `own` is a programmer's check of it."""
    if case.origin == GAP and not outcome.refused and not outcome.error and outcome.generation > case.generation:
        case = replace(case, stale=reason("changed"))
    checks = examine(case, outcome)
    if own is not None and not outcome.error:
        checks.append(own_check(own, outcome.text))
    found = state(case, outcome, checks)
    return Result(
        case=case, state=found, checks=tuple(checks), answer=outcome.text, refused=outcome.refused, error=outcome.error,
        topic=outcome.topic, model=outcome.model, cost=outcome.cost, seconds=outcome.seconds,
        right=found is State.RIGHT,
    )  # fmt: skip


def joined(tried: Sequence[Result]) -> Result:
    """Return one result for several tries of a case: the state that was most frequent, the first answer with it, the
    price of all.
    """
    often = Counter(one.state for one in tried).most_common(1)[0][0]
    chosen = next(one for one in tried if one.state is often)
    return replace(
        chosen, cost=sum(one.cost for one in tried), right=sum(one.right for one in tried), tries=len(tried),
        seconds=sorted(one.seconds for one in tried)[len(tried) // 2],
    )  # fmt: skip


def percentile(values: Sequence[float], share: float = 0.95) -> float:
    """The value below which this share of the values lies; 0.0 for none."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)] if ordered else 0.0
