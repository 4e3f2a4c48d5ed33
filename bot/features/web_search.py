"""Web search: /search for people, and for models the tools `web_search` (pages) and `web_answer` (a written answer)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.ai import Searcher, Source
from bot.billing.metering import BillTo, Meter
from bot.conversation.cost import finish_with_price, price_choice
from bot.errors import BadInput, ModelError, ModelRefused, NotAgreed
from bot.feature import ButtonHandler, Command, Handlers
from bot.knowledge import citations
from bot.outbox import finish, finish_turn
from bot.ports import Reply
from bot.prompts.catalog import instruct
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.store import Store, Tx
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
class WebSearch:
    """The command /search. `searcher` is None if this bot does not search."""

    store: Store
    searcher: Searcher | None
    meter: Meter

    def feature(self) -> Handlers:
        """The command /search, and the button that agrees to its price."""
        return Handlers(
            commands={"/search": Command(self.search)},
            presses={"price.search": ButtonHandler(self.press)},
        )

    async def press(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Handle the button that agrees to the price: search."""
        await self._search(incoming, reply, action.payload["query"], pressed=action.key)

    async def search(self, incoming: Incoming, reply: Reply, rest: str) -> None:
        """Search the web; if that is expensive, ask first whether to do it. Raises `BadInput`."""
        await self._search(incoming, reply, rest, asks="price.search.ask")

    async def _search(
        self, incoming: Incoming, reply: Reply, rest: str, *, asks: str = "", pressed: str = ""
    ) -> None:  # fmt: skip
        """Search and end the turn. `asks` as in `BillTo`; `pressed` is the key of a button that works once."""
        language = incoming.language
        if self.searcher is None:
            raise BadInput(say(language, "search.off"))
        if not rest.strip():
            raise BadInput(say(language, "search.usage"))
        payer = BillTo.of(incoming, language, asks)
        reply.begin()
        reply.show(say(language, "tool.doing.search"))
        try:
            found = await self._answer(self.searcher, incoming, payer, rest)
        except NotAgreed as costly:
            sentence, payloads = str(costly), {"price.search": {"query": rest}, "price.drop": {}}
            choices = [price_choice(incoming, action, payload) for action, payload in payloads.items()]
            await finish(self.store, reply, lambda tx: finish_with_price(tx, incoming, sentence, *choices))
            return

        def work(tx: Tx) -> None:
            if pressed:
                tx.buttons.expire_button(pressed)
            finish_turn(tx, incoming, found)

        await finish(self.store, reply, work)

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
