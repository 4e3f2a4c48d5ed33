"""Collects the blocks of an article under their headings: `Outline`; the rows of a table as text: `table_rows`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

from bot.knowledge.passages import Block
from bot.knowledge.sources.tidying import one_line, tidy

LONG_ROW = 600  # characters of a table's row that stands on one line


class Outline:
    """An article while it is read. The first heading of level 1 before all text becomes the title, if there is none."""

    def __init__(self, title: str = "") -> None:
        self.title = title
        self.blocks: list[Block] = []
        self._above: list[tuple[int, str, str]] = []  # level, text, anchor

    def heading(self, level: int, text: str, anchor: str = "") -> None:
        """Begin a section; level 1 is the outermost."""
        if not (text := one_line(text)):
            return
        if level == 1 and not self.title and not self.blocks and not self._above:
            self.title = text
            return
        while self._above and self._above[-1][0] >= level:
            self._above.pop()
        self._above.append((level, text, anchor))

    def add(self, text: str, *, page: int = 0, code: bool = False) -> None:
        """Add a paragraph, a list, a row or a piece of code to the section. Blank text is left out."""
        if (text := tidy(text, code=code)).strip():
            anchor = self._above[-1][2] if self._above else ""
            self.blocks.append(Block(text, tuple(heading for _, heading, _ in self._above), page, anchor))

    def add_table(self, rows: Iterable[Sequence[str]]) -> None:
        """Add a table: each row a block that repeats the names of its columns, which are the first row."""
        for row in table_rows(rows):
            self.add(row)


def table_rows(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The rows of a table as "Column: value; Column: value"; a long row has a line for each column.

    The first row names the columns, unless it is the only one, has a number in it, or the table has one column.
    """
    cells = [[one_line(cell) for cell in row] for row in rows]
    cells = [row for row in cells if any(row)]
    names = cells[0] if len(cells) > 1 and len(cells[0]) > 1 and not any(map(_is_number, cells[0])) else []
    for row in cells[1:] if names else cells:
        named = [
            f"{name}: {value}" if name and name != value else value
            for name, value in zip_longest(names, row, fillvalue="")
            if value
        ]
        yield ("; " if sum(map(len, named)) <= LONG_ROW else "\n").join(named)


def _is_number(text: str) -> bool:
    return bool(text) and not any(letter.isalpha() for letter in text)
