"""`govorun doctor --model`: how well a model answers from sources, and which level it suits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from bot.clock import SystemClock
from bot.config.settings import Settings
from bot.doctor.finding import Finding, Verdict
from bot.doctor.source_answers import LEG, Asked, check_source_answers, questions
from bot.knowledge.answer.extract import extract
from bot.knowledge.answer.shown import LETTERS, nothing_found
from bot.knowledge.stems import stems
from tests.support.doctor_patient import Patient


def right(asked: Asked) -> str:
    """What a good model says: the nearest sentence with its mark, or that the sources do not have it."""
    if not asked.answered:
        return nothing_found(asked.language)
    piece = extract(asked.shown, dict.fromkeys(stems(asked.text), 1), 10, asked.language)[-1]
    (quote, *_) = piece.quotes
    shown = asked.shown[quote.place]
    number = len(shown.text[: quote.end].rstrip(" ").split(". "))
    return f"{shown.text[quote.start : quote.end].rstrip('. ')} [{LETTERS[quote.place]}{number}]."


def small(asked: Asked) -> str:
    """What a small model says: a sentence of the sources with the mark of another, whatever was asked."""
    return f"{asked.shown[1].sentences[0].rstrip('. ')} [a1]."


def careless(asked: Asked) -> str:
    """What a model says that knows where the answer stands, and marks something else."""
    if not asked.answered:
        return nothing_found(asked.language)
    said = right(asked)
    wrong = next(mark for mark in ("[a1]", "[a2]", "[b1]") if mark not in said)
    return f"{said.rpartition(' [')[0]} {wrong}."


def rambling(asked: Asked) -> str:
    """What a model says that refuses well, and otherwise speaks of what it knows."""
    if not asked.answered:
        return nothing_found(asked.language)
    return f"{right(asked)} Elephants are the largest animals on land [a1]. Whales live in the sea [b1]."


async def found(patient: Patient, said: Sequence[str], *, agree: bool = True) -> tuple[list[Finding], list[str]]:
    """What the doctor finds with a model that says this, and what it asked before."""
    patient.studio.script(*said)
    asked: list[str] = []

    def agrees(question: str) -> bool:
        asked.append(question)
        return agree

    settings = Settings(_env_file=None, **patient.settings)
    return [finding async for finding in check_source_answers(settings, SystemClock(), agrees)], asked


def test_half_of_the_questions_are_in_each_language_and_some_have_no_answer() -> None:
    for language in ("en", "ru"):
        some = [one for one in questions() if one.language == language]
        assert [one.answered for one in some].count(False) == 2
        assert len(some) == 5
        for one in some:
            assert all(len(shown.sentences) >= 2 for shown in one.shown), one.text


@pytest.mark.parametrize(
    ("says", "level", "verdict"),
    [
        (right, "KNOWLEDGE=open and cited", Verdict.OK),
        (small, "KNOWLEDGE=extract", Verdict.WARN),
        (rambling, "KNOWLEDGE=extract", Verdict.WARN),
        (careless, "KNOWLEDGE=extract", Verdict.WARN),
    ],
)
async def test_it_says_which_level_suits_the_model(
    patient: Patient, says: Callable[[Asked], str], level: str, verdict: Verdict
) -> None:
    findings, _ = await found(patient, [says(one) for one in questions()])
    assert {finding.leg for finding in findings} == {LEG}
    assert level in findings[-1].text
    assert findings[-1].verdict is verdict
    made_up = 4 if says is small else 0
    assert f"made up an answer to {made_up}" in findings[1].text


async def test_the_price_is_said_first_and_without_a_yes_nothing_is_asked(patient: Patient) -> None:
    findings, (question,) = await found(patient, [], agree=False)
    assert "10 questions" in question
    assert "tokens" in question
    assert findings == []
    assert patient.studio.seen("completion") == []


async def test_a_model_that_does_not_answer_is_told_as_a_failure(patient: Patient) -> None:
    patient.studio.fail_next("completion", status=403)
    findings, _ = await found(patient, [])
    assert [finding.verdict for finding in findings] == [Verdict.FAIL]
