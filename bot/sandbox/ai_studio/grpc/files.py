"""Files that AI Studio hands out: datasets as Parquet files, and the metrics of a tuning for TensorBoard. Begin with
`write_parquet` and `tensorboard`. The former needs the extra `parquet`.
"""

from __future__ import annotations

import importlib.util
import json
import struct
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.sandbox.ai_studio.wire import Json

if TYPE_CHECKING:
    import pyarrow as pa

NO_PARQUET = "results are Parquet files, and the sandbox cannot write them: pip install 'govorun[parquet]'"
GROUP = 10_000  # rows that are held in memory
POLYNOMIAL = 0x82F63B78  # CRC-32C


def writes_parquet() -> bool:
    """Whether Parquet files can be written."""
    return importlib.util.find_spec("pyarrow") is not None


def write_parquet(source: Path, path: Path) -> None:
    """Write the lines of a file, which were found valid, as a Parquet file. The first row decides which columns there
    are; no rows make a file without columns.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with source.open("rb") as lines:
        first = json.loads(next(lines, b"{}"))
        schema = pa.schema([(name, _type(value)) for name, value in first.items()])
        with pq.ParquetWriter(path, schema) as writer:
            group = [first] if first else []
            while True:
                table = [{name: _cell(value) for name, value in row.items()} for row in group]
                writer.write_table(pa.Table.from_pylist(table, schema=schema))
                if not (group := [json.loads(line) for line in islice(lines, GROUP)]):
                    break


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
    return [{"role": message["role"], "text": _text(message)} for message in value]


def _text(message: Json) -> str:
    content = message.get("text", message.get("content"))
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)


def tensorboard(steps: Iterable[tuple[float, int, Mapping[str, float]]]) -> bytes:
    """The file with a record for each step: its Unix time, its number, and its figures by name."""
    return _record(_double(0.0) + _bytes(3, b"brain.Event:2")) + b"".join(
        _record(_double(at) + b"\x10" + _varint(step) + _bytes(5, b"".join(_figure(*one) for one in figures.items())))
        for at, step, figures in steps
    )


def _figure(name: str, value: float) -> bytes:
    return _bytes(1, _bytes(1, name.encode()) + b"\x15" + struct.pack("<f", value))


def _record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + _masked(length) + data + _masked(data)


def _masked(data: bytes) -> bytes:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _double(value: float) -> bytes:
    return b"\x09" + struct.pack("<d", value)


def _bytes(number: int, value: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    return bytes([value & 0x7F | 0x80]) + _varint(value >> 7) if value > 0x7F else bytes([value])


def _entry(crc: int) -> int:
    for _ in range(8):
        crc = crc >> 1 ^ (POLYNOMIAL if crc & 1 else 0)
    return crc


TABLE = [_entry(number) for number in range(256)]
