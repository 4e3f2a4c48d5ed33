"""Turns a document into an `InputRichMessage` made of blocks. Begin with `rich`.

The fields `markdown` and `html` are never used: Telegram's own parser would read the model's text there, and a
`<tg-button>` in it would become a live button. No parser runs over the text of blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from bot.telegram.render.cleaning import clean, is_visible
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
    walk,
)
from bot.telegram.render.layout import lay_out

MAX_CHARACTERS = 32_768
MAX_BLOCKS = 500
MAX_DEPTH = 16
MAX_COLUMNS = 20
MAX_CLASSIC = 4_096
NO_BREAK_SPACE = "\u00a0"

Wire = dict[str, Any]
_STYLES = ((BOLD, "bold"), (ITALIC, "italic"), (STRIKE, "strikethrough"), (CODE, "code"))


def rich(document: Document, note: str = "") -> Wire | None:
    """Return the value of the field `rich_message`; None if the document is empty or beyond Telegram's limits."""
    own = Paragraph((Run(clean(note).strip(), ITALIC),)) if note.strip() else None
    size = _Size()
    for block in (*document.blocks, own):
        if block is not None:
            size.add(block, 1)
    found = _blocks((*document.blocks, own) if own else document.blocks)
    return {"blocks": found} if found and size.fits() else None


def needs_rich(document: Document) -> bool:
    """Return whether blocks show a document better than entities: a table, a task list, a formula, or a long text."""
    if any(map(_gains, walk(document.blocks))):
        return True
    return len(lay_out(document).text) > MAX_CLASSIC


def _gains(block: Block) -> bool:
    match block:
        case Table() | Formula():
            return True
        case List(items):
            return any(item.checked is not None for item in items)
        case Paragraph(runs) | Heading(_, runs):
            return any(run.style & FORMULA for run in runs)
        case _:
            return False


# --- limits -----------------------------------------------------------------------------------------------------------


class _Size:
    """The sizes that Telegram limits: characters, blocks (with list items and table rows), depth, columns."""

    def __init__(self) -> None:
        self.characters = self.blocks = self.depth = self.columns = 0

    def fits(self) -> bool:
        small = self.characters <= MAX_CHARACTERS and self.blocks <= MAX_BLOCKS
        return small and self.depth <= MAX_DEPTH and self.columns <= MAX_COLUMNS

    def add(self, block: Block, depth: int) -> None:
        self.blocks += 1
        self.depth = max(self.depth, depth)
        match block:
            case Paragraph(runs) | Heading(_, runs) | Folded(runs):
                self._add_runs(runs)
            case Code(text, _) | Formula(text):
                self.characters += len(text)
            case Quote(blocks):
                self._add_all(blocks, depth + 1)
            case List(items):
                self.blocks += len(items)
                for item in items:
                    self._add_all(item.blocks, depth + 2)
            case Table(aligns, header, rows):
                self.blocks += 1 + len(rows)
                self.columns = max(self.columns, len(aligns))
                for row in (header, *rows):
                    self.characters += len(row)
                    for cell in row:
                        self._add_runs(cell)

    def _add_all(self, blocks: tuple[Block, ...], depth: int) -> None:
        for block in blocks:
            self.add(block, depth)

    def _add_runs(self, runs: Runs) -> None:
        self.characters += sum(len(run.text) for run in runs)


# --- blocks -----------------------------------------------------------------------------------------------------------


def _blocks(blocks: Sequence[Block]) -> list[Wire]:
    return [made for block in blocks if (made := _block(block))]


def _block(block: Block) -> Wire | None:
    match block:
        case Paragraph(runs):
            return {"type": "paragraph", "text": text(runs)}
        case Heading(level, runs):
            return {"type": "heading", "text": text(runs), "size": level}
        case Code(source, language):
            return {"type": "pre", "text": source, **({"language": language} if language else {})}
        case Formula(source):
            return {"type": "mathematical_expression", "expression": source}
        case Rule():
            return {"type": "divider"}
        case Quote(inner):
            found = _blocks(inner)
            return {"type": "blockquote", "blocks": found} if found else None
        case Folded(runs):
            return {"type": "expandable_blockquote", "text": text(runs)}
        case List(items):
            made = [one for item in items if (one := _item(item))]
            return {"type": "list", "items": made} if made else None
        case Table():
            return _table(block)


def _item(item: Item) -> Wire | None:
    found = _blocks(item.blocks)
    if not found:  # Telegram refuses a whole message for one empty item
        return None
    made: Wire = {"blocks": found}
    if item.checked is not None:
        made["has_checkbox"] = True
        made["is_checked"] = item.checked
    if item.marker:
        made["value"] = int(item.marker[:-1])
        made["type"] = "1"
    return made


def _table(table: Table) -> Wire:
    cells = [[_cell(cell, align, True) for cell, align in zip(table.header, table.aligns, strict=True)]]
    cells += [[_cell(cell, align, False) for cell, align in zip(row, table.aligns, strict=True)] for row in table.rows]
    return {"type": "table", "cells": cells, "is_bordered": True}


def _cell(runs: Runs, align: str, header: bool) -> Wire:
    made: Wire = {"text": text(runs) if runs else NO_BREAK_SPACE, "align": align, "valign": "top"}
    return {**made, "is_header": True} if header else made


# --- rich text --------------------------------------------------------------------------------------------------------


def text(runs: Runs) -> Any:
    """Return a `RichText` of the Bot API: a string, an object, or a list of both."""
    found: list[Any] = []
    for url, group in groupby(runs, key=lambda run: run.url):
        made = [_run(run) for run in group]
        found += [{"type": "url", "text": made[0] if len(made) == 1 else made, "url": url}] if url else made
    return found[0] if len(found) == 1 else found


def _run(run: Run) -> Any:
    made: Any = {"type": "mathematical_expression", "expression": run.text} if run.style & FORMULA else run.text
    if not is_visible(run.text):
        return run.text
    for flag, type in reversed(_STYLES):
        made = {"type": type, "text": made} if run.style & flag else made
    return made
