"""A collector of traces on loopback: it takes what the exporter sends, as OTLP over HTTP. Begin with `collecting`."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue


@dataclass(frozen=True)
class Seen:
    """A span as it came. `parent` is "" for the first of a trace; times are nanoseconds."""

    name: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, Any]
    events: tuple[str, ...]
    begun: int
    ended: int
    failed: bool
    service: dict[str, Any]


class Collector:
    def __init__(self) -> None:
        self.spans: list[Seen] = []
        self.headers: list[dict[str, str]] = []
        self.status = 200
        self.url = ""

    def named(self, name: str) -> list[Seen]:
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> Seen:
        (found,) = self.named(name)
        return found

    def traces(self) -> set[str]:
        return {span.trace for span in self.spans}

    def tree(self, trace: str) -> list[str]:
        """The names of a trace's spans, each with as many dots as it has parents; parts in the order of their begin."""
        spans = sorted((span for span in self.spans if span.trace == trace), key=lambda span: span.begun)
        known = {span.id for span in spans}

        def below(parent: str, dots: str) -> list[str]:
            parts = [span for span in spans if (span.parent if span.parent in known else "") == parent]
            return [line for span in parts for line in (dots + span.name, *below(span.id, dots + "."))]

        return below("", "")

    def takes(self, body: bytes) -> None:
        for part in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = _attributes(part.resource.attributes)
            self.spans += [
                Seen(
                    span.name, span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(),
                    _attributes(span.attributes), tuple(event.name for event in span.events),
                    span.start_time_unix_nano, span.end_time_unix_nano, span.status.code == 2, service,
                )
                for scope in part.scope_spans
                for span in scope.spans
            ]  # fmt: skip


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            collector.headers.append({name.lower(): value for name, value in self.headers.items()})
            if collector.status == 200 and self.path == "/v1/traces":
                collector.takes(body)
            self.send_response(collector.status if self.path == "/v1/traces" else 404)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """The tests look at what came."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    collector.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _attributes(rows: Sequence[KeyValue]) -> dict[str, Any]:
    return {row.key: _value(row.value) for row in rows}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    return getattr(value, kind) if kind else None
