"""The Responses API: streams, background responses, web search, agents. Begin with `Responses.create`.

A request is rewritten as a chat request and checked as one; the answers come from the `AnswerSource` of all APIs.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from bot.clock import Clock
from bot.sandbox.ai_studio.faults import fail
from bot.sandbox.ai_studio.generation.text_request import openai_request
from bot.sandbox.ai_studio.generation.writer import AnswerSource, PendingAnswer, Piece, sentences
from bot.sandbox.ai_studio.quota import Quotas
from bot.sandbox.ai_studio.validation import Access
from bot.sandbox.ai_studio.wire import Call, Json, Problem, count_tokens, encode, json_response, mapping
from bot.sandbox.scripted import model as scripted


@dataclass(slots=True)
class StoredResponse:
    """A response that can be fetched again. It is in progress until the monotonic time `due` and `polls_left` more
    requests.
    """

    value: Json
    due: float
    polls_left: int = 0


@dataclass(frozen=True, slots=True)
class ResponseParts:
    """What a response is made of. `output` grows while the response is written; `prompt` are the tokens of
    the prompt.
    """

    id: str
    model: str
    created: int
    prompt: int
    output: list[Json] = field(default_factory=list)

    def value(self, status: str, done: int = 0, thought: int = 0, **rest: Any) -> Json:
        """The response as JSON. `done` are the tokens of the answer, `thought` those of the reasoning."""
        text = "".join(part["text"] for item in self.output for part in item.get("content", ()))
        counts = {"input_tokens": self.prompt, "output_tokens": done + thought}
        details = {"output_tokens_details": {"reasoning_tokens": thought}}
        numbers = {**counts, "total_tokens": sum(counts.values()), **details}
        over = status not in ("queued", "in_progress")
        return {
            "id": self.id, "object": "response", "status": status, "created_at": self.created, "error": None,
            "incomplete_details": None, "model": self.model, "output": self.output if over else [],
            "output_text": text if over else "", "usage": numbers if over else None, **rest,
        }  # fmt: skip


class Responses:
    """The routes of the Responses API.

    `agents` are the prompts of the console's agents by id. `pages` are the addresses that a web search finds. A
    background response takes `seconds` and `polls` requests for it.
    """

    def __init__(self, clock: Clock, access: Access, quotas: Quotas, source: AnswerSource) -> None:
        self.agents: dict[str, str] = {"fvtsandboxagent000000": "You are the agent of the sandbox."}
        self.pages = ["https://example.com/news", "https://ya.ru/"]
        self.seconds, self.polls = 0.0, 0
        self.all: dict[str, StoredResponse] = {}
        self._clock = clock
        self._access = access
        self._quotas = quotas
        self._source = source

    async def create(self, call: Call) -> web.StreamResponse:
        """`POST /v1/responses`: a response, whole, streamed or in the background."""
        chat = self._as_chat(call.body)
        request = openai_request(call, self._access, chat)
        searches = any(tool.get("type") == "web_search" for tool in call.body.get("tools") or ())
        pages = self.pages if searches and scripted.question(request.messages) else []

        async def write(pending: PendingAnswer) -> web.StreamResponse:
            parts = ResponseParts(str(uuid.uuid4()), chat["model"], int(self._clock.time()), request.prompt_tokens)
            events = self._events(parts, pending, request.limit, pages)
            if call.body.get("stream") is True:
                return await self._source.stream(call, "text/event-stream").write(self._pieces(call, events))
            return await self._whole(call, parts, events)

        with self._quotas.session():
            return await self._source.respond(call, request, "text/event-stream", write)

    async def get(self, call: Call) -> web.Response:
        """`GET /v1/responses/{id}`: a response by its id."""
        stored = self._find(call)
        stored.polls_left -= 1
        if self._clock.monotonic() < stored.due or stored.polls_left >= 0:
            return json_response(call, {**stored.value, "status": "in_progress", "output": [], "output_text": ""})
        return json_response(call, stored.value)

    async def cancel(self, call: Call) -> web.Response:
        """`POST /v1/responses/{id}/cancel`. Raises `Problem` 3 for a response that is completed."""
        stored = self._find(call)
        if self._clock.monotonic() >= stored.due and stored.polls_left <= 0:
            raise Problem(3, "the response is completed already")
        stored.value = {**stored.value, "status": "cancelled", "output": [], "output_text": ""}
        stored.due, stored.polls_left = self._clock.monotonic(), 0
        return json_response(call, stored.value)

    def _find(self, call: Call) -> StoredResponse:
        id = call.request.match_info["id"]
        if id not in self.all:
            raise Problem(5, f"response {id} not found")
        return self.all[id]

    def _as_chat(self, body: Json) -> Json:
        """The chat request that asks for the same answer as this request."""
        given = body.get("input")
        items = [{"role": "user", "content": given}] if isinstance(given, str) else given
        if not isinstance(items, list) or not items:
            raise Problem(3, "input must not be empty")
        instructions = [str(body["instructions"])] if body.get("instructions") else []
        if agent := (body.get("prompt") or {}).get("id"):
            if agent not in self.agents:
                raise Problem(5, f"prompt {agent} not found")
            instructions.insert(0, self.agents[agent])
        model = body.get("model") or (f"gpt://{self._access.folder}/yandexgpt/latest" if agent else None)
        system = [{"role": "system", "content": "\n\n".join(instructions)}] if instructions else []
        form, effort = (body.get("text") or {}).get("format"), (body.get("reasoning") or {}).get("effort")
        return {
            "model": model,
            "messages": [*system, *map(_message, items)],
            "tools": [{"function": tool} for tool in body.get("tools") or () if tool.get("type") == "function"],
            "tool_choice": _choice(body.get("tool_choice")),
            "response_format": {"type": "json_schema", "json_schema": form} if form else None,
            "temperature": body.get("temperature"),
            "max_tokens": body.get("max_output_tokens"),
            "reasoning_effort": effort,
        }

    async def _events(
        self, parts: ResponseParts, pending: PendingAnswer, limit: int, pages: list[str]
    ) -> AsyncIterator[Json]:
        """The events of a response; the last one carries the whole response."""
        yield {"type": "response.created", "response": parts.value("in_progress")}
        yield {"type": "response.in_progress", "response": parts.value("in_progress")}
        for item in [{"type": "web_search_call", "id": f"ws_{parts.id}", "status": "completed"}] if pages else ():
            yield {"type": "response.output_item.added", "item": {**item, "status": "in_progress"}}
            yield {"type": "response.web_search_call.searching", "item_id": item["id"]}
            parts.output.append(item)
            yield {"type": "response.output_item.done", "item": item}
        for piece in sentences(pending.answer.thought):
            yield {"type": "response.reasoning_text.delta", "delta": piece}
        thought = count_tokens(pending.answer.thought)
        if pending.answer.calls:
            for number, (name, given) in enumerate(pending.answer.calls):
                text = json.dumps(dict(given), ensure_ascii=False)
                item = {"type": "function_call", "id": f"fc_{number}", "call_id": name, "name": name}
                parts.output.append({**item, "arguments": text, "status": "completed"})
                yield {"type": "response.output_item.done", "item": parts.output[-1]}
            yield {"type": "response.completed", "response": parts.value("completed", 10, thought)}
            return
        status, count, text = "FINAL", 0, ""
        async for step in self._source.steps(pending, sentences, limit):
            status, count, text = step.status, step.tokens, step.text
            yield {"type": "response.output_text.delta", "delta": step.piece}
        notes = [{"type": "url_citation", "url": url, "title": "", "start_index": 0, "end_index": 0} for url in pages]
        content = [{"type": "output_text", "text": text, "annotations": notes}]
        parts.output.append({"type": "message", "role": "assistant", "status": "completed", "content": content})
        if reason := REASONS.get(status):
            rest = {"incomplete_details": {"reason": reason}}
            yield {"type": "response.incomplete", "response": parts.value("incomplete", count, thought, **rest)}
        else:
            yield {"type": "response.completed", "response": parts.value("completed", count, thought)}

    async def _pieces(self, call: Call, events: AsyncIterator[Json]) -> AsyncIterator[Piece]:
        number = 0
        async for event in events:
            data, last = encode({**event, "sequence_number": number}), event["type"] in ENDS
            yield b"event: " + event["type"].encode() + b"\ndata: " + data + b"\n\n", last
            number += 1
            if last:
                self._keep(call, event["response"])

    async def _whole(self, call: Call, parts: ResponseParts, events: AsyncIterator[Json]) -> web.StreamResponse:
        value: Json = {}
        async for event in events:
            value = event.get("response", value)
        if call.fault is not None:
            return await fail(call, call.fault)
        self._keep(call, value)
        background = call.body.get("background") is True
        return json_response(call, parts.value("queued") if background else value)

    def _keep(self, call: Call, value: Json) -> None:
        call.seen.answer = value["output_text"]
        background = call.body.get("background") is True
        due = self._clock.monotonic() + (self.seconds if background else 0.0)
        self.all[value["id"]] = StoredResponse(value, due, self.polls if background else 0)
        while len(self.all) > REMEMBERED:
            del self.all[next(iter(self.all))]


def _message(item: Any) -> Json:
    """An item of the input as a message of a chat request."""
    if not isinstance(item, Mapping):
        raise Problem(3, "an item of input must be an object")
    kind = item.get("type", "message")
    if kind == "function_call":
        function = {"name": item.get("name"), "arguments": item.get("arguments")}
        return {"role": "assistant", "tool_calls": [{"id": item.get("call_id"), "function": function}]}
    if kind == "function_call_output":
        return {"role": "tool", "tool_call_id": item.get("call_id"), "content": item.get("output")}
    if kind != "message":
        raise Problem(3, f"unknown item type: {kind!r}")
    content = item.get("content")
    parts = [_part(part) for part in content] if isinstance(content, list) else content
    return {"role": item.get("role"), "content": parts}


def _part(part: Any) -> Json:
    kind = mapping(part).get("type")
    if kind == "input_image":
        return {"type": "image_url", "image_url": {"url": part.get("image_url")}}
    if kind in ("input_text", "output_text"):
        return {"type": "text", "text": part.get("text")}
    raise Problem(3, f"unknown content part: {kind!r}")


def _choice(choice: Any) -> Any:
    return {"function": {"name": choice.get("name")}} if isinstance(choice, Mapping) else choice


REMEMBERED = 200
ENDS = ("response.completed", "response.incomplete")
REASONS = {"TRUNCATED_FINAL": "max_output_tokens", "CONTENT_FILTER": "content_filter"}
