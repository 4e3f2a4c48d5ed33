"""The index of the knowledge base: it finds what is stored, in the sources that are asked for, and follows changes."""

from __future__ import annotations

import hashlib
import random
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import closing

import numpy as np
import pytest

from bot.clock import SystemClock
from bot.knowledge.passages import Block, cut
from bot.knowledge.search.index import Index
from bot.knowledge.search.matrix import Matrix, pack
from bot.knowledge.search.words import WordIndex
from bot.knowledge.stems import stems
from bot.storage.repositories.knowledge.passages import Article, NewPassage, Replaced, pack_sentences
from bot.storage.store import Store, Tx
from bot.storage.tables.knowledge import SOURCES, KnowledgeSource

BOT, MODEL = 42, "test"


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    async with Store.open(database_url, SystemClock()) as store:
        yield store


async def add_source(store: Store, name: str, *, bot: int = BOT) -> int:
    return await store.write(
        lambda tx: tx.sources.add_source(bot, KnowledgeSource(name=name, kind="folder", address=f"/{name}"))
    )


async def store_article(store: Store, source: int, key: str, *paragraphs: str) -> Replaced:
    """An article whose paragraphs are passages of their own, each under a heading."""
    pieces = cut(key, [Block(text, (f"Часть {number}",)) for number, text in enumerate(paragraphs)])
    passages = [
        NewPassage(one.place, one.text, pack_sentences(one.sentences), one.sha, one.page, one.anchor) for one in pieces
    ]
    version = hashlib.sha256(repr(pieces).encode()).hexdigest()
    return await store.write(
        lambda tx: tx.knowledge.store_article(source, Article(key, key, version, 1_000.0), passages)
    )


async def texts(store: Store, index: Index, question: str, sources: Sequence[int] | None = None) -> list[str]:
    """The texts that are found for a question, best first."""
    await index.follow()
    found = await index.search(question, (), sources)
    wanted = [one.id for one in found.found]
    known = await store.read(lambda tx: tx.knowledge.read_passages(wanted, sources or range(1, 100)))
    return [known[id_].text for id_ in wanted if id_ in known]


async def test_a_changed_article_keeps_the_rows_of_its_equal_passages(store: Store) -> None:
    source = await add_source(store, "shop")
    assert await store_article(store, source, "returns", "Возврат 14 дней.", "Деньги за 3 дня.") == Replaced(2, 0)
    before = await passage_ids(store, source)
    assert await store_article(store, source, "returns", "Возврат 14 дней.", "Деньги за 3 дня.") == Replaced()
    assert await store_article(store, source, "returns", "Возврат 14 дней.", "Деньги за 5 дней.") == Replaced(1, 1)
    after = await passage_ids(store, source)
    assert after["Возврат 14 дней."] == before["Возврат 14 дней."]
    assert set(after) == {"Возврат 14 дней.", "Деньги за 5 дней."}


async def passage_ids(store: Store, source: int) -> Mapping[str, int]:
    rows = await store.read(lambda tx: tx.knowledge.passages_added((0, 0), 1_000))
    return {row.text: row.id for row in rows if row.source_id == source and row.ended is None}


async def test_a_word_is_found_in_all_its_forms_and_by_the_headings_above_it(store: Store) -> None:
    source, index = await add_source(store, "shop"), Index(store=store, bot=BOT)
    await store_article(store, source, "Гарантия", "Ноутбуки чиним год.", "Пишите нам.")
    await store_article(store, source, "Доставка", "Привозим за день.")
    assert await texts(store, index, "чините ли вы ноутбук?") == ["Ноутбуки чиним год."]
    assert (await texts(store, index, "гарантии"))[0] in {"Ноутбуки чиним год.", "Пишите нам."}
    assert await texts(store, index, "космос") == []


async def test_only_the_sources_that_are_asked_for_are_searched_and_no_other_bots(store: Store) -> None:
    shop, law = await add_source(store, "shop"), await add_source(store, "law")
    other = await add_source(store, "shop", bot=43)
    index = Index(store=store, bot=BOT)
    for source, text in ((shop, "Возврат в магазине."), (law, "Возврат по закону."), (other, "Возврат у других.")):
        await store_article(store, source, "returns", text)
    assert set(await texts(store, index, "возврат")) == {"Возврат в магазине.", "Возврат по закону."}
    assert await texts(store, index, "возврат", [law]) == ["Возврат по закону."]
    assert await texts(store, index, "возврат", []) == []


async def test_what_has_ended_is_found_no_more(store: Store) -> None:
    shop, law = await add_source(store, "shop"), await add_source(store, "law")
    index = Index(store=store, bot=BOT)
    await store_article(store, shop, "returns", "Возврат в магазине.")
    await store_article(store, shop, "prices", "Цены и возврат.")
    await store_article(store, law, "returns", "Возврат по закону.")
    assert len(await texts(store, index, "возврат")) == 3
    await store.write(lambda tx: tx.knowledge.end_articles(shop, ["prices"]))
    assert set(await texts(store, index, "возврат")) == {"Возврат в магазине.", "Возврат по закону."}
    await store.write(lambda tx: tx.sources.remove_source(law))
    assert await texts(store, index, "возврат") == ["Возврат в магазине."]
    assert [one.name for one in await store.read(lambda tx: tx.all(SOURCES, bot=BOT))] == ["shop"]
    await store_article(store, shop, "prices", "Цены и возврат.")  # it came back
    assert len(await texts(store, index, "возврат")) == 2


async def test_an_index_that_followed_many_changes_finds_what_a_new_one_finds(store: Store) -> None:
    chance, words = random.Random(7), ["возврат", "доставка", "цена", "ноутбук", "гарантия", "оплата", "склад"]
    sources = [await add_source(store, name) for name in ("a", "b")]
    followed = Index(store=store, bot=BOT, model=MODEL)
    for _ in range(30):
        source, key = chance.choice(sources), chance.choice("123456")
        if chance.random() < 0.2:
            await store.write(lambda tx, source=source, key=key: tx.knowledge.end_articles(source, [key]))  # type: ignore[misc]
        else:
            paragraphs = [" ".join(chance.choices(words, k=4)).capitalize() + "." for _ in range(chance.randint(1, 4))]
            await store_article(store, source, key, *paragraphs)
        if chance.random() < 0.5:
            await store.write(embed_all)
        await followed.follow()
    new = Index(store=store, bot=BOT, model=MODEL)
    await new.follow()
    for word in words:
        vector = vector_of(word)
        assert rounded(await followed.search(word, vector)) == rounded(await new.search(word, vector))
    assert followed.embedded == new.embedded > 0


def embed_all(tx: Tx) -> None:
    tx.knowledge.store_vectors(
        MODEL, {row.sha: pack(vector_of(row.text)) for row in tx.knowledge.texts_to_embed(BOT, MODEL, 1_000)}
    )


def vector_of(text: str) -> list[float]:
    return list(np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])).normal(size=16))


def rounded(candidates: object) -> object:
    return [(one.id, round(one.score, 5)) for one in candidates.found]  # type: ignore[attr-defined]


async def test_an_equal_text_is_embedded_once_wherever_it_moves(store: Store) -> None:
    source = await add_source(store, "shop")
    await store_article(store, source, "a", "Возврат 14 дней.")
    await store.write(embed_all)
    await store.write(lambda tx: tx.knowledge.end_articles(source, ["a"]))
    await store_article(store, source, "a", "Возврат 14 дней.", "Новое.")
    missing = await store.read(lambda tx: tx.knowledge.texts_to_embed(BOT, MODEL, 10))
    assert [row.text for row in missing] == ["Новое."]


def test_words_that_stand_in_most_passages_are_not_searched_unless_nothing_else_is_asked() -> None:
    index = WordIndex()
    index.add((number, 1, "сервис диск" if number == 7 else "сервис сеть") for number in range(1, 101))
    assert [id_ for id_, _ in index.search(index.frequencies(["сервис", "диск"]))] == [7]
    assert len(index.search(index.frequencies(["сервис"]), most=5)) == 5


def test_words_rank_as_bm25_of_fts5_also_after_passages_were_removed_and_in_some_sources() -> None:
    chance = random.Random(5)
    words = [f"word{number}" for number in range(200)]
    texts = {id_: " ".join(chance.choices(words, k=chance.randrange(1, 40))) for id_ in range(1, 400)}
    index = WordIndex()
    index.add((id_, id_ % 3, text) for id_, text in texts.items())
    removed = chance.sample(sorted(texts), 150)
    for first in range(0, len(removed), 40):
        index.remove(removed[first : first + 40])
        index.remove(removed[first : first + 40])
    left = {id_: text for id_, text in texts.items() if id_ not in removed}
    assert len(index) == len(left)
    with closing(sqlite3.connect(":memory:")) as fts5:
        fts5.execute("CREATE VIRTUAL TABLE words USING fts5(stems, content='')")
        indexed = ((id_, " ".join(stems(text))) for id_, text in left.items())
        fts5.executemany("INSERT INTO words (rowid, stems) VALUES (?, ?)", indexed)
        for asked in (chance.choices(words, k=3) for _ in range(20)):
            terms = stems(" ".join(asked))
            query = "SELECT rowid, -rank FROM words WHERE words MATCH ? ORDER BY rank, rowid"
            expected = [one for one in fts5.execute(query, (" OR ".join(terms),)) if one[0] % 3 == 1]
            found = index.search({term: index.frequencies([term])[term] for term in terms}, [1], 1_000)
            assert [score for _, score in found] == pytest.approx([score for _, score in expected], rel=1e-4)
            assert {id_ for id_, _ in found} == {id_ for id_, _ in expected}


def test_a_question_of_any_text_is_searched_without_an_error() -> None:
    index = WordIndex()
    index.add([(1, 1, 'C++ и "кавычки" AND NOT (скобки) foo_bar')])
    for question in ('"', "AND", "NOT (", "foo_bar", "c++", "кавычки*", "^a", "стебель:x", "'", "\0"):
        index.search(index.frequencies(stems(question)))


def test_the_nearest_vectors_are_found_in_8_bits_and_after_removals() -> None:
    chance = np.random.default_rng(1)
    exact, matrix = chance.normal(size=(3_000, 64)), Matrix()
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    matrix.put({id_: (id_ % 3, pack(list(row))) for id_, row in enumerate(exact)})
    matrix.remove([id_ for id_ in range(3_000) if id_ % 5 == 0])
    for _ in range(20):
        asked = chance.normal(size=64)
        cosines = exact @ (asked / np.linalg.norm(asked))
        allowed = [id_ for id_ in range(3_000) if id_ % 5 and id_ % 3 == 1]
        best = sorted(allowed, key=lambda id_: -cosines[id_])[:10]
        found, _ = matrix.cosines(list(asked), [1], 10, [2])
        assert len(set(best) & set(found)) >= 9
        assert 2 in found
        assert all(abs(found[id_] - cosines[id_]) < 0.01 for id_ in found)
        assert all(id_ % 5 for id_ in found)


async def test_what_the_reports_of_the_command_line_read(store: Store) -> None:
    source = await add_source(store, "shop")
    await store_article(store, source, "b", "Возврат.", "Оплата.")
    await store_article(store, source, "a", "Гарантия.")
    await store_article(store, source, "gone", "Подарки.")
    rows = await store.read(lambda tx: tx.knowledge.passages_added((0, 0), 10))

    def change(tx: Tx) -> None:
        tx.knowledge.end_articles(source, ["gone"])
        tx.knowledge.store_vectors("m", {rows[0].sha: b"1", rows[2].sha: b"2"})
        tx.sources.add_paid({source: 5})
        tx.sources.add_paid({source: 2})
        tx.gates.store_gate(BOT, "m", "{}")
        tx.gates.store_gate(BOT, "m", '{"cut": 1}')
        tx.gates.store_gate(BOT, "", "{}")
        tx.gates.store_gate(BOT, "", "")
        tx.gates.store_gate(BOT + 1, "m", "{}")

    before = await store.read(lambda tx: tx.knowledge.generation())
    await store.write(change)
    assert await store.read(lambda tx: tx.knowledge.generation()) > before, "each process reads its gates anew"

    def look(tx: Tx) -> tuple[object, ...]:
        articles = tx.articles.list_articles([source])
        passages = tx.articles.list_passages(one.id for one in articles)
        return (
            [(one.key, one.passages, one.left_out) for one in articles],
            [one.text for one in passages],
            tx.articles.count_embedded(BOT, "m"),
            [one.paid for one in tx.all(SOURCES, bot=BOT)],
            tx.gates.list_gates(BOT),
        )

    assert await store.read(look) == (
        [("a", 1, ()), ("b", 2, ())], ["Возврат.", "Оплата.", "Гарантия."], {source: 2}, [7], {"m": '{"cut": 1}'},
    )  # fmt: skip
