"""Dates as a reader of the language writes them, in English and Russian. Pure."""

from __future__ import annotations

from datetime import date

from bot.texts.catalog import known

MONTHS = {
    "en": [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    "ru": [
        "января",
        "февраля",
        "марта",
        "апреля",
        "мая",
        "июня",
        "июля",
        "августа",
        "сентября",
        "октября",
        "ноября",
        "декабря",
    ],
}


def day(when: date, language: str, *, year: bool = True) -> str:
    """A day such as "12 March 2026", «12 марта 2026»."""
    months = MONTHS.get(known(language))
    if months is None:  # a programmer's language: a date that is read everywhere
        return when.isoformat() if year else f"{when:%m-%d}"
    named = f"{when.day} {months[when.month - 1]}"
    return f"{named} {when.year}" if year else named
