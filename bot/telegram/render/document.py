"""The tree of an answer whose Markdown is parsed: small frozen blocks, made by `parse` in `parsing`.

Inline text is not nested: a block holds a flat tuple of `Run`s, each with its own style, as Telegram's entities are
flat too. A line break is a newline inside a run. Only list items and table cells may be empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

BOLD, ITALIC, STRIKE, CODE, FORMULA = 1, 2, 4, 8, 16


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of text with one style, a sum of the constants above; `url` makes it a link."""

    text: str
    style: int = 0
    url: str = ""


Runs = tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph: its runs of text."""

    runs: Runs


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; `level` is 1 (the largest) to 6."""

    level: int
    runs: Runs


@dataclass(frozen=True, slots=True)
class Code:
    """A block of code; `language` is what its fence names, "" for none."""

    text: str
    language: str = ""


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula that stands alone, as TeX without its delimiters."""

    text: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A horizontal rule."""


@dataclass(frozen=True, slots=True)
class Quote:
    """A block quotation."""

    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Folded:
    """A quotation that is shown folded and opens at a tap."""

    runs: Runs


@dataclass(frozen=True, slots=True)
class Item:
    """A list item. `marker` is its number as the model wrote it, such as "3.", and "" for a bullet.

    `checked` tells the state of its checkbox; None is an item without one.
    """

    blocks: tuple[Block, ...]
    marker: str = ""
    checked: bool | None = None


@dataclass(frozen=True, slots=True)
class List:
    """A list. `tight` tells that no blank lines stood between its items."""

    items: tuple[Item, ...]
    ordered: bool = False
    start: int = 1
    tight: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """A table. All rows and `aligns` ("left", "center", "right") are equally long; a cell may be an empty tuple."""

    aligns: tuple[str, ...]
    header: tuple[Runs, ...]
    rows: tuple[tuple[Runs, ...], ...]


Block = Paragraph | Heading | Code | Formula | Rule | Quote | Folded | List | Table


@dataclass(frozen=True, slots=True)
class Document:
    """A whole answer."""

    blocks: tuple[Block, ...] = ()


def text_of(runs: Runs) -> str:
    """Return the text of runs without their styles."""
    return "".join(run.text for run in runs)


def walk(blocks: Iterable[Block]) -> Iterator[Block]:
    """Give every block of the tree, outer blocks before inner ones, in reading order."""
    for block in blocks:
        yield block
        if isinstance(block, Quote):
            yield from walk(block.blocks)
        elif isinstance(block, List):
            for item in block.items:
                yield from walk(item.blocks)
