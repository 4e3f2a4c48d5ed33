"""Compares a run with an earlier one: which cases are better, which are worse, and whether that is more than chance.

Begin with `compared`; `lines`, `as_json` and `as_junit` present the result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from bot.billing.pricing import shown
from bot.evaluation.checks import State
from bot.evaluation.running import Result, percentile
from bot.knowledge.search.evaluation import chance_of, share
from bot.storage.store import Tx

NOISE = 0.05  # chance below which a difference is called one
MOST_NAMED = 10  # cases of a list on one screen
LONGEST = 160  # characters of an answer on one screen


@dataclass(frozen=True, slots=True)
class Pair:
    """A case with the result of the earlier run (None: the case is new) and that of the new run."""

    old: Result | None
    new: Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What has changed between two runs. `broken` are cases whose demands are not met, and were met before or are new.

    `gone` are cases of the earlier run that the new one did not have. `old` is empty if there was no earlier run.
    """

    old: Sequence[Result]
    new: Sequence[Result]
    better: Sequence[Pair]
    worse: Sequence[Pair]
    broken: Sequence[Pair]
    gone: Sequence[Result]

    @property
    def chance(self) -> float:
        """The p value of McNemar's exact test (0 to 1): how likely it is that at least so uneven a split of better and
        worse cases comes about where both runs are equally good.
        """
        return chance_of(len(self.better), len(self.worse))

    @property
    def is_noise(self) -> bool:
        """Whether `chance` is above `NOISE`: then the difference between the two runs proves nothing."""
        return self.chance > NOISE

    def of(self, state: State) -> list[Result]:
        """Return the results of the new run that are in a state."""
        return [one for one in self.new if one.state is state]

    def fails(self, most_worse: int) -> bool:
        """Return whether the run has failed: a demand is not met any more, more than `most_worse` cases are worse, or a
        case was not asked.
        """
        unasked = self.of(State.FAILED) or self.of(State.LEFT)
        return bool(self.broken or unasked) or len(self.worse) > most_worse


def compared(old: Sequence[Result], new: Sequence[Result]) -> Comparison:
    """Compare a run with an earlier one, which may be empty."""
    before = {one.case.key: one for one in old}
    pairs = [Pair(before.get(one.case.key), one) for one in new if one.is_judged]
    both = [pair for pair in pairs if pair.old is not None and pair.old.is_judged]
    here = {one.case.key for one in new}
    return Comparison(
        old=old,
        new=new,
        better=[pair for pair in both if pair.old is not None and pair.new.badness < pair.old.badness],
        worse=[pair for pair in both if pair.old is not None and pair.new.badness > pair.old.badness],
        broken=[pair for pair in pairs if pair.new.failed_musts - _known(pair.old)],
        gone=[one for one in old if one.case.key not in here],
    )


def last_change(tx: Tx, bot: int) -> Comparison | None:
    """Compare the last run of all cases of a bot with the one before, None if there was no run."""
    runs = [
        [Result.restored(row) for row in tx.evaluations.list_results(run.id)]
        for run in tx.evaluations.list_runs(bot)[:2]
    ]
    return compared(runs[1] if len(runs) > 1 else [], runs[0]) if runs else None


def _known(old: Result | None) -> frozenset[str]:
    return old.failed_musts if old is not None and old.is_judged else frozenset()


# --- figures ----------------------------------------------------------------------------------------------------------


def figures(results: Iterable[Result]) -> Mapping[str, tuple[int, int]]:
    """Return, by the name of each check, how many cases have passed it and in how many it was made."""
    passed, made = Counter[str](), Counter[str]()
    for one in results:
        if one.is_judged:
            made.update({check.name for check in one.checks})
            passed.update(
                {check.name for check in one.checks} - {check.name for check in one.checks if not check.passed}
            )
    return {name: (passed[name], made[name]) for name in NAMES if made[name]}


def spent(results: Iterable[Result]) -> tuple[int, float]:
    """The price of a run in millionths, and the seconds within which 95 % of the answers were given."""
    asked = [one for one in results if one.state not in (State.FAILED, State.LEFT)]
    return sum(one.cost for one in results), percentile([one.seconds for one in asked if one.model])


# --- words ------------------------------------------------------------------------------------------------------------


def counted(number: int) -> str:
    """A number of cases: "1 case", "2 cases"."""
    return f"{number} case" if number == 1 else f"{number} cases"


def lines(found: Comparison, currency: str, against: str = "") -> list[str]:
    """A comparison on one screen. `against` names the earlier run, "" if there is none."""
    counts = Counter(str(one.state) for one in found.new)
    head = f"{counted(len(found.new))}: " + ", ".join(
        f"{counts[state]} {WORDS[state]}" for state in WORDS if counts[state]
    )
    cost, slow = spent(found.new)
    told = f"cost {shown('en', cost, currency)}, p95 {slow:.1f} s"
    if found.old:
        cost, slow = spent(found.old)
        told += f" (before {shown('en', cost, currency)}, {slow:.1f} s)"
    result = [f"{head}; {told}.", *_changes(found, against)]
    result += _figures(found)
    if not found.old:
        result += _list("Wrong", [_alone(one) for one in found.of(State.WRONG)])
    result += _list("Broken: a demand is not met", [_pair(pair) for pair in found.broken if found.old])
    named = {id(pair.new) for pair in found.broken}
    result += _list("Worse", [_pair(pair) for pair in found.worse if id(pair.new) not in named])
    result += _list("Better", [_pair(pair) for pair in found.better])
    for state, title in ((State.STALE, "Stale"), (State.FAILED, "No answer"), (State.LEFT, "Not asked")):
        result += _list(title, [_alone(one) for one in found.of(state)])
    return result + _list(
        "Gone since then (forgotten, removed, or judged otherwise)", [_name(one) for one in found.gone]
    )


def _changes(found: Comparison, against: str) -> list[str]:
    if not found.old:
        return ["There is no earlier run to compare with; this one is the first."]
    changed = f"{len(found.better)} better, {len(found.worse)} worse than {against or 'before'}"
    if found.better or found.worse:
        chance = f"p = {found.chance:.2f}"
        changed += f" ({chance}: noise, as much changes by chance)" if found.is_noise else f" ({chance})"
    known = {one.case.key for one in found.old}
    new = sum(one.case.key not in known for one in found.new)
    return [f"{changed}; {len(found.broken)} broken" + (f"; {new} new" if new else "") + "."]


def _figures(found: Comparison) -> list[str]:
    before, result = figures(found.old), []
    for name, (passed, made) in figures(found.new).items():
        rate = share(passed, made)
        line = f"  {TITLES[name]:<34} {passed:>4} of {made:<4} {rate.value:5.1f} % ({rate.low:.0f} to {rate.high:.0f})"
        if name in before:
            line += f", before {100 * before[name][0] / before[name][1]:.1f} %"
        result.append(line)
    return result


def _list(title: str, rows: Sequence[str]) -> list[str]:
    if not rows:
        return []
    more = [f"  ... and {len(rows) - MOST_NAMED} more"] if len(rows) > MOST_NAMED else []
    return [f"{title}:", *rows[:MOST_NAMED], *more]


def _name(one: Result) -> str:
    return f"  [{one.case.place or one.case.origin}] {_short(one.case.question)}"


def _alone(one: Result) -> str:
    return f"{_name(one)}\n      why: {one.why}"


def _pair(pair: Pair) -> str:
    old, new = pair.old, pair.new
    rows = [_name(new)]
    if old is not None:
        rows.append(f"      was: {_short(old.answer) or old.topic or '-'}")
    rows.append(f"      now: {_short(new.answer) or new.topic or '-'}")
    tries = f" ({new.right} of {new.tries} right)" if new.tries > 1 else ""
    why = new.why or (f"before: {old.why}" if old is not None else "")
    return "\n".join([*rows, f"      why: {why}{tries}"])


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


# --- files ------------------------------------------------------------------------------------------------------------


def as_json(found: Comparison, options: Mapping[str, Any], *, failed: bool) -> dict[str, Any]:
    """A comparison as JSON, which a later run can be compared with (`results`)."""
    cost, slow = spent(found.new)
    return {
        "failed": failed, "options": dict(options), "cost": cost / 1_000_000, "p95_seconds": slow,
        "p": found.chance, "noise": found.is_noise,
        "figures": {name: {"passed": passed, "of": made} for name, (passed, made) in figures(found.new).items()},
        **{name: [pair.new.case.key for pair in getattr(found, name)] for name in ("better", "worse", "broken")},
        "gone": [one.case.place for one in found.gone],
        "results": [one.stored() for one in found.new],
    }  # fmt: skip


def as_junit(found: Comparison) -> str:
    """A comparison as JUnit XML: a test for each case, which fails where it is broken or worse."""
    bad = {id(pair.new) for pair in (*found.broken, *found.worse)}
    unasked = (State.FAILED, State.LEFT)
    suite = ElementTree.Element(
        "testsuite", name="govorun eval", tests=str(len(found.new)), failures=str(len(bad)),
        errors=str(sum(one.state in unasked for one in found.new)),
        skipped=str(len(found.of(State.STALE))),
    )  # fmt: skip
    for one in found.new:
        name = _printable(f"{one.case.place} {_short(one.case.question)}".strip())
        case = ElementTree.SubElement(
            suite, "testcase", classname=f"eval.{one.case.origin}", name=name, time=f"{one.seconds:.3f}"
        )
        tag = "failure" if id(one) in bad else "error" if one.state in unasked else ""
        tag = tag or ("skipped" if one.state is State.STALE else "")
        if tag:
            ElementTree.SubElement(case, tag, message=_printable(one.why)).text = _printable(one.answer)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _printable(text: str) -> str:
    """A text without characters that XML forbids."""
    return "".join(one for one in text if one in "\t\n" or " " <= one < "\ud800" or one >= "\ue000")


WORDS = {
    State.RIGHT: "right", State.WRONG: "wrong", State.STALE: "stale", State.FAILED: "without an answer",
    State.LEFT: "not asked",
}  # fmt: skip
TITLES = {
    "answered": "answered, as it should be", "refused": "refused, as it should be",
    "citations": "quotes that stand in the sources",
    "cites": "page that must be cited", "quotes": "quoted sentences kept", "numbers": "numbers kept",
    "contains": "says what it must", "lacks": "does not say what it must not",
    "found": "right source among the first 5",
    "gold": "quotes the sentence that answers", "language": "in the language of the question", "topic": "right topic",
    "own": "passes the check of the code", "changed": "disliked answers that are changed",
}  # fmt: skip
NAMES = tuple(TITLES)
