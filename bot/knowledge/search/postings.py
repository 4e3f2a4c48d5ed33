"""Where each stem stands: `Postings`. One array for all stems, and the few postings that were added since."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping, Sequence

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
        self._terms = _Terms()
        self._starts: NDArray[np.int64] = np.zeros(1, np.int64)  # of each term in `_all`, and the end
        self._all: Numbers = np.zeros(0, np.uint32)
        self._added: dict[str, int] = {}  # the terms of the postings that were added since, numbered
        self._new_terms = array("I")  # of each of these postings the number of its term in `_added`
        self._new = array("I")

    def add(self, postings: Mapping[str, int]) -> None:
        """Add a posting of each of these terms."""
        added = self._added
        self._new_terms.extend([added.setdefault(term, len(added)) for term in postings])
        self._new.extend(postings.values())
        if len(self._new) > max(FEW, len(self._all) // SHARE):
            self.settle()

    def find(self, term: str) -> Numbers:
        """The postings of a term."""
        place = self._terms.find(term)
        old = self._all[:0] if place is None else self._all[self._starts[place] : self._starts[place + 1]]
        number = self._added.get(term)
        if number is None:
            return old
        new = np.frombuffer(self._new, np.uint32)[np.frombuffer(self._new_terms, np.uint32) == number]
        return np.concatenate((old, new))

    def settle(self) -> None:
        """Move the postings that were added since the last call into the one array."""
        if not self._added:
            return
        moved, places = self._terms.add(self._added)
        added = places[np.frombuffer(self._new_terms, np.uint32)]
        new_counts = np.bincount(added, minlength=len(self._terms))
        counts = new_counts.copy()
        counts[moved] += np.diff(self._starts)
        starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts)))
        together = zeros((int(starts[-1]),), np.uint32)
        for first, last, start in zip(self._starts[:-1], self._starts[1:], starts[moved], strict=True):
            together[start : start + last - first] = self._all[first:last]
        order = np.argsort(added, kind="stable")  # by term, each in the order in which they were added
        firsts, behind = np.cumsum(new_counts) - new_counts, starts[1:] - new_counts
        rows = np.arange(len(order)) + (behind - firsts)[added[order]]  # behind the old postings of the term
        together[rows] = np.frombuffer(self._new, np.uint32)[order]
        self._starts, self._all = starts, together
        self._added, self._new_terms, self._new = {}, array("I"), array("I")

    def change(self, work: Callable[[Numbers], tuple[Numbers, NDArray[np.bool_]]]) -> None:
        """Replace all postings: `work` returns the new ones, and which of them are kept."""
        self.settle()
        changed, kept = work(self._all)
        before = np.concatenate((np.zeros(1, np.int64), np.cumsum(kept)))
        starts = before[self._starts]
        left = np.flatnonzero(np.diff(starts))
        self._all = changed[kept]
        self._starts = np.append(starts[left], starts[-1])
        self._terms.keep(left)


class _Terms:
    """Sorted terms, in one row of bytes: as keys of a dictionary they would take eight times the memory."""

    def __init__(self) -> None:
        self._bytes = b""
        self._starts = array("I", [0])  # of each term, and the end

    def __len__(self) -> int:
        return len(self._starts) - 1

    def find(self, term: str) -> int | None:
        """The place of a term among all of them."""
        place, is_there = self._look(term.encode())
        return place if is_there else None

    def add(self, terms: Collection[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Add terms, some of which may be there. Returns the new places of those that were there, and of `terms`."""
        places, new = np.empty(len(terms), np.int64), list[tuple[bytes, int]]()
        for number, term in enumerate(map(str.encode, terms)):
            places[number], is_there = self._look(term)
            if not is_there:
                new.append((term, number))
        new.sort()
        numbers = [number for _, number in new]
        befores = places[numbers]  # the old term, or the end, that each new one is put before
        known = np.arange(len(self) + 1)
        moved = known + np.searchsorted(befores, known, side="right")
        places = moved[places]
        places[numbers] = befores + np.arange(len(new))
        self._insert([term for term, _ in new], befores)
        return moved[:-1], places

    def keep(self, places: NDArray[np.intp]) -> None:
        """Remove all terms but those at these places, which are in order."""
        left = [self._at(place) for place in places.tolist()]
        self._bytes = b"".join(left)
        self._set_lengths(np.array([len(term) for term in left], np.uint32))

    def _insert(self, terms: Sequence[bytes], befores: NDArray[np.int64]) -> None:
        starts = np.frombuffer(self._starts, np.uint32)
        lengths = np.insert(np.diff(starts), befores, [len(term) for term in terms])
        pieces, done = list[bytes](), 0
        for term, start in zip(terms, starts[befores].tolist(), strict=True):
            pieces += (self._bytes[done:start], term)
            done = start
        self._bytes = b"".join((*pieces, self._bytes[done:]))
        self._set_lengths(lengths)

    def _look(self, term: bytes) -> tuple[int, bool]:
        """Where a term stands, or would, and whether it does."""
        place = bisect_left(range(len(self)), term, key=self._at)
        return place, place < len(self) and self._at(place) == term

    def _at(self, place: int) -> bytes:
        return self._bytes[self._starts[place] : self._starts[place + 1]]

    def _set_lengths(self, lengths: NDArray[np.uint32]) -> None:
        self._starts = array("I", [0]) + array("I", np.cumsum(lengths, dtype=np.uint32).tobytes())
