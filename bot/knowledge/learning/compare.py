"""Compares a new text with stored sentences: whether they say one thing, or contradict each other by a number or a
date. Pure. Begin with `compare`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bot.knowledge.answer.quotes import facts, given, missing
from bot.knowledge.stems import stems
from bot.storage.repositories.knowledge.passages import StoredPassage

LIKE = 0.5  # of the content words of the shorter text, for both to be about the same thing
FEWEST = 2  # words that they must have in common
MOST = 3  # passages that are compared
SAME, OTHER, NEAR = "same", "other", "near"  # says the same, has another number or date, is only near


@dataclass(frozen=True, slots=True)
class Nearest:
    """A passage near a text: its title, the sentence that is most like the text, and how the two agree."""

    title: str
    sentence: str
    verdict: str


def compare(text: str, passages: Iterable[StoredPassage]) -> list[Nearest]:
    """The first passages, best first, each with its sentence that is most like the text."""
    return [_nearest(text, one) for one in list(passages)[:MOST]]


def other_sentence(text: str, passages: Iterable[StoredPassage]) -> tuple[str, int] | None:
    """Find a sentence that contradicts `text`: the most similar sentence of the first
    passages, if its numbers or dates differ. Returns it with the id of its passage, else None.
    """
    found = [
        (likeness(text, sentence), sentence, one.id) for one in list(passages)[:MOST] for sentence in _sentences(one)
    ]
    alike, sentence, passage = max(found, default=(0.0, "", 0), key=lambda one: one[0])
    return (sentence, passage) if alike >= LIKE and differs(text, sentence) else None


def likeness(text: str, other: str) -> float:
    """Return the share of words that two texts have in common, of the content words of the shorter one; 0 if it is next
    to nothing.
    """
    words, others = _content(text), _content(other)
    shared = len(words & others)
    return shared / min(len(words), len(others)) if shared >= FEWEST else 0.0


def differs(text: str, other: str) -> bool:
    """Whether each of two texts has a number, a date, an amount, a code or a link that the other lacks."""
    offered, others = given(text), given(other)
    if offered <= others or others <= offered:
        return False
    return bool(missing(facts(text), other) or missing(facts(other), text))  # "one" alone may be no number


def says_the_same(text: str, other: str) -> bool:
    """Whether two texts are about one subject and contain equal numbers and dates."""
    return likeness(text, other) >= LIKE and not differs(text, other)


def _nearest(text: str, passage: StoredPassage) -> Nearest:
    sentence = max(_sentences(passage), key=lambda one: likeness(text, one), default="")
    alike = likeness(text, sentence) >= LIKE
    verdict = NEAR if not alike else OTHER if differs(text, sentence) else SAME
    return Nearest(passage.title or passage.place, sentence, verdict)


def _sentences(passage: StoredPassage) -> list[str]:
    return [" ".join(passage.text[start:end].split()) for start, end in passage.sentences]


def _content(text: str) -> frozenset[str]:
    return frozenset(one for one in stems(text) if not any(character.isdigit() for character in one))
