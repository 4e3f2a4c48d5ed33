"""The JSON of the native API: requests, and the lines of answers as chunks. Begin at `StreamReader`.

Everything here accepts what servers, proxies and versions really send: numbers as strings, fields that are missing,
null or of another type, text that shrinks, halves of characters.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Set
from contextlib import aclosing
from typing import Any

from bot.ai import Chunk, Finish, Profile, Request
from bot.errors import ModelRefused, StreamCut
from bot.http.client import Stream
from bot.http.framing import mapping, objects, whole_text
from bot.providers.error_mapping import stream_error
from bot.providers.reader import Reader, counted
from bot.providers.text_model import LONGEST_ANSWER, shortened
from bot.providers.tool_calls import calls, function, taken_ids, whole_numbers
from bot.types import Message, ToolCall, ToolResult

LONGEST_TEXT = 100_000  # characters the server takes in one message

# --- requests ---------------------------------------------------------------------------------------------------------


class NativeWire:
    """Requests and answers of the native API: one line of JSON for each step, with the whole text so far."""

    def __init__(self, uri: str, profile: Profile) -> None:
        self._uri = uri
        self._profile = profile

    def body(self, request: Request, *, stream: bool) -> dict[str, Any]:
        """Return the JSON body of a request. Raises `ModelRefused` if no message is left to send."""
        options: dict[str, Any] = {"stream": stream}
        if request.temperature is not None:
            options["temperature"] = request.temperature
        if request.max_tokens is not None:
            options["maxTokens"] = str(request.max_tokens)
        if request.reasoning and self._profile.reasoning:  # other models refuse the field
            options["reasoningOptions"] = {"mode": "DISABLED" if request.reasoning == "none" else "ENABLED_HIDDEN"}
        messages = [said for message in request.messages if (said := _message(message)) is not None]
        if not messages:  # empty texts are refused
            raise ModelRefused("the request has no text")
        return {"modelUri": self._uri, "completionOptions": options, "messages": messages, **_wishes(request)}

    def reader(self, request: Request, *, trace: str) -> StreamReader:
        """Return a new reader for one answer."""
        return StreamReader(trace=trace, taken=taken_ids(request))

    async def pieces(self, stream: Stream) -> AsyncGenerator[list[str]]:
        """Yield the lines of an open answer. Of lines that arrived together only the last, if it repeats the others."""
        async with aclosing(stream.lines()) as lines:
            async for together in lines:
                yield newest(together)


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
    """Return only the last of these lines of a stream if it repeats all others, otherwise all of them.

    Each line has the whole text so far, so the last one is enough if the others say nothing but a text and its usage.
    That is looked for in the raw JSON: quotes inside a text are escaped, so a text can't be mistaken for a field.
    """
    *earlier, last = lines
    repeats = last.startswith(TEXT) and not last.startswith(f'{TEXT}"') and USAGE in last
    return [last] if repeats and all(line.startswith(TEXT) and PARTIAL in line for line in earlier) else lines


class StreamReader(Reader):
    """Turns the lines of a completion, each with the whole text so far, into chunks of what is new.

    After the chunk with `finish` everything else is ignored.
    """

    def __init__(self, *, trace: str = "", taken: Set[str] = frozenset()) -> None:
        super().__init__(trace=trace, taken=taken)
        self._text = ""
        self._version = ""

    def end(self) -> Chunk | None:
        """Return None: every line was a chunk. Raises `StreamCut` if no line said that the answer is complete."""
        if not self.done:
            raise StreamCut("the answer ended without its final status", trace=self._trace)
        return None

    def _read(self, value: Mapping[str, Any], piece: str) -> Chunk | None:
        if error := stream_error(value, trace=self._trace):
            raise error
        return self.take(mapping(value.get("result")) or value, mended="\\u" in piece)

    def take(self, result: Mapping[str, Any], *, mended: bool = True) -> Chunk | None:
        """Read a `CompletionResponse`, of a stream or of an operation, and return what is new in it.

        `mended`: the response may end in the middle of a character, which is then removed.
        """
        first = next(iter(objects(result.get("alternatives"))), {})
        message = mapping(first.get("message"))
        self._usage = counted(result.get("usage"), *TOKENS) or self._usage
        version = result.get("modelVersion")
        self._version = version[:LONGEST_VERSION] if isinstance(version, str) else self._version
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
        made = _calls(message, self._taken) if finish is Finish.TOOLS else ()
        return self._chunk(text, finish, made)

    def _chunk(self, text: str, finish: Finish | None, calls: tuple[ToolCall, ...]) -> Chunk | None:
        # A line without text says nothing about the text: it may be a call, a status, or only numbers.
        before, self._text = self._text, text or self._text
        replaces = bool(text) and not text.startswith(before)
        new = text if replaces else text[len(before) :]
        if not (new or finish):
            return None
        return Chunk(
            new,
            replaces=replaces,
            finish=finish,
            usage=self._usage,
            tool_calls=calls,
            version=self._version if finish else "",
        )


def _mended(text: str, *, last: bool) -> str:
    """Return valid Unicode without NUL. Half a surrogate pair at the very end waits for its other half in the next
    line.
    """
    if not last and text and "\ud800" <= text[-1] <= "\udbff":
        text = text[:-1]
    return whole_text(text).replace("\0", "\ufffd")


def _calls(message: Mapping[str, Any], taken: Set[str]) -> tuple[ToolCall, ...]:
    """Return the calls, with ids that are made here: the native API has none."""
    items = objects(mapping(message.get("toolCallList")).get("toolCalls"))
    found = [mapping(item.get("functionCall")) for item in items]
    return calls((("", call.get("name"), whole_numbers(mapping(call.get("arguments")))) for call in found), taken)


LONGEST_VERSION = 60  # characters
TEXT = '{"result":{"alternatives":[{"message":{"role":"assistant","text":"'
PARTIAL, USAGE = '"status":"ALTERNATIVE_STATUS_PARTIAL"', '"usage":{'
TOKENS = ("inputTextTokens", "completionTokens", "completionTokensDetails.reasoningTokens")
CHOICES: Mapping[str, str] = {"none": "NONE", "required": "REQUIRED"}
FINISHES: Mapping[str, Finish] = {
    "ALTERNATIVE_STATUS_FINAL": Finish.STOP,
    "ALTERNATIVE_STATUS_TRUNCATED_FINAL": Finish.LENGTH,
    "ALTERNATIVE_STATUS_CONTENT_FILTER": Finish.FILTERED,
    "ALTERNATIVE_STATUS_TOOL_CALLS": Finish.TOOLS,
}
