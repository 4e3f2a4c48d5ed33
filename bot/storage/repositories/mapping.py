"""What repositories share: addresses as columns and conditions, messages and answers as JSON."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from functools import cache
from itertools import chain
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Executable, Row, and_, bindparam, literal_column

from bot.ai import Request
from bot.clock import Clock
from bot.storage.engines.job_notify import Queue
from bot.storage.engines.prepared import NOTHING, Prepared
from bot.storage.rows import COLUMNS, FIELDS, Rows
from bot.types import Address, Attachment, Button, File, Image, Outgoing, Part, Text, ToolCall, ToolResult

T = TypeVar("T")
# The fields of an `Outgoing` that few messages have, with the value that they have in all others.
ABSENT = {
    name: getattr(Outgoing(), name)
    for name in ("reply_button", "entities", "copy", "relays", "joins", "refs", "over", "keeps_place", "captioned")
}
KINDS: dict[str, type[Any]] = {kind.__name__.lower(): kind for kind in (Text, Image, Attachment, ToolCall, ToolResult)}


class Repository(Rows):
    """Base of the repositories: queries about one subject, in a transaction that the caller commits."""

    def __init__(self, connection: Connection, clock: Clock, queue: Queue) -> None:
        self.connection = connection
        self.clock = clock
        self.queue = queue

    def _find(
        self, read: Callable[[Any], T], query: Executable | Prepared, values: Mapping[str, Any] = NOTHING
    ) -> T | None:
        """What `read` makes of the only row of a query, None if there is none."""
        found: Any = self.execute(query, values) if isinstance(query, Prepared) else self.connection.execute(query)
        row = found.one_or_none()
        return read(row) if row is not None else None


def columns(address: Address) -> dict[str, Any]:
    """Return the columns of an address, for an INSERT."""
    return dict(zip(COLUMNS, FIELDS(address), strict=True))


def at(table: Any, address: Address) -> ColumnElement[bool]:
    """Return the condition that a row belongs to an address."""
    return and_(*(table.c[name] == value for name, value in list(columns(address).items())[1:]))


def here(table: Any) -> ColumnElement[bool]:
    """The condition that a row belongs to an address, as an SQL expression with parameters; `spot` gives their values.

    For statements that are built once: building one takes longer than executing it.
    """
    return and_(*(table.c[name] == bindparam(f"at_{name}") for name in COLUMNS[1:]))


def one_of(column: Any, words: Sequence[str]) -> ColumnElement[bool]:
    """The condition that a column has one of some constants, which become part of the statement."""
    found: ColumnElement[bool] = column.in_([literal_column(f"'{word}'") for word in words])
    return found


def spot(address: Address) -> dict[str, Any]:
    """The values of the parameters of a statement with `here`, for this address."""
    return {f"at_{name}": value for name, value in columns(address).items()}


def address(row: Row[Any]) -> Address:
    """The address of a row."""
    return Address(*(getattr(row, name) for name in COLUMNS))


def made(kind: Callable[..., T], row: Any, **others: Any) -> T:
    """A dataclass from the columns of a row that are called like its fields; `others` are the rest of the fields."""
    return kind(**{name: getattr(row, name) for name in _fields(kind) if name not in others}, **others)


@cache
def _fields(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def dump_parts(parts: tuple[Part, ...]) -> str:
    """Parts of a message as JSON; an image that is stored as a blob without its bytes."""
    rows = []
    for part in parts:
        row = {"is": type(part).__name__.lower(), **asdict(part)}
        if isinstance(part, Image):
            row["data"] = "" if part.blob else base64.b64encode(part.data).decode()
        rows.append(row)
    return json.dumps(rows, ensure_ascii=False)


def load_parts(text: str) -> tuple[Part, ...]:
    """Parts of a message from the JSON of `dump_parts`."""
    parts: list[Part] = []
    for row in json.loads(text):
        kind = KINDS[row.pop("is")]
        if kind is Image:
            row["data"] = base64.b64decode(row["data"])
        parts.append(kind(**row))
    return tuple(parts)


def dump_request(request: Request, said: Mapping[str, tuple[int, int]]) -> bytes:
    """A request to a model, compressed, without the bytes of its images.

    `said` tells where the texts of the conversation are stored: the id of a message, and which of its texts it is. Such
    a text is kept as a reference with its length, since an answer that is continued later becomes longer.
    """
    kept: list[Any] = []
    for message in request.messages:
        parts: list[Any] = []
        for part in message.parts:
            if isinstance(part, Text) and part.text in said:
                parts.append([*said[part.text], len(part.text)])
            else:
                data = {"data": ""} if isinstance(part, Image) else {}
                parts.append({"is": type(part).__name__.lower(), **asdict(part), **data})
        kept.append([message.role, parts])
    row = {
        "messages": kept, "tools": [asdict(tool) for tool in request.tools], "choice": request.choice,
        "temperature": request.temperature, "max_tokens": request.max_tokens, "reasoning": request.reasoning,
    }  # fmt: skip
    return zlib.compress(json.dumps(row, ensure_ascii=False, default=str).encode())


def load_request(data: bytes, find_parts: Callable[[set[int]], Mapping[int, Sequence[Part]]]) -> dict[str, Any]:
    """A request from `dump_request` as JSON: its messages with `role`, `text` and other `parts`, its tools and options.

    `find_parts` returns the parts of the messages with these ids. A text that was deleted meanwhile is empty.
    """
    row: dict[str, Any] = json.loads(zlib.decompress(data))
    said = find_parts({part[0] for _, parts in row["messages"] for part in parts if isinstance(part, list)})
    texts = {id_: [part.text for part in parts if isinstance(part, Text)] for id_, parts in said.items()}
    messages = []
    for role, parts in row["messages"]:
        words, others = [], []
        for part in parts:
            if isinstance(part, list):
                id_, number, length = part
                words += [text[:length] for text in texts.get(id_, [])[number : number + 1]]
            elif part["is"] == "text":
                words.append(part["text"])
            else:
                others.append(part)
        messages.append({"role": role, "text": "\n".join(words)} | ({"parts": others} if others else {}))
    return {**row, "messages": messages}


def dump_outgoing(outgoing: Outgoing) -> str:
    """Return an answer as JSON, without the bytes of its file: the table has a column for them."""
    row = asdict(outgoing)
    if row["file"]:
        del row["file"]["data"]  # a column of its own
    for button in chain.from_iterable(row["buttons"]):
        if not button["dangerous"]:  # so that a version of before, which runs beside this one, can read the row
            del button["dangerous"]
    for name, absent in ABSENT.items():
        if row[name] == absent:  # an older version does not know these fields
            del row[name]
    return json.dumps(row, ensure_ascii=False)


def load_outgoing(text: str, data: bytes | None) -> Outgoing:
    """An answer from the JSON of `dump_outgoing` and the bytes of its file."""
    row = json.loads(text)
    row["buttons"] = tuple(tuple(Button(**button) for button in line) for line in row["buttons"])
    row.pop("aloud", None)  # a sentence that versions of before kept with each answer for one user
    for name, absent in ABSENT.items():
        if name in row and isinstance(absent, tuple):
            row[name] = tuple(row[name])
    file = row.pop("file", None) or {}
    return Outgoing(**row, file=File(data, **file) if data else None)
