"""What an answer says once its Markdown is understood: a small frozen tree of blocks, made by `parse` in `parsing`.

Inline text is not nested: a block holds a flat tuple of `Run`s, each with its own style, as Telegram's entities are
flat too. A line break is a newline inside a run. Only list items and table cells may be empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

BOLD, ITALIC, STRIKE, CODE, FORMULA = 1, 2, 4, 8, 16


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of text with one look. `style` is a sum of the constants above; `url` makes it a link."""

    text: str
    style: int = 0
    url: str = ""


Runs = tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Paragraph:
    runs: Runs


@dataclass(frozen=True, slots=True)
class Heading:
    """`level` is 1 (the largest) to 6."""

    level: int
    runs: Runs


@dataclass(frozen=True, slots=True)
class Code:
    text: str
    language: str = ""


@dataclass(frozen=True, slots=True)
class Formula:
    """TeX source of a formula that stands alone, without its delimiters."""

    text: str


@dataclass(frozen=True, slots=True)
class Rule:
    pass


@dataclass(frozen=True, slots=True)
class Quote:
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Folded:
    """A text that is unfolded by a tap."""

    runs: Runs


@dataclass(frozen=True, slots=True)
class Item:
    """`marker` is the number as the model wrote it, such as "3." ("" for a bullet); `checked` is None without a box."""

    blocks: tuple[Block, ...]
    marker: str = ""
    checked: bool | None = None


@dataclass(frozen=True, slots=True)
class List:
    """`tight`: the items stood without blank lines between them."""

    items: tuple[Item, ...]
    ordered: bool = False
    start: int = 1
    tight: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """All rows and `aligns` ("left", "center", "right") are equally long; a cell may be an empty tuple."""

    aligns: tuple[str, ...]
    header: tuple[Runs, ...]
    rows: tuple[tuple[Runs, ...], ...]


Block = Paragraph | Heading | Code | Formula | Rule | Quote | Folded | List | Table


@dataclass(frozen=True, slots=True)
class Document:
    blocks: tuple[Block, ...] = ()


def text_of(runs: Runs) -> str:
    return "".join(run.text for run in runs)


def walk(blocks: Iterable[Block]) -> Iterator[Block]:
    """Every block of the tree, outer ones first, in reading order."""
    for block in blocks:
        yield block
        if isinstance(block, Quote):
            yield from walk(block.blocks)
        elif isinstance(block, List):
            for item in block.items:
                yield from walk(item.blocks)
