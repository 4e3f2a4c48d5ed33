"""The articles of the knowledge base as they stand now: for reports about it (`govorun kb show`, `check`, `eval`)."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, func, select

from bot.storage.repositories.knowledge.passages import PASSAGE, StoredPassage, stored_passage
from bot.storage.repositories.mapping import Repository, made
from bot.storage.tables.knowledge import KnowledgeSource, PassageRow, SourceArticle, Vector

BATCH = 500  # values of one IN list
ROW = SourceArticle.table.c[
    "id", "source_id", "key", "title", "url", "language", "audience", "validators", "fetched", "changed"
]


@dataclass(frozen=True, slots=True)
class ArticleRow:
    """An article with the number of its passages.

    `fetched` is when it was seen last, `changed` the date of its text (Unix seconds). `validators` is JSON. With an
    `audience` only that group of people may read the article; with "" all readers of its source may.
    """

    id: int
    source_id: int
    key: str
    title: str
    url: str
    language: str
    audience: str
    validators: str
    fetched: float
    changed: float
    passages: int

    @property
    def left_out(self) -> Sequence[str]:
        """What of its file was not read, such as "no_text:3-9, 12" (reasons of a `Trouble`)."""
        return tuple(filter(None, str(json.loads(self.validators).get("left_out", "")).split("\n")))


class Articles(Repository):
    """The articles that still stand in their sources, whoever may read them."""

    def list_articles(self, sources: Collection[int]) -> Sequence[ArticleRow]:
        """Return the articles of these sources, by source and key."""
        here = (SourceArticle.source_id.in_(sources), SourceArticle.version != "")
        alive = (PassageRow.article_id == SourceArticle.id) & PassageRow.ended.is_(None)
        query = select(*ROW, func.count(PassageRow.id).label("passages")).outerjoin(PassageRow.table, alive)
        query = query.where(*here).group_by(SourceArticle.id).order_by(SourceArticle.source_id, SourceArticle.key)
        return [made(ArticleRow, row) for row in self.connection.execute(query)]

    def count_embedded(self, bot: int, model: str) -> Mapping[int, int]:
        """Return for each source how many of its passages have an embedding of this model."""
        query = (
            select(PassageRow.source_id, func.count())
            .join(Vector.table, and_(Vector.sha == PassageRow.sha, Vector.model == model))
            .where(PassageRow.source_id.in_(select(KnowledgeSource.id).where(KnowledgeSource.bot == bot)))
            .where(PassageRow.ended.is_(None))
            .group_by(PassageRow.source_id)
        )
        return dict(self.connection.execute(query).all())

    def list_questions(self, sources: Iterable[int], most: int) -> Sequence[StoredPassage]:
        """Return the first passage below each heading that is a question, as in an FAQ; at most so many, the oldest
        first.
        """
        columns = PassageRow.table.c
        mine = (columns.source_id.in_(list(sources)), columns.ended.is_(None), columns.place.like("%?"))
        first = func.min(columns.id)
        ids = select(first).where(*mine).group_by(columns.article_id, columns.place).order_by(first).limit(most)
        query = PASSAGE.where(columns.id.in_(ids)).order_by(columns.id)
        return [stored_passage(row) for row in self.connection.execute(query)]

    def list_passages(self, articles: Iterable[int]) -> Sequence[StoredPassage]:
        """Return the passages of these articles, in the order of their texts."""
        ids, found = sorted(articles), list[StoredPassage]()
        for first in range(0, len(ids), BATCH):
            some = (PassageRow.article_id.in_(ids[first : first + BATCH]), PassageRow.ended.is_(None))
            query = PASSAGE.where(*some).order_by(PassageRow.article_id, PassageRow.ordinal)
            found += map(stored_passage, self.connection.execute(query))
        return found
