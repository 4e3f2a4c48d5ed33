"""The Responses API: models that search the web by themselves, agents saved in the console, answers in the background.

Begin at `ResponsesText` and `AsyncResponses`; `ResponseReader` reads both the stream and a whole response.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Set
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from bot.ai import Answered, Chunk, Failed, Finish, Pending, Profile, Request, Source, Usage
from bot.errors import ModelError, ModelProtocolError, ModelRefused, ModelUnavailable, StreamCut
from bot.http.client import Stream
from bot.http.framing import number, parse_json, whole_text
from bot.providers.account import Account
from bot.providers.error_mapping import failure, stream_error
from bot.providers.openai.wire import data_url
from bot.providers.text_model import TextModel, Timeouts, refuse_pictures
from bot.providers.tool_calls import CHOICES, arguments, function, taken_ids, unique
from bot.providers.yandex import operations
from bot.types import Image, Message, Text, ToolCall, ToolResult

UNREASONED = "low"
SEARCHING = "web_search"


@dataclass(frozen=True, slots=True)
class ResponsesTarget:
    """Who answers: a model by its URI, or an agent by the id that the console shows; with `search`, from the web."""

    uri: str = ""
    agent: str = ""
    search: bool = False


class ResponsesText(TextModel):
    """A `Model` over the Responses API. `url` is the base of the OpenAI-compatible API."""

    def __init__(
        self,
        *,
        name: str,
        who: ResponsesTarget,
        profile: Profile,
        account: Account,
        url: str,
        timeouts: Timeouts,
    ) -> None:
        super().__init__(
            name=name,
            profile=profile,
            wire=ResponsesWire(who, profile),
            account=account,
            url=f"{url}/responses",
            timeouts=timeouts,
        )


class AsyncResponses:
    """An `AsyncModel` for models without completionAsync. Answers cost as much as immediate ones."""

    def __init__(self, who: ResponsesTarget, profile: Profile, account: Account, *, url: str) -> None:
        self._wire = ResponsesWire(who, profile)
        self._profile = profile
        self._account = account
        self._url = f"{url}/responses"

    async def submit(self, request: Request) -> str:
        """Send a question and return the id of the response. A request that may have been accepted is not repeated."""
        refuse_pictures(request, self._profile)
        body = self._wire.body(request, stream=False) | {"background": True}
        return await operations.order(self._account, self._url, body)

    async def poll(self, operation: str) -> Pending | Answered | Failed:
        """Return the answer, or `Pending`, or `Failed`. Raises `ModelUnavailable` or `ModelDenied` where that is
        unknown.
        """
        value = await operations.asked(self._account, self._url, operation)
        if value is None:
            return operations.UNKNOWN
        if value.get("status") in RUNNING:
            return Pending()
        reader = ResponseReader()
        try:
            reader.take(value)
            chunk = reader.end()
        except ModelError as error:
            return Failed(str(error), refused=isinstance(error, ModelRefused))
        if not chunk.text.strip():
            return Failed("the response ended without an answer")
        return Answered(chunk.text, chunk.finish or Finish.STOP, chunk.usage)

    async def cancel(self, operation: str) -> bool:
        """Cancel the response and return whether it was cancelled."""
        if not operations.OPERATION.fullmatch(operation):
            return False
        until = self._account.clock.monotonic() + operations.POLLING
        try:
            value = (await self._account.post(f"{self._url}/{operation}/cancel", {}, until=until)).json()
        except ModelRefused:
            return False  # it is done
        return isinstance(value, Mapping) and value.get("status") == "cancelled"


# --- requests ---------------------------------------------------------------------------------------------------------


class ResponsesWire:
    """The wire of the Responses API: named events, and the whole response in the last one."""

    def __init__(self, who: ResponsesTarget, profile: Profile) -> None:
        self._who = who
        self._profile = profile

    def body(self, request: Request, *, stream: bool) -> dict[str, Any]:
        """Return the JSON body of a request. Raises `ModelRefused` where nothing is left to ask."""
        items = [item for message in request.messages for item in _items(message, self._profile)]
        if not items:
            raise ModelRefused("the request has no text")
        found: dict[str, Any] = {"input": items, "stream": stream}
        found |= {"prompt": {"id": self._who.agent}} if self._who.agent else {"model": self._who.uri}
        if told := "\n\n".join(message.text for message in request.messages if message.role == "system"):
            found["instructions"] = told
        if request.temperature is not None:
            found["temperature"] = request.temperature
        if request.max_tokens is not None:
            found["max_output_tokens"] = request.max_tokens
        if request.reasoning and self._profile.reasoning:
            found["reasoning"] = {"effort": UNREASONED if request.reasoning == "none" else request.reasoning}
        return {**found, **self._wishes(request)}

    def reader(self, request: Request, *, trace: str) -> ResponseReader:
        """Return a new reader for one answer."""
        return ResponseReader(trace=trace, taken=taken_ids(request))

    async def pieces(self, stream: Stream) -> AsyncGenerator[list[str]]:
        """Give the data of server-sent events, in lists of those that came together."""
        if "json" in stream.headers.get("content-type", ""):
            yield [(await stream.body()).decode("utf-8", "replace")]
            return
        async with aclosing(stream.events()) as events:
            async for together in events:
                yield [event.data for event in together]

    def _wishes(self, request: Request) -> dict[str, Any]:
        tools: list[dict[str, Any]] = [{"type": "function", **function(tool)} for tool in request.tools]
        if self._who.search:
            tools.append({"type": SEARCHING})
        found: dict[str, Any] = {"tools": tools} if tools else {}
        if request.tools and request.choice:
            named = {"type": "function", "name": request.choice}
            found["tool_choice"] = request.choice if request.choice in CHOICES else named
        if request.schema is not None:
            found["text"] = {"format": {"type": "json_schema", "name": "answer", "schema": dict(request.schema)}}
        return found


def _items(message: Message, profile: Profile) -> list[dict[str, Any]]:
    """Return a message as items of the API. System messages are left out: they are sent as instructions."""
    if message.role == "system":
        return []
    found: list[dict[str, Any]] = []
    for part in message.parts:
        if isinstance(part, ToolCall):
            given = json.dumps(dict(part.arguments), ensure_ascii=False)
            found.append({"type": "function_call", "call_id": part.id, "name": part.name, "arguments": given})
        elif isinstance(part, ToolResult):
            found.append({"type": "function_call_output", "call_id": part.id, "output": part.content or "(nothing)"})
    if content := _content(message, profile):
        found.insert(0, {"role": message.role, "content": content})
    return found


def _content(message: Message, profile: Profile) -> str | list[dict[str, Any]]:
    pictures = [part for part in message.parts if isinstance(part, Image)] if profile.vision else []
    if not pictures:
        return message.text if message.text.strip() else ""
    texts = [{"type": "input_text", "text": part.text} for part in message.parts if isinstance(part, Text)]
    return [*({"type": "input_image", "image_url": data_url(picture)} for picture in pictures), *texts]


# --- answers ----------------------------------------------------------------------------------------------------------


class ResponseReader:
    """Turns the events of a response into chunks. The last one comes from `end`, when the whole response is there."""

    def __init__(self, *, trace: str = "", taken: Set[str] = frozenset()) -> None:
        self.done = False
        self._trace = trace
        self._taken = taken
        self._text = ""
        self._broken = False
        self._last: Chunk | None = None

    @property
    def whole(self) -> bool:
        """Whether the whole response has arrived."""
        return self.done

    def feed(self, piece: str) -> Chunk | None:
        """Read the data of one event and return what is new in it, None where nothing is. Raises the `ModelError`
        that the event carries, or `ModelProtocolError` where it is not JSON.
        """
        if self.done or not piece.strip() or piece.strip() == "[DONE]":
            return None
        if self._broken:
            raise ModelProtocolError("an event of the response is not JSON", trace=self._trace)
        try:
            value = parse_json(piece)
        except ModelProtocolError:
            self._broken = True  # a cut in the middle, if it is the last one: see `end`
            return None
        if not isinstance(value, dict):
            raise ModelProtocolError("an event of the response is not an object", trace=self._trace)
        return self._read(value)

    def take(self, response: Mapping[str, Any]) -> None:
        """Read a whole response and return its chunk. Raises the `ModelError` that its error means."""
        if error := stream_error(response, trace=self._trace):
            raise error
        status, reason = response.get("status"), _mapping(response.get("incomplete_details")).get("reason")
        if status in ("failed", "cancelled"):
            raise ModelUnavailable(f"the response has {status}", trace=self._trace)
        if status in RUNNING:
            return
        self.done = True
        rows = response.get("output")
        output = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        calls = _calls(output, self._taken)
        finish = ENDS.get(str(reason), Finish.LENGTH) if status == "incomplete" else Finish.STOP
        self._last = self._end(_said(output), Finish.TOOLS if calls and finish is Finish.STOP else finish)
        numbers = _usage(response.get("usage"), _searches(output))
        sources = _sources(output)
        last = self._last
        self._last = Chunk(
            text=last.text, replaces=last.replaces, finish=last.finish, usage=numbers, tool_calls=calls, sources=sources
        )

    def end(self) -> Chunk:
        """Return the last chunk. Raises `StreamCut` where the response has no end."""
        if self._last is None:
            raise StreamCut("the response ended in the middle", trace=self._trace)
        return self._last

    def _read(self, value: Mapping[str, Any]) -> Chunk | None:
        kind, delta = str(value.get("type", "")), value.get("delta")
        if kind == "error":
            told = value if value.get("message") else _mapping(value.get("error"))
            raise failure(number(told.get("code")) or 500, 0, str(told.get("message", "")), trace=self._trace)
        if value.get("object") == "response" or "response" in value or value.get("error"):
            if not kind.startswith(BEGINNINGS):
                self.take(_mapping(value.get("response")) or value)
            return None
        if kind == "response.output_item.added":
            item = str(_mapping(value.get("item")).get("type", ""))
            does = item.endswith("_call") and item != "function_call"
            return Chunk(activity=item.removesuffix("_call")) if does else None
        if not isinstance(delta, str) or not delta:
            return None
        if kind in THOUGHTS:
            return Chunk(reasoning=whole_text(delta))
        if kind != "response.output_text.delta":
            return None
        self._text += delta
        return Chunk(whole_text(delta))

    def _end(self, text: str, finish: Finish) -> Chunk:
        """Return what the whole response says beyond its events."""
        if finish is Finish.FILTERED:
            return Chunk(text, replaces=True, finish=finish)
        if text.startswith(self._text):
            return Chunk(whole_text(text[len(self._text) :]), finish=finish)
        return Chunk(whole_text(text), replaces=True, finish=finish) if text else Chunk(finish=finish)


def _said(output: list[dict[str, Any]]) -> str:
    return "".join(str(part.get("text", "")) for part in _parts(output) if part.get("type") == "output_text")


def _parts(output: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = (item.get("content") for item in output if item.get("type") == "message")
    return [part for row in rows if isinstance(row, list) for part in row if isinstance(part, dict)]


def _sources(output: list[dict[str, Any]]) -> tuple[Source, ...]:
    """Return the cited pages, each once. Only their addresses are sure to be filled in."""
    rows = (part.get("annotations") for part in _parts(output))
    notes = [note for row in rows if isinstance(row, list) for note in row if isinstance(note, dict)]
    found: dict[str, Source] = {}
    for note in notes:
        url, title = str(note.get("url") or ""), str(note.get("title") or note.get("filename") or "")
        if url or title:
            found.setdefault(url or title, Source(title, url))
    return tuple(found.values())


def _calls(output: list[dict[str, Any]], taken: Set[str]) -> tuple[ToolCall, ...]:
    found: list[ToolCall] = []
    for item in output:
        name = item.get("name")
        if item.get("type") == "function_call" and isinstance(name, str) and name:
            id = unique(str(item.get("call_id") or ""), name, taken | {call.id for call in found})
            found.append(ToolCall(id, name, arguments(str(item.get("arguments") or ""))))
    return tuple(found)


def _searches(output: list[dict[str, Any]]) -> int:
    return sum(item.get("type") == f"{SEARCHING}_call" for item in output)


def _usage(value: Any, searches: int) -> Usage | None:
    numbers = _mapping(value)
    prompt, completion = number(numbers.get("input_tokens")), number(numbers.get("output_tokens"))
    if prompt is None or completion is None:
        return None
    details = _mapping(numbers.get("output_tokens_details"))
    return Usage(prompt, completion, number(details.get("reasoning_tokens")) or 0, searches)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


RUNNING = frozenset({"queued", "in_progress"})
BEGINNINGS = ("response.created", "response.queued", "response.in_progress")
THOUGHTS = frozenset({"response.reasoning_text.delta", "response.reasoning_summary_text.delta"})
ENDS: Mapping[str, Finish] = {"max_output_tokens": Finish.LENGTH, "content_filter": Finish.FILTERED}
