"""Text out of bytes and out of HTML: `decoded` and `read_html`. Both take any input; nothing else is opened."""

from __future__ import annotations

import codecs
import re
from html.parser import HTMLParser

from bot.errors import Unreadable

HIDDEN = {"script", "style", "template", "noscript"}
HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
LINES = {"p", "div", "br", "li", "tr", "pre", "table", "section", "article", "title"} | HEADINGS


def decoded(data: bytes) -> str:
    """A text in UTF-8, UTF-16 with a byte order mark, or Windows-1251. Raises `Unreadable` for binary data."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    if b"\0" in data:
        raise Unreadable("broken")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1251", "replace")


def read_html(text: str) -> tuple[str, str]:
    """The first heading of an HTML page ("" if it has none), and all words that a reader sees."""
    found = _Words()
    found.feed(text)
    found.close()
    return " ".join("".join(found.heading).split()), "".join(found.words)


class _Words(HTMLParser):
    """Collects the visible words of an HTML page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self.heading: list[str] = []
        self._hidden = 0
        self._in_heading = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in HIDDEN
        if tag in LINES:
            self.words.append("\n")
        if tag in HEADINGS and not "".join(self.heading).strip():
            self._in_heading = True

    def handle_endtag(self, tag: str) -> None:
        self._hidden = max(self._hidden - (tag in HIDDEN), 0)
        if tag in LINES:
            self.words.append("\n")
        if tag in HEADINGS:
            self._in_heading = False

    def handle_data(self, data: str) -> None:
        if self._hidden:
            return
        self.words.append(re.sub(r"\s+", " ", data))
        if self._in_heading:
            self.heading.append(data)
