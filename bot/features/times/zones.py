"""Time zones as people name them: "Europe/Moscow", "Москва", "+3". Begin with `zone`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones


def zone(name: str) -> tzinfo | None:
    """A time zone by its IANA name or the last part of that ("Tokyo"), the name of a well-known city, or an offset
    ("+3", "UTC+05:30").
    """
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
    last = _by_last_part().get(key.lower().replace("-", "_"), "")
    return ZoneInfo(last) if last else None


@cache
def _by_last_part() -> Mapping[str, str]:
    """The names of zones by their last part, such as "tokyo". Those that mean different times are left out ("west")."""
    found: dict[str, set[str]] = {}
    for name in available_timezones():
        area, _, last = name.rpartition("/")
        if area and area != "Etc":  # the signs of Etc/GMT+5 are those of nobody's clock
            found.setdefault(last.lower().replace("-", "_"), set()).add(name)
    return {last: max(names) for last, names in found.items() if len(names) == 1 or len(set(map(_offsets, names))) == 1}


def _offsets(name: str) -> tuple[object, ...]:
    return tuple(datetime(2026, month, 1, tzinfo=ZoneInfo(name)).utcoffset() for month in range(1, 13))


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
