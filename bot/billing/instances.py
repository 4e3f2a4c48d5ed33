"""Instances of one's own, which are paid by the hour: which hours they run, and whether they pay. Pure.

Begin with `Hours.parse` and `worth`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from zoneinfo import ZoneInfo

from bot.ai import Profile, Usage
from bot.billing.pricing import cost, millionths
from bot.config.entries import ModelConfig

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HOURS = re.compile(r"(\d{1,2})-(\d{1,2})(?:\s+([a-z]{3})(?:-([a-z]{3}))?)?(?:\s+([\w/+-]+))?")


@dataclass(frozen=True, slots=True)
class Hours:
    """When an instance runs: from the hour `first` to `last` on some `days` (0: Monday), in a time zone."""

    first: int
    last: int
    days: frozenset[int]
    zone: tzinfo

    @classmethod
    def parse(cls, text: str) -> Hours:
        """Read hours such as "9-18 mon-fri", "0-24" or "9-18 mon-fri Europe/Moscow"; without a zone they are UTC.

        Raises `ValueError`.
        """
        found = HOURS.fullmatch(text.strip())
        first, last = (int(found[1]), int(found[2])) if found else (0, 0)
        if found is None or not 0 <= first < last <= 24 or {found[3], found[4]} - {None, *DAYS}:
            raise ValueError("hours like 9-18 mon-fri are expected, with a time zone if it is not UTC")
        begin = DAYS.index(found[3]) if found[3] else 0
        end = DAYS.index(found[4]) if found[4] else begin if found[3] else 6
        days = {day % 7 for day in range(begin, end + 1 if end >= begin else end + 8)}
        return cls(first, last, frozenset(days), ZoneInfo(found[5]) if found[5] else UTC)

    def between(self, since: float, until: float) -> float:
        """How many of these hours lie between two times (Unix seconds)."""
        day = datetime.fromtimestamp(since, self.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        total = 0.0
        while day.timestamp() < until:
            if day.weekday() in self.days:
                begin = (day + timedelta(hours=self.first)).timestamp()
                end = (day + timedelta(hours=self.last)).timestamp()
                total += max(min(end, until) - max(begin, since), 0.0)
            day += timedelta(days=1)
        return total / 3600


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance: its name and title, the price of an hour, and the hours in which it runs (None: not said)."""

    name: str
    title: str
    price_hour: Decimal
    hours: Hours | None

    @classmethod
    def of(cls, row: ModelConfig) -> Instance:
        """The instance of a row of MODELS with a `uri`."""
        hours = Hours.parse(row.hours) if row.hours else None
        return cls(row.name, row.title or row.name, row.price_hour or Decimal(0), hours)

    def cost(self, since: float, until: float) -> int | None:
        """What its hours between two times cost, in millionths; None if it is not said when it runs."""
        if self.hours is None:
            return None
        return millionths(self.price_hour * Decimal(str(round(self.hours.between(since, until), 4))))


@dataclass(frozen=True, slots=True)
class Worth:
    """What the tokens of some days cost by the token, and what the hours of an instance cost, in millionths."""

    usage: Usage
    by_token: int
    by_hour: int

    @property
    def pays(self) -> bool:
        """Whether the instance is the cheaper of the two."""
        return self.by_hour < self.by_token


def worth(
    instance: Instance, used: Mapping[str, Usage], names: frozenset[str], by_token: Profile, span: tuple[float, float]
) -> Worth:  # fmt: skip
    """Compare an instance with a model that is paid by the token, for what the models of these names were asked.

    Without hours the instance is taken to run all the time.
    """
    some = [usage for name, usage in used.items() if name in names]
    usage = Usage(sum(one.prompt for one in some), sum(one.completion for one in some))
    hours = instance.cost(*span)
    if hours is None:
        hours = millionths(instance.price_hour * Decimal(str((span[1] - span[0]) / 3600)))
    return Worth(usage, cost(by_token, usage), hours)
