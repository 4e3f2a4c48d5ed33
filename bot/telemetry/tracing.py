"""Traces: what was done for one update, as spans of OpenTelemetry, in whichever process it was done. Begin with `span`.

OpenTelemetry's context holds the span that is open here, and tasks inherit it. It also holds the `Recorder` with which
spans below it are made, if the turn is traced (`TurnTracer`, `joined`); otherwise the functions here do nothing. Only
OpenTelemetry's API is needed here; its SDK is loaded by `telemetry/otel.py`, if TRACES is on.

No attribute holds a text, a name or a secret: numbers that the log shows as well, and the names of models, tools,
methods and errors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any

from opentelemetry import context, trace
from opentelemetry.context import Context

from bot.ai import Chunk, Model, Request, Usage
from bot.clock import Clock

Span = trace.Span
Attributes = Mapping[str, str | bool | int | float | tuple[str, ...]]
INTERNAL, CLIENT, CONSUMER = trace.SpanKind.INTERNAL, trace.SpanKind.CLIENT, trace.SpanKind.CONSUMER
RECORDER = context.create_key("govorun-recorder")


@dataclass(frozen=True, slots=True)
class Recorder:
    """Starts and ends spans at the times of our clock."""

    tracer: trace.Tracer
    clock: Clock

    def start(
        self,
        name: str,
        kind: trace.SpanKind = INTERNAL,
        attributes: Attributes | None = None,
        *,
        since: float | None = None,
        parent: Context | None = None,
    ) -> Span:
        """Start a span at `since` (Unix time; None: now), below the one of `parent` (None: the one open here)."""
        begun = self.clock.time() if since is None else since
        return self.tracer.start_span(name, parent, kind, attributes, start_time=nanoseconds(begun))

    def end(self, span: Span, error: BaseException | None = None) -> None:
        """End a span now. An `Exception` marks it as failed; another error (it was cancelled) is only named."""
        if isinstance(error, Exception):
            mark_failed(span, type(error).__name__)
        elif error is not None:
            span.set_attribute("error.type", type(error).__name__)
        span.end(nanoseconds(self.clock.time()))


class TurnTracer:
    """Begins the traces of turns, and continues them in other processes. This one traces nothing;
    `otel.RecordingTracer` does.

    The ids of a trace and of its first span follow from the bot and the turn alone.
    """

    def record_update(self, bot: int, turn: str, since: float) -> None:
        """Record the first span of a turn's trace, from the acceptance of its update (`since`, Unix time) until now."""

    def context(self, bot: int, turn: str) -> Context:
        """Return the context of the first span of a turn's trace, maybe recorded by another process; see `joined`."""
        return Context()


NOTHING = TurnTracer()


@contextmanager
def joined(turn: Context) -> Iterator[None]:
    """Let spans inside belong to the trace of a turn; below the span that is open here, if it belongs to that trace."""
    if _trace(turn) == _trace():
        yield
        return
    token = context.attach(turn)
    try:
        yield
    finally:
        context.detach(token)


@contextmanager
def span(name: str, kind: trace.SpanKind = INTERNAL, attributes: Attributes | None = None) -> Iterator[Span]:
    """Record what is done inside as a span, below which other spans may be opened."""
    if (recorder := current_recorder()) is None:
        yield trace.INVALID_SPAN
        return
    with _ending(recorder, recorder.start(name, kind, attributes)) as opened:
        token = context.attach(trace.set_span_in_context(opened))
        try:
            yield opened
        finally:
            context.detach(token)


@contextmanager
def call(name: str, kind: trace.SpanKind = CLIENT, attributes: Attributes | None = None) -> Iterator[Span]:
    """Record what is done inside as a span without spans below it. A generator may yield inside."""
    if (recorder := current_recorder()) is None:
        yield trace.INVALID_SPAN
        return
    with _ending(recorder, recorder.start(name, kind, attributes)) as opened:
        yield opened


@contextmanager
def summed_span(name: str) -> Iterator[None]:
    """Record what is done inside as one span, whose attributes count what would have been spans below it."""
    if (recorder := current_recorder()) is None:
        yield
        return
    opened, counted = recorder.start(name), SpanCounter()
    inside = trace.set_span_in_context(opened)
    token = context.attach(context.set_value(RECORDER, Recorder(counted, recorder.clock), inside))
    try:
        yield
    finally:
        context.detach(token)
        opened.set_attributes({f"govorun.calls.{name}": count for name, count in counted.names.items()})
        recorder.end(opened)


class SpanCounter(trace.NoOpTracer):
    """Counts the spans that are ended, by their names, and those that have `failed`; records none of them."""

    def __init__(self) -> None:
        self.names: Counter[str] = Counter()

    def start_span(self, name: str, *rest: Any, **more: Any) -> Span:
        """Return a span that is only counted."""
        return CountedSpan(name, self.names)


class CountedSpan(trace.NonRecordingSpan):
    """A span that `SpanCounter` counts and does not record. In the log it has the ids of the recorded
    span around it.
    """

    def __init__(self, name: str, names: Counter[str]) -> None:
        super().__init__(current().get_span_context())
        self._name = name
        self._names = names

    def set_status(self, status: trace.Status | trace.StatusCode, description: str | None = None) -> None:
        """Count the span as failed: no other status is ever set."""
        self._names["failed"] += 1  # nothing else is ever set

    def end(self, end_time: int | None = None) -> None:
        """Count the span under its name."""
        self._names[self._name] += 1


def current() -> Span:
    """Return the span that is open in this context; if nothing is traced, one that ignores everything."""
    return trace.get_current_span()


def current_ids() -> tuple[str, str]:
    """The ids of the trace and of the span that are open here, hexadecimal; both "" if nothing is traced."""
    here = current().get_span_context()
    return (trace.format_trace_id(here.trace_id), trace.format_span_id(here.span_id)) if here.is_valid else ("", "")


def current_recorder() -> Recorder | None:
    """Return the recorder that makes spans in this context; None if nothing is traced."""
    found = context.get_value(RECORDER)
    return found if isinstance(found, Recorder) else None


def mark_failed(span: Span, error: str) -> None:
    """Mark a span as failed. `error` is the name of the error, or a status."""
    span.set_attribute("error.type", error)
    span.set_status(trace.StatusCode.ERROR)


def nanoseconds(time: float) -> int:
    """Return a Unix time (seconds) in nanoseconds, as OpenTelemetry takes it."""
    return int(time * 1e9)


@contextmanager
def _ending(recorder: Recorder, opened: Span) -> Iterator[Span]:
    try:
        yield opened
    except GeneratorExit:  # nobody wants the rest
        recorder.end(opened)
        raise
    except BaseException as error:
        recorder.end(opened, error)
        raise
    else:
        recorder.end(opened)


def _trace(where: Context | None = None) -> int:
    return trace.get_current_span(where).get_span_context().trace_id


# --- models -----------------------------------------------------------------------------------------------------------


def model_label(model: str) -> str:
    """A model's name without the folder that stands in its URI."""
    return model.split("/", 3)[-1] if "://" in model else model


def model_stream(model: Model, request: Request) -> AsyncGenerator[Chunk, None]:
    """`model.stream(request)`, recorded as a span with OpenTelemetry's attributes for generative AI."""
    recorder = current_recorder()
    return model.stream(request) if recorder is None else _recorded(recorder, model, request)


async def _recorded(recorder: Recorder, model: Model, request: Request) -> AsyncGenerator[Chunk, None]:
    name, begun = model_label(model.name), False
    with _ending(recorder, recorder.start(f"chat {name}", CLIENT, _request_attributes(name, request))) as opened:
        inside = trace.set_span_in_context(opened)
        # The span is made current only while the model works: a generator's context would leak into its caller.
        async with aclosing(model.stream(request)) as chunks:
            while True:
                token = context.attach(inside)
                try:
                    chunk = await anext(chunks, None)
                finally:
                    context.detach(token)
                if chunk is None:
                    break
                if not begun and (chunk.text or chunk.reasoning):
                    begun = True
                    opened.add_event("first token", timestamp=nanoseconds(recorder.clock.time()))
                if chunk.finish is not None:
                    opened.set_attribute("gen_ai.response.finish_reasons", (str(chunk.finish),))
                opened.set_attributes(usage_attributes(chunk.usage))
                yield chunk


def _request_attributes(name: str, request: Request) -> Attributes:
    asked = {"gen_ai.request.max_tokens": request.max_tokens, "gen_ai.request.temperature": request.temperature}
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": name,
        "gen_ai.request.stream": True,
        "govorun.prompt.messages": len(request.messages),
        "govorun.prompt.characters": sum(len(message.text) for message in request.messages),
        **{name: value for name, value in asked.items() if value is not None},
    }


def usage_attributes(usage: Usage | None) -> Attributes:
    """Return the tokens of a request as attributes of a span; none if the service did not report them."""
    if usage is None:
        return {}
    found = {"gen_ai.usage.input_tokens": usage.prompt, "gen_ai.usage.output_tokens": usage.completion}
    return {**found, "gen_ai.usage.reasoning.output_tokens": usage.reasoning} if usage.reasoning else found
