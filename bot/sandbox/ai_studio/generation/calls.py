"""Tool calls in the answers of both APIs, in the form recorded for each family of models. Begin with `native_calls`."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from bot.sandbox.ai_studio.wire import Json

Call = tuple[str, Mapping[str, Any]]


def native_calls(calls: Sequence[Call]) -> Json:
    """The message with tool calls of the native API: calls have no ids, and every number is a double."""
    rows = [{"functionCall": {"name": name, "arguments": _doubles(dict(arguments))}} for name, arguments in calls]
    return {"role": "assistant", "toolCallList": {"toolCalls": rows}}


def whole_calls(calls: Sequence[Call], *, is_open: bool) -> list[Json]:
    """The tool calls of an OpenAI-compatible answer that is not streamed. `is_open`: of an open model."""
    return [
        _entry(number, _id(name, is_open=is_open), name, _text(given)) for number, (name, given) in enumerate(calls)
    ]


def delta_calls(calls: Sequence[Call], *, is_open: bool, bare: bool) -> list[list[Json]]:
    """The tool calls of an OpenAI-compatible stream, one list for each chunk.

    Yandex's models send all calls in one chunk, open models token by token. `bare`: even the first piece has no type,
    as gemma sends it.
    """
    if not is_open:
        return [whole_calls(calls, is_open=False)]
    found: list[list[Json]] = []
    for number, (name, given) in enumerate(calls):
        found.append([_entry(number, _id(name, is_open=True), name, "", kind="" if bare else "function")])
        found += [[_entry(number, "", "", piece, kind="")] for piece in re.findall(r".{1,4}", _text(given), re.DOTALL)]
    return found


def _entry(number: int, id: str, name: str, arguments: str, *, kind: str = "function") -> Json:
    return {"index": number, "id": id, "type": kind, "function": {"name": name, "arguments": arguments}}


def _id(name: str, *, is_open: bool) -> str:
    return f"chatcmpl-tool-{secrets.token_hex(16)}" if is_open else name


def _text(arguments: Mapping[str, Any]) -> str:
    return json.dumps(dict(arguments), ensure_ascii=False, separators=(",", ":"))


def _doubles(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, list):
        return [_doubles(item) for item in value]
    return {key: _doubles(item) for key, item in value.items()} if isinstance(value, dict) else value
