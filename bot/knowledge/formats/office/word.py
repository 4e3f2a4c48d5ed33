"""Reads DOCX: `read_word`. The tree of the document is walked, since views of libraries leave out what is not plain.

Read in their places are content controls, insertions, smart tags, text boxes, notes, nested tables, formulas; then
headers and footers. Left out and said are deleted and struck words, hidden words and rows, comments, embedded files.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

from bot.errors import Unreadable
from bot.knowledge.formats.formulas import formula_text
from bot.knowledge.formats.office.elements import find, find_all, is_on, name_of, value_of
from bot.knowledge.formats.office.packages import check_package, parse_xml
from bot.knowledge.formats.office.word_numbering import Numbering
from bot.knowledge.formats.outline import Outline
from bot.knowledge.formats.signs import lowered, note_mark, raised
from bot.knowledge.formats.tables import Spanned, table_rows

HEADING_STYLE = re.compile(r"(?:heading|заголовок) (\d)", re.IGNORECASE)
PAGE_NUMBER = re.compile(r"\W*(?:(?:page|страница|стр|с)\b\W*)?\d{0,4}(?:\W*(?:of|из|/)\W*\d{1,4})?\W*", re.IGNORECASE)
MAX_DEPTH = 20  # of tables in tables
MAX_STYLES = 10  # that are based on each other
MOST_COLUMNS = 1_000
BREAK = "lastRenderedPageBreak"
# Elements of WordprocessingML and its neighbours, by their names without the name space.
SIGNS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "ptab": "\t"}
NOTES = ("footnote", "endnote")
UNREAD = ("pPr", "rPr", "sdtPr", "sdtEndPr", "tblPr", "tblGrid", "instrText", "delText", "del", "moveFrom", "Fallback")


def read_word(data: bytes, outline: Outline) -> None:
    """Read a DOCX by its styles; a list is one block. Pages begin where Word put breaks at the last save."""
    try:
        from docx import Document
    except ImportError:
        raise Unreadable("missing") from None
    check_package(data)
    document = Document(io.BytesIO(data))
    _Word(document.part, outline).read()


class _Word:
    """A document while it is read into an outline."""

    def __init__(self, part: Any, outline: Outline) -> None:
        self._part = part
        self._outline = outline
        self._styles = {value_of(style, "styleId"): style for style in part.styles.element if name_of(style) == "style"}
        self._notes = {kind: self._notes_of(f"{kind}s") for kind in NOTES}
        self._numbering = Numbering(next(self._related("numbering"), None))
        self._has_breaks = _has(part.element.body, BREAK)
        self._items: list[str] = []
        self._after: list[Any] = []  # notes and text boxes of the paragraph that is read

    def read(self) -> None:
        self._outline.begin()
        self._blocks(self._part.element.body)
        self._end_list()
        seen = set[str]()
        for root in (*self._related("header"), *self._related("footer")):
            for paragraph in find_all(root, "p"):
                text = self._text(paragraph)
                if text not in seen and not PAGE_NUMBER.fullmatch(text):
                    self._outline.add(text)
                seen.add(text)
        for root in self._related("comments"):
            for _ in find_all(root, "comment"):
                self._outline.leave_out("comments", is_hidden=False)

    def _related(self, kind: str) -> Iterator[Any]:
        """The roots of the other parts of the document of one kind."""
        for one in self._part.rels.values():
            if one.reltype.rpartition("/")[2] == kind and not one.is_external:
                yield parse_xml(one.target_part.blob)

    def _notes_of(self, kind: str) -> dict[str, Any]:
        """The footnotes or endnotes by their ids."""
        found = (note for root in self._related(kind) for note in root)
        return {value_of(note, "id"): note for note in found if not value_of(note, "type").endswith("eparator")}

    # --- blocks -------------------------------------------------------------------------------------------------------

    def _blocks(self, parent: Any, depth: int = 0) -> None:
        for element in _blocks_of(parent):
            if name_of(element) == "p":
                self._paragraph(element, depth)
            else:
                self._end_list()
                self._table(element, depth)

    def _paragraph(self, paragraph: Any, depth: int) -> None:
        if self._begins_page(paragraph):
            self._end_list()
            self._outline.begin()
        text, after, self._after = self._text(paragraph).strip(), self._after, []
        name, level = self._style(paragraph)
        label = self._label(paragraph) if text else ""
        text = f"{label} {text}" if label else text
        if not level and (label or "list" in name) and text:
            self._items.append(text if label else f"- {text}")
        else:
            self._end_list()
            if name == "title" and not self._outline.title:
                self._outline.title = " ".join(text.split())
            elif level:
                self._outline.heading(level, text.removeprefix("- "))
            else:
                self._outline.add(text)
        if after and depth < MAX_DEPTH:
            self._end_list()
            for mark, box in after:
                self._beside(mark, box, depth + 1)

    def _begins_page(self, paragraph: Any) -> bool:
        if self._has_breaks:  # as Word has shown the document
            return _has(paragraph, BREAK)
        return any(value_of(one, "type") == "page" for one in find_all(paragraph, "br"))

    def _label(self, paragraph: Any) -> str:
        """The number or bullet that Word shows before a paragraph."""
        said = find(paragraph, "pPr", "numPr")
        said = said if said is not None else self._styled(_style_of(paragraph), "pPr", "numPr")
        id_, level = value_of(find(said, "numId"), "val"), value_of(find(said, "ilvl"), "val")
        return self._numbering.label(id_, int(level) if level.isdecimal() else 0)

    def _beside(self, mark: str, box: Any, depth: int) -> None:
        """A note or a text box, behind the paragraph that it belongs to."""
        if not mark:
            self._blocks(box, depth)
            self._end_list()
            return
        words = " ".join(filter(None, (self._text(one).strip() for one in find_all(box, "p"))))
        self._after = []
        self._outline.add(f"{mark} {words}")

    def _end_list(self) -> None:
        items, self._items = self._items, []
        self._outline.add("\n".join(items), code=True)

    def _style(self, paragraph: Any) -> tuple[str, int]:
        """The name of a paragraph's style in small letters, and its level as a heading; 0 for none."""
        style = _style_of(paragraph)
        name = value_of(find(self._styles.get(style), "name"), "val").lower()
        if found := HEADING_STYLE.match(name):
            return name, int(found[1])
        own = value_of(find(paragraph, "pPr", "outlineLvl"), "val")
        level = own or value_of(self._styled(style, "pPr", "outlineLvl"), "val")
        return name, int(level) + 1 if level.isdecimal() and int(level) < 9 else 0

    def _styled(self, style: str, *path: str) -> Any:
        """A property that a style has, or one that it is based on."""
        for _ in range(MAX_STYLES):
            element = self._styles.get(style)
            if element is None or (found := find(element, *path)) is not None:
                return None if element is None else found
            style = value_of(find(element, "basedOn"), "val")
        return None

    # --- tables -------------------------------------------------------------------------------------------------------

    def _table(self, table: Any, depth: int) -> None:
        rows = list(self._rows(table))
        if all(len(cells) == 1 for cells in rows) and depth < MAX_DEPTH:  # a frame around text
            for cells in rows:
                self._blocks(cells[0][0], depth + 1)
            self._end_list()
            return
        heads = sum(1 for row in find_all(table, "tblHeader") if is_on(row))
        self._outline.add_table(self._cells(rows, depth), heads or None)
        after, self._after = self._after, []
        for mark, box in after:
            self._beside(mark, box, depth + 1)

    def _rows(self, table: Any) -> Iterator[list[tuple[Any, int, bool]]]:
        """The rows of a table: each cell, the columns that it covers, and whether it goes on from the row above."""
        for row in _named(table, "tr"):
            if find(row, "trPr", "del") is not None:
                self._outline.leave_out("struck", is_hidden=False)
            elif is_on(find(row, "trPr", "hidden")) and self._outline.leave_out("hidden_rows"):
                continue
            else:
                yield [
                    (cell, _number(find(cell, "tcPr", "gridSpan")), _goes_on(find(cell, "tcPr", "vMerge")))
                    for cell in _named(row, "tc")
                ]

    def _cells(self, rows: list[list[tuple[Any, int, bool]]], depth: int) -> Iterator[list[str]]:
        above = list[str]()
        for row in rows:
            cells = list[str]()
            for cell, columns, goes_on in row:
                place = len(cells)
                text = Spanned(above[place]) if goes_on and place < len(above) else self._cell(cell, depth + 1)
                cells += [text, *(Spanned(text) for _ in range(columns - 1))]
            above = cells
            yield cells

    def _cell(self, cell: Any, depth: int) -> str:
        """The words of a cell; a table in it as its rows."""
        if depth > MAX_DEPTH:
            return ""
        found = list[str]()
        for element in _blocks_of(cell):
            if name_of(element) == "p":
                found.append(self._text(element))
            else:
                found += table_rows(self._cells(list(self._rows(element)), depth))
        return "\n".join(filter(str.strip, found))

    # --- words --------------------------------------------------------------------------------------------------------

    def _text(self, parent: Any) -> str:
        """The words of a paragraph. Its notes and text boxes are kept for the place behind it."""
        return "".join(self._words(parent))

    def _words(self, parent: Any) -> Iterator[str]:
        for element in parent:
            match name := name_of(element):
                case "r":
                    yield self._run(element)
                case "t":
                    yield element.text or ""
                case "sym":
                    yield _symbol(value_of(element, "char"))
                case "oMath":
                    yield formula_text(element)
                case "del" | "moveFrom":
                    self._outline.leave_out("struck", is_hidden=False)
                case "footnoteReference" | "endnoteReference":
                    yield self._note(name.removesuffix("Reference"), value_of(element, "id"))
                case "txbxContent":
                    self._after.append(("", element))
                case "checkBox":
                    yield "☒" if is_on(_checked(element)) else "☐"
                case "AlternateContent":
                    yield from self._words(next(iter(element), ()))
                case "altChunk" | "OLEObject":
                    self._outline.leave_out("embedded", is_hidden=False)
                case _ if name in SIGNS:
                    yield SIGNS[name]
                case _ if name not in UNREAD:
                    yield from self._words(element)

    def _run(self, run: Any) -> str:
        text = "".join(self._words(run))
        if not text:
            return ""
        if self._is_marked(run, "vanish") and self._outline.leave_out("hidden_words"):
            return ""
        if self._is_marked(run, "strike") or self._is_marked(run, "dstrike"):
            self._outline.leave_out("struck", is_hidden=False)
            return ""
        height = value_of(self._property(run, "vertAlign"), "val")
        return {"superscript": raised, "subscript": lowered}.get(height, str)(text)

    def _note(self, kind: str, id_: str) -> str:
        """The mark of a note, whose words follow the paragraph."""
        note = self._notes[kind].get(id_)
        if note is None:
            return ""
        place = list(self._notes[kind]).index(id_) + 1
        mark = note_mark(f"*{place}" if kind == "endnote" else str(place))
        self._after.append((mark, note))
        return mark

    def _is_marked(self, run: Any, name: str) -> bool:
        return is_on(self._property(run, name))

    def _property(self, run: Any, name: str) -> Any:
        """A property of a run: its own, else that of its style, else that of its paragraph's style."""
        if (own := find(run, "rPr", name)) is not None:
            return own
        if (styled := self._styled(value_of(find(run, "rPr", "rStyle"), "val"), "rPr", name)) is not None:
            return styled
        paragraph = next(run.iterancestors("{*}p"), None)
        return self._styled(_style_of(paragraph), "rPr", name) if paragraph is not None else None


def _style_of(paragraph: Any) -> str:
    return value_of(find(paragraph, "pPr", "pStyle"), "val")


def _has(element: Any, name: str) -> bool:
    return next(find_all(element, name), None) is not None


def _blocks_of(parent: Any) -> Iterator[Any]:
    """The paragraphs and tables of a part in their order, also those in content controls, insertions and tags."""
    for element in parent:
        name = name_of(element)
        if name in ("p", "tbl"):
            yield element
        elif name not in UNREAD:
            yield from _blocks_of(element)


def _named(parent: Any, name: str) -> Iterator[Any]:
    """The rows of a table or the cells of a row, also those in content controls and insertions."""
    for element in parent:
        if name_of(element) == name:
            yield element
        elif name_of(element) not in (*UNREAD, "p", "tbl", "tc"):
            yield from _named(element, name)


def _checked(box: Any) -> Any:
    own = find(box, "checked")
    return own if own is not None else find(box, "default")


def _goes_on(merge: Any) -> bool:
    return merge is not None and value_of(merge, "val") != "restart"


def _number(element: Any) -> int:
    said = value_of(element, "val")
    return min(max(int(said), 1), MOST_COLUMNS) if said.isdecimal() else 1


def _symbol(code: str) -> str:
    """A sign of a font of symbols. Those of the private area are drawings, of which only the place is known."""
    try:
        sign = chr(int(code, 16))
    except ValueError:
        return ""
    return "•" if "\ue000" <= sign <= "\uf8ff" else sign
