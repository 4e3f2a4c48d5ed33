"""The models of batch runs, and the files that AI Studio hands out: Parquet, and metrics for TensorBoard. Begin with
`BatchModels`. Parquet files need the extra `parquet`.
"""

from __future__ import annotations

import asyncio
import base64
import importlib.util
import json
import re
import struct
from collections.abc import Iterable, Mapping, Set
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.sandbox.ai_studio.generation.text_request import TextRequest
from bot.sandbox.ai_studio.generation.writer import AnswerSource
from bot.sandbox.ai_studio.services.embeddings import Embeddings, TunedClassifier
from bot.sandbox.ai_studio.validation import Uri
from bot.sandbox.ai_studio.wire import Json, count_tokens

if TYPE_CHECKING:
    import pyarrow as pa


OPEN_TOKEN = re.compile(r"[а-яё]{1,4}|\w{1,6}|[^\w\s]", re.IGNORECASE)
PAUSE = 50  # rows between two looks at what else is to be done


class BatchModels:
    """Writes the answers of batch runs, and teaches tuned models.

    The rows of a dataset are answered by the `AnswerSource` that writes all other answers of the sandbox. Tuned models
    are known by the suffix of their URI. A tuned text model answers the questions of its dataset with the answers
    there, and all others as its base model does; each of its texts ends with `[suffix]`. A tuned classifier tells the
    classes of its dataset. A tuned embedding model has vectors of its own.
    """

    def __init__(self, source: AnswerSource, embeddings: Embeddings) -> None:
        self._source = source
        self._embeddings = embeddings

    async def write(self, source: Path, result: Path, uri: Uri, limit: int, schema: Json | None) -> int:
        """Answer all lines of a dataset in their order, each with at most `limit` tokens (0: all), as the lines of a
        result. Returns how many tokens were read and written.
        """
        tokens = 0
        with source.open("rb") as lines, result.open("w") as answers:
            for number, line in enumerate(lines):
                row = json.loads(line)
                request = _request(row, uri, schema)
                text = _shortened(await self._source.text(request), limit)
                more = [count_open(message["text"]) - count_tokens(message["text"]) for message in request.messages]
                tokens += request.prompt_tokens + sum(more) + count_open(text)
                answers.write(_line({"request": row["request"], "response": text}))
                if number % PAUSE == 0:
                    await asyncio.sleep(0)
        return tokens

    def learn(self, suffix: str, task_type: str, rows: Iterable[Json]) -> None:
        """Keep the model with this suffix, which was tuned with these rows: requests can use it from now on."""
        if task_type == "TextToTextGeneration":
            self._source.tuned[suffix] = {row["request"][-1]["text"].strip(): row["response"] for row in rows}
        elif task_type.startswith("TextClassification"):
            rows = list(rows)
            labels = [name for name in rows[0] if name != "text"]
            samples = [{"text": row["text"], "label": name} for row in rows for name in labels if row[name]]
            several = task_type.endswith("Multilabel")
            self._embeddings.tuned[suffix] = TunedClassifier(labels, samples, several=several)


def damage(result: Path, faults: Set[str]) -> None:
    """Change the lines of a result as the failures that are switched on demand: rows are missing, doubled, not asked
    for, out of order, or have their answer under another name.
    """
    if faults.isdisjoint(("missing", "failed_rows", "doubled", "unknown", "shuffled", "column")):
        return
    found = [json.loads(line) for line in result.read_text().splitlines()]
    if not faults.isdisjoint(("missing", "failed_rows")):
        found = [row for number, row in enumerate(found, 1) if number % 3]
    if "doubled" in faults:
        found += found[2::3]
    if "unknown" in faults:
        found.append({"request": [{"role": "user", "text": "nobody asked this"}], "response": "An answer to nobody."})
    if "shuffled" in faults:
        found = found[1::2] + found[::2]
    if "column" in faults:
        found = [{"request": row["request"], "answer": row["response"]} for row in found]
    result.write_text("".join(map(_line, found)))


def count_open(text: str) -> int:
    """How many tokens the open models, which batch runs have, count in a text: more for Russian than YandexGPT."""
    return sum(1 for _ in OPEN_TOKEN.finditer(text))


def _line(row: Json) -> str:
    return json.dumps(row) + "\n"


def _shortened(text: str, limit: int) -> str:
    """A text with at most so many tokens (0: all)."""
    ends = [token.end() for token in islice(OPEN_TOKEN.finditer(text), limit + 1)]
    return text[: ends[limit - 1]] if limit and len(ends) > limit else text


def _request(row: Json, uri: Uri, schema: Json | None) -> TextRequest:
    messages, pictures = [], []
    for message in row["request"]:
        content = message.get("text", message.get("content"))
        parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
        pictures += [base64.b64decode(part["image"]) for part in parts if part["type"] == "image"]
        text = "\n".join(part["text"] for part in parts if part["type"] == "text")
        messages.append({"role": message["role"], "text": text})
    return TextRequest(uri, messages, streams=False, limit=0, schema=schema, pictures=pictures)


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
