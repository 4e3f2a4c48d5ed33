"""Decides which topic a question has: first by words, then by meaning, then, if that is unsure, by a service.

Begin with `IntentRouter`. A conversation keeps its topic until another topic has won twice (`hold`), so that one odd
question does not change who answers.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bot.errors import ModelError
from bot.llm.topics.classifiers import MOST_LABELS, Classifier, Question, by_words
from bot.llm.topics.nearest import NearestCentroid
from bot.llm.topics.routing_file import RoutingTable

log = logging.getLogger(__name__)

Reason = Literal["words", "near", "fewshot", "tuned", "other", "held", "guess", "person"]
WINS = 2  # in a row, after which another topic takes over
FLAGGED = 0.5  # the confidence of a tuned classifier that raises a flag where the file names none


@dataclass(frozen=True, slots=True)
class Choice:
    """The topic of a question, how sure that is (`score`, 0 to 1), and what decided it (`reason`).

    If two topics are about equally likely, `between` has both, the likelier one first, and the person is to be asked;
    `topic` is then the topic for everything else (`other` in the routing file). `flags`, such as "urgent", stand beside
    any topic.
    """

    topic: str
    score: float = 0.0
    reason: Reason = "other"
    between: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()

    @property
    def is_sure(self) -> bool:
        """Whether a topic was found, and only one."""
        return self.score > 0 and not self.between


@dataclass(frozen=True, slots=True)
class Held:
    """The topic that a conversation keeps ("" before its first topic), and the `rival`: another topic that won the last
    `wins` questions.
    """

    topic: str = ""
    rival: str = ""
    wins: int = 0


def hold(held: Held, choice: Choice) -> tuple[Held, Choice]:
    """Return what a conversation keeps after a question with this choice, and the choice that counts for the question.

    Another topic takes over if it wins two questions in a row, or one if words or a person decided it. As long as a
    conversation has a topic, an unsure question gets that topic: nobody is asked.
    """
    if not choice.is_sure:
        return (Held(held.topic), _kept(held, choice)) if held.topic else (held, choice)
    wins = held.wins + 1 if choice.topic == held.rival else 1
    if held.topic in ("", choice.topic) or choice.reason in ("words", "person") or wins >= WINS:
        return Held(choice.topic), choice
    return Held(held.topic, choice.topic, wins), _kept(held, choice)


def _kept(held: Held, choice: Choice) -> Choice:
    return Choice(held.topic, reason="held", flags=choice.flags)


class IntentRouter:
    """Chooses among the topics of a routing file. Where a classifier is missing (None) or fails, the cheaper one before
    it decides.
    """

    def __init__(
        self,
        table: RoutingTable,
        *,
        near: NearestCentroid | None = None,
        fewshot: Classifier | None = None,
        tuned: Classifier | None = None,
    ) -> None:
        self.table = table
        self._near = near
        self._fewshot = fewshot
        self._tuned = tuned

    @property
    def alone(self) -> IntentRouter:
        """A router for these topics without the classifiers that ask a service."""
        return IntentRouter(self.table, near=self._near)

    def is_ruled(self, text: str) -> bool:
        """Whether a text contains a word that decides its topic by itself, a topic that is not limited
        to an audience.
        """
        return any(
            not self.table.topics[key].audience for key in by_words(self.table, text) if key in self.table.topics
        )

    async def route(self, question: Question, held: Held, audiences: Collection[str] = ()) -> tuple[Held, Choice]:
        """Choose the topic of the next question of a conversation; return what the conversation keeps after it, and the
        choice.

        A kept topic that is no longer in the file, or that is not for these `audiences`, is dropped first.
        """
        held = held if held.topic in self._allowed(audiences) else Held()
        return hold(held, await self.choose(question, audiences))

    async def choose(self, question: Question, audiences: Collection[str] = ()) -> Choice:
        """Choose the topic of a question without regard to its conversation, for a person in these `audiences`."""
        allowed = self._allowed(audiences)
        told = by_words(self.table, question.text)
        flags = {*told, *self._flags_near(question)} & self.table.flags.keys()
        if ruled := next((key for key in told if key in allowed), None):
            found = Choice(ruled, 1.0, "words")
        else:
            found, raised = await self._classified(question, allowed)
            flags |= raised
        return replace(found, flags=tuple(key for key in self.table.flags if key in flags))

    async def _classified(self, question: Question, allowed: Sequence[str]) -> tuple[Choice, set[str]]:
        """The choice of the classifiers, and the flags that the tuned one raises."""
        way = self.table.routing.classifier
        if way == "off" or not allowed:
            return Choice(self.table.routing.other), set()
        if way == "tuned" and (tuned := await self._asked(self._tuned, question, allowed)) is not None:
            sure = {key: score for key, score in tuned.items() if score >= self._threshold(key)}
            return self._decided("tuned", sure, allowed), sure.keys() & self.table.flags.keys()
        near = await self._asked(self._near, question, allowed)
        found = self._decided("near", near or {}, allowed)
        ranked = sorted(near or allowed, key=lambda key: -near[key] if near else 0)
        is_open = bool(found.between) if near is not None else len(ranked) <= MOST_LABELS
        if way == "near" or not is_open:
            return found, set()
        more = await self._asked(self._fewshot, question, ranked[:MOST_LABELS])
        return (found if more is None else self._decided("fewshot", more, allowed)), set()

    def _decided(self, reason: Reason, scores: Mapping[str, float], allowed: Collection[str]) -> Choice:
        rules = self.table.routing
        ranked = sorted(((score, key) for key, score in scores.items() if key in allowed), reverse=True)[:2]
        if not ranked:
            return Choice(rules.other, reason=reason)
        (best, key), *others = ranked
        if others and best - others[0][0] < rules.ask_below:
            return Choice(rules.other, best, reason, between=(key, others[0][1]))
        return Choice(key, best, reason)

    async def _asked(
        self, classifier: Classifier | None, question: Question, among: Sequence[str]
    ) -> Mapping[str, float] | None:
        if classifier is None:
            return None
        try:
            scores = await classifier(question, among)
        except ModelError as error:
            log.warning("%s could not tell the topic: %s", type(classifier).__name__, error)
            return None
        return {key: score for key, score in scores.items() if 0 < score <= 1}

    def _flags_near(self, question: Question) -> tuple[str, ...]:
        try:
            return self._near.flags(question) if self._near else ()
        except ModelError:  # without a vector
            return ()

    def _threshold(self, key: str) -> float:
        topic = self.table.topic.get(key)
        if topic is None or topic.threshold is None:
            return FLAGGED if key in self.table.flags else 0.0
        return topic.threshold

    def _allowed(self, audiences: Collection[str]) -> list[str]:
        topics = self.table.topics.items()
        return [key for key, row in topics if not row.audience or any(name in audiences for name in row.audience)]
