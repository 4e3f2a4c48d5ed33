"""The sources of the knowledge base."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, func, insert, select, update

from bot.storage.repositories.knowledge.passages import VECTOR_STORE, Knowledge
from bot.storage.repositories.mapping import Repository, made
from bot.storage.tables.knowledge import PassageRow, SourceArticle, SourceRow

EVERYONE = "everyone"
REMOVED = "removed"
LEARNED = "learned"  # the kind, and the name, of the source of what people teach the bot


@dataclass(frozen=True, slots=True)
class KnowledgeSource:
    """A source of the knowledge base, as it stands in the table `kb_sources`."""

    name: str
    kind: str
    address: str
    options: Mapping[str, Any] = field(default_factory=dict)
    audience: tuple[str, ...] = ()
    every: int = 0
    state: str = "active"
    error: str = ""
    tried: float | None = None
    synced: float | None = None
    paid: int = 0
    id: int = 0


class Sources(Repository):
    """The sources of a bot's knowledge base."""

    def add_source(self, bot: int, source: KnowledgeSource) -> int:
        """Add a source; return its id. Its name must not be taken."""
        row = {
            "bot": bot, "name": source.name, "kind": source.kind, "address": source.address,
            "options": json.dumps(source.options, ensure_ascii=False), "every": source.every,
            "audience": json.dumps(source.audience, ensure_ascii=False), "added": self.clock.time(),
        }  # fmt: skip
        return int(self.connection.execute(insert(SourceRow.table).returning(SourceRow.id), row).scalar_one())

    def list_sources(self, bot: int) -> Sequence[KnowledgeSource]:
        """Return all sources of a bot by their names."""
        query = select(SourceRow.table).where(SourceRow.bot == bot, SourceRow.state != REMOVED).order_by(SourceRow.name)
        return [_source(row) for row in self.connection.execute(query)]

    def list_ids(self, bot: int) -> Mapping[int, bool]:
        """Return for each source of a bot, removed ones included, whether its passages have embeddings."""
        query = select(SourceRow.id, SourceRow.kind != VECTOR_STORE).where(SourceRow.bot == bot)
        return {id_: bool(embedded) for id_, embedded in self.connection.execute(query)}

    def find_source(self, bot: int, name: str) -> KnowledgeSource | None:
        """Return the source of this name, None where there is none."""
        query = select(SourceRow.table).where(SourceRow.bot == bot, SourceRow.name == name)
        return self._find(_source, query)

    def read_source(self, id_: int) -> KnowledgeSource | None:
        """Return a source by its id, None where it was removed."""
        return self._find(_source, select(SourceRow.table).where(SourceRow.id == id_, SourceRow.state != REMOVED))

    def change_source(self, id_: int, **values: Any) -> None:
        """Set columns of a source; `options` and `audience` are stored as JSON."""
        for name in ("options", "audience"):
            if name in values:
                values[name] = json.dumps(values[name], ensure_ascii=False)
        self.connection.execute(update(SourceRow.table).where(SourceRow.id == id_).values(**values))

    def add_paid(self, paid: Mapping[int, int]) -> None:
        """Add amounts in millionths, by the id of the source, to what the embeddings of sources have cost so far."""
        for id_, amount in paid.items():
            self.change_source(id_, paid=SourceRow.paid + amount)

    def remove_source(self, id_: int) -> None:
        """End all passages of a source and free its name. The rows stay as long as answers may quote them."""
        articles = select(SourceArticle.key).where(SourceArticle.source_id == id_)
        passages = Knowledge(self.connection, self.clock, self.queue)
        passages.end_articles(id_, list(self.connection.execute(articles).scalars()))
        self.change_source(id_, state=REMOVED, name=f"{REMOVED}/{id_}")

    def sizes(self, bot: int) -> Mapping[int, tuple[int, int]]:
        """Return for each source how many articles and passages it has now."""
        of_bot = select(SourceRow.id).where(SourceRow.bot == bot)
        query = (
            select(PassageRow.source_id, func.count(PassageRow.article_id.distinct()), func.count())
            .where(PassageRow.source_id.in_(of_bot), PassageRow.ended.is_(None))
            .group_by(PassageRow.source_id)
        )
        return {source: (articles, passages) for source, articles, passages in self.connection.execute(query)}


def _source(row: Row[Any]) -> KnowledgeSource:
    return made(
        KnowledgeSource, row, options=json.loads(row.options), audience=tuple(json.loads(row.audience))
    )  # fmt: skip
