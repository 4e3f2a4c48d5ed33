"""Text out of bytes and out of HTML: `decoded` and `read_html`. Both take any input; nothing else is opened."""

from __future__ import annotations

import codecs
import re
from html.parser import HTMLParser

from bot.errors import Unreadable

HIDDEN = {"script", "style", "template", "noscript"}
HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
SAMPLE = 20_000  # characters by which an encoding is guessed
LINES = {"p", "div", "br", "li", "tr", "pre", "table", "section", "article", "title"} | HEADINGS


def decoded(data: bytes, charset: str = "") -> str:
    """A text in UTF-8, UTF-16 with a byte order mark, or a Russian encoding of eight bits, which is guessed.

    `charset` is what is said of the text; "" or an unknown one says nothing. UTF-8 that was cut in a character, or has
    a wrong byte here and there, is still UTF-8. Raises `Unreadable` for binary data.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    if b"\0" in data:
        raise Unreadable("broken")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("utf-8-sig", "replace")
    wrong = text.count("\N{REPLACEMENT CHARACTER}")
    if len(text) - len(text.encode("ascii", "ignore")) - wrong > 10 * wrong:
        return text.rstrip("\N{REPLACEMENT CHARACTER}")
    try:
        return data.decode(charset, "replace") if charset else _eight_bits(data)
    except LookupError:
        return _eight_bits(data)


def _eight_bits(data: bytes) -> str:
    """The text in that Russian encoding which makes the most of its small frequent letters."""
    texts = [data.decode(name, "replace") for name in ("cp1251", "koi8-r", "cp866")]
    return max(texts, key=lambda text: sum(map(text[:SAMPLE].count, "оеаинтсрвл")))


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
