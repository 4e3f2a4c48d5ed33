"""A text model over HTTP. A failed request is repeated, unless the first word of the answer was yielded already. Begin
at `TextModel`.

APIs differ in the JSON and the framing of a stream (`Wire`, `Reader`). This module handles what all APIs have in
common: broken connections, refusals, silence.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

from bot.ai import Chunk, Profile, Request, Source
from bot.config.settings import Settings
from bot.errors import AnswerForgotten, ModelDenied, ModelError, ModelRefused, ModelUnavailable, StreamCut
from bot.http.client import Stream
from bot.providers.account import Account
from bot.providers.reader import Reader
from bot.types import Image, ToolCall, ToolResult

LONGEST_ANSWER = 200_000  # characters we take
CUT_MARK = "[...]\n"
LAST_WORDS = 0.25  # seconds for the end of a complete answer to come, so that its connection can be used again
LAST_NUMBERS = 2.0  # ... and for what it cost, where that comes after it
PREVIOUS = re.compile(r"previous[_ ]response", re.IGNORECASE)


class Wire(Protocol):
    """Writes the requests of one API for one model, and makes the reader of the answers."""

    def body(self, request: Request, *, stream: bool) -> dict[str, Any]:
        """Return the JSON body of a request. Raises `ModelRefused` for what the model can't be asked."""

    def reader(self, request: Request, *, trace: str) -> Reader:
        """Return a new reader for one answer; `trace` is the server's id of the request."""

    def pieces(self, stream: Stream) -> AsyncGenerator[list[str]]:
        """Yield the pieces of an open answer that `Reader.feed` takes, in lists: those that arrived together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How many seconds a whole answer may take, and how many the server may be silent meanwhile."""

    deadline: float
    idle: float

    @classmethod
    def from_settings(cls, settings: Settings) -> Timeouts:
        """Return the timeouts that ANSWER_DEADLINE and IDLE_DEADLINE set."""
        return cls(deadline=settings.answer_deadline, idle=settings.idle_deadline)


class TextModel:
    """A `Model` over HTTP, at the address `url`; `wire` writes its requests and reads its answers."""

    def __init__(
        self, *, name: str, profile: Profile, wire: Wire, account: Account, url: str, timeouts: Timeouts
    ) -> None:
        self._name = name
        self._profile = profile
        self._wire = wire
        self._account = account
        self._url = url
        self._timeouts = timeouts

    @property
    def name(self) -> str:
        """The name that users and settings call the model by."""
        return self._name

    @property
    def profile(self) -> Profile:
        """What the model can do and costs."""
        return self._profile

    async def stream(self, request: Request) -> AsyncGenerator[Chunk]:
        """Yield the answer chunk by chunk; see `Model.stream`.

        If the connection breaks after the first word, the request is not repeated: that raises `StreamCut`.
        """
        until = self._account.clock.monotonic() + self._timeouts.deadline
        refuse_pictures(request, self._profile)
        body = self._wire.body(request, stream=True)
        given, attempt = False, 1
        while True:
            try:
                async with aclosing(self._answer(request, body, until)) as chunks:
                    async for chunk in chunks:
                        given = given or bool(chunk.text or chunk.reasoning) or chunk.replaces
                        yield chunk
                return
            except (ModelDenied, ModelRefused) as error:
                raise _forgotten(error, request) or error from None
            except ModelUnavailable as error:
                if given:
                    raise StreamCut(str(error), retry_after=error.retry_after, trace=error.trace) from error
                if not await self._account.retry.sleep(attempt, error, until):
                    raise _uncut(error) from None
            attempt += 1

    async def _answer(self, request: Request, body: dict[str, Any], until: float) -> AsyncGenerator[Chunk]:
        """Yield the chunks of one try."""
        account = self._account
        async with (
            account.place(until),
            account.stream(self._url, body, until=until, idle=self._timeouts.idle) as stream,
        ):
            reader = self._wire.reader(request, trace=stream.headers.get("x-server-trace-id", ""))
            try:
                async with aclosing(self._wire.pieces(stream)) as pieces:
                    async for together in pieces:
                        for chunk in _read(reader, together):
                            yield chunk
                        if reader.done:
                            break
                        if reader.whole:
                            stream.hurry(LAST_NUMBERS)
            except ModelUnavailable:
                if not reader.whole:
                    raise
            if last := reader.end():
                yield last
            await stream.drain(LAST_WORDS)


def _read(reader: Reader, pieces: Iterable[str]) -> Iterator[Chunk]:
    """Yield what is new in pieces that arrived together. Raises as `Reader.feed` does, after what was read before.

    They become one chunk, since each chunk goes through all layers of an answer; but chunks with an `activity` are
    counted, so they stay apart.
    """
    chunks: list[Chunk] = []
    failure: ModelError | None = None
    for piece in pieces:
        try:
            if chunk := reader.feed(piece):
                chunks.append(chunk)
        except ModelError as error:
            failure = error
        if failure or reader.done:
            break
    if any(chunk.activity for chunk in chunks):
        yield from chunks
    elif chunks:
        yield joined(*chunks)
    if failure:
        raise failure


def joined(*chunks: Chunk | None) -> Chunk:
    """Join chunks of one answer, given in their order, into one chunk."""
    text, replaces, finish, usage, reasoning, version, response = "", False, None, None, "", "", ""
    calls: tuple[ToolCall, ...] = ()
    sources: tuple[Source, ...] = ()
    for chunk in filter(None, chunks):
        text = chunk.text if chunk.replaces else text + chunk.text
        replaces = replaces or chunk.replaces
        finish, usage = chunk.finish or finish, chunk.usage or usage
        calls += chunk.tool_calls
        reasoning += chunk.reasoning
        sources += chunk.sources
        version = chunk.version or version
        response = chunk.response or response
    return Chunk(
        text,
        replaces=replaces,
        finish=finish,
        usage=usage,
        tool_calls=calls,
        reasoning=reasoning,
        sources=sources,
        version=version,
        response=response,
    )


async def event_pieces(stream: Stream) -> AsyncGenerator[list[str]]:
    """Yield the data of the server-sent events of an open answer, in lists: those that arrived together.

    An answer that is no stream is one piece.
    """
    if "json" in stream.headers.get("content-type", ""):  # not streamed after all, or an error with status 200
        yield [(await stream.body()).decode("utf-8", "replace")]
        return
    async with aclosing(stream.events()) as events:
        async for together in events:
            yield [event.data for event in together]


def shortened(text: str, longest: int) -> str:
    """Return the end of `text` behind a mark of omission, `longest` characters in all; a short text unchanged."""
    return text if len(text) <= longest else CUT_MARK + text[len(CUT_MARK) - longest :]


def refuse_pictures(request: Request, profile: Profile) -> None:
    """Raise `ModelRefused` if the question is about a picture and the model sees none.

    Pictures of earlier questions are only left out: the chat may have had another model then.
    """
    asked = (message for message in reversed(request.messages) if message.role == "user")
    newest = next(
        (message for message in asked if not any(isinstance(part, ToolResult) for part in message.parts)), None
    )
    if newest and not profile.vision and any(isinstance(part, Image) for part in newest.parts):
        raise ModelRefused("this model does not see pictures")


def _forgotten(error: ModelError, request: Request) -> AnswerForgotten | None:
    """What a refusal means if it is about the answer that the request follows; None if it is about anything else."""
    said = str(error)
    about = said.startswith("404") or request.previous in said or PREVIOUS.search(said)
    return AnswerForgotten(said, trace=error.trace) if request.previous and about else None


def _uncut(error: ModelUnavailable) -> ModelUnavailable:
    """Turn a `StreamCut` into a `ModelUnavailable`, because nothing of the answer was yielded yet."""
    return ModelUnavailable(str(error), retry_after=error.retry_after, trace=error.trace)
