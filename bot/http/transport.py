"""Connections for httpcore, on asyncio's own transports.

Those that it brings along stop and start the reading of a socket around each piece of an answer, open a scope of
cancellation for it, and ask the system who is at the other end whenever a pool looks at them: a fifth of the CPU of an
answer that is streamed. Here a socket is read as its bytes come, and only one that nobody empties is left alone.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from typing import Any

import httpcore

MUCH = 1 << 18  # bytes that may wait to be read
NEXT_ADDRESS = 0.25  # seconds after which another address of a host is tried beside the first (RFC 8305)
TLS_END = 1.0  # seconds for the other side to say that TLS is over
HELD = 0.25  # seconds that what arrives may be held back
LAST_CHUNK = b"0\r\n\r\n"  # how an answer in chunks ends


class Network(httpcore.AsyncNetworkBackend):
    """Opens connections. Raises `ConnectTimeout` and `ConnectError` of httpcore."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> Connection:
        here = (local_address, 0) if local_address else None
        try:
            async with asyncio.timeout(timeout):
                transport, connection = await asyncio.get_running_loop().create_connection(
                    Connection, host, port, local_addr=here, happy_eyeballs_delay=NEXT_ADDRESS
                )
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        for option in socket_options or ():
            transport.get_extra_info("socket").setsockopt(*option)
        return connection


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
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  of a TCP socket
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._arrived += data
        if not self._holds or data.endswith(LAST_CHUNK):
            self._readable.set()
        elif self._waits is None:
            self._waits = asyncio.get_running_loop().call_later(HELD, self._hand_over)
        if len(self._arrived) > MUCH and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def eof_received(self) -> None:
        self._over = True
        self._readable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._over, self._error = True, exc
        self._readable.set()
        self._writable.set()

    # --- what a flow asks ---------------------------------------------------------------------------------------------

    def hold(self) -> None:
        """Keep what arrives from who reads, for `HELD` seconds at most, until `release` or the end of an answer."""
        self._holds = True

    def release(self) -> float:
        """Returns for how many seconds something has been held back."""
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
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # --- what httpcore asks -------------------------------------------------------------------------------------------

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What has arrived, b"" at the end. Raises `ReadTimeout` and `ReadError` of httpcore."""
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
        """Raises `WriteTimeout` and `WriteError` of httpcore."""
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
        self._transport.abort()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> Connection:
        """The same connection, encrypted from now on. Raises `ConnectTimeout` and `ConnectError` of httpcore."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                transport = await loop.start_tls(
                    self._transport,
                    self,
                    ssl_context,
                    server_hostname=server_hostname,
                    ssl_shutdown_timeout=TLS_END,
                )
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        assert transport is not None  # noqa: S101  only of a transport that was closed meanwhile
        self._transport = transport
        return self

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":  # asked of a connection that rests: it is over, or says what nobody asked for
            return self._readable.is_set()
        return self._transport.get_extra_info(NAMES.get(info, info))


NAMES = {"client_addr": "sockname", "server_addr": "peername"}
