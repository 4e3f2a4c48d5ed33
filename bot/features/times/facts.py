"""What a time expression says: `Facts`, and the calendar that they need. Pure."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, time, timedelta

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Clock:
    """A time of day as it was written. `exact`: in the 24-hour clock, or with am or pm.

    `bare`: as people say it, without minutes in digits ("at 7"), so it is probably meant in the 12-hour clock.
    """

    hour: int
    minute: int = 0
    exact: bool = False
    bare: bool = False


FLAGS = frozenset(("weekly", "nearest", "weak", "asks", "once"))


@dataclass(frozen=True, slots=True)
class Facts:
    """What a time expression says. A field is empty if the expression says nothing about it.

    `dates` are the days that may be meant. With `weekly` they are all days of one weekday, so that a date may follow.
    `part` is a key of `PARTS`, `repeat` is as in `When`, "second" (every other one or that of a month), or "once".
    `since` is the day on which a repetition begins. `months` and `span` are counted from now. `nearest`: `dates`
    are the next days of a kind, of which usually the first is meant. `weak`: these words often mean something else than
    a time, such as "3.11". `asks`: even alone they are understood in different ways; `once`: also without `repeat`.
    """

    dates: Sequence[date] = ()
    weekly: bool = False
    clock: Clock | None = None
    part: str = ""
    repeat: str = ""
    months: int = 0
    span: timedelta = timedelta()
    since: date | None = None
    nearest: bool = False
    weak: bool = False
    asks: bool = False
    once: bool = False

    @property
    def is_timed(self) -> bool:
        """Whether the facts tell a time of day."""
        return self.clock is not None or bool(self.span % DAY)

    @property
    def is_dated(self) -> bool:
        """Whether the facts tell a day."""
        return bool(self.dates or self.repeat or self.months or self.span or self.since)

    @property
    def is_unclear(self) -> bool:
        """Whether the facts have to be asked about, even if they name a single time."""
        vague = self.clock is None and bool(self.part) and PARTS[self.part].vague
        return self.asks or vague or (self.since is not None and not self.repeat)

    def and_also(self, other: Facts) -> Facts | None:
        """Merge two facts about one time; None if they contradict each other."""
        said = {one.name: value for one in fields(other) if (value := getattr(other, one.name))}
        if self.dates and other.dates:
            said["dates"] = self._common_dates(other)
            said["weekly"] = said["nearest"] = False
            nearest = self if self.nearest else other
            if nearest.nearest and said["dates"][:1] != nearest.dates[:1]:
                said["asks"] = True  # "Friday the 13th" is rare: perhaps one of both is wrong
        both = {name for name in said if getattr(self, name)} - FLAGS - {"dates"}
        if both or said.get("dates") == () or ("since" in said and "dates" in said and "repeat" not in said):
            return None
        return replace(self, **said)

    def _common_dates(self, other: Facts) -> Sequence[date]:
        """The days that both mean: "on Monday, 30 November", "tomorrow, 22 November"."""
        if self.weekly:
            common = tuple(day for day in other.dates if day.weekday() == self.dates[0].weekday())
            return common[:1] if other.nearest else common
        if other.weekly:
            return other._common_dates(self)
        return tuple(day for day in self.dates if day in other.dates)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the day, such as the evening: its hours, and the times that may be meant if no hour is said.
    `vague`: they are only offered.
    """

    hours: Sequence[int]
    usual: Sequence[time]
    vague: bool = False


PARTS = {
    "morning": Part(range(1, 12), (time(9),)),
    "afternoon": Part(range(11, 19), (time(14),)),
    "evening": Part(range(16, 24), (time(19),)),
    "night": Part((*range(18, 24), *range(5)), (time(20),)),  # "tomorrow night" is an evening
    "ночь": Part((*range(18, 24), *range(5)), (time(2), time(23)), vague=True),
    "early": Part(range(4, 10), (time(7),), vague=True),
    "before lunch": Part(range(9, 13), (time(11),), vague=True),
    "after lunch": Part(range(12, 18), (time(14),), vague=True),
    "after work": Part(range(16, 22), (time(19),), vague=True),
    "lunch": Part(range(11, 16), (time(13),), vague=True),
    "towards evening": Part(range(16, 21), (time(18),), vague=True),
    "late": Part((*range(20, 24), *range(3)), (time(22),), vague=True),
}
MIDNIGHT = Facts(clock=Clock(12, bare=True), part="ночь")


def later_month(day: date, months: int) -> date:
    """Return the day so many months later, or the last day of that month if it is too short."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def nth_weekday(month: date, nth: int, weekday: int) -> date:
    """The first (1) to fourth or the last (-1) weekday of the month of a date."""
    first = month.replace(day=1)
    days = [day for ahead in range(31) if (day := first + ahead * DAY).month == first.month]
    same = [day for day in days if day.weekday() == weekday]
    return same[nth - 1 if nth > 0 else nth]
