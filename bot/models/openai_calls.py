"""Calls of tools from the pieces that compatible servers send: `Calls.feed`, then `Calls.made`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

from bot.models.yandex import wire
from bot.types import ToolCall

MOST = 64
UNREADABLE = "unreadable"  # the argument that holds what is no JSON object: no tool has it, so that the model is told


@dataclass(slots=True)
class Part:
    """One call as far as it is known."""

    id: str = ""
    name: str = ""
    arguments: str = ""


class Calls:
    """`taken` are the ids of calls that this conversation already has: some servers call each the same."""

    def __init__(self, taken: Set[str] = frozenset()) -> None:
        self._taken = taken
        self._parts: list[Part] = []
        self._open: dict[int, Part] = {}  # by index

    def feed(self, deltas: Any) -> None:
        for place, delta in enumerate(deltas if isinstance(deltas, list) else ()):
            if isinstance(delta, dict):
                self._add(delta, place)

    def made(self) -> tuple[ToolCall, ...]:
        found: list[ToolCall] = []
        for part in self._parts:
            if part.name:
                id = wire.unique(part.id, part.name, self._taken | {call.id for call in found})
                found.append(ToolCall(id, part.name, arguments(part.arguments)))
        return tuple(found)

    def _add(self, delta: Mapping[str, Any], place: int) -> None:
        function = delta.get("function")
        function = function if isinstance(function, dict) else {}
        part = self._part(delta, place, _text(function.get("name")))
        part.id = part.id or _text(delta.get("id"))
        part.name = part.name or _text(function.get("name"))
        given = function.get("arguments")
        part.arguments += json.dumps(given) if isinstance(given, dict) else _text(given)

    def _part(self, delta: Mapping[str, Any], place: int, name: str) -> Part:
        """The call that a piece belongs to: by its index, which some servers leave out or never count up."""
        index = delta.get("index")
        index = index if isinstance(index, int) else place
        known = self._open.get(index)
        id = _text(delta.get("id"))
        another = known is not None and name and (known.id != id or (known.name and _is_whole(known.arguments)))
        if known is not None and not another:
            return known
        part = self._open[index] = Part()
        if len(self._parts) < MOST:
            self._parts.append(part)
        return part


def arguments(text: str) -> Mapping[str, Any]:
    """The arguments of a call as an object, whole numbers as such."""
    if not text.strip():
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    return wire.whole_numbers(value) if isinstance(value, dict) else {UNREADABLE: text[:2_000]}


def _is_whole(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
