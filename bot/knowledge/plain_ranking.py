"""Ranks the passages of documents where the libraries of the extra `knowledge` are missing. Pure; begin with `best`.

With them `knowledge/search/documents.py` ranks, and answers are checked (`knowledge/answer/documents.py`).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from operator import mul

from bot.storage.repositories.files.documents import Passage

STEM = 6  # letters of a word that are compared, as Russian words have many endings
TELLING = 5  # letters of a word that is hardly in a text by chance
SMOOTH = 60.0  # added to each rank: the constant of reciprocal rank fusion


def best(question: str, passages: Sequence[Passage], vector: Sequence[float] = ()) -> list[Passage]:
    """The passages in the order of relevance, by their words and, if all have vectors, by the question's `vector`."""
    scores = [_by_words(question, passages)]
    if vector and all(one.vector for one in passages):
        scores.append([sum(map(mul, vector, one.vector)) for one in passages])
    ranks = [_ranks(score) for score in scores]
    fused = [sum(1 / (SMOOTH + rank[place]) for rank in ranks) for place in range(len(passages))]
    return [passages[place] for place in sorted(range(len(passages)), key=lambda place: -fused[place])]


def supporting(answer: str, passages: Sequence[Passage]) -> list[Passage]:
    """The passages that an answer seems to rest on, best first: those that share its numbers and longer words.

    Passages with less than half the score of the best one are left out.
    """
    telling = " ".join(word for word in _words(answer) if len(word) >= TELLING or any(map(str.isdigit, word)))
    scores = _by_words(telling, passages)
    enough = max(scores, default=0) / 2
    chosen = [place for place, score in enumerate(scores) if score and score >= enough]
    return [passages[place] for place in sorted(chosen, key=lambda place: -scores[place])]


def _ranks(scores: Sequence[float]) -> list[int]:
    """The rank of each score. Equal scores share the worst of their ranks: most passages have no word in common."""
    places = {score: place for place, score in enumerate(sorted(scores, reverse=True))}
    return [places[score] for score in scores]


def _by_words(question: str, passages: Sequence[Passage]) -> list[float]:
    """A score for each passage: rare words count more than common ones, words of long passages less."""
    asked, texts = set(_words(question)), [Counter(_words(passage.text)) for passage in passages]
    among = Counter(word for text in texts for word in asked & text.keys())
    weight = {word: math.log(1 + len(texts) / count) for word, count in among.items()}
    return [
        sum(weight[word] * text[word] / (text[word] + 0.5 + text.total() / 200) for word in asked & text.keys())
        for text in texts
    ]


def _words(text: str) -> list[str]:
    return [word[:STEM] for word in re.findall(r"\w{2,}", text.lower().replace("ё", "е"))]


def unit(vector: Sequence[float]) -> tuple[float, ...]:
    """Return a vector with the same direction and length 1: services don't promise that embeddings have it."""
    length = math.sqrt(sum(value * value for value in vector)) or 1.0
    return tuple(value / length for value in vector)
