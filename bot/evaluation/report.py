"""What people and programs read of a comparison: `format_lines`, `format_json` and `format_junit`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from bot.billing.pricing import shown
from bot.evaluation.results import UNASKED, Comparison, Pair, Result, State, measure_cost
from bot.evaluation.statistics import share

MAX_NAMED = 10  # cases of a list on one screen
MAX_TEXT = 160  # characters of an answer on one screen
NO_ANSWERS = {State.STALE: "Stale", State.FAILED: "No answer", State.LEFT: "Not asked"}
WORDS = {
    State.RIGHT: "right",
    State.WRONG: "wrong",
    State.STALE: "stale",
    State.FAILED: "without an answer",
    State.LEFT: "not asked",
}
TITLES = {  # of checks, in the order of a report
    "answered": "answered, as it should be",
    "refused": "refused, as it should be",
    "citations": "quotes that stand in the sources",
    "cites": "page that must be cited",
    "quotes": "quoted sentences kept",
    "numbers": "numbers kept",
    "contains": "says what it must",
    "lacks": "does not say what it must not",
    "found": "right source among the first 5",
    "gold": "quotes the sentence that answers",
    "language": "in the language of the question",
    "topic": "right topic",
    "own": "passes the check of the code",
    "changed": "disliked answers that are changed",
}


def count_passed(results: Iterable[Result]) -> Mapping[str, tuple[int, int]]:
    """Return, by the name of each check, how many cases have passed it and in how many it was made."""
    failed, made = Counter[str](), Counter[str]()
    for one in results:
        if one.is_judged:
            made.update({check.name for check in one.checks})
            failed.update({check.name for check in one.checks if not check.passed})
    return {name: (made[name] - failed[name], made[name]) for name in TITLES if made[name]}


def format_count(number: int) -> str:
    """A number of cases: "1 case", "2 cases"."""
    return f"{number} case" if number == 1 else f"{number} cases"


def shorten(text: str, longest: int = MAX_TEXT) -> str:
    """Return a text on one line, of at most `longest` characters."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def format_list(title: str, rows: Sequence[str], most: int = MAX_NAMED) -> list[str]:
    """Return a title, the first rows below it, and how many more there are; nothing without rows."""
    more = [f"  ... and {len(rows) - most} more"] if len(rows) > most else []
    return [f"{title}:", *rows[:most], *more] if rows else []


def format_lines(found: Comparison, currency: str, against: str = "") -> list[str]:
    """A comparison on one screen. `against` names the earlier run, "" if there is none."""
    counts = Counter(one.state for one in found.new)
    head = ", ".join(f"{counts[state]} {word}" for state, word in WORDS.items() if counts[state])
    cost, slow = measure_cost(found.new)
    told = f"cost {shown('en', cost, currency)}, p95 {slow:.1f} s"
    if found.old:
        cost, slow = measure_cost(found.old)
        told += f" (before {shown('en', cost, currency)}, {slow:.1f} s)"
    result = [f"{format_count(len(found.new))}: {head}; {told}.", *_changes(found, against), *_figures(found)]
    if not found.old:
        result += format_list("Wrong", [_alone(one) for one in found.of(State.WRONG)])
    result += format_list("Broken: a demand is not met", [_pair(pair) for pair in found.broken if found.old])
    result += format_list("Worse", [_pair(pair) for pair in found.worse if pair not in found.broken])
    result += format_list("Better", [_pair(pair) for pair in found.better])
    for state, title in NO_ANSWERS.items():
        result += format_list(title, [_alone(one) for one in found.of(state)])
    title = "Gone since then (forgotten, removed, or judged otherwise)"
    return result + format_list(title, [_name(one) for one in found.gone])


def _changes(found: Comparison, against: str) -> list[str]:
    if not found.old:
        return ["There is no earlier run to compare with; this one is the first."]
    changed = f"{len(found.better)} better, {len(found.worse)} worse than {against or 'before'}"
    if found.better or found.worse:
        noise = ": noise, as much changes by chance" if found.is_noise else ""
        changed += f" (p = {found.chance:.2f}{noise})"
    known = {one.case.key for one in found.old}
    new = sum(one.case.key not in known for one in found.new)
    return [f"{changed}; {len(found.broken)} broken" + (f"; {new} new" if new else "") + "."]


def _figures(found: Comparison) -> list[str]:
    before, result = count_passed(found.old), []
    for name, (passed, made) in count_passed(found.new).items():
        rate = share(passed, made)
        line = f"  {TITLES[name]:<34} {passed:>4} of {made:<4} {rate.value:5.1f} % ({rate.low:.0f} to {rate.high:.0f})"
        if name in before:
            line += f", before {100 * before[name][0] / before[name][1]:.1f} %"
        result.append(line)
    return result


def _name(one: Result) -> str:
    return f"  [{one.case.place or one.case.origin}] {shorten(one.case.question)}"


def _alone(one: Result) -> str:
    return f"{_name(one)}\n      why: {one.why}"


def _pair(pair: Pair) -> str:
    old, new = pair.old, pair.new
    was = f"\n      was: {shorten(old.answer) or old.topic or '-'}" if old is not None else ""
    now = f"\n      now: {shorten(new.answer) or new.topic or '-'}"
    tries = f" ({new.right} of {new.tries} right)" if new.tries > 1 else ""
    why = new.why or (f"before: {old.why}" if old is not None else "")
    return f"{_name(new)}{was}{now}\n      why: {why}{tries}"


# --- files ------------------------------------------------------------------------------------------------------------


def format_json(found: Comparison, options: Mapping[str, Any], *, failed: bool) -> dict[str, Any]:
    """A comparison as JSON, which a later run can be compared with (`results`)."""
    cost, slow = measure_cost(found.new)
    figures = count_passed(found.new)
    changes = {"better": found.better, "worse": found.worse, "broken": found.broken}
    return {
        "failed": failed,
        "options": dict(options),
        "cost": cost / 1_000_000,
        "p95_seconds": slow,
        "p": found.chance,
        "noise": found.is_noise,
        "figures": {name: {"passed": passed, "of": made} for name, (passed, made) in figures.items()},
        **{name: [pair.new.case.key for pair in pairs] for name, pairs in changes.items()},
        "gone": [one.case.place for one in found.gone],
        "results": [one.to_row() for one in found.new],
    }


def format_junit(found: Comparison) -> str:
    """A comparison as JUnit XML: a test for each case, which fails where it is broken or worse."""
    tags = {pair.new: "failure" for pair in found.regressed}
    tags |= dict.fromkeys(found.of(*UNASKED), "error") | dict.fromkeys(found.of(State.STALE), "skipped")
    counts = Counter(tags.values())
    suite = ElementTree.Element(
        "testsuite",
        name="govorun eval",
        tests=str(len(found.new)),
        failures=str(counts["failure"]),
        errors=str(counts["error"]),
        skipped=str(counts["skipped"]),
    )
    for one in found.new:
        name = _printable(f"{one.case.place} {shorten(one.case.question)}".strip())
        about = {"classname": f"eval.{one.case.origin}", "name": name, "time": f"{one.seconds:.3f}"}
        case = ElementTree.SubElement(suite, "testcase", about)
        if one in tags:
            ElementTree.SubElement(case, tags[one], message=_printable(one.why)).text = _printable(one.answer)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _printable(text: str) -> str:
    """A text without characters that XML forbids."""
    return "".join(one for one in text if one in "\t\n" or " " <= one < "\ud800" or one >= "\ue000")
