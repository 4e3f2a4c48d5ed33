"""Whether a translation has kept what must not change: `lost`. Pure."""

from __future__ import annotations

import re
from collections import Counter

from bot.knowledge.answer.quotes import facts, missing, plain

EXACT = re.compile(
    r"```[^`]+```|`[^`\n]+`"  # code
    r"|\w{2,12}://[^\s<>\"'()\[\]|]+|www\.[^\s<>\"'()\[\]|]+"
    r"|[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+"
    r"|(?<!\w)@\w{3,}"
)
NAME = re.compile(r"«([^«»]+)»")
MARKED = re.compile(r"(?<!\w)(?=[\w-]{0,48}\d)(?=[\w-]{0,48}[^\W\d])\w+(?:-\w+)*")  # a code such as AB-12
DIGITS = re.compile(r"\d+")
EDGES = ".,;:!?…»*_"


def lost(original: str, translation: str) -> tuple[str, ...]:
    """Return the numbers, links, pieces of code, addresses and names in «…» of a text that its translation does not
    have as they are, and those numbers and links that only the translation has; empty if it is faithful.
    """
    gone = [one for one in _exact(original) if one not in translation]
    gone += [one for one in NAME.findall(original) if plain(one) not in plain(translation)]
    gone += missing(facts(original), translation)
    added = [one for one in _exact(translation) if one not in original]
    added += missing(facts(translation), original)
    if not gone and not added and _digits(original) != _digits(translation):
        gone = sorted((_digits(original) - _digits(translation)) + (_digits(translation) - _digits(original)))
    return tuple(dict.fromkeys((*gone, *added)))


def _exact(text: str) -> list[str]:
    """What must stand in the other text letter by letter."""
    return [found.rstrip(EDGES) for found in (*EXACT.findall(text), *MARKED.findall(text))]


def _digits(text: str) -> Counter[str]:
    """How often each number stands in a text, by its digits: "5 000" and "5,000" are the same."""
    joined = re.sub(r"(?<=\d)[ \u00a0\u202f,.](?=\d{3}(?!\d))", "", text)
    return Counter(DIGITS.findall(joined))
