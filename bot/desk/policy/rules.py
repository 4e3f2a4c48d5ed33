"""What the rules of a desk say of a question: `decide`. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.desk.policy.desk_file import DeskTable, When

AMOUNT = re.compile(r"\d{1,3}(?:[ \u00a0\u202f.,]\d{3})+(?:[.,]\d{1,2})?(?!\d)|\d{1,12}(?:[.,]\d{1,2})?(?!\d)")
PRIORITIES = {"low": -1, "normal": 0, "high": 1}


@dataclass(frozen=True, slots=True)
class Question:
    """A customer's message, with what rules ask about it: `labels` are its topic and flags, `cases` the earlier cases
    of the customer, `is_open` whether people work now.
    """

    text: str
    language: str
    labels: Sequence[str] = ()
    cases: int = 0
    is_open: bool = True


@dataclass(frozen=True, slots=True)
class Decision:
    """What the rules that fit a question do together. "" and None leave a case as it is."""

    team: str = ""
    priority: int | None = None
    tags: tuple[str, ...] = ()
    person: bool = False
    drafts: str = ""


def decide(table: DeskTable, question: Question) -> Decision:
    """Apply the rules of a desk to a question, in their order."""
    made = Decision()
    for rule in table.rule:
        if not _fits(rule.when, question):
            continue
        do = rule.do
        made = replace(
            made,
            team=do.team or made.team,
            priority=made.priority if do.priority is None else PRIORITIES[do.priority],
            tags=(*made.tags, do.tag) if do.tag and do.tag not in made.tags else made.tags,
            person=made.person or do.person,
            drafts=do.draft or made.drafts,
        )
    return made


def has_word(text: str, words: Sequence[str]) -> bool:
    """Whether one of the words, or of the phrases, stands in a text. A * at the end stands for any letters."""
    said = f" {' '.join(_words(text))} "
    for word in words:
        wanted = " ".join(_words(word))
        if wanted and f" {wanted}{'' if word.endswith('*') else ' '}" in said:
            return True
    return False


def amounts(text: str) -> Sequence[float]:
    """The numbers of a text, with spaces, points or commas between thousands: "12 500,50" is 12500.5."""
    found = []
    for number in AMOUNT.findall(text):
        whole, mark, cents = number, "", ""
        if (end := re.search(r"[.,](\d{1,2})$", number)) is not None:
            whole, mark, cents = number[: end.start()], ".", end[1]
        found.append(float(re.sub(r"\D", "", whole) + mark + cents))
    return found


def _fits(when: When, question: Question) -> bool:
    return (
        (not when.words or has_word(question.text, when.words))
        and (not when.label or bool({*when.label} & {*question.labels}))
        and (not when.language or question.language.partition("-")[0] in when.language)
        and (not when.hours or (when.hours == "open") == question.is_open)
        and (when.cases_above is None or question.cases > when.cases_above)
        and (when.amount_above is None or any(one > when.amount_above for one in amounts(question.text)))
    )


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower().replace("ё", "е"))
