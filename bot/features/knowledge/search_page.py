"""`/kb search QUESTION`: what a question finds, with its scores, as an admin may read it or as everybody may.

Begin with `SearchPage.show`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.access.policy import Access, Actor
from bot.billing.metering import BillTo
from bot.errors import BadInput, ConfigError
from bot.feature import ButtonHandler, Handlers
from bot.knowledge import rights
from bot.knowledge.base import KnowledgeBase, check_libraries
from bot.outbox import Choice, finish, finish_turn
from bot.ports import Reply
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.repositories.knowledge.sources import EVERYONE
from bot.texts.catalog import say
from bot.types import Incoming, Permission

if TYPE_CHECKING:
    from bot.knowledge.search.retrieval import Found, Hit

SHOWN = 5
LONGEST = 160  # characters of a passage that are shown
LONGEST_QUESTION = 300  # characters that a button remembers
AGAIN = "kb.search"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPage:
    """Searches the sources and shows how well each passage fits. Who asks pays for the embedding of the question."""

    base: KnowledgeBase
    access: Access

    def feature(self) -> Handlers:
        """The button that looks again with the other rights."""
        return Handlers(presses={AGAIN: ButtonHandler(self.press_again, Permission.MANAGE)})

    async def show(self, incoming: Incoming, reply: Reply, question: str, *, everyone: bool = False) -> None:
        """Show what a question finds; `everyone`: of what everybody may read. Raises `BadInput`."""
        language, question = incoming.language, question[:LONGEST_QUESTION]
        try:
            check_libraries()
        except ConfigError:
            raise BadInput(say(language, "kb.missing")) from None
        if not question:
            raise BadInput(say(language, "kb.usage.search"))
        groups = frozenset({EVERYONE}) if everyone else self._groups(incoming)
        found = await self.base.search(question, groups, BillTo.of(incoming, language))
        other = Choice(
            say(language, "kb.search.mine" if everyone else "kb.search.everyone"), AGAIN,
            {"question": question, "everyone": not everyone},
        )  # fmt: skip
        head = say(language, "kb.search.by_everyone" if everyone else "kb.search.by_you", question=question)
        text = "\n\n".join([head, *self._lines(language, found)])
        # No page of the panel: the next search leaves it readable, so that both can be compared.
        await finish(self.base.store, reply, lambda tx: finish_turn(tx, incoming, text, choices=[other], over=True))

    async def press_again(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Look again, with the rights that the button names."""
        given = action.payload
        await self.show(incoming, reply, str(given["question"]), everyone=bool(given["everyone"]))

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
