"""Working hours: spans, single days, changes of the clocks."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.desk.policy.hours import Hours
from tests.support.table import table

BERLIN = ZoneInfo("Europe/Berlin")
NINE, ONE, TWO, SIX = 9 * 60, 13 * 60, 14 * 60, 18 * 60
WORKDAYS = ((NINE, ONE), (TWO, SIX))
OFFICE = Hours(BERLIN, [WORKDAYS] * 5 + [((600, 900),), ()])
NIGHT = Hours(BERLIN, [((22 * 60, 30 * 60),)] * 5 + [(), ()])  # Monday to Friday, 22:00-06:00
ROUND = Hours(BERLIN, [((0, 24 * 60),)] * 7)
EASTER = Hours(BERLIN, [((120, 180),)] * 7)  # 02:00-03:00, the hour that is left out in March and doubled in October
HALF = Hours(BERLIN, [((150, 240),)] * 7)  # 02:30-04:00
EVE = Hours(BERLIN, [WORKDAYS] * 7, {date(2026, 12, 24): ((540, 720),), date(2026, 12, 25): ()})
NEVER = Hours(BERLIN, [WORKDAYS] * 7, {date.fromordinal(day): () for day in range(739000, 742000)})
ALWAYS = Hours()


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()


@table(
    ("hours", "moment", "is_open", "opening"),
    [
        (OFFICE, "2026-11-23 09:00", True, "2026-11-23 09:00"),  # a Monday
        (OFFICE, "2026-11-23 08:59", False, "2026-11-23 09:00"),
        (OFFICE, "2026-11-23 12:59", True, "2026-11-23 12:59"),
        (OFFICE, "2026-11-23 13:00", False, "2026-11-23 14:00"),
        (OFFICE, "2026-11-23 18:00", False, "2026-11-24 09:00"),
        (OFFICE, "2026-11-27 18:00", False, "2026-11-28 10:00"),
        (OFFICE, "2026-11-28 15:00", False, "2026-11-30 09:00"),  # over Sunday
        (NIGHT, "2026-11-23 23:00", True, "2026-11-23 23:00"),
        (NIGHT, "2026-11-24 05:59", True, "2026-11-24 05:59"),
        (NIGHT, "2026-11-24 06:00", False, "2026-11-24 22:00"),
        (NIGHT, "2026-11-28 05:00", True, "2026-11-28 05:00"),  # Saturday morning belongs to Friday
        (NIGHT, "2026-11-23 05:00", False, "2026-11-23 22:00"),  # Sunday has no night
        (ROUND, "2026-11-23 00:00", True, "2026-11-23 00:00"),
        (EASTER, "2026-03-29 00:00", False, "2026-03-30 02:00"),  # the hour does not exist on that day
        (HALF, "2026-03-29 00:00", False, "2026-03-29 03:00"),
        (HALF, "2026-10-25 00:00", False, "2026-10-25 02:30"),
        (EVE, "2026-12-24 12:00", False, "2026-12-26 09:00"),
        (EVE, "2026-12-25 10:00", False, "2026-12-26 09:00"),
        (NEVER, "2026-11-23 10:00", False, None),
        (ALWAYS, "2026-11-23 03:00", True, "2026-11-23 03:00"),
    ],
)
def test_the_next_opening_is_named(hours: Hours, moment: str, is_open: bool, opening: str | None) -> None:
    assert hours.is_open(at(moment)) is is_open
    assert hours.next_opening(at(moment)) == (at(opening) if opening else None)


@table(
    ("hours", "start", "end", "minutes"),
    [
        (OFFICE, "2026-11-23 00:00", "2026-11-24 00:00", 480),
        (OFFICE, "2026-11-23 12:30", "2026-11-23 14:30", 60),
        (OFFICE, "2026-11-23 10:00", "2026-11-23 11:00", 60),
        (OFFICE, "2026-11-23 13:10", "2026-11-23 13:50", 0),
        (OFFICE, "2026-11-27 17:00", "2026-11-30 10:00", 60 + 300 + 60),
        (OFFICE, "2026-11-23 11:00", "2026-11-23 10:00", 0),
        (NIGHT, "2026-11-23 21:00", "2026-11-24 07:00", 480),
        (NIGHT, "2026-11-27 21:00", "2026-11-29 07:00", 480),
        (ROUND, "2026-11-23 00:00", "2026-11-30 00:00", 7 * 1440),
        (ROUND, "2026-03-29 00:00", "2026-03-30 00:00", 23 * 60),
        (ROUND, "2026-10-25 00:00", "2026-10-26 00:00", 25 * 60),
        (EASTER, "2026-03-29 00:00", "2026-03-29 12:00", 0),
        (EASTER, "2026-10-25 00:00", "2026-10-25 12:00", 120),  # until the second 03:00, so the hour is there twice
        (HALF, "2026-03-29 00:00", "2026-03-29 12:00", 60),
        (EVE, "2026-12-24 00:00", "2026-12-27 00:00", 180 + 480),
        (NEVER, "2026-11-23 00:00", "2026-11-27 00:00", 0),
        (ALWAYS, "2026-11-23 00:00", "2026-11-23 02:00", 120),
        (ALWAYS, "2026-11-23 02:00", "2026-11-23 00:00", 0),
    ],
)
def test_only_working_time_is_counted(hours: Hours, start: str, end: str, minutes: int) -> None:
    assert hours.between(at(start), at(end)) == minutes * 60


@table(
    ("hours", "start", "minutes", "end"),
    [
        (OFFICE, "2026-11-23 09:00", 60, "2026-11-23 10:00"),
        (OFFICE, "2026-11-23 12:30", 60, "2026-11-23 14:30"),
        (OFFICE, "2026-11-23 12:00", 60, "2026-11-23 13:00"),
        (OFFICE, "2026-11-27 17:30", 90, "2026-11-28 11:00"),
        (OFFICE, "2026-11-29 12:00", 0, "2026-11-30 09:00"),
        (NIGHT, "2026-11-27 05:30", 60, "2026-11-27 22:30"),
        (NEVER, "2026-11-23 10:00", 1, None),
        (ALWAYS, "2026-11-23 10:00", 90, "2026-11-23 11:30"),
    ],
)
def test_a_promise_ends_in_working_time(hours: Hours, start: str, minutes: int, end: str | None) -> None:
    assert hours.add(at(start), minutes * 60) == (at(end) if end else None)


@settings(max_examples=150, deadline=None)
@given(
    week=st.lists(st.lists(st.tuples(st.integers(0, 1439), st.integers(1, 1440)), max_size=3), min_size=7, max_size=7),
    start=st.integers(1_760_000_000, 1_800_000_000),
    seconds=st.integers(1, 300_000),
)
def test_what_is_added_is_what_lies_between(week: list[list[tuple[int, int]]], start: int, seconds: int) -> None:
    hours = Hours(BERLIN, [[(begin, begin + length) for begin, length in day] for day in week])
    end = hours.add(start, seconds)
    assert end is None or hours.between(start, end) == seconds
