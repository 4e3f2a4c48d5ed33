"""Where each stem stands: `Postings`. One array for all stems, and the few postings that were added since."""

from __future__ import annotations

from array import array
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bot.knowledge.search.large_arrays import zeros

FEW = 50_000  # postings that are kept apart, at least
SHARE = 8  # of all postings, how many may be kept apart: one in so many

Numbers = NDArray[np.uint32]


class Postings:
    """The postings of an inverted index: for each term the numbers of the passages that contain it (32 bits each), in
    the order in which they were added.

    An array for each term would take a third more memory: most terms have few postings.
    """

    def __init__(self) -> None:
        self._terms: dict[str, int] = {}
        self._starts: NDArray[np.int64] = np.zeros(1, np.int64)  # of each term in `_all`, and the end
        self._all: Numbers = np.zeros(0, np.uint32)
        self._new_terms = array("I")  # the numbers of the terms of the postings that were added since
        self._new = array("I")

    def add(self, posting: int, term: str) -> None:
        """Add a posting of a term."""
        self._new_terms.append(self._terms.setdefault(term, len(self._terms)))
        self._new.append(posting)
        if len(self._new) > max(FEW, len(self._all) // SHARE):
            self.settle()

    def find(self, term: str) -> Numbers:
        """The postings of a term."""
        number = self._terms.get(term)
        if number is None:
            return self._all[:0]
        new = np.frombuffer(self._new, np.uint32)[np.frombuffer(self._new_terms, np.uint32) == number]
        old = self._all[slice(*self._starts[number : number + 2])] if number + 1 < len(self._starts) else self._all[:0]
        return np.concatenate((old, new)) if len(new) else old

    def settle(self) -> None:
        """Put what was added into the one array."""
        added, known = np.frombuffer(self._new_terms, np.uint32), len(self._starts) - 1
        counts = np.bincount(added, minlength=len(self._terms))
        firsts = np.cumsum(counts) - counts  # of each term among the added ones, in their order
        counts[:known] += np.diff(self._starts)
        starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts)))
        together = zeros((int(starts[-1]),), np.uint32)
        for number in range(known):
            old = self._all[self._starts[number] : self._starts[number + 1]]
            together[starts[number] : starts[number] + len(old)] = old
        order = np.argsort(added, kind="stable")
        ends = starts[1:] - np.bincount(added, minlength=len(self._terms))  # where what was added begins, by term
        places = np.arange(len(order)) - firsts[added[order]] + ends[added[order]]
        together[places] = np.frombuffer(self._new, np.uint32)[order]
        self._starts, self._all = starts, together
        self._new_terms, self._new = array("I"), array("I")

    def change(self, work: Callable[[Numbers], tuple[Numbers, NDArray[np.bool_]]]) -> None:
        """Replace all postings: `work` returns the new ones, and which of them are kept."""
        self.settle()
        changed, kept = work(self._all)
        before = np.concatenate((np.zeros(1, np.int64), np.cumsum(kept)))
        starts = before[self._starts]
        left = np.flatnonzero(np.diff(starts))
        terms = list(self._terms)
        self._all = changed[kept]
        self._starts = np.append(starts[left], starts[-1])
        self._terms = {terms[number]: place for place, number in enumerate(left.tolist())}
