"""Quotes of answers whose text may no longer stand in its source."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Integer, cast, func, select, update

from bot.storage.repositories.mapping import Repository, address, made
from bot.storage.tables.history import conversations, messages
from bot.storage.tables.knowledge import kb_articles, kb_passages, kb_quotes, kb_sources
from bot.types import Address

GONE, ASKED, DONE, LEFT = "gone", "asked", "told", "left"  # states of `stale`
FIRST, LENGTH = kb_quotes.c.start + 1, kb_quotes.c.end - kb_quotes.c.start
SPAN = func.substr(kb_passages.c.text, cast(FIRST, Integer), cast(LENGTH, Integer))  # PostgreSQL takes no BIGINT
QUOTED = (
    select(
        *kb_quotes.c["id", "message_id", "stale"], SPAN.label("text"), *kb_passages.c["article_id", "source_id"],
        *messages.c["turn", "user", "at"], *kb_articles.c["title", "audience"],
        *conversations.c["transport", "bot", "chat", "thread", "connection", "only"],
    )
    .join(kb_passages, kb_passages.c.id == kb_quotes.c.passage_id)
    .join(kb_articles, kb_articles.c.id == kb_passages.c.article_id)
    .join(messages, messages.c.id == kb_quotes.c.message_id)
    .join(conversations, conversations.c.id == messages.c.conversation_id)
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
        here = (conversations.c.bot == bot, kb_passages.c.ended.is_not(None), kb_quotes.c.stale == "")
        query = QUOTED.where(*here).order_by(kb_quotes.c.id).limit(most)
        return [_quote(row) for row in self.connection.execute(query)]

    def list_stale(self, bot: int) -> Sequence[StoredQuote]:
        """Return quotes that no longer stand in their source, oldest first."""
        query = QUOTED.where(conversations.c.bot == bot, kb_quotes.c.stale != "")
        return [_quote(row) for row in self.connection.execute(query.order_by(kb_quotes.c.id))]

    def read_quotes(self, bot: int, ids: Collection[int], stale: str) -> Sequence[StoredQuote]:
        """Return those of the quotes with these ids whose state is `stale`."""
        query = QUOTED.where(conversations.c.bot == bot, kb_quotes.c.id.in_(ids), kb_quotes.c.stale == stale)
        return [_quote(row) for row in self.connection.execute(query.order_by(kb_quotes.c.id))]

    def mark(self, ids: Collection[int], stale: str) -> None:
        """Set the state (`stale`) of quotes; see `tables.knowledge.QuoteColumns`."""
        self.connection.execute(update(kb_quotes).where(kb_quotes.c.id.in_(ids)).values(stale=stale))

    def move(self, id_: int, passage: int, start: int, end: int) -> None:
        """Note that the text of a quote stands in another passage now."""
        values = {"passage_id": passage, "start": start, "end": end}
        self.connection.execute(update(kb_quotes).where(kb_quotes.c.id == id_).values(**values))

    def texts_of(self, article: int) -> Mapping[int, str]:
        """Return the texts of the passages that an article has now, by their ids."""
        here = (kb_passages.c.article_id == article, kb_passages.c.ended.is_(None))
        rows = self.connection.execute(select(kb_passages.c.id, kb_passages.c.text).where(*here))
        return {row.id: row.text for row in rows}

    def count_answers(self, bot: int) -> int:
        """Return how many answers have a quote that no longer stands in its source."""
        query = (
            select(func.count(kb_quotes.c.message_id.distinct()))
            .join(kb_passages, kb_passages.c.id == kb_quotes.c.passage_id)
            .join(kb_sources, kb_sources.c.id == kb_passages.c.source_id)
            .where(kb_sources.c.bot == bot, kb_passages.c.ended.is_not(None), kb_quotes.c.stale != "")
        )
        return int(self.connection.scalar(query) or 0)


def _quote(row: Any) -> StoredQuote:
    return made(StoredQuote, row, address=address(row))
