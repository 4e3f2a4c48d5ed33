"""`/kb search QUESTION`: what a question finds, with its scores, as an admin may read it or as everybody may.

Begin with `SearchPage.show`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.access.policy import Access, Actor
from bot.billing.metering import BillTo
from bot.errors import BadInput, ConfigError
from bot.feature import Feature, Turn, press
from bot.knowledge import rights
from bot.knowledge.base import KnowledgeBase, check_libraries
from bot.outbox import Answer, Choice
from bot.ports import Reply
from bot.storage.store import Store
from bot.storage.tables.knowledge import EVERYONE
from bot.texts.catalog import say
from bot.types import Incoming, Permission

if TYPE_CHECKING:
    from bot.knowledge.search.retrieval import Found, Hit

SHOWN = 5
LONGEST = 160  # characters of a passage that are shown
LONGEST_QUESTION = 300  # characters that a button remembers
AGAIN = "kb.search"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPage(Feature):
    """Searches the sources and shows how well each passage fits. Who asks pays for the embedding of the question."""

    base: KnowledgeBase
    access: Access

    @property
    def store(self) -> Store:
        """The database."""
        return self.base.store

    @press(AGAIN, requires=Permission.MANAGE)
    async def show(self, turn: Turn, _reply: Reply, question: str, everyone: bool = False) -> Answer:
        """Show what a question finds; `everyone`: of what everybody may read. Raises `BadInput`."""
        question = question[:LONGEST_QUESTION]
        try:
            check_libraries()
        except ConfigError:
            raise BadInput(turn.say("kb.missing")) from None
        if not question:
            raise BadInput(turn.say("kb.usage.search"))
        groups = frozenset({EVERYONE}) if everyone else self._groups(turn)
        found = await self.base.search(question, groups, BillTo.of(turn, turn.language))
        label = turn.say("kb.search.mine" if everyone else "kb.search.everyone")
        other = Choice(label, AGAIN, {"question": question, "everyone": not everyone})
        head = turn.say("kb.search.by_everyone" if everyone else "kb.search.by_you", question=question)
        # No page of the panel: the next search leaves it readable, so that both can be compared.
        return Answer("\n\n".join([head, *self._lines(turn.language, found)]), choices=[other], over=True)

    def _lines(self, language: str, found: Found) -> list[str]:
        if not found.hits:
            return [say(language, "kb.search.nothing")]
        verdict = "sure" if self.base.passes(found) else "maybe" if self.base.doubts(found) else "not"
        shown = [_line(language, number, hit) for number, hit in enumerate(found.hits[:SHOWN], 1)]
        return [*shown, say(language, f"kb.search.{verdict}")]

    def _groups(self, incoming: Incoming) -> frozenset[str]:
        role = self.access.role(Actor.of(incoming)).word
        return rights.groups_of(role, incoming.user.id, incoming.address, private=incoming.private)


def _line(language: str, number: int, hit: Hit) -> str:
    """A passage: its place, its scores, and how it begins."""
    passage, text = hit.passage, " ".join(hit.passage.text.split())
    scores = say(
        language, "kb.search.scores", score=f"{hit.score:.2f}", words=f"{hit.words:.1f}", cosine=f"{hit.cosine:.2f}"
    )
    cut = text if len(text) <= LONGEST else f"{text[:LONGEST].rstrip()}…"
    return f"{number}. {passage.place or passage.title}\n{scores}\n{cut}"
