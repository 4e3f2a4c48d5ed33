"""Extracts the text of a document, page by page. Begin with `extract`; `knowledge/formats` has the readers of formats.

A file may be hostile, so `extract` runs in a child process (`concurrency/child_pool.py`) with limits of time and
memory. `formats/outline.py` limits the pages and the text, `formats/office/packages.py` the unpacked size.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.errors import Unreadable
from bot.knowledge.formats import pdf
from bot.knowledge.formats.kinds import ANY, TYPES, kind_of
from bot.knowledge.formats.office.books import read_epub
from bot.knowledge.formats.office.readers import OFFICE
from bot.knowledge.formats.outline import MOST_CHARACTERS as MOST_CHARACTERS
from bot.knowledge.formats.outline import MOST_PAGES as MOST_PAGES
from bot.knowledge.formats.outline import Outline
from bot.knowledge.formats.plain_html import read_plain_html
from bot.knowledge.formats.plain_text import decoded, is_pointer
from bot.knowledge.formats.signs import spelled
from bot.knowledge.formats.tidying import tidy

Page = tuple[str, str]
LONGEST_PLACE = 60  # characters of the name of a sheet, a slide or a chapter


def can_read(name: str, mime: str) -> bool:
    """Whether the text of a file of this name and MIME type can be extracted, as far as they say it."""
    return bool(_told(name, mime))


def may_read(name: str, mime: str) -> bool:
    """Whether only the content can say what a file of this name and MIME type is."""
    return not can_read(name, mime) and mime in ANY


def extract(data: bytes, name: str, mime: str, reads_hidden: bool = False) -> tuple[list[Page], list[str]]:
    """The place and the text of each page, and what was left out (reasons as of a `Trouble`).

    The place is the name of a sheet, a slide or a chapter, "" if a page has only its number; a format without pages
    gives one page. Raises `Unreadable` with the reason (locked, scanned, empty, broken, long, pointer; type: it is of
    no format that is read; sound; missing: the extra `documents` is not installed), or any exception of a library for a
    damaged file.
    """
    if is_pointer(data):
        raise Unreadable("pointer")
    kind = kind_of(data, _told(name, mime))
    if kind in ("", "sound"):
        raise Unreadable(kind or "type")
    pages = _Pages(reads_hidden=reads_hidden, is_bounded=True)
    _read(data, kind, pages)
    found = [(place, _tidy("\n\n".join(texts))) for place, texts in pages.pages]
    if not any(text for _, text in found):
        raise Unreadable("scanned" if kind == "pdf" else "empty")
    return found, list(pages.troubles())


def _read(data: bytes, kind: str, pages: _Pages) -> None:
    if kind == "pdf":
        for text in pdf.pages_of(data):
            pages.begin()
            pages.add_lines(text)
    elif kind == "html":
        pages.begin()
        read_plain_html(decoded(data), pages)
    elif kind == "epub":
        read_epub(data, pages, read_plain_html)
    elif kind in OFFICE:
        OFFICE[kind](data, pages)
    else:
        for text in decoded(data).split("\f"):
            pages.begin()
            pages.add_lines(text)


class _Pages(Outline):
    """Pages with their texts, in place of blocks under headings."""

    def __init__(self, *, reads_hidden: bool, is_bounded: bool) -> None:
        super().__init__(reads_hidden=reads_hidden, is_bounded=is_bounded)
        self.pages: list[tuple[str, list[str]]] = []

    def begin(self, name: str = "", *, page: int = 0, chapter: int = 0, is_only: bool = False) -> None:
        super().begin(is_only=True)
        number = page or chapter
        place = f"{number}. {name}" if number and name not in ("", str(number)) else name
        self.pages.append((_cited(place), []))

    def heading(self, level: int, text: str, anchor: str = "") -> None:
        self.add(text)

    def add(self, text: str, *, code: bool = False) -> None:
        self.add_lines(tidy(spelled(text), code=code))

    def add_lines(self, text: str) -> None:
        """Add a text as it stands on its lines."""
        if text.strip():
            self.count(text)
            self.pages[-1][1].append(text)


def _tidy(text: str) -> str:
    """The text without characters that can't be stored, and without repeated empty lines."""
    text = text.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return re.sub(r"\n\s*\n\s*", "\n\n", re.sub(r"(?<![ \t\r])[ \t\r]+\n", "\n", text)).strip()


def _cited(place: str) -> str:
    """The name of a place as it can stand in a citation: on one line, short, without the brackets around it."""
    return " ".join(_tidy(place).translate({ord("["): "(", ord("]"): ")"}).split())[:LONGEST_PLACE]


def _told(name: str, mime: str) -> str:
    """What the name of a file, else its MIME type says of its format; "" for nothing, or for a format that can't be
    read.
    """
    ending = name.lower().rpartition(".")[2]
    if ending in READ or ending in PLAIN:
        return ending
    if mime in TYPES:
        return TYPES[mime]
    return "txt" if mime.startswith("text/") or mime in PLAIN_TYPES else ""


READ = {"pdf", "html", "htm", "epub", *OFFICE}
PLAIN: Sequence[str] = (
    "txt", "md", "markdown", "csv", "tsv", "log", "json", "jsonl", "xml", "yaml", "yml", "toml", "ini", "cfg", "conf",
    "tex", "rst", "srt", "vtt", "sql", "py", "js", "ts", "jsx", "tsx", "java", "kt", "c", "h", "cpp", "hpp", "cc", "cs",
    "go", "rs", "rb", "php", "sh", "bash", "ps1", "bat", "lua", "r", "jl", "swift", "scala", "dart", "vue", "css",
    "scss", "diff", "patch", "gradle", "proto", "dockerfile", "makefile", "ipynb",
)  # fmt: skip
PLAIN_TYPES = ("application/json", "application/xml", "application/javascript", "application/x-sh", "application/sql")
