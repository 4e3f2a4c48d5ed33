"""Extracts the text of a document, page by page. Begin with `pages`; `READERS` at the foot lists the formats.

A file may be hostile, so `pages` runs in a child process (`concurrency/child_pool.py`) with limits of time and memory.
This module limits the unpacked size, the pages and the text.
"""

from __future__ import annotations

import codecs
import io
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from html.parser import HTMLParser

from bot.errors import Unreadable

MOST_PAGES = 1_500
MOST_CHARACTERS = 1_000_000
UNPACKED = 100 << 20  # bytes that a DOCX may unpack to
UNPACKED_XML = 30 << 20  # ... of which XML, which takes many times as much once it is parsed


def can_read(name: str, mime: str) -> bool:
    """Whether the text of a file of this name and MIME type can be extracted."""
    return _reader(name, mime) is not None


def pages(data: bytes, name: str, mime: str) -> list[str]:
    """The text of each page; a format without pages gives one page.

    Raises `Unreadable` with the reason (locked, scanned, empty, broken, long; missing: the extra `documents` is not
    installed), or any exception of a library for a damaged file.
    """
    reader = _reader(name, mime)
    if reader is None:
        raise Unreadable("broken")
    found, characters = [], 0
    for page in reader(data):
        text = _tidy(page)
        found.append(text)
        characters += len(text)
        if characters > MOST_CHARACTERS or len(found) > MOST_PAGES:
            raise Unreadable("long")
    if not characters:
        raise Unreadable("scanned" if reader is _pdf else "empty")
    return found


# --- kinds ------------------------------------------------------------------------------------------------------------


def _pdf(data: bytes) -> Iterator[str]:
    from pypdf import PdfReader

    document = PdfReader(io.BytesIO(data))
    if document.is_encrypted and not document.decrypt(""):
        raise Unreadable("locked")
    for page in document.pages:
        yield page.extract_text()


def _docx(data: bytes) -> Iterator[str]:
    """The pages as Word stored them at the last save, if it did."""
    try:
        from docx import Document
        from docx.text.paragraph import Paragraph
    except ImportError:
        raise Unreadable("missing") from None
    if data[:8] == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":  # an encrypted DOCX, or an old DOC
        raise Unreadable("locked")
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        xml = sum(entry.file_size for entry in packed.infolist() if entry.filename.endswith((".xml", ".rels")))
        if xml > UNPACKED_XML or sum(entry.file_size for entry in packed.infolist()) > UNPACKED:
            raise Unreadable("long")
    document = Document(io.BytesIO(data))
    lines: list[str] = []
    for block in document.iter_inner_content():
        if isinstance(block, Paragraph):
            if block.contains_page_break:
                yield "\n".join(lines)
                lines = []
            lines.append(block.text)
        else:
            lines += [" | ".join(cell.text for cell in row.cells) for row in block.rows]
    yield "\n".join(lines)


def _text(data: bytes) -> Iterator[str]:
    yield from decoded(data).split("\f")


def _html(data: bytes) -> Iterator[str]:
    found = _Words()
    found.feed(decoded(data))
    found.close()
    yield "".join(found.words)


class _Words(HTMLParser):
    """Collects the visible words of an HTML page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in HIDDEN
        if tag in LINES:
            self.words.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = max(self._hidden - (tag in HIDDEN), 0)
        if tag in LINES:
            self.words.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(re.sub(r"\s+", " ", data))


HIDDEN = {"script", "style", "template", "noscript"}
LINES = frozenset(
    ["p", "div", "br", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "table", "section", "article", "title"]
)


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


def _tidy(text: str) -> str:
    """The text without characters that can't be stored, and without repeated empty lines."""
    text = text.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return re.sub(r"\n\s*\n\s*", "\n\n", re.sub(r"(?<![ \t\r])[ \t\r]+\n", "\n", text)).strip()


Reader = Callable[[bytes], Iterator[str]]


def _reader(name: str, mime: str) -> Reader | None:
    """The reader for the ending of a file's name, else for its MIME type; None: the format can't be read."""
    ending = name.lower().rpartition(".")[2]
    if found := READERS.get(ending) or TYPES.get(mime):
        return found
    return _text if ending in PLAIN or mime.startswith("text/") or mime in PLAIN_TYPES else None


READERS: dict[str, Reader] = {"pdf": _pdf, "docx": _docx, "html": _html, "htm": _html}
TYPES: dict[str, Reader] = {
    "application/pdf": _pdf,
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": _docx,
    "text/html": _html,
}
PLAIN: Sequence[str] = (
    "txt", "md", "markdown", "csv", "tsv", "log", "json", "jsonl", "xml", "yaml", "yml", "toml", "ini", "cfg", "conf",
    "tex", "rst", "srt", "vtt", "sql", "py", "js", "ts", "jsx", "tsx", "java", "kt", "c", "h", "cpp", "hpp", "cc", "cs",
    "go", "rs", "rb", "php", "sh", "bash", "ps1", "bat", "lua", "r", "jl", "swift", "scala", "dart", "vue", "css",
    "scss", "diff", "patch", "gradle", "proto", "dockerfile", "makefile", "ipynb",
)  # fmt: skip
PLAIN_TYPES = ("application/json", "application/xml", "application/javascript", "application/x-sh", "application/sql")
