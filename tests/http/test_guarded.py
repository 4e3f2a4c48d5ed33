"""Pages of the internet: where the bot may go for them, and how much of them it takes."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from bot.errors import FetchFailed
from bot.http.guarded import GuardedFetcher, Lookup
from bot.http.unpacking import unpacked
from tests.support.raw_server import Play, RawServer, answer, before_the_head, closed_port, drip, serve
from tests.support.table import table


def names(**addresses: Sequence[str]) -> Lookup:
    """A name service that gives for each host its addresses one after the other, the last one for ever."""
    left = {host.replace("_", "."): list(found) for host, found in addresses.items()}

    async def lookup(host: str, port: int) -> Sequence[str]:
        if host not in left:
            return [host]
        return [left[host].pop(0) if len(left[host]) > 1 else left[host][0]]

    return lookup


@asynccontextmanager
async def site(
    *script: Play, allow_private: Sequence[str] = ("127.0.0.1/32",), **hosts: Sequence[str]
) -> AsyncIterator[tuple[GuardedFetcher, RawServer]]:
    fetcher = GuardedFetcher(allow_private=allow_private, lookup=names(**hosts) if hosts else None)
    async with serve(*script) as server:
        yield fetcher, server
    await fetcher.close()


def page(body: bytes, *headers: str, status: int = 200) -> Play:
    return answer(status, body, *headers)


def moved(to: str, status: int = 302) -> Play:
    return answer(status, b"", f"location: {to}")


async def failure(fetcher: GuardedFetcher, url: str, **options: object) -> str:
    with pytest.raises(FetchFailed) as caught:
        await fetcher.fetch(url, **options)  # type: ignore[arg-type]
    return caught.value.why


@table(
    ("address", "allowed"),
    [
        ("8.8.8.8", True), ("2a00:1450:4010:c0f::65", True), ("::ffff:8.8.8.8", True), ("64:ff9b::808:808", True),
        ("127.0.0.1", False), ("0.0.0.0", False), ("10.1.2.3", False), ("172.16.0.1", False), ("192.168.1.1", False),
        ("169.254.169.254", False), ("100.64.0.1", False), ("224.0.0.1", False), ("255.255.255.255", False),
        ("198.18.0.1", False), ("::1", False), ("::", False), ("fe80::1", False), ("fe80::1%eth0", False),
        ("fd00::1", False), ("ff02::1", False), ("::ffff:127.0.0.1", False), ("::127.0.0.1", False),
        ("2002:7f00:1::", False), ("64:ff9b::7f00:1", False), ("10.9.1.1", True), ("::ffff:10.9.1.1", False),
        # Clouds' services for their machines.
        ("192.0.0.192", False), ("100.100.100.200", False), ("fd00:ec2::254", False), ("fd20:ce::254", False),
        ("168.63.129.16", False),
        # Every way in which an IPv6 address stands for an IPv4 address.
        ("64:ff9b:1::1", False), ("64:ff9b:1::808:808", False), ("::ffff:0:127.0.0.1", False),
        ("::ffff:0:8.8.8.8", False), ("::8.8.8.8", False), ("2001:0:4136:e378:8000:63bf:3fff:fdd2", False),
        ("2001::80ff:fffe", False), ("2002:808:808::1", False), ("2a00:1450::5efe:7f00:1", False),
        ("2a00:1450::200:5efe:10.0.0.1", False), ("2a00:1450::5efe:8.8.8.8", True), ("::ffff:192.0.0.192", False),
        ("64:ff9b::a9fe:a9fe", False), ("64:ff9b::e000:1", False), ("fe80::5efe:8.8.8.8", False),
        # What is no address of one machine of the internet.
        ("fec0::1", False), ("feff::1", False), ("ff0e::1", False), ("2001:db8::1", False), ("3fff::1", False),
        ("2001:2::1", False), ("2001:20::1", False), ("100::1", False), ("5f00::1", False), ("4000::1", False),
        ("192.0.0.9", False), ("192.0.2.1", False), ("198.51.100.1", False), ("203.0.113.1", False),
        ("198.19.255.255", False), ("192.88.99.1", False), ("240.0.0.1", False), ("239.255.255.255", False),
        ("0.1.2.3", False), ("2a00:1450:4010:c0f::65%eth0", False), ("fe80::1%2", False),
        # What a name service must not say.
        ("2130706433", False), ("0x7f.1", False), ("0177.0.0.1", False), ("127.1", False), ("", False),
        ("8.8.8.8 ", False), ("8.8.8.08", False),
    ],
)  # fmt: skip
def test_only_public_addresses_are_read_and_private_ones_that_are_allowed(address: str, allowed: bool) -> None:
    async def asked() -> None:
        fetcher = GuardedFetcher(allow_private=["10.9.0.0/16"], lookup=names(site=[address]))
        try:
            assert list(await fetcher.addresses("site", 443)) == [address]
        finally:
            await fetcher.close()

    if allowed:
        asyncio.run(asked())
    else:
        with pytest.raises(FetchFailed, match="forbidden"):
            asyncio.run(asked())


async def test_the_connection_goes_to_the_address_that_was_checked() -> None:
    async with site(page(b"here"), shop_test=["127.0.0.1", "127.0.0.2"]) as (fetcher, server):
        port = server.url.rpartition(":")[2]
        assert (await fetcher.fetch(f"http://shop.test:{port}/")).body == b"here"
        assert server.seen[0].headers["host"] == f"shop.test:{port}"


async def test_a_name_that_means_this_machine_the_second_time_is_refused() -> None:
    first = page(b"here", "connection: close")
    async with site(first, shop_test=["127.0.0.1", "127.0.0.2"]) as (fetcher, server):
        url = f"http://shop.test:{server.url.rpartition(':')[2]}/"
        await fetcher.fetch(url)
        assert await failure(fetcher, url) == "forbidden"
    assert len(server.seen) == 1


async def test_private_addresses_are_refused_however_they_are_written_and_at_every_redirect() -> None:
    async with site(page(b"secret"), allow_private=()) as (fetcher, server):
        port = server.url.rpartition(":")[2]
        for host in ("127.0.0.1", "localhost", "[::1]", "[::ffff:7f00:1]"):
            assert await failure(fetcher, f"http://{host}:{port}/") == "forbidden"
        assert server.seen == []
    async with site(moved("/on"), moved("http://127.0.0.2/")) as (fetcher, server):
        assert await failure(fetcher, server.url) == "forbidden"
        assert [seen.path for seen in server.seen] == ["/", "/on"]


async def test_an_address_in_an_odd_spelling_is_checked_as_what_the_system_takes_it_for() -> None:
    async def lookup(host: str, port: int) -> Sequence[str]:
        return [socket.inet_ntoa(socket.inet_aton(host))]  # as getaddrinfo does

    fetcher = GuardedFetcher(lookup=lookup)
    for host in ("2130706433", "0x7f000001", "0X7F.1", "127.1", "10.1", "0", "127。0。0。1"):
        assert await failure(fetcher, f"http://{host}/") == "forbidden", host
    with pytest.raises(FetchFailed, match="forbidden"):
        await fetcher.addresses("0177.0.0.1", 80)  # which no URL of httpx may have
    await fetcher.close()


async def test_a_host_without_an_address_is_not_there() -> None:
    async def lookup(host: str, port: int) -> Sequence[str]:
        return []

    fetcher = GuardedFetcher(lookup=lookup)
    assert await failure(fetcher, "http://shop.test/") == "unavailable"
    with pytest.raises(OSError, match="no address"):
        await fetcher.addresses("shop.test", 443)
    await fetcher.close()


async def test_redirects_are_followed_five_times_to_http_only_and_the_caller_sees_each_address() -> None:
    seen: list[str] = []

    async def before(url: str) -> None:
        seen.append(url)

    async with site(moved("/b?c=1#d"), moved(""), page(b"ok")) as (fetcher, server):
        server.script[1] = moved(server.url.removeprefix("http:") + "/e", 308)
        found = await fetcher.fetch(f"{server.url}/a", before=before)
        assert (found.url, found.body) == (f"{server.url}/e", b"ok")
        assert seen == [f"{server.url}/a", f"{server.url}/b?c=1", f"{server.url}/e"]
    async with site(moved("/again")) as (fetcher, server):
        assert await failure(fetcher, server.url) == "redirects"
        assert len(server.seen) == 6
    for target in ("file:///etc/passwd", "ftp://127.0.0.1/", "gopher://x", "http://[broken", "javascript:alert(1)"):
        async with site(moved(target)) as (fetcher, server):
            assert await failure(fetcher, server.url) == "redirects"


async def test_a_page_is_taken_up_to_its_size_time_and_type() -> None:
    bomb = gzip.compress(b"0" * 2_000_000)
    packed = "content-encoding: gzip"
    rows: list[tuple[Play, str]] = [
        (page(b"0" * 1001), "too_long"),
        (page(bomb, packed), "too_long"),
        (page(b"no gzip", packed), "broken"),
        (page(gzip.compress(b"whole")[:-4], packed), "broken"),
        (page(b"x", "content-encoding: br"), "broken"),
        (page(b"x", "content-type: video/mp4"), "type"),
        (before_the_head("fin"), "unavailable"),
    ]
    for play, why in rows:
        async with site(play) as (fetcher, server):
            got = await failure(fetcher, server.url, largest=1000, types=["text/html"])
            assert got == why
    async with site(drip(b"0", 0.05)) as (fetcher, server):
        assert await failure(fetcher, server.url, seconds=0.2) == "unavailable"
    fetcher = GuardedFetcher(allow_private=["127.0.0.1/32"])
    assert await failure(fetcher, closed_port()) == "unavailable"
    assert await failure(fetcher, "http://no-such-host.invalid/") == "unavailable"
    await fetcher.close()


async def test_a_packed_page_and_one_without_a_type_are_read() -> None:
    body = gzip.compress("при".encode()) + gzip.compress("вет".encode())
    headers = ("content-encoding: gzip", 'content-type: Text/HTML; charset="UTF-8"')
    async with site(page(body, *headers), page(b"x", status=404)) as (fetcher, server):
        found = await fetcher.fetch(server.url, types=["text/html"])
        assert (found.body.decode(), found.mime, found.charset) == ("привет", "text/html", "utf-8")
        assert (await fetcher.fetch(server.url)).status == 404


def test_a_gigabyte_that_was_packed_is_not_unpacked() -> None:
    part = gzip.compress(b"\0" * (1 << 20))
    with pytest.raises(FetchFailed, match="too_long"):
        unpacked(part * 1024, 10 << 20)
