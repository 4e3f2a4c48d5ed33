"""Why an answer is wrong or a case stale, in words. Begin with `reason`; `told` says one in another language.

Results and files have reasons in English, so that runs can be compared whoever reads them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from bot.texts.catalog import PLACE, SHIPPED, say

KEYS = "eval.why."


def reason(name: str, **values: object) -> str:
    """Return the English sentence `eval.why.NAME`, with the values put in."""
    return PLACE.sub(lambda place: str(values[place[1]]), SHIPPED["en"][f"eval.why.{name}"])


def told(why: str, language: str) -> str:
    """Return a sentence of `reason` in a language; what is none of them stays as it is, such as an error of a model."""
    for key, pattern in _patterns():
        if found := pattern.fullmatch(why):
            return say(language, key, **found.groupdict())
    return why


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple(_pattern())


def _pattern() -> Iterator[tuple[str, re.Pattern[str]]]:
    for key, text in SHIPPED["en"].items():
        if key.startswith(KEYS):
            parts = PLACE.split(text)  # what stands around the places, and their names between
            found = (f"(?P<{part}>.*)" if number % 2 else re.escape(part) for number, part in enumerate(parts))
            yield key, re.compile("".join(found), re.DOTALL)
