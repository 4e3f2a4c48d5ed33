"""Traces: what was done for one update, as spans below each other, in whichever process it was done.

`current` is the span that is open here; tasks inherit it, like the turn in `telemetry/turn_log.py`. Who does something
that is worth seeing opens a part of it with `span` or `call`, and knows nothing of OpenTelemetry (`telemetry/otel.py`).
Where nothing is traced `current` is `NOTHING`, whose parts are itself.

No attribute holds a text, a name or a secret: numbers that the log shows as well, and the names of models, tools,
methods and errors.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from typing import Literal, Protocol

from bot.ai import Chunk, Model, Request, Usage

Kind = Literal["internal", "client", "consumer"]
Value = str | bool | int | float | tuple[str, ...]
Attributes = Mapping[str, Value]
NONE: Attributes = {}


class Span(Protocol):
    """Something that is done, from when it was begun until `end`.

    `trace` and `id` are hexadecimal, "" where nothing is recorded.
    """

    @property
    def trace(self) -> str: ...

    @property
    def id(self) -> str: ...

    def part(
        self,
        name: str,
        kind: Kind = "internal",
        attributes: Attributes = NONE,
        *,
        since: float | None = None,
        sums: bool = False,
    ) -> Span:
        """Begin a part of it. `since` is when that was (Unix time), now if not given.

        `sums`: its own parts are counted in its attributes, and are no spans.
        """
        ...

    def note(self, attributes: Attributes) -> None: ...

    def happened(self, what: str, at: float | None = None) -> None:
        """Note a moment in it: Unix time, now if not given."""
        ...

    def failed(self, error: str) -> None:
        """It came to nothing: the name of the error."""
        ...

    def end(self, error: BaseException | None = None) -> None: ...


class Tracer(Protocol):
    """Where traces begin. The ids of a trace and of its first span follow from the bot and the turn alone."""

    def accepted(self, bot: int, turn: str, since: float) -> None:
        """Record the first span of a trace: an update was accepted, from `since` (Unix time) until now."""
        ...

    def origin(self, bot: int, turn: str) -> Span:
        """The first span of a trace, which may have been recorded by another process: only its parts count."""
        ...


class Nothing:
    """Nothing is traced: a tracer and a span at once."""

    trace = id = ""

    def accepted(self, bot: int, turn: str, since: float) -> None:
        """Nobody wants to know."""

    def origin(self, bot: int, turn: str) -> Span:
        return self

    def part(
        self,
        name: str,
        kind: Kind = "internal",
        attributes: Attributes = NONE,
        *,
        since: float | None = None,
        sums: bool = False,
    ) -> Span:
        return self

    def note(self, attributes: Attributes) -> None:
        """Nobody wants to know."""

    def happened(self, what: str, at: float | None = None) -> None:
        """Nobody wants to know."""

    def failed(self, error: str) -> None:
        """Nobody wants to know."""

    def end(self, error: BaseException | None = None) -> None:
        """Nobody wants to know."""


NOTHING = Nothing()
current: ContextVar[Span] = ContextVar("span", default=NOTHING)


@contextmanager
def within(opened: Span) -> Iterator[Span]:
    """What is done inside is part of that span, and ends it."""
    token = current.set(opened)
    try:
        yield opened
    except BaseException as error:
        opened.end(error)
        raise
    else:
        opened.end()
    finally:
        current.reset(token)


@contextmanager
def span(name: str, kind: Kind = "internal", attributes: Attributes = NONE) -> Iterator[Span]:
    """What is done inside is a part of what is done here."""
    here = current.get()
    if here is NOTHING:
        yield here
        return
    with within(here.part(name, kind, attributes)) as opened:
        yield opened


@contextmanager
def of(origin: Span, name: str, kind: Kind = "internal", attributes: Attributes = NONE) -> Iterator[Span]:
    """The same for what belongs to a trace, whoever does it: a delivery, a job."""
    here = current.get()
    if origin is here is NOTHING:
        yield here
        return
    parent = here if here.trace == origin.trace else origin
    with within(parent.part(name, kind, attributes)) as opened:
        yield opened


@contextmanager
def call(name: str, kind: Kind = "client", attributes: Attributes = NONE) -> Iterator[Span]:
    """What is done inside is a part that has none itself, also where it is given out piece by piece meanwhile."""
    opened = current.get().part(name, kind, attributes)
    try:
        yield opened
    except GeneratorExit:  # nobody wants the rest
        opened.end()
        raise
    except BaseException as error:
        opened.end(error)
        raise
    else:
        opened.end()


# --- models -----------------------------------------------------------------------------------------------------------


def label(model: str) -> str:
    """A model's name without the folder that stands in its URI."""
    return model.split("/", 3)[-1] if "://" in model else model


def asked(model: Model, request: Request) -> AsyncGenerator[Chunk, None]:
    """`model.stream(request)`, as a span with the attributes that generative AI has in OpenTelemetry's conventions."""
    here = current.get()
    return model.stream(request) if here is NOTHING else _followed(here, model, request)


async def _followed(here: Span, model: Model, request: Request) -> AsyncGenerator[Chunk, None]:
    name, begun = label(model.name), False
    opened = here.part(f"chat {name}", "client", _asking(name, request))
    # Set for the model alone, piece by piece: who reads the pieces goes on with a context variable that we set.
    try:
        async with aclosing(model.stream(request)) as chunks:
            while True:
                token = current.set(opened)
                try:
                    chunk = await anext(chunks, None)
                finally:
                    current.reset(token)
                if chunk is None:
                    break
                if not begun and (chunk.text or chunk.thought):
                    begun = True
                    opened.happened("first token")
                if chunk.usage is not None or chunk.finish is not None:
                    opened.note(_learned(chunk))
                yield chunk
    except GeneratorExit:
        opened.end()
        raise
    except BaseException as error:
        opened.end(error)
        raise
    opened.end()


def _asking(name: str, request: Request) -> Attributes:
    found: dict[str, Value] = {
        "gen_ai.operation.name": "chat", "gen_ai.request.model": name, "gen_ai.request.stream": True,
        "govorun.prompt.messages": len(request.messages), "govorun.prompt.characters": _size(request),
    }  # fmt: skip
    if request.max_tokens is not None:
        found["gen_ai.request.max_tokens"] = request.max_tokens
    if request.temperature is not None:
        found["gen_ai.request.temperature"] = request.temperature
    return found


def _size(request: Request) -> int:
    return sum(len(message.text) for message in request.messages)


def _learned(chunk: Chunk) -> Attributes:
    """What the last chunks tell."""
    finish = {"gen_ai.response.finish_reasons": (str(chunk.finish),)} if chunk.finish is not None else {}
    return {**used(chunk.usage), **finish}


def used(usage: Usage | None) -> Attributes:
    """The tokens of a request; nothing where the service has not told them."""
    if usage is None:
        return NONE
    found = {"gen_ai.usage.input_tokens": usage.prompt, "gen_ai.usage.output_tokens": usage.completion}
    return {**found, "gen_ai.usage.reasoning.output_tokens": usage.reasoning} if usage.reasoning else found
