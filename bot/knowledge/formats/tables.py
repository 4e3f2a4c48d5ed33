"""Tables as text that keeps what its places mean: `table_rows`. Cells come in as cells and are never joined before.

A reader of a table looks up at its head. A passage is read without it, so each row repeats the names of its columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, takewhile, zip_longest
from typing import NamedTuple

from bot.knowledge.formats.signs import spelled
from bot.knowledge.formats.tidying import one_line

LONG_ROW = 600  # characters of a table's row that stands on one line
YEAR = re.compile(r"(?:19|20)\d\d")
FOOTNOTE = ("*", "†", "‡", "¹")
MOST_COLUMNS, MOST_ROWS, MOST_SPANNED = 1_000, 20_000, 100
MOST_HEADS = 3  # rows of a head without marks


class Spanned(str):
    """The value of a merged cell in a place that the cell covers, but does not begin in."""

    __slots__ = ()


Row = Sequence[str]


class Cell(NamedTuple):
    """A cell as HTML has it: the columns and rows that it covers, and whether it is marked as a head."""

    text: str
    columns: int = 1
    rows: int = 1
    is_head: bool = False


def filled(table: Sequence[Sequence[Cell]]) -> tuple[list[list[str]], int | None]:
    """The rows of a table in which merged cells stand in all their places, and how many of them are its head: 0 if only
    the first cells of rows are marked, None if nothing is.
    """
    rows, left = list[list[str]](), dict[int, tuple[int, str]]()  # by column: how many rows follow, the text
    for row in table[:MOST_ROWS]:
        cells = list[str]()
        for cell in (*row[:MOST_COLUMNS], None):
            while (above := left.get(len(cells), (0, "")))[0] > 0:
                left[len(cells)] = (above[0] - 1, above[1])
                cells.append(Spanned(above[1]))
            for column in range(min(cell.columns, MOST_SPANNED) if cell is not None else 0):
                if cell is not None and cell.rows > 1:
                    left[len(cells)] = (min(cell.rows, MOST_SPANNED) - 1, cell.text)
                cells.append(Spanned(cell.text) if column and cell is not None else cell.text if cell else "")
        rows.append(cells)
    heads = list(takewhile(lambda row: bool(row) and all(cell.is_head for cell in row), table))
    return rows, len(heads) or (0 if any(cell.is_head for row in table for cell in row) else None)


def table_rows(rows: Iterable[Row], heads: int | None = None) -> Iterator[str]:
    """The rows of a table as "Column: value; Column: value"; a long row has a line for each column.

    `heads` is how many rows the document marks as its head; None: it marks none. Then the head is found: the last rows
    of words above rows with numbers, else the first row, unless it has a number itself. A title above it, a note below
    it and a row that spans the table stand alone; after the latter its words begin each row. Two columns without any
    sign of a head are names and their values.
    """
    names: list[str] = []
    section = ""
    for number, part in enumerate(_parts(rows)):
        count, is_marked = heads or 0, heads is not None
        while part and _is_title(part[0]) and (len(part) > 1 or not names):
            yield _first(part[0])
            count -= count > 0
            part = part[1:]
        found = count if is_marked and number == 0 else _heads(part, is_first=not names)
        found = found if found < len(part) else 0
        if found:
            names, part, section = _names(part[:found]), part[found:], ""
        for row in part:
            if _is_span(row) or (_is_title(row) and row[0].startswith(FOOTNOTE)):
                section = "" if row[0].startswith(FOOTNOTE) else _first(row)
                yield _first(row)
            elif list(row) != names:  # a head that is repeated on each page
                yield _line(names, row, section)


def _parts(rows: Iterable[Row]) -> Iterator[list[list[str]]]:
    """The rows that stand together, without the empty rows and columns around them."""
    cells = [[_cell(cell) for cell in row] for row in rows]
    width = max((len(row) for row in cells), default=0)
    cells = [row + [""] * (width - len(row)) for row in cells]
    used = [place for place in range(width) if any(row[place] for row in cells)]
    for is_filled, part in groupby(cells, key=any):
        if is_filled:
            yield [[row[place] for place in used] for row in part]


def _cell(cell: str) -> str:
    text = one_line(spelled(cell))
    return Spanned(text) if isinstance(cell, Spanned) else text


def _first(row: Row) -> str:
    return next(filter(None, row), "")


def _is_title(row: Row) -> bool:
    """Whether a row of several columns has one value only: words above the table, or a note below it."""
    own = [cell for cell in row if cell and not isinstance(cell, Spanned)]
    return len(row) > 1 and len(own) == 1 and all(cell in ("", own[0]) for cell in row) and not _is_number(own[0])


def _is_span(row: Row) -> bool:
    """Whether one merged cell is the whole row."""
    return _is_title(row) and all(row) and len(row) > 2


def _heads(rows: Sequence[Row], *, is_first: bool) -> int:
    """How many of the rows are a head. A later part of a table has one only if its columns say so."""
    if len(rows) < 2 or len(rows[0]) < 2:
        return 0
    count = 1
    while count < min(len(rows) - 1, MOST_HEADS) and _goes_on(rows, count):
        count += 1
    below = rows[count:]
    told = any(_is_value(rows[count - 1][place], below, place) for place in range(len(rows[0])))
    words = not any(_is_number(cell) and not YEAR.fullmatch(cell) for row in rows[:count] for cell in row)
    if told:
        return count if words else 0
    has_numbers = any(map(_is_number, (cell for row in rows[:count] for cell in row)))
    return count if is_first and len(rows[0]) > 2 and not has_numbers else 0


def _goes_on(rows: Sequence[Row], count: int) -> bool:
    """Whether a head has another row: cells of the one above are merged, or empty above words that name columns."""
    above, row = rows[count - 1], rows[count]
    if any(map(_is_number, row)) or not _is_wide(above):
        return False
    if any(isinstance(cell, Spanned) for cell in row):
        return True
    spans = any(isinstance(cell, Spanned) and row[place] for place, cell in enumerate(above) if place)
    splits = any(not cell and row[place] for place, cell in enumerate(above))
    numbers = any(_is_number(cell) for later in rows[count + 1 :] for cell in later)
    return spans or (splits and numbers and any(not cell for cell in row))


def _is_wide(row: Row) -> bool:
    return any(isinstance(cell, Spanned) or not cell for cell in row)


def _is_value(name: str, rows: Sequence[Row], place: int) -> bool:
    """Whether a column has numbers below a name that is none. A year may be a name, but not above years."""
    values = [row[place] for row in rows if row[place]]
    is_year = bool(YEAR.fullmatch(name))
    numbers = [value for value in values if _is_number(value) and not (is_year and YEAR.fullmatch(value))]
    return bool(name) and (is_year or not _is_number(name)) and 2 * len(numbers) > len(values)


def _names(rows: Sequence[Row]) -> list[str]:
    """The names of the columns: of a head of several rows the words of all, each once."""
    filled = [_filled(row) if rows[number + 1 :] else list(row) for number, row in enumerate(rows)]
    return [" ".join(dict.fromkeys(filter(None, column))) for column in zip(*filled, strict=True)]


def _filled(row: Row) -> list[str]:
    """A row of a head in which a name counts for the empty columns to its right."""
    found = list[str]()
    for cell in row:
        found.append(str(cell) or (found[-1] if found else ""))
    return found


def _line(names: Sequence[str], row: Row, section: str) -> str:
    if not names and len(row) == 2 and all(row):
        return f"{row[0].rstrip(':')}: {row[1]}"
    named = [
        f"{name}: {value}" if name and name != value else value
        for name, value in zip_longest(names, row, fillvalue="")
        if value
    ]
    named = [section, *named] if section else named
    return ("; " if sum(map(len, named)) <= LONG_ROW else "\n").join(named)


def _is_number(text: str) -> bool:
    return bool(text) and not any(letter.isalpha() for letter in text)
