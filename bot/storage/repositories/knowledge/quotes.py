"""Quotes of answers whose text may no longer stand in its source."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Integer, cast, func, select, update

from bot.storage.repositories.mapping import Repository, address, made
from bot.storage.tables.history import Conversation, StoredMessage
from bot.storage.tables.knowledge import KnowledgeSource, PassageRow, Quote, SourceArticle
from bot.types import Address

GONE, ASKED, DONE, LEFT = "gone", "asked", "told", "left"  # states of `stale`
FIRST, LENGTH = Quote.start + 1, Quote.end - Quote.start
SPAN = func.substr(PassageRow.text, cast(FIRST, Integer), cast(LENGTH, Integer))  # PostgreSQL takes no BIGINT
QUOTED = (
    select(
        *Quote.table.c["id", "message_id", "stale"], SPAN.label("text"), *PassageRow.table.c["article_id", "source_id"],
        *StoredMessage.table.c["turn", "user", "at"], *SourceArticle.table.c["title", "audience"],
        *Conversation.table.c["transport", "bot", "chat", "thread", "connection", "only"],
    )
    .join(PassageRow.table, PassageRow.id == Quote.passage_id)
    .join(SourceArticle.table, SourceArticle.id == PassageRow.article_id)
    .join(StoredMessage.table, StoredMessage.id == Quote.message_id)
    .join(Conversation.table, Conversation.id == StoredMessage.conversation_id)
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredQuote:
    """A quote of an answer: its `text`, the article it was taken from, and where and when the answer was given.

    `audience` is the group who alone may read the article, "" where all who may read its source may.
    """

    id: int
    text: str
    title: str
    audience: str
    article_id: int
    source_id: int
    message_id: int
    turn: str
    user: int
    at: float
    stale: str
    address: Address


class Quotes(Repository):
    """Quotes of answers whose text may no longer stand in its source."""

    def list_ended(self, bot: int, most: int) -> Sequence[StoredQuote]:
        """Return at most `most` quotes of passages that have ended and that were not checked since then,
        oldest first.
        """
        here = (Conversation.address.bot == bot, PassageRow.ended.is_not(None), Quote.stale == "")
        query = QUOTED.where(*here).order_by(Quote.id).limit(most)
        return [_quote(row) for row in self.connection.execute(query)]

    def list_stale(self, bot: int) -> Sequence[StoredQuote]:
        """Return quotes that no longer stand in their source, oldest first."""
        query = QUOTED.where(Conversation.address.bot == bot, Quote.stale != "")
        return [_quote(row) for row in self.connection.execute(query.order_by(Quote.id))]

    def read_quotes(self, bot: int, ids: Collection[int], stale: str) -> Sequence[StoredQuote]:
        """Return those of the quotes with these ids whose state is `stale`."""
        query = QUOTED.where(Conversation.address.bot == bot, Quote.id.in_(ids), Quote.stale == stale)
        return [_quote(row) for row in self.connection.execute(query.order_by(Quote.id))]

    def mark(self, ids: Collection[int], stale: str) -> None:
        """Set the state (`stale`) of quotes; see `tables.knowledge.QuoteColumns`."""
        self.connection.execute(update(Quote.table).where(Quote.id.in_(ids)).values(stale=stale))

    def move(self, id_: int, passage: int, start: int, end: int) -> None:
        """Note that the text of a quote stands in another passage now."""
        values = {"passage_id": passage, "start": start, "end": end}
        self.connection.execute(update(Quote.table).where(Quote.id == id_).values(**values))

    def texts_of(self, article: int) -> Mapping[int, str]:
        """Return the texts of the passages that an article has now, by their ids."""
        here = (PassageRow.article_id == article, PassageRow.ended.is_(None))
        rows = self.connection.execute(select(PassageRow.id, PassageRow.text).where(*here))
        return {row.id: row.text for row in rows}

    def count_answers(self, bot: int) -> int:
        """Return how many answers have a quote that no longer stands in its source."""
        query = (
            select(func.count(Quote.message_id.distinct()))
            .join(PassageRow.table, PassageRow.id == Quote.passage_id)
            .join(KnowledgeSource.table, KnowledgeSource.id == PassageRow.source_id)
            .where(KnowledgeSource.bot == bot, PassageRow.ended.is_not(None), Quote.stale != "")
        )
        return int(self.connection.scalar(query) or 0)


def _quote(row: Any) -> StoredQuote:
    return made(StoredQuote, row, address=address(row))
