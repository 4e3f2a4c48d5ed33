"""Web search: /search for people, and for models the tools `web_search` (pages) and `web_answer` (a written answer)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.ai import Searcher, Source
from bot.billing.metering import BillTo, Meter
from bot.conversation.cost import ask_price, price_choice
from bot.errors import BadInput, ModelError, ModelRefused, NotAgreed
from bot.feature import Feature, Turn, command, press
from bot.knowledge import citations
from bot.outbox import Answer
from bot.ports import Reply
from bot.prompts.catalog import instruct
from bot.storage.store import Store
from bot.texts.catalog import say
from bot.tools.tool import Tool, ToolContext, ToolOutput
from bot.types import Incoming, Outgoing

LONGEST_QUERY = 400  # characters (Search API)
ABOUT = (
    r"\b(?:search|google|internet|web|online|news|look up|find out)\b"
    r"|найди|поищи|поиск|погугли|загугли|интернет|в сети|новост|нагугли"
)
DEADLINE = 40.0  # seconds: the service reads pages and writes an answer


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSearch(Feature):
    """The command /search. `searcher` is None if this bot does not search."""

    store: Store
    searcher: Searcher | None
    meter: Meter

    @command("/search")
    async def search(self, turn: Turn, reply: Reply) -> Outgoing | Answer:
        """Search the web; if that is expensive, ask first whether to do it. Raises `BadInput`."""
        try:
            return await self._search(turn, reply, turn.rest, asks="price.search.ask")
        except NotAgreed as costly:
            payloads = {"price.search": {"query": turn.rest}, "price.drop": {}}
            return ask_price(turn, str(costly), *(price_choice(turn, *one) for one in payloads.items()))

    @press("price.search", once=True)
    async def search_agreed(self, turn: Turn, reply: Reply, query: str) -> Outgoing:
        """Search after the user has agreed to the price."""
        return await self._search(turn, reply, query)

    async def _search(self, turn: Turn, reply: Reply, query: str, *, asks: str = "") -> Outgoing:
        """Search and return what was found. `asks` as in `BillTo`. Raises `BadInput`, `NotAgreed`."""
        if self.searcher is None:
            raise BadInput(turn.say("search.off"))
        if not query.strip():
            raise BadInput(turn.say("search.usage"))
        reply.begin()
        reply.show(turn.say("tool.doing.search"))
        return await self._answer(self.searcher, turn, BillTo.of(turn, turn.language, asks), query)

    async def _answer(self, searcher: Searcher, incoming: Incoming, payer: BillTo, query: str) -> Outgoing:
        language = payer.language
        quoted = 0 if incoming.private else incoming.message_id
        try:
            async with self.meter.charge(payer, self.meter.tariffs.answer, 1):
                found = await searcher.search(query[:LONGEST_QUERY])
        except ModelRefused:
            return Outgoing(say(language, "filtered"), plain=True, reply_to=quoted)
        except ModelError:
            return Outgoing(say(language, "search.failed"), plain=True, reply_to=quoted)
        if not found.text.strip():
            return Outgoing(say(language, "search.empty"), plain=True, reply_to=quoted)
        return Outgoing(citations.under(found.text, found.sources, language), reply_to=quoted)


def tools(searcher: Searcher, meter: Meter) -> list[Tool]:
    """The tools `web_search` and `web_answer`. Each request is billed to the user who asks."""

    async def web_search(query: str, asker: ToolContext) -> ToolOutput:
        """Search the web for what is new, local or not certain. Returns what the best pages say, with their addresses.

        query: a few words, in the language of the pages that are wanted
        """
        query = _check_length(query)
        async with meter.charge(_payer(asker), meter.tariffs.pages, 1):
            found = await searcher.pages(query)
        pages = [
            f"[{number}] {page.source.title}\n{page.source.url}\n{page.text}" for number, page in enumerate(found, 1)
        ]
        return _output("\n\n".join(pages), [page.source for page in found], asker.language)

    async def web_answer(query: str, asker: ToolContext) -> ToolOutput:
        """Ask the web a question that takes several pages to answer. Slower and dearer than web_search.

        query: the question, in the language of the pages that are wanted
        """
        query = _check_length(query)
        async with meter.charge(_payer(asker), meter.tariffs.answer, 1):
            found = await searcher.search(query)
        pages = [f"[{number}] {page.title} {page.url}" for number, page in enumerate(found.sources, 1)]
        return _output("\n".join([found.text, "", *pages]) if found.text.strip() else "", found.sources, asker.language)

    doing = "tool.doing.search"
    return [Tool.of(one, deadline=DEADLINE, doing=doing, about=ABOUT) for one in (web_search, web_answer)]


def _payer(asker: ToolContext) -> BillTo:
    return BillTo(asker.address, asker.user, asker.turn, asker.language)


def _check_length(query: str) -> str:
    if len(query) > LONGEST_QUERY:
        raise BadInput(f"the query is longer than {LONGEST_QUERY} characters")
    return query


def _output(text: str, found: Sequence[Source], language: str) -> ToolOutput:
    """The output of a tool. The bot lists the sources itself, because a model may invent some."""
    if not text:
        return ToolOutput(instruct(language, "search.nothing"), failed=True)
    return ToolOutput(f"{text}\n\n{instruct(language, 'search.listed')}", tuple(found))
