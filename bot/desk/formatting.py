"""Texts with formatting that people can't forge: a list of pieces becomes a text and the messenger's entities.

What customers and operators wrote is never read as Markdown: their names and words are data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot.types import Outgoing

LONGEST = 4096  # UTF-16 units of a message


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text, with the type of an entity around it ("" for none), such as "bold"."""

    text: str
    style: str = ""


def units(text: str) -> int:
    """The length of a text as the messenger counts it: in UTF-16 units."""
    return len(text.encode("utf-16-le", "replace")) // 2


def formatted(pieces: Sequence[Piece], **values: Any) -> Outgoing:
    """Return the pieces as one message; `values` are other fields of the `Outgoing`."""
    entities: list[dict[str, Any]] = []
    offset = 0
    for piece in pieces:
        if piece.style and piece.text.strip():
            entities.append({"type": piece.style, "offset": offset, "length": units(piece.text)})
        offset += units(piece.text)
    text = "".join(piece.text for piece in pieces)
    return Outgoing(text, plain=True, entities=tuple(entities), **values)
