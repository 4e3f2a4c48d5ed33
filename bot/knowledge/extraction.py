"""Extracts the text of a document, page by page. Begin with `extract`; `READERS` at the foot lists the formats.

A file may be hostile, so `extract` runs in a child process (`concurrency/child_pool.py`) with limits of time and
memory. This module limits the pages and the text, `office.py` the unpacked size.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence

from bot.errors import Unreadable
from bot.knowledge import office
from bot.knowledge.office import Page
from bot.knowledge.plain_text import decoded, read_html

MOST_PAGES = 1_500
MOST_CHARACTERS = 1_000_000
LONGEST_PLACE = 60  # characters of the name of a sheet, a slide or a chapter


def can_read(name: str, mime: str) -> bool:
    """Whether the text of a file of this name and MIME type can be extracted."""
    return _reader(name, mime) is not None


def extract(data: bytes, name: str, mime: str) -> list[Page]:
    """The place and the text of each page; a format without pages gives one page.

    The place is the name of a sheet, a slide or a chapter, "" if a page has only its number.
    Raises `Unreadable` with the reason (locked, scanned, empty, broken, long; missing: the extra `documents` is not
    installed), or any exception of a library for a damaged file.
    """
    reader = _reader(name, mime)
    if reader is None:
        raise Unreadable("broken")
    found: list[Page] = []
    characters = 0
    for place, page in reader(data):
        text = _tidy(page)
        found.append((_cited(place), text))
        characters += len(text)
        if characters > MOST_CHARACTERS or len(found) > MOST_PAGES:
            raise Unreadable("long")
    if not characters:
        raise Unreadable("scanned" if reader is _pdf else "empty")
    return found


# --- kinds ------------------------------------------------------------------------------------------------------------


def _pdf(data: bytes) -> Iterator[Page]:
    from pypdf import PdfReader

    document = PdfReader(io.BytesIO(data))
    if document.is_encrypted and not document.decrypt(""):
        raise Unreadable("locked")
    for page in document.pages:
        yield "", page.extract_text()


def _text(data: bytes) -> Iterator[Page]:
    for page in decoded(data).split("\f"):
        yield "", page


def _html(data: bytes) -> Iterator[Page]:
    yield "", read_html(decoded(data))[1]


def _tidy(text: str) -> str:
    """The text without characters that can't be stored, and without repeated empty lines."""
    text = text.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return re.sub(r"\n\s*\n\s*", "\n\n", re.sub(r"(?<![ \t\r])[ \t\r]+\n", "\n", text)).strip()


def _cited(place: str) -> str:
    """The name of a place as it can stand in a citation: on one line, short, without the brackets around it."""
    return " ".join(_tidy(place).translate({ord("["): "(", ord("]"): ")"}).split())[:LONGEST_PLACE]


Reader = Callable[[bytes], Iterator[Page]]


def _reader(name: str, mime: str) -> Reader | None:
    """The reader for the ending of a file's name, else for its MIME type; None: the format can't be read."""
    ending = name.lower().rpartition(".")[2]
    if found := READERS.get(ending) or TYPES.get(mime):
        return found
    return _text if ending in PLAIN or mime.startswith("text/") or mime in PLAIN_TYPES else None


READERS: dict[str, Reader] = {
    "pdf": _pdf, "html": _html, "htm": _html, "docx": office.read_docx, "pptx": office.read_slides,
    "odt": office.read_odt, "epub": office.read_epub, "rtf": office.read_rtf,
    **dict.fromkeys(("xlsx", "xlsm", "xlsb", "xls", "ods"), office.read_sheets),
}  # fmt: skip
OFFICE = "application/vnd.openxmlformats-officedocument"
TYPES: dict[str, Reader] = {
    "application/pdf": _pdf,
    "text/html": _html,
    f"{OFFICE}.wordprocessingml.document": office.read_docx,
    f"{OFFICE}.spreadsheetml.sheet": office.read_sheets,
    f"{OFFICE}.presentationml.presentation": office.read_slides,
    "application/vnd.ms-excel": office.read_sheets,
    "application/vnd.oasis.opendocument.spreadsheet": office.read_sheets,
    "application/vnd.oasis.opendocument.text": office.read_odt,
    "application/epub+zip": office.read_epub,
    "application/rtf": office.read_rtf,
    "text/rtf": office.read_rtf,
}
PLAIN: Sequence[str] = (
    "txt", "md", "markdown", "csv", "tsv", "log", "json", "jsonl", "xml", "yaml", "yml", "toml", "ini", "cfg", "conf",
    "tex", "rst", "srt", "vtt", "sql", "py", "js", "ts", "jsx", "tsx", "java", "kt", "c", "h", "cpp", "hpp", "cc", "cs",
    "go", "rs", "rb", "php", "sh", "bash", "ps1", "bat", "lua", "r", "jl", "swift", "scala", "dart", "vue", "css",
    "scss", "diff", "patch", "gradle", "proto", "dockerfile", "makefile", "ipynb",
)  # fmt: skip
PLAIN_TYPES = ("application/json", "application/xml", "application/javascript", "application/x-sh", "application/sql")
