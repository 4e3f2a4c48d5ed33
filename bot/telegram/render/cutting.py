"""Cuts a long text so that each part fits one message. Begin with `cut`.

Cuts fall between blocks if a border is near enough, else between lines, sentences or words, and inside a word only when
nothing else is left; never inside a surrogate pair, and hardly ever inside what is drawn as one character. Blanks at a
cut are dropped, as Telegram would trim them and shift every offset. A cut depends only on the text before it, so parts
stay where they are while an answer grows.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence

from bot.telegram.render.cleaning import is_visible

_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
_LINES = re.compile(r"(?:[ \t]*\n)+")
_BLANK = re.compile(r"\s*")
_SENTENCE = re.compile(r"[.!?…][\"»”’')\]]*(?=\s)")
_JOINERS = "\u200d\ufe0e\ufe0f\u20e3"
_MAX_CLUSTER = 32

Span = tuple[int, int]


class Offsets:
    """Converts positions in a text from code points to UTF-16 code units."""

    def __init__(self, text: str) -> None:
        self._astral = [] if text.isascii() else [found.start() for found in _ASTRAL.finditer(text)]

    def __getitem__(self, position: int) -> int:
        return position + bisect_left(self._astral, position) if self._astral else position


def cut(
    text: str,
    limit: int,
    *,
    borders: Sequence[int] = (),
    verbatim: Callable[[int], bool] = lambda _: False,
    stop: Callable[[int], int] = lambda _: 1 << 60,
    together: int = 1 << 60,
) -> list[Span]:
    """Return the parts of `text` as spans of code points, each at most `limit` UTF-16 units, none of them blank.

    `borders` are ascending positions between blocks; `verbatim` tells whether indentation matters at a position; `stop`
    gives, for the start of a part, a position that the part must not pass; the text from `together` on gets no part of
    its own.
    """
    parts: list[Span] = []
    at, size = _next(text, 0, verbatim), len(text.rstrip())
    last = (
        len(text[:together].rstrip()) - 1 if together < size else size
    )  # so that what stays together has something before it
    while at < size:
        end = min(_reach(text, at, limit), max(stop(at), at + 1))
        if end < size:
            end = _best(text, at, min(end, max(at + 1, last)), borders)
        stripped = at + len(text[at : min(end, size)].rstrip())
        if is_visible(text[at:stripped]):
            parts.append((at, stripped))
        at = _next(text, end, verbatim)
    return parts


def _reach(text: str, at: int, limit: int) -> int:
    """Return the furthest possible end of a part that begins at `at`."""
    end = min(len(text), at + limit)
    if text.isascii():
        return end
    astral = [found.start() for found in _ASTRAL.finditer(text, at, end)]
    while astral and end - at + bisect_left(astral, end) > limit:
        end -= max(1, (end - at + bisect_left(astral, end) - limit) // 2)
    return max(end, at + 1)


def _best(text: str, at: int, end: int, borders: Sequence[int]) -> int:
    near = at + (end - at) // 4
    for lowest in (near, at):
        border = bisect_right(borders, end) - 1
        if border >= 0 and borders[border] > lowest:
            return borders[border]
        line = text.rfind("\n", lowest + 1, end + 1)
        if line > lowest:
            return line
        sentence = max((found.end() for found in _SENTENCE.finditer(text, lowest + 1, end + 1)), default=-1)
        if lowest < sentence <= end:
            return sentence
        word = max(text.rfind(" ", lowest + 1, end + 1), text.rfind("\t", lowest + 1, end + 1))
        if word > lowest:
            return word
    return _between_characters(text, at, end)


def _between_characters(text: str, at: int, end: int) -> int:
    """Return `end`, or a position a little before it, so that accents stay with their letter and emoji stay whole."""
    for position in range(end, max(at, end - _MAX_CLUSTER), -1):
        if position >= len(text) or not _joined(text[position - 1], text[position]):
            return position
    return end


def _joined(before: str, after: str) -> bool:
    if before == "\u200d" or after in _JOINERS or unicodedata.category(after)[0] == "M":
        return True
    skin, flags = "\U0001f3fb" <= after <= "\U0001f3ff", "\U0001f1e6" <= after <= "\U0001f1ff"
    return skin or (flags and "\U0001f1e6" <= before <= "\U0001f1ff")


def _next(text: str, at: int, verbatim: Callable[[int], bool]) -> int:
    """Return where the next part begins: past the blanks, but before the indentation of a line of code."""
    lines = _LINES.match(text, at)
    if (lines and verbatim(lines.end())) or (at == 0 and verbatim(0)):
        return lines.end() if lines else at
    found = _BLANK.match(text, at)
    return found.end() if found else at
