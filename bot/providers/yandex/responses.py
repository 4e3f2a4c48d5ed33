"""The Responses API: models that search the web by themselves, agents saved in the console, answers in the background.

Begin at `ResponsesText` and `AsyncResponses`; `ResponseReader` reads both the stream and a whole response.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Set
from dataclasses import dataclass, replace
from typing import Any

from bot.ai import Answered, Chunk, Failed, Finish, Pending, Profile, Request, Source
from bot.errors import ModelError, ModelRefused, ModelUnavailable, StreamCut
from bot.http.client import Stream
from bot.http.framing import mapping, number, objects, whole_text
from bot.providers.account import Account
from bot.providers.error_mapping import failure, stream_error
from bot.providers.openai.wire import data_url
from bot.providers.reader import Reader, counted
from bot.providers.text_model import event_pieces, refuse_pictures
from bot.providers.tool_calls import CHOICES, arguments, calls, function, taken_ids
from bot.providers.yandex import operations
from bot.types import Image, Message, Text, ToolCall, ToolResult

UNREASONED = "low"
SEARCHING = "web_search"


@dataclass(frozen=True, slots=True)
class ResponsesTarget:
    """What answers a request: a model by its URI, or an agent by the id that the console shows. With `search` the model
    may search the web.
    """

    uri: str = ""
    agent: str = ""
    search: bool = False


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
        """Return the answer, `Pending` or `Failed`. Raises `ModelUnavailable`, or `ModelDenied` for a refused key."""
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
        return operations.answered(chunk)

    async def cancel(self, operation: str) -> bool:
        """Cancel the response and return whether it was cancelled."""
        if not operations.OPERATION.fullmatch(operation):
            return False
        until = self._account.clock.monotonic() + operations.POLLING
        try:
            value = (await self._account.ask("POST", f"{self._url}/{operation}/cancel", {}, until=until)).json()
        except ModelRefused:
            return False  # it is done
        return mapping(value).get("status") == "cancelled"


# --- requests ---------------------------------------------------------------------------------------------------------


class ResponsesWire:
    """Requests and answers of the Responses API: named events, the last of which has the whole response."""

    def __init__(self, who: ResponsesTarget, profile: Profile) -> None:
        self._who = who
        self._profile = profile

    def body(self, request: Request, *, stream: bool) -> dict[str, Any]:
        """Return the JSON body of a request. Raises `ModelRefused` if no message is left to send."""
        said = [message for message in request.messages if message.role != "system"]
        new = said[request.known :] if request.previous else said
        items = [item for message in new for item in _items(message, self._profile)]
        if not items:
            raise ModelRefused("the request has no text")
        found: dict[str, Any] = {"input": items, "stream": stream}
        found |= {"prompt": {"id": self._who.agent}} if self._who.agent else {"model": self._who.uri}
        if request.previous:
            found["previous_response_id"] = request.previous
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

    def pieces(self, stream: Stream) -> AsyncGenerator[list[str]]:
        """Yield the data of server-sent events, in lists: those that arrived together."""
        return event_pieces(stream)

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
    """Return a message as items of the API."""
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


class ResponseReader(Reader):
    """Reads an answer of the Responses API: turns its events into chunks (see `Reader`).

    `end` returns the last chunk, which is made of the whole response in the last event.
    """

    def __init__(self, *, trace: str = "", taken: Set[str] = frozenset()) -> None:
        super().__init__(trace=trace, taken=taken)
        self._text = ""
        self._last: Chunk | None = None

    def feed(self, piece: str) -> Chunk | None:
        """Read the data of one event; see `Reader.feed`."""
        return None if piece.strip() == "[DONE]" else super().feed(piece)

    def take(self, response: Mapping[str, Any]) -> None:
        """Read a whole response, from which `end` makes the last chunk. Raises the `ModelError` that it holds."""
        if error := stream_error(response, trace=self._trace):
            raise error
        status, reason = response.get("status"), mapping(response.get("incomplete_details")).get("reason")
        if status in ("failed", "cancelled"):
            raise ModelUnavailable(f"the response has {status}", trace=self._trace)
        if status in RUNNING:
            return
        self.done = True
        output = objects(response.get("output"))
        found = [item for item in output if item.get("type") == "function_call"]
        made = calls(
            (
                (str(one.get("call_id") or ""), one.get("name"), arguments(str(one.get("arguments") or "")))
                for one in found
            ),
            self._taken,
        )
        finish = ENDS.get(str(reason), Finish.LENGTH) if status == "incomplete" else Finish.STOP
        is_followed = not found and finish is not Finish.FILTERED  # calls want their results, filtered answers nothing
        searches = sum(item.get("type") == f"{SEARCHING}_call" for item in output)
        self._last = replace(
            self._end(_said(output), Finish.TOOLS if made and finish is Finish.STOP else finish),
            usage=counted(response.get("usage"), *TOKENS, searches=searches),
            tool_calls=made,
            sources=_sources(output),
            response=str(response.get("id") or "") if is_followed else "",
        )

    def end(self) -> Chunk:
        """Return the last chunk. Raises `StreamCut` if the response is not complete."""
        if self._last is None:
            raise StreamCut("the response ended in the middle", trace=self._trace)
        return self._last

    def _read(self, value: Mapping[str, Any], piece: str) -> Chunk | None:
        kind, delta = str(value.get("type", "")), value.get("delta")
        if kind == "error":
            told = value if value.get("message") else mapping(value.get("error"))
            raise failure(number(told.get("code")) or 500, 0, str(told.get("message", "")), trace=self._trace)
        if value.get("object") == "response" or "response" in value or value.get("error"):
            if not kind.startswith(BEGINNINGS):
                self.take(mapping(value.get("response")) or value)
            return None
        if kind == "response.output_item.added":
            item = str(mapping(value.get("item")).get("type", ""))
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


def _said(output: list[Mapping[str, Any]]) -> str:
    return "".join(str(part.get("text", "")) for part in _parts(output) if part.get("type") == "output_text")


def _parts(output: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [part for item in output if item.get("type") == "message" for part in objects(item.get("content"))]


def _sources(output: list[Mapping[str, Any]]) -> tuple[Source, ...]:
    """Return the cited pages, each once. Only their addresses are sure to be filled in."""
    found: dict[str, Source] = {}
    for note in (note for part in _parts(output) for note in objects(part.get("annotations"))):
        url, title = str(note.get("url") or ""), str(note.get("title") or note.get("filename") or "")
        if url or title:
            found.setdefault(url or title, Source(title, url))
    return tuple(found.values())


TOKENS = ("input_tokens", "output_tokens", "output_tokens_details.reasoning_tokens")
RUNNING = frozenset({"queued", "in_progress"})
BEGINNINGS = ("response.created", "response.queued", "response.in_progress")
THOUGHTS = frozenset({"response.reasoning_text.delta", "response.reasoning_summary_text.delta"})
ENDS: Mapping[str, Finish] = {"max_output_tokens": Finish.LENGTH, "content_filter": Finish.FILTERED}
