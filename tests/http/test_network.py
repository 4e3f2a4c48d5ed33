"""The connections below the HTTP client, as httpcore uses them."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpcore
import pytest

from bot.http.client import Http
from bot.http.transport import HELD, MUCH, Connection, Network
from tests.support.raw_server import answer, closed_port, serve

Play = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def connected(play: Play, tls: ssl.SSLContext | None = None) -> AsyncIterator[Connection]:
    """A connection to a server that does `play` with it."""
    served = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await play(reader, writer)
        except ConnectionError:
            return  # the other side has gone
        finally:
            writer.close()
            served.set()

    server = await asyncio.start_server(serve, "127.0.0.1", ssl=tls)
    async with asyncio.timeout(60), server:
        connection = await Network().connect_tcp("127.0.0.1", server.sockets[0].getsockname()[1], timeout=60)
        yield connection
        await connection.aclose()
        await served.wait()


async def everything(connection: Connection) -> bytes:
    pieces = []
    while piece := await connection.read(1 << 16):
        pieces.append(piece)
    return b"".join(pieces)


async def test_the_client_uses_these_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    connect = Network.connect_tcp

    async def noted(self: Network, host: str, *rest: object, **more: object) -> Connection:
        opened.append(host)
        return await connect(self, host, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Network, "connect_tcp", noted)
    async with serve(answer(200, {})) as server, Http() as http:
        await http.ask("GET", server.url, total=5)
    assert opened == ["127.0.0.1"]


async def test_what_is_not_read_is_not_taken_from_the_network() -> None:
    sent = 0

    async def play(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        for _number in range(400):
            writer.write(b"x" * (1 << 16))
            await writer.drain()
            sent += 1 << 16

    async with connected(play) as connection:
        while not connection._paused:
            await asyncio.sleep(0)
        assert len(connection._arrived) < 3 * MUCH
        assert len(await everything(connection)) == sent == 400 << 16


async def held(connection: Connection, arrived: bytes) -> asyncio.Task[bytes]:
    """Somebody reads a connection that holds back what has arrived."""
    reading = asyncio.create_task(connection.read(1 << 16))
    while bytes(connection._arrived) != arrived and not reading.done():
        await asyncio.sleep(0)
    return reading


def saying(*pieces: bytes) -> tuple[Play, asyncio.Event]:
    """A server that writes these pieces, once it is told to, and then waits for the other side to go."""
    told = asyncio.Event()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await told.wait()
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        await reader.read()

    return play, told


async def test_what_is_held_back_is_read_at_once_when_it_is_wanted() -> None:
    play, told = saying(b"one ", b"two ", b"three ")
    async with connected(play) as connection:
        connection.hold()
        told.set()
        reading = await held(connection, b"one two three ")
        assert not reading.done()
        assert 0 <= connection.release() <= HELD
        assert await reading == b"one two three "


async def test_nothing_is_held_back_for_long() -> None:
    play, told = saying(b"one ")
    async with connected(play) as connection:
        connection.hold()
        told.set()
        assert await connection.read(1 << 16) == b"one "
        assert connection.release() == 0


@pytest.mark.parametrize("last", [b"3\r\nend\r\n0\r\n\r\n", b"0\r\n\r\n"])
async def test_the_end_of_an_answer_is_not_held_back(last: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.http.transport.HELD", 3600.0)
    play, told = saying(last)
    async with connected(play) as connection:
        connection.hold()
        told.set()
        assert await connection.read(1 << 16) == last


async def test_a_large_body_waits_for_who_reads_it() -> None:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"%d" % len(await reader.readexactly(20 << 20)))

    async with connected(play) as connection:
        await connection.write(b"x" * (20 << 20))
        assert await everything(connection) == b"%d" % (20 << 20)


async def test_what_arrived_before_a_connection_broke_is_read_first() -> None:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"half")
        await writer.drain()
        await reader.readexactly(3)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with connected(play) as connection:
        assert await connection.read(2) == b"ha"
        await connection.write(b"ask")
        assert await connection.read(9) == b"lf"
        with pytest.raises(httpcore.ReadError):
            await everything(connection)
        with pytest.raises(httpcore.WriteError):
            await connection.write(b"more")


async def test_a_connection_that_the_server_has_closed_counts_as_readable() -> None:
    asked = asyncio.Event()

    async def play(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asked.wait()
        writer.close()

    async with connected(play) as connection:
        assert not connection.get_extra_info("is_readable")
        asked.set()
        assert await everything(connection) == b""
        assert connection.get_extra_info("is_readable")


async def test_waiting_ends_at_its_deadline() -> None:
    async def play(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with connected(play) as connection:
        with pytest.raises(httpcore.ReadTimeout):
            await connection.read(1, timeout=0.01)


async def test_nobody_listening_is_an_error_of_the_connection() -> None:
    with pytest.raises(httpcore.ConnectError):
        await Network().connect_tcp("127.0.0.1", int(closed_port().rpartition(":")[2]))


# --- TLS --------------------------------------------------------------------------------------------------------------


async def test_an_encrypted_answer_arrives_whole(tls: ssl.SSLContext, certificate: Path) -> None:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(5))
        writer.write(b"x" * (2 << 20))
        await writer.drain()

    async with connected(play, tls) as connection:
        await connection.start_tls(ssl.create_default_context(cafile=certificate), "127.0.0.1", timeout=60)
        assert connection.get_extra_info("ssl_object").version().startswith("TLS")
        await connection.write(b"hello")
        assert await everything(connection) == b"hello" + b"x" * (2 << 20)


async def test_a_certificate_of_nobody_is_refused(tls: ssl.SSLContext) -> None:

    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", ssl=tls)
    async with server:
        connection = await Network().connect_tcp("127.0.0.1", server.sockets[0].getsockname()[1])
        with pytest.raises(httpcore.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await connection.start_tls(ssl.create_default_context(), "127.0.0.1", timeout=60)
    assert connection._transport.is_closing()
