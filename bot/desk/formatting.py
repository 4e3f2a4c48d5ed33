"""Texts with formatting that people can't forge: a list of pieces becomes a text and the messenger's entities.

`with_beside` shows operators what came with a customer's message beside its text.

What customers and operators wrote is never read as Markdown: their names and words are data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bot.texts.catalog import say
from bot.types import Beside, Incoming, Outgoing

LONGEST = 4096  # UTF-16 units of a message
MAX_SHOWN = 600  # characters of a quotation; the whole stands in the customer's chat
MAX_CAPTION = 1_024  # UTF-16 units
SHOWN = ("reply", "quote", "forward")  # operators see links and struck words, since entities are copied
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


def with_beside(outgoing: Outgoing, incoming: Incoming, language: str, *, is_linked: bool) -> Outgoing:
    """A customer's message with lines below it: who wrote it first, what it replies to and quotes.

    `is_linked`: it is shown as a reply to that message. A file whose caption has no room for the lines stays as it is.
    """
    shown = [one for one in incoming.beside if one.kind in SHOWN and not (is_linked and one.kind == "reply")]
    if not shown:
        return outgoing
    return with_lines(outgoing, "\n".join(line for one in shown for line in _lines(one, language)))


def with_lines(outgoing: Outgoing, lines: str) -> Outgoing:
    """A customer's message with lines below it that are not the customer's; a file without room for them as it is."""
    below = formatted([Piece(lines, "blockquote")])
    text = f"{outgoing.text}\n{below.text}".strip("\n")
    if outgoing.copy[1]:
        return replace(outgoing, text=text, captioned=True) if units(text) <= MAX_CAPTION else outgoing
    start = units(text) - units(below.text)
    moved = tuple({**entity, "offset": start} for entity in below.entities)
    return replace(outgoing, text=text, entities=(*outgoing.entities, *moved))


def _lines(one: Beside, language: str) -> Iterator[str]:
    author = say(language, "desk.beside.bot") if one.is_bots else harmless(one.author)[0]
    yield say(language, f"desk.beside.{one.kind}", author=author or "?")
    text = harmless(one.text)[0]
    if text:
        yield text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "…"
