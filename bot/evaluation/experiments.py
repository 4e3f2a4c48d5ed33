"""Compares the two versions of a persona that answer at once in an experiment, with confidence intervals. Begin with
`list_experiments`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bot.billing.pricing import shown
from bot.evaluation.statistics import Figure, mean, share
from bot.prompts.library import Library
from bot.prompts.schema import Persona
from bot.storage.repositories.prompts import VersionFigures
from bot.storage.store import Tx
from bot.texts.catalog import say


@dataclass(frozen=True, slots=True)
class TwoVersions:
    """The version of a persona that is in use and the one on trial, with the figures of both since the experiment
    began.
    """

    tried: Persona
    old: VersionFigures
    new: VersionFigures

    def ended(self, now: float) -> bool:
        """Whether the experiment is over at a time (Unix seconds)."""
        return self.tried.trial is None or self.tried.trial.ends <= now

    @property
    def differs(self) -> bool:
        """Whether any share of the two versions differs by more than chance: their intervals have nothing in common."""
        pairs = zip(_shares(self.old), _shares(self.new), strict=True)
        return any(
            old is not None and new is not None and (old.high < new.low or new.high < old.low) for old, new in pairs
        )


def list_experiments(tx: Tx, bot: int, library: Library) -> list[TwoVersions]:
    """Return each experiment, with the version in use beside the one on trial."""
    found = []
    for key, tried in library.experiments().items():
        since = tx.personas.first_answer(bot, tried.label)
        old, new = (
            tx.personas.read_figures(bot, label, since) if since else VersionFigures(label)
            for label in (library.persona(key).label, tried.label)
        )
        found.append(TwoVersions(tried, old, new))
    return found


def describe(found: TwoVersions, language: str, now: float, currency: str) -> str:
    """Return an experiment as text: shares in per cent, each with the limits between which the true share lies."""
    part = found.tried.trial
    assert part is not None  # noqa: S101  a file without it is no experiment
    key = "trial.over" if found.ended(now) else "trial.on"
    head = say(language, key, name=found.tried.name(language), share=f"{100 * part.share:g}", until=part.until)
    versions = {"trial.old": found.old, "trial.new": found.new}
    rows = [_describe_version(say(language, which), one, language, currency) for which, one in versions.items()]
    return "\n".join([head, *rows, say(language, "trial.differs" if found.differs else "trial.same")])


def _shares(one: VersionFigures) -> Iterator[Figure | None]:
    for some, count in ((one.good, one.good + one.bad), (one.refused, one.answers), (one.handed, one.conversations)):
        yield share(some, count) if count else None


def _describe_version(which: str, one: VersionFigures, language: str, currency: str) -> str:
    liked, refused, handed = (
        "–" if figure is None else f"{figure.value:.0f} % ({figure.low:.0f}–{figure.high:.0f})"
        for figure in _shares(one)
    )
    cost = shown(language, 0, currency)
    if one.costs:
        price = mean(one.costs)
        cost, low, high = (shown(language, round(money), currency) for money in (price.value, price.low, price.high))
        cost += f" ({low}–{high})"
    return say(
        language,
        "trial.version",
        which=which,
        label=one.label,
        answers=one.answers,
        liked=liked,
        refused=refused,
        handed=handed,
        cost=cost,
    )
