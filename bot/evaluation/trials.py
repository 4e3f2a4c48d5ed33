"""Compares the two versions of a persona that answer at once in a trial, with confidence intervals. Begin with
`compared_versions`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bot.billing.pricing import shown
from bot.knowledge.search.evaluation import SURE, Figure, share
from bot.prompts.library import Library
from bot.prompts.schema import Persona
from bot.storage.repositories.prompts import VersionFigures
from bot.storage.store import Tx
from bot.texts.catalog import say


@dataclass(frozen=True, slots=True)
class TwoVersions:
    """The version of a persona that is in use and the one on trial, with the figures of both since the trial began."""

    trial: Persona
    old: VersionFigures
    new: VersionFigures

    def ended(self, now: float) -> bool:
        """Whether the trial is over at a time (Unix seconds)."""
        return self.trial.trial is None or self.trial.trial.ends <= now


def compared_versions(tx: Tx, bot: int, library: Library) -> list[TwoVersions]:
    """Return each trial, with the version in use beside the one on trial."""
    found = []
    for key, trial in library.trials().items():
        since = tx.personas.first_answer(bot, trial.label)
        old, new = (
            tx.personas.read_figures(bot, label, since) if since else VersionFigures(label)
            for label in (library.persona(key).label, trial.label)
        )
        found.append(TwoVersions(trial, old, new))
    return found


def told(found: TwoVersions, language: str, now: float, currency: str) -> str:
    """Return a trial as text: shares in per cent, each with the limits between which the true share lies."""
    part = found.trial.trial
    assert part is not None  # noqa: S101  a file without it is no trial
    key = "trial.over" if found.ended(now) else "trial.on"
    head = say(language, key, name=found.trial.name(language), share=f"{100 * part.share:g}", until=part.until)
    versions = {"trial.old": found.old, "trial.new": found.new}
    rows = [_row(say(language, which), version, language, currency) for which, version in versions.items()]
    words = [head, *rows, say(language, "trial.differs" if differs(found) else "trial.same")]
    return "\n".join(words)


def differs(found: TwoVersions) -> bool:
    """Whether any share of the two versions differs by more than chance: their intervals have nothing in common."""
    pairs = zip(_shares(found.old), _shares(found.new), strict=True)
    return any(old is not None and new is not None and (old.high < new.low or new.high < old.low) for old, new in pairs)


def _shares(one: VersionFigures) -> Iterator[Figure | None]:
    for some, all_ in ((one.good, one.good + one.bad), (one.refused, one.answers), (one.handed, one.conversations)):
        yield share(some, all_) if all_ else None


def _row(which: str, one: VersionFigures, language: str, currency: str) -> str:
    liked, refused, handed = (_shown(figure) for figure in _shares(one))
    return say(
        language, "trial.version", which=which, label=one.label, answers=one.answers, liked=liked, refused=refused,
        handed=handed, cost=_price(one.costs, language, currency),
    )  # fmt: skip


def _price(costs: Sequence[int], language: str, currency: str) -> str:
    """Return the mean price of a turn as text, with the limits between which the true mean lies."""
    if not costs:
        return shown(language, 0, currency)
    mean = sum(costs) / len(costs)
    spread = math.sqrt(sum((one - mean) ** 2 for one in costs) / max(len(costs) - 1, 1))
    half = SURE * spread / math.sqrt(len(costs))
    low, high = (shown(language, round(max(one, 0)), currency) for one in (mean - half, mean + half))
    return f"{shown(language, round(mean), currency)} ({low}–{high})"


def _shown(figure: Figure | None) -> str:
    return "–" if figure is None else f"{figure.value:.0f} % ({figure.low:.0f}–{figure.high:.0f})"
