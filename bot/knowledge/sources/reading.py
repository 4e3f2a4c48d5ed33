"""Reads a file into articles: `read_file`, which runs in a child process with limits; `READERS` lists the formats.

A file may be hostile, so nothing of it is opened in the process of the bot (`concurrency/child_pool.py`). `Articles` is
what comes back. `knowledge/formats` has the readers.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from bot.errors import Unreadable
from bot.knowledge.formats import ingest
from bot.knowledge.formats.delimited import read_delimited
from bot.knowledge.formats.kinds import ANY, TYPES, kind_of
from bot.knowledge.formats.office.books import read_epub
from bot.knowledge.formats.office.readers import OFFICE
from bot.knowledge.formats.outline import Outline
from bot.knowledge.formats.pdf import read_pdf
from bot.knowledge.formats.plain_text import decoded, is_pointer
from bot.knowledge.formats.tidying import language_of, paragraphs, tidy
from bot.knowledge.passages import Block

MAX_BLOCKS = 50_000  # of a file
SAMPLE = 20_000  # characters by which a language is told
CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([\w-]{1,40})", re.IGNORECASE)
FAQ = {
    "question": ("question", "вопрос"), "answer": ("answer", "ответ"), "audience": ("audience", "аудитория"),
    "language": ("language", "lang", "язык"),
}  # fmt: skip
MOST_SHOWN = 10  # numbers of lines that were left out


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
    """What a file has. `left_out` are the reasons (of `Trouble`s) why parts of it were not read; the next three are of
    an HTML page.

    `sha` is the hash of what a reader sees: addresses, marks and what a server adds to each page do not change it.
    """

    articles: tuple[ReadArticle, ...]
    left_out: tuple[str, ...]
    canonical: str
    has_password: bool
    leads_to: str
    sha: str

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
        sha = hashlib.sha256()
        for part in _seen_of(articles):
            sha.update(part.encode())
        return Articles(
            articles,
            left_out=tuple(result["left_out"]),
            canonical=result["canonical"],
            has_password=result["has_password"],
            leads_to=result["leads_to"],
            sha=sha.hexdigest(),
        )


def _seen_of(articles: Sequence[ReadArticle]) -> Iterator[str]:
    """The `repr` of a list of (part, title, blocks), piece by piece: as a whole it takes three times the article."""
    yield "["
    for number, one in enumerate(articles):
        yield f"{', ' if number else ''}({one.part!r}, {one.title!r}, ("
        for place, block in enumerate(one.blocks):
            yield f"{', ' if place else ''}{block!r}"
        yield ",))" if len(one.blocks) == 1 else "))"
    yield "]"


def can_read(name: str) -> bool:
    """Whether files with this name are read."""
    ending = _ending(name)
    return ending in READERS and (ending not in ingest.TYPES or ingest.is_installed())


def read_file(
    data: bytes, name: str, mime: str = "", charset: str = "", most: int = 0, reads_hidden: bool = False
) -> dict[str, Any]:
    """The articles of a file as values of JSON (see `Articles.of`).

    `name` is a path or address: its ending chooses the format where neither content nor `mime` does. A file without
    words has no article. Raises `Unreadable` (locked, broken, scanned, missing, pointer; delimiter: of a table; empty:
    no page of an office document has words; long: more than `most` characters or `MAX_BLOCKS`), or any exception of a
    library.
    """
    if is_pointer(data):
        raise Unreadable("pointer")
    told = _ending(name)
    if mime not in ANY or (told not in READERS and mime in TYPES):
        told = TYPES.get(mime, told)
    elif told not in READERS:
        told = "txt" if mime == "text/plain" else ""
    ending = kind_of(data, told)
    reader = READERS.get(ending)
    if reader is None or (not told and ending == "txt"):
        raise Unreadable("type")
    file = _File(data=data, name=name, ending=ending, charset=charset, most=most, reads_hidden=reads_hidden)
    parts = list(reader(file))
    left_out = dict.fromkeys(reason for part in parts for reason in part.outline.troubles())
    blocks = [block for part in parts for block in part.outline.blocks]
    if len(blocks) > MAX_BLOCKS or (most and sum(len(b.text) + sum(map(len, b.headings)) for b in blocks) > 2 * most):
        raise Unreadable("long")
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
        "left_out": list(left_out),
        "canonical": file.canonical,
        "has_password": file.has_password,
        "leads_to": file.leads_to,
    }


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
    reads_hidden: bool
    canonical: str = field(init=False, default="")
    has_password: bool = field(init=False, default=False)
    leads_to: str = field(init=False, default="")

    def text(self) -> str:
        text = decoded(self.data, self.charset)
        if self.most and len(text) > self.most:
            raise Unreadable("long")
        return text

    def outline(self) -> Outline:
        return Outline(reads_hidden=self.reads_hidden, is_bounded=True)


@dataclass(frozen=True, slots=True)
class _Part:
    outline: Outline
    language: str = ""
    audience: str = ""
    is_named: bool = False  # by the columns of an FAQ


def _markdown(file: _File) -> Iterator[_Part]:
    from bot.knowledge.formats.markdown import read_markdown

    yield _Part(read_markdown(file.text()))


def _html(file: _File) -> Iterator[_Part]:
    from bot.knowledge.formats.html_page import read_html_page

    said = CHARSET.search(file.data[:2048])
    file.charset = file.charset or (said[1].decode() if said else "")
    page = read_html_page(file.text(), file.name)
    file.canonical, file.has_password, file.leads_to = page.canonical, page.has_password, page.leads_to
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
    found = read_delimited(file.text(), file.ending, [name for names in FAQ.values() for name in names])
    rows = found.rows
    names = [name.strip().lower() for name in rows[0]] if rows else []
    places = {key: next((names.index(n) for n in given if n in names), -1) for key, given in FAQ.items()}
    first = _Part(Outline())
    for line in found.odd:
        first.outline.leave_out("columns", str(line), is_hidden=False)
    if places["question"] < 0 or places["answer"] < 0:
        has_head = bool(rows) and len(rows[0]) == 2 and not any(map(str.isdecimal, rows[0]))
        first.outline.add_table(rows, 1 if has_head else None)
        yield first
        return
    parts: dict[tuple[str, str], _Part] = {}
    for row in rows[1:]:
        cells = {key: row[place].strip() if 0 <= place < len(row) else "" for key, place in places.items()}
        group = (cells["audience"], cells["language"].lower())
        part = parts.setdefault(group, _Part(Outline(), group[1], group[0], is_named=True))
        if cells["question"]:
            part.outline.heading(2, cells["question"])
            part.outline.add(cells["answer"])
    yield from (first, *parts.values())


def _pdf(file: _File) -> Iterator[_Part]:
    outline = file.outline()
    read_pdf(file.data, outline)
    yield from _worded(outline, "scanned")


def _office(file: _File) -> Iterator[_Part]:
    outline = file.outline()
    OFFICE[file.ending](file.data, outline)
    yield from _worded(outline, "empty")


def _epub(file: _File) -> Iterator[_Part]:
    from bot.knowledge.formats.html_page import add_chapter

    outline = file.outline()
    read_epub(file.data, outline, add_chapter)
    yield from _worded(outline, "empty")


def _worded(outline: Outline, otherwise: str) -> Iterator[_Part]:
    if not outline.blocks:
        raise Unreadable(otherwise)
    yield _Part(outline)


def _other(file: _File) -> Iterator[_Part]:
    from bot.knowledge.formats.markdown import read_markdown

    yield _Part(read_markdown(ingest.read_other(file.data, file.ending)))


def _ending(name: str) -> str:
    """The ending of the name of a file, or of an address without its query."""
    path = urlsplit(name).path if "://" in name else name
    return PurePosixPath(path.lower()).suffix[1:]


CODE = (
    "py", "js", "ts", "jsx", "tsx", "java", "kt", "c", "h", "cpp", "hpp", "cc", "cs", "go", "rs", "rb", "php", "sh",
    "bash", "ps1", "lua", "r", "swift", "scala", "dart", "vue", "sql", "proto", "yaml", "yml", "toml", "ini", "conf",
)  # fmt: skip
READERS: dict[str, Callable[[_File], Iterator[_Part]]] = {
    **dict.fromkeys(("md", "markdown", "mdx"), _markdown), **dict.fromkeys(("html", "htm", "xhtml"), _html),
    **dict.fromkeys(("txt", "text", "rst"), _plain), **dict.fromkeys(("csv", "tsv"), _table), "pdf": _pdf,
    **dict.fromkeys(OFFICE, _office), "epub": _epub, **dict.fromkeys(CODE, _code),
    **dict.fromkeys(ingest.TYPES, _other),
}  # fmt: skip
