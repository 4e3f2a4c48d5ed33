"""[Show the source] below an answer: the passage that it quotes, with the quoted sentences in bold.

Begin with `SourceView.press`. Who presses is shown what may be read in that chat at that moment, whatever the answer
was allowed to quote when it was sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.conversation.branching import SOURCE
from bot.feature import ButtonHandler, Feature
from bot.knowledge.answering import KnowledgeAnswers
from bot.outbox import Choice, finish, finish_turn
from bot.ports import Reply
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.repositories.knowledge.passages import QuotedPassage
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Incoming, Outgoing

MOST = 8  # sources with a button each


@dataclass(slots=True, kw_only=True)
class SourceView:
    """Shows the sources of an answer, one at a time, in a message of its own that changes in place."""

    store: Store
    answers: KnowledgeAnswers

    def feature(self) -> Feature:
        """The button below answers."""
        return Feature(presses={SOURCE: ButtonHandler(self.press)})

    async def press(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Show one source of an answer, with buttons to the others. A press on those changes the message."""
        from bot.knowledge.answer.source_view import by_article, source_text

        answer, number = action.payload["answer"], action.payload.get("number", 0)

        def work(tx: Tx) -> None:
            may_read = self.answers.reader(tx, incoming)
            quoted = [one for one in tx.knowledge.list_quoted(answer) if may_read(one.passage.source_id, one.audience)]
            articles = by_article(quoted)[:MOST]
            if not articles:
                finish_turn(tx, incoming, say(incoming.language, "kb.source.closed"))
                return
            place = min(number, len(articles) - 1)
            text = source_text(articles[place], _around(tx, articles[place]), incoming.language)
            others = [
                Choice(f"· {one + 1} ·" if one == place else str(one + 1), SOURCE, {"answer": answer, "number": one})
                for one in range(len(articles))
            ]
            choices = [others] if len(articles) > 1 else []
            finish_turn(tx, incoming, Outgoing(text), choices=choices, over="number" in action.payload)

        await finish(self.store, reply, work)


def _around(tx: Tx, quoted: Sequence[QuotedPassage]) -> Mapping[int, tuple[str, str]]:
    """The texts of the passages before and after each passage that still stands in its source."""
    found = {}
    for one in quoted:
        if one.until is None:
            before, after = (tx.knowledge.read_neighbour(one.passage, step) for step in (-1, 1))
            found[one.passage.id] = (before.text if before else "", after.text if after else "")
    return found
