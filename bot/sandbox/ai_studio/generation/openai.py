"""The OpenAI-compatible API: models, chat completions, embeddings.

Begin with `OpenAi.chat`. Streams of Yandex's own models and of open models differ in ids, first chunk, size of the
pieces and usage.
"""

from __future__ import annotations

import base64
import struct
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bot.sandbox.ai_studio.core import Core, Part
from bot.sandbox.ai_studio.generation import writer
from bot.sandbox.ai_studio.generation.text_request import TextRequest, openai_request
from bot.sandbox.ai_studio.generation.writer import (
    Answer,
    AnswerSource,
    PendingAnswer,
    Piece,
    Quirk,
    Step,
    delta_calls,
    whole_calls,
)
from bot.sandbox.ai_studio.services.embeddings import Embeddings, dimension
from bot.sandbox.ai_studio.validation import (
    ART_MODELS,
    EMBEDDINGS,
    TEXT_MODELS,
    V2_EMBEDDINGS,
    any_model,
)
from bot.sandbox.ai_studio.wire import BadRequest, Call, Fields, Json, Reply, count_tokens, encode, route


@dataclass(frozen=True, slots=True)
class Completion:
    """One chat completion: what all its chunks share. `is_open`: of an open model, which streams token by token."""

    id: str
    model: str
    created: int
    request: TextRequest
    answer: Answer
    quirks: frozenset[Quirk]
    is_open: bool

    def chunk(self, delta: Json, finish: str = "") -> bytes:
        """The event of one chunk. `finish` is the finish reason, if it is the last."""
        choice: Json = {"index": 0, "delta": delta}
        if finish:
            choice["finish_reason"] = finish
        return self._event({"choices": [choice]})

    def usage_chunk(self, done: int) -> bytes:
        """The last event of an open model's stream, with the usage. `done` are the tokens of the answer."""
        return self._event({"choices": [], "usage": self.counted(done)})

    def counted(self, done: int) -> Fields:
        """The token counts of the request as JSON. `done` are the tokens of the answer."""
        if self.answer.usage is not None:
            return self.answer.usage
        thought, prompt = count_tokens(self.answer.thought), self.request.prompt_tokens
        done += thought
        found: Json = {"prompt_tokens": prompt, "total_tokens": prompt + done, "completion_tokens": done}
        return {**found, "completion_tokens_details": {"reasoning_tokens": thought}} if thought else found

    def head(self, kind: str) -> Json:
        """The fields that every chunk and every whole completion begins with."""
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}

    def _event(self, rest: Json) -> bytes:
        return b"data: " + encode({**self.head("chat.completion.chunk"), **rest}) + b"\n\n"


class OpenAi(Part):
    """The routes of the OpenAI-compatible API."""

    def __init__(self, core: Core, source: AnswerSource, embeddings: Embeddings) -> None:
        super().__init__(core)
        self._source = source
        self._embeddings = embeddings

    @route("GET /v1/models", "models")
    async def models(self, call: Call) -> Reply:
        """List the models that the folder has, and the embedding models."""
        folder = call.request.headers.get("openai-project", call.folder)
        self._access.check_folder(folder)
        has = self._access.models
        names = [(f"gpt://{folder}/{name}/latest", one.owner) for name, one in TEXT_MODELS.items() if name in has]
        names += [(f"art://{folder}/{name}/latest", "Yandex") for name in ART_MODELS if name in has]
        names += [(f"emb://{folder}/{name}/latest", "Yandex") for name in sorted(EMBEDDINGS | V2_EMBEDDINGS)]
        rows = [{"id": id, "object": "model", "owned_by": owner, "created": 0} for id, owner in names]
        return {"object": "list", "data": rows}

    @route("POST /v1/chat/completions", "chat/completions", streams=True)
    async def chat(self, call: Call) -> Reply:
        """Return an answer, whole or as a stream."""
        request = openai_request(call, self._access, call.body)

        async def write(pending: PendingAnswer) -> Reply:
            chat = self._completion(call, request, pending.answer)
            if not request.streams:
                return await self._whole(call, chat, pending)
            closing = b"" if "no_done" in chat.quirks else b"data: [DONE]\n\n"
            stream = self._source.stream(call, "text/event-stream")
            return await stream.write(self._pieces(call, chat, pending), closing)

        with self._quotas.session():
            return await self._source.respond(call, request, "text/event-stream", write)

    @route("POST /v1/embeddings", "embeddings")
    async def embeddings(self, call: Call) -> Reply:
        """Return the vectors of one or more texts, or of lists of token ids, as numbers
        or in base64.

        The real service takes one text and only `float`; clients that batch are served here too.
        """
        model, form = call.body.get("model"), call.body.get("encoding_format") or "float"
        uri = any_model(self._access, model, "emb", EMBEDDINGS | V2_EMBEDDINGS)
        if form not in ("float", "base64"):
            raise BadRequest("encoding_format must be float or base64")
        texts, size = _texts(call.body.get("input")), dimension(uri.name, call.body.get("dimensions"))
        vectors = self._embeddings.vectors(texts, size, "embeddings")
        rows = [
            {"index": index, "embedding": _base64(found) if form == "base64" else found, "object": "embedding"}
            for index, found in enumerate(vectors)
        ]
        count = sum(count_tokens(text) + 2 for text in texts)
        usage = {"prompt_tokens": count, "total_tokens": count}
        return {"object": "list", "model": model, "data": rows, "usage": usage}

    def _completion(self, call: Call, request: TextRequest, answer: Answer) -> Completion:
        uri, quirks = request.uri, answer.quirks
        if uri.name.startswith("aliceai") and request.tools:
            quirks |= {"leak"} if request.choice == "required" else {"no_finish"}
        is_open, number = request.model.tokens, str(uuid.uuid4())
        if is_open:
            call.headers = {name: call.headers[name] for name in ("server", "x-server-trace-id")}
            call.headers["access-control-allow-origin"] = "*"
        return Completion(
            id=f"chatcmpl-{number}" if is_open else number,
            model=f"gpt://{uri.name}/{uri.version}" if is_open else str(call.body["model"]),
            created=int(self._clock.time()),
            request=request,
            answer=answer,
            quirks=quirks,
            is_open=is_open,
        )

    async def _pieces(self, call: Call, chat: Completion, pending: PendingAnswer) -> AsyncIterator[Piece]:
        """The events of a stream, the usage of an open model last."""
        count, first = count_tokens(str(chat.answer.calls)), True
        if chat.answer.calls:
            for event in _call_chunks(chat):
                yield event
        else:
            split = writer.tokens if chat.is_open else writer.sentences
            async for step in self._source.steps(pending, split, chat.request.limit):
                for piece in writer.tokens(chat.answer.thought) if first else ():
                    yield chat.chunk({"reasoning_content": piece}), False
                for event in _chunks(chat, step, first=first):
                    yield event
                count, first, call.seen.answer = step.tokens, False, step.text
        if chat.is_open and "no_usage" not in chat.quirks:
            yield chat.usage_chunk(count), False

    async def _whole(self, call: Call, chat: Completion, pending: PendingAnswer) -> Reply:
        step = await writer.read_last(self._source.steps(pending, writer.sentences, chat.request.limit))
        call.seen.answer = step.text
        message: Json = {"role": "assistant", "content": step.text}
        if calls := chat.answer.calls:
            message["tool_calls"] = whole_calls(calls, is_open=chat.is_open)
        if chat.answer.thought:
            message["reasoning_content"] = chat.answer.thought
        choice = {"index": 0, "message": message, "finish_reason": FINISH[step.status]}
        usage = {"usage": chat.counted(step.tokens)} if "no_usage" not in chat.quirks else {}
        return {**chat.head("chat.completion"), "choices": [choice], **usage}


def _texts(given: Any) -> list[str]:
    """The texts of an input: one text, one list of token ids, or a list of either. Ids become words of digits."""
    rows = given if isinstance(given, list) and not all(isinstance(row, int) for row in given) else [given]
    texts = [" ".join(map(str, row)) if isinstance(row, list) else row for row in rows]
    if len(texts) > MAX_TEXTS:
        raise BadRequest(f"input must have at most {MAX_TEXTS} texts, got {len(texts)}")
    if not all(isinstance(text, str) for text in texts):
        raise BadRequest("input must be a text, a list of texts, or lists of token ids")
    return texts


def _base64(vector: Sequence[float]) -> str:
    """A vector as little-endian 32-bit floats in base64, which OpenAI's own clients ask for."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _call_chunks(chat: Completion) -> Iterator[Piece]:
    """The events of tool calls: one chunk, or (open models) a first chunk, pieces and a last chunk."""
    finish = "" if "no_finish" in chat.quirks else "tool_calls"
    bare = chat.request.uri.name.startswith("gemma")
    deltas: list[Json] = [
        {"tool_calls": row} for row in delta_calls(chat.answer.calls, is_open=chat.is_open, bare=bare)
    ]
    if chat.is_open:
        pieces: list[Json] = [{"reasoning_content": piece} for piece in writer.tokens(chat.answer.thought)]
        for delta in [{"role": "assistant"}, *pieces, *deltas]:
            yield chat.chunk(delta), False
        yield chat.chunk({}, finish), True
    else:
        leaked = {"content": "[TOOL_CALL_END]"} if "leak" in chat.quirks else {}
        yield chat.chunk({"role": "assistant", **leaked, **deltas[0]}, finish), True


def _chunks(chat: Completion, step: Step, *, first: bool) -> Iterator[Piece]:
    finish = FINISH[step.status] if step.last and "no_finish" not in chat.quirks else ""
    start = {"role": "assistant"} if first else {}
    if not chat.is_open:
        yield chat.chunk({**start, "content": step.piece}, finish), step.last
        return
    if first:
        yield chat.chunk(start), False
    yield chat.chunk({"content": step.piece}), step.last and not finish
    if finish:
        yield chat.chunk({}, finish), True


MAX_TEXTS = 2_048
FINISH = {
    "FINAL": "stop",
    "TRUNCATED_FINAL": "length",
    "CONTENT_FILTER": "content_filter",
    "TOOL_CALLS": "tool_calls",
    "UNSPECIFIED": "",
}
