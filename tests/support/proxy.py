"""A real proxy on loopback, by CONNECT (also over TLS) or SOCKS5, that notes what it was asked for."""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

KINDS = ["http", "https", "socks5", "socks5h"]


class Proxy:
    """Speaks CONNECT and SOCKS5 on one port. `asked` is what it was asked for, `way` the scheme of its address."""

    def __init__(self, way: str) -> None:
        self.asked: list[str] = []
        self.way = way
        self.address = ""
        self.refuses = False

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            host, port = await (self._socks if self.way.startswith("socks") else self._connect)(reader, writer)
            if host:
                await join(reader, writer, host, port)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int]:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        host, _, port = head.split()[1].rpartition(":")
        self.asked.append(f"{host}, {'proxy-authorization: basic' in head.lower()}")
        writer.write(b"HTTP/1.1 403 No\r\n\r\n" if self.refuses else b"HTTP/1.1 200 OK\r\n\r\n")
        return "" if self.refuses else host, int(port)

    async def _socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int]:
        _, ways = await reader.readexactly(2)
        named = 2 in await reader.readexactly(ways)
        writer.write(b"\5\2" if named else b"\5\0")
        if named:
            await reader.readexactly((await reader.readexactly(2))[1])  # the version, then the name
            await reader.readexactly((await reader.readexactly(1))[0])  # the password
            writer.write(b"\1\0")
        kind = (await reader.readexactly(4))[3]
        length = 4 if kind == 1 else (await reader.readexactly(1))[0]
        place = await reader.readexactly(length)
        host = ".".join(map(str, place)) if kind == 1 else place.decode()
        (port,) = struct.unpack(">H", await reader.readexactly(2))
        self.asked.append(f"{host}, {named}")
        writer.write(b"\5\2\0\1\0\0\0\0\0\0" if self.refuses else b"\5\0\0\1\0\0\0\0\0\0")
        return "" if self.refuses else host, port


@asynccontextmanager
async def listening(
    connected: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], tls: ssl.SSLContext | None
) -> AsyncIterator[int]:
    """The port of a server that is gone at the end, with all its connections."""
    tasks: set[asyncio.Task[None]] = set()

    async def serving(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(task := asyncio.ensure_future(connected(reader, writer)))
        with suppress(asyncio.CancelledError, ConnectionError):
            await task
        writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()

    server = await asyncio.start_server(serving, "127.0.0.1", ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int) -> None:
    """Carry bytes both ways between a connection and another one that is opened here, until one side has ended."""
    there, back = await asyncio.open_connection(host, port)

    async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while piece := await source.read(1 << 16):
            target.write(piece)
        target.close()

    try:
        await asyncio.gather(pump(reader, back), pump(there, writer))
    finally:
        back.close()
        with suppress(ConnectionError):
            await back.wait_closed()


@asynccontextmanager
async def proxy_of_kind(way: str, tls: ssl.SSLContext) -> AsyncIterator[Proxy]:
    """A proxy whose address has this scheme, a name and a password."""
    proxy = Proxy(way)
    async with listening(proxy.connected, tls if way == "https" else None) as port:
        proxy.address = f"{way}://user:pass%40word@127.0.0.1:{port}"
        yield proxy
