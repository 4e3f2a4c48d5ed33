"""An HTTP server that strangers can't exhaust: it bounds its open connections, and the time that headers may take.

Begin with `Listener`. A caller who sends half a request, or nothing, holds a file descriptor of the process. Without a
bound such callers take all descriptors, and the bot can reach neither Telegram nor the model.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from aiohttp import web
from aiohttp.http import HttpProcessingError

log = logging.getLogger(__name__)

HEAD_DEADLINE = 10.0  # seconds for the headers: from the connection, or from the first byte of a later request
LINGERING = 1.0  # seconds in which the rest of a refused body is read, so that its sender can read the refusal
MOST, FEWEST = 512, 2  # connections, however many descriptors the process may open
BACKLOG = 1024  # connections that the kernel holds until they are accepted
PAUSE = 0.1  # seconds without accepting after accepting has failed
MINUTE = 60.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def connection_limit() -> int:
    """The most connections of one server: a quarter of the descriptors that the process may open.

    So the two servers, webhook and health, leave half of them to the bot: its files, and its connections to Telegram
    and to models.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft == resource.RLIM_INFINITY else min(max(soft // 4, FEWEST), MOST)


class Listener:
    """Serves `application` on at most `most` connections (0: `connection_limit`).

    A new connection takes the place of the oldest one that waits for a request: first of those whose headers are
    unfinished, then of those that are kept open after an answer. It is refused only while all `most` are being
    answered. The connections of one address that wait may be half of `most`; then a new one takes the place of one
    of its own address. So one address never shuts others out, and no address is refused: behind a proxy all connections
    come from the proxy's address, and those that are being answered are not counted for it.

    `name` stands in the log; `shutdown` is how many seconds requests get to be answered when the listener closes.
    """

    def __init__(self, name: str, application: web.Application, *, shutdown: float, most: int = 0) -> None:
        application.middlewares.append(_mark_answering)
        self._most = most or connection_limit()
        self._closed = Closed(name)
        self._runner = web.AppRunner(
            application, access_log=None, shutdown_timeout=shutdown, lingering_time=LINGERING,
            logger=ServerLog(self._closed),
        )  # fmt: skip
        self._sockets: list[socket.socket] = []
        self._connections: dict[Connection, None] = {}
        self._opening: set[asyncio.Task[None]] = set()
        self._pauses: dict[socket.socket, asyncio.TimerHandle] = {}

    async def open(self, host: str, port: int) -> None:
        """Begin to accept connections. Raises `OSError` when the address can't be used."""
        await self._runner.setup()
        try:
            for family, address in await _addresses(host, port):
                listening = socket.create_server(address, family=family, backlog=BACKLOG)
                self._sockets.append(listening)
                listening.setblocking(False)
                self._accept_from(listening)
        except OSError:
            await self.close()
            raise

    async def close(self) -> None:
        """Stop listening, let requests that are being answered end, and close all connections."""
        loop = asyncio.get_running_loop()
        for pause in self._pauses.values():
            pause.cancel()
        for listening in self._sockets:
            loop.remove_reader(listening)
            listening.close()
        await asyncio.gather(*self._opening)
        await self._runner.cleanup()
        self._closed.stop()

    def protocol(self) -> web.RequestHandler:
        """aiohttp's protocol for a new connection."""
        if self._runner.server is None:
            raise RuntimeError("open the listener first")
        return self._runner.server()

    def admit(self, new: Connection) -> bool:
        """Make room for a new connection. Returns False when there is no room."""
        waiting = [one for one in self._connections if not one.is_answering]
        neighbours = [one for one in waiting if one.address == new.address]
        if len(neighbours) >= self._most // 2:
            self._give_way(neighbours)
        elif len(self._connections) >= self._most and not self._give_way(waiting):
            self._closed.add("while all others were being answered")
            return False
        self._connections[new] = None
        return True

    def remove(self, connection: Connection, why: str = "") -> None:
        """Forget a connection that was lost. With a reason, which goes into the log, close it first."""
        if connection not in self._connections:
            return
        del self._connections[connection]
        if why:
            self._closed.add(why)
            connection.transport.abort()

    def _give_way(self, waiting: Iterable[Connection]) -> bool:
        oldest = min(waiting, key=lambda one: (one.is_kept, one.since), default=None)
        if oldest is not None:
            self.remove(oldest, "for a newer one")
        return oldest is not None

    def _accept_from(self, listening: socket.socket) -> None:
        self._pauses.pop(listening, None)
        asyncio.get_running_loop().add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        """Accept one connection. The event loop reads from the others before it calls this again.

        asyncio's own server accepts a hundred at a time, so a new one could lose its place before it was read; and when
        no descriptor is free it writes 3,000 tracebacks a second.
        """
        loop = asyncio.get_running_loop()
        try:
            accepted, (address, *_) = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):  # the caller has hung up
            return
        except OSError as error:
            self._closed.add(f"before they were accepted ({error.strerror})")
            self._give_way(one for one in self._connections if not one.is_answering)
            loop.remove_reader(listening)
            self._pauses[listening] = loop.call_later(PAUSE, self._accept_from, listening)
            return
        opening = loop.create_task(self._connect(accepted, address))
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)

    async def _connect(self, accepted: socket.socket, address: str) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: Connection(self, address), accepted)
        except OSError:  # the caller has hung up
            accepted.close()


class Connection(asyncio.Protocol):
    """Passes on what a transport tells aiohttp's protocol, and knows whether the connection waits for a request."""

    transport: asyncio.Transport

    def __init__(self, listener: Listener, address: str) -> None:
        self.address = address
        self.since = 0.0  # the loop's time when it began to wait
        self.is_answering = False
        self._listener = listener
        self._inner = listener.protocol()
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def is_kept(self) -> bool:
        """Whether the connection was kept open after an answer and no byte of a further request has come."""
        return self._deadline is None and not self.is_answering

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Inside, a request whose headers are complete is being answered."""
        self._end_deadline()
        self.is_answering = True
        try:
            yield
        finally:
            self.is_answering, self.since = False, asyncio.get_running_loop().time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the connection, or close it if the server has no room."""
        self.transport = cast(asyncio.Transport, transport)
        if not self._listener.admit(self):
            self.transport.abort()
            return
        self._begin_deadline()
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Pass bytes on to aiohttp."""
        if self.is_kept:
            self._begin_deadline()
        self._inner.data_received(data)

    def eof_received(self) -> None:
        """Pass on to aiohttp that the other side sends nothing more."""
        self._inner.eof_received()

    def pause_writing(self) -> None:
        """Pass on to aiohttp that the socket takes no more bytes for now."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass on to aiohttp that the socket takes bytes again."""
        self._inner.resume_writing()

    def connection_lost(self, error: BaseException | None) -> None:
        """Forget the connection, and pass its end on to aiohttp."""
        self._end_deadline()
        self._listener.remove(self)
        self._inner.connection_lost(error)

    def _begin_deadline(self) -> None:
        loop = asyncio.get_running_loop()
        self.since = loop.time()
        why = f"without a whole request after {HEAD_DEADLINE:.0f} s"
        self._deadline = loop.call_later(HEAD_DEADLINE, self._listener.remove, self, why)

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class Closed:
    """Counts closed connections by reason, and writes one line a minute about them."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._counts: Counter[str] = Counter()
        self._next: asyncio.TimerHandle | None = None

    def add(self, why: str) -> None:
        """Count a connection that was closed, and `why`."""
        self._counts[why] += 1
        if self._next is None:
            self._write_next()

    def stop(self) -> None:
        """Write the line about connections that were counted since the last line."""
        if self._next is not None:
            self._next.cancel()
            self._write()

    def _write_next(self) -> None:
        self._next = asyncio.get_running_loop().call_later(MINUTE, self._write_next) if self._counts else None
        self._write()

    def _write(self) -> None:
        if self._counts:
            told = ", ".join(f"{count} {why}" for why, count in self._counts.items())
            log.warning("%s closed connections: %s", self._name, told)
            self._counts.clear()


class ServerLog(logging.LoggerAdapter[logging.Logger]):
    """aiohttp's log. Requests that are no HTTP, or have a broken body, are counted: aiohttp would write a traceback
    for each of them.
    """

    def __init__(self, closed: Closed) -> None:
        super().__init__(logging.getLogger("aiohttp.server"))
        self._closed = closed

    def exception(self, msg: object, *args: object, exc_info: Any = True, **more: Any) -> None:
        """Count the request that is broken, or log the error with its traceback."""
        if isinstance(exc_info, HttpProcessingError):
            self._closed.add("that spoke no HTTP")
        elif isinstance(exc_info, web.RequestPayloadError):
            self._closed.add("with a broken body")
        else:
            super().exception(msg, *args, exc_info=exc_info, **more)


@web.middleware
async def _mark_answering(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.transport is None:  # the connection was lost meanwhile
        return await handler(request)
    with cast(Connection, request.transport.get_protocol()).answering():
        return await handler(request)


async def _addresses(host: str, port: int) -> dict[tuple[int, Any], None]:
    """The addresses of a host, each once: localhost has 127.0.0.1 and ::1."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return {(family, address): None for family, _, _, _, address in found}
