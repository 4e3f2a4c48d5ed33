"""Times as people write them, in two languages, on the clock of their wall."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from bot.features.time_phrases import following, name_of, read, zone
from tests.support.table import table

MOSCOW = ZoneInfo("Europe/Moscow")
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=MOSCOW)  # a Saturday


@table(
    ("said", "at", "repeat", "rest"),
    [
        ("in 20 minutes tea", "21 12:20", "", "tea"),
        ("через 20 минут чай", "21 12:20", "", "чай"),
        ("in an hour call", "21 13:00", "", "call"),
        ("через час позвонить", "21 13:00", "", "позвонить"),
        ("через полчаса чай", "21 12:30", "", "чай"),
        ("in 3 days pay", "24 12:00", "", "pay"),
        ("через неделю отчёт", "28 12:00", "", "отчёт"),
        ("at 18:30 leave", "21 18:30", "", "leave"),
        ("в 18:30 выйти", "21 18:30", "", "выйти"),
        ("в 9 выйти", "22 09:00", "", "выйти"),
        ("9pm film", "21 21:00", "", "film"),
        ("at 9 am run", "22 09:00", "", "run"),
        ("tomorrow 9:00 call mum", "22 09:00", "", "call mum"),
        ("tomorrow at 9 call mum", "22 09:00", "", "call mum"),
        ("завтра в 9:00 позвонить маме", "22 09:00", "", "позвонить маме"),
        ("завтра позвонить", "22 09:00", "", "позвонить"),
        ("at 9:00 tomorrow: call", "22 09:00", "", "call"),
        ("послезавтра в 10 часов врач", "23 10:00", "", "врач"),
        ("monday 8:00 gym", "23 08:00", "", "gym"),
        ("on friday pay", "27 09:00", "", "pay"),
        ("во вторник в 8:15 зал", "24 08:15", "", "зал"),
        ("saturday 9:00 market", "28 09:00", "", "market"),
        ("every day 8:00 pills", "22 08:00", "day", "pills"),
        ("каждый день в 20:00 таблетки", "21 20:00", "day", "таблетки"),
        ("every monday at 8 report", "23 08:00", "week", "report"),
        ("каждую пятницу отчёт", "27 09:00", "week", "отчёт"),
        ("today walk", "21 13:00", "", "walk"),
    ],
)
def test_a_time_is_understood(said: str, at: str, repeat: str, rest: str) -> None:
    found = read(said, NOW)
    assert found is not None
    assert (f"{found[0].at:%d %H:%M}", found[0].repeat, found[1]) == (at, repeat, rest)


@table(
    ("said", "at"),
    [
        ("5.12 gift", "2026-12-05 09:00"), ("5.12 10:00 gift", "2026-12-05 10:00"),
        ("2026-12-05 gift", "2026-12-05 09:00"),
        ("5.11 gift", "2027-11-05 09:00"), ("5 декабря в 18:00 подарок", "2026-12-05 18:00"),
        ("3rd january 2027 rest", "2027-01-03 09:00"), ("5.12.2027 gift", "2027-12-05 09:00"),
    ],
)  # fmt: skip
def test_a_date_is_understood(said: str, at: str) -> None:
    found = read(said, NOW)
    assert found is not None
    assert f"{found[0].at:%Y-%m-%d %H:%M}" == at


@table(
    "said", ["", "call mum", "in a while", "at 25:00 x", "31.2 x", "2020-01-01 x", "in 0 minutes", "today 9:00 x",
             "in 9999 weeks x", "march", "montag x"],
)  # fmt: skip
def test_what_is_no_time_or_past_is_not_guessed(said: str) -> None:
    assert read(said, NOW) is None


def test_nine_stays_nine_when_the_clocks_change() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    before = datetime(2027, 3, 27, 9, 0, tzinfo=berlin)
    after = following(before, "day")
    assert f"{after:%d %H:%M}" == "28 09:00"
    assert after.timestamp() - before.timestamp() == 23 * 3600
    gap = read("tomorrow 2:30 x", datetime(2027, 3, 27, 12, 0, tzinfo=berlin))
    assert gap is not None
    assert f"{gap[0].at:%d %H:%M}" == "28 03:30"
    assert following(before, "week") - before == timedelta(days=7)


@table(
    ("said", "name"),
    [
        ("Europe/Moscow", "Europe/Moscow"), ("europe/moscow", "Europe/Moscow"), ("Москва", "Europe/Moscow"),
        ("new york", "America/New_York"), ("+3", "+03:00"), ("UTC+5:30", "+05:30"), ("МСК+2", "+05:00"),
        ("GMT-4", "-04:00"),
    ],
)  # fmt: skip
def test_a_zone_is_found_by_name_city_or_offset(said: str, name: str) -> None:
    found = zone(said)
    assert found is not None
    assert name_of(found) == name
    assert zone(name_of(found)) == found


@table("said", ["", "nowhere", "+99", "../../etc/passwd", "yes please"])
def test_what_is_no_zone_is_none(said: str) -> None:
    assert zone(said) is None
