"""Working hours: spans, single days, changes of the clocks."""

from __future__ import annotations

from datetime import date, datetime, timedelta
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
        (EVE, "2026-12-23 18:00", False, "2026-12-24 09:00"),
        (EVE, "2026-12-24 09:00", True, "2026-12-24 09:00"),
        (EVE, "2026-12-24 11:59", True, "2026-12-24 11:59"),
        (NIGHT, "2026-11-23 21:59", False, "2026-11-23 22:00"),
        (ROUND, "2026-03-29 03:30", True, "2026-03-29 03:30"),
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


@table(
    ("zone", "moment", "is_open", "opening"),
    [
        ("America/New_York", "2026-11-24 08:59", False, "2026-11-24 09:00"),
        ("America/New_York", "2026-11-24 09:00", True, "2026-11-24 09:00"),
        ("America/New_York", "2026-11-24 13:30", False, "2026-11-24 14:00"),
        ("America/New_York", "2026-11-27 18:00", False, "2026-11-28 10:00"),
        ("America/New_York", "2026-11-29 12:00", False, "2026-11-30 09:00"),
        ("America/St_Johns", "2026-11-24 08:59", False, "2026-11-24 09:00"),
        ("America/St_Johns", "2026-11-24 09:00", True, "2026-11-24 09:00"),
        ("America/St_Johns", "2026-11-24 13:30", False, "2026-11-24 14:00"),
        ("America/St_Johns", "2026-11-27 18:00", False, "2026-11-28 10:00"),
        ("America/St_Johns", "2026-11-29 12:00", False, "2026-11-30 09:00"),
        ("Asia/Kolkata", "2026-11-24 08:59", False, "2026-11-24 09:00"),
        ("Asia/Kolkata", "2026-11-24 09:00", True, "2026-11-24 09:00"),
        ("Asia/Kolkata", "2026-11-24 13:30", False, "2026-11-24 14:00"),
        ("Asia/Kolkata", "2026-11-27 18:00", False, "2026-11-28 10:00"),
        ("Asia/Kolkata", "2026-11-29 12:00", False, "2026-11-30 09:00"),
        ("Asia/Kathmandu", "2026-11-24 08:59", False, "2026-11-24 09:00"),
        ("Asia/Kathmandu", "2026-11-24 09:00", True, "2026-11-24 09:00"),
        ("Asia/Kathmandu", "2026-11-24 13:30", False, "2026-11-24 14:00"),
        ("Asia/Kathmandu", "2026-11-27 18:00", False, "2026-11-28 10:00"),
        ("Asia/Kathmandu", "2026-11-29 12:00", False, "2026-11-30 09:00"),
        ("Australia/Lord_Howe", "2026-11-24 08:59", False, "2026-11-24 09:00"),
        ("Australia/Lord_Howe", "2026-11-24 09:00", True, "2026-11-24 09:00"),
        ("Australia/Lord_Howe", "2026-11-24 13:30", False, "2026-11-24 14:00"),
        ("Australia/Lord_Howe", "2026-11-27 18:00", False, "2026-11-28 10:00"),
        ("Australia/Lord_Howe", "2026-11-29 12:00", False, "2026-11-30 09:00"),
        ("Pacific/Apia", "2026-11-24 08:59", False, "2026-11-24 09:00"),
        ("Pacific/Apia", "2026-11-24 09:00", True, "2026-11-24 09:00"),
        ("Pacific/Apia", "2026-11-24 13:30", False, "2026-11-24 14:00"),
        ("Pacific/Apia", "2026-11-27 18:00", False, "2026-11-28 10:00"),
        ("Pacific/Apia", "2026-11-29 12:00", False, "2026-11-30 09:00"),
        ("Europe/Moscow", "2026-11-24 08:59", False, "2026-11-24 09:00"),
        ("Europe/Moscow", "2026-11-24 09:00", True, "2026-11-24 09:00"),
        ("Europe/Moscow", "2026-11-24 13:30", False, "2026-11-24 14:00"),
        ("Europe/Moscow", "2026-11-27 18:00", False, "2026-11-28 10:00"),
        ("Europe/Moscow", "2026-11-29 12:00", False, "2026-11-30 09:00"),
        ("Pacific/Chatham", "2026-11-24 08:59", False, "2026-11-24 09:00"),
        ("Pacific/Chatham", "2026-11-24 09:00", True, "2026-11-24 09:00"),
        ("Pacific/Chatham", "2026-11-24 13:30", False, "2026-11-24 14:00"),
        ("Pacific/Chatham", "2026-11-27 18:00", False, "2026-11-28 10:00"),
        ("Pacific/Chatham", "2026-11-29 12:00", False, "2026-11-30 09:00"),
        ("Europe/Moscow", "2026-12-31 18:00", False, "2027-01-01 09:00"),  # over the end of the year
        ("Europe/Moscow", "2028-02-29 08:00", False, "2028-02-29 09:00"),  # a leap day, a Tuesday
        ("Europe/Moscow", "2028-02-28 18:00", False, "2028-02-29 09:00"),
        ("Europe/Moscow", "2028-02-29 18:00", False, "2028-03-01 09:00"),
        ("America/New_York", "2026-03-08 12:00", False, "2026-03-09 09:00"),  # the Sunday of the change
        ("America/New_York", "2026-11-01 12:00", False, "2026-11-02 09:00"),
        ("Australia/Lord_Howe", "2026-10-04 12:00", False, "2026-10-05 09:00"),
        ("Pacific/Apia", "2026-11-28 14:59", True, "2026-11-28 14:59"),
    ],
)
def test_hours_are_those_of_the_local_clock(zone: str, moment: str, is_open: bool, opening: str) -> None:
    here = ZoneInfo(zone)
    hours = Hours(here, [WORKDAYS] * 5 + [((600, 900),), ()])
    now, then = (datetime.fromisoformat(text).replace(tzinfo=here).timestamp() for text in (moment, opening))
    assert hours.is_open(now) is is_open
    assert hours.next_opening(now) == then


@table(
    ("zone", "day", "minutes"),
    [
        ("America/New_York", "2026-03-08", 1380),
        ("America/New_York", "2026-11-01", 1500),
        ("America/New_York", "2026-07-04", 1440),
        ("Europe/London", "2026-03-29", 1380),
        ("Europe/London", "2026-10-25", 1500),
        ("Europe/Dublin", "2026-03-29", 1380),
        ("Europe/Dublin", "2026-10-25", 1500),
        ("Australia/Lord_Howe", "2026-04-05", 1470),
        ("Australia/Lord_Howe", "2026-10-04", 1410),
        ("Australia/Sydney", "2026-04-05", 1500),
        ("Australia/Sydney", "2026-10-04", 1380),
        ("America/St_Johns", "2026-03-08", 1380),
        ("America/St_Johns", "2026-11-01", 1500),
        ("Pacific/Chatham", "2026-04-05", 1500),
        ("Pacific/Chatham", "2026-09-27", 1380),
        ("Europe/Moscow", "2026-03-29", 1440),
        ("Europe/Moscow", "2026-10-25", 1440),
        ("Asia/Kolkata", "2026-03-29", 1440),
        ("Asia/Kathmandu", "2026-10-25", 1440),
        ("America/Sao_Paulo", "2026-10-18", 1440),
        ("Asia/Tehran", "2026-03-22", 1440),
        ("UTC", "2026-12-31", 1440),
        ("UTC", "2028-02-29", 1440),
    ],
)
def test_a_day_around_the_clock_has_its_real_length(zone: str, day: str, minutes: int) -> None:
    here, first = ZoneInfo(zone), date.fromisoformat(day)
    start, end = (
        datetime.combine(one, datetime.min.time(), here).timestamp() for one in (first, first + timedelta(days=1))
    )
    assert Hours(here, [((0, 24 * 60),)] * 7).between(start, end) == minutes * 60


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
