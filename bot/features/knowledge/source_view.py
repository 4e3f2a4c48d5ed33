"""The button [Show the source] below an answer: it shows the quoted passage, with the quoted sentences in bold.

Begin with `SourceView.show`. Rights are checked at the press: the person is shown only what may be read in that chat
now, whatever the answer was allowed to quote when it was sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.conversation.branching import SOURCE
from bot.feature import Feature, Turn, press
from bot.knowledge.answering import KnowledgeAnswers
from bot.outbox import Answer, Choice
from bot.storage.repositories.knowledge.passages import QuotedPassage
from bot.storage.store import Store, Tx
from bot.types import Incoming, Outgoing

MOST = 8  # sources with a button each
Quoted = tuple[Sequence[QuotedPassage], Mapping[int, tuple[str, str]]]  # of one source, and the texts beside


@dataclass(slots=True, kw_only=True)
class SourceView(Feature):
    """Shows the sources of an answer, one at a time, in a message that changes in place.

    Without `answers` (None) the bot has no knowledge base, and the sources are pages of the documents in the
    conversation.
    """

    store: Store
    answers: KnowledgeAnswers | None = None

    @press(SOURCE)
    def show(self, tx: Tx, turn: Turn, answer: int, number: int | None = None) -> Answer:
        """Show one source of an answer, with buttons to the others. A press on those changes the message."""
        from bot.knowledge.answer.source_view import source_text

        articles = [*self._articles(tx, turn, answer), *_pages(tx, turn, answer)][:MOST]
        if not articles:
            return Answer(turn.say("kb.source.closed"))
        place = min(number or 0, len(articles) - 1)
        quoted, around = articles[place]
        others = [
            Choice(f"· {one + 1} ·" if one == place else str(one + 1), SOURCE, {"answer": answer, "number": one})
            for one in range(len(articles))
        ]
        text = Outgoing(source_text(quoted, around, turn.language))
        return Answer(text, choices=[others] if len(articles) > 1 else [], over=number is not None)

    def _articles(self, tx: Tx, incoming: Incoming, answer: int) -> Sequence[Quoted]:
        """What an answer quotes of the knowledge base, as far as it may be read here now."""
        from bot.knowledge.answer.source_view import by_article

        if self.answers is None or not (quoted := tx.knowledge.list_quoted(answer)):
            return []
        may_read = self.answers.reader(tx, incoming)
        left = [one for one in quoted if may_read(one.passage.source_id, one.audience)]
        return [(article, _around(tx, article)) for article in by_article(left)]


def _pages(tx: Tx, incoming: Incoming, answer: int) -> Sequence[Quoted]:
    """What an answer quotes of the documents of its conversation. They are looked up again, nothing of it is stored."""
    from bot.knowledge.answer.documents import quoted_pages

    stored = tx.messages.find_message(answer)
    if stored is None or all(source.url for source in stored.sources):
        return []
    passages = tx.documents.list_passages(stored.conversation)
    return quoted_pages(stored.text, stored.sources, passages, incoming.language)


def _around(tx: Tx, quoted: Sequence[QuotedPassage]) -> Mapping[int, tuple[str, str]]:
    """The texts of the passages before and after each passage that still stands in its source."""
    found = {}
    for one in quoted:
        if one.until is None:
            before, after = (tx.knowledge.read_neighbour(one.passage, step) for step in (-1, 1))
            found[one.passage.id] = (before.text if before else "", after.text if after else "")
    return found
