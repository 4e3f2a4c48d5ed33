"""The results of cases, and what has changed between two runs of them. Begin with `grade`, then `compare`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from bot.evaluation.cases import GAP, Case
from bot.evaluation.checks import Check, Outcome, examine, reason, run_own_check, translate
from bot.evaluation.statistics import Changes, percentile
from bot.storage.store import Tx
from bot.storage.tables.evaluation import NEWEST_RUN, RESULTS

MAX_STORED = 4_000  # characters of an answer


class State(StrEnum):
    """The result of a case. `FAILED`: there was no answer. `LEFT`: it was not asked, because the budget was spent.
    `STALE`: its source is gone.
    """

    RIGHT = "right"
    WRONG = "wrong"
    STALE = "stale"
    FAILED = "failed"
    LEFT = "left"


UNASKED = (State.FAILED, State.LEFT)


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
        wrong = [translate(check.why, language) for check in self.checks if not check.passed]
        whole = self.error or (self.case.stale if self.state is State.STALE else "")
        return translate(whole, language) or "; ".join(wrong)

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

    def to_row(self) -> dict[str, Any]:
        """The result as JSON."""
        row = asdict(replace(self, answer=self.answer[:MAX_STORED]))
        return {**row, "case": self.case.to_row(), "state": str(self.state)}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Result:
        """The result that `to_row` has made JSON of."""
        given = {name: value for name, value in row.items() if name in cls.__dataclass_fields__}
        checks = tuple(Check(**one) for one in row.get("checks", ()))
        return cls(**{**given, "case": Case.from_row(row["case"]), "state": State(row["state"]), "checks": checks})


def grade(case: Case, outcome: Outcome, own: Callable[[str], object] | None = None) -> Result:
    """Return the result of one answer to a case. `own` is a programmer's check of it."""
    if case.origin == GAP and not outcome.refused and not outcome.error and outcome.generation > case.generation:
        case = replace(case, stale=reason("changed"))
    checks = examine(case, outcome)
    if own is not None and not outcome.error:
        checks.append(run_own_check(own, outcome.text))
    if outcome.error or case.stale:
        state = State.FAILED if outcome.error else State.STALE
    else:
        state = State.RIGHT if all(check.passed for check in checks) else State.WRONG
    return Result(
        case=case,
        state=state,
        checks=tuple(checks),
        answer=outcome.text,
        refused=outcome.refused,
        error=outcome.error,
        topic=outcome.topic,
        model=outcome.model,
        cost=outcome.cost,
        seconds=outcome.seconds,
        right=state is State.RIGHT,
    )


def merge_tries(tried: Sequence[Result]) -> Result:
    """Return one result for several tries of a case: the state that was most frequent, the first answer with it, the
    price of all.
    """
    often = Counter(one.state for one in tried).most_common(1)[0][0]
    chosen = next(one for one in tried if one.state is often)
    cost, right = sum(one.cost for one in tried), sum(one.right for one in tried)
    seconds = sorted(one.seconds for one in tried)[len(tried) // 2]
    return replace(chosen, cost=cost, right=right, tries=len(tried), seconds=seconds)


# --- two runs ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pair:
    """A case with the result of the earlier run (None: the case is new) and that of the new run."""

    old: Result | None
    new: Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison(Changes[Pair]):
    """What has changed between two runs. `broken` are cases whose demands are not met, and were met before or are new.

    `gone` are cases of the earlier run that the new one did not have. `old` is empty if there was no earlier run.
    `pairs` are the cases that were judged in the new run.
    """

    old: Sequence[Result]
    new: Sequence[Result]
    pairs: Sequence[Pair]
    broken: Sequence[Pair]
    gone: Sequence[Result]

    @property
    def regressed(self) -> list[Pair]:
        """The cases that are broken, then those that are only worse."""
        return list(dict.fromkeys((*self.broken, *self.worse)))

    def of(self, *states: State) -> list[Result]:
        """Return the results of the new run that are in one of these states, in the order of the states."""
        return [one for state in states for one in self.new if one.state is state]

    def fails(self, most_worse: int) -> bool:
        """Return whether the run has failed: a demand is not met any more, more than `most_worse` cases are worse, or a
        case was not asked.
        """
        return bool(self.broken or self.of(*UNASKED)) or len(self.worse) > most_worse


def compare(old: Sequence[Result], new: Sequence[Result]) -> Comparison:
    """Compare a run with an earlier one, which may be empty."""
    before, keys = {one.case.key: one for one in old}, {one.case.key for one in new}
    pairs = [Pair(before.get(one.case.key), one) for one in new if one.is_judged]
    both = [(pair, pair.old) for pair in pairs if pair.old is not None and pair.old.is_judged]
    known = {pair: earlier.failed_musts for pair, earlier in both}
    return Comparison(
        old=old,
        new=new,
        pairs=pairs,
        better=[pair for pair, earlier in both if pair.new.badness < earlier.badness],
        worse=[pair for pair, earlier in both if pair.new.badness > earlier.badness],
        broken=[pair for pair in pairs if pair.new.failed_musts - known.get(pair, frozenset())],
        gone=[one for one in old if one.case.key not in keys],
    )


def compare_last_runs(tx: Tx, bot: int) -> Comparison | None:
    """Compare the last run of all cases of a bot with the one before, None if there was no run."""
    runs = [
        [Result.from_row(one.body) for one in tx.all(RESULTS, run_id=run.id)]
        for run in tx.all(NEWEST_RUN, limit=2, bot=bot)
    ]
    return compare(runs[1] if len(runs) > 1 else [], runs[0]) if runs else None


def measure_cost(results: Iterable[Result]) -> tuple[int, float]:
    """The price of a run in millionths, and the seconds within which 95 % of the answers were given."""
    found = list(results)
    seconds = [one.seconds for one in found if one.model and one.state not in UNASKED]
    return sum(one.cost for one in found), percentile(seconds)
