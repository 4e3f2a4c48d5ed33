"""Fetches pages from addresses that people, sitemaps and redirects name: `GuardedFetcher`.

A page of the internet must not be a way into the network of the bot. So each name is looked up here, each of its
addresses is checked, and the connection goes to exactly the address that was checked: at every redirect, and also where
a name means another address the second time (DNS rebinding). Proxies of the environment are not used, because they
look names up themselves.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from bot.errors import FetchFailed, ModelError, ModelProtocolError
from bot.http.addresses import is_public
from bot.http.client import Http
from bot.http.unpacking import unpacked

LARGEST = 12 << 20  # bytes of a body, as it is sent and unpacked
SECONDS = 30.0  # for a page with all of its redirects
MOST_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)

Lookup = Callable[[str, int], Awaitable[Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer: `url` is its address after all redirects, the body is unpacked, and b"" unless the status is 200."""

    status: int
    url: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def mime(self) -> str:
        """The content type without its parameters, "" if the server sent none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def charset(self) -> str:
        """The encoding that the content type names, "" if it names none."""
        return self.headers.get("content-type", "").lower().partition("charset=")[2].strip(" \"'").partition(";")[0]


class GuardedFetcher:
    """Fetches pages by http and https from public addresses. Close it.

    `allow_private` are networks such as "10.1.0.0/16" that may be read although they are private. `lookup` gives the
    addresses of a host; without it the system is asked.
    """

    def __init__(self, *, allow_private: Collection[str] = (), lookup: Lookup | None = None) -> None:
        self._allowed = [ipaddress.ip_network(network) for network in allow_private]
        self._lookup = lookup or _system_lookup
        self._http = Http(resolve=self.addresses)

    async def close(self) -> None:
        """Close all connections."""
        await self._http.close()

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """The addresses of a host, at least one. Raises `FetchFailed("forbidden")` if one is not public; `OSError`."""
        found = await self._lookup(host, port)
        if not found:
            raise OSError("the host has no address")
        if not all(self._may_read(address) for address in found):
            raise FetchFailed("forbidden")
        return found

    async def fetch(
        self, url: str, *, headers: Mapping[str, str] | None = None, types: Collection[str] = (),
        before: Callable[[str], Awaitable[None]] | None = None, largest: int = LARGEST, seconds: float = SECONDS,
    ) -> Fetched:  # fmt: skip
        """Fetch a page, following at most five redirects, and return it with whatever status it has. Raises
        `FetchFailed`.

        `types` are the content types that are accepted (empty: all); an answer that names no type is accepted, too.
        `before` is awaited with each address before a request goes there, and may raise to prevent it. `largest` limits
        the body in bytes, `seconds` the time of all requests together.
        """
        loop = asyncio.get_running_loop()
        for _ in range(MOST_REDIRECTS + 1):
            if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
                raise FetchFailed("redirects")
            if before is not None:
                await before(url)
            started = loop.time()
            answer = await self._ask(url, headers or {}, types, largest, seconds)
            seconds -= loop.time() - started
            if answer.status not in REDIRECTS:
                return answer
            try:
                url = urljoin(url, answer.headers.get("location", "")).partition("#")[0]
                urlsplit(url)
            except ValueError:
                break
        raise FetchFailed("redirects")

    async def _ask(
        self, url: str, headers: Mapping[str, str], types: Collection[str], largest: int, seconds: float
    ) -> Fetched:  # fmt: skip
        asked = {**headers, "accept-encoding": "gzip"}
        try:
            async with self._http.get(url, headers=asked, total=max(seconds, 0.0)) as stream:
                answer = Fetched(stream.status, url, dict(stream.headers), b"")
                if answer.status != 200:
                    return answer
                if types and answer.mime and answer.mime not in types:
                    raise FetchFailed("type")
                try:
                    body = await stream.body(largest)
                except ModelProtocolError:
                    raise FetchFailed("too_long") from None
        except ModelProtocolError:
            raise FetchFailed("broken") from None
        except ModelError:
            raise FetchFailed("unavailable") from None
        encoding = answer.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("", "identity"):
            if encoding not in ("gzip", "x-gzip"):
                raise FetchFailed("broken")
            body = unpacked(body, largest)
        return Fetched(200, url, answer.headers, body)

    def _may_read(self, text: str) -> bool:
        try:
            return is_public(text) or any(ipaddress.ip_address(text) in network for network in self._allowed)
        except ValueError:
            return False


async def _system_lookup(host: str, port: int) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
