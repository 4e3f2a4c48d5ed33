"""Fits a gate on questions that the sources answer, and on others. Begin with `calibrate`."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from bot.knowledge.search.gate import Gate, Signals

KEPT = 0.95  # share of the answerable questions that shall pass
FEW = 0.005  # share of the other questions of which a gate may be sure
NEARLY_ALL = 0.98  # share of them that shall pass or be doubted: 99 would let two of three foreign ones in by words
STEPS, RATE, PENALTY = 3_000, 0.3, 0.001  # of the gradient descent, on scaled signals
TELLS = 0.8  # AUROC below which a gate knows too little to be used
FOLDS = 5
FEWEST = 20  # questions of each kind that are needed
SEED = 1  # of the order in which questions are held out


@dataclass(frozen=True, slots=True)
class Calibration:
    """A gate, and how well it judges questions that it was not fitted on.

    `kept` are the indexes of the answerable questions that pass, `let_through` those of the other questions that pass,
    `doubted` how many of either lie between its cut-offs. `auroc` is the chance that an answerable question has a
    higher score than another one.
    """

    gate: Gate
    kept: frozenset[int]
    let_through: frozenset[int]
    doubted: tuple[int, int]
    auroc: float

    @property
    def tells(self) -> bool:
        """Whether the gate is certain enough to be used."""
        return self.auroc >= TELLS


def calibrate(answerable: Sequence[Signals], others: Sequence[Signals], kept: float = KEPT) -> Calibration:
    """Fit a gate on all questions, and test it by cross-validation: each fifth of both kinds by a gate that was fitted
    on the rest.

    Both kinds need at least `FOLDS` questions.
    """
    right, wrong = rows(answerable), rows(others)
    folds = [_folds(len(some)) for some in (right, wrong)]
    passed: tuple[set[int], set[int]] = set(), set()
    areas, doubted = [], [0, 0]
    for held_right, held_wrong in zip(*folds, strict=True):
        gate = fit(np.delete(right, held_right, 0), np.delete(wrong, held_wrong, 0), kept)
        scores = [some @ np.array(gate.weights) + gate.bias for some in (right[held_right], wrong[held_wrong])]
        for kind, (held, values) in enumerate(zip((held_right, held_wrong), scores, strict=True)):
            passed[kind].update(place for place, score in zip(held, values, strict=True) if score >= gate.cut)
            doubted[kind] += int(np.sum((values >= gate.doubt) & (values < gate.cut)))
        areas.append(auroc(*scores))
    return Calibration(
        fit(right, wrong, kept), kept=frozenset(passed[0]), let_through=frozenset(passed[1]),
        doubted=(doubted[0], doubted[1]), auroc=fmean(areas),
    )  # fmt: skip


def fit(right: NDArray[np.float64], wrong: NDArray[np.float64], kept: float = KEPT) -> Gate:
    """A logistic regression on rows of signals; `kept` of the rows in `right` pass it, `NEARLY_ALL` are at least
    doubted. It is sure of at most `FEW` of the rows in `wrong`.
    """
    both = np.concatenate([right, wrong])
    means, widths = both.mean(0), both.std(0) + 1e-9
    scaled = np.c_[(both - means) / widths, np.ones(len(both))]
    wanted = np.r_[np.ones(len(right)), np.zeros(len(wrong))]
    weights = np.zeros(scaled.shape[1])
    for _ in range(STEPS):
        told = 1 / (1 + np.exp(-scaled @ weights))
        weights -= RATE * (scaled.T @ (told - wanted) / len(both) + PENALTY * weights)
    plain = weights[:-1] / widths
    bias = float(weights[-1] - (plain * means).sum())
    cut, doubt = (float(np.quantile(right @ plain + bias, 1 - share)) for share in (kept, max(kept, NEARLY_ALL)))
    sure = max(cut, float(np.quantile(wrong @ plain + bias, 1 - FEW)))
    return Gate(tuple(map(float, plain)), bias, cut, doubt=doubt, sure=sure)


def auroc(right: NDArray[np.float64], wrong: NDArray[np.float64]) -> float:
    """The chance that a random score of `right` is above a random one of `wrong`; equal ones count half."""
    above = sum(float(np.sum(one > wrong)) + float(np.sum(one == wrong)) / 2 for one in right)
    return above / (len(right) * len(wrong))


def _folds(count: int) -> Sequence[list[int]]:
    order = list(range(count))
    random.Random(SEED).shuffle(order)  # noqa: S311  the same order in every run
    return [order[first::FOLDS] for first in range(FOLDS)]


def rows(signals: Sequence[Signals]) -> NDArray[np.float64]:
    """The numbers of signals, a row for each question."""
    return np.array([one.numbers for one in signals], np.float64)
