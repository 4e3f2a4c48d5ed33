"""The web: the tool `web_search` for models, and `/search` for people who want the answer of the search itself."""

from __future__ import annotations

from dataclasses import dataclass

from bot import sources
from bot.errors import BadInput, ModelError, ModelRefused
from bot.features import Command, Feature
from bot.outbox import language as language_of
from bot.outbox import settle
from bot.storage.store import Store
from bot.texts.catalog import say
from bot.tools import Found, Tool
from bot.types import Incoming, Outgoing, Reply, Searcher

LONGEST_QUERY = 400  # characters (Search API)
DEADLINE = 40.0  # seconds: the service reads pages and writes


@dataclass(frozen=True, slots=True)
class Searching:
    """`searcher` None: this bot does not search."""

    store: Store
    searcher: Searcher | None

    def feature(self) -> Feature:
        return Feature(commands={"/search": Command(self.search, in_menu=self.searcher is not None)})

    async def search(self, incoming: Incoming, reply: Reply, rest: str) -> None:
        language = await language_of(self.store, incoming)
        if self.searcher is None:
            raise BadInput(say(language, "search.off"))
        if not rest.strip():
            raise BadInput(say(language, "search.usage"))
        reply.begin()
        reply.show(say(language, "tool.doing.search"))
        await settle(self.store, incoming, reply, await self._answer(self.searcher, incoming, language, rest))

    async def _answer(self, searcher: Searcher, incoming: Incoming, language: str, query: str) -> Outgoing:
        quoted = 0 if incoming.private else incoming.message_id
        try:
            found = await searcher.search(query[:LONGEST_QUERY])
        except ModelRefused:
            return Outgoing(say(language, "filtered"), plain=True, reply_to=quoted)
        except ModelError:
            return Outgoing(say(language, "search.failed"), plain=True, reply_to=quoted)
        if not found.text.strip():
            return Outgoing(say(language, "search.empty"), plain=True, reply_to=quoted)
        return Outgoing(sources.under(found.text, found.sources, language), reply_to=quoted)


def tool(searcher: Searcher) -> Tool:
    async def web_search(query: str) -> Found:
        """Search the web for what is new, local or not certain. Returns an answer from pages that were found.

        query: what to look for, in a few words or as a question, in the language of the pages that are wanted
        """
        if len(query) > LONGEST_QUERY:
            raise BadInput(f"the query is longer than {LONGEST_QUERY} characters")
        found = await searcher.search(query)
        if not found.text.strip():
            return Found("Nothing was found.", failed=True)
        pages = "\n".join(f"[{number}] {page.title} {page.url}" for number, page in enumerate(found.sources, 1))
        return Found(f"{found.text}\n\nPages (they are listed for the user by themselves):\n{pages}", found.sources)

    return Tool.of(web_search, deadline=DEADLINE, doing="tool.doing.search")
