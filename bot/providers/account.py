"""Requests to one server with one key. Begin with `Account`.

Everything that asks a server with one key asks through one `Account`: so all share its quota, the renewal of a key that
was refused (401), and what the log says of an outage.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from bot.concurrency.retry import Retry
from bot.errors import ModelDenied, ModelError, ModelUnavailable
from bot.http.client import JSON, Answer, Http, Stream
from bot.http.framing import retry_after
from bot.providers.error_mapping import Unauthenticated, refusal
from bot.telemetry import tracing, turn_log
from bot.telemetry.metrics import Metrics
from bot.telemetry.outage import Outage

log = logging.getLogger(__name__)

Found = TypeVar("Found", Answer, Stream)


class Gauge(Protocol):
    """Limits how many requests are under way at once. `asyncio.Semaphore` does it for a single process."""

    async def acquire(self) -> bool:
        """Wait until one more request may be sent."""

    def release(self) -> None:
        """Note that a request has ended, so that another one may be sent."""


class Credentials(Protocol):
    """A key or a token as headers of a request."""

    async def headers(self) -> dict[str, str]:
        """Return the headers to send now. Raises `ModelDenied` and `ModelUnavailable`."""

    async def renew(self, refused: Mapping[str, str]) -> bool:
        """Renew the key after a 401 to the headers `refused`. Returns whether there are other headers to try."""


class FixedKey:
    """Credentials by a key or a token that can't be renewed; no header if the server needs no key."""

    def __init__(self, scheme: str, secret: str) -> None:
        self._headers = {"authorization": f"{scheme} {secret}"} if secret else {}

    async def headers(self) -> dict[str, str]:
        """Return the header with the key."""
        return dict(self._headers)

    async def renew(self, refused: Mapping[str, str]) -> bool:
        """Return False: a fixed key can't be renewed."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerNames:
    """The name of a server in the log, and the labels of its kind in metrics and of its provider in traces."""

    log: str
    metrics: str
    traces: str


class Account:
    """Asks one server with one key.

    `gauge` limits how many generations run at once, because that is what the quota counts, not a rate. `headers` go
    with each request, beside the key.
    """

    def __init__(
        self,
        *,
        names: ServerNames,
        http: Http,
        credentials: Credentials,
        gauge: Gauge,
        retry: Retry,
        headers: Mapping[str, str] | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self.retry = retry
        self.clock = retry.clock
        self.metrics = metrics or Metrics()
        self.outage = Outage(names.log, retry.clock)
        self._names = names
        self._http = http
        self._credentials = credentials
        self._gauge = gauge
        self._standing = dict(headers or {})

    def beside(self, name: str, gauge: Gauge) -> Account:
        """An account with the same key and an own limit, for a part of the server that the log calls `name`."""
        names = replace(self._names, log=name)
        return Account(
            names=names,
            http=self._http,
            credentials=self._credentials,
            gauge=gauge,
            retry=self.retry,
            headers=self._standing,
            metrics=self.metrics,
        )

    @asynccontextmanager
    async def place(self, until: float) -> AsyncIterator[None]:
        """Hold one place of the gauge inside the context. Raises `ModelUnavailable` if none is free before `until`."""
        try:
            async with asyncio.timeout(self._left(until)):
                await self._gauge.acquire()
        except TimeoutError:
            raise ModelUnavailable("too many requests are waiting for the model") from None
        self.metrics.model_requests_in_flight.inc()
        try:
            yield
        finally:
            self.metrics.model_requests_in_flight.dec()
            self._gauge.release()

    @asynccontextmanager
    async def stream(self, url: str, body: Any, *, until: float, idle: float) -> AsyncIterator[Stream]:
        """Send `body` and yield the open answer with status 200. Raises the `ModelError` for any other status."""
        tracing.current().set_attribute("gen_ai.provider.name", self._names.traces)

        def send(headers: dict[str, str]) -> AbstractAsyncContextManager[Stream]:
            return self._http.stream(url, body, headers=headers, total=self._left(until), idle=idle)

        async with self._asked("POST", url, send) as stream:
            yield stream

    async def ask(
        self, method: str, url: str, body: Any = None, *, kind: str = JSON, until: float, repeatable: bool = True
    ) -> Answer:
        """Send a request once and return the whole answer with status 200, to a GET also one with 404.

        Raises the `ModelError` that any other status means. `body` and `kind` are as for `Http.ask`.
        """

        @asynccontextmanager
        async def send(headers: dict[str, str]) -> AsyncIterator[Answer]:
            left = self._left(until)
            yield await self._http.ask(method, url, body, kind=kind, headers=headers, total=left, repeatable=repeatable)

        async with self._asked(method, url, send, repeatable=repeatable) as answer:
            return answer

    async def post(self, url: str, body: Any, *, kind: str = JSON, within: float, repeatable: bool = True) -> Answer:
        """Send `body`, again while the service is unavailable, and return its answer within `within` seconds."""
        until = self.clock.monotonic() + within
        return await self.retry.call(
            lambda: self.ask("POST", url, body, kind=kind, until=until, repeatable=repeatable), until=until
        )

    @asynccontextmanager
    async def _asked(
        self,
        method: str,
        url: str,
        send: Callable[[dict[str, str]], AbstractAsyncContextManager[Found]],
        *,
        repeatable: bool = True,
    ) -> AsyncIterator[Found]:
        renewed, fine = False, {200, 404} if method == "GET" else {200}
        with self._noticed():
            while True:
                headers = await self._headers()
                with _traced(method, url) as traced:
                    async with send(headers) as found:
                        _status(traced, found.status)
                        if found.status in fine:
                            self._answered(found.status)
                            yield found
                            return
                        answer = await found.whole() if isinstance(found, Stream) else found
                        error = self._refusal(answer, headers, repeatable=repeatable)
                if renewed or not isinstance(error, Unauthenticated) or not await self._credentials.renew(headers):
                    raise error
                renewed = True

    @contextmanager
    def _noticed(self) -> Iterator[None]:
        """Count the errors raised inside the context, and log an outage if the service or the key is at fault."""
        try:
            yield
        except (ModelUnavailable, ModelDenied) as error:
            self.metrics.errors.labels(self._names.metrics, type(error).__name__).inc()
            self.outage.failed(str(error), grave=isinstance(error, ModelDenied))
            raise

    def _answered(self, status: int) -> None:
        self.metrics.model_requests.labels(str(status)).inc()
        self.outage.over()

    def _refusal(self, answer: Answer, headers: dict[str, str], *, repeatable: bool = True) -> ModelError:
        self.metrics.model_requests.labels(str(answer.status)).inc()
        trace = answer.headers.get("x-server-trace-id", "")
        wait = retry_after(answer.headers, self.clock.time())
        error = refusal(answer.status, answer.body, retry_after=wait, trace=trace, repeatable=repeatable)
        asked = headers["x-client-request-id"]
        log.warning("%s refused request %s (trace %s): %s", self.outage.name, asked, trace or "-", error)
        return error

    def _left(self, until: float) -> float:
        return max(until - self.clock.monotonic(), 0.0)

    async def _headers(self) -> dict[str, str]:
        headers = {**await self._credentials.headers(), **self._standing}
        headers["x-client-request-id"] = turn_log.current.get().request = str(uuid.uuid4())
        return headers


def _traced(method: str, url: str) -> AbstractContextManager[tracing.Span]:
    """Open a span for a request. It tells the host only, because the path or query of a custom server may contain a
    key.
    """
    named = {"http.request.method": method, "server.address": urlsplit(url).hostname or ""}
    return tracing.call(method, attributes=named)


def _status(traced: tracing.Span, status: int) -> None:
    traced.set_attribute("http.response.status_code", status)
    if status >= 400:
        tracing.mark_failed(traced, str(status))
