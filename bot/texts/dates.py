"""Dates as a reader of the language writes them. Pure."""

from __future__ import annotations

from datetime import date

from bot.texts.catalog import known

MONTHS = {
    "en": ["January", "February", "March", "April", "May", "June",
           "July", "August", "September", "October", "November", "December"],
    "ru": ["января", "февраля", "марта", "апреля", "мая", "июня",
           "июля", "августа", "сентября", "октября", "ноября", "декабря"],
}  # fmt: skip


def day(when: date, language: str, *, year: bool = True) -> str:
    """A day such as "12 March 2026", «12 марта 2026»."""
    named = f"{when.day} {MONTHS[known(language)][when.month - 1]}"
    return f"{named} {when.year}" if year else named
