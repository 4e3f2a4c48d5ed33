"""The OpenAI-compatible API: models, chat completions, embeddings.

Begin with `OpenAi.chat`. Streams of Yandex's own models and of open models differ in ids, first chunk, size of the
pieces and usage.
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
from bot.sandbox.ai_studio.generation.request_options import RequestOptions, openai_request_options
from bot.sandbox.ai_studio.generation.writer import (
    AnswerSource,
    Messages,
    PendingAnswer,
    Quirk,
    Step,
    sentences,
    tokens,
)
from bot.sandbox.ai_studio.quota import Quotas
from bot.sandbox.ai_studio.services.embeddings import Embeddings, dimension
from bot.sandbox.ai_studio.validation import (
    EMBEDDINGS,
    TEXT_MODELS,
    V2_EMBEDDINGS,
    Access,
    Uri,
    any_model,
    check_window,
    openai_messages,
    openai_stream_and_limit,
    text_model,
)
from bot.sandbox.ai_studio.wire import Call, Fault, Json, Problem, count_tokens, encode, json_response


@dataclass(frozen=True, slots=True)
class Completion:
    """One chat completion: what all its chunks share. `open`: an open model, which streams token by token."""

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
        """The event of one chunk. `finish` is the finish reason, if it is the last."""
        choice: Json = {"index": 0, "delta": delta}
        if finish:
            choice["finish_reason"] = finish
        return self._event({"choices": [choice]})

    def usage_chunk(self, done: int) -> bytes:
        """The last event of an open model's stream, with the usage. `done` are the tokens of the answer."""
        return self._event({"choices": [], "usage": self.counted(done)})

    def counted(self, done: int) -> Mapping[str, Any]:
        """The usage of the request. `done` are the tokens of the answer."""
        if self.usage is not None:
            return self.usage
        done += self.thought
        found: Json = {"prompt_tokens": self.prompt, "total_tokens": self.prompt + done, "completion_tokens": done}
        return {**found, "completion_tokens_details": {"reasoning_tokens": self.thought}} if self.thought else found

    def _event(self, rest: Json) -> bytes:
        head = {"id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model}
        return b"data: " + encode({**head, **rest}) + b"\n\n"


class OpenAi:
    """The routes of the OpenAI-compatible API. `split` writes streams in pieces of so many bytes."""

    def __init__(
        self, clock: Clock, access: Access, quotas: Quotas, source: AnswerSource, embeddings: Embeddings
    ) -> None:
        self.split = 0
        self._clock = clock
        self._access = access
        self._quotas = quotas
        self._source = source
        self._embeddings = embeddings

    async def models(self, call: Call) -> web.Response:
        """`GET /v1/models`: the text models and the embedding models."""
        folder = call.request.headers.get("openai-project", call.folder)
        self._access.check_folder(folder)
        names = [(f"gpt://{folder}/{name}/latest", spec.owner) for name, spec in TEXT_MODELS.items()]
        names += [(f"emb://{folder}/{name}/latest", "Yandex") for name in sorted(EMBEDDINGS | V2_EMBEDDINGS)]
        rows = [{"id": id, "object": "model", "owned_by": owner, "created": 0} for id, owner in names]
        return json_response(call, {"object": "list", "data": rows})

    async def chat(self, call: Call) -> web.StreamResponse:
        """`POST /v1/chat/completions`: an answer, whole or streamed."""
        uri = text_model(call, self._access, call.body.get("model"), native=False)
        messages = openai_messages(call.body)
        streams, limit = openai_stream_and_limit(call.body)
        options = openai_request_options(call.body, uri)
        check_window(call, uri, prompt_tokens(messages) + PICTURE * len(options.pictures))
        call.seen.note = f"{uri.name}/{uri.version}, {len(messages)} messages"
        with self._quotas.session():
            pending = self._source.next(messages, call, options)
            if isinstance(pending, Fault):
                return await fail(call, pending)
            if pending.answer.raw:
                kind = pending.answer.raw_type or "text/event-stream"
                return await raw(call, pending.answer.raw, kind, self.split)
            chat = self._completion(call, uri, messages, pending, options)
            return await (self._stream if streams else self._whole)(call, chat, pending, limit)

    async def embeddings(self, call: Call) -> web.Response:
        """`POST /v1/embeddings`: the vector of one text."""
        model = call.body.get("model")
        uri = any_model(self._access, model, "emb", EMBEDDINGS | V2_EMBEDDINGS)
        given = call.body.get("input")
        texts = given if isinstance(given, list) else [given]
        if len(texts) != 1 or not isinstance(texts[0], str):
            raise Problem(3, "input must be one text")
        if call.body.get("encoding_format", "float") != "float":
            raise Problem(3, "encoding_format must be float")
        found = self._embeddings.embedding(texts[0], dimension(uri.name, call.body.get("dimensions")), "embeddings")
        count = count_tokens(texts[0]) + 2
        row = {"index": 0, "embedding": found, "object": "embedding"}
        usage = {"prompt_tokens": count, "total_tokens": count}
        return json_response(call, {"object": "list", "model": model, "data": [row], "usage": usage})

    def _completion(
        self, call: Call, uri: Uri, messages: Messages, pending: PendingAnswer, options: RequestOptions
    ) -> Completion:
        quirks = pending.answer.quirks
        if uri.name.startswith("aliceai") and options.tools:
            quirks |= {"leak"} if options.choice == "required" else {"no_finish"}
        is_open, number = TEXT_MODELS[uri.name].tokens, str(uuid.uuid4())
        if is_open:
            call.headers = {name: call.headers[name] for name in ("server", "x-server-trace-id")}
            call.headers["access-control-allow-origin"] = "*"
        return Completion(
            id=f"chatcmpl-{number}" if is_open else number,
            model=f"gpt://{uri.name}/{uri.version}" if is_open else str(call.body["model"]),
            open=is_open,
            created=int(self._clock.time()),
            prompt=prompt_tokens(messages) + PICTURE * len(options.pictures),
            usage=pending.answer.usage,
            quirks=quirks,
            thought=count_tokens(pending.answer.thought),
            name=uri.name,
        )

    async def _stream(self, call: Call, chat: Completion, pending: PendingAnswer, limit: int) -> web.StreamResponse:
        stream, count = Stream(call, "text/event-stream", split=self.split), 0
        if pending.answer.calls:
            return await self._stream_calls(stream, chat, pending)
        try:
            async for step in self._source.steps(pending, tokens if chat.open else sentences, limit):
                first = not stream.is_open
                if first:
                    await stream.open()
                    for piece in tokens(pending.answer.thought):
                        await stream.send(chat.chunk({"reasoning_content": piece}))
                for data, last in _chunks(chat, step, first=first):
                    await stream.send(data, last=last)
                count = step.tokens
                call.seen.answer = step.text
        except Problem as problem:
            if not stream.is_open:
                raise
            return await stream.fail(problem)
        return await _ended(stream, chat, count)

    async def _stream_calls(self, stream: Stream, chat: Completion, pending: PendingAnswer) -> web.StreamResponse:
        """Stream tool calls: in one chunk, or (open models) in a first chunk, pieces and a last chunk."""
        calls = pending.answer.calls
        finish = "" if "no_finish" in chat.quirks else "tool_calls"
        deltas = [
            {"tool_calls": row} for row in delta_calls(calls, is_open=chat.open, bare=chat.name.startswith("gemma"))
        ]
        rows: list[tuple[Json, str]]
        if chat.open:
            pieces: list[Json] = [{"reasoning_content": piece} for piece in tokens(pending.answer.thought)]
            rows = [({"role": "assistant"}, ""), *((delta, "") for delta in [*pieces, *deltas]), ({}, finish)]
        else:
            leaked = {"content": "[TOOL_CALL_END]"} if "leak" in chat.quirks else {}
            rows = [({"role": "assistant", **leaked, **deltas[0]}, finish)]
        await stream.open()
        for number, (delta, reason) in enumerate(rows, 1):
            await stream.send(chat.chunk(delta, reason), last=number == len(rows))
        return await _ended(stream, chat, count_tokens(str(calls)))

    async def _whole(self, call: Call, chat: Completion, pending: PendingAnswer, limit: int) -> web.StreamResponse:
        step = Step("", "", 0, "FINAL", True)
        async for newest in self._source.steps(pending, sentences, limit):
            step = newest
        call.seen.answer = step.text
        if call.fault is not None:
            return await fail(call, call.fault)
        message: Json = {"role": "assistant", "content": step.text}
        if calls := pending.answer.calls:
            message["tool_calls"] = whole_calls(calls, is_open=chat.open)
        if pending.answer.thought:
            message["reasoning_content"] = pending.answer.thought
        found: Json = {
            "id": chat.id,
            "object": "chat.completion",
            "created": chat.created,
            "model": chat.model,
        }
        found["choices"] = [{"index": 0, "message": message, "finish_reason": FINISH[step.status]}]
        if "no_usage" not in chat.quirks:
            found["usage"] = chat.counted(step.tokens)
        return json_response(call, found)


async def _ended(stream: Stream, chat: Completion, count: int) -> web.StreamResponse:
    if chat.open and "no_usage" not in chat.quirks:
        await stream.send(chat.usage_chunk(count))
    return await stream.end(b"" if "no_done" in chat.quirks else b"data: [DONE]\n\n")


def _chunks(chat: Completion, step: Step, *, first: bool) -> list[tuple[bytes, bool]]:
    """The events of one step, each with whether the answer is complete with it."""
    finish = FINISH[step.status] if step.last and "no_finish" not in chat.quirks else ""
    if not chat.open:
        start = {"role": "assistant"} if first else {}
        return [(chat.chunk({**start, "content": step.piece}, finish), step.last)]
    found = [(chat.chunk({"role": "assistant"}), False)] if first else []
    found.append((chat.chunk({"content": step.piece}), step.last and not finish))
    return [*found, (chat.chunk({}, finish), True)] if finish else found


PICTURE = 256  # tokens that a picture counts as
FINISH = {
    "FINAL": "stop",
    "TRUNCATED_FINAL": "length",
    "CONTENT_FILTER": "content_filter",
    "TOOL_CALLS": "tool_calls",
    "UNSPECIFIED": "",
}
