"""What the subjects share: an address as columns, parts of a message and an answer as JSON text."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, literal_column

from bot.clock import Clock
from bot.storage.engines.job_notify import Queue
from bot.types import Address, Attachment, Button, Ephemeral, File, Image, Outgoing, Part, Text, ToolCall, ToolResult

KINDS: dict[str, type[Any]] = {kind.__name__.lower(): kind for kind in (Text, Image, Attachment, ToolCall, ToolResult)}


class Subject:
    """Questions about one subject, inside a transaction that somebody else commits."""

    def __init__(self, connection: Connection, clock: Clock, queue: Queue) -> None:
        self.connection = connection
        self.clock = clock
        self.queue = queue


def columns(address: Address) -> dict[str, Any]:
    return {
        "transport": address.transport,
        "bot": address.bot,
        "connection": address.connection,
        "chat": address.chat,
        "thread": address.thread,
        "only": address.visible_to,
    }


def at(table: Any, address: Address) -> ColumnElement[bool]:
    return and_(
        table.bot == address.bot,
        table.chat == address.chat,
        table.thread == address.thread,
        table.connection == address.connection,
        table.only == address.visible_to,
    )


def here(table: Any) -> ColumnElement[bool]:
    """The same for a statement that is made once: building one costs more than carrying it out. See `spot`."""
    return and_(
        table.bot == bindparam("b"),
        table.chat == bindparam("c"),
        table.thread == bindparam("t"),
        table.connection == bindparam("n"),
        table.only == bindparam("o"),
    )


def one_of(column: Any, words: Sequence[str]) -> ColumnElement[bool]:
    """The same as `in_` for words of our own, which then are part of the statement and need not be filled in."""
    found: ColumnElement[bool] = column.in_([literal_column(f"'{word}'") for word in words])
    return found


def spot(address: Address) -> dict[str, Any]:
    return {"b": address.bot, "c": address.chat, "t": address.thread, "n": address.connection, "o": address.visible_to}


def address(row: Row[Any]) -> Address:
    return Address(row.transport, row.bot, row.chat, row.thread, row.connection, row.only)


def dump_parts(parts: tuple[Part, ...]) -> str:
    rows = []
    for part in parts:
        row = {"is": type(part).__name__.lower(), **asdict(part)}
        if isinstance(part, Image):
            row["data"] = "" if part.blob else base64.b64encode(part.data).decode()
        rows.append(row)
    return json.dumps(rows, ensure_ascii=False)


def load_parts(text: str) -> tuple[Part, ...]:
    parts: list[Part] = []
    for row in json.loads(text):
        kind = KINDS[row.pop("is")]
        if kind is Image:
            row["data"] = base64.b64decode(row["data"])
        parts.append(kind(**row))
    return tuple(parts)


def dump_outgoing(outgoing: Outgoing) -> str:
    row = asdict(outgoing)
    row["opens"], row["aloud"] = row.pop("ephemeral").values()
    if row["file"]:
        del row["file"]["data"]  # a column of its own
    return json.dumps(row, ensure_ascii=False)


def load_outgoing(text: str, data: bytes | None) -> Outgoing:
    row = json.loads(text)
    row["buttons"] = tuple(tuple(Button(**button) for button in line) for line in row["buttons"])
    file = row.pop("file", None) or {}
    row["ephemeral"] = Ephemeral(row.pop("opens", ""), row.pop("aloud", ""))
    return Outgoing(**row, file=File(data, **file) if data else None)
