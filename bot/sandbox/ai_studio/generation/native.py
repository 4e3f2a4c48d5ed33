"""The native API for texts: completion (whole or as lines of JSON), completionAsync, and the tokenizer.

Begin with `Texts.completion`. As recorded, each line of a stream has the whole text so far and its usage.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from zlib import crc32

from bot.sandbox.ai_studio.core import COMPLETION, Core, Part
from bot.sandbox.ai_studio.generation.text_request import Messages, TextRequest, native_request
from bot.sandbox.ai_studio.generation.writer import AnswerSource, PendingAnswer, Piece, native_calls, phrases, read_last
from bot.sandbox.ai_studio.validation import check_text, text_model
from bot.sandbox.ai_studio.wire import TOKEN, Call, Json, Reply, count_tokens, encode, route

VERSION = "09.02.2025"


class Texts(Part):
    """The routes of the native API. `blank_lines` adds empty lines to streams."""

    def __init__(self, core: Core, source: AnswerSource) -> None:
        super().__init__(core)
        self.blank_lines = False
        self._source = source

    @route("POST /foundationModels/v1/completion", "completion", shape="stream", streams=True)
    async def completion(self, call: Call) -> Reply:
        """Return an answer, whole or as a stream."""
        request = native_request(call, self._access)

        async def write(pending: PendingAnswer) -> Reply:
            lines = self._lines(request, pending)
            if request.streams:
                return await self._source.stream(call, "application/json").write(self._pieces(call, lines))
            result, _ = await read_last(lines)
            _remember(call, result)
            return {"result": result}

        with self._quotas.session():
            return await self._source.respond(call, request, "application/json", write)

    @route("POST /foundationModels/v1/completionAsync", "completionAsync")
    async def later(self, call: Call) -> Reply:
        """Begin an operation and write its result, an answer, at once."""
        request = native_request(call, self._access)
        self._quotas.take("completionAsync")

        async def write(pending: PendingAnswer) -> Reply:
            line, _ = await read_last(self._lines(request, pending))
            result = {"@type": COMPLETION, **line}
            return self._operations.open("text", "Async GPT Completion", result)

        return await self._source.respond(call, request, "application/json", write)

    @route("POST /foundationModels/v1/tokenize", "tokenize")
    async def tokenize(self, call: Call) -> Reply:
        """Return the tokens of a text."""
        text_model(self._access, call.get("modelUri"), native=True)
        check_text(call.body.get("text"))
        self._quotas.take("tokenize")
        return {"tokens": [START, *text_tokens(call.body["text"])], "modelVersion": VERSION}

    @route("POST /foundationModels/v1/tokenizeCompletion", "tokenizeCompletion")
    async def tokenize_completion(self, call: Call) -> Reply:
        """Return the tokens of the prompt that the messages make."""
        request = native_request(call, self._access)
        self._quotas.take("tokenizeCompletion")
        return {"tokens": template(request.messages), "modelVersion": VERSION}

    async def _lines(self, request: TextRequest, pending: PendingAnswer) -> AsyncIterator[tuple[Json, bool]]:
        """CompletionResponses with the text so far, each with whether it is the last."""
        prompt, answer = request.prompt_tokens, pending.answer
        thought = count_tokens(answer.thought)
        if answer.calls:
            message, done = native_calls(answer.calls), count_tokens(str(answer.calls))
            yield completion(message, "TOOL_CALLS", prompt, done, answer.usage, thought), True
            return
        async for step in self._source.steps(pending, phrases, request.limit):
            message = {"role": "assistant", "text": step.text}
            yield completion(message, step.status, prompt, step.tokens, answer.usage, thought), step.last

    async def _pieces(self, call: Call, lines: AsyncIterator[tuple[Json, bool]]) -> AsyncIterator[Piece]:
        async for line, last in lines:
            data = encode({"result": line}) + b"\n"
            yield b"\n" + data if self.blank_lines else data, last
            _remember(call, line)


def completion(message: Json, status: str, prompt: int, done: int, usage: Any = None, thought: int = 0) -> Json:
    """A CompletionResponse as JSON. Tokens of hidden reasoning (`thought`) count among those of the answer."""
    alternative = {"message": message, "status": f"ALTERNATIVE_STATUS_{status}"}
    counted = {
        "inputTextTokens": str(prompt),
        "completionTokens": str(done + thought),
        "totalTokens": str(prompt + done + thought),
        "completionTokensDetails": {"reasoningTokens": str(thought)},
    }
    shown = {"usage": counted if usage is None else usage} if usage != {} else {}
    return {"alternatives": [alternative], **shown, "modelVersion": VERSION}


def _remember(call: Call, line: Json) -> None:
    message = line["alternatives"][0]["message"]
    call.seen.answer = message.get("text") or str(message.get("toolCallList", ""))


def text_tokens(text: str) -> list[Json]:
    """The tokens of a text; the first of a word begins with ▁."""
    found = []
    for match in TOKEN.finditer(text):
        opens = match.start() == 0 or text[match.start() - 1].isspace()
        found.append(_token("▁" + match[0] if opens else match[0]))
    return found


def template(messages: Messages) -> list[Json]:
    """Return the tokens of the prompt that the model gets for these messages. For the one message "ping" they are those
    that were recorded from the service.
    """
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
    "▁Пользователь": "16861",
    ":": "125851",
    "▁ping": "45533",
    "А": "125904",
    "сси": "845",
    "стент": "57590",
    "▁[": "502",
    "EDIT": "32166",
    "ORS": "20386",
    "]": "125895",
}
