"""Reads what office programs and e-book readers save: DOCX, XLSX and other tables, PPTX, ODT, EPUB, RTF.

Each function yields pages as (place, text), where `place` names a sheet, a slide or a chapter, and is "" for a page
that has only its number. They run in a child process with limits (see `extraction.py`). The libraries come with the
extra `documents`; without it `Unreadable("missing")` is raised.
"""

from __future__ import annotations

import io
import posixpath
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote

from bot.errors import Unreadable
from bot.knowledge.plain_text import decoded, read_html

Page = tuple[str, str]
UNPACKED = 100 << 20  # bytes that a packed document may unpack to
UNPACKED_XML = 30 << 20  # ... of which XML, which takes many times as much once it is parsed
MARKUP = (".xml", ".rels", ".xhtml", ".html", ".htm", ".opf", ".ncx")
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # begins encrypted files of Office, and those of before 2007
ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
TEXT, TABLE = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}", "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
NOT_READ = {f"{TEXT}tracked-changes", "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}annotation"}
BETWEEN = {f"{TEXT}tab": "\t", f"{TEXT}line-break": "\n", f"{TEXT}s": " "}


def read_docx(data: bytes) -> Iterator[Page]:
    """Yield the pages of a DOCX, divided where Word put page breaks at the last save; one page if it put none."""
    try:
        from docx import Document
        from docx.text.paragraph import Paragraph
    except ImportError:
        raise Unreadable("missing") from None
    check_package(data)
    document = Document(io.BytesIO(data))
    lines: list[str] = []
    for block in document.iter_inner_content():
        if isinstance(block, Paragraph):
            if block.contains_page_break:
                yield "", "\n".join(lines)
                lines = []
            lines.append(block.text)
        else:
            lines += [_row(cell.text for cell in row.cells) for row in block.rows]
    yield "", "\n".join(lines)


def read_sheets(data: bytes) -> Iterator[Page]:
    """The sheets of a table (XLSX, XLSB, XLS, ODS) by their names, each row a line."""
    try:
        from python_calamine import CalamineWorkbook
    except ImportError:
        raise Unreadable("missing") from None
    if not data.startswith(OLE):
        check_package(data)
    elif ENCRYPTED in data:
        raise Unreadable("locked")
    book = CalamineWorkbook.from_filelike(io.BytesIO(data))
    for name in book.sheet_names:
        rows = book.get_sheet_by_name(name).iter_rows()
        yield name, "\n".join(line for row in rows if (line := _row(_value(cell) for cell in row)))


def read_slides(data: bytes) -> Iterator[Page]:
    """The slides of a PPTX with their tables and notes, by number and title."""
    try:
        from pptx import Presentation
    except ImportError:
        raise Unreadable("missing") from None
    check_package(data)
    for number, slide in enumerate(Presentation(io.BytesIO(data)).slides, 1):
        lines = list(_shapes(slide.shapes))
        if slide.has_notes_slide and (notes := slide.notes_slide.notes_text_frame) is not None:
            lines.append(notes.text)
        title = slide.shapes.title
        yield _numbered(number, title.text_frame.text if title is not None else ""), "\n".join(lines)


def read_odt(data: bytes) -> Iterator[Page]:
    """Yield the pages of an ODT, divided where LibreOffice put page breaks at the last save; one page if it put
    none.
    """
    packed = check_package(data)
    if "META-INF/manifest.xml" in packed.namelist() and b"encryption-data" in packed.read("META-INF/manifest.xml"):
        raise Unreadable("locked")
    words: list[str] = []
    for piece in _odt_words(_xml(packed.read("content.xml"))):
        if piece is None:
            yield "", "".join(words)
            words = []
        else:
            words.append(piece)
    yield "", "".join(words)


def read_epub(data: bytes) -> Iterator[Page]:
    """The chapters of a book in their order, by number and first heading."""
    packed = check_package(data)
    if "META-INF/rights.xml" in packed.namelist():
        raise Unreadable("locked")
    (path,) = _xml(packed.read("META-INF/container.xml")).xpath("//*[local-name()='rootfile']/@full-path")[:1]
    book = _xml(packed.read(path))
    files = {item.get("id"): item.get("href") for item in book.iter("{*}item")}
    for number, reference in enumerate(book.iter("{*}itemref"), 1):
        href = unquote(files.get(reference.get("idref")) or "").partition("#")[0]
        chapter = posixpath.normpath(posixpath.join(posixpath.dirname(path), href))
        heading, text = read_html(decoded(packed.read(chapter)))
        yield _numbered(number, heading), text


def read_rtf(data: bytes) -> Iterator[Page]:
    """The text of an RTF file, which has no pages."""
    try:
        from striprtf.striprtf import rtf_to_text
    except ImportError:
        raise Unreadable("missing") from None
    if not data.startswith(b"{\\rtf"):
        raise Unreadable("broken")
    yield "", rtf_to_text(data.decode("latin-1"), errors="replace")  # type: ignore[no-untyped-call]


# --- inside -----------------------------------------------------------------------------------------------------------


def check_package(data: bytes) -> zipfile.ZipFile:
    """Open a ZIP. Raises `Unreadable` for one that would unpack to too much, and for an encrypted or old file."""
    if data.startswith(OLE):
        raise Unreadable("locked")
    packed = zipfile.ZipFile(io.BytesIO(data))
    markup = sum(entry.file_size for entry in packed.infolist() if entry.filename.lower().endswith(MARKUP))
    if markup > UNPACKED_XML or sum(entry.file_size for entry in packed.infolist()) > UNPACKED:
        raise Unreadable("long")
    return packed


def _xml(data: bytes) -> Any:
    """Parse XML that may be hostile into an element of lxml: no entities are resolved, nothing is fetched."""
    try:
        from lxml import etree
    except ImportError:
        raise Unreadable("missing") from None
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, huge_tree=False, remove_comments=True, remove_pis=True
    )
    return etree.fromstring(data, parser)


def _odt_words(root: Any) -> Iterator[str | None]:
    """The words of an ODT in their order; None for the end of a page."""
    from lxml import etree

    skipped = 0
    for event, element in etree.iterwalk(root, events=("start", "end")):
        tag = element.tag
        if event == "start":
            skipped += tag in NOT_READ
            if not skipped:
                if tag == f"{TEXT}soft-page-break":
                    yield None
                text = (element.text or "") if isinstance(tag, str) else ""  # an entity has no tag
                yield BETWEEN.get(tag, "") + text.replace("\n", " ")
            continue
        skipped -= tag in NOT_READ
        if skipped:
            continue
        if tag in (f"{TEXT}p", f"{TEXT}h", f"{TABLE}table-row"):
            in_cell = any(parent.tag == f"{TABLE}table-cell" for parent in element.iterancestors())
            yield " " if in_cell else "\n"
        elif tag == f"{TABLE}table-cell" and element.getnext() is not None:
            yield "| "
        yield (element.tail or "").replace("\n", " ")


def _shapes(shapes: Iterable[Any]) -> Iterator[str]:
    """The texts of shapes, also of those in groups, in their order."""
    waiting = list(shapes)[::-1]
    while waiting:
        shape = waiting.pop()
        if shape.shape_type == 6:  # a group
            waiting += list(shape.shapes)[::-1]
        elif shape.has_text_frame:
            yield shape.text_frame.text
        elif shape.has_table:
            yield from (_row(cell.text_frame.text for cell in row.cells) for row in shape.table.rows)


def _row(cells: Iterable[str]) -> str:
    """A row of a table as one line; "" for a row without a value."""
    return " | ".join(" ".join(cell.split()) for cell in cells).rstrip("| ")


def _value(cell: object) -> str:
    """The value of a cell as a person reads it: a whole number without ".0"."""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _numbered(number: int, title: str) -> str:
    title = " ".join(title.split())
    return f"{number}. {title}" if title else str(number)
