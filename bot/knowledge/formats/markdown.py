"""Reads Markdown into blocks: `read_markdown`. Links and pictures are kept as their words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from bot.knowledge.formats.html_page import LONGEST_HEADING, add_fragment
from bot.knowledge.formats.outline import Outline
from bot.knowledge.formats.signs import lowered, raised

FRONT_MATTER = re.compile(r"\A\ufeff?(?:---|\+\+\+)[ \t]*\n(.*?\n)?(?:---|\+\+\+|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
DEEPEST = 100  # levels of quotes and lists inside each other: what stands deeper is left out
TITLE = re.compile(r"^title[ \t]*[:=](.+)$", re.MULTILINE)
ANCHOR = re.compile(r"\{#([^\s{}]+)(?:\s[^{}]*)?\}$")
INLINE = re.compile(r"<(/?)([a-z]+)", re.IGNORECASE)
STRUCK = ("del", "s", "strike")
HEIGHTS = {"sup": raised, "sub": lowered}
BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)


def read_markdown(text: str) -> Outline:
    """The blocks of a Markdown text. Front matter is left out; its `title` is the title where no heading is."""
    text = text.replace("\r\n", "\n")
    matter = FRONT_MATTER.match(text)
    outline = Outline()
    parser = MarkdownIt("commonmark", {"maxNesting": DEEPEST}).enable(["table", "strikethrough"])
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
                outline.add_table(_rows(tokens[place:end], outline), 1)
            else:
                outline.add("\n".join(_items(tokens[place:end], outline)), code=True)
        elif token.type == "heading_open":
            words = _words(tokens[place + 1], outline)[:LONGEST_HEADING].rstrip()
            named = ANCHOR.search(words)
            anchor = named[1] if named else _slug(words, slugs)
            outline.heading(int(token.tag[1:]), ANCHOR.sub("", words), anchor)
            end = place + 3
        elif token.type in ("fence", "code_block"):
            outline.add(token.content, code=True)
        elif token.type == "html_block":
            add_fragment(outline, token.content)
        elif token.type == "inline":
            outline.add(_words(token, outline))
        place = end


def _end(tokens: Sequence[Token], start: int) -> int:
    """The place after the token that closes the one at `start`."""
    level = tokens[start].level
    return next(n + 1 for n in range(start + 1, len(tokens)) if tokens[n].nesting < 0 and tokens[n].level == level)


def _items(tokens: Sequence[Token], outline: Outline) -> Iterator[str]:
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
            words = _words(token, outline) if token.type == "inline" else token.content
            for line in filter(str.strip, words.split("\n")):
                yield "  " * (depth - 1) + (mark or "  ") + line
                mark = ""


def _rows(tokens: Sequence[Token], outline: Outline) -> Iterator[list[str]]:
    row: list[str] = []
    for token in tokens:
        if token.type == "tr_open":
            row = []
        elif token.type == "inline":
            row.append(_words(token, outline))
        elif token.type == "tr_close":
            yield row


def _words(token: Token, outline: Outline) -> str:
    """The words of a line of Markdown, without its marks and without struck words."""
    found = [""]
    heights: list[tuple[str, int]] = []  # open <sup> and <sub>: the name, and the place where its words begin
    struck = 0
    for child in token.children or ():
        mark = INLINE.match(child.content) if child.type == "html_inline" else None
        name = mark[2].lower() if mark is not None else ""
        is_open = child.type == "s_open" or (name in STRUCK and mark is not None and not mark[1])
        is_close = child.type == "s_close" or (name in STRUCK and mark is not None and bool(mark[1]))
        if is_open:
            struck += 1
            outline.leave_out("struck", is_hidden=False)
        struck = max(struck - is_close, 0)
        if struck or is_open or is_close:
            continue
        if name in HEIGHTS and mark is not None:
            if not mark[1]:
                heights.append((name, len(found)))
            elif heights and heights[-1][0] == name:
                _, begin = heights.pop()
                found[begin:] = [HEIGHTS[name]("".join(found[begin:]))]
        else:
            found.append(_flat(child))
    return "".join(found)


def _flat(child: Token) -> str:
    if child.type == "softbreak":
        return " "
    if child.type == "hardbreak" or (child.type == "html_inline" and BREAK.match(child.content)):
        return "\n"
    return "" if child.type == "html_inline" else child.content


def _slug(heading: str, slugs: dict[str, int]) -> str:
    """The anchor that GitHub and others give a heading."""
    slug = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
    count = slugs[slug] = slugs.get(slug, -1) + 1
    return f"{slug}-{count}" if count else slug
