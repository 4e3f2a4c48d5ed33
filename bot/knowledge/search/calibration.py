"""Fits a gate on questions whose answer is in the sources, and on others. Begin with `calibrate`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bot.knowledge.search.gate import Gate, Signals

KEPT = 0.95  # share of the answerable questions that shall pass
STEPS, RATE, PENALTY = 3_000, 0.3, 0.001  # of the gradient descent, on scaled signals
TELLS = 0.8  # AUROC below which a gate knows too little to be used


@dataclass(frozen=True, slots=True)
class Calibration:
    """A gate, and how it did on the half of the questions that it was not fitted on.

    `kept` is the share of answerable questions that pass, `let_through` the share of the others that do, `auroc` the
    chance that an answerable question has the higher score.
    """

    gate: Gate
    kept: float
    let_through: float
    auroc: float

    @property
    def tells(self) -> bool:
        """Whether the gate knows enough to be used."""
        return self.auroc >= TELLS


def calibrate(answerable: Sequence[Signals], others: Sequence[Signals], kept: float = KEPT) -> Calibration:
    """Fit a gate on every second question of both kinds, and try it on the rest. Both need at least four questions."""
    right, wrong = _rows(answerable), _rows(others)
    gate = fit(right[::2], wrong[::2], kept)
    scores = [np.array([gate.score(one) for one in some[1::2]]) for some in (answerable, others)]
    return Calibration(
        gate, float(np.mean(scores[0] >= gate.cut)), float(np.mean(scores[1] >= gate.cut)), auroc(*scores)
    )


def fit(right: NDArray[np.float64], wrong: NDArray[np.float64], kept: float = KEPT) -> Gate:
    """A logistic regression on rows of signals; `kept` of the rows in `right` pass it."""
    rows = np.concatenate([right, wrong])
    means, widths = rows.mean(0), rows.std(0) + 1e-9
    scaled = np.c_[(rows - means) / widths, np.ones(len(rows))]
    wanted = np.r_[np.ones(len(right)), np.zeros(len(wrong))]
    weights = np.zeros(scaled.shape[1])
    for _ in range(STEPS):
        told = 1 / (1 + np.exp(-scaled @ weights))
        weights -= RATE * (scaled.T @ (told - wanted) / len(rows) + PENALTY * weights)
    plain = weights[:-1] / widths
    bias = float(weights[-1] - (plain * means).sum())
    cut = float(np.quantile(right @ plain + bias, 1 - kept))
    return Gate(tuple(map(float, plain)), bias, cut)


def auroc(right: NDArray[np.float64], wrong: NDArray[np.float64]) -> float:
    """The chance that a random score of `right` is above a random one of `wrong`; equal ones count half."""
    above = sum(float(np.sum(one > wrong)) + float(np.sum(one == wrong)) / 2 for one in right)
    return above / (len(right) * len(wrong))


def _rows(signals: Sequence[Signals]) -> NDArray[np.float64]:
    return np.array([one.numbers for one in signals], np.float64)
