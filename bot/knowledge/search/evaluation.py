"""How well a search finds what it should: `figures` out of ranks, with intervals, and `changes` between two runs. Pure.

A rank is the place of the first right passage among those found, from 1; None where it was not found.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

DEEP = (1, 5, 10)
SURE = 1.96  # standard errors of an interval of 95 %

Ranks = Sequence[int | None]


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean in per cent, with the ends of its 95 % confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Changes:
    """Which questions are found higher or lower than in an earlier run, by their keys.

    `chance` is how likely a difference as large is where nothing has changed (sign test).
    """

    better: Sequence[str]
    worse: Sequence[str]
    chance: float


def rank_of(found: Iterable[Hashable], gold: Collection[Hashable]) -> int | None:
    """The place of the first right one among those found, each of which counts once."""
    return next((place for place, one in enumerate(dict.fromkeys(found), 1) if one in gold), None)


def figures(ranks: Ranks) -> Mapping[str, Figure]:
    """Recall among the first 1, 5 and 10 (R@1 ...), and nDCG@10, of at least one question."""
    found = {f"R@{deep}": share(sum(_within(rank, deep) for rank in ranks), len(ranks)) for deep in DEEP}
    return {**found, f"nDCG@{DEEP[-1]}": share(sum(map(_gain, ranks)), len(ranks))}


def share(some: float, all_: int) -> Figure:
    """A part of all in per cent, with the interval of Wilson, which holds for few and for extreme shares, too.

    For a mean of numbers between 0 and 1 it is wider than need be: they vary less than a yes and a no.
    """
    part, square = some / all_, SURE**2 / all_
    middle = (part + square / 2) / (1 + square)
    half = math.sqrt(square * (part * (1 - part) + square / 4)) / (1 + square)
    return Figure(100 * part, max(100 * (middle - half), 0.0), min(100 * (middle + half), 100.0))


def changes(before: Mapping[str, int | None], now: Mapping[str, int | None]) -> Changes:
    """What has changed among the questions of both runs. Below the tenth place nobody looks, so it counts as missed."""
    gains = {key: _gain(now[key]) - _gain(before[key]) for key in now if key in before}
    better, worse = ([key for key, gain in gains.items() if gain * sign > 0] for sign in (1, -1))
    return Changes(better, worse, chance_of(len(better), len(worse)))


def chance_of(better: int, worse: int) -> float:
    """How likely it is that changes go so unevenly both ways where nothing has changed (the exact test of McNemar)."""
    all_ = better + worse
    tails = 2 * sum(math.comb(all_, one) for one in range(min(better, worse) + 1))
    return min(float(tails / 2**all_), 1.0)


def _within(rank: int | None, deep: int) -> bool:
    return rank is not None and rank <= deep


def _gain(rank: int | None) -> float:
    return 1 / math.log2(rank + 1) if rank is not None and rank <= DEEP[-1] else 0.0
