"""What the parsers of the three parse modes share. Begin with `Parser`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from bot.sandbox.telegram.call import bad
from bot.sandbox.telegram.markup.entities import Entity, units


@dataclass(slots=True)
class Open:
    """An entity whose end was not seen yet. `at` is its place in the source, `size` the length of the result there."""

    kind: str
    at: int
    unit: int
    size: int
    argument: str = ""


class Parser:
    """Reads `source` from `place` on, and writes characters to the result."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.place = 0
        self.unit = 0
        self.result: list[str] = []
        self.stack: list[Open] = []
        self.entities: list[Entity] = []

    def run(self) -> tuple[str, list[Entity]]:
        raise NotImplementedError

    def fail(self, reason: str) -> NoReturn:
        raise bad(f"Can't parse entities: {reason}")

    def byte(self, place: int) -> int:
        return len(self.source[:place].encode())

    def ahead(self, text: str, place: int | None = None) -> bool:
        return self.source.startswith(text, self.place if place is None else place)

    def put(self, text: str) -> None:
        self.result.append(text)
        self.unit += units(text)

    def begin(self, kind: str, argument: str = "", at: int | None = None) -> None:
        self.stack.append(Open(kind, self.place if at is None else at, self.unit, len(self.result), argument))

    def add(self, opened: Open, kind: str, **extra: str | int) -> None:
        if self.unit > opened.unit:
            self.entities.append({"type": kind, "offset": opened.unit, "length": self.unit - opened.unit, **extra})

    def link(self, opened: Open, url: str) -> None:
        """A link, a mention of a user by id, or, where the address is not one to open, nothing."""
        user = re.fullmatch(r"tg:(?://)?user\?id=(\d+)", url)
        if user:
            self.entities.append(
                {
                    "type": "text_mention",
                    "offset": opened.unit,
                    "length": self.unit - opened.unit,
                    "user": {"id": int(user[1])},
                }
            )
        elif found := openable(url):
            self.add(opened, "text_link", url=found)

    def text(self, opened: Open) -> str:
        return "".join(self.result[opened.size :])


def openable(url: str) -> str:
    """`url` as the server keeps it, or "" for one that nobody could open (such links go without a word)."""
    url = url.strip()
    scheme = re.match(r"([a-z][a-z0-9+.-]*):", url, re.I)
    if scheme and scheme[1].lower() in {"http", "https", "tg", "ton", "tonsite", "ftp"}:
        return url
    if (scheme and "//" not in url and not re.match(r"[^/]*:\d", url)) or " " in url or "." not in url:
        return ""
    return url if scheme and "//" in url else f"http://{url}"
