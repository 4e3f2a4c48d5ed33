"""Parses times in Russian and English: "in 20 minutes", "завтра в 9:00", "every monday at 8". Pure.

Begin with `read`. The time stands at the beginning of a text; the rest is the subject of the reminder. Wall times are
in the person's time zone, so nine o'clock stays nine o'clock when daylight saving time begins or ends.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

MORNING = time(9, 0)  # the time for a day without a time
LONGEST = timedelta(days=366 * 5)

WEEKDAYS = (
    r"mon(?:day)?|понедельник", r"tue(?:s(?:day)?)?|вторник", r"wed(?:nesday)?|среду|среда",
    r"thu(?:rs(?:day)?)?|четверг", r"fri(?:day)?|пятницу|пятница", r"sat(?:urday)?|субботу|суббота",
    r"sun(?:day)?|воскресенье",
)  # fmt: skip
MONTHS = (
    r"jan(?:uary)?|января", r"feb(?:ruary)?|февраля", r"mar(?:ch)?|марта", r"apr(?:il)?|апреля", r"may|мая",
    r"june?|июня", r"july?|июля", r"aug(?:ust)?|августа", r"sep(?:t(?:ember)?)?|сентября", r"oct(?:ober)?|октября",
    r"nov(?:ember)?|ноября", r"dec(?:ember)?|декабря",
)  # fmt: skip
UNITS = (
    (r"minutes?|mins?|минут[уы]?|мин", timedelta(minutes=1)),
    (r"hours?|hrs?|h|час(?:а|ов)?|ч", timedelta(hours=1)),
    (r"days?|день|дня|дней", timedelta(days=1)),
    (r"weeks?|недел[юиь]", timedelta(weeks=1)),
)
HALF_HOUR = re.compile(r"(?:in half an hour|через полчаса)(?=\W|$)", re.I)
SPAN = re.compile(r"(?:in|через)\s+(?:(\d{1,4}|an?)\s+)?([a-zа-яё]+)\.?(?=\W|$)", re.I)
CLOCK = re.compile(
    r"(?:(?:at|в|к)\s+)?(\d{1,2})[:.](\d{2})(?:\s*([ap])\.?m\.?)?(?![.\d])|"
    r"(?:at|в|к)\s+(\d{1,2})(?:\s*([ap])\.?m\.?|\s+час(?:а|ов)?)?(?![.:\d])(?=\W|$)|"
    r"(\d{1,2})\s*([ap])\.?m\.?(?=\W|$)",
    re.I,
)
ISO = re.compile(r"(?:on\s+)?(\d{4})-(\d{1,2})-(\d{1,2})(?=\W|$)", re.I)
DOTTED = re.compile(r"(?:on\s+)?(\d{1,2})\.(\d{1,2})(?:\.(\d{4}))?(?![\d:])(?=\W|$)", re.I)
MONTH = "|".join(f"(?P<m{number}>{names})" for number, names in enumerate(MONTHS, 1))
NAMED = re.compile(
    rf"(?:on\s+)?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\s++(?:{MONTH})(?:\s+(?P<year>\d{{4}}))?(?=\W|$)", re.I
)
NEAR = ((r"(?:the\s+)?day after tomorrow|послезавтра", 2), (r"tomorrow|завтра", 1), (r"today|сегодня", 0))
EVERY_DAY = re.compile(r"(?:every ?day|daily|каждый день|ежедневно)(?=\W|$)", re.I)
EVERY = r"(?:every|кажд(?:ый|ую|ое))\s+"
ON = r"(?:(?:on|next|во?|в следующ(?:ий|ую|ее))\s+)?"


@dataclass(frozen=True, slots=True)
class When:
    """A parsed time. `at` is aware, in the zone of the person. `repeat` is "", "day" or "week"."""

    at: datetime
    repeat: str = ""


@dataclass(frozen=True, slots=True)
class Day:
    """A parsed day. `on` None is any day. `every` is the number of days until it comes again, 0 for a date."""

    on: date | None = None
    every: int = 0
    repeat: str = ""


def read(text: str, now: datetime) -> tuple[When, str] | None:
    """Parse a time. Returns it and the rest of the text, None without a future time. `now` is in the person's zone."""
    text = text.strip()
    if found := _span(text, now):
        return found
    day, rest = _day(text, now.date())
    clock, rest = _clock(rest)
    if day is None and clock is not None:  # "at 9 tomorrow": the day may follow the time
        day, rest = _day(rest, now.date())
    if clock is None and day is None:
        return None
    day = day or Day(every=1)
    at = local(day.on or now.date(), clock or MORNING, now.tzinfo)
    if at <= now and day.every:
        at = local(at.date() + timedelta(days=day.every), clock or MORNING, now.tzinfo)
    elif at <= now and clock is None and day.on == now.date():
        at = _later(now, timedelta(hours=1))
    return (When(at, day.repeat), _bare(rest)) if now < at <= now + LONGEST else None


def following(before: datetime, repeat: str) -> datetime:
    """The time one day or one week after `before`, at the same wall time."""
    days = 7 if repeat == "week" else 1
    return local(before.date() + timedelta(days=days), before.timetz().replace(tzinfo=None), before.tzinfo)


def local(day: date, clock: time, zone: tzinfo | None) -> datetime:
    """A wall time in a zone. One that daylight saving time skips is moved forward by the skipped span."""
    naive = datetime.combine(day, clock).replace(tzinfo=zone)
    return datetime.fromtimestamp(naive.timestamp(), zone)


def zone(name: str) -> tzinfo | None:
    """A time zone by its IANA name, the name of a well-known city, or an offset ("+3", "UTC+05:30")."""
    name = name.strip()
    if found := re.fullmatch(r"(?:utc|gmt|мск)?\s*([+-])\s*(\d{1,2})(?::?(\d{2}))?", name, re.I):
        base = 180 if name.lower().startswith("мск") else 0
        minutes = base + int(found[1] + "1") * (int(found[2]) * 60 + int(found[3] or 0))
        return timezone(timedelta(minutes=minutes)) if -12 * 60 <= minutes <= 14 * 60 else None
    key = CITIES.get(name.lower().replace("ё", "е"), name.replace(" ", "_"))
    for attempt in (key, "/".join(part.title() for part in key.split("/"))):
        if re.fullmatch(r"[A-Za-z_]+(?:/[A-Za-z0-9_+-]+)*", attempt):
            try:
                return ZoneInfo(attempt)
            except (KeyError, ValueError, OSError):
                continue
    return None


def city(where: tzinfo, language: str) -> str:
    """A time zone as people say it: "Moscow", "Москва", "+3"."""
    name = name_of(where)
    russian = (title for title, zone_of in CITIES.items() if zone_of == name and not title.isascii())
    if language == "ru" and (found := next(russian, "")):
        return found.title()
    return name.rpartition("/")[2].replace("_", " ")


def name_of(where: tzinfo) -> str:
    """A time zone as a string that `zone` can parse again."""
    if isinstance(where, ZoneInfo):
        return where.key
    return str(where).removeprefix("UTC") if str(where) != "UTC" else "+0"


def _span(text: str, now: datetime) -> tuple[When, str] | None:
    if half := HALF_HOUR.match(text):
        return When(_later(now, timedelta(minutes=30))), _bare(text[half.end() :])
    found = SPAN.match(text)
    if found is None:
        return None
    count = int(found[1]) if found[1] and found[1].isdigit() else 1
    for names, unit in UNITS:
        if re.fullmatch(names, found[2], re.I):
            if count == 0 or count * unit > LONGEST:
                return None
            return When(_later(now, count * unit)), _bare(text[found.end() :])
    return None


def _later(now: datetime, span: timedelta) -> datetime:
    """The time after a span: whole days keep the wall time, shorter spans are counted in real time."""
    if span % timedelta(days=1):
        return datetime.fromtimestamp(now.timestamp() + span.total_seconds(), now.tzinfo)
    return local(now.date() + span, now.time(), now.tzinfo)


def _day(text: str, today: date) -> tuple[Day | None, str]:
    text = _bare(text)
    if found := EVERY_DAY.match(text):
        return Day(every=1, repeat="day"), text[found.end() :]
    for words, days in NEAR:
        if found := re.match(rf"(?:{words})(?=\W|$)", text, re.I):
            return Day(today + timedelta(days=days)), text[found.end() :]
    for number, names in enumerate(WEEKDAYS):
        on = today + timedelta(days=(number - today.weekday()) % 7)
        for lead, repeat in ((EVERY, "week"), (ON, "")):
            if found := re.match(rf"{lead}(?:{names})(?=\W|$)", text, re.I):
                return Day(on, 7, repeat), text[found.end() :]
    made, rest = _date(text, today)
    return (Day(made) if made else None), rest


def _date(text: str, today: date) -> tuple[date | None, str]:
    """Parse a date at the beginning of the text; without a year, the next such date. Returns it with the rest."""
    if found := ISO.match(text):
        return _made(int(found[1]), int(found[2]), int(found[3]), today), text[found.end() :]
    if found := DOTTED.match(text):
        return _made(int(found[3] or 0), int(found[2]), int(found[1]), today), text[found.end() :]
    if found := NAMED.match(text):
        month = next(number for number in range(1, 13) if found[f"m{number}"])
        return _made(int(found["year"] or 0), month, int(found["day"]), today), text[found.end() :]
    return None, text


def _made(year: int, month: int, day: int, today: date) -> date | None:
    try:
        made = date(year or today.year, month, day)
        return made if year or made >= today else date(today.year + 1, month, day)
    except ValueError:
        return None


def _clock(text: str) -> tuple[time | None, str]:
    bare = _bare(text)
    found = CLOCK.match(bare)
    if found is None:
        return None, bare
    hour = int(found[1] or found[4] or found[6])
    half = (found[3] or found[5] or found[7] or "").lower()
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    if hour > 23 or int(found[2] or 0) > 59:
        return None, bare
    return time(hour, int(found[2] or 0)), bare[found.end() :]


def _bare(text: str) -> str:
    return text.strip(" ,;:-–—\n\t")


CITIES = {
    "moscow": "Europe/Moscow", "москва": "Europe/Moscow", "мск": "Europe/Moscow", "msk": "Europe/Moscow",
    "saint petersburg": "Europe/Moscow", "санкт-петербург": "Europe/Moscow", "питер": "Europe/Moscow",
    "kaliningrad": "Europe/Kaliningrad", "калининград": "Europe/Kaliningrad",
    "samara": "Europe/Samara", "самара": "Europe/Samara",
    "yekaterinburg": "Asia/Yekaterinburg", "екатеринбург": "Asia/Yekaterinburg",
    "omsk": "Asia/Omsk", "омск": "Asia/Omsk", "novosibirsk": "Asia/Novosibirsk", "новосибирск": "Asia/Novosibirsk",
    "krasnoyarsk": "Asia/Krasnoyarsk", "красноярск": "Asia/Krasnoyarsk",
    "irkutsk": "Asia/Irkutsk", "иркутск": "Asia/Irkutsk", "yakutsk": "Asia/Yakutsk", "якутск": "Asia/Yakutsk",
    "vladivostok": "Asia/Vladivostok", "владивосток": "Asia/Vladivostok",
    "kamchatka": "Asia/Kamchatka", "камчатка": "Asia/Kamchatka",
    "minsk": "Europe/Minsk", "минск": "Europe/Minsk", "almaty": "Asia/Almaty", "алматы": "Asia/Almaty",
    "tashkent": "Asia/Tashkent", "ташкент": "Asia/Tashkent", "tbilisi": "Asia/Tbilisi", "тбилиси": "Asia/Tbilisi",
    "yerevan": "Asia/Yerevan", "ереван": "Asia/Yerevan", "belgrade": "Europe/Belgrade", "белград": "Europe/Belgrade",
    "london": "Europe/London", "лондон": "Europe/London", "berlin": "Europe/Berlin", "берлин": "Europe/Berlin",
    "new york": "America/New_York", "нью-йорк": "America/New_York", "utc": "UTC", "gmt": "UTC",
}  # fmt: skip
