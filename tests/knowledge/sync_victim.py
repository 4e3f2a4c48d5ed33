"""A process that reads a source, embeds it, and kills itself: `python -m tests.knowledge.sync_victim URL LOG POINT`.

The points are counted over the run: in the transaction of each write when all is done but not committed, after its
commit, and after embeddings were paid, which the file `LOG` lists, before these are stored. Begin with `update`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from bot.ai import Vector
from bot.billing.pricing import Price
from bot.clock import SystemClock
from bot.errors import ModelError
from bot.knowledge.embedding import Embedding
from bot.knowledge.passages import Block
from bot.knowledge.sources.source import Event, Found, Unchanged
from bot.knowledge.sync import Sync
from bot.storage.engines.decision_locks import DecisionLock
from bot.storage.store import Store, Tx
from bot.storage.tables.knowledge import SOURCES, KnowledgeSource

T = TypeVar("T")

BOT, SOURCE = 42, 1
ARTICLES = 25  # more than are stored in one transaction


@dataclass(frozen=True)
class Articles:
    """A `Reader` of articles that all have the same `version`, in each of their two passages."""

    version: str

    async def articles(self, known: Mapping[str, Mapping[str, str]]) -> AsyncIterator[Event]:
        validators = {"etag": self.version}
        for number in range(ARTICLES):
            key = f"article{number:02}"
            if known.get(key) == validators:
                yield Unchanged(key, validators)
            else:
                blocks = tuple(Block(f"{key}, {self.version}.", (heading,)) for heading in ("First", "Second"))
                yield Found(key=key, title=key, blocks=blocks, validators=validators)


@dataclass(frozen=True)
class Shop:
    """An `Embedder` that writes into a file what it was paid for."""

    paid: Path
    pass_point: Callable[[], None] = lambda: None
    name: str = "shop"
    longest: int = 100
    pace: float = 0.0

    async def embed(self, texts: Sequence[str], *, question: bool = False) -> Sequence[Vector | ModelError]:
        with self.paid.open("a") as file:
            file.writelines(f"{text!r}\n" for text in texts)
        self.pass_point()
        return [Vector([1.0], tokens=10) for _ in texts]


async def update(store: Store, shop: Shop, version: str) -> None:
    """Bring the knowledge base up to date with a version of the source, and buy its embeddings."""
    source = await store.read(lambda tx: tx.one(SOURCES, id=SOURCE))
    assert source is not None
    await Sync(store=store, bot=BOT).run(source, Articles(version), agreed=True)
    price = Price("embedding", "shop", Decimal(1), 1_000)
    await Embedding(store=store, bot=BOT, embedder=shop, price=price, pack=lambda _: b"1").run(10**9)


class MortalStore(Store):
    """A store whose process dies at the point number `left`; each write passes two."""

    left = 0

    def pass_point(self) -> None:
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)

    async def write(self, work: Callable[[Tx], T], guard: DecisionLock | None = None) -> T:
        def done(tx: Tx) -> T:
            found = work(tx)
            self.pass_point()
            return found

        found = await super().write(done, guard)
        self.pass_point()
        return found


async def main(url: str, paid: str, point: int) -> None:
    async with MortalStore.open(url, SystemClock()) as store:
        assert isinstance(store, MortalStore)
        store.left = point
        await update(store, Shop(Path(paid), store.pass_point), "v2")


def add_source(tx: Tx) -> int:
    """Store the source whose articles are read."""
    return tx.sources.add_source(BOT, KnowledgeSource(name="shop", kind="folder", address="/"))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
