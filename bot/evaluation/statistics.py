"""Intervals, noise and figures of all evaluations: `share` of cases, the `mean` of amounts, `Changes` between two runs.

A rank is the place of the first right one among what a search found, from 1; None where it was not found.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

DEPTHS = (1, 5, 10)
NOISE = 0.05  # chance below which a difference is called one
SURE = 1.96  # standard errors of an interval of 95 %


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean, with the ends of its 95 % confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes(Generic[T]):
    """What is better and what is worse than in an earlier run."""

    better: Sequence[T]
    worse: Sequence[T]

    @property
    def chance(self) -> float:
        """The p value of McNemar's exact test (0 to 1): how likely it is that at least so uneven a split of better and
        worse cases comes about where both runs are equally good.
        """
        count, fewer = len(self.better) + len(self.worse), min(len(self.better), len(self.worse))
        tails = 2 * sum(math.comb(count, one) for one in range(fewer + 1))
        return min(float(tails / 2**count), 1.0)

    @property
    def is_noise(self) -> bool:
        """Whether `chance` is above `NOISE`: then the difference between the two runs proves nothing."""
        return self.chance > NOISE


def share(some: float, count: int) -> Figure:
    """A part of `count` in per cent, with the interval of Wilson, which holds for few and for extreme shares, too.

    For a mean of numbers between 0 and 1 it is wider than need be: they vary less than a yes and a no.
    """
    part, square = some / count, SURE**2 / count
    middle = (part + square / 2) / (1 + square)
    half = math.sqrt(square * (part * (1 - part) + square / 4)) / (1 + square)
    return Figure(100 * part, max(100 * (middle - half), 0.0), min(100 * (middle + half), 100.0))


def mean(values: Sequence[float]) -> Figure:
    """The mean of at least one amount that is never below 0."""
    middle = sum(values) / len(values)
    spread = math.sqrt(sum((one - middle) ** 2 for one in values) / max(len(values) - 1, 1))
    half = SURE * spread / math.sqrt(len(values))
    return Figure(middle, max(middle - half, 0.0), middle + half)


def percentile(values: Iterable[float], part: float = 0.95) -> float:
    """The value below which this part of the values lies; 0.0 for none."""
    ordered = sorted(values)
    return ordered[max(math.ceil(part * len(ordered)) - 1, 0)] if ordered else 0.0


def rank_of(found: Iterable[Hashable], wanted: Collection[Hashable]) -> int | None:
    """The rank of the first wanted one among those found, each of which counts once."""
    return next((place for place, one in enumerate(dict.fromkeys(found), 1) if one in wanted), None)


def measure_ranks(ranks: Sequence[int | None]) -> Mapping[str, Figure]:
    """Recall among the first 1, 5 and 10 (R@1 ...), and nDCG@10, of at least one question."""
    recalls = {
        f"R@{depth}": share(sum(rank is not None and rank <= depth for rank in ranks), len(ranks)) for depth in DEPTHS
    }
    return {**recalls, f"nDCG@{DEPTHS[-1]}": share(sum(map(gain, ranks)), len(ranks))}


def gain(rank: int | None) -> float:
    """What a rank is worth in nDCG@10, from 0 to 1. Below the tenth place nobody looks, so it counts as missed."""
    return 1 / math.log2(rank + 1) if rank is not None and rank <= DEPTHS[-1] else 0.0
