"""Tools and their calls as all APIs write them: descriptions of tools, ids and arguments of calls."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Set
from itertools import count
from typing import Any

from bot.ai import Request, ToolSpec
from bot.types import ToolCall

CHOICES = frozenset({"none", "required"})  # of `Request.choice`: any other is the name of a tool
# stands in for arguments that are no JSON object: no tool has it, so the model gets a complaint
UNREADABLE = "unreadable"


def function(tool: ToolSpec) -> dict[str, Any]:
    """Return the JSON description of a tool."""
    return {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}


def taken_ids(request: Request) -> Set[str]:
    """Return the ids of the calls that the conversation already has."""
    parts = (part for message in request.messages for part in message.parts)
    return {part.id for part in parts if isinstance(part, ToolCall)}


def calls(found: Iterable[tuple[str, Any, Mapping[str, Any]]], taken: Set[str]) -> tuple[ToolCall, ...]:
    """Return the calls (id, name, arguments) that have a name, each with an id that is not `taken`.

    Some servers give the tool's name as the id each time, or no id.
    """
    made: list[ToolCall] = []
    for id, name, given in found:
        if isinstance(name, str) and name:
            known = taken | {call.id for call in made}
            others = (other for number in count(1) if (other := f"{id or name}-{number}") not in known)
            made.append(ToolCall(id if id and id not in known else next(others), name, given))
    return tuple(made)


def arguments(text: str) -> Mapping[str, Any]:
    """Return the arguments of a call as an object. Whole numbers that came as 5.0 become ints."""
    if not text.strip():
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    return whole_numbers(value) if isinstance(value, dict) else {UNREADABLE: text[:2_000]}


def whole_numbers(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return `arguments` with floats such as 5.0 as ints, also inside lists and objects."""
    try:
        return {name: _whole(value) for name, value in arguments.items()}
    except RecursionError:
        return {UNREADABLE: "nested too deeply"}


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    return value
