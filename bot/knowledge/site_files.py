"""Reads what a site says of itself: its sitemaps (`read_sitemap`) and its robots.txt (`read_rule`).

Both can be made to take seconds or a gigabyte. So these functions run in a child process (`concurrency/child_pool.py`),
and return values of JSON.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit

from bot.errors import FetchFailed, Unreadable
from bot.http.framing import ascii_host
from bot.http.unpacking import GZIP, unpacked

MAX_ENTRIES = 100_000  # of a sitemap that are looked at; its format allows 50,000
PORTS = {"http": 80, "https": 443}
LONGEST_ADDRESS, CUT = 500, 600  # characters of an address that is read; where longer ones are cut
# Bounded, so that what a hostile sitemap leaves open costs nothing.
LOCATION = re.compile(r"<loc>\s*(?:<!\[CDATA\[)?([^<]{1,2000})(?:</loc>\s*<lastmod>\s*([^<\s]{1,40}))?")
WORD = re.compile(r"\S{1,2000}")


def read_sitemap(data: bytes, url: str, only: str, most: int, largest: int) -> dict[str, Any]:
    """The addresses that a sitemap lists, each once: the first `most` of them as [address, date] in "entries".

    "more" is how many addresses it has beside them, as far as it was read; "is_index", whether they are those of other
    sitemaps. `only` is a pattern for the paths of pages. Raises `Unreadable` (broken; long: more than `largest` bytes).
    """
    try:
        body = unpacked(data, largest) if data.startswith(GZIP) else data
    except FetchFailed as error:
        raise Unreadable("long" if error.why == "too_long" else "broken") from None
    text = body.decode("utf-8", "replace")
    is_index = "<sitemapindex" in text
    found: dict[str, str] = {}
    more = 0
    for said, when in islice(_entries(text), MAX_ENTRIES):
        address = _located(url, said)[:CUT]
        if address in found or (only and not is_index and not fnmatchcase(urlsplit(address).path, only)):
            continue
        if len(found) < most:
            found[address] = when
        else:
            more += 1
    return {"entries": list(found.items()), "more": more, "is_index": is_index}


def read_rule(data: bytes, url: str, agent: str) -> list[Any]:
    """Whether a robots.txt lets `agent` read an address, and the seconds between two requests that it asks for."""
    from protego import Protego

    rules = Protego.parse(data.decode("utf-8-sig", "replace").lstrip("\ufeff"))
    return [rules.can_fetch(url, agent), rules.crawl_delay(agent) or 0.0]


def page_key(url: str) -> str:
    """An address as the key of its page: without a fragment, its host as `ascii_host` writes it."""
    try:
        parts = urlsplit(url.strip())
        user, at, _ = parts.netloc.rpartition("@")
        port = f":{parts.port}" if parts.port not in (None, PORTS.get(parts.scheme.lower())) else ""
        host = ascii_host(parts.hostname or "")
        netloc = f"{user}{at}{f'[{host}]' if ':' in host else host}{port}"
        return urlunsplit((parts.scheme.lower(), netloc, parts.path or "/", parts.query, ""))
    except ValueError:
        return url.strip()


def _entries(text: str) -> Iterator[tuple[str, str]]:
    """The addresses and dates of a sitemap in XML, else those of one that has an address in each line."""
    if LOCATION.search(text):
        for match in LOCATION.finditer(text):
            yield match[1], match[2] or ""
        return
    for word in WORD.finditer(text):
        if word[0].startswith("http"):
            yield word[0], ""


def _located(sitemap: str, said: str) -> str:
    try:
        return page_key(urljoin(sitemap, html.unescape(said.strip().removesuffix("]]>").strip())))
    except ValueError:
        return said
