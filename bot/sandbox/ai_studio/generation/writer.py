"""Where the sandbox's answers come from and how fast: a script, a function, or a local model. Begin with
`AnswerSource.respond`.

Answers are pieces of text here; the modules of the three APIs put them into their formats. Tool calls have the form
recorded for each family of models.
"""

from __future__ import annotations

import json
import re
import secrets
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from bot.clock import Clock
from bot.errors import ModelError
from bot.sandbox import scripted_model as scripted
from bot.sandbox import scripted_tools
from bot.sandbox.ai_studio.faults import Stream, fail
from bot.sandbox.ai_studio.generation.text_request import Messages, TextRequest
from bot.sandbox.ai_studio.wire import TOKEN, Call, Fields, Json, Problem, Reply, count_tokens
from bot.sandbox.faults import Fault, Faults

T = TypeVar("T")
ToolCall = tuple[str, Fields]


def native_calls(calls: Sequence[ToolCall]) -> Json:
    """The message with tool calls of the native API: calls have no ids, and every number is a double."""
    rows = [{"functionCall": {"name": name, "arguments": _doubles(dict(arguments))}} for name, arguments in calls]
    return {"role": "assistant", "toolCallList": {"toolCalls": rows}}


def whole_calls(calls: Sequence[ToolCall], *, is_open: bool) -> list[Json]:
    """The tool calls of an OpenAI-compatible answer that is not streamed. `is_open`: of an open model."""
    return [
        _entry(number, _id(name, is_open=is_open), name, _text(given)) for number, (name, given) in enumerate(calls)
    ]


def delta_calls(calls: Sequence[ToolCall], *, is_open: bool, bare: bool) -> list[list[Json]]:
    """The tool calls of an OpenAI-compatible stream, one list for each chunk.

    Yandex's models send all calls in one chunk, open models token by token. `bare`: even the first piece has no type,
    as gemma sends it.
    """
    if not is_open:
        return [whole_calls(calls, is_open=False)]
    found: list[list[Json]] = []
    for number, (name, given) in enumerate(calls):
        found.append([_entry(number, _id(name, is_open=True), name, "", kind="" if bare else "function")])
        found += [[_entry(number, "", "", piece, kind="")] for piece in re.findall(r".{1,4}", _text(given), re.DOTALL)]
    return found


def _entry(number: int, id: str, name: str, arguments: str, *, kind: str = "function") -> Json:
    return {"index": number, "id": id, "type": kind, "function": {"name": name, "arguments": arguments}}


def _id(name: str, *, is_open: bool) -> str:
    return f"chatcmpl-tool-{secrets.token_hex(16)}" if is_open else name


def _text(arguments: Fields) -> str:
    return json.dumps(dict(arguments), ensure_ascii=False, separators=(",", ":"))


def _doubles(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, list):
        return [_doubles(item) for item in value]
    return {key: _doubles(item) for key, item in value.items()} if isinstance(value, dict) else value


Status = Literal["FINAL", "TRUNCATED_FINAL", "CONTENT_FILTER", "TOOL_CALLS", "UNSPECIFIED"]
Quirk = Literal["no_usage", "no_done", "no_finish", "leak"]
Split = Callable[[str], Sequence[str]]
AnswerFunction = Callable[[Messages], str | AsyncIterator[str]]
Piece = tuple[bytes, bool]  # of a body, with whether it is the last

FILTERED = "В интернете есть много сайтов с информацией на эту тему. [Посмотрите, что нашлось в поиске](https://ya.ru)"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer for `Studio.script`.

    `chunks` are the pieces that are added one by one, or with `cumulative` the whole text so far in each. `usage`
    replaces the counted usage, `{}` leaves it out. `raw` is a whole body, byte for byte, in pieces. `quirks` name what
    an OpenAI-compatible stream leaves out. `calls` are tool calls instead of a text. `thought` is the reasoning before
    the answer, which the native API only counts.
    """

    chunks: Sequence[str] = ()
    status: Status = "FINAL"
    cumulative: bool = False
    usage: Fields | None = None
    raw: Sequence[bytes] = ()
    raw_type: str = ""
    quirks: frozenset[Quirk] = frozenset()
    calls: Sequence[ToolCall] = ()
    thought: str = ""


@dataclass(frozen=True, slots=True)
class PendingAnswer:
    """An answer that has not been sent yet: its `text` or chunks if they are known, `live` if a model is still writing
    it.

    `seconds` is how long it takes: 0 comes at once, None is the set speed.
    """

    answer: Answer
    live: AsyncIterator[str] | None = None
    text: str = ""
    seconds: float | None = None

    def pieces(self, split: Split) -> Sequence[str]:
        """The pieces of a known answer; `split` cuts its text."""
        return split(self.text) if self.text else self.answer.chunks


@dataclass(frozen=True, slots=True)
class Step:
    """One piece of an answer: what it adds, text and tokens so far, the status, whether it is the last."""

    piece: str
    text: str
    tokens: int
    status: str
    last: bool


Write = Callable[[PendingAnswer], Awaitable[Reply]]


class AnswerSource:
    """Writes answers at `speed` pieces a second (0: at once), the first after `ttft` seconds. `function` answers after
    the script. `split` writes streams in pieces of so many bytes. `tuned` are the answers that tuned models have
    learned, by the suffix of their URI and by question; all their answers end with `[suffix]`.
    """

    def __init__(self, clock: Clock, faults: Faults) -> None:
        self.speed = 0.0
        self.ttft = 0.0
        self.split = 0
        self.function: AnswerFunction = scripted.answer
        self.paced = True
        self.queue: deque[str | Sequence[str] | Answer | Fault] = deque()
        self.tuned: dict[str, Mapping[str, str]] = {}
        self._clock = clock
        self._faults = faults

    async def respond(self, call: Call, request: TextRequest, kind: str, write: Write) -> Reply:
        """Answer a request with what comes next: a fault, a body byte for byte, or what `write` makes of an answer. A
        fault in the middle breaks off an answer that is not a stream as well.

        `kind` is the content type of a body that has none of its own.
        """
        pending = self._next(request, call)
        if isinstance(pending, Fault):
            return await fail(call, pending)
        if pending.answer.raw:
            stream = self.stream(call, pending.answer.raw_type or kind)
            return await stream.write(_numbered(pending.answer.raw))
        reply = await write(pending)
        return await fail(call, call.fault) if call.fault and isinstance(reply, dict) else reply

    async def text(self, request: TextRequest) -> str:
        """Return the whole answer to a request of a batch run, at once. The queue of `script` is not used for it."""
        messages = request.messages
        if scripted.is_refused(messages):
            return FILTERED
        if self.function is scripted.answer and (wanted := _wanted(request, "")):
            found = wanted.text
        else:
            made = self.function(messages)
            found = made if isinstance(made, str) else "".join([piece async for piece in made])
            found = self._as_tuned(request, found)
        return shorten(found, count_tokens(found) - request.limit) if request.limit else found

    def stream(self, call: Call, kind: str) -> Stream:
        """A body of this content type, written in pieces."""
        return Stream(call, kind, split=self.split)

    def _next(self, request: TextRequest, call: Call) -> PendingAnswer | Fault:
        """The answer to a request, or a fault instead of it.

        A fault with `after_chunks` is stored in the call and breaks off the answer that follows it in the queue.
        """
        messages = request.messages
        if self.queue:
            item = self.queue.popleft()
            if not isinstance(item, Fault):
                return _planned(item)
            if item.after_chunks is None:
                return item
            call.fault = item
            return self._next(request, call)
        if scripted.is_refused(messages):
            return PendingAnswer(Answer(chunks=(FILTERED,), status="CONTENT_FILTER"))
        thought = scripted_tools.thought(messages) if request.reasons else ""
        if self.function is scripted.answer and (wanted := _wanted(request, thought)):
            return wanted
        made = self.function(messages)
        if isinstance(made, str):
            seconds = scripted.seconds_wanted(messages) if self.paced else None
            return PendingAnswer(Answer(thought=thought), text=self._as_tuned(request, made), seconds=seconds)
        return PendingAnswer(Answer(thought=thought), live=made)

    def _as_tuned(self, request: TextRequest, text: str) -> str:
        """The answer of a model, as a tuned one gives it."""
        learned = self.tuned.get(request.uri.tuned)
        if learned is None:
            return text
        return f"{learned.get(scripted.question(request.messages).strip(), text)} [{request.uri.tuned}]"

    async def steps(self, pending: PendingAnswer, split: Split, limit: int) -> AsyncIterator[Step]:
        """Yield the answer at its speed, at most `limit` tokens (0: all). The random fault `filter` may end it."""
        filtered, text, count = self._faults.happens("filter"), "", 0
        async with aclosing(self._flow(pending, split)) as flow:
            async for piece, last in flow:
                before = text
                text = piece if pending.answer.cumulative else text + piece
                count += max(count_tokens(piece), 1)
                status = str(pending.answer.status) if last else "PARTIAL"
                if limit and (count > limit or (count == limit and not last)):
                    text, count, status = shorten(text, count - limit), limit, "TRUNCATED_FINAL"
                elif filtered and (last or count > 20):
                    text, status = FILTERED, "CONTENT_FILTER"
                added = text[len(before) :] if text.startswith(before) else text
                yield Step(added, text, count, status, last=last or status != "PARTIAL")
                if status != "PARTIAL":
                    return

    async def _flow(self, pending: PendingAnswer, split: Split) -> AsyncGenerator[tuple[str, bool]]:
        """The pieces, each with whether it is the last. An answer has at least one piece, which may be empty."""
        if pending.live is not None:
            async with aclosing(_with_last(pending.live)) as pieces_now:
                async for item in pieces_now:
                    yield item
            return
        pieces, slow = pending.pieces(split), max(self._faults.shares["slow"], 0.01)
        speed = (len(pieces) / pending.seconds if pending.seconds else self.speed) / slow
        waits = self.speed > 0 and pending.seconds != 0
        begin = self._clock.monotonic() + (self.ttft * slow if pending.seconds != 0 else 0.0)
        last = max(len(pieces) - 1, 0)
        for index, piece in enumerate(pieces or ("",)):
            due = begin + (index / speed if waits else 0.0) - self._clock.monotonic()
            if due > 0:
                await self._clock.sleep(due)
            yield piece, index == last


async def read_last(found: AsyncIterator[T]) -> T:
    """The last of what comes, which is at least one."""
    newest: list[T] = []
    async for one in found:
        newest = [one]
    return newest[0]


async def _with_last(live: AsyncIterator[str]) -> AsyncGenerator[tuple[str, bool]]:
    """Pieces as they come, each with whether it is the last. An error of the model becomes `Problem` 14."""
    held: str | None = None
    try:
        async for piece in live:
            if held is not None:
                yield held, False
            held = piece
    except ModelError as error:
        raise Problem(14, str(error)) from error
    finally:
        if isinstance(live, AsyncGenerator):
            await live.aclose()
    yield held or "", True


def _wanted(request: TextRequest, thought: str) -> PendingAnswer | None:
    """The scripted model's answer with tool calls, JSON or a description of pictures; None if a plain text will do."""
    messages, tools = request.messages, [(tool.name, tool.parameters) for tool in request.tools]
    if calls := scripted_tools.calls(messages, tools, request.choice, parallel=request.parallel):
        return PendingAnswer(Answer(calls=calls, status="TOOL_CALLS", thought=thought))
    text = scripted_tools.results_text(messages)
    if request.schema is not None:
        text = scripted_tools.as_json(request.schema, text or scripted.question(messages))
    elif request.pictures:
        text = scripted_tools.describe_pictures(messages, request.pictures)
    return PendingAnswer(Answer(thought=thought), text=text) if text else None


def _planned(item: str | Sequence[str] | Answer) -> PendingAnswer:
    if isinstance(item, str) and item:
        return PendingAnswer(Answer(), text=item)
    return PendingAnswer(item if isinstance(item, Answer) else Answer(chunks=tuple(item)))


async def _numbered(pieces: Sequence[bytes]) -> AsyncIterator[Piece]:
    for number, piece in enumerate(pieces, 1):
        yield piece, number == len(pieces)


def shorten(text: str, tokens: int) -> str:
    """The text without its last `tokens` tokens."""
    if tokens <= 0:
        return text
    marks = [match.start() for match in TOKEN.finditer(text)]
    return text[: marks[-tokens]].rstrip() if tokens < len(marks) else ""


def phrases(text: str) -> list[str]:
    """Cut a text into pieces of a few words, as the native stream does. Joined they are the text."""
    return re.findall(r"(?:\S+\s*){1,4}|\s+", text)


def sentences(text: str) -> list[str]:
    """Cut a text into a short first piece and large ones, as Yandex's models stream in the OpenAI-compatible API."""
    word = re.match(r"\s*\S+", text)
    rest = text[word.end() :] if word else text
    return [*([word[0]] if word else ()), *(rest[start : start + 200] for start in range(0, len(rest), 200))]


def tokens(text: str) -> list[str]:
    """Cut a text into pieces of about a token, as open models stream."""
    return re.findall(r"\s*\w{1,8}|\s*[^\w\s]|\s+", text)
