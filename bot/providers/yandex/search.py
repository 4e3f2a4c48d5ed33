"""The Search API: an answer from the web with its sources (`YandexSearch.search`), or the pages (`YandexSearch.pages`).

How the service frames the stream of an answer over REST is not documented: one object, an array and lines are all read,
wrapped in `result` or not; the last message counts. Pages come as XML in base64.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bot.ai import Excerpt, Findings, Source
from bot.errors import ModelProtocolError, ModelRefused
from bot.http.framing import mapping, objects, parse_json
from bot.providers.account import Account
from bot.providers.error_mapping import printable, stream_error

if TYPE_CHECKING:
    from xml.etree import ElementTree

DEADLINE = 35.0
APART = 1.0  # seconds between requests: the service takes one a second
LONGEST_QUERY = 400  # characters, and at most 40 words
MOST_WORDS = 40
LONGEST_TEXT = 20_000
MOST_PAGES = 8
LONGEST_EXCERPT = 1_500
NOTHING_FOUND = "15"
CITED = re.compile(r"\[(\d{1,3})\]")


class YandexSearch:
    """A `Searcher` over the Search API. Requests are sent at least a second apart."""

    def __init__(self, folder: str, account: Account, *, url: str) -> None:
        self._folder = folder
        self._account = account
        self._url = url
        self._turn = asyncio.Lock()
        self._next = 0.0

    async def search(self, query: str) -> Findings:
        """Return an answer from the web with its sources. Raises `ModelRefused` if the service refuses to answer."""
        words = _words(query)
        body = {
            "messages": [{"content": words, "role": "ROLE_USER"}],
            "folderId": self._folder,
            "fixMisspell": True,
            "searchType": _kind(words),
        }
        return _findings(_last(await self._asked("gen", body)))

    async def pages(self, query: str) -> tuple[Excerpt, ...]:
        """Return the pages that the search finds. Raises `ModelError`s."""
        words = _words(query)
        body = {
            "query": {"searchType": _kind(words), "queryText": words, "familyMode": "FAMILY_MODE_MODERATE"},
            "groupSpec": {"groupMode": "GROUP_MODE_DEEP", "groupsOnPage": str(MOST_PAGES), "docsInGroup": "1"},
            "maxPassages": "4",
            "folderId": self._folder,
            "responseFormat": "FORMAT_XML",
        }
        return _excerpts(await self._asked("web", body))

    async def _asked(self, what: str, body: Mapping[str, Any]) -> bytes:
        await self._wait()
        # Each search is paid: it is not repeated where it may have been carried out.
        url = f"{self._url}/v2/{what}/search"
        return (await self._account.post(url, body, within=DEADLINE, repeatable=False)).body

    async def _wait(self) -> None:
        clock = self._account.clock
        async with self._turn:
            await clock.sleep(max(self._next - clock.monotonic(), 0.0))
            self._next = clock.monotonic() + APART


def _words(query: str) -> str:
    words = " ".join(query.split()[:MOST_WORDS])[:LONGEST_QUERY]
    if not words:
        raise ModelRefused("nothing to search for")
    return words


def _kind(words: str) -> str:
    return "SEARCH_TYPE_RU" if re.search("[а-яё]", words, re.IGNORECASE) else "SEARCH_TYPE_COM"


def _excerpts(body: bytes) -> tuple[Excerpt, ...]:
    from xml.etree import ElementTree  # most bots search for nothing

    value = parse_json(body)
    if error := stream_error(mapping(value)):
        raise error
    try:
        raw = base64.b64decode(value["rawData"], validate=True)
        if b"<!DOCTYPE" in raw or b"<!ENTITY" in raw:
            raise ModelProtocolError("the pages of the search define entities")
        tree = ElementTree.fromstring(raw)  # noqa: S314  without entities nothing in it can grow or be fetched
    except (KeyError, TypeError, ValueError, ElementTree.ParseError):
        raise ModelProtocolError("the pages of the search can't be read") from None
    failed = tree.find("response/error")
    if failed is not None and failed.get("code") != NOTHING_FOUND:
        raise ModelRefused(printable(f"search error {failed.get('code')}: {_said(failed)}"))
    return tuple(_excerpt(document) for document in tree.iter("doc") if _said(document.find("url")))[:MOST_PAGES]


def _excerpt(document: ElementTree.Element) -> Excerpt:
    passages = [_said(passage) for passage in document.iter("passage")]
    text = " … ".join(filter(None, passages)) or _said(document.find("headline"))
    return Excerpt(Source(_said(document.find("title")), _said(document.find("url"))), text[:LONGEST_EXCERPT])


def _said(element: ElementTree.Element | None) -> str:
    """Return all text inside an element: words of the query are elements of their own."""
    return " ".join("".join(element.itertext()).split()) if element is not None else ""


def _last(body: bytes) -> Mapping[str, Any]:
    """Return the last message that has a text."""
    found: Mapping[str, Any] = {}
    for value in _values(body):
        if error := stream_error(value):
            raise error
        inner = value.get("result", value)
        found = inner if isinstance(inner, Mapping) and "message" in inner else found
    if not found:
        raise ModelProtocolError("the search answered without a message")
    return found


def _values(body: bytes) -> Iterator[Mapping[str, Any]]:
    try:
        values = [parse_json(body)]
    except ModelProtocolError:
        values = [parse_json(line) for line in body.splitlines() if line.strip()]
    for value in values:
        yield from objects(value if isinstance(value, list) else [value])


def _findings(value: Mapping[str, Any]) -> Findings:
    if value.get("isAnswerRejected") is True:
        raise ModelRefused("the search refused to answer")
    text = mapping(value.get("message")).get("content")
    if not isinstance(text, str):
        raise ModelProtocolError("the message of the search has no text")
    return _cited(text[:LONGEST_TEXT], [mapping(row) for row in value.get("sources") or ()])


def _cited(text: str, rows: Sequence[Mapping[str, Any]]) -> Findings:
    """Return only the sources that were used, and the text with its marks numbered accordingly."""
    marked = {int(number) for number in CITED.findall(text)}
    used = [number for number, row in enumerate(rows, 1) if row.get("used") is True or number in marked]
    kept = [number for number in used or range(1, len(rows) + 1) if isinstance(rows[number - 1].get("url"), str)]
    places = {number: place for place, number in enumerate(kept, 1)}
    text = CITED.sub(lambda mark: f"[{places[int(mark[1])]}]" if int(mark[1]) in places else "", text)
    found = [Source(str(rows[number - 1].get("title") or ""), str(rows[number - 1]["url"])) for number in kept]
    return Findings(text, tuple(found))
