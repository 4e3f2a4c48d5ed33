"""When the people of a desk work: `Hours`. Pure: no clock, no file.

A week has spans of local time, days of their own replace it, and a holiday or a closed day has none. All times that go
in and come out are Unix seconds. A span over a change of the clocks has its real length. A local time that the change
leaves out is the moment of the change; one that comes twice is the first of the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

DAY_MINUTES = 24 * 60
HORIZON = 400  # days in which the next opening is looked for
Span = tuple[int, int]  # minutes after midnight; the end is later than the beginning, and after 1440 for the next day


@dataclass(frozen=True, slots=True)
class Hours:
    """Working hours: the spans of Monday to Sunday, and those of single days, which count instead; an empty one is
    closed. Without any span in the week (`Hours()`) somebody is always there.

    `is_holiday` tells of other days whether they are public holidays (True, closed) or working days that a holiday was
    moved from (False, with the spans of the first working day of the week); None: neither.
    """

    zone: tzinfo = UTC
    week: Sequence[Sequence[Span]] = ()
    days: Mapping[date, Sequence[Span]] | None = None
    is_holiday: Callable[[date], bool | None] | None = None

    @property
    def always(self) -> bool:
        """Whether there are no working hours, so that people count as present at any time."""
        return not any(self.week)

    def is_open(self, at: float) -> bool:
        """Whether people work at a time."""
        return self.always or self.next_opening(at) == at

    def next_opening(self, at: float) -> float | None:
        """Return the first working moment at or after a time; None if there is none in the next 400 days."""
        if self.always:
            return at
        return next((max(begin, at) for begin, _ in self._spans(at)), None)

    def between(self, start: float, end: float) -> float:
        """Return the working seconds between two times; 0.0 if the end is not later."""
        if self.always:
            return max(0.0, end - start)
        total = 0.0
        for begin, finish in self._spans(start):
            if begin >= end:
                break
            total += max(0.0, min(finish, end) - max(begin, start))
        return total

    def add(self, start: float, seconds: float) -> float | None:
        """Return when so many working seconds have passed; None if that is not within the next 400 days."""
        if self.always:
            return start + seconds
        for begin, finish in self._spans(start):
            begin = max(begin, start)
            if seconds <= finish - begin:
                return begin + seconds
            seconds -= finish - begin
        return None

    def _spans(self, at: float) -> Iterator[tuple[float, float]]:
        """The spans that end after a time, in order; what touches is one span."""
        today = datetime.fromtimestamp(at, self.zone).date()
        begin = finish = 0.0
        for days in range(-1, HORIZON):  # the span of the day before may go on after midnight
            day = today + timedelta(days)
            for first, last in self._of(day):
                start, end = self._moment(day, first), self._moment(day, last)
                if end <= max(at, start):
                    continue
                if finish and start > finish:
                    yield begin, finish
                    begin = start
                begin = begin if finish else start
                finish = max(finish, end)
        if finish:
            yield begin, finish

    def _of(self, day: date) -> Sequence[Span]:
        if self.days is not None and day in self.days:
            return self.days[day]
        holiday = self.is_holiday(day) if self.is_holiday is not None else None
        if holiday is None:
            return self.week[day.weekday()]
        return () if holiday else next(spans for spans in self.week if spans)

    def _moment(self, day: date, minutes: int) -> float:
        """The Unix time of a local time."""
        local = datetime.combine(day, time(tzinfo=self.zone)) + timedelta(minutes=minutes)
        at = local.timestamp()
        if datetime.fromtimestamp(at, self.zone) == local:
            return at
        # The clocks leave this time out: find the second in which they are changed.
        low, high = local.replace(fold=1).timestamp(), at
        before = datetime.fromtimestamp(low, self.zone).utcoffset()
        while high - low > 1:
            middle = (low + high) // 2
            if datetime.fromtimestamp(middle, self.zone).utcoffset() == before:
                low = middle
            else:
                high = middle
        return high
