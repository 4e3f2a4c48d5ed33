"""The index of words: in which passages each stem stands, in memory, ranked by BM25.

It is derived from the passages, so it may be lost. The scores are those of SQLite's FTS5, which computes them row by
row: with 100,000 passages a question took it 30 ms (p95 67), and takes 1 ms here (p95 2), for some 20 MB of memory.
BM25: Robertson and Zaragoza, The Probabilistic Relevance Framework, 2009.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bot.knowledge.search.postings import Numbers, Postings
from bot.knowledge.stems import stems

COMMON = 0.2  # words in a larger share of the passages tell nothing (measured: 5 % would cost 1.9 points of nDCG)
ALWAYS_KEPT = 20  # passages: in a small knowledge base a word may well be in a fifth of them
MOST_WORDS = 24  # of a question
MOST_FOUND = 100
K1, B = 1.2, 0.75  # of BM25, as in FTS5
BITS = 4  # of a posting, for how often the stem stands in the passage; the others are the row of the passage
MOST_OFTEN = (1 << BITS) - 1
CROWDED = 2  # rows for one passage that is left, before the rows of removed passages are given up


class WordIndex:
    """Finds passages by the stems of their words.

    Each passage has a row, and each stem its postings: the rows where it stands.
    """

    def __init__(self) -> None:
        self._postings = Postings()
        self._ids = array("q")
        self._sources = array("i")
        self._lengths = array("I")  # stems in the passage of a row; 0: it was removed
        self._count = 0

    def __len__(self) -> int:
        """How many passages are indexed."""
        return self._count

    def add(self, passages: Iterable[tuple[int, int, str]]) -> None:
        """Add passages as (id, source, text); one that is there already is left as it is."""
        passages = list(passages)
        known = set(np.array(self._ids)[self._find_rows([id_ for id_, _, _ in passages])].tolist())
        for id_, source, text in passages:
            if id_ in known:
                continue
            row = len(self._ids)
            counts = Counter(stems(text))
            self._ids.append(id_)
            self._sources.append(source)
            self._lengths.append(max(counts.total(), 1))
            self._count += 1
            self._postings.add({term: row << BITS | min(often, MOST_OFTEN) for term, often in counts.items()})

    def count(self, sources: Collection[int]) -> int:
        """Return how many passages of these sources are indexed."""
        if not sources:
            return 0
        there = np.isin(np.frombuffer(self._sources, np.int32), list(sources))
        return int(np.count_nonzero(there & (np.frombuffer(self._lengths, np.uint32) > 0)))

    def settle(self) -> None:
        """Take as little memory as possible, after much was added."""
        self._postings.settle()

    def remove(self, ids: Collection[int]) -> None:
        """Remove passages."""
        for row in self._find_rows(ids):
            self._lengths[row] = 0
            self._count -= 1
        if len(self._ids) > CROWDED * self._count:
            self._give_up_rows()

    def frequencies(self, terms: Collection[str]) -> Mapping[str, int]:
        """In how many passages each stem stands."""
        lengths = np.frombuffer(self._lengths, np.uint32)
        return {term: int(np.count_nonzero(lengths[self._postings.find(term) >> BITS])) for term in terms}

    def search(
        self, frequencies: Mapping[str, int], sources: Collection[int] | None = None, most: int = MOST_FOUND
    ) -> Sequence[tuple[int, float]]:
        """Passages with these stems (given with their `frequencies`) as (id, BM25 score), best first.

        `sources` None: of all sources.
        """
        terms = [term for term in self._telling(frequencies) if frequencies[term]]
        if not terms:
            return []
        lengths = np.frombuffer(self._lengths, np.uint32).astype(np.float32)
        shorter = K1 * (1 - B + B * lengths / (float(lengths.sum()) / len(self)))
        scores = np.zeros(len(lengths), np.float32)
        for term in terms:
            postings = self._postings.find(term)
            rows, often = postings >> BITS, (postings & MOST_OFTEN).astype(np.float32)
            scores[rows] += self._rarity(frequencies[term]) * often * (K1 + 1) / (often + shorter[rows])
        scores[lengths == 0] = 0
        if sources is not None:
            scores[~np.isin(np.frombuffer(self._sources, np.int32), list(sources))] = 0
        found = np.flatnonzero(scores)
        if len(found) > most:
            found = found[np.argpartition(-scores[found], most - 1)[:most]]
        return sorted(((self._ids[row], float(scores[row])) for row in found), key=lambda one: (-one[1], one[0]))

    def _find_rows(self, ids: Collection[int]) -> NDArray[np.intp]:
        there = np.isin(np.frombuffer(self._ids, np.int64), list(ids)) & (np.frombuffer(self._lengths, np.uint32) > 0)
        return np.flatnonzero(there)

    def _rarity(self, frequency: int) -> float:
        """How much a stem tells that stands in so many passages (idf): next to nothing if it is in more than half."""
        return max(math.log((len(self) - frequency + 0.5) / (frequency + 0.5)), 1e-6)

    def _telling(self, frequencies: Mapping[str, int]) -> Sequence[str]:
        """The stems without those that stand in too many passages; all of them if none would be left."""
        asked = list(frequencies)[:MOST_WORDS]
        most = max(COMMON * len(self), ALWAYS_KEPT)
        return [term for term in asked if frequencies[term] <= most] or asked

    def _give_up_rows(self) -> None:
        """Give the passages that are left new rows, without gaps."""
        lengths = np.frombuffer(self._lengths, np.uint32)
        kept = np.flatnonzero(lengths)
        rows = np.cumsum(lengths > 0, dtype=np.uint32) - np.uint32(1)

        def renumbered(old: Numbers) -> tuple[Numbers, NDArray[np.bool_]]:
            return (rows[old >> BITS] << BITS) | (old & MOST_OFTEN), lengths[old >> BITS] > 0

        self._postings.change(renumbered)
        self._ids = array("q", np.frombuffer(self._ids, np.int64)[kept].tobytes())
        self._sources = array("i", np.frombuffer(self._sources, np.int32)[kept].tobytes())
        self._lengths = array("I", lengths[kept].tobytes())
