"""Makes the requests of a run from the rows of a file. Begin with `request_of`.

A request is canonical JSON, so that equal questions are one request and are paid once; its hash joins the answer to the
rows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, cast, get_args

from bot.ai import Request
from bot.batch.rows import Row
from bot.errors import BadInput
from bot.storage.repositories.batch.runs import BatchRequest
from bot.types import Message, Role

ROLES = get_args(Role)


def request_of(row: Row, column: str, system: str = "") -> BatchRequest:
    """Return the request of a row: its question, or the list of messages, below the `system` prompt.

    Raises `BadInput` with the line for a row without a question.
    """
    messages = _messages(row, column)
    if system and messages[0]["role"] == "system":
        raise BadInput(f"line {row.number}: the row has a system prompt of its own, leave out --system")
    if system:
        messages = [{"role": "system", "text": system}, *messages]
    body = _canonical(messages)
    return BatchRequest(hash=_hash(body), place=row.number, body=body)


def line_of(request: BatchRequest) -> bytes:
    """Return the line of a dataset for AI Studio that asks a request."""
    return b'{"request":' + request.body.encode() + b"}\n"


def hash_of(messages: Sequence[Mapping[str, Any]]) -> tuple[str, int]:
    """Return the hash of the request with these messages, as a result of AI Studio has them, and its characters."""
    body = _canonical([{"role": one.get("role"), "text": one.get("text")} for one in messages])
    return _hash(body), len(body)


def _canonical(messages: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps(messages, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _hash(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:32]


def asked(request: BatchRequest, options: Mapping[str, Any]) -> Request:
    """Return the request to a model for a request of a run, with the options of the run (temperature, max_tokens,
    schema).
    """
    messages = tuple(Message.of(one["role"], one["text"]) for one in json.loads(request.body))
    return Request(
        messages, temperature=options.get("temperature"), max_tokens=options.get("max_tokens"),
        schema=options.get("schema"),
    )  # fmt: skip


def _messages(row: Row, column: str) -> list[dict[str, str]]:
    value = row.columns.get(column)
    if isinstance(value, str) and value.lstrip().startswith("[{"):  # a list of messages in a cell of a table
        with suppress(ValueError):  # a question that only looks like one
            value = json.loads(value)
    if isinstance(value, list):
        return _dialog(value, row.number)
    if not isinstance(value, str) or not value.strip():
        raise BadInput(f"line {row.number}: {column} has no question")
    return [{"role": "user", "text": value.strip()}]


def _dialog(value: Sequence[Any], number: int) -> list[dict[str, str]]:
    messages = []
    for one in value:
        text = one.get("text", one.get("content")) if isinstance(one, Mapping) else None
        if not isinstance(text, str) or not text.strip() or one.get("role") not in ROLES:
            raise BadInput(
                f'line {number}: a message is {{"role": "user", "text": "…"}}, with role system, user or assistant'
            )
        messages.append({"role": cast("str", one["role"]), "text": text.strip()})
    if not messages or messages[-1]["role"] != "user":
        raise BadInput(f"line {number}: the last message has to be the user's")
    return messages
