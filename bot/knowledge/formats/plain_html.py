"""Reads HTML with the standard library alone: `read_plain_html`, for files in a chat and chapters of e-books.

Pages of sources are read by `html_page.py`, which also finds their main part.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

from bot.knowledge.formats.outline import Outline
from bot.knowledge.formats.signs import lowered, note_mark, raised
from bot.knowledge.formats.tables import Cell, filled, table_rows

UNSEEN = ("script", "style", "template", "noscript", "annotation")
STRUCK = ("del", "s", "strike")
HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
BLOCKS = {
    "p",
    "div",
    "li",
    "tr",
    "pre",
    "section",
    "article",
    "header",
    "footer",
    "main",
    "aside",
    "nav",
    "blockquote",
    "ul",
    "ol",
    "dl",
    "dt",
    "dd",
    "figure",
    "figcaption",
    "details",
    "summary",
    "form",
    "fieldset",
    "caption",
    "hr",
    "address",
    "title",
    *HEADINGS,
}
VOID = {"br", "img", "hr", "input", "meta", "link", "wbr", "col", "area", "base", "embed", "source", "track"}
ENDS_ITSELF = ("p", "li", "td", "th", "tr", "option", "dt", "dd")  # their end tags may be left out
POWERS = {"msup": raised, "msub": lowered}
NO_SHOW = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
LINE_THROUGH = re.compile(r"text-decoration[^;]{0,200}line-through", re.IGNORECASE)
MOST_SPANNED = 100


def read_plain_html(text: str, outline: Outline) -> str:
    """Add what a reader of a page sees to an outline. Returns the first heading, "" if there is none."""
    reader = _Reader(outline)
    reader.feed(text)
    reader.close()
    reader.end()
    return reader.first_heading


@dataclass(slots=True)
class _Element:
    tag: str
    begin: int = 0  # the place in the words where it begins
    is_skipped: bool = False
    children: int = 0
    has_link: bool = False
    cell: tuple[int, int] = (1, 1)  # the columns and rows that a cell covers
    number: int | None = None  # of the next item of a list with numbers


@dataclass(slots=True)
class _Table:
    outer: list[str]  # the words around it
    rows: list[list[Cell]] = field(default_factory=list)


class _Reader(HTMLParser):
    """Feeds an outline with the visible words of a page."""

    def __init__(self, outline: Outline) -> None:
        super().__init__(convert_charrefs=True)
        self.first_heading = ""
        self._outline = outline
        self._open: list[_Element] = []
        self._tables: list[_Table] = []
        self._words: list[str] = []
        self._skipped = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in VOID:
            self._void(tag, given)
            return
        if tag in ENDS_ITSELF:
            self._end_itself(tag)
        is_struck = tag in STRUCK or bool(LINE_THROUGH.search(given.get("style", "")))
        if is_struck and not self._skipped:
            self._outline.leave_out("struck", is_hidden=False)
        is_skipped = is_struck or _is_hidden(tag, given)
        self._skipped += is_skipped
        if not self._skipped:
            self._begin(tag, given)
        cell = (_number(given.get("colspan")), _number(given.get("rowspan")))
        number = _whole(given.get("start"), 1) if tag == "ol" else None
        self._open.append(_Element(tag, len(self._words), is_skipped=is_skipped, cell=cell, number=number))

    def handle_endtag(self, tag: str) -> None:
        if any(one.tag == tag for one in self._open):
            while self._open:
                one = self._open.pop()
                self._close(one)
                if one.tag == tag:
                    return

    def handle_data(self, data: str) -> None:
        if not self._skipped:
            is_code = any(one.tag == "pre" for one in self._open)
            self._words.append(data if is_code else re.sub(r"\s+", " ", data))

    def end(self) -> None:
        """Close all that is open."""
        while self._open:
            self._close(self._open.pop())
        self._flush()

    def _void(self, tag: str, given: dict[str, str]) -> None:
        if self._skipped:
            return
        if tag == "br":
            self._words.append("\n")
        elif tag == "img" and "".join(self._words).strip():
            self._words.append(given.get("alt", ""))
        elif tag in BLOCKS:
            self._flush()

    def _begin(self, tag: str, given: dict[str, str]) -> None:
        around = self._open[-1] if self._open else _Element("")
        around.children += 1
        if around.children == 2 and around.tag == "mfrac":
            self._words.append("/")
        elif around.children == 2 and around.tag in POWERS:
            around.begin = len(self._words)
        if tag == "a":
            for one in self._open:
                one.has_link = True
        elif tag == "table":
            self._flush()
            self._tables.append(_Table(self._words))
            self._words = []
        elif tag == "tr" and self._tables:
            self._tables[-1].rows.append([])
        elif tag in ("td", "th") and self._tables:
            self._end_caption()
        elif tag in BLOCKS:
            self._flush()
            if tag == "li":
                self._words.append(self._item(given))
        elif tag == "q":
            self._words.append("«")

    def _item(self, given: dict[str, str]) -> str:
        """What stands before the words of an item of a list."""
        around = next((one for one in reversed(self._open) if one.tag in ("ol", "ul")), None)
        if around is None or around.number is None:
            return "- "
        number = _whole(given.get("value"), around.number)
        around.number = number + 1
        return f"{number}. "

    def _end_caption(self) -> None:
        """The words of a table that stand in no cell are a line above it."""
        text, self._words = "".join(self._words), []
        if len(self._tables) == 1:
            self._outline.add(text)

    def _close(self, one: _Element) -> None:
        if one.is_skipped:
            self._skipped -= 1
        elif not self._skipped:
            self._end_of(one)

    def _end_of(self, one: _Element) -> None:
        tag = one.tag
        if tag in ("sup", "sub") or (tag in POWERS and one.children > 1):
            words = "".join(self._words[one.begin :])
            sign = raised if tag in ("sup", "msup") else lowered
            self._words[one.begin :] = [note_mark(words) if one.has_link else sign(words)]
        elif tag == "q":
            self._words.append("»")
        elif tag == "table" and self._tables:
            self._end_table()
        elif tag in ("td", "th") and self._tables:
            table = self._tables[-1]
            table.rows = table.rows or [[]]
            table.rows[-1].append(Cell("".join(self._words), *one.cell, is_head=tag == "th"))
            self._words = []
        elif tag in HEADINGS and not self._tables:
            self._heading(int(tag[1]))
        elif tag in BLOCKS:
            self._flush(is_code=tag == "pre")

    def _heading(self, level: int) -> None:
        words = " ".join("".join(self._words).split())
        self._words = []
        self.first_heading = self.first_heading or words
        self._outline.heading(level, words)

    def _end_table(self) -> None:
        table = self._tables.pop()
        rows, heads = filled(table.rows)
        if self._tables:  # a table in a cell
            self._words = [*table.outer, " ".join(table_rows(rows, heads))]
            return
        self._words = table.outer
        if all(len(row) < 2 for row in rows):  # it only lays out the page
            for row in rows:
                self._outline.add("".join(row))
        else:
            self._outline.add_table(rows, heads)

    def _end_itself(self, tag: str) -> None:
        """Close an element whose end tag was left out."""
        peers = ("td", "th") if tag in ("td", "th") else (tag,) if tag != "tr" else ("td", "th", "tr")
        while self._open and self._open[-1].tag in peers:
            self._close(self._open.pop())

    def _flush(self, *, is_code: bool = False) -> None:
        if self._tables:  # in a cell
            self._words.append("\n")
            return
        text, self._words = "".join(self._words), []
        if text.strip(" \n\t-") and not re.fullmatch(r"\d+\. ", text):
            self._outline.add(text if is_code else re.sub(r"(?<! ) *+\n *+", "\n", text), code=is_code)


def _is_hidden(tag: str, given: dict[str, str]) -> bool:
    is_unseen = "hidden" in given or given.get("aria-hidden") == "true"
    return tag in UNSEEN or is_unseen or bool(NO_SHOW.search(given.get("style", "")))


def _whole(said: str | None, otherwise: int) -> int:
    return int(said) if said and said.isdecimal() and len(said) < 10 else otherwise


def _number(said: str | None) -> int:
    return min(max(int(said), 1), MOST_SPANNED) if said and said.isdecimal() else 1
