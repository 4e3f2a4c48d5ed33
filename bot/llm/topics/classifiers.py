"""Classifiers: they say which topic a question has. `FewShot` and `Tuned` ask a service; `nearest.py` compares
embeddings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Protocol

from bot.ai import LabelModel
from bot.errors import ModelUnavailable
from bot.llm.topics.routing_file import RoutingTable, plain
from bot.llm.topics.samples import Sample
from bot.prompts.catalog import instruct

LONGEST_QUESTION = 2_000  # characters; what follows seldom changes the topic, and every call is paid for by its tokens
MOST_LABELS = 20  # in one request
SAMPLES = 10_000  # characters of all samples of a request, at most 6,000 tokens in any language
PATIENCE = 2.0  # seconds that an answer waits for its topic


@dataclass(frozen=True, slots=True)
class Question:
    """A question, with its embedding if the bot has computed it already."""

    text: str
    vector: Sequence[float] | None = None


class Classifier(Protocol):
    """Returns for a question how sure it is of each topic: a number from 0 to 1 by the key of the topic."""

    async def __call__(self, question: Question, among: Sequence[str]) -> Mapping[str, float]:
        """Return confidences from 0 to 1 by the keys of topics; empty: it is about none of them. `among` are the topics
        in question, best first where that is known. Raises `ModelError` where it can't tell.
        """
        ...


def by_words(table: RoutingTable, text: str) -> tuple[str, ...]:
    """Return the keys of the topics and flags whose words (`words` in the routing file) stand in a text, in the order
    of the file.

    Only whole words count, in either case, and ё is read as е. `refund*` also finds longer words that begin so. An
    entry of several words is found where they follow each other.
    """
    here = f" {plain(text)} "
    sought = {
        key: [f" {plain(word)}" + ("" if word.endswith("*") else " ") for word in topic.words]
        for key, topic in table.topic.items()
    }
    return tuple(key for key, words in sought.items() if any(word in here for word in words))


class FewShot:
    """Asks AI Studio with samples in the request (few-shot); without samples it classifies by the labels alone
    (zero-shot).

    The labels are the titles of the topics in `language`, because the service understands them as words. It takes at
    most 20 labels: of more topics the first 20 of `among` are asked about.
    """

    def __init__(
        self, model: LabelModel, table: RoutingTable, *, samples: Sequence[Sample] = (), language: str = ""
    ) -> None:
        self._model = model
        self._titles = {key: topic.name(language) for key, topic in table.topics.items()}
        self._task = instruct(language, "topics.task")
        self._samples = samples

    async def __call__(self, question: Question, among: Sequence[str]) -> Mapping[str, float]:
        """Return the confidences of the topics `among`. Raises `ModelUnavailable` for fewer than two."""
        keys = {self._titles[key]: key for key in among if key in self._titles}
        keys = dict(list(keys.items())[:MOST_LABELS])
        if len(keys) < 2:
            raise ModelUnavailable("one topic alone can't be told from others")
        found = await self._model.by_samples(
            question.text[:LONGEST_QUESTION], tuple(keys), task=self._task, samples=self._chosen(keys), within=PATIENCE
        )
        return {keys[label]: confidence for label, confidence in found.confidences.items()}

    def _chosen(self, keys: Mapping[str, str]) -> list[tuple[str, str]]:
        """Samples of the topics in turn, as many as fit."""
        rows = [[(row.text, title) for row in self._samples if row.topic == key] for title, key in keys.items()]
        left, chosen = SAMPLES, []
        for row in filter(None, chain.from_iterable(zip_longest(*rows))):
            left -= len(row[0])
            if left < 0:
                break
            chosen.append(row)
        return chosen


class Tuned:
    """Asks a tuned classifier of AI Studio. Its labels are the keys of topics and flags, because it was tuned with the
    data set of `govorun topics export`.
    """

    def __init__(self, model: LabelModel, name: str) -> None:
        self._model = model
        self._name = name

    async def __call__(self, question: Question, among: Sequence[str]) -> Mapping[str, float]:
        """Return the confidences of all labels that the classifier has."""
        text = question.text[:LONGEST_QUESTION]
        if not text.strip():
            raise ModelUnavailable("there is no text to classify")
        return (await self._model.tuned(self._name, text, within=PATIENCE)).confidences
