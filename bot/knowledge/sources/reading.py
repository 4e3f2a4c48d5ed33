"""Reads a file into articles: `read_file`, which runs in a child process with limits; `READERS` lists the formats.

A file may be hostile, so nothing of it is opened in the process of the bot (`concurrency/child_pool.py`). `Articles` is
what comes back. Office formats and PDF are read by `knowledge/extraction.py`; here their pages become blocks.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from bot.errors import Unreadable
from bot.knowledge import extraction, office
from bot.knowledge.passages import Block
from bot.knowledge.plain_text import decoded
from bot.knowledge.sources import ingest
from bot.knowledge.sources.outline import Outline
from bot.knowledge.sources.tidying import language_of, paragraphs, tidy

SAMPLE = 20_000  # characters by which a language, and the delimiter of a table, are told
CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([\w-]{1,40})", re.IGNORECASE)
FAQ = {
    "question": ("question", "вопрос"), "answer": ("answer", "ответ"), "audience": ("audience", "аудитория"),
    "language": ("language", "lang", "язык"),
}  # fmt: skip
HEADING_STYLE = re.compile(r"(?:heading|заголовок) (\d)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ReadArticle:
    """An article of a file: an FAQ has one for each audience and language, named by `part`; other files have one."""

    part: str
    title: str
    language: str
    audience: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Articles:
    """What a file has. `no_text` are pages without text ("3-9, 12"); the last two are of an HTML page."""

    articles: tuple[ReadArticle, ...]
    no_text: str
    canonical: str
    has_password: bool

    @staticmethod
    def of(result: dict[str, Any]) -> Articles:
        """What `read_file` returned."""
        articles = tuple(
            ReadArticle(
                part=one["part"], title=one["title"], language=one["language"], audience=one["audience"],
                blocks=tuple(Block(text, tuple(above), page, anchor) for text, above, page, anchor in one["blocks"]),
            )
            for one in result["articles"]
        )  # fmt: skip
        return Articles(articles, result["no_text"], result["canonical"], result["has_password"])


def can_read(name: str) -> bool:
    """Whether files with this name are read."""
    ending = _ending(name)
    return ending in READERS and (ending not in ingest.TYPES or ingest.is_installed())


def read_file(data: bytes, name: str, mime: str = "", charset: str = "", most: int = 0) -> dict[str, Any]:
    """The articles of a file as values of JSON (see `Articles.of`).

    `name` is a path or address: its ending chooses the format where `mime` does not. A file without words has no
    article. Raises `Unreadable` (locked, broken, scanned, missing; empty: no page of an office document has words;
    long: more than `most` characters), or any exception of a library.
    """
    ending = TYPES.get(mime) or _ending(name)
    reader = READERS.get(ending)
    if reader is None:
        raise Unreadable("type")
    file = _File(data=data, name=name, ending=ending, charset=charset, most=most)
    parts = list(reader(file))
    return {
        "articles": [
            {
                "part": f"{part.audience}@{part.language}" if part.is_named and part.language else part.audience,
                "title": part.outline.title or title_of(name),
                "language": language_of("".join(block.text for block in part.outline.blocks)[:SAMPLE], part.language),
                "audience": part.audience,
                "blocks": [[b.text, b.headings, b.page, b.anchor] for b in part.outline.blocks],
            }
            for part in parts
            if part.outline.blocks
        ],
        "no_text": file.no_text, "canonical": file.canonical, "has_password": file.has_password,
    }  # fmt: skip


def title_of(name: str) -> str:
    """The title of a file that names none: its name without folder and ending, with spaces for dashes."""
    return re.sub(r"[_-]+", " ", PurePosixPath(name.rstrip("/")).stem) or name


# --- formats ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _File:
    data: bytes
    name: str
    ending: str
    charset: str
    most: int
    no_text: str = field(init=False, default="")
    canonical: str = field(init=False, default="")
    has_password: bool = field(init=False, default=False)

    def text(self) -> str:
        text = decoded(self.data, self.charset)
        if self.most and len(text) > self.most:
            raise Unreadable("long")
        return text

    def pages(self) -> list[tuple[str, str]]:
        return extraction.extract(self.data, f"file.{self.ending}", "")


@dataclass(frozen=True, slots=True)
class _Part:
    outline: Outline
    language: str = ""
    audience: str = ""
    is_named: bool = False  # by the columns of an FAQ


def _markdown(file: _File) -> Iterator[_Part]:
    from bot.knowledge.sources.markdown import read_markdown

    yield _Part(read_markdown(file.text()))


def _html(file: _File) -> Iterator[_Part]:
    from bot.knowledge.sources.html_page import read_html_page

    said = CHARSET.search(file.data[:2048])
    file.charset = file.charset or (said[1].decode() if said else "")
    page = read_html_page(file.text(), file.name)
    file.canonical, file.has_password = page.canonical, page.has_password
    yield _Part(page.outline, page.language)


def _plain(file: _File) -> Iterator[_Part]:
    outline = Outline()
    for paragraph in paragraphs(file.text()):
        outline.add(paragraph)
    yield _Part(outline)


def _code(file: _File) -> Iterator[_Part]:
    """A function is a block: what is indented, or closes a bracket, belongs to the lines before it."""
    outline = Outline(PurePosixPath(file.name).name)
    for part in re.split(r"\n\n(?=[^\s})\]])", tidy(file.text(), code=True).expandtabs(4)):
        outline.add(part, code=True)
    yield _Part(outline)


def _table(file: _File) -> Iterator[_Part]:
    """An FAQ where columns say "question" and "answer", else a table whose first row names the columns."""
    text = file.text()
    try:
        dialect: Any = csv.Sniffer().sniff(text[:SAMPLE], ",;\t|")
    except csv.Error:
        dialect = csv.excel
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), dialect))
    except csv.Error:
        raise Unreadable("broken") from None
    names = [name.strip().lower() for name in rows[0]] if rows else []
    places = {key: next((names.index(n) for n in given if n in names), -1) for key, given in FAQ.items()}
    if places["question"] < 0 or places["answer"] < 0:
        outline = Outline()
        outline.add_table(rows)
        yield _Part(outline)
        return
    parts: dict[tuple[str, str], _Part] = {}
    for row in rows[1:]:
        cells = {key: row[place].strip() if 0 <= place < len(row) else "" for key, place in places.items()}
        group = (cells["audience"], cells["language"].lower())
        part = parts.setdefault(group, _Part(Outline(), group[1], group[0], is_named=True))
        if cells["question"]:
            part.outline.heading(2, cells["question"])
            part.outline.add(cells["answer"])
    yield from parts.values()


def _pdf(file: _File) -> Iterator[_Part]:
    outline, empty = Outline(), []
    for page, (_, text) in enumerate(file.pages(), 1):
        if not text.strip():
            empty.append(page)
        for paragraph in paragraphs(text, hyphens=True):
            outline.add(paragraph, page=page)
    file.no_text = _ranges(empty)
    yield _Part(outline)


def _docx(file: _File) -> Iterator[_Part]:
    """By the styles of headings; a list is one block."""
    try:
        from docx import Document
        from docx.text.paragraph import Paragraph
    except ImportError:
        raise Unreadable("missing") from None
    office.check_package(file.data)
    outline, items = Outline(), list[str]()
    for block in Document(io.BytesIO(file.data)).iter_inner_content():
        style = ((block.style.name if block.style else "") or "") if isinstance(block, Paragraph) else ""
        if items and "list" not in style.lower():
            outline.add("\n".join(items))
            items = []
        if not isinstance(block, Paragraph):
            outline.add_table([cell.text for cell in row.cells] for row in block.rows)
        elif style.lower() == "title":
            outline.title = outline.title or block.text
        elif level := HEADING_STYLE.match(style):
            outline.heading(int(level[1]), block.text)
        elif "list" in style.lower():
            items.append(f"- {block.text}")
        else:
            outline.add(block.text)
    outline.add("\n".join(items))
    yield _Part(outline)


def _sheets(file: _File) -> Iterator[_Part]:
    outline = Outline()
    pages = file.pages()
    for name, text in pages:
        if len(pages) > 1:
            outline.heading(2, name)
        outline.add_table(line.split(" | ") for line in text.split("\n"))
    yield _Part(outline)


def _lines(file: _File) -> Iterator[_Part]:
    """Slides, chapters, and pages of a text: each line is a paragraph."""
    outline = Outline()
    for number, (place, text) in enumerate(file.pages(), 1):
        if place:
            outline.heading(2, re.sub(r"^\d+\. ", "", place))
        for line in text.split("\n"):
            outline.add(line, page=number if file.ending == "pptx" else 0)
    yield _Part(outline)


def _other(file: _File) -> Iterator[_Part]:
    from bot.knowledge.sources.markdown import read_markdown

    yield _Part(read_markdown(ingest.read_other(file.data, file.ending)))


def _ranges(numbers: Iterable[int]) -> str:
    """Page numbers for a person: "3-9, 12"."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in found)


def _ending(name: str) -> str:
    return PurePosixPath(name.lower()).suffix[1:]


CODE = (
    "py", "js", "ts", "jsx", "tsx", "java", "kt", "c", "h", "cpp", "hpp", "cc", "cs", "go", "rs", "rb", "php", "sh",
    "bash", "ps1", "lua", "r", "swift", "scala", "dart", "vue", "sql", "proto", "yaml", "yml", "toml", "ini", "conf",
)  # fmt: skip
READERS: dict[str, Callable[[_File], Iterator[_Part]]] = {
    **dict.fromkeys(("md", "markdown", "mdx"), _markdown), **dict.fromkeys(("html", "htm", "xhtml"), _html),
    **dict.fromkeys(("txt", "text", "rst"), _plain), **dict.fromkeys(("csv", "tsv"), _table), "pdf": _pdf,
    "docx": _docx, **dict.fromkeys(("xlsx", "xlsm", "xlsb", "xls", "ods"), _sheets),
    **dict.fromkeys(("pptx", "odt", "epub", "rtf"), _lines), **dict.fromkeys(CODE, _code),
    **dict.fromkeys(ingest.TYPES, _other),
}  # fmt: skip
TYPES = {
    "text/html": "html", "application/xhtml+xml": "html", "text/markdown": "md", "text/plain": "txt",
    "application/pdf": "pdf", "text/csv": "csv", "application/epub+zip": "epub", "application/rtf": "rtf",
    f"{extraction.OFFICE}.wordprocessingml.document": "docx", f"{extraction.OFFICE}.spreadsheetml.sheet": "xlsx",
    f"{extraction.OFFICE}.presentationml.presentation": "pptx",
}  # fmt: skip
