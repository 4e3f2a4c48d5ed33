"""Reads workbooks (XLSX, XLSB, XLS, ODS): `read_sheets`. Cells stay cells, and merged ones count in all their places.

Hidden sheets, rows and columns are left out, as far as the format says which: XLS and XLSB say it of sheets only.
"""

from __future__ import annotations

import io
import posixpath
import zipfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.errors import Unreadable
from bot.knowledge.formats.office.elements import find, find_all, name_of, value_of
from bot.knowledge.formats.office.packages import OLE, check_package, parse_xml
from bot.knowledge.formats.outline import Outline
from bot.knowledge.formats.tables import Spanned

if TYPE_CHECKING:
    from python_calamine import CalamineSheet

ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
MOST_MERGED = 100_000  # cells that one merged cell fills
MOST_COLUMNS = 16_384
HIDDEN = ("collapse", "filter")  # of rows and columns in ODS


Place = tuple[int, int]  # row and column, counted from 0


@dataclass(frozen=True, slots=True)
class _Layout:
    """What a sheet shows otherwise than its values say: rows and columns that its author hid, struck and merged cells
    (their first and last places).
    """

    rows: Collection[int] = frozenset()
    columns: Collection[int] = frozenset()
    struck: Collection[Place] = frozenset()
    merged: Sequence[tuple[Place, Place]] = ()


def read_sheets(data: bytes, outline: Outline) -> None:
    """Read the sheets of a workbook by their names."""
    try:
        from python_calamine import CalamineWorkbook, SheetVisibleEnum
    except ImportError:
        raise Unreadable("missing") from None
    packed = None
    if not data.startswith(OLE):
        packed = check_package(data)
    elif ENCRYPTED in data:
        raise Unreadable("locked")
    book = CalamineWorkbook.from_filelike(io.BytesIO(data))
    shown = [
        sheet.name
        for sheet in book.sheets_metadata
        if sheet.visible == SheetVisibleEnum.Visible or not outline.leave_out("hidden_sheets", sheet.name)
    ]
    layouts = {} if packed is None else _layouts(packed)
    for name in shown:
        outline.begin(name, is_only=len(shown) == 1)
        rows = list(_rows(book.get_sheet_by_name(name), layouts.get(name, _Layout()), outline))
        outline.add_table(rows)
    for file in packed.namelist() if packed is not None else ():
        if file.startswith(("xl/comments", "xl/drawings/drawing")):
            kind, name = ("comments", "comment") if "comments" in file else ("drawings", "t")
            for _ in find_all(parse_xml(packed.read(file)), name):  # type: ignore[union-attr]
                outline.leave_out(kind, is_hidden=False)


def _rows(sheet: CalamineSheet, layout: _Layout, outline: Outline) -> Iterator[list[str]]:
    merged = _merged(sheet, layout)
    top, left = sheet.start or (0, 0)
    values, struck, columns = dict[Place, str](), 0, set[int]()
    for row, cells in enumerate(sheet.iter_rows(), top):
        found = list[str]()
        for column, cell in enumerate(cells, left):
            text, origin = _value(cell), merged.get((row, column), (row, column))
            if text and (row, column) in layout.struck:
                text, struck = "", struck + 1
            values[origin] = text = values.get(origin, text)
            found.append(text if origin == (row, column) else Spanned(text))
            if column in layout.columns and text and not outline.reads_hidden:
                columns.add(column)
        if row not in layout.rows or not any(found) or not outline.leave_out("hidden_rows"):
            dropped = () if outline.reads_hidden else layout.columns
            yield [cell for column, cell in enumerate(found, left) if column not in dropped]
    for _ in columns:
        outline.leave_out("hidden_columns")
    for _ in range(struck):
        outline.leave_out("struck", is_hidden=False)


def _merged(sheet: CalamineSheet, layout: _Layout) -> dict[Place, Place]:
    """For each place that a merged cell covers the place where it begins."""
    found = dict[Place, Place]()
    for (top, left), (bottom, right) in sheet.merged_cell_ranges or layout.merged:
        bottom, right = min(bottom, (sheet.end or (0, 0))[0]), min(right, left + MOST_COLUMNS)
        if (bottom - top + 1) * (right - left + 1) <= MOST_MERGED:
            found |= {(row, column): (top, left) for row in range(top, bottom + 1) for column in range(left, right + 1)}
    return found


def _value(cell: object) -> str:
    """The value of a cell as a person reads it: a whole number without ".0"."""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


# --- what is hidden ---------------------------------------------------------------------------------------------------


def _layouts(packed: zipfile.ZipFile) -> dict[str, _Layout]:
    """What is hidden in each sheet of an XLSX or ODS, by the name of the sheet."""
    names = set(packed.namelist())
    if "content.xml" in names:
        root = parse_xml(packed.read("content.xml"))
        return {value_of(table, "name"): _layout_of_ods(table) for table in find_all(root, "table")}
    book, links = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"
    if book not in names or links not in names:
        return {}
    targets = {value_of(one, "Id"): value_of(one, "Target") for one in parse_xml(packed.read(links))}
    struck: Collection[str] = _struck_styles(packed) if "xl/styles.xml" in names else frozenset()
    found = {}
    for sheet in find_all(parse_xml(packed.read(book)), "sheet"):
        path = posixpath.normpath(posixpath.join("/xl", targets.get(_link(sheet), "")))[1:]
        if path in names:
            found[value_of(sheet, "name")] = _layout_of_xlsx(packed.read(path), struck)
    return found


def _link(sheet: Any) -> str:
    return next((value for key, value in sheet.attrib.items() if key.endswith("}id")), "")


def _layout_of_xlsx(data: bytes, struck: Collection[str]) -> _Layout:
    from lxml import etree

    rows, columns, cells, last = set[int](), set[int](), set[tuple[int, int]](), -1
    place = -1
    reader = etree.iterparse(io.BytesIO(data), events=("start",), resolve_entities=False, no_network=True)
    for _, element in reader:
        match name_of(element):
            case "row":
                said = value_of(element, "r")
                last, place = int(said) - 1 if said.isdecimal() else last + 1, -1
                if value_of(element, "hidden") in ("1", "true"):
                    rows.add(last)
            case "col" if value_of(element, "hidden") in ("1", "true"):
                first, end = (int(value_of(element, side) or 1) for side in ("min", "max"))
                columns |= set(range(first - 1, min(end, MOST_COLUMNS)))
            case "c":
                place = _column(value_of(element, "r"), place + 1)
                if value_of(element, "s") in struck:
                    cells.add((last, place))
    return _Layout(rows, columns, cells)


def _struck_styles(packed: zipfile.ZipFile) -> frozenset[str]:
    """The numbers of the styles whose font is struck out."""
    root = parse_xml(packed.read("xl/styles.xml"))
    fonts = [find(font, "strike") is not None for font in _children(root, "fonts")]
    formats = enumerate(_children(root, "cellXfs"))
    found = ((number, value_of(one, "fontId")) for number, one in formats)
    return frozenset(str(n) for n, font in found if font.isdecimal() and int(font) < len(fonts) and fonts[int(font)])


def _children(root: Any, name: str) -> Iterator[Any]:
    found = find(root, name)
    return iter(()) if found is None else iter(found)


def _column(reference: str, otherwise: int) -> int:
    """The column of a reference such as "AB12"."""
    number = 0
    for sign in reference:
        if not "A" <= sign <= "Z":
            break
        number = 26 * number + ord(sign) - 64
    return number - 1 if number else otherwise


def _layout_of_ods(table: Any) -> _Layout:
    rows, columns, merged, place = set[int](), set[int](), list[tuple[Place, Place]](), 0
    for column in find_all(table, "table-column"):
        count = _count(column, "number-columns-repeated")
        if value_of(column, "visibility") in HIDDEN:
            columns |= set(range(place, place + min(count, MOST_COLUMNS)))
        place += count
    place = 0
    for row in find_all(table, "table-row"):
        count, column = _count(row, "number-rows-repeated"), 0
        if value_of(row, "visibility") in HIDDEN:
            rows |= set(range(place, place + min(count, MOST_COLUMNS)))
        for cell in row:
            height, width = _count(cell, "number-rows-spanned"), _count(cell, "number-columns-spanned")
            if height * width > 1:
                merged.append(((place, column), (place + height - 1, column + width - 1)))
            column += _count(cell, "number-columns-repeated")
        place += count
    return _Layout(rows, columns, merged=merged)


def _count(element: Any, name: str) -> int:
    said = value_of(element, name)
    return int(said) if said.isdecimal() and len(said) < 8 else 1
