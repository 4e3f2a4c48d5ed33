"""Joins tool calls from the pieces that compatible servers stream: `Calls.feed`, then `Calls.made`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

from bot.http.framing import mapping
from bot.providers.tool_calls import arguments, calls
from bot.types import ToolCall

MOST = 64


@dataclass(slots=True)
class Part:
    """One tool call, as far as it has arrived."""

    id: str = ""
    name: str = ""
    arguments: str = ""


class Calls:
    """Joins the pieces of tool calls that arrive in a stream.

    `taken` are the ids of calls that the conversation already has: some servers use an id twice, and such a call gets a
    new id.
    """

    def __init__(self, taken: Set[str] = frozenset()) -> None:
        self._taken = taken
        self._parts: list[Part] = []
        self._open: dict[int, Part] = {}  # by index

    def feed(self, deltas: Any) -> None:
        """Add the pieces of calls that one event carries."""
        for place, delta in enumerate(deltas if isinstance(deltas, list) else ()):
            if isinstance(delta, dict):
                self._add(delta, place)

    def made(self) -> tuple[ToolCall, ...]:
        """Return the complete calls."""
        return calls(((part.id, part.name, arguments(part.arguments)) for part in self._parts), self._taken)

    def _add(self, delta: Mapping[str, Any], place: int) -> None:
        function = mapping(delta.get("function"))
        part = self._part(delta, place, _text(function.get("name")))
        part.id = part.id or _text(delta.get("id"))
        part.name = part.name or _text(function.get("name"))
        given = function.get("arguments")
        part.arguments += json.dumps(given) if isinstance(given, dict) else _text(given)

    def _part(self, delta: Mapping[str, Any], place: int, name: str) -> Part:
        """Return the call that a piece belongs to, by its index, which some servers leave out or never count up."""
        index, id = delta.get("index"), _text(delta.get("id"))
        if not isinstance(index, int) and id and (named := next((one for one in self._parts if one.id == id), None)):
            return named if not (name and _is_whole(named.arguments) and _given(delta)) else self._new(place)
        index = index if isinstance(index, int) else place
        known = self._open.get(index)
        if known is not None and not (name and _is_another(known, id, name, delta)):
            return known
        return self._new(index)

    def _new(self, index: int) -> Part:
        part = self._open[index] = Part()
        if len(self._parts) < MOST:
            self._parts.append(part)
        return part


def _is_another(known: Part, id: str, name: str, delta: Mapping[str, Any]) -> bool:
    """Return whether a piece with a name begins a new call: some servers repeat name and id, or the name, in each
    piece.
    """
    if id and known.id and id != known.id:
        return True
    if not known.name or (id and id == known.id and not _given(delta)):
        return False
    return name != known.name or _is_whole(known.arguments)


def _given(delta: Mapping[str, Any]) -> Any:
    """Return the arguments that a piece brings, None for none."""
    return mapping(delta.get("function")).get("arguments")


def _is_whole(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
