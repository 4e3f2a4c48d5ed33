"""A question to the knowledge base: the passages that may answer it. Begin with `Retrieval.search`."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import Counter, OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bot.ai import Embedder, Vector
from bot.billing.metering import BillTo, Meter
from bot.errors import LimitReached, ModelError
from bot.knowledge.search.gate import Signals, signals
from bot.knowledge.search.index import Candidate, Candidates, Index
from bot.storage.repositories.knowledge.passages import StoredPassage
from bot.storage.store import Store

log = logging.getLogger(__name__)

MOST_PASSAGES = 8  # of one answer
MOST_OF_ARTICLE = 3  # of them, unless nothing else was found
MOST_READ = 60  # candidates that are read, so that one long article can't be all of them
LOOKED_AT = 24  # of them that the signals are made of
LONGEST_QUESTION = 2_000  # characters that are embedded
PATIENCE = 10.0  # seconds for the embedding of a question; without it only words are compared
MOST_KEPT = 10_000  # embeddings of questions
KEPT_FOR = 86_400.0  # seconds


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found, with its score (0 to 1) and what it is made of (`Candidate`)."""

    passage: StoredPassage
    score: float
    words: float
    cosine: float


@dataclass(frozen=True, slots=True)
class Found:
    """The passages for a question, best first; `signals` say how likely it is that they answer it.

    `frequencies`: in how many of `size` passages each stem of the question stands. `vector` is the question's
    embedding, empty where there is none, `generation` that of the index.
    """

    hits: tuple[Hit, ...] = ()
    signals: Signals = field(default_factory=Signals)
    frequencies: Mapping[str, int] = field(default_factory=dict)
    size: int = 0
    vector: Sequence[float] = ()
    generation: int = 0


@dataclass(slots=True, kw_only=True)
class Retrieval:
    """Searches the knowledge base of a bot. Without an `embedder` passages are found by their words only."""

    store: Store
    index: Index
    meter: Meter
    embedder: Embedder | None = None
    _vectors: OrderedDict[bytes, tuple[float, Sequence[float]]] = field(default_factory=OrderedDict)

    async def search(
        self, question: str, sources: Collection[int], payer: BillTo, *, groups: Collection[str] = ()
    ) -> Found:
        """Return the best passages of these sources, at most `MOST_PASSAGES`, as they stand in the database now.

        Articles that one group alone may read are left out unless it is among the `groups`.
        The embedding of the question is paid by `payer`; a budget that does not allow it leaves the words.
        """
        if not sources or not question.strip():
            return Found()
        await self.index.follow()
        generation = self.index.generation
        vector = await self._vector(question[:LONGEST_QUESTION], payer) if self.index.embedded else ()
        candidates = await self.index.search(question, vector, sources)
        nearest = sorted(candidates.found, key=lambda one: -one.cosine)[: LOOKED_AT // 3]
        ids = {one.id for one in (*candidates.found[:MOST_READ], *nearest)}
        passages = await self.store.read_one(lambda tx: tx.knowledge.read_passages(ids, sources, groups))
        found = await asyncio.to_thread(_found, candidates, nearest, passages)
        return replace(found, vector=vector, generation=generation)

    async def _vector(self, question: str, payer: BillTo) -> Sequence[float]:
        """The embedding of a question; empty where there is none now."""
        if self.embedder is None:
            return ()
        key, now = hashlib.sha256(question.encode()).digest(), self.store.clock.monotonic()
        at, kept = self._vectors.pop(key, (0.0, ()))
        if kept and now - at < KEPT_FOR:
            self._vectors[key] = (at, kept)
            return kept
        tariff, most = self.meter.tariffs.questions, min(len(question), self.embedder.longest)
        try:
            async with asyncio.timeout(PATIENCE), self.meter.charge(payer, tariff, most, estimated=True) as bill:
                (vector,) = await self.embedder.embed([question], question=True)
                if isinstance(vector, Vector):
                    bill.units = vector.tokens or most
        except (LimitReached, ModelError, TimeoutError) as error:
            log.warning("the knowledge base is searched by words only: %s", error or "no embedding in time")
            return ()
        if not isinstance(vector, Vector):
            log.warning("the knowledge base is searched by words only: %s", vector)
            return ()
        self._vectors[key] = (now, vector.numbers)
        while len(self._vectors) > MOST_KEPT:
            self._vectors.popitem(last=False)
        return vector.numbers


def _found(
    candidates: Candidates, nearest: Sequence[Candidate], passages: Mapping[int, StoredPassage]
) -> Found:  # fmt: skip
    there = [one for one in candidates.found if one.id in passages]
    compared = list(dict.fromkeys([*there[:LOOKED_AT], *(one for one in nearest if one.id in passages)]))
    texts = [f"{passages[one.id].place}\n{passages[one.id].text}" for one in compared]
    told = signals(texts, [one.cosine for one in compared], candidates.frequencies, candidates.size)
    hits = [Hit(passages[one.id], one.score, one.words, one.cosine) for one in there]
    return Found(_chosen(hits), told, candidates.frequencies, candidates.size)


def _chosen(hits: Sequence[Hit]) -> tuple[Hit, ...]:
    """The best hits: equal texts once, and at most `MOST_OF_ARTICLE` of an article unless nothing else was found."""
    texts, articles = set[str](), Counter[int]()
    chosen: list[Hit] = []
    spare: list[Hit] = []
    for hit in hits:
        if hit.passage.text in texts:
            continue
        texts.add(hit.passage.text)
        articles[hit.passage.article_id] += 1
        (chosen if articles[hit.passage.article_id] <= MOST_OF_ARTICLE else spare).append(hit)
    best = [*chosen, *spare][:MOST_PASSAGES] if len(chosen) < MOST_PASSAGES else chosen[:MOST_PASSAGES]
    return tuple(sorted(best, key=lambda hit: -hit.score))
