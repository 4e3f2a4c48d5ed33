"""A real HTTP/1.1 server on loopback whose answers are bytes: any framing, any cut, any pause."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from bench.crew import free_port


@dataclass
class Seen:
    """A request as it arrived. `gone` is set when the client has closed its connection."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    reader: asyncio.StreamReader
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Play = Callable[[Seen, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class RawServer:
    """Plays `script`, one entry a request; the last entry serves all further ones."""

    url: str
    script: list[Play]
    seen: list[Seen] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await _request(reader):
                self.seen.append(request)
                self.asked.set()
                play = self.script.pop(0) if len(self.script) > 1 else self.script[0]
                await play(request, writer)
                if writer.is_closing():
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            return  # the client went away, which the test wanted
        finally:
            writer.close()


async def _request(reader: asyncio.StreamReader) -> Seen | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Seen(method, path, headers, body, reader)


@asynccontextmanager
async def serve(*script: Play) -> AsyncIterator[RawServer]:
    raw = RawServer("", list(script))
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(raw.connected(reader, writer))
        tasks.add(task)
        with suppress(asyncio.CancelledError):
            await task

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    raw.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield raw
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


def closed_port() -> str:
    """An address where nobody listens."""
    return f"http://127.0.0.1:{free_port()}"


# --- what to play -----------------------------------------------------------------------------------------------------


def head(status: int, *lines: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status} X", *lines, "", ""]).encode()


def answer(status: int, body: Any = b"", *headers: str) -> Play:
    """A whole answer; a body that is not bytes goes as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def play(_: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(head(status, f"content-length: {len(data)}", *headers) + data)
        await writer.drain()

    return play


def chunked(pieces: Iterable[bytes], *, end: str = "clean", headers: tuple[str, ...] = ()) -> Play:
    """A chunked answer. `end`: clean, fin (no last chunk), reset, or hang until the client goes."""
    parts = list(pieces)

    async def play(request: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(head(200, "transfer-encoding: chunked", *headers))
        for part in parts:
            writer.write(b"%x\r\n%s\r\n" % (len(part), part))
            await writer.drain()
        await _end(end, request, writer)

    return play


def until_close(data: bytes, *, length: int | None = None, end: str = "fin") -> Play:
    """An answer that the closed connection ends, or one with a Content-Length that may be wrong."""

    async def play(request: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(head(200, "connection: close" if length is None else f"content-length: {length}") + data)
        await writer.drain()
        await _end(end, request, writer)

    return play


def before_the_head(end: str) -> Play:
    async def play(request: Seen, writer: asyncio.StreamWriter) -> None:
        await _end(end, request, writer)

    return play


async def _end(end: str, request: Seen, writer: asyncio.StreamWriter) -> None:
    if end == "clean":
        writer.write(b"0\r\n\r\n")
        await writer.drain()
    elif end == "fin":
        writer.close()
    elif end == "reset":
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    else:
        await request.reader.read()
        request.gone.set()
        writer.close()


def drip(piece: bytes, every: float) -> Play:
    """A chunk now and then, for ever."""

    async def play(request: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(head(200, "transfer-encoding: chunked"))
        while not writer.is_closing():
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            await writer.drain()
            await asyncio.sleep(every)

    return play
