"""The base of the parsers for the three parse modes. Begin with `Parser`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn

from bot.sandbox.telegram.call import bad
from bot.sandbox.telegram.markup.addresses import WrongAddress, checked_address, user_of
from bot.sandbox.telegram.markup.entities import Entity, units


@dataclass(slots=True)
class Open:
    """An entity whose end was not read yet.

    `at` is its position in the source, `unit` its UTF-16 offset in the result, `size` the number of pieces of the
    result there.
    """

    kind: str
    at: int
    unit: int
    size: int
    argument: str = ""


class Parser:
    """Reads `source` from the index `place` on and writes plain text to `result`, which is `unit` UTF-16 units long."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.place = 0
        self.unit = 0
        self.result: list[str] = []
        self.stack: list[Open] = []
        self.entities: list[Entity] = []

    def run(self) -> tuple[str, list[Entity]]:
        """Parse the whole source. Returns the plain text and its entities; raises 400 for what is malformed."""
        raise NotImplementedError

    def fail(self, reason: str) -> NoReturn:
        """Raise the server's 400 for text that cannot be parsed."""
        raise bad(f"Can't parse entities: {reason}")

    def byte(self, place: int) -> int:
        """The UTF-8 byte offset of an index of the source, as error messages give it."""
        return len(self.source[:place].encode())

    def ahead(self, text: str, place: int | None = None) -> bool:
        """Whether `text` comes next in the source, or at index `place`."""
        return self.source.startswith(text, self.place if place is None else place)

    def put(self, text: str) -> None:
        """Append plain text to the result."""
        self.result.append(text)
        self.unit += units(text)

    def begin(self, kind: str, argument: str = "", at: int | None = None) -> None:
        """Open an entity here, or at index `at` of the source."""
        at = self.place if at is None else at
        self.stack.append(Open(kind, at, self.unit, len(self.result), argument=argument))

    def add(self, opened: Open, kind: str, **extra: Any) -> None:
        """Add the entity that was opened, unless it is empty. `extra` are fields of the entity."""
        if self.unit > opened.unit:
            self.entities.append({"type": kind, "offset": opened.unit, "length": self.unit - opened.unit, **extra})

    def link(self, opened: Open, url: str) -> None:
        """Add a link, or the mention of a user by id; nothing for an address that may not be a link."""
        if user := user_of(url):
            self.add(opened, "text_mention", user={"id": user})
            return
        with suppress(WrongAddress):
            self.add(opened, "text_link", url=checked_address(url))

    def text(self, opened: Open) -> str:
        """The plain text that was written since an entity was opened."""
        return "".join(self.result[opened.size :])
