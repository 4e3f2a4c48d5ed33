"""Sends the spans of `telemetry/tracing.py` to a collector, with OpenTelemetry's SDK. Begin with `opened`.

The only module that knows the SDK, loaded only if TRACES=true. OpenTelemetry's own variables say where the spans go and
how many of them. The ids of a trace, and whether it is recorded, follow from the bot and the turn: all processes agree
on them without being told, also after a crash. A thread sends the spans from a bounded queue: a collector that is away
costs the spans, and a line in the log.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from hashlib import blake2b

from opentelemetry import trace
from opentelemetry.context import Context, set_value
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision

from bot import __version__
from bot.clock import Clock
from bot.config.entries import ENV_FILE, written
from bot.config.settings import OPENTELEMETRY
from bot.errors import ConfigError
from bot.telemetry.outage import Outage
from bot.telemetry.tracing import CONSUMER, NOTHING, RECORDER, Attributes, Recorder, TurnTracer

ROOT = "update"
FLUSH = 2.0  # seconds that what was not sent yet gets at a stop
EXPORTER = "opentelemetry.exporter"
QUIET = ("opentelemetry.sdk._shared_internal", "opentelemetry.util.re", "urllib3")
STATUS = re.compile(r"code: (\d{3})")
PROTOCOL = "http/protobuf"
HEADERS = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
SAMPLED = trace.TraceFlags(trace.TraceFlags.SAMPLED)
EXPORTERS: Mapping[str, Callable[[], SpanExporter]] = {"otlp": OTLPSpanExporter, "console": ConsoleSpanExporter}


@asynccontextmanager
async def opened(clock: Clock) -> AsyncIterator[TurnTracer]:
    """A tracer that records while inside; at the end unsent spans get two seconds. Raises `ConfigError`."""
    for name, value in written(ENV_FILE).items():  # OpenTelemetry asks the environment alone
        if name.startswith(OPENTELEMETRY) and value:
            os.environ.setdefault(name, value)
    exporter = _first("OTEL_TRACES_EXPORTER") or "otlp"
    if exporter == "none" or _first("OTEL_SDK_DISABLED") == "true":
        yield NOTHING
        return
    try:
        exporting = ReportingExporter(exporter=_exporter(exporter), failure=_capture_exporter_log(), clock=clock)
        sending = BatchSpanProcessor(exporting)
        tracer = RecordingTracer(clock, sending)
    except ValueError as error:
        raise ConfigError(f"TRACES: a variable of OpenTelemetry can't be used: {error}") from None
    try:
        yield tracer
    finally:
        await asyncio.to_thread(_flush, sending, exporting)


def _first(*names: str) -> str:
    """The value of the first of these variables that has one."""
    return next((value for name in names if (value := os.environ.get(name, "").strip().lower())), "")


def _exporter(name: str) -> SpanExporter:
    """Return the exporter that OpenTelemetry's variables name. Raises `ConfigError`, and `ValueError` for variables
    that make no sense.
    """
    if name not in EXPORTERS:
        raise ConfigError("OTEL_TRACES_EXPORTER: otlp, console or none")
    protocol = _first("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL") or PROTOCOL
    if name == "otlp" and protocol != PROTOCOL:
        raise ConfigError(f"OTEL_EXPORTER_OTLP_PROTOCOL: only {PROTOCOL} is spoken here (port 4318 of a collector)")
    for variable in HEADERS:  # the library would ignore what it can't read, and write it into the log
        if any("=" not in part for part in os.environ.get(variable, "").split(",") if part.strip()):
            raise ConfigError(f"{variable}: name=value,name=value is expected")
    return EXPORTERS[name]()


def _capture_exporter_log() -> FailureReason:
    """Keep the exporter's log lines (one a batch) out of our log: `ReportingExporter` says it once."""
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logger, failure = logging.getLogger(EXPORTER), FailureReason()
    logger.propagate, logger.handlers = False, [failure]
    return failure


def _flush(sending: BatchSpanProcessor, exporting: ReportingExporter) -> None:
    """Send what is left, for `FLUSH` seconds at most: the SDK itself would wait for half a minute."""
    ending = threading.Thread(target=sending.shutdown, name="traces", daemon=True)
    ending.start()
    ending.join(FLUSH)
    if ending.is_alive():
        exporting.shutdown()


class ReportingExporter(SpanExporter):
    """Exports spans with another exporter, and logs when the collector stops taking them and when it does again.

    The SDK calls it in the thread that sends.
    """

    def __init__(self, *, exporter: SpanExporter, failure: FailureReason, clock: Clock) -> None:
        self._exporter = exporter
        self._failure = failure
        self._outage = Outage("sending traces", clock)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans; log the first failure after a success, and the first success after failures."""
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self._outage.over()
        else:
            self._outage.failed(self._failure.reason)
        return result

    def shutdown(self) -> None:
        """Close the exporter."""
        self._exporter.shutdown()


class FailureReason(logging.Handler):
    """Reads from the exporter's log lines why the last batch failed (`reason`): no result of a call says so."""

    reason = "the collector is not reached (OTEL_EXPORTER_OTLP_ENDPOINT)"

    def emit(self, record: logging.LogRecord) -> None:
        """Read the reason of a failure from a log line of the exporter."""
        found = STATUS.search(record.getMessage())
        self.reason = f"the collector answers {found[1]}" if found else type(self).reason


class Ids(RandomIdGenerator):
    """Generates random ids for traces and spans, except for a span that is started while `given` holds its ids."""

    given: tuple[int, int] | None = None

    def generate_trace_id(self) -> int:
        """Return the given trace id, or a random one."""
        return self.given[0] if self.given else super().generate_trace_id()

    def generate_span_id(self) -> int:
        """Return the given span id, or a random one."""
        return self.given[1] if self.given else super().generate_span_id()


def ids(bot: int, turn: str) -> tuple[int, int]:
    """The ids of a turn's trace and of its first span: a hash, spread evenly, as samplers by ratio need it."""
    made = blake2b(f"{bot}/{turn}".encode(), digest_size=24, person=b"govorun").digest()
    return int.from_bytes(made[:16]) or 1, int.from_bytes(made[16:]) or 1


class RecordingTracer(TurnTracer):
    """Records traces with OpenTelemetry's SDK. Its provider is not the global one: other traces are none of ours."""

    def __init__(self, clock: Clock, processor: BatchSpanProcessor) -> None:
        self._ids = Ids()
        self._provider = TracerProvider(resource=_resource(), id_generator=self._ids, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._recorder = Recorder(self._provider.get_tracer("govorun", __version__), clock)

    def record_update(self, bot: int, turn: str, since: float) -> None:
        """Record the first span of a turn's trace, from the acceptance of its update (Unix time) until now."""
        self._ids.given = ids(bot, turn)
        try:
            attributes: Attributes = {"govorun.bot": bot, "govorun.turn": turn}
            root = self._recorder.start(ROOT, CONSUMER, attributes, since=since, parent=Context())
        finally:
            self._ids.given = None
        self._recorder.end(root)

    def context(self, bot: int, turn: str) -> Context:
        """Return the context of a turn's first span, if the sampler records this trace; otherwise an empty one."""
        number, first = ids(bot, turn)
        sampled = self._provider.sampler.should_sample(Context(), number, ROOT, CONSUMER)
        if sampled.decision is not Decision.RECORD_AND_SAMPLE:
            return Context()
        known = trace.NonRecordingSpan(trace.SpanContext(number, first, is_remote=True, trace_flags=SAMPLED))
        return set_value(RECORDER, self._recorder, trace.set_span_in_context(known, Context()))


def _resource() -> Resource:
    """Who sends the spans: `govorun`, if the environment does not name a service."""
    said = Resource.create({"service.version": __version__})
    unnamed = str(said.attributes["service.name"]).startswith("unknown_service")
    return said.merge(Resource({"service.name": "govorun"})) if unnamed else said
