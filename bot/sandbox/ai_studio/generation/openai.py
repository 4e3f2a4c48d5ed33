"""The OpenAI-compatible API: models, chat completions in both dialects of its streams, embeddings.

Begin with `OpenAi.chat`. Yandex's own models and the open ones stream differently: ids, first chunk, size, usage.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from bot.clock import Clock
from bot.sandbox.ai_studio.faults import Stream, fail
from bot.sandbox.ai_studio.generation.calls import delta_calls, whole_calls
from bot.sandbox.ai_studio.generation.native import prompt_tokens, raw
from bot.sandbox.ai_studio.generation.request_options import Wishes, openai_wishes
from bot.sandbox.ai_studio.generation.writer import Messages, Quirk, Source, Step, Writing, sentences, tokens
from bot.sandbox.ai_studio.quota import Quotas
from bot.sandbox.ai_studio.services.small_services import Small, dimension
from bot.sandbox.ai_studio.validation import (
    EMBEDDINGS,
    TEXT_MODELS,
    V2_EMBEDDINGS,
    Access,
    Uri,
    any_model,
    check_window,
    openai_messages,
    openai_options,
    text_model,
)
from bot.sandbox.ai_studio.wire import Call, Fault, Json, Problem, count_tokens, encode, json_response


@dataclass(frozen=True, slots=True)
class Talk:
    """One chat completion: which model speaks (`open`: token by token), and what all its chunks share."""

    id: str
    model: str
    open: bool
    created: int
    prompt: int
    usage: Mapping[str, Any] | None
    quirks: frozenset[Quirk]
    thought: int = 0
    name: str = ""

    def chunk(self, delta: Json, finish: str = "") -> bytes:
        choice: Json = {"index": 0, "delta": delta}
        if finish:
            choice["finish_reason"] = finish
        return self._event({"choices": [choice]})

    def usage_chunk(self, done: int) -> bytes:
        return self._event({"choices": [], "usage": self.counted(done)})

    def counted(self, done: int) -> Mapping[str, Any]:
        if self.usage is not None:
            return self.usage
        done += self.thought
        found: Json = {"prompt_tokens": self.prompt, "total_tokens": self.prompt + done, "completion_tokens": done}
        return {**found, "completion_tokens_details": {"reasoning_tokens": self.thought}} if self.thought else found

    def _event(self, rest: Json) -> bytes:
        head = {"id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model}
        return b"data: " + encode({**head, **rest}) + b"\n\n"


class OpenAi:
    def __init__(self, clock: Clock, access: Access, quotas: Quotas, source: Source, small: Small) -> None:
        self.split = 0
        self._clock = clock
        self._access = access
        self._quotas = quotas
        self._source = source
        self._small = small

    async def models(self, call: Call) -> web.Response:
        folder = call.request.headers.get("openai-project", call.folder)
        self._access.check_folder(folder)
        names = [(f"gpt://{folder}/{name}/latest", spec.owner) for name, spec in TEXT_MODELS.items()]
        names += [(f"emb://{folder}/{name}/latest", "Yandex") for name in sorted(EMBEDDINGS | V2_EMBEDDINGS)]
        rows = [{"id": id, "object": "model", "owned_by": owner, "created": 0} for id, owner in names]
        return json_response(call, {"object": "list", "data": rows})

    async def chat(self, call: Call) -> web.StreamResponse:
        uri = text_model(call, self._access, call.body.get("model"), native=False)
        messages = openai_messages(call.body)
        streams, limit = openai_options(call.body)
        wishes = openai_wishes(call.body, uri)
        check_window(call, uri, prompt_tokens(messages) + PICTURE * len(wishes.pictures))
        call.seen.note = f"{uri.name}/{uri.version}, {len(messages)} messages"
        with self._quotas.session():
            writing = self._source.next(messages, call, wishes)
            if isinstance(writing, Fault):
                return await fail(call, writing)
            if writing.answer.raw:
                kind = writing.answer.raw_type or "text/event-stream"
                return await raw(call, writing.answer.raw, kind, self.split)
            talk = self._talk(call, uri, messages, writing, wishes)
            return await (self._stream if streams else self._whole)(call, talk, writing, limit)

    async def embeddings(self, call: Call) -> web.Response:
        model = call.body.get("model")
        uri = any_model(self._access, model, "emb", EMBEDDINGS | V2_EMBEDDINGS)
        given = call.body.get("input")
        texts = given if isinstance(given, list) else [given]
        if len(texts) != 1 or not isinstance(texts[0], str):
            raise Problem(3, "input must be one text")
        if call.body.get("encoding_format", "float") != "float":
            raise Problem(3, "encoding_format must be float")
        found = self._small.embedding(texts[0], dimension(uri.name, call.body.get("dimensions")), "embeddings")
        count = count_tokens(texts[0]) + 2
        row = {"index": 0, "embedding": found, "object": "embedding"}
        usage = {"prompt_tokens": count, "total_tokens": count}
        return json_response(call, {"object": "list", "model": model, "data": [row], "usage": usage})

    def _talk(self, call: Call, uri: Uri, messages: Messages, writing: Writing, wishes: Wishes) -> Talk:
        quirks = writing.answer.quirks
        if uri.name.startswith("aliceai") and wishes.tools:
            quirks |= {"leak"} if wishes.choice == "required" else {"no_finish"}
        is_open, number = TEXT_MODELS[uri.name].tokens, str(uuid.uuid4())
        if is_open:
            call.headers = {name: call.headers[name] for name in ("server", "x-server-trace-id")}
            call.headers["access-control-allow-origin"] = "*"
        return Talk(
            id=f"chatcmpl-{number}" if is_open else number,
            model=f"gpt://{uri.name}/{uri.version}" if is_open else str(call.body["model"]),
            open=is_open,
            created=int(self._clock.time()),
            prompt=prompt_tokens(messages) + PICTURE * len(wishes.pictures),
            usage=writing.answer.usage,
            quirks=quirks,
            thought=count_tokens(writing.answer.thought),
            name=uri.name,
        )

    async def _stream(self, call: Call, talk: Talk, writing: Writing, limit: int) -> web.StreamResponse:
        stream, count = Stream(call, "text/event-stream", split=self.split), 0
        if writing.answer.calls:
            return await self._stream_calls(stream, talk, writing)
        try:
            async for step in self._source.steps(writing, tokens if talk.open else sentences, limit):
                first = not stream.is_open
                if first:
                    await stream.open()
                    for piece in tokens(writing.answer.thought):
                        await stream.send(talk.chunk({"reasoning_content": piece}))
                for data, last in _chunks(talk, step, first=first):
                    await stream.send(data, last=last)
                count = step.tokens
                call.seen.answer = step.text
        except Problem as problem:
            if not stream.is_open:
                raise
            return await stream.fail(problem)
        return await _ended(stream, talk, count)

    async def _stream_calls(self, stream: Stream, talk: Talk, writing: Writing) -> web.StreamResponse:
        """The chunks of a turn that calls: one for all, or a head, the pieces and the end."""
        calls = writing.answer.calls
        finish = "" if "no_finish" in talk.quirks else "tool_calls"
        deltas = [
            {"tool_calls": row} for row in delta_calls(calls, is_open=talk.open, bare=talk.name.startswith("gemma"))
        ]
        rows: list[tuple[Json, str]]
        if talk.open:
            pieces: list[Json] = [{"reasoning_content": piece} for piece in tokens(writing.answer.thought)]
            rows = [({"role": "assistant"}, ""), *((delta, "") for delta in [*pieces, *deltas]), ({}, finish)]
        else:
            leaked = {"content": "[TOOL_CALL_END]"} if "leak" in talk.quirks else {}
            rows = [({"role": "assistant", **leaked, **deltas[0]}, finish)]
        await stream.open()
        for number, (delta, reason) in enumerate(rows, 1):
            await stream.send(talk.chunk(delta, reason), last=number == len(rows))
        return await _ended(stream, talk, count_tokens(str(calls)))

    async def _whole(self, call: Call, talk: Talk, writing: Writing, limit: int) -> web.StreamResponse:
        step = Step("", "", 0, "FINAL", True)
        async for newest in self._source.steps(writing, sentences, limit):
            step = newest
        call.seen.answer = step.text
        if call.fault is not None:
            return await fail(call, call.fault)
        message: Json = {"role": "assistant", "content": step.text}
        if calls := writing.answer.calls:
            message["tool_calls"] = whole_calls(calls, is_open=talk.open)
        if writing.answer.thought:
            message["reasoning_content"] = writing.answer.thought
        found: Json = {"id": talk.id, "object": "chat.completion", "created": talk.created, "model": talk.model}
        found["choices"] = [{"index": 0, "message": message, "finish_reason": FINISH[step.status]}]
        if "no_usage" not in talk.quirks:
            found["usage"] = talk.counted(step.tokens)
        return json_response(call, found)


async def _ended(stream: Stream, talk: Talk, count: int) -> web.StreamResponse:
    if talk.open and "no_usage" not in talk.quirks:
        await stream.send(talk.usage_chunk(count))
    return await stream.end(b"" if "no_done" in talk.quirks else b"data: [DONE]\n\n")


def _chunks(talk: Talk, step: Step, *, first: bool) -> list[tuple[bytes, bool]]:
    """The events of one step, each with whether the answer is complete with it."""
    finish = FINISH[step.status] if step.last and "no_finish" not in talk.quirks else ""
    if not talk.open:
        start = {"role": "assistant"} if first else {}
        return [(talk.chunk({**start, "content": step.piece}, finish), step.last)]
    found = [(talk.chunk({"role": "assistant"}), False)] if first else []
    found.append((talk.chunk({"content": step.piece}), step.last and not finish))
    return [*found, (talk.chunk({}, finish), True)] if finish else found


PICTURE = 256  # tokens
FINISH = {
    "FINAL": "stop",
    "TRUNCATED_FINAL": "length",
    "CONTENT_FILTER": "content_filter",
    "TOOL_CALLS": "tool_calls",
    "UNSPECIFIED": "",
}
