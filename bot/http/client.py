"""HTTP to the services: one pool, deadlines, line and event readers, errors without secrets. Begin at `Http`.

Only this module and `transport` know httpx. Nothing raised here contains a header, a body, or more of an address than
its host.
"""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from bot.concurrency import backpressure
from bot.concurrency.deadline import Deadline
from bot.errors import ConfigError, ModelError, ModelProtocolError, ModelUnavailable, OutcomeUnknown, StreamCut
from bot.http.framing import LineSplitter, dump_json, host_of, parse_json
from bot.http.transport import Connection, Resolve, Transport

CONNECT = 10.0  # seconds for name, TCP and TLS together
BODY = 12 << 20
PIECE = 1 << 18  # bytes of a file that are read at once
TIMEOUT = httpx.Timeout(None, connect=CONNECT).as_dict()
HEADERS = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "govorun"}
JSON = "application/json"
STREAM = 64 << 20  # a native stream repeats the whole text in every line

# Raised before a byte of the request can have been written.
UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.ProxyError)


# --- answers ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, whatever its status. The names of the headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON. Raises `ModelProtocolError` if it is not JSON."""
        return parse_json(self.body)


class Event(NamedTuple):
    """One server-sent event."""

    name: str
    data: str


class Stream:
    """An open answer that is read piece by piece, once, by one of `lines`, `events` and `body`.

    All three raise `StreamCut` when the connection breaks, falls silent or runs out of time after something was read
    and `ModelUnavailable` before (`OutcomeUnknown` instead of both if the request must not be repeated), and
    `ModelProtocolError` when a size limit is passed. Whether an answer that has ended is complete, the caller must find
    out.
    """

    def __init__(
        self, response: httpx.Response, *, ends: float, idle: float, limit: int = STREAM, repeatable: bool = True
    ) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._source = response.aiter_raw()
        self._host = response.url.host
        self._ends = ends
        self._idle = idle
        self._limit = limit
        self._repeatable = repeatable
        self._size = 0
        self._alarm = Deadline()

    async def lines(self) -> AsyncGenerator[list[str]]:
        """Yield the lines of the answer, without their ends (LF or CR LF), in lists: those that arrived together.

        A last line that has no end is included.
        """
        splitter = LineSplitter()
        while piece := await self._next():
            if lines := splitter.feed(piece):
                yield lines
        if lines := splitter.rest():
            yield lines

    async def events(self) -> AsyncGenerator[list[Event]]:
        """Yield the server-sent events that carry data, in lists: those that arrived together.

        A last event without the blank line after it is included.
        """
        name, data = "", []
        async for lines in self.lines():
            found = []
            for line in lines:
                if line:
                    field, _, value = line.partition(":")
                    value = value.removeprefix(" ")
                    if field == "data":
                        data.append(value)
                    elif field == "event":
                        name = value
                elif data:
                    found.append(Event(name, "\n".join(data)))
                    name, data = "", []
            if found:
                yield found
        if data:
            yield [Event(name, "\n".join(data))]

    async def body(self, most: int = BODY) -> bytes:
        """Return the whole body, of at most `most` bytes."""
        self._limit = min(self._limit, most)
        whole = io.BytesIO()  # joined pieces would be there twice
        while piece := await self._next():
            whole.write(piece)
        return whole.getvalue()

    async def save(self, path: Path, most: int) -> None:
        """Write the body, of at most `most` bytes, into a file."""
        self._limit = most
        with path.open("wb") as file:
            while piece := await self._next():
                file.write(piece)

    async def whole(self) -> Answer:
        """Return status, headers and whole body."""
        return Answer(self.status, self.headers, await self.body())

    async def drain(self, seconds: float) -> None:
        """Read the rest of the answer if it comes within `seconds`, so that its connection can be used again."""
        self.hurry(seconds)
        try:
            while await self._next():
                pass
        except ModelError:
            return  # what mattered was read; the connection is closed instead of kept

    def hurry(self, seconds: float) -> None:
        """From now on allow the rest of the answer at most `seconds`."""
        self._ends = min(self._ends, asyncio.get_running_loop().time() + seconds)

    async def _next(self) -> bytes:
        """Return the next piece of the body, b"" at the end."""
        try:
            with self._alarm.set(min(self._ends, self._alarm.loop.time() + self._idle)):
                piece = await anext(self._source, b"")
        except TimeoutError:
            raise self._broken("ran out of time") from None
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            raise self._broken(f"the connection broke ({_root(error)})") from None
        self._size += len(piece)
        if self._size > self._limit:
            raise ModelProtocolError(f"{self._host}: the answer is larger than {self._limit} bytes")
        return piece

    async def close(self) -> None:
        """Close the answer. Its connection is kept for another request if the answer was read to its end."""
        self._alarm.remove()
        if isinstance(self._source, AsyncGenerator):
            await self._source.aclose()
        await self._response.aclose()

    def _broken(self, what: str) -> ModelError:
        trace = self.headers.get("x-server-trace-id", "")
        if not self._repeatable:
            return OutcomeUnknown(f"{self._host}: {what}", trace=trace)
        kind = StreamCut if self._size else ModelUnavailable
        return kind(f"{self._host}: {what}", trace=trace)


# --- the client -------------------------------------------------------------------------------------------------------


class Http:
    """Sends requests to the services. Close it, or use it as an async context manager.

    It uses httpx's requests, answers and errors, but not its client: the client would look for cookies, redirects and
    passwords, of which there are none, for 0.2 ms a request.

    Redirects are not followed, certificates are checked, the proxy variables of the environment are obeyed except for
    the `direct` hosts (such as the metadata service, whose answer is a token). Statuses are not judged here, apart from
    redirects, which raise `ModelProtocolError`. With `resolve` only the addresses that it gives are connected to, and
    no proxy is used. `transport` sends the requests instead of HTTP.
    """

    def __init__(
        self, *, direct: Sequence[str] = (), resolve: Resolve | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:  # fmt: skip
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)  # at INFO they log whole addresses
        self._others: dict[str, Http] = {}
        try:
            self._transport = transport or Transport(direct=direct, resolve=resolve)
        except (ValueError, httpx.InvalidURL):  # its text repeats the address, password included
            raise ConfigError(
                "HTTP_PROXY, HTTPS_PROXY or ALL_PROXY: no address of a proxy that works here; http://host:port does"
            ) from None

    async def __aenter__(self) -> Http:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        for other in self._others.values():
            await other.close()
        await self._transport.aclose()

    def through(self, name: str, make: Callable[[httpx.AsyncBaseTransport], httpx.AsyncBaseTransport]) -> Http:
        """Return a client whose requests are sent by what `make` makes around the transport of this one. It is made
        once for a `name`, and closed with this one.
        """
        if name not in self._others:
            self._others[name] = Http(transport=make(self._transport))
        return self._others[name]

    async def ask(
        self, method: str, url: str, body: Any = None, *, kind: str = JSON, headers: Mapping[str, str] | None = None,
        total: float, repeatable: bool = True, limit: int = BODY,
    ) -> Answer:  # fmt: skip
        """Send a request and return the whole answer, of at most `limit` bytes, within `total` seconds.

        `body` is written as JSON; bytes are sent as they are, with the content type `kind`. Not `repeatable`: a request
        that may have arrived and was not answered raises `OutcomeUnknown`.
        """
        ends = asyncio.get_running_loop().time() + total
        request = self._request(method, url, headers, body, kind)
        response = await self._open(request, total, repeatable=repeatable)
        stream = Stream(response, ends=ends, idle=total, limit=limit, repeatable=repeatable)
        try:
            return await stream.whole()
        finally:
            await stream.close()

    @asynccontextmanager
    async def stream(
        self, url: str, body: Any, *, headers: Mapping[str, str] | None = None, total: float, idle: float,
        limit: int = STREAM,
    ) -> AsyncIterator[Stream]:  # fmt: skip
        """Send `body` as JSON and yield the answer as soon as its status and headers are there. Leaving closes the
        connection.

        `total` seconds for everything, `idle` seconds of silence at most, the wait for the head included.
        """
        ends = asyncio.get_running_loop().time() + total
        response = await self._open(self._request("POST", url, headers, body), min(total, idle), repeatable=True)
        opened = Stream(response, ends=ends, idle=idle, limit=limit)
        try:
            with _held_back(response):
                yield opened
        finally:
            await opened.close()

    @asynccontextmanager
    async def get(self, url: str, *, headers: Mapping[str, str], total: float) -> AsyncIterator[Stream]:
        """Ask for a page and give the answer as soon as its head is there, also a redirect or a compressed body.

        Leaving closes the answer; `total` seconds for everything.
        """
        ends = asyncio.get_running_loop().time() + total
        response = await self._open(self._request("GET", url, headers, None), total, repeatable=True, is_page=True)
        opened = Stream(response, ends=ends, idle=total)
        try:
            yield opened
        finally:
            await opened.close()

    async def put_file(
        self, url: str, path: Path, *, start: int, size: int, headers: Mapping[str, str] | None = None, total: float
    ) -> Answer:  # fmt: skip
        """PUT `size` bytes of a file, from the byte `start`, without holding them in memory; return the answer."""
        ends = asyncio.get_running_loop().time() + total
        given = {**(headers or {}), "content-length": str(size)}
        request = self._request("PUT", url, given, _pieces(path, start, size), "application/octet-stream")
        stream = Stream(await self._open(request, total, repeatable=True), ends=ends, idle=total)
        try:
            return await stream.whole()
        finally:
            await stream.close()

    def _request(
        self, method: str, url: str, headers: Mapping[str, str] | None, body: Any, kind: str = JSON
    ) -> httpx.Request:  # fmt: skip
        given, content = (
            {**HEADERS, **(headers or {})},
            body if body is None or isinstance(body, bytes | AsyncIterator) else dump_json(body),
        )
        if content is not None:
            given["content-type"] = kind
        try:
            return httpx.Request(method, _parsed(url), headers=given, content=content, extensions={"timeout": TIMEOUT})
        except (httpx.InvalidURL, ValueError):
            raise ModelProtocolError(
                f"{host_of(url) or '?'}: the request can't be written: address or header"
            ) from None

    async def _open(
        self, request: httpx.Request, seconds: float, *, repeatable: bool, is_page: bool = False
    ) -> httpx.Response:  # fmt: skip
        host = request.url.host
        unanswered = ModelUnavailable if repeatable else OutcomeUnknown
        try:
            async with asyncio.timeout(seconds):
                response = await self._transport.handle_async_request(request)
        except UNSENT as error:
            raise ModelUnavailable(f"{host}: no connection ({_root(error)})") from None
        except httpx.LocalProtocolError:
            raise ModelProtocolError(f"{host}: the request can't be written: a header is malformed") from None
        except TimeoutError:
            raise unanswered(f"{host}: no answer within {seconds:.0f} s") from None
        except (httpx.HTTPError, OSError) as error:
            raise unanswered(f"{host}: the connection broke ({_root(error)})") from None
        response.request = request
        if not is_page and (problem := _head_problem(response)):
            await response.aclose()
            raise ModelProtocolError(f"{host}: {problem}")
        return response


async def _pieces(path: Path, start: int, size: int) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        while size > 0 and (piece := await asyncio.to_thread(file.read, min(size, PIECE))):
            size -= len(piece)
            yield piece


_parsed = lru_cache(httpx.URL)


@contextmanager
def _held_back(response: httpx.Response) -> Iterator[None]:
    """Inside, the live view of the answer that is being written here may hold back what arrives."""
    source, flow = response.extensions.get("network_stream"), backpressure.current.get()
    if flow is None or not isinstance(source, Connection):
        yield
        return
    flow.attach(source)
    try:
        yield
    finally:
        flow.detach(source)


def _head_problem(response: httpx.Response) -> str:
    if 300 <= response.status_code < 400:
        return f"a redirect ({response.status_code}) was not followed"
    if response.headers.get("content-encoding", "identity") != "identity":
        return "the answer is compressed, which was not asked for"
    return ""


def _root(error: BaseException) -> str:
    """The kind of the first cause. Only its name: h11 puts header values into its messages, proxies put addresses."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return type(error).__name__
