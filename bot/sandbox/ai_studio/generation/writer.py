"""Where the sandbox's answers come from, and how fast they come: a script, a function, or a local model.

Begin with `Source.next`. Answers are pieces of text; which wire carries them is not this module's business.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal

from bot.clock import Clock
from bot.errors import ModelError
from bot.sandbox.ai_studio.faults import Faults
from bot.sandbox.ai_studio.generation.request_options import Wishes
from bot.sandbox.ai_studio.wire import TOKEN, Call, Fault, Problem, count_tokens
from bot.sandbox.scripted import model
from bot.sandbox.scripted import tools as scripted_tools

Status = Literal["FINAL", "TRUNCATED_FINAL", "CONTENT_FILTER", "TOOL_CALLS", "UNSPECIFIED"]
Quirk = Literal["no_usage", "no_done", "no_finish", "leak"]
Messages = list[dict[str, str]]
Split = Callable[[str], Sequence[str]]
AnswerFunction = Callable[[Messages], str | AsyncIterator[str]]

NOTHING_MORE = Wishes()
FILTERED = (
    "В интернете есть много сайтов с информацией на эту тему. "
    "[Посмотрите, что нашлось в поиске](https://ya.ru)"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer for `Studio.script`.

    `chunks` are what each piece adds, or with `cumulative` the whole text as each line of the native stream says it.
    `usage` replaces the counted one, `{}` leaves it out. `raw` is a whole body, byte for byte, in pieces. `quirks`
    leave things out of an OpenAI-compatible stream. `calls` are tools that it calls instead of answering, `thought`
    is what it thinks before, which the native API only counts.
    """

    chunks: Sequence[str] = ()
    status: Status = "FINAL"
    cumulative: bool = False
    usage: Mapping[str, Any] | None = None
    raw: Sequence[bytes] = ()
    raw_type: str = ""
    quirks: frozenset[Quirk] = frozenset()
    calls: Sequence[scripted_tools.Call] = ()
    thought: str = ""


@dataclass(frozen=True, slots=True)
class Writing:
    """An answer on its way: `pieces` when it is known, `live` when it is still being thought of."""

    answer: Answer
    live: AsyncIterator[str] | None = None
    text: str = ""
    pace: float = 1.0

    def pieces(self, split: Split) -> Sequence[str]:
        return split(self.text) if self.text else self.answer.chunks


@dataclass(frozen=True, slots=True)
class Step:
    """One piece of an answer: what it adds, text and tokens so far, the status, whether it is the last."""

    piece: str
    text: str
    tokens: int
    status: str
    last: bool


class Source:
    """`speed` is pieces a second (0: at once), `ttft` seconds to the first; `function` writes what no script says."""

    def __init__(self, clock: Clock, faults: Faults) -> None:
        self.speed = 0.0
        self.ttft = 0.0
        self.function: AnswerFunction = model.answer
        self.paced = True
        self.queue: deque[str | Sequence[str] | Answer | Fault] = deque()
        self._clock = clock
        self._faults = faults

    def next(self, messages: Messages, call: Call, wishes: Wishes = NOTHING_MORE) -> Writing | Fault:
        """The answer to these messages, or a fault in its place. A fault for later goes along with the call."""
        if self.queue:
            item = self.queue.popleft()
            if not isinstance(item, Fault):
                return _planned(item)
            if item.after_chunks is None:
                return item
            call.fault = item
            return self.next(messages, call, wishes)
        if model.is_refused(messages):
            return Writing(Answer(chunks=(FILTERED,), status="CONTENT_FILTER"))
        thought = scripted_tools.thought(messages) if wishes.reasons else ""
        if self.function is model.answer and (wanted := _wanted(messages, wishes, thought)):
            return wanted
        made = self.function(messages)
        if isinstance(made, str):
            pace = model.pace(messages) if self.paced else 1.0
            return Writing(Answer(thought=thought), text=made, pace=pace)
        return Writing(Answer(thought=thought), live=made)

    async def steps(self, writing: Writing, split: Split, limit: int) -> AsyncIterator[Step]:
        """The answer in its time, at most `limit` tokens of it (0: all); the content filter may come in between."""
        filtered, text, count = self._faults.happens("filter"), "", 0
        async with aclosing(self._flow(writing, split)) as flow:
            async for piece, last in flow:
                before = text
                text = piece if writing.answer.cumulative else text + piece
                count += max(count_tokens(piece), 1)
                status = str(writing.answer.status) if last else "PARTIAL"
                if limit and (count > limit or (count == limit and not last)):
                    text, count, status = shorten(text, count - limit), limit, "TRUNCATED_FINAL"
                elif filtered and (last or count > 20):
                    text, status = FILTERED, "CONTENT_FILTER"
                added = text[len(before) :] if text.startswith(before) else text
                yield Step(added, text, count, status, last or status != "PARTIAL")
                if status != "PARTIAL":
                    return

    async def _flow(self, writing: Writing, split: Split) -> AsyncGenerator[tuple[str, bool]]:
        """The pieces, each with whether it is the last. An answer has at least one, maybe empty."""
        if writing.live is not None:
            async with aclosing(_with_last(writing.live)) as pieces_now:
                async for item in pieces_now:
                    yield item
            return
        pieces, slow = writing.pieces(split), max(self._faults.shares["slow"], 0.01)
        speed = self.speed * writing.pace / slow
        waits = self.speed > 0 and writing.pace > 0
        begin = self._clock.monotonic() + (self.ttft * slow if writing.pace > 0 else 0.0)
        last = max(len(pieces) - 1, 0)
        for index, piece in enumerate(pieces or ("",)):
            due = begin + (index / speed if waits else 0.0) - self._clock.monotonic()
            if due > 0:
                await self._clock.sleep(due)
            yield piece, index == last


async def _with_last(live: AsyncIterator[str]) -> AsyncGenerator[tuple[str, bool]]:
    """Pieces as they come, each with whether it is the last; a model that fails is the service's failure."""
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


def _wanted(messages: Messages, wishes: Wishes, thought: str) -> Writing | None:
    """What the scripted model says where words alone won't do."""
    tools = [(tool.name, tool.parameters) for tool in wishes.tools]
    if calls := scripted_tools.calls(messages, tools, wishes.choice, parallel=wishes.parallel):
        return Writing(Answer(calls=calls, status="TOOL_CALLS", thought=thought))
    text = scripted_tools.told(messages)
    if wishes.schema is not None:
        text = scripted_tools.as_json(wishes.schema, text or model.question(messages))
    elif wishes.pictures:
        text = scripted_tools.seen(messages, wishes.pictures)
    return Writing(Answer(thought=thought), text=text) if text else None


def _planned(item: str | Sequence[str] | Answer) -> Writing:
    if isinstance(item, Answer):
        return Writing(item)
    return Writing(Answer(), text=item) if isinstance(item, str) and item else Writing(Answer(chunks=tuple(item)))


def shorten(text: str, tokens: int) -> str:
    """The text without so many tokens at its end."""
    if tokens <= 0:
        return text
    marks = [match.start() for match in TOKEN.finditer(text)]
    return text[: marks[-tokens]].rstrip() if tokens < len(marks) else ""


def phrases(text: str) -> list[str]:
    """A few words at a time, as the native stream gives them. Joined they are the text."""
    return re.findall(r"(?:\S+\s*){1,4}|\s+", text)


def sentences(text: str) -> list[str]:
    """A short first piece, then large ones, as Yandex's own models stream on the OpenAI-compatible API."""
    word = re.match(r"\s*\S+", text)
    rest = text[word.end() :] if word else text
    return [*([word[0]] if word else ()), *(rest[start : start + 200] for start in range(0, len(rest), 200))]


def tokens(text: str) -> list[str]:
    """About a token at a time, as open models stream."""
    return re.findall(r"\s*\w{1,8}|\s*[^\w\s]|\s+", text)
