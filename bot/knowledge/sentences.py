"""Cuts a text into its sentences. Pure; begin with `spans`.

Rules, not a model: Russian and English abbreviations, initials, closing quotes, lines of a list. What is cut into one
sentence too many costs a shorter quote; the text itself is never changed, because quotes must stand verbatim in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# The first lookbehind keeps a run of dots from being tried at each of its dots.
ENDS = re.compile(r"""(?<![.!?…])[.!?…]{1,20}["»”’')\]]{0,5}\s+|\n+""")
SEEN = re.compile(r"\S")
STARTS = re.compile(r"""["«“‘'(\[]{0,3}[^\Wa-zа-яё_]|[-*•–—#>|]""")  # what a sentence begins with: no small letter
ABBREVIATION = re.compile(
    r"(?:^|[\s(«\"])(?:г|гг|в|вв|т|т\.\s?е|т\.\s?к|т\.\s?д|т\.\s?п|д|е|н|э|им|ок|см|ср|рис|табл|стр|ст|п|пп|ч|руб|коп|тыс|"
    r"млн|млрд|св|ул|пр|корп|кв|тел|напр|Mr|Mrs|Ms|Dr|St|vs|c|p|pp|No|fig|approx|e\.g|i\.e|etc|Inc|Jr|U\.S|[^\W\d_])\.$",
    re.IGNORECASE,
)
LONGEST_ABBREVIATION = 12  # characters before the end of a sentence that may be one


def spans(text: str) -> tuple[tuple[int, int], ...]:
    """The sentences of a text as (start, end) in characters; joined they are the text, blank space included.

    An empty text has none, and no sentence is blank: blank space belongs to the sentence before it.
    """
    return tuple(each_span(text))


def each_span(text: str) -> Iterator[tuple[int, int]]:
    """What `spans` returns, one after the other: a text of a book has a hundred thousand."""
    start, first = 0, _first(text, 0)  # the first character of the sentence that is seen
    last = len(text.rstrip())  # what follows is blank
    for match in ENDS.finditer(text):
        if first < match.end() < last and _is_end(text, match):
            yield start, match.end()
            start, first = match.end(), _first(text, match.end())
    if text:
        yield start, len(text)


def _first(text: str, start: int) -> int:
    """The place of the first character from `start` on that is not blank; the length of the text without one."""
    found = SEEN.search(text, start)
    return found.start() if found is not None else len(text)


def _is_end(text: str, match: re.Match[str]) -> bool:
    """Whether a sentence ends at a match: what follows may begin one, and no abbreviation stands before it. At a blank
    line it ends in any case: a paragraph must not be taken for a part of the sentence before it.
    """
    if "\n\n" in match[0]:
        return True
    if STARTS.match(text, match.end()) is None:
        return False
    if "\n" in match[0]:
        return True
    word = text[max(0, match.start() - LONGEST_ABBREVIATION) : match.start() + 1]
    return match[0].rstrip() != "." or ABBREVIATION.search(word) is None
