"""The index of a knowledge base: words and embeddings, kept up with the database. Begin with `Index.follow`.

It is derived from the rows of `kb_passages` and `kb_vectors`, in each process, on SQLite and on PostgreSQL alike:
measured, that is faster than PostgreSQL's own indexes (29 ms against 89 to 149 at 100,000 passages) and one way to
do it. It may lag behind, and so decides nothing: whoever uses what it finds asks the database again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from bot.concurrency.allocator import return_freed_memory, trim
from bot.knowledge.search.matrix import Matrix
from bot.knowledge.search.words import WordIndex
from bot.knowledge.stems import stems
from bot.storage.repositories.knowledge.passages import IndexRow, NewVector
from bot.storage.store import Store

T = TypeVar("T")

BATCH = 250  # passages, or embeddings, that are read and indexed at a time: more would only take more memory
MOST_ID, MOST_KEY = 2**62, b"\xff" * 33  # above every id, and above every key of an embedding
WEIGHT = 0.75  # of the cosine; the rest is of the words (measured: .7 to .8 differ by less than what can be shown)
CANDIDATES = 100  # by words, and by meaning
NEARLY = 0.9


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage that was found. `score` is 0 to 1; `words` (BM25) is 0 where none is in it, `cosine` 0 without one."""

    id: int
    score: float
    words: float
    cosine: float


@dataclass(frozen=True, slots=True)
class Candidates:
    """What the index finds for a question, best first. `frequencies`: in how many of `size` passages each stem is."""

    found: tuple[Candidate, ...]
    frequencies: Mapping[str, int]
    size: int


class Index:
    """The index of one bot's passages; `model` is the name of the embedding model, "" for words only."""

    def __init__(self, *, store: Store, bot: int, model: str = "") -> None:
        self._store = store
        self._bot = bot
        self._model = model
        self._words = WordIndex()
        self._matrix = Matrix()
        self._sources: set[int] = set()
        self._size = 0  # of the index of words
        self._unembedded = 0  # passages of it that need no embedding
        self._generation = 0
        self._following = asyncio.Lock()
        # Words and matrix are used by one thread: each that uses them keeps 3 MB of what it has freed (glibc).
        return_freed_memory()
        self._thread = ThreadPoolExecutor(1, "index")

    @property
    def generation(self) -> int:
        """The generation of the knowledge base that the index has."""
        return self._generation

    @property
    def size(self) -> int:
        """How many passages can be found."""
        return self._size

    @property
    def embedded(self) -> int:
        """How many passages of the index have an embedding."""
        return len(self._matrix)

    @property
    def dimension(self) -> int:
        """How many numbers the embeddings of passages have; 0 where there is none."""
        return self._matrix.dimension

    @property
    def is_embedded(self) -> bool:
        """Whether nearly all passages have an embedding, except those that vector stores have found."""
        return bool(self._matrix) and len(self._matrix) >= NEARLY * (self._size - self._unembedded)

    @property
    def model(self) -> str:
        """The model whose embeddings are compared, "" for words only."""
        return self._model

    async def use(self, model: str) -> None:
        """Compare by the embeddings of another model: until all of them are read, by those of the old one."""
        async with self._following:
            if model == self._model:
                return
            matrix = Matrix()
            if self._generation:
                bot = self._bot
                sources = await self._store.read(lambda tx: tx.sources.list_ids(bot))
                await self._read_vectors(matrix, model, 0, sources)
            self._matrix, self._model = matrix, model

    async def follow(self) -> None:
        """Take over what has changed in the database since the last call."""
        if await self._store.read_one(lambda tx: tx.knowledge.generation()) == self._generation:
            return
        async with self._following:
            await self._follow()

    async def search(
        self, question: str, vector: Sequence[float] = (), sources: Collection[int] | None = None
    ) -> Candidates:
        """Find passages of these sources (None: of all) for a question and its embedding (empty: by words only)."""
        return await self._run(self._search, question, vector, sources)

    # --- inside -------------------------------------------------------------------------------------------------------

    async def _run(self, work: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)

    async def _follow(self) -> None:
        since, bot = self._generation, self._bot
        newest, ended, sources = await self._store.read(
            lambda tx: (tx.knowledge.generation(), tx.knowledge.passages_ended(since), tx.sources.list_ids(bot))
        )
        await self._run(self._remove, ended)
        after = (since, MOST_ID)
        while rows := await self._store.read(lambda tx, after=after: tx.knowledge.passages_added(after, BATCH)):  # type: ignore[misc]
            await self._run(self._add, [row for row in rows if row.ended is None and row.source_id in sources])
            after = (rows[-1].added, rows[-1].id)
        await self._follow_vectors(since, sources)
        await self._run(self._finish, [id_ for id_, embedded in sources.items() if not embedded], not since)
        self._generation = newest

    async def _follow_vectors(self, since: int, sources: Collection[int]) -> None:
        model = self._model
        if not model:
            return
        if since:
            known = await self._store.read(lambda tx: tx.knowledge.vectors_of_added(model, since))
            await self._run(self._put, self._matrix, known, sources)
        await self._read_vectors(self._matrix, model, since, sources)

    async def _read_vectors(self, matrix: Matrix, model: str, since: int, sources: Collection[int]) -> None:
        after = (since, MOST_KEY)
        while rows := await self._store.read(lambda tx, after=after: tx.knowledge.vectors_added(model, after, BATCH)):  # type: ignore[misc]
            await self._run(self._put, matrix, rows, sources)
            after = (rows[-1].added, rows[-1].sha)

    def _finish(self, unembedded: Collection[int], is_built: bool) -> None:
        """Count the passages of these sources, and take as little memory as possible when the index was just built."""
        self._unembedded = self._words.count(unembedded)
        if is_built:
            self._words.settle()
            trim()

    def _remove(self, ids: Sequence[int]) -> None:
        self._words.remove(ids)
        self._matrix.remove(ids)
        self._size = len(self._words)

    def _add(self, rows: Sequence[IndexRow]) -> None:
        self._words.add((row.id, row.source_id, row.indexed) for row in rows)
        self._sources.update(row.source_id for row in rows)
        self._size = len(self._words)

    def _put(self, matrix: Matrix, vectors: Sequence[NewVector], sources: Collection[int]) -> None:
        here = [one for one in vectors if one.passage and one.source in sources]
        matrix.put({one.passage: (one.source, one.data) for one in here})

    def _search(self, question: str, vector: Sequence[float], sources: Collection[int] | None) -> Candidates:
        if sources is not None and self._sources.issubset(sources):
            sources = None  # a search without a condition is faster
        found = ranked(question, vector, self._words, self._matrix, sources)
        trim()
        return found


def ranked(
    question: str, vector: Sequence[float], words: WordIndex, matrix: Matrix, sources: Collection[int] | None = None
) -> Candidates:
    """The passages of these sources (None: of all) for a question, by their words and by its embedding, best first."""
    terms = list(dict.fromkeys(stems(question)))
    frequencies = words.frequencies(terms)
    found = dict(words.search(frequencies, sources, CANDIDATES))
    cosines, least = matrix.cosines(vector, sources, CANDIDATES, found)
    ids = list(dict.fromkeys([*cosines, *found]))
    scores = _joined([found.get(id_, 0.0) for id_ in ids], [cosines.get(id_) for id_ in ids], least)
    candidates = [
        Candidate(id_, score, found.get(id_, 0.0), cosines.get(id_, 0.0))
        for id_, score in zip(ids, scores, strict=True)
    ]
    candidates.sort(key=lambda one: (-one.score, one.id))
    return Candidates(tuple(candidates), frequencies, len(words))


def _joined(words: Sequence[float], cosines: Sequence[float | None], least: float) -> Sequence[float]:
    """One score for each candidate: `WEIGHT` for the cosine, the rest for the words; words alone without cosines.

    A cosine counts from the `least` one of all passages, not of the candidates, whose range says nothing.

    Reciprocal ranks, which others use, find less on every set that was measured (nDCG@10: 1 to 2 points).
    """
    most = max(words, default=0.0) or 1.0
    known = [cosine for cosine in cosines if cosine is not None]
    if not known:
        return [score / most for score in words]
    range_ = (max(known) - least) or 1.0
    return [
        WEIGHT * ((least if cosine is None else cosine) - least) / range_ + (1 - WEIGHT) * score / most
        for score, cosine in zip(words, cosines, strict=True)
    ]
