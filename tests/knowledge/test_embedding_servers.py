"""The knowledge base with embeddings of another server: what is bought and booked, and what is never stored."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from bot.ai import Vector
from bot.billing.metering import Meter
from bot.billing.pricing import Price, PriceList
from bot.clock import SystemClock
from bot.config.entries import EmbeddingModelConfig
from bot.errors import ModelError, ModelProtocolError
from bot.knowledge.embedding import Embedding
from bot.knowledge.search.index import Index
from bot.knowledge.search.matrix import pack
from bot.knowledge.search.question_vectors import QuestionVectors
from bot.knowledge.search.retrieval import Retrieval
from bot.sandbox.ai_studio.server import SANDBOX_FOLDER
from bot.storage.store import Store
from bot.texts.catalog import say
from tests.knowledge.test_index import BOT, add_source, store_article
from tests.knowledge.test_retrieval import PAYER
from tests.support.choosing import pressed
from tests.support.raw_server import answer, serve
from tests.support.stage import ANNA, Stage
from tests.support.telegram_side import rows, soon

DOC, QUERY = (f"emb://{SANDBOX_FOLDER}/text-search-{kind}/latest" for kind in ("doc", "query"))


@pytest.fixture
async def store(tmp_path: Path, template: Path) -> AsyncIterator[Store]:
    async with Store.open(f"sqlite+aiosqlite:///{shutil.copy(template, tmp_path / 'bot.db')}", SystemClock()) as store:
        yield store


class Changing:
    """An `Embedder` whose server has another model from one day to the next, and does not count tokens."""

    name, longest, pace = "openai/changing", 100, 0.0

    def __init__(self, size: int) -> None:
        self.size = size

    async def embed(self, texts: Sequence[str], *, question: bool = False) -> Sequence[Vector | ModelError]:
        return [Vector([1.0] * self.size) for _ in texts]


def embedding(store: Store, size: int) -> Embedding:
    price = Price("embedding", "changing", Decimal(1), 1_000)
    return Embedding(store=store, bot=BOT, embedder=Changing(size), price=price, pack=pack)


async def sizes(store: Store) -> list[int]:
    found = await store.read(lambda tx: tx.knowledge.vectors_added(Changing.name, (0, b""), 100))
    return [len(one.data) - 4 for one in found]


async def test_vectors_of_another_dimension_than_those_that_are_stored_are_booked_and_not_stored(store: Store) -> None:
    source = await add_source(store, "shop")
    await store_article(store, source, "returns", "Возврат 14 дней.")
    assert await embedding(store, 8).run(10**9) > 0, "the tokens are estimated where the server does not count them"
    await store_article(store, source, "payment", "Оплата картой.")
    with pytest.raises(ModelProtocolError, match="another dimension than those that are stored"):
        await embedding(store, 9).run(10**9)
    assert await sizes(store) == [8]
    booked = await store.read(lambda tx: tx.ledger.cost_by_model(BOT, 0.0))
    assert [(line.units > 10, line.cost == line.units * 1_000) for line in booked] == [(True, True)]
    await embedding(store, 8).run(10**9)
    assert await sizes(store) == [8, 8]


async def test_a_question_of_another_dimension_is_searched_by_words_and_the_log_says_why(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    source = await add_source(store, "shop")
    await store_article(store, source, "returns", "Возврат 14 дней.")
    await embedding(store, 8).run(10**9)
    vectors = QuestionVectors(meter=Meter(store=store, tariffs=PriceList()), embedder=Changing(9))
    asked = Retrieval(store=store, index=Index(store=store, bot=BOT, model=Changing.name), vectors=vectors)
    found = await asked.search("возврат", [source], PAYER)
    assert [(hit.passage.text, hit.cosine) for hit in found.hits] == [("Возврат 14 дней.", 0.0)]
    assert "has 9 numbers, those of passages (openai/changing) have 8: only words are compared" in caplog.text


# --- the whole bot ----------------------------------------------------------------------------------------------------


def server(stage: Stage, name: str = "mine", **given: object) -> EmbeddingModelConfig:
    """The sandbox's AI Studio as a server like any other."""
    row = {"name": name, "url": f"{stage.studio.url}/v1", "key": stage.studio.key, "model": DOC, **given}
    return EmbeddingModelConfig.model_validate({"question_model": QUERY, **row})


async def added(stage: Stage, tmp_path: Path, **settings: object) -> None:
    """A bot whose owner Anna has added a folder with one page."""
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "returns.md").write_text("# Возврат\n\nВернуть товар можно в течение 14 дней.\n", "utf-8")
    await stage.start(owners=[ANNA], knowledge="extract", summaries=False, **settings)
    await stage.ask(f"/kb add {docs}")
    done = say("en", "kb.report", name="docs", new=1, unchanged=0, gone=0, added=1, ended=0)
    await soon(stage, lambda: [text for text in stage.telegram.texts(ANNA) if done in text] or None)


async def test_a_bot_buys_embeddings_of_another_server_and_goes_on_with_the_old_ones_until_the_new_are_there(
    stage: Stage, tmp_path: Path
) -> None:
    await added(stage, tmp_path, embedding_price=Decimal(0))
    await soon(stage, lambda: rows(stage, "SELECT model FROM kb_vectors") or None)
    await stage.ask("/kb")
    await pressed(stage, "docs", say("en", "kb.readers"), say("en", "kb.group.everyone"))
    await stage.stop()
    await stage.start(embedding_models=[server(stage, price=Decimal(100))], embeddings="mine")
    assert "Вернуть товар можно в течение 14 дней.¹" in await stage.ask("Можно ли вернуть товар?")
    asked = len(stage.studio.seen("textEmbedding"))
    assert asked == 2
    assert stage.studio.seen("embeddings") == []
    assert "the former embeddings are searched" in await stage.ask("/kb")
    await stage.press(say("en", "kb.buy"))
    await soon(stage, lambda: [one for one in stage.telegram.texts(ANNA) if "are embedded: 1.40 RUB" in one] or None)
    assert rows(stage, "SELECT DISTINCT model FROM kb_vectors ORDER BY model") == [
        (server(stage).vectors,),
        ("yandex/text-search",),
    ]
    assert "Вернуть товар можно в течение 14 дней.¹" in await stage.ask("Как вернуть товар?")
    assert len(stage.studio.seen("textEmbedding")) == asked
    assert [seen.body["model"] for seen in stage.studio.seen("embeddings")] == [DOC, QUERY]
    paid = rows(stage, "SELECT model, turn = 'kb', cost > 0 FROM usage WHERE mode = 'embedding' AND model = 'mine'")
    assert paid == [("mine", 1, 1), ("mine", 0, 1)]


async def test_a_key_that_the_server_refuses_is_in_the_log_and_nothing_is_stored(
    stage: Stage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows_ = [server(stage, key="sk-wrong-wrong")]
    await added(stage, tmp_path, embedding_models=rows_, embeddings="mine")
    await soon(stage, lambda: "401: The token is invalid" in caplog.text or None)
    assert "sk-wrong-wrong" not in caplog.text
    assert rows(stage, "SELECT model FROM kb_vectors") == []


async def test_a_server_that_gives_no_embeddings_is_asked_once_and_who_waits_is_told(
    stage: Stage, tmp_path: Path
) -> None:
    async with serve(answer(200, {"data": []}, "content-type: application/json")) as other:
        row = server(stage, url=f"{other.url}/v1", price=Decimal(1))
        await added(stage, tmp_path, embedding_models=[row], embeddings="mine")
        await stage.press(say("en", "kb.buy"))
        reason = "1 embeddings were asked for, and 0 came"
        told = say("en", "kb.embedding_failed", reason=reason)
        await soon(stage, lambda: told in stage.telegram.texts(ANNA) or None)
    assert len(other.seen) == 1
    assert rows(stage, "SELECT count(*) FROM kb_vectors") == [(0,)]
