"""Checks an answer to a case with code alone: no other model is asked. Begin with `examine`.

Why an answer is wrong is said in English (`reason`), so that runs can be compared whoever reads them; `translate` says
it in another language.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from bot.evaluation.cases import Case
from bot.knowledge.answer.quotes import facts, missing
from bot.knowledge.formats.tidying import language_of
from bot.texts.catalog import PLACE, SHIPPED, say

REASONS = "eval.why."  # how the keys of sentences that say why begin
DEEP = 5  # passages among which the search should find the right one
RAISED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹\u202f]+")  # numbers of sources behind a sentence
MARKS = re.compile(r"[*_`]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A passage that was found: the names of its article (title, address, key, source) and its text."""

    names: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """An answer to a case. `cited` are the articles it rests on, `quotes` the sentences that it quotes of them.

    `refused`: it says that the sources do not have it, or gives the conversation to a person. `found` are the passages
    that the model was shown, best first. `rests`: it was checked against sources. `generation` is that of the knowledge
    base. `cost` is in millionths, `tokens` are those of the model, `error` says why there is no answer.
    """

    text: str = ""
    refused: bool = False
    cited: tuple[tuple[str, ...], ...] = ()
    quotes: tuple[str, ...] = ()
    found: tuple[Passage, ...] = ()
    rests: bool = False
    topic: str = ""
    model: str = ""
    generation: int = 0
    cost: int = 0
    tokens: int = 0
    seconds: float = 0.0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check of an answer. `must`: the case demands it. `why` says in English what is wrong
    (`reason`).
    """

    name: str
    passed: bool
    must: bool = False
    why: str = ""


def examine(case: Case, outcome: Outcome) -> list[Check]:
    """Return the results of all checks of an answer to a case; none if there was no answer."""
    if outcome.error:
        return []
    checks: list[Check] = []
    if not is_topic_alone(case):
        checks = [*_refusal(case, outcome), *_words(case, outcome), *_sources(case, outcome)]
    if case.topic:
        why = reason("topic", topic=outcome.topic or "-", wanted=case.topic)
        checks.append(Check("topic", outcome.topic == case.topic, case.is_hard, why))
    return checks


def run_own_check(check: Callable[[str], object], text: str) -> Check:
    """Run a programmer's check on an answer. The answer is wrong if the check raises any exception or returns False."""
    try:
        is_fine, why = check(text) is not False, reason("code")
    except Exception as error:
        is_fine, why = False, f"{type(error).__name__}: {error}"
    return Check("own", is_fine, must=True, why=why[:300])


def is_topic_alone(case: Case) -> bool:
    """Return whether a case demands nothing but a topic, so that no model has to be asked for an answer."""
    told = (case.must_contain, case.must_not, case.must_cite, case.quotes, case.numbers, case.page, case.text)
    return bool(case.topic) and not (any(told) or case.must_refuse or case.disliked)


def _refusal(case: Case, outcome: Outcome) -> Iterable[Check]:
    if case.must_refuse:
        yield Check("refused", outcome.refused, case.is_hard, reason("answered"))
        return
    answered = bool(outcome.text.strip()) and not outcome.refused
    yield Check("answered", answered, case.is_hard, reason("refused" if outcome.refused else "nothing"))
    expected, spoken = case.language or language_of(case.question), language_of(plain(outcome.text))
    if answered and expected and spoken:
        yield Check("language", expected == spoken, case.is_hard, reason("language", spoken=spoken, wanted=expected))


def _words(case: Case, outcome: Outcome) -> Iterable[Check]:
    said = folded(outcome.text)
    for text in case.must_contain:
        yield Check("contains", folded(text) in said, case.is_hard, reason("contains", text=text))
    for text in case.must_not:
        yield Check("lacks", folded(text) not in said, case.is_hard, reason("lacks", text=text))
    if case.numbers:
        lost = missing(facts("; ".join(case.numbers)), plain(outcome.text))
        yield Check("numbers", not lost, case.is_hard, reason("numbers", text=", ".join(lost)))
    if case.disliked:
        is_other = folded(case.disliked) != said
        yield Check("changed", is_other, must=False, why=reason("disliked"))


def _sources(case: Case, outcome: Outcome) -> Iterable[Check]:
    if outcome.rests and not outcome.refused:
        shown = [folded(one.text) for one in outcome.found]
        invalid = [one for one in outcome.quotes if not any(folded(one) in text for text in shown)]
        is_valid = bool(outcome.quotes) and not invalid
        yield Check("citations", is_valid, case.is_hard, reason("citations", text="".join(invalid[:1])))
    for page in case.must_cite:
        cited = any(is_named(page, names) for names in outcome.cited)
        yield Check("cites", cited, case.is_hard, reason("cites", text=page))
    if case.quotes:
        quoted = [folded(one) for one in outcome.quotes]
        lost = [one for one in case.quotes if not any(folded(one) in text or text in folded(one) for text in quoted)]
        yield Check("quotes", not lost, case.is_hard, reason("quotes", text="".join(lost[:1])))
    if case.page or case.text:
        rank = next((place for place, one in enumerate(outcome.found, 1) if _is_gold(case, one)), 0)
        where = reason("late", rank=rank) if rank else reason("unfound")
        yield Check("found", 0 < rank <= DEEP, must=False, why=where)
    if case.text:
        said = any(folded(case.text) in folded(one) or folded(one) in folded(case.text) for one in outcome.quotes)
        yield Check("gold", said, must=False, why=reason("gold"))


def _is_gold(case: Case, one: Passage) -> bool:
    return (not case.page or is_named(case.page, one.names)) and folded(case.text) in folded(one.text)


def is_named(wanted: str, names: Iterable[str]) -> bool:
    """Return whether a case means this article: by its title, its address, its path or the end of one."""
    word = wanted.casefold().strip().rstrip("/")
    found = [name.casefold().strip().rstrip("/") for name in names if name]
    return any(name == word or name.partition("#")[0].endswith(f"/{word}") for name in found)


def numbers(text: str) -> tuple[str, ...]:
    """The numbers, dates and amounts of an answer as they are written, each once, without those of its sources."""
    return tuple(dict.fromkeys(one.written for one in facts(plain(text))))


def plain(text: str) -> str:
    """An answer without marks of Markdown and numbers of sources."""
    return MARKS.sub("", RAISED.sub("", text))


def folded(text: str) -> str:
    """Return a text in the form in which texts are compared: without Markdown, in lower case, with single spaces, е for
    ё.
    """
    return " ".join(plain(text).casefold().replace("ё", "е").replace("\u00a0", " ").split())


# --- reasons ----------------------------------------------------------------------------------------------------------


def reason(name: str, **values: object) -> str:
    """Return the English sentence `eval.why.NAME`, with the values put in."""
    return PLACE.sub(lambda place: str(values[place[1]]), SHIPPED["en"][f"eval.why.{name}"])


def translate(why: str, language: str) -> str:
    """Return a sentence of `reason` in a language; what is none of them stays as it is, such as an error of a model."""
    for key, pattern in _patterns().items():
        if found := pattern.fullmatch(why):
            return say(language, key, **found.groupdict())
    return why


@lru_cache(maxsize=1)
def _patterns() -> Mapping[str, re.Pattern[str]]:
    return {key: _pattern(text) for key, text in SHIPPED["en"].items() if key.startswith(REASONS)}


def _pattern(text: str) -> re.Pattern[str]:
    parts = PLACE.split(text)  # what stands around the places, and their names between
    found = (f"(?P<{part}>.*)" if number % 2 else re.escape(part) for number, part in enumerate(parts))
    return re.compile("".join(found), re.DOTALL)
