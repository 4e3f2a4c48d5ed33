"""A question to the knowledge base: the passages that may answer it. Begin with `Retrieval.search`."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from bot.billing.metering import BillTo
from bot.knowledge.formats.tidying import tidy
from bot.knowledge.search.gate import Signals, signals
from bot.knowledge.search.index import Candidate, Candidates, Index
from bot.knowledge.search.question_vectors import QuestionVectors
from bot.storage.repositories.knowledge.passages import StoredPassage
from bot.storage.store import Store

log = logging.getLogger(__name__)

MOST_PASSAGES = 8  # of one answer
MOST_MORE = 22  # that another model may put before them
MOST_OF_ARTICLE = 3  # of them, unless nothing else was found
MOST_READ = 60  # candidates that are read, so that one long article can't be all of them
LOOKED_AT = 24  # of them that the signals are made of


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found, with its score (0 to 1) and what it is made of (`Candidate`).

    `store` is the score by which a vector store has found it, 0 where none has.
    """

    passage: StoredPassage
    score: float
    words: float
    cosine: float
    store: float = 0.0


@dataclass(frozen=True, slots=True)
class Found:
    """The passages for a question, best first (`hits`), and at most `MOST_MORE` that come after them (`more`).

    `signals` say how likely it is that the passages answer it, `store_signals` by their words whether those do that
    vector stores have found.

    `frequencies`: in how many of `size` passages each stem of the question stands. `vector` is the question's
    embedding, empty where there is none, `generation` that of the index.
    """

    hits: tuple[Hit, ...] = ()
    more: tuple[Hit, ...] = ()
    signals: Signals = field(default_factory=Signals)
    store_signals: Signals = field(default_factory=Signals)
    frequencies: Mapping[str, int] = field(default_factory=dict)
    size: int = 0
    vector: Sequence[float] = ()
    generation: int = 0


@dataclass(slots=True, kw_only=True)
class Retrieval:
    """Searches the knowledge base of a bot. Without `vectors` of questions passages are found by their words only."""

    store: Store
    index: Index
    vectors: QuestionVectors

    async def use(self, model: str, vectors: QuestionVectors) -> None:
        """Compare questions and passages by the embeddings of another model from now on."""
        await self.index.use(model)
        self.vectors = vectors

    async def search(
        self,
        question: str,
        sources: Collection[int],
        payer: BillTo,
        *,
        groups: Collection[str] = (),
        without: Collection[int] = (),
        also: Mapping[int, float] = MappingProxyType({}),
    ) -> Found:
        """Return the best passages of these sources, at most `MOST_PASSAGES`, as they stand in the database now.

        Articles that one group alone may read are left out unless it is among the `groups`, and so are the passages
        `without` (ids). `also` are passages that vector stores have found, with their scores; the best of them counts
        as much as the best of the index. The embedding of the question is paid by `payer`; a budget that does not
        allow it leaves the words.
        """
        if not sources or not question.strip():
            return Found()
        candidates, vector, generation = await self._candidates(question, sources, payer)
        candidates = _beside(candidates, also)
        if without:
            candidates = replace(candidates, found=tuple(one for one in candidates.found if one.id not in without))
        nearest = sorted(candidates.found, key=lambda one: -one.cosine)[: LOOKED_AT // 3]
        ids = {one.id for one in (*candidates.found[:MOST_READ], *nearest)}
        passages = await self.store.read_one(lambda tx: tx.knowledge.read_passages(ids, sources, groups))
        found = await asyncio.to_thread(_found, candidates, nearest, passages, also)
        return replace(found, vector=vector, generation=generation)

    async def rank(
        self, question: str, sources: Collection[int], payer: BillTo, *, groups: Collection[str] = ()
    ) -> Sequence[StoredPassage]:
        """Return all passages that are found for a question, best first: more than an answer is given."""
        if not sources or not question.strip():
            return ()
        candidates, _, _ = await self._candidates(question, sources, payer)
        ids = [one.id for one in candidates.found]
        passages = await self.store.read_one(lambda tx: tx.knowledge.read_passages(ids, sources, groups))
        return [passages[id_] for id_ in ids if id_ in passages]

    async def _candidates(
        self, question: str, sources: Collection[int], payer: BillTo
    ) -> tuple[Candidates, Sequence[float], int]:
        """What the index finds now, the embedding of the question, and the generation of the index.

        The question is made tidy as passages are: it may have soft hyphens and ligatures where it was copied from.
        """
        question = tidy(question)
        await self.index.follow()
        generation = self.index.generation
        vector = await self.vectors.find(question, payer) if self.index.embedded else ()
        if vector and len(vector) != (size := self.index.dimension):
            log.warning(
                "the embedding of a question has %d numbers, those of passages (%s) have %d: only words are compared",
                len(vector), self.index.model, size,
            )  # fmt: skip
            vector = ()
        return await self.index.search(question, vector, sources), vector, generation


def _beside(candidates: Candidates, also: Mapping[int, float]) -> Candidates:
    """The candidates together with passages that vector stores have found."""
    if not also:
        return candidates
    best = max((one.score for one in candidates.found), default=1.0)
    known = {one.id: one for one in candidates.found}
    for id_, score in also.items():
        there = known.get(id_, Candidate(id_, 0.0, 0.0, 0.0))
        known[id_] = replace(there, score=max(there.score, best * score))
    return replace(candidates, found=tuple(sorted(known.values(), key=lambda one: (-one.score, one.id))))


def _found(
    candidates: Candidates, nearest: Sequence[Candidate], passages: Mapping[int, StoredPassage],
    also: Mapping[int, float],
) -> Found:  # fmt: skip
    there = [one for one in candidates.found if one.id in passages]
    compared = list(dict.fromkeys([*there[:LOOKED_AT], *(one for one in nearest if one.id in passages)]))
    texts = [f"{passages[one.id].place}\n{passages[one.id].text}" for one in compared]
    told = signals(
        texts,
        [one.cosine for one in compared],
        candidates.frequencies,
        candidates.size,
        words=[one.words for one in compared],
    )
    hits = [Hit(passages[one.id], one.score, one.words, one.cosine, store=also.get(one.id, 0.0)) for one in there]
    of_stores = [texts[place] for place, one in enumerate(compared) if one.id in also]
    by_words = signals(of_stores, [0.0] * len(of_stores), candidates.frequencies, candidates.size)
    best, more = _chosen(hits)
    return Found(best, more, told, by_words, frequencies=candidates.frequencies, size=candidates.size)


def _chosen(hits: Sequence[Hit]) -> tuple[tuple[Hit, ...], tuple[Hit, ...]]:
    """The best hits, and those after them: equal texts once, and at most `MOST_OF_ARTICLE` of an article unless
    nothing else was found.
    """
    texts, articles = set[str](), Counter[int]()
    chosen: list[Hit] = []
    spare: list[Hit] = []
    for hit in hits:
        if hit.passage.text in texts:
            continue
        texts.add(hit.passage.text)
        articles[hit.passage.article_id] += 1
        (chosen if articles[hit.passage.article_id] <= MOST_OF_ARTICLE else spare).append(hit)
    all_ = [*chosen, *spare]
    best = sorted(all_[:MOST_PASSAGES], key=lambda hit: -hit.score)
    return tuple(best), tuple(all_[MOST_PASSAGES : MOST_PASSAGES + MOST_MORE])
