"""Turns a document into classic messages: text with entities, in as many pieces as needed. Begin with `pieces`."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Any

from bot.telegram.render.cleaning import clean
from bot.telegram.render.cutting import Offsets, cut
from bot.telegram.render.document import Document
from bot.telegram.render.layout import Layout, Mark, lay_out

LIMIT = 4_096
MAX_ENTITIES = 100


@dataclass(frozen=True, slots=True)
class Piece:
    """The text of one message. `entities` are `MessageEntity` objects of the Bot API, with offsets in UTF-16 code
    units.
    """

    text: str
    entities: tuple[dict[str, Any], ...] = ()


def pieces(document: Document, limit: int = LIMIT, note: str = "") -> list[Piece]:
    """Return a document in pieces of at most `limit` UTF-16 units each; none for an empty document without a note.

    `note` is the bot's own line: a paragraph in italics at the end, in a message of its own only if nothing else is
    possible.
    """
    layout = lay_out(document, clean(note).strip())
    spans = cut(
        layout.text,
        limit,
        borders=layout.borders,
        verbatim=layout.is_verbatim,
        stop=_Stop(layout),
        together=layout.note if layout.note and len(layout.text) - layout.note < limit // 2 else 1 << 60,
    )
    found, marks = [], layout.marks
    first, reaching = 0, list[Mark]()  # the next mark to begin, and those that reach into the next piece
    for start, end in spans:
        after = bisect_left(marks, end, lo=first, key=_start)
        inside = [mark for mark in (*reaching, *marks[first:after]) if mark.end > start]
        found.append(_piece(layout.text[start:end], start, inside))
        first, reaching = after, [mark for mark in inside if mark.end > end]
    return found


def _piece(text: str, start: int, marks: list[Mark]) -> Piece:
    inside = [mark for mark in marks if not text[max(mark.start, start) - start : mark.end - start].isspace()]
    if len(inside) > MAX_ENTITIES:
        inside = sorted(sorted(inside, key=_importance)[:MAX_ENTITIES], key=_order)
    offsets = Offsets(text)
    return Piece(
        text,
        tuple(_entity(mark, max(mark.start, start) - start, mark.end - start, offsets, len(text)) for mark in inside),
    )


def _entity(mark: Mark, start: int, end: int, offsets: Offsets, size: int) -> dict[str, Any]:
    offset = offsets[start]
    return {"type": mark.type, "offset": offset, "length": offsets[min(end, size)] - offset, **mark.extra}


def _start(mark: Mark) -> int:
    return mark.start


def _order(mark: Mark) -> tuple[int, int]:
    return mark.start, -mark.end


def _importance(mark: Mark) -> int:
    return _IMPORTANCE.get(mark.type, 3)


class _Stop:
    """Ends a piece before it has more links and code blocks than Telegram shows. Other styles are dropped instead."""

    def __init__(self, layout: Layout) -> None:
        self._starts = [mark.start for mark in layout.marks if _importance(mark) == 0]

    def __call__(self, start: int) -> int:
        index = (
            bisect_right(self._starts, start - 1) + MAX_ENTITIES - 2
        )  # two may reach in: a quote and a block of code
        return self._starts[index] if index < len(self._starts) else 1 << 60


# Code too: a mention that is shown as code would ring without it.
_IMPORTANCE = {"pre": 0, "text_link": 0, "blockquote": 0, "expandable_blockquote": 0, "code": 0, "bold": 2}
