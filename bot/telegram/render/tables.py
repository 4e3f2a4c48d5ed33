"""Shows a table as text: aligned columns where they fit a phone, else row by row. Begin with `grid` and `lines`."""

from __future__ import annotations

import re
import unicodedata

from bot.telegram.render.defusing import defused
from bot.telegram.render.document import BOLD, Run, Runs, Table, text_of

MAX_WIDTH = 60
MAX_REPEATED = 4_000  # characters of headers repeated over all rows

_SIMPLE = re.compile("[ -~\u00a0-\u02ff\u0370-\u058f\u2010-\u2027]*")


def grid(table: Table) -> str:
    """Return the columns aligned with blanks, for a monospaced block; "" if too wide, or if links or line breaks would
    be lost.
    """
    rows = [[text_of(cell) for cell in row] for row in (table.header, *table.rows)]
    if any(run.url or "\n" in run.text for row in (table.header, *table.rows) for cell in row for run in cell):
        return ""
    widths = [max(width(row[column]) for row in rows) for column in range(len(table.aligns))]
    if sum(widths) + 3 * (len(widths) - 1) > MAX_WIDTH:
        return ""
    drawn = [_row(row, widths, table.aligns) for row in rows]
    drawn.insert(1, "-+-".join("-" * each for each in widths))
    return "\n".join(drawn)


def _row(row: list[str], widths: list[int], aligns: tuple[str, ...]) -> str:
    columns = zip(row, widths, aligns, strict=True)
    return " | ".join(_pad(cell, size, align) for cell, size, align in columns).rstrip()


def _pad(text: str, size: int, align: str) -> str:
    missing = size - width(text)
    left = missing if align == "right" else missing // 2 if align == "center" else 0
    return " " * left + text + " " * (missing - left)


def width(text: str) -> int:
    """Return the columns that `text` takes in a monospaced font."""
    if _SIMPLE.fullmatch(text):
        return len(text)
    return sum(_columns(char) for char in text)


def _columns(char: str) -> int:
    if unicodedata.category(char) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def lines(table: Table) -> list[Runs]:
    """Return a line "header: value" for each filled cell, with an empty line between rows; whole rows if headers are
    too long. A header without any values stands in the first row.
    """
    if not table.rows or sum(len(text_of(cell)) for cell in table.header) * len(table.rows) > MAX_REPEATED:
        return [_barred(row) for row in (table.header, *table.rows)]
    found: list[Runs] = []
    bare = {column for column in range(len(table.header)) if not any(row[column] for row in table.rows)}
    for number, row in enumerate(table.rows):
        found += [()] if found else []
        for column, (header, cell) in enumerate(zip(table.header, row, strict=True)):
            if cell or (number == 0 and header and column in bare):
                found.append(_labelled(header, cell))
    return found


def _labelled(header: Runs, cell: Runs) -> Runs:
    label = defused(text_of(header).replace("\n", " ").rstrip(":"), BOLD)
    return (*label, Run(": " if cell else ":"), *cell) if label else cell


def _barred(row: tuple[Runs, ...]) -> Runs:
    found: list[Run] = []
    for index, cell in enumerate(row):
        found += [Run(" | "), *cell] if index else cell
    return tuple(found)
