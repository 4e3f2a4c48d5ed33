"""A page, or all pages of a sitemap, as a source: `WebPages`.

Links are not followed: what is read is the address itself, or what its sitemap lists on its own host. So an endless
site is bounded by its sitemap, and by what `SourceLimits` and `_is_trap` leave of it.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit, urlunsplit

from bot.errors import FetchFailed, SourceFailed
from bot.http.framing import ascii_host, host_of, http_date
from bot.http.guarded import GZIP, Fetched, unpacked
from bot.knowledge.formats.kinds import ANY, TYPES
from bot.knowledge.sources.files import FileReader, KnownFiles, found_in, text_hash
from bot.knowledge.sources.reading import Articles, can_read
from bot.knowledge.sources.site import Site
from bot.knowledge.sources.source import Event, Known, Seen, SourceLimits, Trouble, failure

SITEMAP_TYPES = ("application/xml", "text/xml", "application/gzip", "application/x-gzip")
PAGE_TYPES = (*TYPES, *filter(None, ANY))  # stores of files call a PDF "bytes": its name and its content say what it is
PORTS = {"http": 80, "https": 443}
MOST_SITEMAPS = 100
ENOUGH = 10  # times as many pages as are read are counted
MOST_DEPTH, MOST_REPEATED, LONGEST_ADDRESS = 12, 3, 500  # of an address that is no trap: parts of its path, characters
MOST_FAILURES = 5  # pages in a row that a site does not answer
SHORT = 600  # characters of a page that only says that it is not there
# Bounded, so that what a hostile sitemap leaves open costs nothing.
LOCATION = re.compile(r"<loc>\s*(?:<!\[CDATA\[)?([^<]{1,2000})(?:</loc>\s*<lastmod>\s*([^<\s]{1,40}))?")
LOGIN = re.compile(r"log-?in|sign-?in|logon|auth|sso|passport|account", re.IGNORECASE)
# A part of a title that is about the page itself: "Order not found" is a page of a handbook.
MISSING = re.compile(
    r"(?:(?:ошибка|error|http|status)[\s:#№-]*)?404(?:[\s:.-]*(?:error|(?:page )?not found|(?:страница )?не найден.))?"
    r"|(?:the |this |requested |запрошенная |эта |такая )*(?:page|страница)(?: (?:you|that|with)\b[\w ']*)?"
    r"(?: (?:was|is|could|can|can't|cannot|be|not|не|doesn't|does|exist|exists|found|найдена|существует|удалена))+"
    r"|not found|(?:ничего )?не найдено",
    re.IGNORECASE,
)
LONGEST_TITLE = 200  # characters of a title that may say so
SEPARATORS = re.compile(r"\s+[|·•»—–-]+\s+|\s*[|·•»—–]\s*")  # between the title of a page and that of its site
FAILURES = ("forbidden", "unavailable", "robots", "type", "too_long")  # that have a sentence of their own
GONE, CLOSED = (404, 410), (401, 403, 407)


class WebPages:
    """The page at an address, or the pages of the sitemap there whose paths match `only` ("/help/*")."""

    def __init__(self, url: str, site: Site, files: FileReader, limits: SourceLimits, *, only: str = "") -> None:
        self._url = page_key(url)
        self._site = site
        self._files = files
        self._limits = limits
        self._only = only

    async def articles(self, known: Known) -> AsyncIterator[Event]:
        """Read the pages in the order of the sitemap. Raises `SourceFailed`, also for a sitemap without a page."""
        seen, files, failures = Seen(self._limits), KnownFiles(known, self._limits), 0
        first = await self._first(files)
        if first.status == 304 or not _is_sitemap(first):
            if any(key.partition("#")[0] != self._url for key in known):
                raise failure("no_sitemap", address=self._url)
            async for event in self._page(_Listed(self._url), files, seen, first):
                for one in files.spread(event):
                    yield one
            return
        pages = await self._listed(first)
        for page in pages[: self._limits.articles]:
            if problem := "other_site" if _host(page.url) != _host(self._url) else "trap" if _is_trap(page.url) else "":
                yield Trouble(page.url, problem)
                continue
            async for event in self._page(page, files, seen):
                failures = failures + 1 if isinstance(event, Trouble) and event.reason == "unavailable" else 0
                for one in files.spread(event):
                    yield one
            if failures == MOST_FAILURES:
                raise failure("silent", host=_host(self._url), count=MOST_FAILURES)
        if (more := len(pages) - self._limits.articles) > 0:
            yield Trouble(self._url, f"too_many:{more}")

    async def _first(self, files: KnownFiles) -> Fetched:
        """What stands at the address. That a known page is not there any more is an answer, other failures are none."""
        known = files.validators(self._url)
        try:
            answer = await self._site.get(self._url, known=known, types=(*PAGE_TYPES, *SITEMAP_TYPES))
        except FetchFailed as error:
            raise _failure(self._url, error.why) from None
        if answer.status in (200, 304) or (known and answer.status in GONE):
            return answer
        raise failure("status", address=self._url, status=answer.status)

    # --- one page -----------------------------------------------------------------------------------------------------

    async def _page(
        self, page: _Listed, files: KnownFiles, seen: Seen, answer: Fetched | None = None
    ) -> AsyncIterator[Event]:  # fmt: skip
        key, known = page.url, files.validators(page.url)
        try:
            answer = answer or await self._site.get(key, known=known, types=PAGE_TYPES)
        except FetchFailed as error:
            yield Trouble(key, error.why)
            return
        if answer.status not in (200, 304):
            yield Trouble(key, _problem(answer.status))
            return
        twin = seen.twin(page_key(answer.url), key)
        if answer.status == 304:
            twin = twin or seen.twin(known.get("canonical") or key, key)
            for event in [Trouble(key, f"same:{twin}")] if twin else list(files.unchanged(key, seen)):
                yield event
            return
        seen.add(len(answer.body))
        mime = answer.mime or ("" if can_read(answer.url) else "text/html")
        articles = "" if twin else await self._files.read(answer.body, answer.url, mime, answer.charset)
        if isinstance(articles, str):
            yield Trouble(key, f"same:{twin}" if twin else articles)
            return
        for event in self._judged(page, answer, articles, files, seen):
            yield event

    def _judged(
        self, page: _Listed, answer: Fetched, articles: Articles, files: KnownFiles, seen: Seen
    ) -> Iterator[Event]:  # fmt: skip
        key, canonical = page.url, _canonical(articles, answer.url)
        if _is_login(key, answer.url, articles):
            yield Trouble(key, "login")
        elif _says_missing(articles):
            yield Trouble(key, "not_found")
        elif twin := seen.twin(canonical or key, key):
            yield Trouble(key, f"same:{twin}")
        else:
            headers = answer.headers
            validators = {
                "etag": headers.get("etag", ""), "modified": headers.get("last-modified", ""), "canonical": canonical,
            }  # fmt: skip
            if text_hash(articles) == files.validators(key).get("text"):
                yield from files.unchanged(key, seen, validators)
                return
            changed = http_date(validators["modified"]) or _date(page.modified)
            yield from found_in(articles, key, seen, validators, url=answer.url, changed=changed)

    # --- sitemaps -----------------------------------------------------------------------------------------------------

    async def _listed(self, first: Fetched) -> list[_Listed]:
        """The pages of a sitemap, and of those that it lists, each once. Raises `SourceFailed`."""
        pages: dict[str, _Listed] = {}
        waiting, asked, answer = [self._url], {self._url}, first
        while waiting and len(pages) <= ENOUGH * self._limits.articles:
            url = waiting.pop(0)
            text = self._sitemap_text(url, answer if url == self._url else await self._fetched(url))
            entries = [_Listed(_located(url, at), when) for at, when in LOCATION.findall(text)]
            if "<sitemapindex" in text:
                new = {entry.url: None for entry in entries if _host(entry.url) == _host(url)}
                waiting += [found for found in new if found not in asked]
                asked |= new.keys()
                if len(asked) > MOST_SITEMAPS:
                    raise failure("many_sitemaps", address=self._url, most=MOST_SITEMAPS)
                continue
            for entry in entries or [_Listed(page_key(line)) for line in text.split() if line.startswith("http")]:
                if not self._only or fnmatchcase(urlsplit(entry.url).path, self._only):
                    pages.setdefault(entry.url, entry)
        if not pages:
            if self._only:
                raise failure("no_page_like", address=self._url, path=self._only)
            raise failure("no_page", address=self._url)
        return list(pages.values())

    async def _fetched(self, url: str) -> Fetched:
        try:
            answer = await self._site.get(url)
        except FetchFailed as error:
            raise _failure(url, error.why) from None
        if answer.status != 200:
            raise failure("status", address=url, status=answer.status)
        return answer

    def _sitemap_text(self, url: str, answer: Fetched) -> str:
        try:
            body = unpacked(answer.body, self._limits.file) if answer.body.startswith(GZIP) else answer.body
        except FetchFailed as error:
            raise _failure(url, error.why) from None
        return body.decode("utf-8", "replace")


class _Listed(NamedTuple):
    """A page of a sitemap. `modified` is what the sitemap says, which is often wrong: shown, but not relied upon."""

    url: str
    modified: str = ""


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


def _located(sitemap: str, said: str) -> str:
    try:
        return page_key(urljoin(sitemap, html.unescape(said.strip().removesuffix("]]>").strip())))
    except ValueError:
        return said


def _failure(url: str, why: str) -> SourceFailed:
    return failure(f"page_{why if why in FAILURES else 'other'}", address=url)


def _problem(status: int) -> str:
    return "not_found" if status in GONE else "login" if status in CLOSED else "unavailable"


def _is_sitemap(answer: Fetched) -> bool:
    head = answer.body[:2_000]
    return b"<urlset" in head or b"<sitemapindex" in head or head.startswith(GZIP)


def _is_login(asked: str, url: str, articles: Articles) -> bool:
    """Whether an address has led to a form that asks for a password, though with the status 200."""
    parts = urlsplit(url)
    return articles.has_password and page_key(url) != asked and bool(LOGIN.search(f"{parts.hostname}{parts.path}"))


def _says_missing(articles: Articles) -> bool:
    """Whether a page with the status 200 only says that it is not there."""
    size = sum(len(block.text) for one in articles.articles for block in one.blocks)
    return size < SHORT and any(says_missing(one.title) for one in articles.articles)


def says_missing(title: str) -> bool:
    """Whether a title says that the page is not there, and not something that the page is about."""
    title = title[:LONGEST_TITLE]
    return any(MISSING.fullmatch(part.strip(' .!?«»"')) for part in (title, *SEPARATORS.split(title)))


def _canonical(articles: Articles, url: str) -> str:
    """The address that a page says is its own, "" where it names another page.

    Only the query may differ (`?utm_source=`): there are sites whose pages all say that they are the first page.
    """
    said = page_key(articles.canonical)
    return said if urlsplit(said)[:3] == urlsplit(page_key(url))[:3] else ""


def _is_trap(url: str) -> bool:
    """Whether an address looks like one of endlessly many: a calendar, a link that adds itself to the path."""
    parts = [part for part in urlsplit(url).path.split("/") if part]
    repeated = max(Counter(parts).values(), default=0)
    return len(parts) > MOST_DEPTH or repeated >= MOST_REPEATED or len(url) > LONGEST_ADDRESS


def _host(url: str) -> str:
    return ascii_host(host_of(url)).removeprefix("www.")


def _date(text: str) -> float | None:
    """The Unix time of a date in a sitemap ("2026-03-12", or with a time)."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
