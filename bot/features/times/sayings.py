"""Says a time as the reminders do, in the language of the chat; `reading` understands it. Begin with `shown_time`."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.features.times.reading import MONTHLY, When
from bot.features.times.vocabulary import WEEKEND, WORKDAYS
from bot.texts.catalog import say

REPEATED = {
    "day": "remind.daily", WORKDAYS: "remind.workdays", WEEKEND: "remind.weekends", "month": "remind.monthly",
    "year": "remind.yearly",
}  # fmt: skip


def shown_time(language: str, when: When, now: datetime, *, near: bool = True) -> str:
    """The time of a reminder in words: "tomorrow, 22 November, at 9:00", "every Monday at 9:00".

    Not `near`: without "today" and "tomorrow", which are soon no longer true. The year is named only if it is not the
    present one.
    """
    at, clock = when.at, shown_clock(when.at)
    month = say(language, "months").split()[at.month - 1]
    if when.repeat in REPEATED:
        each = say(language, "days.each").split()[min(at.day, MONTHLY) - 1]
        return say(language, REPEATED[when.repeat], each=each, day=at.day, month=month, clock=clock)
    if when.repeat == "fortnight":
        weekday = say(language, "weekdays.on").split(", ")[at.weekday()]
        return say(language, "remind.fortnight", weekday=weekday, date=f"{at.day} {month}", clock=clock)
    if when.repeat.startswith("month"):
        place = at.weekday() * 5 + int(when.repeat.removeprefix("month")) % 6 - 1
        return say(language, "remind.nth", nth=say(language, "weekdays.nth").split(", ")[place], clock=clock)
    if when.repeat:
        days = when.repeat if when.repeat.isdigit() else str(at.weekday())
        *first, last = [say(language, "weekdays.each").split()[int(day)] for day in days]
        weekdays = say(language, "remind.and", first=", ".join(first), last=last) if first else last
        return say(language, "remind.weekly", weekdays=weekdays, clock=clock)
    date = f"{at.day} {month}"
    if at.year != now.year:
        date = say(language, "remind.year", date=date, year=at.year)
    days_ahead = (at.date() - now.date()).days
    if near and days_ahead <= 1:
        return say(language, "remind.tomorrow" if days_ahead else "remind.today", date=date, clock=clock)
    weekday = say(language, "weekdays.on").split(", ")[at.weekday()]
    return say(language, "remind.on", weekday=weekday, date=date, clock=clock)


def shown_span(language: str, span: timedelta) -> str:
    """A span of at most a day, in hours, minutes and seconds: "1 h 30 min"."""
    hours, seconds = divmod(round(span.total_seconds()), 3600)
    counts = zip((hours, seconds // 60, seconds % 60), say(language, "remind.units").split(), strict=True)
    return " ".join(f"{count} {unit}" for count, unit in counts if count)


def shown_clock(at: datetime) -> str:
    """The time of day: "9:00"."""
    return f"{at.hour}:{at:%M}"
