"""How fast the search is with 100,000 passages: CPU time of one core, so that a busy machine measures the same.

With `--postgres` on a server of its own, and in real time, as that does a part of the work. The texts are those of the
cloud's documentation, over and over with other numbers in them; the vectors are random.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import resource
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from bench.knowledge.data import cloud
from bench.knowledge.retrieval import BOT
from bench.postgres import started
from bot.billing.metering import BillTo, Meter
from bot.clock import SystemClock
from bot.knowledge.search.index import Index
from bot.knowledge.search.matrix import pack
from bot.knowledge.search.question_vectors import QuestionVectors
from bot.knowledge.search.retrieval import Retrieval
from bot.knowledge.stems import stems
from bot.storage.repositories.knowledge.passages import Article, NewPassage, pack_sentences
from bot.storage.store import Store, Tx
from bot.storage.tables.knowledge import KnowledgeSource
from bot.types import Address

PASSAGES, SIZE, SOURCES, OF_ARTICLE = 100_000, 256, 20, 12
SEARCHES, REPLACED = 300, 50
PAYER = BillTo(Address("bench", BOT, 1), 1, "bench")


class Chance:
    """An `Embedder` of random vectors."""

    name, longest, pace = "chance", 2_048, 0.0

    def __init__(self) -> None:
        self._numbers = np.random.default_rng(1)

    async def embed(self, texts: Sequence[str], *, question: bool = False) -> Sequence[object]:
        from bot.ai import Vector

        return [Vector(list(map(float, self._numbers.normal(size=SIZE)))) for _ in texts]


async def fill(store: Store, texts: Sequence[tuple[str, str]]) -> list[int]:
    """Store the passages, with vectors, in articles of `SOURCES` sources."""
    vectors = np.random.default_rng(2).normal(size=(PASSAGES, SIZE)).astype(np.float32)
    sources = [
        await store.write(
            lambda tx, number=number: tx.sources.add_source(
                BOT, KnowledgeSource(name=str(number), kind="folder", address="-")
            )  # type: ignore[misc]
        )
        for number in range(SOURCES)
    ]
    for first in range(0, PASSAGES, 1_200):

        def some(tx: Tx, first: int = first) -> None:
            packed: dict[bytes, bytes] = {}
            for begin in range(first, min(first + 1_200, PASSAGES), OF_ARTICLE):
                numbers = range(begin, min(begin + OF_ARTICLE, PASSAGES))
                new = [passage(texts, number) for number in numbers]
                source = sources[begin // OF_ARTICLE % SOURCES]
                tx.knowledge.store_article(source, Article(str(begin), str(begin), "1", 0.0), new)
                packed |= {one.sha: pack(vectors[number]) for one, number in zip(new, numbers, strict=True)}
            tx.knowledge.store_vectors(Chance.name, packed)

        await store.write(some)
    return sources


def passage(texts: Sequence[tuple[str, str]], number: int, change: str = "") -> NewPassage:
    """A text with a number in it: two share one, so that there are as many words as in so much real text (Heaps)."""
    place, text = texts[number % len(texts)]
    sha = number.to_bytes(32) if not change else hash(change).to_bytes(32, signed=True)
    return NewPassage(place, f"{text} {number // 2}{change}", pack_sentences(((0, len(text)),)), sha)


async def measure(options: argparse.Namespace) -> None:
    """Print the figures."""
    with ExitStack() as opened:
        if options.postgres:
            url = opened.enter_context(started("")).create("template1")
        else:
            options.out.mkdir(parents=True, exist_ok=True)
            for one in options.out.glob("speed.db*"):
                one.unlink()
            url = f"sqlite+aiosqlite:///{options.out / 'speed.db'}"
        await measure_at(url, options, time.perf_counter if options.postgres else time.process_time)


async def measure_at(url: str, options: argparse.Namespace, clock: Callable[[], float]) -> None:
    """Print the figures of an empty database."""
    texts = [(piece.place, piece.text) for piece, _ in cloud(options.data, sections=False).passages]
    questions = [one.text for one in cloud(options.data, sections=False).questions]
    async with Store.open(url, SystemClock()) as store:
        sources = await fill(store, texts)
        with ProcessPoolExecutor(1, get_context("spawn")) as fresh:  # this one has the memory of filling the database
            print(await asyncio.get_running_loop().run_in_executor(fresh, built, url, questions))
        index = Index(store=store, bot=BOT, model=Chance.name)
        await index.follow()
        retrieval = searching(store, index)
        chance = random.Random(3)
        for name, readable in (("all sources", sources), (f"4 of {SOURCES} sources", sources[:4])):

            async def ask(readable: Sequence[int] = readable) -> None:
                await retrieval.search(chance.choice(questions) + str(chance.random()), readable, PAYER)

            print(f"search in {name}: {await timed(ask, SEARCHES, clock)}")

        async def replace() -> None:
            begin = chance.randrange(PASSAGES // OF_ARTICLE) * OF_ARTICLE
            change = str(chance.random())
            new = [passage(texts, begin + number, f"{change} {number}") for number in range(OF_ARTICLE)]
            source = sources[begin // OF_ARTICLE % SOURCES]
            await store.write(
                lambda tx: tx.knowledge.store_article(source, Article(str(begin), str(begin), change, 0.0), new)
            )
            await index.follow()

        print(f"an article of {OF_ARTICLE} passages replaced and followed: {await timed(replace, REPLACED, clock)}")


def built(url: str, questions: Sequence[str]) -> str:
    """What it takes to build the index of a database, and to search in it."""
    return asyncio.run(_build(url, questions))


async def _build(url: str, questions: Sequence[str]) -> str:
    async with Store.open(url, SystemClock()) as store:
        await store.read(lambda tx: tx.knowledge.generation())
        stems("a слово")  # the libraries are loaded
        index = Index(store=store, bot=BOT, model=Chance.name)
        before, begun = memory(), time.process_time()
        await index.follow()
        took, taken = time.process_time() - begun, memory() - before
        retrieval = searching(store, index)
        for number in range(SEARCHES):
            await retrieval.search(questions[number % len(questions)], range(1, SOURCES + 1), PAYER)
        searched = memory() - before
        return (
            f"index of {PASSAGES:,} passages: {took:.1f} s of CPU, {taken:.0f} MB; {searched:.0f} MB after {SEARCHES} "
            f"searches"
        )


def searching(store: Store, index: Index) -> Retrieval:
    """A search with random embeddings of questions."""
    vectors = QuestionVectors(meter=Meter(store=store), embedder=Chance())  # type: ignore[arg-type]
    return Retrieval(store=store, index=index, vectors=vectors)


async def timed(work: Callable[[], object], times: int, clock: Callable[[], float]) -> str:
    """The milliseconds of some work as p50, p95 and p99."""
    took = []
    for _ in range(times):
        begun = clock()
        await work()  # type: ignore[misc]
        took.append(1_000 * (clock() - begun))
    took.sort()
    return " · ".join(f"p{share} {took[int(times * share / 100)]:.1f} ms" for share in (50, 95, 99))


def memory() -> float:
    """The memory of this process, in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


parser = argparse.ArgumentParser(prog="python -m bench.knowledge.speed", description=__doc__)
parser.add_argument("--data", type=Path, required=True)
parser.add_argument("--postgres", action="store_true")
parser.add_argument("--out", type=Path, default=Path(".bench/knowledge"))

if __name__ == "__main__":
    asyncio.run(measure(parser.parse_args()))
