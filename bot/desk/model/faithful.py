"""Whether a translation has kept what must not change: `lost`. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from bot.knowledge.answer.quotes import plain

EXACT = re.compile(
    r"```[^`]+```|`[^`\n]+`"  # code
    r"|\w{2,12}://[^\s<>\"'()\[\]|]+|www\.[^\s<>\"'()\[\]|]+"
    r"|[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+"
    r"|(?<!\w)@\w{3,}"
)
NAME = re.compile(r"«([^«»]+)»")
MARKED = re.compile(r"(?<!\w)(?=[\w-]{0,48}\d)(?=[\w-]{0,48}[^\W\d])\w+(?:-\w+)*")  # a code such as AB-12
NUMBER = re.compile(r"\d+(?:[.,:/]\d+)*")
THOUSANDS = re.compile(r"(?<=\d)[ \u00a0\u202f,.](?=\d{3}(?!\d))")  # "5 000", "5,000" and "5.000" are the same
EDGES = ".,;:!?…»*_"


def lost(original: str, translation: str) -> tuple[str, ...]:
    """Return the numbers, links, pieces of code, addresses and names in «…» of a text that its translation does not
    have as they are, and those numbers and links that only the translation has; empty if it is faithful.

    Numbers are compared with their parts in order, whatever divides these: 24.12.2026 is 24/12/2026, not 12/24/2026.
    """
    gone = [one for one in _exact(original) if one not in translation]
    gone += [one for one in NAME.findall(original) if plain(one) not in plain(translation)]
    gone += [one for one in _exact(translation) if one not in original]
    before, after = Counter(_numbers(original)), Counter(_numbers(translation))
    return tuple(dict.fromkeys((*gone, *(before - after), *(after - before))))


def _exact(text: str) -> list[str]:
    """What must stand in the other text letter by letter."""
    return [found.rstrip(EDGES) for found in (*EXACT.findall(text), *MARKED.findall(text))]


def _numbers(text: str) -> Iterator[str]:
    """The numbers of a text, written in one way."""
    for found in NUMBER.findall(THOUSANDS.sub("", text)):
        yield re.sub(r"[,:/]", ".", found)
