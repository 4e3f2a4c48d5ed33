"""Numbers as a reader of the language writes them. Pure."""

from __future__ import annotations

from bot.texts.catalog import known


def separated(number: int, language: str) -> str:
    """A whole number with its thousands apart: "32,768", «32 768»."""
    return f"{number:,}".replace(",", "," if known(language) == "en" else "\u00a0")
