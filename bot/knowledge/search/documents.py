"""Ranks the passages of a conversation's documents, in memory, as those of the knowledge base are. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bot.knowledge.search.index import ranked
from bot.knowledge.search.matrix import Matrix, pack
from bot.knowledge.search.words import WordIndex
from bot.storage.repositories.files.documents import Passage


def best(question: str, passages: Sequence[Passage], vector: Sequence[float] = ()) -> list[Passage]:
    """All passages, those first that speak of the question: by their words, and by its embedding if there is one.

    The one with most of the question's words is always the first: a name or a number may mean nothing to an embedder.
    What neither finds keeps its order, so that a wish that names nothing ("sum it up") gets the beginning.
    """
    words, matrix = WordIndex(), Matrix()
    words.add((place, 0, one.indexed) for place, one in enumerate(passages))
    if vector:
        matrix.put({place: (0, pack(one.vector)) for place, one in enumerate(passages) if one.vector})
    found = ranked(question, vector, words, matrix).found
    worded = sorted((one for one in found if one.words), key=lambda one: -one.words)[:1]
    order = dict.fromkeys([*(one.id for one in (*worded, *found)), *range(len(passages))])
    return [passages[place] for place in order]
