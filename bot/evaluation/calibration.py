"""Fits a gate on questions that the sources answer, and on others: `Questions.collect`, then `calibrate`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from random import Random
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from bot.evaluation.cases import Case
from bot.evaluation.search import Question, locate
from bot.knowledge.formats.tidying import language_of
from bot.knowledge.passages import BETWEEN
from bot.knowledge.search.gate import Gate, Signals
from bot.storage.repositories.knowledge.passages import StoredPassage
from bot.storage.store import Tx
from bot.storage.tables.knowledge import LEARNED, REFUSED, SOURCES

KEPT = 0.95  # share of the answerable questions that shall pass
FEW = 0.005  # share of the other questions of which a gate may be sure
NEARLY_ALL = 0.98  # share of them that shall pass or be doubted: 99 would let two of three foreign ones in by words
STEPS, RATE, PENALTY = 3_000, 0.3, 0.001  # of the gradient descent, on scaled signals
TELLS = 0.8  # AUROC below which a gate knows too little to be used
FOLDS = 5
MIN_QUESTIONS = 20  # questions of each kind that are needed
SEED = 1  # of the order in which questions are held out
MAX_QUESTIONS = 300  # of a kind: more say little, and cost time
COMMON = 0.1  # share of the questions that a language needs, to be one that people ask in


# --- questions --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """Questions on which a gate is fitted and tried.

    They are questions that the sources answer, questions about something else (`others`, of which `general` come with
    Govorun), and those to which the bot said that the sources do not have the answer, which may belong to either kind.
    `lost` are questions whose expected page or text is in no source.
    """

    answerable: Sequence[Question]
    others: Sequence[Question]
    general: int
    refused: Sequence[Question] = ()
    lost: Sequence[str] = ()

    @property
    def texts(self) -> list[str]:
        """All that is searched for, each text once."""
        return list(dict.fromkeys(one.text for one in (*self.answerable, *self.others, *self.refused)))

    @classmethod
    def collect(cls, tx: Tx, bot: int, cases: Collection[Case] = ()) -> Questions:
        """The questions of `cases`. Without them those that stand in the sources as headings, in an FAQ or among what
        people have taught: the passage below such a heading is left out, because it would be found by its own words.
        """
        sources = {one.id: one for one in tx.all(SOURCES, bot=bot)}
        articles = tx.articles.list_articles(sources)
        taught = {one.id for one in articles if sources[one.source_id].kind == LEARNED}
        lost: list[str] = []
        if cases:
            names = {id_: source.name for id_, source in sources.items()}
            located = {case: found for case, _, found in locate(tx, cases, articles, names)}
            lost = [case.question for case, found in located.items() if not found]
            answerable = [
                Question(case.question, own=located.get(case, frozenset()))
                for case in cases
                if not case.must_refuse and (located.get(case) or not case.says_where)
            ]
        else:
            answerable = _find_headings(tx.articles.list_passages([one.id for one in articles]), taught)
        own = [Question(case.question) for case in cases if case.must_refuse]
        general = foreign(_languages(one.text for one in answerable)) if len(own) < MIN_QUESTIONS else ()
        gaps = dict.fromkeys(gap.question for gap in tx.gaps.list_open(bot, 0.0) if gap.reason == REFUSED)
        return cls(
            answerable=_sample(answerable),
            others=[*_sample(own), *map(Question, general)],
            general=len(general),
            refused=_sample([Question(text) for text in gaps]),
            lost=lost,
        )


def foreign(languages: Collection[str]) -> list[str]:
    """Questions of general knowledge in these languages ("ru", "en"), about which few sources say anything."""
    lines = Path(__file__).with_name("foreign.txt").read_text("utf-8").splitlines()
    return [line for line in lines if language_of(line) in languages]


def _find_headings(passages: Sequence[StoredPassage], taught: Collection[int]) -> list[Question]:
    found = []
    for (article, place), below in groupby(passages, key=lambda one: (one.article_id, one.place)):
        heading = place.rpartition(BETWEEN)[2]
        if heading.endswith("?") or article in taught:
            found.append(Question(heading, without=frozenset(one.id for one in below)))
    return found


def _languages(texts: Iterable[str]) -> Collection[str]:
    counts = Counter(filter(None, map(language_of, texts)))
    return [language for language, count in counts.items() if count >= COMMON * counts.total()] or ("ru", "en")


def _sample(questions: Sequence[Question]) -> list[Question]:
    """At most `MAX_QUESTIONS` of them, the same in every run."""
    return Random(SEED).sample(questions, MAX_QUESTIONS) if len(questions) > MAX_QUESTIONS else list(questions)  # noqa: S311


# --- the gate ---------------------------------------------------------------------------------------------------------


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
        fit(right, wrong, kept),
        kept=frozenset(passed[0]),
        let_through=frozenset(passed[1]),
        doubted=(doubted[0], doubted[1]),
        auroc=fmean(areas),
    )


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
    Random(SEED).shuffle(order)  # noqa: S311  the same order in every run
    return [order[first::FOLDS] for first in range(FOLDS)]


def rows(signals: Sequence[Signals]) -> NDArray[np.float64]:
    """The numbers of signals, a row for each question."""
    return np.array([one.numbers for one in signals], np.float64)
