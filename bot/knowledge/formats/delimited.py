"""Reads CSV and TSV: `read_delimited`. The delimiter is the one that fits all lines; in doubt nothing is guessed."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bot.errors import Unreadable

DELIMITERS = (";", ",", "\t", "|")
SAID = re.compile(r"\ufeff?\"?sep=(.)\"?\r?\n", re.IGNORECASE)  # the first line of Excel's files
ENOUGH = 0.8  # of the lines that have as many cells as most


@dataclass(frozen=True, slots=True)
class Delimited:
    """The rows of a file, and the numbers of the lines that have more cells than the others, whose cells can't be told
    apart: they are not among the rows.
    """

    rows: Sequence[Sequence[str]]
    odd: Sequence[int]


def read_delimited(text: str, ending: str = "csv", known: Collection[str] = ()) -> Delimited:
    """Read a table. A head with two of the `known` names decides where several delimiters fit.

    Raises `Unreadable` (broken; delimiter: several fit, or none does).
    """
    said = SAID.match(text)
    if said is not None:
        text = text[said.end() :]
    delimiters = (said[1],) if said is not None else ("\t",) if ending == "tsv" else DELIMITERS
    found = [rows for delimiter in delimiters if (rows := _rows(text, delimiter))]
    if not found:
        if text.strip():
            raise Unreadable("broken")
        return Delimited((), ())
    return _told(_best(found, known))


def _rows(text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    """The rows with the numbers of their last lines, without blank ones and empty cells at their ends; [] if the text
    can't be read so.
    """
    escape = "\\" if '\\"' in text else None
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        skipinitialspace=True,
        escapechar=escape,
        doublequote=escape is None,
    )
    rows = list[tuple[int, list[str]]]()
    try:
        for row in reader:
            while row and not row[-1].strip():
                row.pop()
            if row:
                rows.append((reader.line_num, row))
    except csv.Error:
        return []
    return rows


def _best(found: Sequence[list[tuple[int, list[str]]]], known: Collection[str]) -> list[tuple[int, list[str]]]:
    wide = [rows for rows in found if _width(rows) > 1]
    if not wide:  # a list: signs in some of its lines divide nothing
        return max(found, key=lambda rows: sum(len(row) == 1 for _, row in rows))
    for rows in wide:
        if len({cell.strip().lower() for cell in rows[0][1]} & set(known)) > 1:
            return rows
    ranked = sorted(wide, key=_fit, reverse=True)
    if _fit(ranked[0]) < ENOUGH or (len(ranked) > 1 and _fit(ranked[1]) == _fit(ranked[0])):
        raise Unreadable("delimiter")
    return ranked[0]


def _width(rows: Sequence[tuple[int, list[str]]]) -> int:
    """How many cells most rows have."""
    return Counter(len(row) for _, row in rows).most_common(1)[0][0]


def _fit(rows: Sequence[tuple[int, list[str]]]) -> float:
    """The share of rows that are as wide as the head, or end in empty cells."""
    width = _head_width(rows)
    return sum(1 if len(row) == width else 0.5 for _, row in rows if len(row) <= width) / len(rows)


def _head_width(rows: Sequence[tuple[int, list[str]]]) -> int:
    """The cells of the head: the first row that has more than one, since a title may stand above it."""
    return next((len(row) for _, row in rows if len(row) > 1), 1)


def _told(rows: Sequence[tuple[int, list[str]]]) -> Delimited:
    width = _head_width(rows)
    odd = [line for line, row in rows if len(row) > width]
    return Delimited([row for _, row in rows if len(row) <= width], odd)
