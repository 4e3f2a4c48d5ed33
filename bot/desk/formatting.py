"""Texts with formatting that people can't forge: a list of pieces becomes a text and the messenger's entities.

What customers and operators wrote is never read as Markdown: their names and words are data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.types import Outgoing

LONGEST = 4096  # UTF-16 units of a message
JOINER = "\u2060"
SPOKEN = re.compile(r"(?<!\w)[@/](?=\w)|\b(?:tg|ton|tonsite):(?=//)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text, with the type of an entity around it ("" for none), such as "bold", and what else belongs to
    that entity.
    """

    text: str
    style: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)


def units(text: str) -> int:
    """The length of a text as the messenger counts it: in UTF-16 units."""
    return len(text.encode("utf-16-le", "replace")) // 2


def harmless(text: str, entities: Sequence[Mapping[str, Any]] = ()) -> tuple[str, tuple[Mapping[str, Any], ...]]:
    """Return a person's text so that nothing in it is a mention, a command or a link into the app, with its entities.

    An invisible sign stands behind the `@`, the `/` or the `tg:` that would begin one.
    """
    places = [units(text[: found.end()]) for found in SPOKEN.finditer(text)]

    def moved(offset: int) -> int:
        return offset + sum(place <= offset for place in places)

    def shifted(entity: Mapping[str, Any]) -> Mapping[str, Any]:
        begin, end = moved(entity["offset"]), moved(entity["offset"] + entity["length"])
        return {**entity, "offset": begin, "length": end - begin}

    return SPOKEN.sub(lambda found: found[0] + JOINER, text), tuple(shifted(entity) for entity in entities)


def formatted(pieces: Sequence[Piece], **values: Any) -> Outgoing:
    """Return the pieces as one message; `values` are other fields of the `Outgoing`."""
    entities: list[dict[str, Any]] = []
    offset = 0
    for piece in pieces:
        if piece.style and piece.text.strip():
            entities.append({"type": piece.style, "offset": offset, "length": units(piece.text), **piece.more})
        offset += units(piece.text)
    text = "".join(piece.text for piece in pieces)
    return Outgoing(text, plain=True, entities=tuple(entities), **values)
