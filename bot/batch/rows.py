"""Reads the rows of a user's file, one at a time: JSON lines, CSV or Parquet. Begin with `open_rows`.

Memory does not grow with the file. What is wrong with a row is said with its place in the user's own file.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Never

from bot.errors import BadInput

SAMPLE = 65_536  # bytes by which the encoding and the delimiter of a file are told
GROUP = 500  # rows of a Parquet file in memory
LONGEST_CELL = 1_000_000  # characters: above the window of any model
QUESTIONS = ("question", "request", "messages", "prompt", "text", "вопрос", "запрос", "текст")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a file: `number` is that of its first line, counted from 1 (in Parquet: of the row)."""

    number: int
    columns: Mapping[str, Any]


def open_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a file. Raises `BadInput` for one that can't be read, with the line."""
    read = {
        ".jsonl": _json_lines, ".ndjson": _json_lines, ".csv": _table, ".tsv": _table, ".parquet": _parquet,
    }.get(path.suffix.lower())  # fmt: skip
    if read is None:
        raise BadInput(f"{path.name}: .jsonl, .csv, .tsv or .parquet is expected")
    try:
        yield from read(path)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}") from None


def question_column(row: Row, wanted: str = "") -> str:
    """Return the column that holds the question: the `wanted` one, else the one with a usual name, else the only one.

    Raises `BadInput` if there is none.
    """
    if wanted:
        if wanted in row.columns:
            return wanted
        raise BadInput(f"line {row.number}: there is no column {wanted!r}, only {_list(row.columns)}")
    by_name = {name.strip().lower(): name for name in row.columns}
    if found := next((by_name[name] for name in QUESTIONS if name in by_name), None):
        return found
    if len(row.columns) == 1:
        return next(iter(row.columns))
    raise BadInput(
        f"line {row.number}: which column holds the question? --column names it; there are {_list(row.columns)}"
    )


# --- formats ----------------------------------------------------------------------------------------------------------


def _json_lines(path: Path) -> Iterator[Row]:
    for number, line in _lines(path):
        if not line.strip():
            continue
        try:
            value = json.loads(line, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            raise BadInput(f"{path.name}, line {number}: no JSON ({error})") from None
        if not isinstance(value, dict):
            raise BadInput(f'{path.name}, line {number}: an object like {{"question": "…"}} is expected')
        yield Row(number, _checked(value, path, number))


def _table(path: Path) -> Iterator[Row]:
    lines = _lines(path)
    first = next(((number, line) for number, line in lines if line.strip()), None)
    if first is None:
        return
    csv.field_size_limit(LONGEST_CELL + 1)
    delimiter = max("\t;,", key=first[1].count) if path.suffix.lower() != ".tsv" else "\t"
    reader = csv.reader((line for _, line in chain([first], lines)), delimiter=delimiter, strict=True)
    names: list[str] = []
    before = 0
    try:
        for cells in reader:
            number, before = first[0] + before, reader.line_num
            if not names:
                names = _names(cells, path)
            elif any(cells):
                if len(cells) != len(names):
                    raise BadInput(
                        f"{path.name}, line {number}: {len(cells)} cells, but the first line names {len(names)} columns"
                    )
                yield Row(number, _checked(dict(zip(names, cells, strict=True)), path, number))
    except csv.Error as error:
        raise BadInput(f"{path.name}, line {first[0] + before}: {error}") from None


def _names(cells: Sequence[str], path: Path) -> list[str]:
    names = [cell.strip() for cell in cells]
    if not all(names) or len(set(names)) < len(names):
        raise BadInput(f"{path.name}: the first line has to name each column once, and has {_list(names)}")
    return names


def _parquet(path: Path) -> Iterator[Row]:
    try:
        import pyarrow  # type: ignore[import-not-found,import-untyped,unused-ignore]
        from pyarrow import parquet
    except ModuleNotFoundError:
        raise BadInput("Parquet needs the extra `parquet`: pip install 'govorun[parquet]'") from None
    number = 0
    try:
        # Pages are read one after the other, by one thread: a file may be one group of a million rows.
        with parquet.ParquetFile(path, pre_buffer=False, buffer_size=SAMPLE) as file:
            for batch in file.iter_batches(batch_size=GROUP, use_threads=False):
                for columns in batch.to_pylist():
                    number += 1
                    yield Row(number, _checked(columns, path, number))
    except pyarrow.ArrowException as error:
        raise BadInput(f"{path.name}: no Parquet, or a damaged one ({error})") from None


# --- text -------------------------------------------------------------------------------------------------------------


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text file with their numbers: UTF-8, else the encoding of Russian Windows.

    Raises `BadInput` where a file that began as UTF-8 goes on as something else.
    """
    with path.open("rb") as file:
        encoding = _encoding(file)
        for number, line in enumerate(_raw_lines(file, path), 1):
            try:
                yield number, line.decode(encoding).removeprefix("\ufeff" if number == 1 else "")
            except UnicodeDecodeError as error:
                raise BadInput(f"{path.name}, line {number}: byte {error.start + 1} is no {encoding}") from None


def _raw_lines(file: BinaryIO, path: Path) -> Iterator[bytes]:
    number = 0
    while line := file.readline(8 * LONGEST_CELL):
        number += 1
        if len(line) == 8 * LONGEST_CELL:
            raise BadInput(f"{path.name}, line {number}: longer than {8 * LONGEST_CELL:,} bytes")
        yield line


def _encoding(file: BinaryIO) -> str:
    sample = file.read(SAMPLE)
    file.seek(0)
    try:
        sample.decode()
    except UnicodeDecodeError as error:
        is_cut = len(sample) == SAMPLE and error.start >= SAMPLE - 3  # in the middle of a character
        return "utf-8" if is_cut else "cp1251"
    return "utf-8"


def _checked(columns: Mapping[str, Any], path: Path, number: int) -> Mapping[str, Any]:
    """Return the columns. Raises `BadInput` for a text that no service takes."""
    for name, value in columns.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        if len(text) > LONGEST_CELL:
            raise BadInput(f"{path.name}, line {number}: {name} has more than {LONGEST_CELL:,} characters")
        try:
            f"{name}{text}".encode()
        except UnicodeEncodeError:
            raise BadInput(f"{path.name}, line {number}: {name} has half a character (a lone surrogate)") from None
    return columns


def _no_number(name: str) -> Never:
    raise ValueError(f"{name} is no JSON number")


def _list(names: object) -> str:
    return ", ".join(map(repr, names)) if isinstance(names, (list, Mapping)) else repr(names)
