"""Asks a site for pages as its owner wishes: robots.txt, a pause between requests, waits that the site asks for.

Begin with `Site.get`. One `Site` serves one reading of one source.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from random import Random
from urllib.parse import urlsplit

from bot.clock import Clock
from bot.concurrency.retry import Backoff, Retry
from bot.errors import FetchFailed, Unreadable
from bot.http.framing import host_of, retry_after
from bot.http.guarded import LARGEST, Fetched, GuardedFetcher
from bot.knowledge.site_files import read_rule
from bot.knowledge.sources.files import FileReader
from bot.knowledge.sources.source import failure

AGENT = "govorun"
PAUSE = 1.0  # seconds between two requests to a host
LONGEST_PAUSE = 10.0  # that robots.txt is granted
PATIENCE = 300.0  # seconds that a site may let one request wait
TRIES = 4
BUSY, OVERLOADED = (429, 503), (500, 502, 504)
MOST_ROBOTS = 500 << 10  # bytes of robots.txt
MAX_ORIGINS = 10  # whose robots.txt is kept

Before = Callable[[str], Awaitable[None]]


class Site:
    """Gets the pages of a source from their web servers: one after the other, as robots.txt allows it."""

    def __init__(self, fetcher: GuardedFetcher, clock: Clock) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._own = ""  # the origin of the first page
        self._next: dict[str, float] = {}  # by host: when it may be asked again
        self._robots: dict[str, bytes] = {}  # by origin; b"": everything may be read
        backoff = Backoff(first=2.0, longest=60.0, random=Random())  # noqa: S311  it spreads load
        self._retry = Retry(clock, backoff, on=_PassingFailure, tries=TRIES)

    async def get(
        self, url: str, files: FileReader, *, known: Mapping[str, str] | None = None, types: Collection[str] = (),
        largest: int = LARGEST,
    ) -> Fetched:  # fmt: skip
        """Fetch a page, and obey robots.txt at redirects, too; it is read by `files`.

        The status is 304 where the page is as it was by `known` ("etag", "modified"). Raises `FetchFailed`, and
        `SourceFailed` where the site asks for more patience than there is.
        """
        self._own = self._own or _origin(url)
        headers = {"user-agent": AGENT}
        if known:
            asked = {"if-none-match": known.get("etag", ""), "if-modified-since": known.get("modified", "")}
            headers |= {name: value for name, value in asked.items() if value}

        async def before(address: str) -> None:
            may_read, wanted = await self._rule(address, files)
            if not may_read:
                raise FetchFailed("robots")
            await self._pause(address, wanted)

        return await self._patiently(url, headers, types, before, largest)

    async def _patiently(
        self, url: str, headers: Mapping[str, str], types: Collection[str], before: Before, largest: int
    ) -> Fetched:  # fmt: skip
        async def ask() -> Fetched:
            try:
                answer = await self._fetcher.fetch(url, headers=headers, types=types, before=before, largest=largest)
            except FetchFailed as error:
                raise _PassingFailure("unavailable") if error.why == "unavailable" else error from None
            if answer.status in BUSY:
                raise _PassingFailure("busy", retry_after=retry_after(answer.headers, self._clock.time()))
            if answer.status in OVERLOADED:
                raise _PassingFailure("unavailable")
            return answer

        try:
            return await self._retry.call(ask, until=self._clock.monotonic() + PATIENCE)
        except _PassingFailure as error:
            if error.why != "busy":
                raise
            raise failure("site_busy", host=host_of(url), minutes=round(PATIENCE / 60)) from None

    async def _rule(self, url: str, files: FileReader) -> tuple[bool, float]:
        """Whether robots.txt lets us read an address, and the pause that it asks for."""
        origin = _origin(url)
        if not (robots := await self._robots_of(origin)):
            return True, 0.0
        try:
            may_read, wanted = await files.call(read_rule, robots, url, AGENT)
        except Unreadable as error:
            if error.why == "busy":
                raise FetchFailed("unavailable") from None
            raise failure("no_robots", address=f"{origin}/robots.txt") from None
        return may_read, wanted

    async def _robots_of(self, origin: str) -> bytes:
        """The robots.txt of a host. Raises `SourceFailed` where it can't be read: nobody knows what it forbids."""
        if origin not in self._robots:

            async def before(address: str) -> None:
                await self._pause(address, 0.0)

            headers = {"user-agent": AGENT}
            try:
                answer = await self._patiently(f"{origin}/robots.txt", headers, (), before, MOST_ROBOTS)
            except FetchFailed as error:
                if error.why == "forbidden" or origin != self._own:
                    raise
                raise failure("no_robots", address=f"{origin}/robots.txt") from None
            if len(self._robots) >= MAX_ORIGINS:
                del self._robots[next(kept for kept in self._robots if kept != self._own)]
            self._robots[origin] = answer.body
        return self._robots[origin]

    async def _pause(self, url: str, wanted: float) -> None:
        """Wait until the host may be asked again."""
        host, now = host_of(url), self._clock.monotonic()
        turn = max(self._next.get(host, now), now)
        self._next[host] = turn + max(PAUSE, min(wanted, LONGEST_PAUSE))
        await self._clock.sleep(turn - now)


class _PassingFailure(FetchFailed):
    """It may be over soon."""


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2].lower()}"
