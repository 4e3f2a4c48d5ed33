"""The wire of a stage without sockets and threads: connections in memory, and a database that runs in the loop.

Begin with `WireLoop`. Everything above the bytes is real: aiogram, httpx and aiohttp speak HTTP over these connections.
"""

from __future__ import annotations

import asyncio
import socket
import sqlite3
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

from bot.clock import Clock
from bot.runtime.resources import SharedResources
from bot.storage.engines.sqlite import Sqlite
from bot.storage.engines.sqlite_files import path_of
from bot.storage.engines.sqlite_thread import Thread, engine
from bot.storage.engines.urls import synchronous
from bot.storage.maintenance import migrations
from bot.storage.store import Store
from bot.telemetry.metrics import Metrics
from bot.testing.virtual_loop import Selector, VirtualLoop

T = TypeVar("T")

KNOWN = ("MainThread", "asyncio_")  # threads that work only while an executor's call is under way
MUCH = 64 << 10  # bytes that one side may leave unread before the other is told to stop writing


class Line(asyncio.Transport):
    """One end of a connection in memory. What is written here, the protocol of `peer` receives in the loop's next turn.

    `close` and `abort` end the connection as TCP does: first what was written arrives, after `abort` an error.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, here: int, there: int) -> None:
        super().__init__({"peername": ("127.0.0.1", there), "sockname": ("127.0.0.1", here)})
        self._loop = loop
        self._arrived: deque[Callable[[], None]] = deque()
        self._unread = 0
        self._reads = True
        self._holds = False  # the protocol was told to stop writing
        self._closing = self._lost = False
        self.peer: Line
        self.protocol: asyncio.Protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = cast(asyncio.Protocol, protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self.protocol

    # --- writing ------------------------------------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if data and not self._closing:
            self._send(self.peer._data, bytes(data))
            self.peer._unread += len(data)
            if self.peer._unread > MUCH and not self._holds:
                self._holds = True
                self.protocol.pause_writing()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._send(self.peer._eof)

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is kept here: `MUCH` counts what the other side has not read."""

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._send(self.peer._eof)
            self._loop.call_soon(self._end, None)

    def abort(self) -> None:
        if not self._lost:
            self._closing = True
            self._loop.call_soon(self.peer._end, ConnectionResetError("the other side has gone"))
            self._loop.call_soon(self._end, None)

    def is_closing(self) -> bool:
        return self._closing

    # --- reading ------------------------------------------------------------------------------------------------------

    def is_reading(self) -> bool:
        return self._reads

    def pause_reading(self) -> None:
        self._reads = False

    def resume_reading(self) -> None:
        self._reads = True
        self._loop.call_soon(self._deliver)

    def _send(self, event: Callable[..., None], *arguments: Any) -> None:
        self.peer._arrived.append(lambda: event(*arguments))
        self._loop.call_soon(self.peer._deliver)

    def _deliver(self) -> None:
        while self._arrived and self._reads and not self._lost:
            self._arrived.popleft()()

    def _data(self, data: bytes) -> None:
        self._unread -= len(data)
        if self._unread <= MUCH and self.peer._holds and not self.peer._lost:
            self.peer._holds = False
            self.peer.protocol.resume_writing()
        self.protocol.data_received(data)

    def _eof(self) -> None:
        if not self._closing and not self.protocol.eof_received():
            self.close()

    def _end(self, error: Exception | None) -> None:
        if not self._lost:
            self._closing = self._lost = True
            self.protocol.connection_lost(error)


class _Selector(Selector):
    def select(self, timeout: float | None = None) -> Any:
        loop = cast(WireLoop, self.loop)
        if timeout and loop.is_alone(len(self.get_map())):
            loop.now += timeout
            return []
        return super().select(timeout)


class WireLoop(VirtualLoop):
    """Virtual time whose loopback connections are in memory, where both ends live in this loop.

    The ports are real: what dials from outside of the loop gets a socket. As long as there is nothing but servers that
    listen, nobody can come, and time jumps without a look at the clock.
    """

    selector = _Selector

    def __init__(self) -> None:
        super().__init__()
        self._servers: dict[int, tuple[asyncio.Server, Callable[[], asyncio.BaseProtocol]]] = {}
        self._dialled: dict[int, int] = {}
        self._ports = iter(range(60_000, 10**9))
        self._running: set[asyncio.Future[Any]] = set()

    def is_alone(self, watched: int) -> bool:
        """Whether nothing but timers can wake this loop; `watched` is how many files it looks at."""
        listening = sum(len(server.sockets) for server, _ in self._servers.values())
        strangers = [
            thread for thread in threading.enumerate() if not thread.name.startswith(("MainThread", "asyncio_"))
        ]
        return watched <= 1 + listening and not strangers and not self._running and not self.errands

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:  # type: ignore[override]
        future = super().run_in_executor(executor, func, *args)
        self._running.add(future)
        future.add_done_callback(self._running.discard)
        return future

    async def create_server(self, protocol_factory: Any, *args: Any, **kwargs: Any) -> Any:
        server = await super().create_server(protocol_factory, *args, **kwargs)
        for listening in server.sockets:
            self._servers[listening.getsockname()[1]] = server, protocol_factory
        return server

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        if self._serves(*address[:2]):
            self._dialled[sock.fileno()] = address[1]
        else:
            await super().sock_connect(sock, address)

    async def create_connection(self, protocol_factory: Any, *args: Any, **kwargs: Any) -> Any:
        sock: socket.socket | None = kwargs.get("sock")
        port = self._dialled.pop(sock.fileno(), 0) if sock else 0
        if sock and port:
            sock.close()
        if not sock and len(args) > 1 and self._serves(args[0], args[1]) and not kwargs.get("ssl"):
            port = args[1]
        if not port:
            return await super().create_connection(protocol_factory, *args, **kwargs)
        return self._connect(protocol_factory(), port)

    def _serves(self, host: object, port: int) -> bool:
        server = self._servers.get(port)
        return host == "127.0.0.1" and server is not None and server[0].is_serving()

    def _connect(self, client: asyncio.Protocol, port: int) -> tuple[Line, asyncio.Protocol]:
        number = next(self._ports)
        near, far = Line(self, number, port), Line(self, port, number)
        near.peer, far.peer = far, near
        near.protocol, far.protocol = client, cast(asyncio.Protocol, self._servers[port][1]())
        far.protocol.connection_made(far)
        near.protocol.connection_made(near)
        return near, client


# --- the database -----------------------------------------------------------------------------------------------------


class InlineThread:
    """Looks like `sqlite_thread.Thread`, but runs each transaction where it is asked for it."""

    def __init__(self, url: str, *, writer: bool) -> None:
        place = synchronous(url)
        arguments, options = place.get_dialect()().create_connect_args(place)
        self.raw = sqlite3.connect(arguments[0], **options)
        self.connection = engine(place, lambda: self.raw, writer=writer).connect()
        self.raw.execute("PRAGMA synchronous=OFF")  # no power cut comes here: `tests/promises/disk` is about those

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """As in a thread, a caller who is cancelled does not stop the function."""
        result = function(*arguments)
        await asyncio.sleep(0)
        return result

    def close(self) -> None:
        self.connection.close()  # else SQLAlchemy's list of what to clean up keeps the engine
        self.raw.close()


class InlineProcess(SharedResources):
    """What the bots of a process share, with a database that needs no threads."""

    async def store(self) -> Store:
        if self._store is None:
            self._store = await self._opened.enter_async_context(_inline(self._url, self.clock, self.metrics))
        return self._store


@asynccontextmanager
async def _inline(url: str, clock: Clock, metrics: Metrics) -> AsyncIterator[Store]:
    await migrations.upgrade(url)
    threads = [
        InlineThread(url, writer=number == 0) for number in range(2)
    ]  # one reads: here nothing runs at the same time
    writer, *readers = cast(Sequence[Thread], threads)
    engine = Sqlite(writer=writer, readers=readers, path=path_of(url))
    store = Store(url=url, clock=clock, engine=engine, metrics=metrics)
    try:
        yield store
    finally:
        await asyncio.shield(store._close())
        for thread in threads:
            thread.close()
