"""What the readers of all APIs share. A subclass of `Reader` turns the pieces of one answer into chunks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Set
from typing import Any

from bot.ai import Chunk, Usage
from bot.errors import ModelProtocolError
from bot.http.framing import mapping, number, parse_json


class Reader(ABC):
    """Turns the pieces of one answer into chunks; also reads an answer that was not streamed, which is one piece.

    `done`: the answer is complete, ignore what follows. `trace` is the server's id of the request, `taken` are the ids
    of tool calls that the conversation already has.
    """

    def __init__(self, *, trace: str = "", taken: Set[str] = frozenset()) -> None:
        self.done = False
        self._trace = trace
        self._taken = taken
        self._usage: Usage | None = None
        self._broken = False

    @property
    def whole(self) -> bool:
        """Whether the server has said that the answer is complete; token counts may still follow."""
        return self.done

    def feed(self, piece: str) -> Chunk | None:
        """Read one piece and return what is new in it, None if nothing is.

        Raises the `ModelError` that the piece carries, or `ModelProtocolError` if it is no JSON object.
        """
        if self.done or not piece.strip():
            return None
        if self._broken:
            raise ModelProtocolError("a piece of the answer is not JSON", trace=self._trace)
        try:
            value = parse_json(piece)
        except ModelProtocolError:
            self._broken = (
                True  # no fault of the server's words if this is the last piece, cut in the middle: see `end`
            )
            return None
        if not isinstance(value, dict):
            raise ModelProtocolError("a piece of the answer is not an object", trace=self._trace)
        return self._read(value, piece)

    @abstractmethod
    def _read(self, value: Mapping[str, Any], piece: str) -> Chunk | None:
        """Return what is new in the object of a piece."""

    @abstractmethod
    def end(self) -> Chunk | None:
        """Return the last chunk, None if `feed` has returned it. Raises `StreamCut` for an incomplete answer."""


def counted(numbers: Any, prompt: str, completion: str, reasoning: str, *, searches: int = 0) -> Usage | None:
    """Return the token counts that a server gave under these names; None if it gave none.

    `reasoning` is the path to the count of reasoning tokens, "details.name". The details of the prompt, which stand
    under a name like that of the prompt, say how many of its tokens were cached or belong to the service's own tools.
    `searches`: web searches of the model.
    """
    found = mapping(numbers)
    asked, said = number(found.get(prompt)), number(found.get(completion))
    if asked is None or said is None:
        return None
    details, _, name = reasoning.partition(".")
    thought = number(mapping(found.get(details)).get(name)) or 0
    of_prompt = mapping(found.get(f"{prompt}_details"))
    cached = min(number(of_prompt.get("cached_tokens")) or 0, asked)
    tools = min(number(of_prompt.get("tool_tokens")) or 0, asked - cached)
    return Usage(asked, said, thought, searches, cached=cached, tools=tools)
