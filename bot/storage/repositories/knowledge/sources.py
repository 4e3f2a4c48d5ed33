"""The sources of the knowledge base."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import bindparam, func, select, update

from bot.storage.engines.prepared import Prepared
from bot.storage.repositories.knowledge.passages import VECTOR_STORE, Knowledge
from bot.storage.repositories.mapping import Repository
from bot.storage.tables.knowledge import REMOVED, KnowledgeSource, PassageRow, SourceArticle

ADD_PAID = Prepared(
    update(KnowledgeSource.table)
    .where(KnowledgeSource.id == bindparam("source"))
    .values(paid=KnowledgeSource.paid + bindparam("amount"))
)


class Sources(Repository):
    """The sources of a bot's knowledge base."""

    def add_source(self, bot: int, source: KnowledgeSource) -> int:
        """Add a source of a bot; return its id. Its name must not be taken."""
        return self.add(replace(source, bot=bot, added=self.clock.time())).id

    def list_ids(self, bot: int) -> Mapping[int, bool]:
        """Return for each source of a bot, removed ones included, whether its passages have embeddings."""
        query = select(KnowledgeSource.id, KnowledgeSource.kind != VECTOR_STORE).where(KnowledgeSource.bot == bot)
        return {id_: bool(embedded) for id_, embedded in self.connection.execute(query)}

    def add_paid(self, paid: Mapping[int, int]) -> None:
        """Add amounts in millionths, by the id of the source, to what the embeddings of sources have cost so far."""
        for id_, amount in paid.items():
            self.execute(ADD_PAID, {"source": id_, "amount": amount})

    def remove_source(self, id_: int) -> None:
        """End all passages of a source and free its name. The rows stay as long as answers may quote them."""
        articles = select(SourceArticle.key).where(SourceArticle.source_id == id_)
        passages = Knowledge(self.connection, self.clock, self.queue)
        passages.end_articles(id_, list(self.connection.execute(articles).scalars()))
        self.change_all(KnowledgeSource, {"state": REMOVED, "name": f"{REMOVED}/{id_}"}, id=id_)

    def sizes(self, bot: int) -> Mapping[int, tuple[int, int]]:
        """Return for each source how many articles and passages it has now."""
        of_bot = select(KnowledgeSource.id).where(KnowledgeSource.bot == bot)
        query = (
            select(PassageRow.source_id, func.count(PassageRow.article_id.distinct()), func.count())
            .where(PassageRow.source_id.in_(of_bot), PassageRow.ended.is_(None))
            .group_by(PassageRow.source_id)
        )
        return {source: (articles, passages) for source, articles, passages in self.connection.execute(query)}
