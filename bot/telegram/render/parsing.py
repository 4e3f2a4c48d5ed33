"""Parses a model's Markdown into a `Document`. Begin with `parse`; the grammar is in `grammar`, the links in `links`.

`parse` never fails and never loses text: what is no markup is text. It takes time in proportion to its input.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache

from markdown_it.token import Token

from bot.telegram.render import links
from bot.telegram.render.cleaning import clean, is_visible
from bot.telegram.render.defusing import defused, defused_runs
from bot.telegram.render.document import (
    BOLD,
    CODE,
    FORMULA,
    ITALIC,
    STRIKE,
    Block,
    Code,
    Document,
    Folded,
    Formula,
    Heading,
    Item,
    List,
    Paragraph,
    Quote,
    Rule,
    Run,
    Runs,
    Table,
    text_of,
)
from bot.telegram.render.grammar import Markdown
from bot.types import FOLDED

MAX_REMEMBERED = 1_500  # characters of an inline text that is kept parsed

_MARKDOWN = Markdown()
_SPECIAL = re.compile(r"[!*<\\\[_`~$]")
_CHECKBOX = re.compile(r"\[([ xX])\][ \t]+")
_BR = re.compile(r"<br\s*/?>", re.I)
_LANGUAGE = re.compile(r"[\w+#.-]{1,32}")
_ATTRIBUTES = re.compile(r"(?>(?:\s*+(?:\{[^{}]*\}|[\w-]++=(?>(?:\{[^{}]*\}|\S)+)))*)")


def parse(markdown: str) -> Document:
    """Return the document of a text in Markdown as language models write it, finished or not."""
    text = clean(markdown)
    found = tuple(_blocks(iter(_MARKDOWN.blocks(text)))) if text else ()
    if not found and is_visible(text):  # nothing but markup, such as a lone fence: better seen than lost
        found = (Paragraph(tuple(defused(text.strip()))),)
    return Document(found)


# --- blocks -----------------------------------------------------------------------------------------------------------


def _blocks(tokens: Iterator[Token]) -> Iterator[Block]:
    for token in tokens:
        if token.nesting < 0:
            return
        block = _READERS[token.type](token, tokens)
        if block is not None:
            yield block


def _paragraph(_: Token, tokens: Iterator[Token]) -> Block | None:
    runs = _content(tokens)
    return Paragraph(runs) if runs else None


def _heading(token: Token, tokens: Iterator[Token]) -> Block | None:
    runs = _content(tokens)
    return Heading(int(token.tag[1]), runs) if runs else None


def _content(tokens: Iterator[Token]) -> Runs:
    content = next(tokens).content
    next(tokens)
    return inline(content)


def _fence(token: Token, _: Iterator[Token]) -> Block | None:
    language, rest = _info(token.info.strip())
    text = "\n".join(token.content.rstrip().split("\n")).lstrip("\n")
    text = f"{rest}\n{text}".rstrip("\n") if rest else text
    if not is_visible(text):
        return None
    return Formula(text.strip()) if language == "math" else Code(text, language)


def _info(info: str) -> tuple[str, str]:
    """Return the language of a fence, and the words behind it that are no language, so that they are shown too."""
    found = _LANGUAGE.match(info)
    rest = info[found.end() :] if found else info
    return (found[0].lower(), "") if found and _ATTRIBUTES.fullmatch(rest) else ("", info)


def _formula(token: Token, _: Iterator[Token]) -> Block:
    return Formula(token.content)


def _rule(_: Token, __: Iterator[Token]) -> Block:
    return Rule()


def _quote(_: Token, tokens: Iterator[Token]) -> Block | None:
    blocks = tuple(_blocks(tokens))
    return _folded(blocks) or (Quote(blocks) if blocks else None)


def _folded(blocks: tuple[Block, ...]) -> Folded | None:
    """The paragraphs of a quotation as one folded text, if it begins with `FOLDED`; else None."""
    paragraphs = [block.runs for block in blocks if isinstance(block, Paragraph)]
    if len(paragraphs) < len(blocks) or not blocks or not paragraphs[0][0].text.startswith(FOLDED):
        return None
    first = replace(paragraphs[0][0], text=paragraphs[0][0].text.removeprefix(FOLDED))
    runs = [(first, *paragraphs[0][1:]), *paragraphs[1:]]
    return Folded(tuple(run for place, some in enumerate(runs) for run in ((Run("\n"), *some) if place else some)))


def _list(token: Token, tokens: Iterator[Token]) -> Block | None:
    ordered, tight, items = token.type == "ordered_list_open", True, []
    for opened in tokens:
        if opened.nesting < 0:
            break
        loose: list[bool] = []
        items.append(_item(opened, _watched(tokens, loose)))
        tight = tight and not loose
    return List(tuple(items), ordered, int(token.attrs.get("start", 1)), tight) if items else None


def _watched(tokens: Iterator[Token], loose: list[bool]) -> Iterator[Token]:
    """Give the tokens of one item, and note in `loose` whether the list is loose: its items are set apart by blank
    lines.
    """
    level = -1
    for token in tokens:
        level = token.level if level < 0 else level
        if token.type == "paragraph_open" and token.level == level and not token.hidden:
            loose.append(True)
        yield token


def _item(token: Token, tokens: Iterator[Token]) -> Item:
    blocks = list(_blocks(tokens))
    checked = None
    if blocks and isinstance(blocks[0], Paragraph):
        checked, rest = _checkbox(blocks[0].runs)
        if checked is not None:
            blocks[:1] = [Paragraph(rest)] if rest else []
    return Item(tuple(blocks), f"{token.info}{token.markup}" if token.info else "", checked)


def _checkbox(runs: Runs) -> tuple[bool | None, Runs]:
    first = runs[0]
    box = None if first.style or first.url else _CHECKBOX.match(first.text + ("" if runs[1:] else " "))
    if not box:
        return None, runs
    rest = first.text[box.end() :]
    return box[1] != " ", ((Run(rest),) if rest else ()) + runs[1:]


def _table(token: Token, _: Iterator[Token]) -> Block:
    rows = [tuple(_cell(cell) for cell in row) for row in token.meta["rows"]]
    return Table(tuple(token.meta["aligns"]), rows[0], tuple(rows[1:]))


def _cell(source: str) -> Runs:
    return inline(_BR.sub("\n", source).strip()) if source else ()


_READERS: dict[str, Callable[[Token, Iterator[Token]], Block | None]] = {
    "paragraph_open": _paragraph,
    "heading_open": _heading,
    "fence": _fence,
    "formula_block": _formula,
    "hr": _rule,
    "blockquote_open": _quote,
    "bullet_list_open": _list,
    "ordered_list_open": _list,
    "table": _table,
}


# --- inlines ----------------------------------------------------------------------------------------------------------


def inline(source: str) -> Runs:
    """Return the runs of a block's text. Finished blocks of a growing answer come from a cache."""
    if not _SPECIAL.search(source):
        text = "\n".join(line.strip(" \t") for line in source.split("\n")) if "\n" in source else source
        return tuple(defused(text)) if is_visible(text) else ()
    return _remembered(source) if len(source) <= MAX_REMEMBERED else _runs(source)


def _runs(source: str) -> Runs:
    page = _Page()
    for token in _MARKDOWN.inlines(source):
        page.add(token)
    return page.finish()


_remembered = lru_cache(maxsize=2_048)(_runs)


class _Page:
    """Collects inline tokens into runs."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.depth = {BOLD: 0, ITALIC: 0, STRIKE: 0}
        self.style = 0
        self.links: list[tuple[int, str]] = []
        self.text: list[str] = []

    def add(self, token: Token) -> None:
        kind = token.type
        if kind in {"text", "text_special"}:
            if token.content:
                self.text.append(token.content)
        elif kind in {"softbreak", "hardbreak"}:
            self.text.append("\n")
        elif kind in _STYLES:
            self._turn(_STYLES[kind], token.nesting)
        else:
            self._flush()
            self._add_object(token)

    def finish(self) -> Runs:
        self._flush()
        return tuple(defused_runs(self.runs)) if is_visible(text_of(tuple(self.runs))) else ()

    def _turn(self, style: int, nesting: int) -> None:
        self._flush()
        self.depth[style] += nesting
        self.style = self.style | style if self.depth[style] else self.style & ~style

    def _flush(self) -> None:
        if self.text:
            self.runs.append(Run("".join(self.text), self.style))
            self.text.clear()

    def _add_object(self, token: Token) -> None:
        if token.type == "code_inline":
            self.runs.append(Run(token.content, self.style | CODE))
        elif token.type == "formula":
            self.runs.append(Run(token.content, self.style | FORMULA))
        elif token.type == "link_open":
            self.links.append((len(self.runs), str(token.attrs["href"])))
        elif token.type == "link_close":
            start, href = self.links.pop()
            self.runs[start:] = links.link(self.runs[start:], href)
        elif token.type == "image":
            self._add_image(token)

    def _add_image(self, token: Token) -> None:
        """Show a picture as its description, linked to it. A picture is never fetched. Inside a link it is the text of
        that link.

        A picture inside a description stays as it was written, because each level of nesting would be parsed once for
        each level above.
        """
        inner = token.content
        text = inner if "![" in inner else text_of(inline(inner))
        described = [Run(text, self.style)] if text else []
        address = str(token.attrs["src"])
        if self.links:
            self.runs += [*described, Run(f" ({address})" if described else address)]
        else:
            self.runs += links.link(described, address)


_STYLES = {
    "strong_open": BOLD,
    "strong_close": BOLD,
    "em_open": ITALIC,
    "em_close": ITALIC,
    "s_open": STRIKE,
    "s_close": STRIKE,
}
