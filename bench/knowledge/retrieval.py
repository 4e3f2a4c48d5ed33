"""How well the search finds: recall and nDCG of the index on sets of real questions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.knowledge.data import QuestionSet
from bot.ai import Embedder, Vector
from bot.clock import SystemClock
from bot.knowledge.search.index import Index
from bot.knowledge.search.matrix import pack
from bot.storage.repositories.knowledge.passages import Article, NewPassage, pack_sentences
from bot.storage.store import Store, Tx
from bot.storage.tables.knowledge import KnowledgeSource

BOT = 1


async def found(asked: QuestionSet, embedder: Embedder | None, folder: Path) -> list[list[frozenset[str]]]:
    """The keys of the passages that the index finds for each question of a set, best first."""
    file = folder / f"{hashlib.sha256(asked.name.encode()).hexdigest()[:12]}.db"
    file.unlink(missing_ok=True)
    async with Store.open(f"sqlite+aiosqlite:///{file}", SystemClock()) as store:
        keys = await stored(store, asked, embedder)
        index = Index(store=store, bot=BOT, model=embedder.name if embedder else "")
        await index.follow()
        vectors = await embedded(embedder, [one.text for one in asked.questions], question=True)
        results = []
        for place, question in enumerate(asked.questions):
            candidates = await index.search(question.text, vectors[place] if vectors else ())
            results.append([keys[one.id] for one in candidates.found])
    file.unlink()
    return results


async def stored(store: Store, asked: QuestionSet, embedder: Embedder | None) -> Mapping[int, frozenset[str]]:
    """Store the passages of a set; return the keys of each by its id."""
    pieces = [piece for piece, _ in asked.passages]
    vectors = await embedded(embedder, [piece.indexed for piece in pieces])

    def store_all(tx: Tx) -> None:
        source = tx.sources.add_source(BOT, KnowledgeSource(name="bench", kind="folder", address="bench"))
        new = [NewPassage(one.place, one.text, pack_sentences(one.sentences), one.sha) for one in pieces]
        tx.knowledge.store_article(source, Article("bench", "bench", "1", 0.0), new)
        if embedder is not None:
            shas = [one.sha for one in pieces]
            tx.knowledge.store_vectors(embedder.name, dict(zip(shas, map(pack, vectors), strict=True)))

    await store.write(store_all)
    rows = await store.read(lambda tx: tx.knowledge.passages_added((0, 0), len(pieces)))
    return {row.id: keys for row, (_, keys) in zip(rows, asked.passages, strict=True)}


async def embedded(
    embedder: Embedder | None, texts: Sequence[str], *, question: bool = False
) -> Sequence[Sequence[float]]:  # fmt: skip
    """The vectors of texts, none without an embedder."""
    vectors = await embedder.embed(texts, question=question) if embedder else ()
    return [one.numbers for one in vectors if isinstance(one, Vector)]


def ranks(asked: QuestionSet, results: Sequence[Sequence[frozenset[str]]]) -> Sequence[int | None]:
    """The place of the first right passage for each question. Where pages are asked for, each counts once."""
    found = []
    for question, keys in zip(asked.questions, results, strict=True):
        order = dict.fromkeys(keys) if asked.by_key else keys
        found.append(next((rank for rank, one in enumerate(order, 1) if one & question.gold), None))
    return found
