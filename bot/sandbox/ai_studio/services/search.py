"""The Search API: an answer with sources, pages and pictures. All are made up from the query. Begin with `Search`."""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Sequence
from html import escape
from typing import Literal

from aiohttp import web

from bot.sandbox.ai_studio.core import Core, Part
from bot.sandbox.ai_studio.wire import BadRequest, Call, Json, Reply, encode, route

Page = tuple[str, str, bool]
MAX_MESSAGES = 100
MAX_CONTENT = 16_384
MAX_QUERY = 400
FOUND = "type.googleapis.com/yandex.cloud.searchapi.v2.WebSearchResponse"
PAGES: tuple[Page, ...] = (
    ("An encyclopedia", "https://encyclopedia.example/article", True),
    ("A shop", "https://shop.example/", False),
    ("A newspaper", "https://news.example/2026/11", True),
)


class Search(Part):
    """The routes of the Search API.

    `answers` queues what to answer instead, as `(text, [(title, url, used)])`; `raw` queues the XML of found pages.
    `framing` is how the answer's stream is written over REST, which Yandex does not document. `rejects`: the service
    refuses to answer.
    """

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self.answers: deque[tuple[str, Sequence[Page]]] = deque()
        self.raw: deque[bytes] = deque()
        self.framing: Literal["object", "array", "lines"] = "lines"
        self.rejects = False

    @route("POST /v2/gen/search", "gen/search", shape="stream")
    async def search(self, call: Call) -> Reply:
        """Return a generated answer with its sources."""
        body = call.body
        self.check_folder(call)
        question = _question(body)
        given = self.answers.popleft() if self.answers else None
        text, pages = given or (f"About {question}: one source says so [1], another agrees [3].", PAGES)
        call.seen.answer = text
        value: Json = {
            "message": {"content": text, "role": "ROLE_ASSISTANT"},
            "sources": [{"url": url, "title": title, "used": used} for title, url, used in pages],
            "searchQueries": [{"text": question, "reqId": "1"}],
            "fixedMisspellQuery": "",
            "isAnswerRejected": self.rejects,
            "isBulletAnswer": False,
            "hints": [],
            "problematicAnswer": False,
        }
        if self.framing == "array":
            return web.Response(body=b"[" + encode(value) + b"]", headers=call.headers, content_type="application/json")
        return value if self.framing == "object" else {"result": value}

    @route("POST /v2/web/search", "web/search")
    async def pages(self, call: Call) -> Reply:
        """Return found pages as XML."""
        return self._found(call, PAGE)

    @route("POST /v2/web/searchAsync", "web/searchAsync")
    async def pages_later(self, call: Call) -> Reply:
        """Begin the operation that returns found pages as XML."""
        return self._operations.open("text", "", {"@type": FOUND, **self._found(call, PAGE)})

    @route("POST /v2/image/search", "image/search")
    async def images(self, call: Call) -> Reply:
        """Return found pictures as XML."""
        return self._found(call, IMAGE)

    def _found(self, call: Call, form: str) -> Json:
        """What was found for the query of a request: the next XML of `raw`, or pages in this form."""
        body = call.body
        self.check_folder(call)
        query = body.get("query")
        words = query.get("queryText") if isinstance(query, dict) else None
        if not isinstance(words, str) or not 0 < len(words) <= MAX_QUERY:
            raise BadRequest(f"query.query_text: 1-{MAX_QUERY} characters are expected")
        raw = self.raw.popleft() if self.raw else _xml(words, form)
        call.seen.answer = raw.decode(errors="replace")
        return {"rawData": base64.b64encode(raw).decode()}


def _xml(words: str, form: str) -> bytes:
    """The XML of what was found, each in this form. The words of the query stand in elements of their own."""
    groups = [
        form.format(number=number, url=escape(url), title=escape(title), words=escape(words))
        for number, (title, url, _) in enumerate(PAGES, 1)
    ]
    return DOCUMENT.format("".join(groups)).encode()


def _question(body: Json) -> str:
    messages = body.get("messages")
    if not isinstance(messages, list) or not 1 <= len(messages) <= MAX_MESSAGES:
        raise BadRequest(f"messages: 1-{MAX_MESSAGES} are expected")
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        if not isinstance(content, str) or not 0 < len(content) <= MAX_CONTENT:
            raise BadRequest(f"messages.content: 1-{MAX_CONTENT} characters are expected")
        if message.get("role") not in ("ROLE_USER", "ROLE_ASSISTANT"):
            raise BadRequest("messages.role: ROLE_USER or ROLE_ASSISTANT is expected")
    return str(messages[-1]["content"])


DOCUMENT = (
    '<?xml version="1.0" encoding="utf-8"?><yandexsearch version="1.0"><response date="20261121T110000"><results>'
    '<grouping attr="d" mode="deep">{}</grouping></results></response></yandexsearch>'
)
PAGE = (
    '<group><doc id="Z{number}"><url>{url}</url><title>{title}: <hlword>{words}</hlword></title><passages>'
    "<passage>Page {number} on <hlword>{words}</hlword>.</passage><passage>And more.</passage></passages></doc></group>"
)
IMAGE = (
    '<group><doc id="Z{number}"><url>{url}picture.jpg</url><domain>{url}</domain><mime-type>jpg</mime-type>'
    "<title>{title}: {words}</title><image-properties><original-width>1024</original-width>"
    "<original-height>768</original-height><html-link>{url}</html-link><image-link>{url}picture.jpg</image-link>"
    "</image-properties></doc></group>"
)
