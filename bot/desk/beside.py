"""Shows operators what came with a customer's message beside its text: `with_beside`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bot.desk.formatting import Piece, formatted, harmless, units
from bot.texts.catalog import say
from bot.types import Beside, Incoming, Outgoing

MAX_SHOWN = 600  # characters of a quotation; the whole stands in the customer's chat
MAX_CAPTION = 1_024  # UTF-16 units
SHOWN = ("reply", "quote", "forward")  # operators see links and struck words, since entities are copied


def with_beside(outgoing: Outgoing, incoming: Incoming, language: str, *, is_linked: bool) -> Outgoing:
    """A customer's message with lines below it: who wrote it first, what it replies to and quotes.

    `is_linked`: it is shown as a reply to that message. A file whose caption has no room for the lines stays as it is.
    """
    shown = [one for one in incoming.beside if one.kind in SHOWN and not (is_linked and one.kind == "reply")]
    if not shown:
        return outgoing
    below = formatted([Piece("\n".join(line for one in shown for line in _lines(one, language)), "blockquote")])
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
