"""A page, or all pages of a sitemap, as a source: `WebPages`.

Links are not followed: what is read is the address itself, or what its sitemap lists on its own host. So an endless
site is bounded by its sitemap, and by what `SourceLimits` and `_is_trap` leave of it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from bot.errors import FetchFailed, SourceFailed, Unreadable
from bot.http.framing import ascii_host, host_of, http_date
from bot.http.guarded import Fetched
from bot.http.unpacking import GZIP
from bot.knowledge.formats.kinds import ANY, TYPES
from bot.knowledge.site_files import LONGEST_ADDRESS, page_key, read_sitemap
from bot.knowledge.sources.files import REASONS, FileReader, KnownFiles, found_in
from bot.knowledge.sources.reading import Articles, can_read
from bot.knowledge.sources.site import Site
from bot.knowledge.sources.source import Event, Known, Seen, SourceLimits, Trouble, failure

SITEMAP_TYPES = ("application/xml", "text/xml", "application/gzip", "application/x-gzip")
PAGE_TYPES = (*TYPES, *filter(None, ANY))  # stores of files call a PDF "bytes": its name and its content say what it is
MOST_SITEMAPS = 100
ENOUGH = 10  # times as many pages as are read are counted
MOST_DEPTH, MOST_REPEATED = 12, 3  # parts of the path of an address that is no trap
MOST_FAILURES = 5  # pages in a row that a site does not answer
SHORT = 600  # characters of a page that only says that it is not there
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
SEPARATORS = re.compile(
    r"(?<!\s)\s++[|·•»—–-]+\s++|(?<!\s)\s*+[|·•»—–]\s*+|[|·•»—–]\s*+"
)  # between the title of a page and that of its site
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
        pages, more = await self._listed(first)
        del first
        for page in pages:
            if problem := "other_site" if _host(page.url) != _host(self._url) else "trap" if _is_trap(page.url) else "":
                yield Trouble(page.url, problem)
                continue
            async for event in self._page(page, files, seen):
                failures = failures + 1 if isinstance(event, Trouble) and event.reason == "unavailable" else 0
                for one in files.spread(event):
                    yield one
            if failures == MOST_FAILURES:
                raise failure("silent", host=_host(self._url), count=MOST_FAILURES)
        if more:
            yield Trouble(self._url, f"too_many:{more}")

    async def _first(self, files: KnownFiles) -> Fetched:
        """What stands at the address. That a known page is not there any more is an answer, other failures are none."""
        known = files.validators(self._url)
        try:
            answer = await self._site.get(self._url, self._files, known=known, types=(*PAGE_TYPES, *SITEMAP_TYPES))
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
            answer = answer or await self._site.get(key, self._files, known=known, types=PAGE_TYPES)
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
            if articles.sha == files.validators(key).get("text"):
                yield from files.unchanged(key, seen, validators)
                return
            changed = http_date(validators["modified"]) or _date(page.modified)
            yield from found_in(articles, key, seen, validators, url=answer.url, changed=changed)

    # --- sitemaps -----------------------------------------------------------------------------------------------------

    async def _listed(self, first: Fetched) -> tuple[list[_Listed], int]:
        """The pages to read of a sitemap and of those that it lists, each once, and how many there are beside them.

        Raises `SourceFailed`.
        """
        most, more = self._limits.articles, 0
        pages: dict[str, _Listed] = {}
        waiting, asked, answer = [self._url], {self._url}, first
        while waiting and len(pages) + more <= ENOUGH * most:
            url = waiting.pop(0)
            found = await self._sitemap(url, answer if url == self._url else await self._fetched(url))
            entries = [_Listed(address, when) for address, when in found["entries"]]
            if found["is_index"]:
                new = {entry.url: None for entry in entries if _host(entry.url) == _host(url)}
                waiting += [address for address in new if address not in asked]
                asked |= new.keys()
                if len(asked) > MOST_SITEMAPS:
                    raise failure("many_sitemaps", address=self._url, most=MOST_SITEMAPS)
                continue
            entries = [entry for entry in entries if entry.url not in pages]
            more += found["more"] + max(len(pages) + len(entries) - most, 0)
            pages |= {entry.url: entry for entry in entries[: most - len(pages)]}
        if not pages:
            if self._only:
                raise failure("no_page_like", address=self._url, path=self._only)
            raise failure("no_page", address=self._url)
        return list(pages.values()), more

    async def _fetched(self, url: str) -> Fetched:
        try:
            answer = await self._site.get(url, self._files)
        except FetchFailed as error:
            raise _failure(url, error.why) from None
        if answer.status != 200:
            raise failure("status", address=url, status=answer.status)
        return answer

    async def _sitemap(self, url: str, answer: Fetched) -> dict[str, Any]:
        most = max(self._limits.articles, MOST_SITEMAPS + 1)
        try:
            return await self._files.call(read_sitemap, answer.body, url, self._only, most, self._limits.file)
        except Unreadable as error:
            raise _failure(url, REASONS.get(error.why, error.why)) from None


class _Listed(NamedTuple):
    """A page of a sitemap. `modified` is what the sitemap says, which is often wrong: shown, but not relied upon."""

    url: str
    modified: str = ""


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
