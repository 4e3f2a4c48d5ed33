"""A question to the knowledge base: what it is given, what it pays, and whether it is about the sources at all."""

from __future__ import annotations

import random
import shutil
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from bot.ai import Vector
from bot.billing.metering import BillTo, Meter
from bot.billing.pricing import Price, PriceList
from bot.clock import SystemClock
from bot.concurrency.child_pool import ChildPool
from bot.errors import ModelError, ModelUnavailable
from bot.evaluation.calibration import calibrate
from bot.knowledge.base import KnowledgeBase
from bot.knowledge.search.gate import BY_WORDS, Gate, Signals, signals
from bot.knowledge.search.index import Index
from bot.knowledge.search.matrix import pack
from bot.knowledge.search.question_vectors import QuestionVectors
from bot.knowledge.search.retrieval import MOST_OF_ARTICLE, MOST_PASSAGES, Found, Retrieval
from bot.storage.store import Store
from bot.storage.tables.knowledge import KnowledgeSource
from bot.types import Address
from tests.knowledge.test_index import BOT, add_source, store_article

PAYER = BillTo(Address("telegram", BOT, 1001), 1001, "turn")


class Letters:
    """An `Embedder`: a vector counts letters. `failing` is raised in its place."""

    name, longest, pace = "letters", 100, 10.0

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.failing: ModelError | None = None

    async def embed(self, texts: Sequence[str], *, question: bool = False) -> Sequence[Vector | ModelError]:
        self.asked += texts
        if self.failing is not None:
            raise self.failing
        return [Vector(letters(text), tokens=5) for text in texts]


def letters(text: str) -> list[float]:
    return [float(text.lower().count(letter)) for letter in "абвгдеиклмнопрстуя"]


@pytest.fixture
async def store(tmp_path: Path, template: Path) -> AsyncIterator[Store]:
    async with Store.open(f"sqlite+aiosqlite:///{shutil.copy(template, tmp_path / 'bot.db')}", SystemClock()) as store:
        yield store


def retrieval(store: Store, embedder: Letters | None = None) -> Retrieval:
    tariffs = PriceList(questions=Price("embedding", "letters", Decimal(1), 1_000))
    index = Index(store=store, bot=BOT, model=embedder.name if embedder else "")
    vectors = QuestionVectors(meter=Meter(store=store, tariffs=tariffs), embedder=embedder)
    return Retrieval(store=store, index=index, vectors=vectors)


async def found(asked: Retrieval, question: str, *sources: int) -> list[str]:
    return [hit.passage.text for hit in (await asked.search(question, sources, PAYER)).hits]


async def embed_all(store: Store, embedder: Letters) -> None:
    rows = await store.read(lambda tx: tx.knowledge.texts_to_embed(BOT, embedder.name, 1_000))
    await store.write(
        lambda tx: tx.knowledge.store_vectors(embedder.name, {row.sha: pack(letters(row.text)) for row in rows})
    )


async def test_what_is_withdrawn_between_the_search_and_the_answer_is_not_shown(store: Store) -> None:
    source, asked = await add_source(store, "shop"), retrieval(store)
    await store_article(store, source, "returns", "Возврат 14 дней.")
    await asked.index.follow()
    ids = (await asked.index.search("возврат")).found
    await store.write(lambda tx: tx.knowledge.end_articles(source, ["returns"]))
    assert len(ids) == 1
    assert await found(asked, "возврат", source) == []


async def test_equal_texts_come_once_and_one_article_does_not_fill_the_answer(store: Store) -> None:
    source, asked = await add_source(store, "shop"), retrieval(store)
    await store_article(store, source, "long", *(f"Возврат, правило {number}." for number in range(20)))
    assert len(await found(asked, "возврат", source)) == MOST_PASSAGES  # nothing else is there
    for number in range(10):
        await store_article(store, source, f"article {number}", "Возврат как везде.")
        await store_article(store, source, f"other {number}", f"Возврат на складе {number}.")
    texts = await found(asked, "возврат", source)
    assert len(texts) == len(set(texts)) == MOST_PASSAGES
    assert sum("правило" in text for text in texts) <= MOST_OF_ARTICLE


async def test_the_embedding_of_a_question_is_bought_once_and_booked(store: Store) -> None:
    source, embedder = await add_source(store, "shop"), Letters()
    asked = retrieval(store, embedder)
    await store_article(store, source, "returns", "Возврат 14 дней.", "Доставка за день.")
    await embed_all(store, embedder)
    assert await found(asked, "вернуть", source)  # no word in common
    assert await found(asked, "вернуть", source)
    assert embedder.asked == ["вернуть"]
    booked = await store.read(lambda tx: tx.ledger.cost_by_model(BOT, 0.0))
    assert [(line.service, line.units, line.cost) for line in booked] == [("embedding", 5, 5_000)]


async def test_without_an_embedding_of_the_question_it_is_searched_by_words(store: Store) -> None:
    source, embedder = await add_source(store, "shop"), Letters()
    asked = retrieval(store, embedder)
    await store_article(store, source, "returns", "Возврат 14 дней.")
    await embed_all(store, embedder)
    embedder.failing = ModelUnavailable("down")
    assert await found(asked, "возврат", source) == ["Возврат 14 дней."]


class Vowels(Letters):
    """Another `Embedder`, of another dimension."""

    name = "vowels"

    async def embed(self, texts: Sequence[str], *, question: bool = False) -> Sequence[Vector | ModelError]:
        self.asked += texts
        return [Vector([float(text.count(letter)) for letter in "аеиоу"], tokens=5) for text in texts]


async def test_another_embedder_is_asked_once_all_passages_have_an_embedding_of_it(
    store: Store, tmp_path: Path
) -> None:
    source, old, new = await add_source(store, "shop"), Letters(), Vowels()
    await store.write(lambda tx: tx.change_all(KnowledgeSource, {"audience": ["everyone"]}, id=source))
    await store_article(store, source, "returns", "Возврат 14 дней.", "Доставка за день.")
    await embed_all(store, old)
    price = Price("embedding", "vowels", Decimal(1), 1_000)
    meter, files = Meter(store=store, tariffs=PriceList(documents=price, questions=price)), ChildPool()
    base = KnowledgeBase(
        store=store, bot=BOT, files=files, meter=meter, cache=tmp_path, embedder=new,
        former={"letters": lambda: (old, PriceList(questions=Price("embedding", "letters", Decimal(2), 1_000)))},
    )  # fmt: skip

    async def found() -> list[float]:
        hits = (await base.search("вернуть", frozenset({"everyone"}), PAYER)).hits
        return [hit.cosine for hit in hits]

    assert all(await found()), "no word in common: it is found by meaning"
    assert (old.asked, new.asked) == (["вернуть"], [])
    assert [line.cost for line in await store.read(lambda tx: tx.ledger.cost_by_model(BOT, 0.0))] == [10_000]
    wanted = await base.estimate()
    assert (wanted.passages, wanted.again, wanted.cost > 0) == (2, True, True)
    assert await base.embed(1) == 0, "a batch costs more than was agreed to"
    await store_article(store, source, "payment", "Оплата картой.")  # has no embedding of either yet
    assert all((await found())[:2])
    assert new.asked == []
    await base.embed(wanted.cost * 2)
    bought = len(new.asked)
    assert len(await found()) == 3
    assert (old.asked, new.asked[bought:]) == (["вернуть"], ["вернуть"])
    assert not (await base.estimate()).again
    await store_article(store, source, "gifts", "Подарки друзьям.")
    assert not (await base.estimate()).again, "what is new has an embedding of neither: it stays with the new one"
    await files.close()


async def test_nothing_is_found_in_no_source_or_for_no_words(store: Store) -> None:
    source, asked = await add_source(store, "shop"), retrieval(store)
    await store_article(store, source, "returns", "Возврат 14 дней.")
    assert await asked.search("возврат", [], PAYER) == Found()
    assert await asked.search("  ", [source], PAYER) == Found()
    assert (await asked.search("космос", [source], PAYER)).signals == Signals()


def test_a_question_about_something_else_does_not_pass_the_gate() -> None:
    frequencies = {"срок": 3, "возврат": 2, "товар": 5}
    texts = ["Возврат › Срок\nСрок возврата товара 14 дней.", "Оплата\nКартой."]
    assert BY_WORDS.passes(signals(texts, [0.0, 0.0], frequencies, 100))
    foreign = {"столиц": 0, "австрал": 0, "товар": 5}
    assert not BY_WORDS.passes(signals(texts, [0.0, 0.0], foreign, 100))
    assert not BY_WORDS.passes(signals([], [], foreign, 100))


def test_a_gate_is_fitted_on_ones_own_questions_and_says_how_it_did() -> None:
    chance = random.Random(3)
    near = [Signals(0.9 + chance.gauss(0, 0.01), best=0.8, sentence=0.6) for _ in range(60)]
    far = [Signals(0.8 + chance.gauss(0, 0.01), best=0.3, sentence=0.2) for _ in range(60)]
    told = calibrate(near, far)
    assert told.tells
    assert len(told.kept) > 0.9 * len(near)
    assert len(told.let_through) < 0.05 * len(far)
    assert Gate.from_json(told.gate.to_json()) == told.gate
    assert not calibrate(near[:30], near[30:]).tells  # it knows nothing about these


def test_the_gate_is_tried_on_questions_in_any_order() -> None:
    chance = random.Random(5)
    near = [Signals(0.9 + chance.gauss(0, 0.01), best=0.8) for _ in range(40)]
    other_subject = [Signals(0.95 + chance.gauss(0, 0.01), best=0.1) for _ in range(10)]
    far = [Signals(0.8 + chance.gauss(0, 0.01), best=0.3) for _ in range(50)]
    sorted_, mixed = near + other_subject, [*near]
    for place, one in enumerate(other_subject):
        mixed.insert(5 * place, one)
    assert calibrate(sorted_, far).tells
    assert abs(len(calibrate(sorted_, far).kept) - len(calibrate(mixed, far).kept)) <= 2
