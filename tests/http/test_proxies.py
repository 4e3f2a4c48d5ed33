"""The ways through a proxy: by CONNECT, in TLS, by SOCKS. Behind each of them answers stream as they do directly."""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpcore
import httpx
import pytest

from bot.errors import ConfigError, ModelUnavailable
from bot.http.client import Http
from bot.http.transport import ERRORS, POOL, environment_proxy
from bot.telemetry import turn_log
from tests.support.raw_server import answer, closed_port, serve


class Proxy:
    """Speaks CONNECT and SOCKS5 on one port. `asked` is what it was asked for, `way` the scheme of its address."""

    def __init__(self, way: str) -> None:
        self.asked: list[str] = []
        self.way = way
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
            for _part in ("user", "password"):
                _part == "user" and await reader.readexactly(1)
                await reader.readexactly((await reader.readexactly(1))[0])
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
async def proxied(way: str, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Proxy]:
    """The environment names a proxy of this kind, which asks for a name and a password."""
    proxy = Proxy(way)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with asyncio.timeout(20), listening(proxy.connected, tls if way == "https" else None) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"{way}://user:pass%40word@127.0.0.1:{port}")
        yield proxy


@pytest.fixture(autouse=True)
def trusting(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


@asynccontextmanager
async def secured(*script: object, tls: ssl.SSLContext) -> AsyncIterator[str]:
    """The address of a TLS server in front of one that plays `script`."""
    async with serve(*script) as plain:  # type: ignore[arg-type]
        port = int(plain.url.rpartition(":")[2])

        async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await join(reader, writer, "127.0.0.1", port)

        async with listening(forward, tls) as secure:
            yield f"https://127.0.0.1:{secure}"


WAYS = ["http", "https", "socks5", "socks5h"]


@pytest.mark.parametrize("way", WAYS)
async def test_an_encrypted_answer_comes_through_a_proxy(
    way: str, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with proxied(way, tls, monkeypatch) as proxy, secured(answer(200, {"a": 1}), tls=tls) as url, Http() as http:
        assert (await http.get_json(url, total=10)).json() == {"a": 1}
        assert proxy.asked == ["127.0.0.1, True"]


@pytest.mark.parametrize("way", WAYS)
async def test_what_a_view_cannot_show_is_held_back_behind_a_proxy_too(
    way: str, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.http.transport.HELD", 3600.0)
    flow, held = turn_log.current.get().flow, asyncio.Event()

    async def play(_: object, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await held.wait()
        writer.write(b"9\r\ndata: x\n\n\r\n")

    async with (
        proxied(way, tls, monkeypatch),
        secured(play, tls=tls) as url,
        Http() as http,
        http.stream(url, {}, total=10, idle=10) as stream,
    ):
        flow.hold()
        held.set()
        event = asyncio.ensure_future(anext(stream.events()))
        while not flow.want():
            flow.hold()
            await asyncio.sleep(0.001)
        assert (await event).data == "x"


@pytest.mark.parametrize("way", WAYS)
async def test_a_proxy_that_refuses_is_no_connection(
    way: str, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with proxied(way, tls, monkeypatch) as proxy, Http() as http:
        proxy.refuses = True
        with pytest.raises(ModelUnavailable, match=r"127\.0\.0\.1: no connection") as caught:
            await http.get_json("https://127.0.0.1:9/", total=10)
    assert "word" not in str(caught.value)


@pytest.mark.parametrize("way", WAYS)
async def test_a_proxy_that_is_down_is_no_connection(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", closed_port().replace("http", way))
    async with Http() as http:
        with pytest.raises(ModelUnavailable, match="no connection"):
            await http.post_json("https://127.0.0.1:9/", {}, total=10, repeatable=False)


@pytest.mark.parametrize("address", ["hush://hush@proxy.example:1", "socks5://hush@proxy.example", "http://hush:[1/"])
def test_the_address_of_a_proxy_that_is_wrong_is_told_without_it(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", address)
    with pytest.raises(ConfigError, match="ALL_PROXY") as caught:
        Http()
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("variables", "url", "proxy"),
    [
        ({"HTTP_PROXY": "http://one:1"}, "http://a.example/", "http://one:1"),
        ({"HTTP_PROXY": "http://one:1"}, "https://a.example/", ""),
        ({"ALL_PROXY": "socks5://one:1"}, "https://a.example/", "socks5://one:1"),
        ({"ALL_PROXY": "http://one:1", "HTTPS_PROXY": "http://two:2"}, "https://a.example/", "http://two:2"),
        ({"HTTPS_PROXY": "one:1"}, "https://a.example/", "http://one:1"),
        ({"HTTPS_PROXY": "http://one:1", "NO_PROXY": "b.example, a.example"}, "https://api.a.example:443/", ""),
        ({"HTTPS_PROXY": "http://one:1", "NO_PROXY": ".a.example"}, "https://api.a.example/", ""),
        ({"HTTPS_PROXY": "http://one:1", "NO_PROXY": "a.example"}, "https://ba.example/", "http://one:1"),
        ({"HTTPS_PROXY": "http://one:1", "NO_PROXY": "*"}, "https://a.example/", ""),
        ({"HTTPS_PROXY": "http://one:1", "NO_PROXY": "10.0.0.1,::1"}, "https://[::1]:8080/", ""),
    ],
)
def test_the_environment_says_which_proxy_leads_to_a_host(
    variables: dict[str, str], url: str, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name.lower(), raising=False)
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert environment_proxy(url) == proxy


def test_every_error_that_httpcore_raises_has_one_of_httpx() -> None:
    kinds = {kind for kind in vars(httpcore).values() if isinstance(kind, type) and issubclass(kind, Exception)}
    raised = {kind for kind in kinds if not kind.__subclasses__()} - {httpcore.ConnectionNotAvailable}
    assert {kind: getattr(httpx, kind.__name__) for kind in raised} == ERRORS


async def test_more_requests_than_a_pool_has_places_are_sent_at_once() -> None:
    many, arrived, all_here = 2 * POOL + 1, 0, asyncio.Event()

    async def play(_: object, writer: asyncio.StreamWriter) -> None:
        nonlocal arrived
        arrived += 1
        if arrived == many:
            all_here.set()
        await all_here.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    async with serve(play) as server, Http() as http, asyncio.timeout(20):
        answers = await asyncio.gather(*(http.get_json(server.url, total=20) for _ in range(many)))
        assert [answer.status for answer in answers] == [200] * many
