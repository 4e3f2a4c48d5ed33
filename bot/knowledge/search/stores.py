"""Asks vector stores what they have about a question: `StoreSearch.find`."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bot.ai import StoreChunk, VectorStores
from bot.billing.metering import BillTo, Meter
from bot.errors import LimitReached, ModelError
from bot.knowledge.sources.reading import Articles, read_file
from bot.knowledge.sources.source import Found
from bot.knowledge.sources.vector_store import file_found, store_id
from bot.knowledge.sync import prepared
from bot.storage.repositories.knowledge.passages import Article, NewPassage
from bot.storage.store import Tx
from bot.storage.tables.knowledge import SOURCES, KnowledgeSource

log = logging.getLogger(__name__)

PATIENCE = 5.0  # seconds for an answer of a store; without it, only what it has found before is searched
LONGEST_QUESTION = 2_000  # characters
MOST_CHUNKS = 10  # of one store for one question
KEPT_FOR = 60.0  # seconds: what is asked again for another reader, or after a repair, is not paid twice
MOST_KEPT = 200
MARKDOWN = (".md", ".markdown", ".mdx")


@dataclass(slots=True, kw_only=True)
class StoreSearch:
    """Searches vector stores, and stores what they find as passages of their sources."""

    meter: Meter
    stores: VectorStores
    _kept: OrderedDict[tuple[int, str], tuple[float, Mapping[int, float]]] = field(default_factory=OrderedDict)

    async def find(self, question: str, sources: Sequence[KnowledgeSource], payer: BillTo) -> Mapping[int, float]:
        """Return the passages (ids) that these stores have found for a question, each with a score from 0 to 1.

        The best passage of each store has 1, as scores of two services can't be compared. A store that fails, is too
        slow, or may not be paid by `payer` finds nothing.
        """
        found = await asyncio.gather(*(self._find(question[:LONGEST_QUESTION], one, payer) for one in sources))
        return {passage: score for some in found for passage, score in some.items()}

    async def _find(self, question: str, source: KnowledgeSource, payer: BillTo) -> Mapping[int, float]:
        now = self.meter.store.clock.monotonic()
        at, kept = self._kept.get((source.id, question), (float("-inf"), {}))
        if now - at < KEPT_FOR:
            return kept
        try:
            async with asyncio.timeout(PATIENCE), self.meter.charge(payer, self.meter.tariffs.store, 1):
                chunks = await self.stores.search(store_id(source.address), question, within=PATIENCE)
        except (LimitReached, ModelError, TimeoutError) as error:
            log.warning("the vector store of %s is not searched: %s", source.name, error or "no answer in time")
            return {}
        found = await self._stored(source, chunks[:MOST_CHUNKS])
        self._kept[source.id, question] = (now, found)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return found

    async def _stored(self, source: KnowledgeSource, chunks: Sequence[StoreChunk]) -> Mapping[int, float]:
        """Store what is new of the pieces; return the passages of all, with their scores."""
        store = self.meter.store
        now, best = store.clock.time(), max((chunk.score for chunk in chunks), default=0.0) or 1.0
        read = [(*await asyncio.to_thread(_prepared, chunk, now), chunk.score / best) for chunk in chunks]

        def known(tx: Tx) -> list[Mapping[bytes, int]]:
            return [tx.knowledge.list_by_sha(source.id, article.key) for article, _, _ in read]

        def add(tx: Tx) -> list[Mapping[bytes, int]]:
            if tx.one(SOURCES, id=source.id) is not None:
                for article, passages, _ in read:
                    tx.knowledge.add_passages(source.id, article, passages)
            return known(tx)

        ids = await store.read(known)
        if any(_missing(passages, there) for (_, passages, _), there in zip(read, ids, strict=True)):
            ids = await store.write(add)
        found: dict[int, float] = {}
        for (_, passages, score), there in zip(read, ids, strict=True):
            for one in passages:
                if one.sha in there:
                    found.setdefault(there[one.sha], score)
        return found


def _prepared(chunk: StoreChunk, now: float) -> tuple[Article, Sequence[NewPassage]]:
    """A piece that a store has found, as the row of its file and the passages that it is cut into."""
    name = chunk.name or chunk.file
    article, _ = prepared(file_found(chunk.file, name), now)
    mime = "text/markdown" if name.lower().endswith(MARKDOWN) else "text/plain"
    read = Articles.of(read_file(chunk.text.encode("utf-8", "replace"), name, mime, "utf-8")).articles
    if not read:
        return article, ()
    _, passages = prepared(Found(key=chunk.file, title=read[0].title, blocks=read[0].blocks), now)
    return article, passages


def _missing(passages: Sequence[NewPassage], there: Mapping[bytes, int]) -> bool:
    return any(one.sha not in there for one in passages)
