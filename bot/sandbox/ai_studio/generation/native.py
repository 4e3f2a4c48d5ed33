"""The native API for texts: completion (whole or as lines of JSON), completionAsync, and the tokenizer.

Begin with `Texts.completion`. As recorded, each line of a stream has the whole text so far and its usage.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any
from zlib import crc32

from aiohttp import web

from bot.sandbox.ai_studio.faults import Stream, fail
from bot.sandbox.ai_studio.generation.calls import native_calls
from bot.sandbox.ai_studio.generation.request_options import RequestOptions, native_request_options
from bot.sandbox.ai_studio.generation.writer import AnswerSource, Messages, PendingAnswer, phrases
from bot.sandbox.ai_studio.operations import COMPLETION, Operations
from bot.sandbox.ai_studio.quota import Quotas
from bot.sandbox.ai_studio.validation import (
    Access,
    Uri,
    check_text,
    check_window,
    native_messages,
    native_stream_and_limit,
    text_model,
)
from bot.sandbox.ai_studio.wire import TOKEN, Call, Fault, Json, Problem, count_tokens, encode, get, json_response

VERSION = "09.02.2025"


class Texts:
    """The routes of the native API. `split` writes streams in pieces of so many bytes, `blank_lines` adds
    empty lines.
    """

    def __init__(self, access: Access, quotas: Quotas, source: AnswerSource, operations: Operations) -> None:
        self.split = 0
        self.blank_lines = False
        self._access = access
        self._quotas = quotas
        self._source = source
        self._operations = operations

    async def completion(self, call: Call) -> web.StreamResponse:
        """`completion`: an answer, whole or streamed."""
        messages, streams, limit, options = self._check(call)
        with self._quotas.session():
            pending = self._source.next(messages, call, options)
            if isinstance(pending, Fault):
                return await fail(call, pending)
            if pending.answer.raw:
                return await self._raw(call, pending)
            lines = self._lines(messages, pending, limit)
            return await (self._stream(call, lines) if streams else self._whole(call, lines))

    async def later(self, call: Call) -> web.StreamResponse:
        """`completionAsync`: begin an operation whose result is an answer, which is written at once."""
        messages, _, limit, options = self._check(call)
        self._quotas.take("completionAsync")
        pending = self._source.next(messages, call, options)
        if isinstance(pending, Fault):
            return await fail(call, pending)
        result: Json = {}
        async for line, _ in self._lines(messages, pending, limit):
            result = line
        operation = self._operations.open("text", "Async GPT Completion", {"@type": COMPLETION, **result})
        return json_response(call, operation)

    async def tokenize(self, call: Call) -> web.Response:
        """`tokenize`: the tokens of a text."""
        text_model(call, self._access, get(call.body, "modelUri"), native=True)
        check_text(call.body.get("text"))
        self._quotas.take("tokenize")
        return json_response(call, {"tokens": [START, *text_tokens(call.body["text"])], "modelVersion": VERSION})

    async def tokenize_completion(self, call: Call) -> web.Response:
        """`tokenizeCompletion`: the tokens of the prompt that the messages make."""
        messages, _, _, _ = self._check(call)
        self._quotas.take("tokenizeCompletion")
        return json_response(call, {"tokens": template(messages), "modelVersion": VERSION})

    def _check(self, call: Call) -> tuple[Messages, bool, int, RequestOptions]:
        uri: Uri = text_model(call, self._access, get(call.body, "modelUri"), native=True)
        messages = native_messages(call.body)
        streams, limit = native_stream_and_limit(call.body)
        options = native_request_options(call.body, uri)
        check_window(call, uri, prompt_tokens(messages))
        call.seen.note = f"{uri.name}/{uri.version}, {len(messages)} messages"
        return messages, streams, limit, options

    async def _lines(self, messages: Messages, pending: PendingAnswer, limit: int) -> AsyncIterator[tuple[Json, bool]]:
        """CompletionResponses with the text so far, each with whether it is the last."""
        prompt, answer = prompt_tokens(messages), pending.answer
        thought = count_tokens(answer.thought)
        if answer.calls:
            message, done = native_calls(answer.calls), count_tokens(str(answer.calls))
            yield completion(message, "TOOL_CALLS", prompt, done, answer.usage, thought), True
            return
        async for step in self._source.steps(pending, phrases, limit):
            message = {"role": "assistant", "text": step.text}
            yield completion(message, step.status, prompt, step.tokens, answer.usage, thought), step.last

    async def _stream(self, call: Call, lines: AsyncIterator[tuple[Json, bool]]) -> web.StreamResponse:
        stream = Stream(call, "application/json", split=self.split)
        try:
            async for line, last in lines:
                if not stream.is_open:
                    await stream.open()
                data = encode({"result": line}) + b"\n"
                await stream.send(b"\n" + data if self.blank_lines else data, last=last)
                _remember(call, line)
        except Problem as problem:
            if not stream.is_open:
                raise
            return await stream.fail(problem)
        return await stream.end()

    async def _whole(self, call: Call, lines: AsyncIterator[tuple[Json, bool]]) -> web.StreamResponse:
        result: Json = {}
        async for line, _ in lines:
            result = line
        _remember(call, result)
        if call.fault is not None:
            return await fail(call, call.fault)
        return json_response(call, {"result": result})

    async def _raw(self, call: Call, pending: PendingAnswer) -> web.StreamResponse:
        return await raw(call, pending.answer.raw, pending.answer.raw_type or "application/json", self.split)


async def raw(call: Call, pieces: Sequence[bytes], content_type: str, split: int) -> web.StreamResponse:
    """Send these pieces as a body, byte for byte."""
    stream = Stream(call, content_type, split=split)
    await stream.open()
    for index, piece in enumerate(pieces):
        await stream.send(piece, last=index == len(pieces) - 1)
    return await stream.end()


def completion(message: Json, status: str, prompt: int, done: int, usage: Any = None, thought: int = 0) -> Json:
    """A CompletionResponse. Tokens of hidden reasoning are part of the answer's tokens."""
    alternative = {"message": message, "status": f"ALTERNATIVE_STATUS_{status}"}
    counted = {
        "inputTextTokens": str(prompt),
        "completionTokens": str(done + thought),
        "totalTokens": str(prompt + done + thought),
        "completionTokensDetails": {"reasoningTokens": str(thought)},
    }
    found: Json = {"alternatives": [alternative], "usage": counted if usage is None else usage, "modelVersion": VERSION}
    if usage == {}:
        del found["usage"]
    return found


def _remember(call: Call, line: Json) -> None:
    message = line["alternatives"][0]["message"]
    call.seen.answer = message.get("text") or str(message.get("toolCallList", ""))


def prompt_tokens(messages: Messages) -> int:
    """How many tokens the prompt of the messages has: as many as `template` returns, only counted."""
    return 9 + sum(5 + count_tokens(message["text"]) for message in messages)


def text_tokens(text: str) -> list[Json]:
    """The tokens of a text; the first of a word begins with ▁."""
    found = []
    for match in TOKEN.finditer(text):
        opens = match.start() == 0 or text[match.start() - 1].isspace()
        found.append(_token("▁" + match[0] if opens else match[0]))
    return found


def template(messages: Messages) -> list[Json]:
    """The prompt of the messages as the model gets it, in tokens. For the one message "ping" it is the recorded one."""
    found = [START]
    for message in messages:
        found += [_token(SPEAKERS[message["role"]]), _token(":"), *text_tokens(message["text"]), LINE, LINE]
    return [*found, *map(_token, ("А", "сси", "стент", ":", "▁[", "EDIT", "ORS", "]")), SEPARATOR]


def _token(text: str) -> Json:
    return {"id": KNOWN_IDS.get(text) or str(1_000 + crc32(text.encode("utf-8", "replace")) % 125_000), "text": text}


def _special(id: str, text: str) -> Json:
    return {"id": id, "text": text, "special": True}


START, LINE, SEPARATOR = _special("1", "<s>"), _special("3", "[NL]"), _special("4", "[SEP]")
SPEAKERS = {"user": "▁Пользователь", "assistant": "▁Ассистент", "system": "▁Система"}
KNOWN_IDS = {
    "▁Пользователь": "16861", ":": "125851", "▁ping": "45533", "А": "125904", "сси": "845", "стент": "57590",
    "▁[": "502", "EDIT": "32166", "ORS": "20386", "]": "125895",
}  # fmt: skip
