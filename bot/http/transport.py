"""How httpx's requests travel: `Transport` chooses a proxy and a pool of httpcore, whose sockets asyncio reads.

httpcore's own connections stop and start the reading of a socket around each piece of an answer, open a scope of
cancellation for it, and ask the system who is at the other end whenever a pool looks at them: a fifth of the CPU of an
answer that is streamed. `Connection` reads a socket as its bytes come, and stops only while nobody takes them.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx
from python_socks import ProxyError, parse_proxy_url
from python_socks.async_.asyncio import Proxy

from bot.http.tls import trusted_context

KEPT = 15.0  # seconds that an idle connection is kept
MUCH = 1 << 18  # bytes that may wait to be read
MANY = 64  # chunks that may wait to be read
NEXT_ADDRESS = 0.25  # seconds after which another address of a host is tried beside the first (RFC 8305)
TLS_END = 1.0  # seconds for the other side to say that TLS is over
HELD = 0.25  # seconds that what arrives may be held back
MOST_ADDRESSES = 3  # of a host that are tried, where they are given
LAST_CHUNK = b"0\r\n\r\n"  # how an answer in chunks ends

Resolve = Callable[
    [str, int], Awaitable[Sequence[str]]
]  # the addresses (IPv4, IPv6) of a host that may be connected to


def environment_proxy(url: str) -> str:
    """The address of the proxy to a URL by HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, "" if there is none."""
    parts, proxies = urlsplit(url), getproxies()
    if proxy_bypass(parts.hostname or ""):
        return ""
    address = proxies.get(parts.scheme) or proxies.get("all") or ""
    return address if not address or "://" in address else f"http://{address}"


class Transport(httpx.AsyncBaseTransport):
    """Sends requests directly or through the proxies of the environment, which the `direct` hosts never use.

    With `resolve` it uses no proxy, and connects to those addresses only that `resolve` gives for a host and a port.
    Raises httpx's errors. The constructor raises `ValueError` or `httpx.InvalidURL` if the address of a proxy is
    wrong.
    """

    def __init__(self, *, direct: Collection[str] = (), resolve: Resolve | None = None) -> None:
        self._direct = direct
        self._resolve = resolve
        # By scheme, host and port. Pools have one connection each: at both ends of a request httpcore goes through
        # all connections of a pool, and for each idle one through all again.
        self._pools: dict[tuple[str, str, int | None], list[_Pool]] = {}
        for scheme in ("http", "https"):
            _connections(environment_proxy(f"{scheme}://"))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return its answer as soon as its head is there; the body is read from its `stream`."""
        return await self._free_pool(request.url).send(request)

    async def aclose(self) -> None:
        """Close all connections."""
        for pools in self._pools.values():
            for pool in pools:
                await pool.connections.aclose()

    def _free_pool(self, url: httpx.URL) -> _Pool:
        """The first pool to a server that is not busy."""
        pools = self._pools.setdefault((url.scheme, url.host, url.port), [])
        for pool in pools:
            if not pool.is_busy:
                return pool
        is_direct = self._resolve is not None or url.host in self._direct
        connections = _connections("" if is_direct else environment_proxy(str(url)), self._resolve)
        pool = _Pool(connections, lambda: pools.remove(pool))
        pools.append(pool)
        return pool


class _Pool:
    """A pool of one connection. `is_busy`: there is a request whose answer is not closed yet.

    A request that fails, or whose answer can't be closed, gives up its pool and calls `given_up`. httpcore loses sight
    of a connection when the task is cancelled while it is closing it, and then waits for it for ever.
    """

    def __init__(self, connections: httpcore.AsyncConnectionPool, given_up: Callable[[], None]) -> None:
        self.connections = connections
        self.is_busy = False
        self._given_up = given_up

    async def send(self, request: httpx.Request) -> httpx.Response:
        asked = httpcore.Request(
            request.method, _url(request.url), headers=request.headers.raw, content=request.stream,
            extensions=request.extensions,
        )  # fmt: skip
        self.is_busy = True
        try:
            answer = await self.connections.handle_async_request(asked)
        except BaseException as error:
            await self._give_up()
            if kind := ERRORS.get(type(error)):
                raise kind(str(error)) from error
            raise
        return httpx.Response(
            answer.status, headers=answer.headers, stream=_Body(answer, self._closing), extensions=answer.extensions
        )

    @asynccontextmanager
    async def _closing(self) -> AsyncIterator[None]:
        """The block closes the answer; the connection is free for another request if it succeeds."""
        try:
            yield
        except BaseException:
            await self._give_up()
            raise
        self.is_busy = False

    async def _give_up(self) -> None:
        """Close the connection. Nothing here waits, so no cancellation gets in between."""
        self._given_up()
        await self.connections.aclose()


class _Body(httpx.AsyncByteStream):
    """The body of an answer, which is closed inside the block of `closing`, once.

    httpcore hands over each chunk of an answer by itself. A task collects them as they come, so that chunks which
    arrived together go through the layers above as one piece: each piece costs them more time than its bytes do.
    """

    def __init__(self, answer: httpcore.Response, closing: Callable[[], AbstractAsyncContextManager[None]]) -> None:
        assert isinstance(answer.stream, AsyncIterable)  # noqa: S101  of a pool for asyncio
        self._chunks = answer.stream
        self._answer = answer
        self._closing = closing
        self._is_closed = False
        self._taken: asyncio.Queue[bytes] = asyncio.Queue(MANY)
        self._error: Exception | None = None
        self._taker: asyncio.Task[None] | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._taker = asyncio.create_task(self._take())
        while True:
            pieces = [await self._taken.get()]
            while not self._taken.empty():
                pieces.append(self._taken.get_nowait())
            if piece := b"".join(pieces):
                yield piece
            if not pieces[-1]:
                break
        if self._error is not None:
            if kind := ERRORS.get(type(self._error)):
                raise kind(str(self._error)) from self._error
            raise self._error

    async def _take(self) -> None:
        """Collect the chunks from httpcore, and b"" at their end."""
        try:
            async for chunk in self._chunks:
                await self._taken.put(chunk)
        except Exception as error:
            self._error = error
        await self._taken.put(b"")

    async def aclose(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        async with self._closing():
            if self._taker is not None and not self._taker.done():
                self._taker.cancel()
                await asyncio.wait({self._taker})
            await self._answer.aclose()


def _connections(proxy: str, resolve: Resolve | None = None) -> httpcore.AsyncConnectionPool:
    """A pool of one connection through the proxy with this address, or directly if the address is ""."""
    options: dict[str, Any] = {
        "ssl_context": trusted_context(), "max_connections": 1,
        "keepalive_expiry": KEPT,
    }  # fmt: skip
    if not proxy or proxy.startswith("socks"):
        network = Network(proxy) if resolve is None else ResolvedNetwork(resolve)
        return httpcore.AsyncConnectionPool(network_backend=network, **options)
    server = httpx.Proxy(proxy)
    return httpcore.AsyncHTTPProxy(
        _url(server.url), proxy_auth=server.raw_auth, network_backend=Network(), **options,
        proxy_ssl_context=trusted_context() if server.url.scheme == "https" else None,
    )  # fmt: skip


def _url(url: httpx.URL) -> httpcore.URL:
    return httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)


class Network(httpcore.AsyncNetworkBackend):
    """Opens connections, through a SOCKS proxy if its address is given (`ValueError` if that is wrong).

    Raises `ConnectTimeout`, `ConnectError` and `ProxyError` of httpcore.
    """

    def __init__(self, socks: str = "") -> None:
        # The name of the host is looked up by the proxy, which is what the h in socks5h asks for.
        self._socks = parse_proxy_url(socks.replace("h://", "://", 1)) if socks else None

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> Connection:  # fmt: skip
        """Open a connection to `host` within `timeout` seconds; all addresses of the host are tried."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                if self._socks:
                    connected = await Proxy(*self._socks, rdns=True).connect(host, port)
                    transport, connection = await loop.create_connection(Connection, sock=connected)
                else:
                    here = (local_address, 0) if local_address else None
                    transport, connection = await loop.create_connection(
                        Connection, host, port, local_addr=here, happy_eyeballs_delay=NEXT_ADDRESS
                    )
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        except ProxyError as error:
            raise httpcore.ProxyError(str(error)) from error
        for option in socket_options or ():
            transport.get_extra_info("socket").setsockopt(*option)
        return connection


class ResolvedNetwork(Network):
    """Opens connections to the addresses that `resolve` gives, one after the other, and looks up no name itself.

    Whatever `resolve` raises but `OSError` goes to the caller.
    """

    def __init__(self, resolve: Resolve) -> None:
        super().__init__()
        self._resolve = resolve

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> Connection:  # fmt: skip
        """Open a connection to the first address of `host` that answers, each within `timeout` seconds."""
        failure: Exception = httpcore.ConnectError("the host has no address")
        try:
            addresses = await self._resolve(host, port)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        for address in addresses[:MOST_ADDRESSES]:
            try:
                return await super().connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


class Connection(asyncio.Protocol, httpcore.AsyncNetworkStream):
    """One connection: a protocol for asyncio, a stream for httpcore. One task reads it, one writes."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._arrived = bytearray()
        self._over = False  # nothing more arrives
        self._error: Exception | None = None
        self._paused = False
        self._holds = False
        self._waits: asyncio.TimerHandle | None = None  # set while something is held back
        self._readable = asyncio.Event()  # something has arrived, or nothing more will
        self._writable = asyncio.Event()
        self._writable.set()

    # --- what asyncio tells -------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport that asyncio has opened."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  of a TCP socket
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Keep bytes until somebody reads them; stop reading the socket while more than `MUCH` bytes wait."""
        self._arrived += data
        if not self._holds or data.endswith(LAST_CHUNK):
            self._readable.set()
        elif self._waits is None:
            self._waits = asyncio.get_running_loop().call_later(HELD, self._hand_over)
        if len(self._arrived) > MUCH and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def eof_received(self) -> None:
        """Let readers know that nothing more arrives."""
        self._over = True
        self._readable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let readers and writers know that the connection is gone."""
        self._over, self._error = True, exc
        self._readable.set()
        self._writable.set()

    # --- what a flow asks ---------------------------------------------------------------------------------------------

    def hold(self) -> None:
        """Hold arriving bytes back from readers until `release` or the end of the answer, at most `HELD` seconds."""
        self._holds = True

    def release(self) -> float:
        """Give readers what was held back. Returns for how many seconds it was."""
        self._holds = False
        if self._waits is None:
            return 0.0
        waited = HELD - (self._waits.when() - asyncio.get_running_loop().time())
        self._hand_over()
        return waited

    def _hand_over(self) -> None:
        self._nothing_waits()
        self._readable.set()

    def _nothing_waits(self) -> None:
        if self._waits is not None:
            self._waits.cancel()
            self._waits = None

    # ------------------------------------------------------------------------------------------------------------------

    def pause_writing(self) -> None:
        """Let `write` wait: the socket takes no more bytes for now."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let `write` go on."""
        self._writable.set()

    # --- what httpcore asks -------------------------------------------------------------------------------------------

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return up to `max_bytes` that arrived, b"" at the end. Raises `ReadTimeout` and `ReadError` of httpcore."""
        try:
            async with asyncio.timeout(timeout):
                await self._readable.wait()
        except TimeoutError as error:
            raise httpcore.ReadTimeout(str(error)) from error
        if not self._arrived and self._error is not None:
            raise httpcore.ReadError(str(self._error)) from self._error
        data = bytes(self._arrived[:max_bytes])
        del self._arrived[:max_bytes]
        if not self._arrived and not self._over:
            self._readable.clear()
            self._nothing_waits()
        if self._paused and len(self._arrived) <= MUCH // 2:
            self._paused = False
            self._transport.resume_reading()
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send `buffer`, waiting while the socket takes nothing. Raises `WriteTimeout` and `WriteError` of httpcore."""
        if not self._over:
            self._transport.write(buffer)
            try:
                async with asyncio.timeout(timeout):
                    await self._writable.wait()
            except TimeoutError as error:
                raise httpcore.WriteTimeout(str(error)) from error
        if self._over:
            raise httpcore.WriteError("the connection is closed") from self._error

    async def aclose(self) -> None:
        """Close the connection at once."""
        self._transport.abort()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> Connection:
        """Encrypt the connection from now on and return it. Raises `ConnectTimeout` and `ConnectError` of httpcore."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                transport = await loop.start_tls(
                    self._transport, self, ssl_context, server_hostname=server_hostname, ssl_shutdown_timeout=TLS_END
                )
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        assert transport is not None  # noqa: S101  only of a transport that was closed meanwhile
        self._transport = transport
        return self

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks of a connection: whether it `is_readable`, its socket, addresses and TLS object."""
        if info == "is_readable":  # httpcore asks this of an idle connection: True means that it is closed or broken
            return self._readable.is_set()
        return self._transport.get_extra_info(NAMES.get(info, info))


NAMES = {"client_addr": "sockname", "server_addr": "peername"}
# Each error of httpcore becomes httpx's error of the equal name.
ERRORS: dict[type[BaseException], type[httpx.TransportError]] = {
    getattr(httpcore, name): getattr(httpx, name)
    for name in (
        "ConnectError", "ConnectTimeout", "LocalProtocolError", "PoolTimeout", "ProxyError", "ReadError", "ReadTimeout",
        "RemoteProtocolError", "UnsupportedProtocol", "WriteError", "WriteTimeout",
    )
}  # fmt: skip
