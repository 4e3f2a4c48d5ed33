"""Datasets as Parquet files, in which AI Studio hands them out. Begin with `convert`; needs the extra `parquet`."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.sandbox.ai_studio.wire import Json

if TYPE_CHECKING:
    import pyarrow as pa

HOW = "results are Parquet files, and the sandbox cannot write them: pip install 'govorun[parquet]'"
GROUP = 10_000  # rows that are held in memory


def is_installed() -> bool:
    """Whether Parquet files can be written."""
    return importlib.util.find_spec("pyarrow") is not None


def convert(source: Path, path: Path) -> None:
    """Write the lines of a file, which were found valid, as a Parquet file."""
    with source.open("rb") as lines:
        write(path, map(json.loads, lines))


def write(path: Path, rows: Iterable[Json]) -> None:
    """Write rows, whose first one decides which columns there are. No rows make a file without columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = iter(rows)
    first = next(found, {})
    schema = pa.schema([(name, _type(value)) for name, value in first.items()])
    with pq.ParquetWriter(path, schema) as writer:
        for group in _groups(first, found):
            table = [{name: _cell(value) for name, value in row.items()} for row in group]
            writer.write_table(pa.Table.from_pylist(table, schema=schema))


def _groups(first: Json, rest: Iterator[Json]) -> Iterator[list[Json]]:
    yield [first, *islice(rest, GROUP - 1)] if first else []
    while group := list(islice(rest, GROUP)):
        yield group


def _type(value: Any) -> pa.DataType:
    """The type of a column: messages as recorded, whole numbers, or text."""
    import pyarrow as pa

    if isinstance(value, list):
        return pa.list_(pa.struct([("role", pa.string()), ("text", pa.string())]))
    return pa.int64() if isinstance(value, int) else pa.string()


def _cell(value: Any) -> Any:
    """A value for its column: the parts of a message with pictures become JSON."""
    if not isinstance(value, list):
        return value
    return [{"role": message["role"], "text": _message_text(message)} for message in value]


def _message_text(message: Json) -> str:
    if "text" in message:
        return str(message["text"])
    content = message["content"]
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
