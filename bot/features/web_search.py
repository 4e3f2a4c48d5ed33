"""The web, for models the tools `web_search` (pages) and `web_answer` (written by the search), for people `/search`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.ai import Searcher, Source
from bot.billing.metering import BillTo, Meter
from bot.conversation.cost import finish_with_price, price_choice
from bot.errors import BadInput, ModelError, ModelRefused, NotAgreed
from bot.feature import ButtonHandler, Command, Feature
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
DEADLINE = 40.0  # seconds: the service reads pages and writes


@dataclass(frozen=True, slots=True)
class WebSearch:
    """`searcher` None: this bot does not search."""

    store: Store
    searcher: Searcher | None
    meter: Meter

    def feature(self) -> Feature:
        return Feature(
            commands={"/search": Command(self.search, in_menu=self.searcher is not None)},
            presses={"price.search": ButtonHandler(self.press)},
        )

    async def press(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """The price is known."""
        await self._search(incoming, reply, action.payload["query"], pressed=action.key)

    async def search(self, incoming: Incoming, reply: Reply, rest: str) -> None:
        """Search the web, or say first what that costs."""
        await self._search(incoming, reply, rest, asks="price.search.ask")

    async def _search(
        self, incoming: Incoming, reply: Reply, rest: str, *, asks: str = "", pressed: str = ""
    ) -> None:  # fmt: skip
        """`asks` as in `BillTo`; `pressed` is the key of a button that works once."""
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
            sentence = str(costly)
            choices = (
                price_choice(incoming, "price.search", {"query": rest}),
                price_choice(incoming, "price.drop", {}),
            )
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
    async def web_search(query: str, asker: ToolContext) -> ToolOutput:
        """Search the web for what is new, local or not certain. Returns what the best pages say, with their addresses.

        query: a few words, in the language of the pages that are wanted
        """
        query = _checked(query)
        async with meter.charge(_payer(asker), meter.tariffs.pages, 1):
            found = await searcher.pages(query)
        pages = [
            f"[{number}] {page.source.title}\n{page.source.url}\n{page.text}" for number, page in enumerate(found, 1)
        ]
        return _told("\n\n".join(pages), [page.source for page in found], asker.language)

    async def web_answer(query: str, asker: ToolContext) -> ToolOutput:
        """Ask the web a question that takes several pages to answer. Slower and dearer than web_search.

        query: the question, in the language of the pages that are wanted
        """
        query = _checked(query)
        async with meter.charge(_payer(asker), meter.tariffs.answer, 1):
            found = await searcher.search(query)
        pages = [f"[{number}] {page.title} {page.url}" for number, page in enumerate(found.sources, 1)]
        return _told("\n".join([found.text, "", *pages]) if found.text.strip() else "", found.sources, asker.language)

    doing = "tool.doing.search"
    return [Tool.of(function, deadline=DEADLINE, doing=doing) for function in (web_search, web_answer)]


def _payer(asker: ToolContext) -> BillTo:
    return BillTo(asker.address, asker.user, asker.turn, asker.language)


def _checked(query: str) -> str:
    if len(query) > LONGEST_QUERY:
        raise BadInput(f"the query is longer than {LONGEST_QUERY} characters")
    return query


def _told(text: str, found: Sequence[Source], language: str) -> ToolOutput:
    """The bot lists the sources itself, so that none is made up."""
    if not text:
        return ToolOutput(instruct(language, "search.nothing"), failed=True)
    return ToolOutput(f"{text}\n\n{instruct(language, 'search.listed')}", tuple(found))
