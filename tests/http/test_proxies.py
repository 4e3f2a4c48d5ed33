"""The ways through a proxy: by CONNECT, in TLS, by SOCKS. Behind each of them answers stream as they do directly."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpcore
import httpx
import pytest

from bot.concurrency import backpressure
from bot.errors import ConfigError, ModelUnavailable
from bot.http.client import Http
from bot.http.transport import ERRORS, environment_proxy
from tests.support.proxy import KINDS, Proxy, join, listening, proxy_of_kind
from tests.support.raw_server import answer, closed_port, serve


@asynccontextmanager
async def proxied(way: str, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Proxy]:
    """The environment names a proxy of this kind."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with asyncio.timeout(20), proxy_of_kind(way, tls) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.address)
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


@pytest.mark.parametrize("way", KINDS)
async def test_an_encrypted_answer_comes_through_a_proxy(
    way: str, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with proxied(way, tls, monkeypatch) as proxy, secured(answer(200, {"a": 1}), tls=tls) as url, Http() as http:
        assert (await http.ask("GET", url, total=10)).json() == {"a": 1}
        assert proxy.asked == ["127.0.0.1, True"]


@pytest.mark.parametrize("way", KINDS)
async def test_what_a_view_cannot_show_is_held_back_behind_a_proxy_too(
    way: str, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.http.transport.HELD", 3600.0)
    backpressure.current.set(flow := backpressure.Flow())
    held = asyncio.Event()

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
        while not flow.release():
            flow.hold()
            await asyncio.sleep(0.001)
        assert (await event)[0].data == "x"


@pytest.mark.parametrize("way", KINDS)
async def test_a_proxy_that_refuses_is_no_connection(
    way: str, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with proxied(way, tls, monkeypatch) as proxy, Http() as http:
        proxy.refuses = True
        with pytest.raises(ModelUnavailable, match=r"127\.0\.0\.1: no connection") as caught:
            await http.ask("GET", "https://127.0.0.1:9/", total=10)
    assert "word" not in str(caught.value)


@pytest.mark.parametrize("way", KINDS)
async def test_a_proxy_that_is_down_is_no_connection(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", closed_port().replace("http", way))
    async with Http() as http:
        with pytest.raises(ModelUnavailable, match="no connection"):
            await http.ask("POST", "https://127.0.0.1:9/", {}, total=10, repeatable=False)


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


async def test_many_requests_are_sent_at_once() -> None:
    many, arrived, all_here = 33, 0, asyncio.Event()

    async def play(_: object, writer: asyncio.StreamWriter) -> None:
        nonlocal arrived
        arrived += 1
        if arrived == many:
            all_here.set()
        await all_here.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    async with serve(play) as server, Http() as http, asyncio.timeout(20):
        answers = await asyncio.gather(*(http.ask("GET", server.url, total=20) for _ in range(many)))
        assert [answer.status for answer in answers] == [200] * many
