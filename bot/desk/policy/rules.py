"""Applies the rules of a support desk (`[[rule]]` in desk.toml) to a question: `decide`. Pure."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

from bot.desk.policy.desk_file import DeskTable, When
from bot.extension import Decision, OwnRule, Question

AMOUNT = re.compile(r"\d{1,3}(?:[ \u00a0\u202f.,]\d{3})+(?:[.,]\d{1,2})?(?!\d)|\d{1,12}(?:[.,]\d{1,2})?(?!\d)")
log = logging.getLogger(__name__)

NOTHING = Decision()
PRIORITIES = {"low": -1, "normal": 0, "high": 1}


def decide(table: DeskTable, question: Question, own: Sequence[OwnRule] = ()) -> Decision:
    """Apply the rules of a desk to a question, in their order, then a programmer's `own` rules."""
    made = Decision()
    for rule in table.rule:
        if not _fits(rule.when, question):
            continue
        do = rule.do
        priority = None if do.priority is None else PRIORITIES[do.priority]
        tags = (do.tag,) if do.tag else ()
        made = _merged(made, Decision(do.team, priority, tags, do.person, drafts=do.draft or ""))
    for one in own:
        try:
            made = _merged(made, one(question) or NOTHING)
        except Exception:  # code that is not ours: the question is answered all the same
            log.exception("a rule of the App has failed")
    return made


def _merged(before: Decision, then: Decision) -> Decision:
    """Two decisions as one; the later replaces what the earlier one gave, and tags are added."""
    return Decision(
        team=then.team or before.team,
        priority=before.priority if then.priority is None else then.priority,
        tags=tuple(dict.fromkeys((*before.tags, *then.tags))),
        person=before.person or then.person,
        drafts=then.drafts or before.drafts,
    )


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
