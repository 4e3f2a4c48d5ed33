"""The JSON of the native API: requests, and the lines of answers as chunks. Begin at `StreamReader`.

Everything here accepts what servers, proxies and versions really send: numbers as strings, fields that are missing,
null or of another type, text that shrinks, halves of characters.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from bot.ai import Chunk, Finish, Request, Usage
from bot.errors import ModelProtocolError, ModelRefused, StreamCut
from bot.http.framing import number, parse_json, whole_text
from bot.providers.error_mapping import stream_error
from bot.providers.text_model import LONGEST_ANSWER, shortened
from bot.providers.tool_calls import function, unique, whole_numbers
from bot.types import Message, ToolCall, ToolResult

LONGEST_TEXT = 100_000  # characters the server takes in one message

# --- requests ---------------------------------------------------------------------------------------------------------


def completion(uri: str, request: Request, *, stream: bool, reasons: bool = False) -> dict[str, Any]:
    """Return the body of a completion. Raises `ModelRefused` where nothing is left to ask (empty texts are refused).

    `reasons`: the model has a reasoning mode. Other models refuse the field.
    """
    options: dict[str, Any] = {"stream": stream}
    if request.temperature is not None:
        options["temperature"] = request.temperature
    if request.max_tokens is not None:
        options["maxTokens"] = str(request.max_tokens)
    if request.reasoning and reasons:
        options["reasoningOptions"] = {"mode": "DISABLED" if request.reasoning == "none" else "ENABLED_HIDDEN"}
    messages = [said for message in request.messages if (said := _message(message)) is not None]
    if not messages:
        raise ModelRefused("the request has no text")
    return {"modelUri": uri, "completionOptions": options, "messages": messages, **_wishes(request)}


def _wishes(request: Request) -> dict[str, Any]:
    """Return the fields that say how to answer: with calls of tools, or with an object of a schema."""
    found: dict[str, Any] = {}
    if request.tools:
        found["tools"] = [{"function": function(tool)} for tool in request.tools]
    if request.tools and request.choice:
        mode = CHOICES.get(request.choice)
        found["toolChoice"] = {"mode": mode} if mode else {"functionName": request.choice}
    if request.schema is not None:
        found["jsonSchema"] = {"schema": dict(request.schema)}
    return found


def _message(message: Message) -> dict[str, Any] | None:
    """Return one of text, calls and results: the server takes exactly one. Calls have no ids: names match results."""
    calls = [part for part in message.parts if isinstance(part, ToolCall)]
    results = [part for part in message.parts if isinstance(part, ToolResult)]
    if calls:
        items = [{"functionCall": {"name": call.name, "arguments": dict(call.arguments)}} for call in calls]
        return {"role": "assistant", "toolCallList": {"toolCalls": items}}
    if results:
        items = [{"functionResult": {"name": result.name, "content": result.content}} for result in results]
        return {"role": "user", "toolResultList": {"toolResults": items}}
    text = message.text
    if not text.strip():
        return None
    return {"role": message.role, "text": shortened(text, LONGEST_TEXT)}


# --- answers ----------------------------------------------------------------------------------------------------------


def newest(lines: list[str]) -> list[str]:
    """Return the last of some lines of a stream where it repeats all others, otherwise all.

    That is so where all are written as the service writes them, and the others say nothing but a text and its usage.
    Quotes inside a text are escaped, so what is looked for stands in the JSON around it.
    """
    *earlier, last = lines
    repeats = last.startswith(TEXT) and not last.startswith(f'{TEXT}"') and USAGE in last
    return [last] if repeats and all(line.startswith(TEXT) and PARTIAL in line for line in earlier) else lines


class StreamReader:
    """Turns the lines of a completion, each with the whole text so far, into chunks of what is new.

    Also reads an answer that was not streamed: its body is one line. After the chunk with `finish` everything else is
    ignored. `end` must be called when the lines are over.
    """

    def __init__(self, *, trace: str = "", taken: Set[str] = frozenset()) -> None:
        self.done = False
        self._taken = taken
        self._text = ""
        self._usage: Usage | None = None
        self._broken = False
        self._trace = trace

    @property
    def whole(self) -> bool:
        """Whether a line has said that the answer is complete."""
        return self.done

    def feed(self, line: str) -> Chunk | None:
        """Read one line and return what is new in it, None where nothing is. Raises the `ModelError` that the line
        carries, or `ModelProtocolError` where it is not JSON.
        """
        if self.done or not line.strip():
            return None
        if self._broken:
            raise ModelProtocolError("a line of the answer is not JSON", trace=self._trace)
        try:
            value = parse_json(line)
        except ModelProtocolError:
            self._broken = True  # no fault of the server's words if this is the last line, cut in the middle: see `end`
            return None
        if not isinstance(value, dict):
            raise ModelProtocolError("a line of the answer is not an object", trace=self._trace)
        if error := stream_error(value, trace=self._trace):
            raise error
        return self._read(_mapping(value.get("result"), value), mended="\\u" in line)

    def end(self) -> Chunk | None:
        """Return None: every line was a chunk. Raises `StreamCut` where no line said that the answer is complete."""
        if not self.done:
            raise StreamCut("the answer ended without its final status", trace=self._trace)
        return None

    def take(self, result: Mapping[str, Any]) -> Chunk | None:
        """Read a `CompletionResponse` that came otherwise than in a line: an operation holds one too."""
        return self._read(result, mended=True)

    def _read(self, result: Mapping[str, Any], *, mended: bool) -> Chunk | None:
        alternatives = result.get("alternatives")
        first = _mapping(alternatives[0]) if isinstance(alternatives, list) and alternatives else {}
        message = _mapping(first.get("message"))
        self._usage = _usage(result.get("usage")) or self._usage
        finish = FINISHES.get(str(first.get("status")))
        self.done = finish is not None
        text = message.get("text")
        text = text if isinstance(text, str) else ""
        if mended:
            text = _mended(text, last=self.done)
        if finish is Finish.FILTERED:
            return Chunk(text, replaces=True, finish=finish, usage=self._usage)
        if len(text) > LONGEST_ANSWER:
            text, finish, self.done = text[:LONGEST_ANSWER], finish or Finish.LENGTH, True
        calls = _calls(message, self._taken) if finish is Finish.TOOLS else ()
        return self._chunk(text, finish, calls)

    def _chunk(self, text: str, finish: Finish | None, calls: tuple[ToolCall, ...]) -> Chunk | None:
        # A line without text says nothing about the text: it may be a call, a status, or only numbers.
        before = self._text
        self._text = text or before
        if text.startswith(before):
            new = text[len(before) :]
            return Chunk(new, finish=finish, usage=self._usage, tool_calls=calls) if new or finish else None
        if text:
            return Chunk(text, replaces=True, finish=finish, usage=self._usage, tool_calls=calls)
        return Chunk(finish=finish, usage=self._usage, tool_calls=calls) if finish else None


def _mended(text: str, *, last: bool) -> str:
    """Return valid Unicode without NUL. Half a surrogate pair at the very end waits for its other half in the next
    line.
    """
    if not last and text and "\ud800" <= text[-1] <= "\udbff":
        text = text[:-1]
    return whole_text(text).replace("\0", "\ufffd")


def _usage(value: Any) -> Usage | None:
    if not isinstance(value, dict):
        return None
    prompt, completion = number(value.get("inputTextTokens")), number(value.get("completionTokens"))
    if prompt is None or completion is None:
        return None
    details = _mapping(value.get("completionTokensDetails"))
    return Usage(prompt, completion, number(details.get("reasoningTokens")) or 0)


def _calls(message: Mapping[str, Any], taken: Set[str]) -> tuple[ToolCall, ...]:
    """Return the calls, with ids that are made here: the native API has none."""
    items = _mapping(message.get("toolCallList")).get("toolCalls")
    found: list[ToolCall] = []
    for item in items if isinstance(items, list) else ():
        call = _mapping(_mapping(item).get("functionCall"))
        name = call.get("name")
        if isinstance(name, str) and name:
            id = unique("", name, taken | {call.id for call in found})
            found.append(ToolCall(id, name, whole_numbers(_mapping(call.get("arguments")))))
    return tuple(found)


def _mapping(value: Any, otherwise: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else otherwise or {}


TEXT = '{"result":{"alternatives":[{"message":{"role":"assistant","text":"'
PARTIAL, USAGE = '"status":"ALTERNATIVE_STATUS_PARTIAL"', '"usage":{'

CHOICES: Mapping[str, str] = {"none": "NONE", "required": "REQUIRED"}

FINISHES: Mapping[str, Finish] = {
    "ALTERNATIVE_STATUS_FINAL": Finish.STOP,
    "ALTERNATIVE_STATUS_TRUNCATED_FINAL": Finish.LENGTH,
    "ALTERNATIVE_STATUS_CONTENT_FILTER": Finish.FILTERED,
    "ALTERNATIVE_STATUS_TOOL_CALLS": Finish.TOOLS,
}
