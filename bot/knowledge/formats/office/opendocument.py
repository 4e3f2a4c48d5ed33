"""Reads ODT: `read_odt`. Notes and text boxes follow the paragraph that they belong to; headers and footers come last.

Deleted and struck words, hidden words and sections, and comments are left out and said.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bot.errors import Unreadable
from bot.knowledge.formats.office.elements import find_all, name_of, value_of
from bot.knowledge.formats.office.packages import check_package, parse_xml
from bot.knowledge.formats.outline import Outline
from bot.knowledge.formats.signs import lowered, note_mark, raised
from bot.knowledge.formats.tables import Spanned, table_rows

MAX_DEPTH = 20  # of tables in tables
MOST_COLUMNS = 1_000
SIGNS = {"tab": "\t", "line-break": "\n"}
HIDDEN_WORDS = ("hidden-text", "hidden-paragraph")
ASIDE = ("title", "desc", "note-citation", "note-body", "ruby-text", "sequence-decls", "forms", "annotation-end")
HEADERS = ("header", "header-left", "header-first", "footer", "footer-left", "footer-first")


def read_odt(data: bytes, outline: Outline) -> None:
    """Read an ODT by its headings. Pages begin where LibreOffice put breaks at the last save."""
    packed = check_package(data)
    if "META-INF/manifest.xml" in packed.namelist() and b"encryption-data" in packed.read("META-INF/manifest.xml"):
        raise Unreadable("locked")
    roots = [parse_xml(packed.read(name)) for name in ("content.xml", "styles.xml") if name in packed.namelist()]
    _Reading(roots, outline).read()


class _Reading:
    """A document while it is read into an outline."""

    def __init__(self, roots: list[Any], outline: Outline) -> None:
        self._roots = roots
        self._outline = outline
        self._styles = {value_of(one, "name"): one for root in roots for one in find_all(root, "style")}
        self._after: list[tuple[str, Any]] = []  # notes and text boxes of the paragraph that is read
        self._is_page_over = False

    def read(self) -> None:
        self._outline.begin()
        for body in find_all(self._roots[0], "body"):
            self._blocks(body, 0)
        seen = set[str]()
        for name in HEADERS:
            for part in (found for root in self._roots[1:] for found in find_all(root, name)):
                for paragraph in find_all(part, "p"):
                    if (text := self._text(paragraph).strip()) not in seen and any(map(str.isalpha, text)):
                        self._outline.add(text)
                    seen.add(text)

    # --- blocks -------------------------------------------------------------------------------------------------------

    def _blocks(self, parent: Any, depth: int) -> None:
        if depth > MAX_DEPTH * 2:
            return
        for element in parent:
            if self._is_page_over or name_of(element) == "soft-page-break":
                self._is_page_over = False
                self._outline.begin()
            match name_of(element):
                case "h":
                    level = value_of(element, "outline-level")
                    self._outline.heading(int(level) if level.isdecimal() else 1, self._text(element))
                    self._rest(depth)
                case "p":
                    self._outline.add(self._text(element))
                    self._rest(depth)
                case "list":
                    self._outline.add("\n".join(self._items(element, 0)), code=True)
                    self._rest(depth)
                case "table":
                    rows = list(self._rows(element, depth))
                    self._outline.add_table(rows, len(list(find_all(element, "table-header-rows"))) or None)
                    self._rest(depth)
                case "tracked-changes":
                    for _ in find_all(element, "deletion"):
                        self._outline.leave_out("struck", is_hidden=False)
                case "section" if value_of(element, "display") in ("none", "condition"):
                    if not self._outline.leave_out("hidden_words"):
                        self._blocks(element, depth + 1)
                case name if name not in ASIDE:
                    self._blocks(element, depth + 1)

    def _rest(self, depth: int) -> None:
        """The notes and text boxes of what was just read."""
        after, self._after = self._after, []
        for mark, box in after:
            if mark:
                words = (self._text(one).strip() for one in find_all(box, "p"))
                self._outline.add(" ".join((mark, *filter(None, words))))
                self._after = []
            else:
                self._blocks(box, depth + 1)

    def _items(self, parent: Any, depth: int) -> Iterator[str]:
        for item in parent:
            mark = "- " if name_of(item) == "list-item" else ""
            for element in item:
                if name_of(element) == "list" and depth < MAX_DEPTH:
                    yield from self._items(element, depth + 1)
                elif name_of(element) in ("p", "h"):
                    yield "  " * depth + mark + self._text(element).strip()
                    mark = "  "

    def _rows(self, table: Any, depth: int) -> Iterator[list[str]]:
        """The rows of a table; a merged cell stands in all places that it covers."""
        left = dict[int, tuple[int, str]]()  # by column: how many rows the cell above covers, and its text
        for row in self._named(table, "table-row"):
            cells = list[str]()
            for cell in row:
                place, count = len(cells), min(_count(cell, "number-columns-repeated"), MOST_COLUMNS - len(cells))
                if name_of(cell) == "covered-table-cell":
                    rows, text = left.get(place, (0, ""))
                    left[place] = (rows - 1, text)
                    cells += [Spanned(text if rows > 0 else cells[-1] if cells else "")] * count
                elif name_of(cell) == "table-cell":
                    text, rows = self._cell(cell, depth + 1), _count(cell, "number-rows-spanned")
                    width = _count(cell, "number-columns-spanned")
                    left |= {place + column: (rows - 1, text) for column in range(min(width, MOST_COLUMNS))}
                    cells += [text] * count
            if value_of(row, "visibility") not in ("collapse", "filter") or not self._outline.leave_out("hidden_rows"):
                yield cells

    def _cell(self, cell: Any, depth: int) -> str:
        found = list[str]()
        for element in cell if depth < MAX_DEPTH else ():
            if name_of(element) == "table":
                found += table_rows(self._rows(element, depth))
            elif name_of(element) in ("p", "h"):
                found.append(self._text(element))
            elif name_of(element) == "list":
                found += self._items(element, 0)
        return "\n".join(filter(str.strip, found))

    def _named(self, parent: Any, name: str) -> Iterator[Any]:
        for element in parent:
            if name_of(element) == name:
                yield element
            elif name_of(element) in ("table-header-rows", "table-row-group", "table-rows"):
                yield from self._named(element, name)

    # --- words --------------------------------------------------------------------------------------------------------

    def _text(self, element: Any) -> str:
        return "".join(self._words(element))

    def _words(self, element: Any) -> Iterator[str]:
        yield _flat(element.text)
        for one in element:
            yield self._inner(one)
            yield _flat(one.tail)

    def _inner(self, element: Any) -> str:
        name = name_of(element)
        if name == "soft-page-break":
            self._is_page_over = True
        elif name == "annotation":
            self._outline.leave_out("comments", is_hidden=False)
        elif name == "note":
            citation = next((self._text(one) for one in element if name_of(one) == "note-citation"), "")
            body = next((one for one in element if name_of(one) == "note-body"), None)
            if body is not None:
                self._after.append((note_mark(citation) or "[*]", body))
            return note_mark(citation)
        elif name == "text-box":
            self._after.append(("", element))
        elif name == "s":
            return " " * min(_count(element, "c"), MOST_COLUMNS)
        elif name in SIGNS:
            return SIGNS[name]
        elif name and name not in ASIDE:
            return self._styled(element)
        return ""

    def _styled(self, element: Any) -> str:
        """The words of a part of a paragraph, as its style means them."""
        text, style = self._text(element), self._styles.get(value_of(element, "style-name"))
        properties = next(find_all(style, "text-properties"), None) if style is not None else None
        is_hidden = name_of(element) in HIDDEN_WORDS or value_of(properties, "display") == "none"
        if not text or (is_hidden and self._outline.leave_out("hidden_words")):
            return ""
        lines = (value_of(properties, f"text-line-through-{kind}") for kind in ("style", "type"))
        if any(line not in ("", "none") for line in lines):
            self._outline.leave_out("struck", is_hidden=False)
            return ""
        place = value_of(properties, "text-position")
        if place.startswith(("sub", "-")):
            return lowered(text)
        return raised(text) if place and not place.startswith("0%") else text


def _flat(text: str | None) -> str:
    return (text or "").replace("\n", " ")


def _count(element: Any, name: str) -> int:
    said = value_of(element, name)
    return int(said) if said.isdecimal() and len(said) < 8 else 1
