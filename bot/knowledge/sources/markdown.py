"""Reads Markdown into blocks: `read_markdown`. Links and pictures are kept as their words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from bot.knowledge.sources.html_page import LONGEST_HEADING, add_fragment
from bot.knowledge.sources.outline import Outline

FRONT_MATTER = re.compile(r"\A\ufeff?(?:---|\+\+\+)[ \t]*\n(.*?\n)?(?:---|\+\+\+|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
DEEPEST = 100  # levels of quotes and lists inside each other: what stands deeper is left out
TITLE = re.compile(r"^title[ \t]*[:=](.+)$", re.MULTILINE)
ANCHOR = re.compile(r"\{#([^\s{}]+)(?:\s[^{}]*)?\}$")
BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)


def read_markdown(text: str) -> Outline:
    """The blocks of a Markdown text. Front matter is left out; its `title` is the title where no heading is."""
    text = text.replace("\r\n", "\n")
    matter = FRONT_MATTER.match(text)
    outline = Outline()
    parser = MarkdownIt("commonmark", {"maxNesting": DEEPEST}).enable("table")
    _add(outline, parser.parse(text[matter.end() :] if matter else text))
    if matter and not outline.title and (said := TITLE.search(matter[1] or "")):
        outline.title = said[1].strip(" \t\"'")
    return outline


def _add(outline: Outline, tokens: Sequence[Token]) -> None:
    slugs: dict[str, int] = {}
    place = 0
    while place < len(tokens):
        token, end = tokens[place], place + 1
        if token.type in ("bullet_list_open", "ordered_list_open", "table_open"):
            end = _end(tokens, place)
            if token.type == "table_open":
                outline.add_table(_rows(tokens[place:end]))
            else:
                outline.add("\n".join(_items(tokens[place:end])), code=True)
        elif token.type == "heading_open":
            words = _words(tokens[place + 1])[:LONGEST_HEADING].rstrip()
            named = ANCHOR.search(words)
            anchor = named[1] if named else _slug(words, slugs)
            outline.heading(int(token.tag[1:]), ANCHOR.sub("", words), anchor)
            end = place + 3
        elif token.type in ("fence", "code_block"):
            outline.add(token.content, code=True)
        elif token.type == "html_block":
            add_fragment(outline, token.content)
        elif token.type == "inline":
            outline.add(_words(token))
        place = end


def _end(tokens: Sequence[Token], start: int) -> int:
    """The place after the token that closes the one at `start`."""
    level = tokens[start].level
    return next(n + 1 for n in range(start + 1, len(tokens)) if tokens[n].nesting < 0 and tokens[n].level == level)


def _items(tokens: Sequence[Token]) -> Iterator[str]:
    """The lines of a list, with the lists and the code in it."""
    depth, mark = 0, ""
    for token in tokens:
        if token.type in ("bullet_list_open", "ordered_list_open"):
            depth += 1
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            depth -= 1
        elif token.type == "list_item_open":
            mark = f"{token.info}. " if token.info else "- "
        elif token.type in ("inline", "fence", "code_block"):
            words = _words(token) if token.type == "inline" else token.content
            for line in filter(str.strip, words.split("\n")):
                yield "  " * (depth - 1) + (mark or "  ") + line
                mark = ""


def _rows(tokens: Sequence[Token]) -> Iterator[list[str]]:
    row: list[str] = []
    for token in tokens:
        if token.type == "tr_open":
            row = []
        elif token.type == "inline":
            row.append(_words(token))
        elif token.type == "tr_close":
            yield row


def _words(token: Token) -> str:
    """The words of a line of Markdown, without its marks."""
    found = []
    for child in token.children or ():
        if child.type in ("softbreak", "hardbreak"):
            found.append(" " if child.type == "softbreak" else "\n")
        elif child.type == "html_inline":
            found.append("\n" if BREAK.match(child.content) else "")
        else:
            found.append(child.content)
    return "".join(found)


def _slug(heading: str, slugs: dict[str, int]) -> str:
    """The anchor that GitHub and others give a heading."""
    slug = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
    count = slugs[slug] = slugs.get(slug, -1) + 1
    return f"{slug}-{count}" if count else slug
