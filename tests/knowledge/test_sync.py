"""A sync brings the knowledge base up to date, buys nothing twice, and removes much only after it was asked."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from bot.ai import Vector
from bot.billing.budget import KNOWLEDGE_PURSE, MONEY, settle_stale
from bot.billing.pricing import Price
from bot.clock import SystemClock
from bot.errors import BadInput, ModelError, ModelUnavailable
from bot.knowledge.embedding import BATCH, Embedding
from bot.knowledge.passages import Block
from bot.knowledge.rights import check_audience, groups_of, readable
from bot.knowledge.search.matrix import pack
from bot.knowledge.sources.source import Event, Found, SourceFailed, Trouble, Unchanged, failure_text
from bot.knowledge.sync import Report, Sync
from bot.storage.repositories.money.budgets import Caps
from bot.storage.store import Store
from bot.storage.tables.knowledge import KnowledgeSource
from bot.types import Address

BOT = 42


class Read:
    """A `Reader` of these events; a `SourceFailed` among them is raised in its place."""

    def __init__(self, *events: Event | SourceFailed) -> None:
        self.events = events
        self.known: Mapping[str, Mapping[str, str]] = {}

    async def articles(self, known: Mapping[str, Mapping[str, str]]) -> AsyncIterator[Event]:
        self.known = known
        for event in self.events:
            if isinstance(event, SourceFailed):
                raise event
            yield event


def article(key: str, *paragraphs: str) -> Found:
    blocks = tuple(Block(text, (f"Часть {number}",)) for number, text in enumerate(paragraphs))
    return Found(key=key, title=key, blocks=blocks, validators={"etag": "1"})


@pytest.fixture
async def store(tmp_path: Path, template: Path) -> AsyncIterator[Store]:
    async with Store.open(f"sqlite+aiosqlite:///{shutil.copy(template, tmp_path / 'bot.db')}", SystemClock()) as store:
        yield store


async def add_source(store: Store, name: str = "shop") -> None:
    await store.write(
        lambda tx: tx.sources.add_source(
            BOT, KnowledgeSource(name=name, kind="folder", address="/", audience=("everyone",))
        )
    )


async def stored(store: Store, name: str = "shop") -> KnowledgeSource:
    found = await store.read(lambda tx: tx.one(KnowledgeSource, bot=BOT, name=name))
    assert found is not None
    return found


async def sync(store: Store, *events: Event | SourceFailed, agreed: bool = False) -> Report:
    return await Sync(store=store, bot=BOT).run(await stored(store), Read(*events), agreed=agreed)


async def texts(store: Store) -> list[str]:
    rows = await store.read(lambda tx: tx.knowledge.passages_added((0, 0), 10_000))
    return [row.text for row in rows if row.ended is None]


async def test_only_what_has_changed_is_stored_anew(store: Store) -> None:
    await add_source(store)
    first = await sync(store, article("a", "Один.", "Два."), article("b", "Три."))
    assert (first.new, first.added, first.ended) == (2, 3, 0)
    second = await sync(store, article("a", "Один.", "Четыре."), Unchanged("b", {"etag": "2"}))
    assert (second.new, second.unchanged, second.added, second.ended) == (1, 1, 1, 1)
    assert sorted(await texts(store)) == ["Один.", "Три.", "Четыре."]
    reader = Read()
    await Sync(store=store, bot=BOT).run(await stored(store), reader)
    assert reader.known == {"a": {"etag": "1"}, "b": {"etag": "2"}}


async def test_a_page_that_can_not_be_read_keeps_what_was_known_and_one_that_is_gone_goes(store: Store) -> None:
    await add_source(store)
    await sync(store, article("a", "Один."), article("b", "Два."))
    report = await sync(store, Trouble("a", "unavailable"), Trouble("b", "not_found"))
    assert [trouble.key for trouble in report.troubles] == ["a", "b"]
    assert await texts(store) == ["Один."]


async def test_a_source_that_is_empty_today_loses_nothing_until_somebody_agrees(store: Store) -> None:
    await add_source(store)
    await sync(store, *(article(str(number), f"Статья {number}.") for number in range(50)))
    report = await sync(store)
    assert (report.gone, report.held) == (0, 50)
    assert len(await texts(store)) == 50
    source = await stored(store)
    assert source.state == "asks"
    assert failure_text("en", source.error) == "50 articles with 50 of 50 passages are gone at the source"
    assert failure_text("ru", source.error) == "в источнике исчезло статей: 50, а с ними фрагментов: 50 из 50"
    assert (await sync(store, agreed=True)).gone == 50
    assert await texts(store) == []
    assert (await stored(store)).state == "active"


async def test_more_passages_than_can_be_searched_fast_are_refused(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.knowledge.sync.MOST_PASSAGES", 25)
    await add_source(store)
    with pytest.raises(SourceFailed, match="more than 25 can't be searched fast enough"):
        await sync(store, *(article(str(number), f"Статья {number}.") for number in range(60)))
    assert len(await texts(store)) == 40, "nothing more is stored, and what is stored can be searched"


async def test_a_source_that_fails_keeps_its_passages_and_says_why(store: Store) -> None:
    await add_source(store)
    await sync(store, article("a", "Один."), article("b", "Два."))
    before = await stored(store)
    with pytest.raises(SourceFailed):
        await sync(store, article("c", "Три."), SourceFailed("The site asks to log in."))
    assert "Один." in await texts(store)
    after = await stored(store)
    assert failure_text("ru", after.error) == "The site asks to log in.", "a reader of one's own says it in its words"
    assert after.synced == before.synced
    assert (await sync(store, article("a", "Один."), article("b", "Два."))).held == 0
    assert (await stored(store)).error == ""


class Counting:
    """An `Embedder` that counts what it is asked; the text `broken` fails. It `dies` when it is asked so many texts."""

    name, longest, pace = "counting", 100, 0.0

    def __init__(self, broken: str = "", dies: int = 10**9) -> None:
        self.asked: list[str] = []
        self.broken = broken
        self.dies = dies

    async def embed(self, texts: Sequence[str], *, question: bool = False) -> Sequence[Vector | ModelError]:
        self.asked += texts
        if len(self.asked) >= self.dies:
            raise SystemExit
        return [
            ModelUnavailable("down") if self.broken and self.broken in text else Vector([1.0, len(text)], tokens=10)
            for text in texts
        ]


def embedding(store: Store, embedder: Counting) -> Embedding:
    price = Price("embedding", "counting", Decimal(1), 1_000)
    return Embedding(store=store, bot=BOT, embedder=embedder, price=price, pack=pack)


async def test_equal_texts_are_bought_once_and_never_again(store: Store) -> None:
    await add_source(store)
    await sync(store, *(article(f"{number}", "Ответ.") for number in range(3)), article("x", "Ответ.", "Другой."))
    embedder = Counting()
    bought = embedding(store, embedder)
    assert (await bought.estimate()).passages == 5  # four titles, one of them with two passages
    left: list[int] = []
    assert await bought.run(10**9, left.append) == 50_000
    assert left[-1] == 0
    await sync(store, *(article(f"{number}", "Ответ.") for number in range(3)), agreed=True)
    await sync(store, article("x", "Ответ.", "Другой."))
    assert await bought.run(10**9) == 0
    assert len(embedder.asked) == 5


async def test_no_more_is_spent_than_was_agreed_to_and_what_was_bought_is_kept(store: Store) -> None:
    await add_source(store)
    await sync(store, *(article(f"{number}", f"Статья номер {number}.") for number in range(3 * BATCH)))
    embedder = Counting()
    bought = embedding(store, embedder)
    price = (await bought.estimate()).cost
    assert await bought.run(price // 2) <= price // 2
    assert 0 < len(embedder.asked) < 3 * BATCH
    await bought.run(price)
    assert len(embedder.asked) == len(set(embedder.asked)) == 3 * BATCH


async def test_a_batch_is_counted_before_it_is_bought_and_a_kill_gives_the_rest_of_the_purse_back(store: Store) -> None:
    await add_source(store)
    await sync(store, *(article(f"{number}", f"Статья номер {number}.") for number in range(3 * BATCH)))
    embedder = Counting(dies=BATCH + 1)
    bought = embedding(store, embedder)
    price, nobody = (await bought.estimate()).cost, Address("telegram", BOT, 0)
    held = await store.write(
        lambda tx: tx.budgets.reserve(MONEY, price, nobody, 0, Caps(bot=price), KNOWLEDGE_PURSE)
    )  # fmt: skip
    assert held is not None
    with pytest.raises(SystemExit):
        await bought.run(price, held=held)
    booked = await store.read(lambda tx: tx.ledger.cost_of_turn(BOT, "kb", 0.0))
    spent = await store.read(lambda tx: tx.budgets.read_spent(MONEY, BOT))
    assert booked < spent < price, "the batch that was being bought counts at its highest price"
    more = lambda tx: tx.budgets.reserve(MONEY, price // 2, nobody, 0, Caps(bot=price))  # noqa: E731
    assert await store.write(more) is None, "the rest of the sum is still held back"
    await store.write(lambda tx: settle_stale(tx, BOT))
    assert await store.read(lambda tx: tx.budgets.read_spent(MONEY, BOT)) == spent
    await store.write(more)


async def test_where_the_service_fails_nothing_that_was_paid_is_lost(store: Store) -> None:
    await add_source(store)
    await sync(store, *(article(f"{number:02}", f"Статья {number:02}.") for number in range(BATCH)))
    embedder = Counting(broken="Статья 07")
    with pytest.raises(ModelUnavailable):
        await embedding(store, embedder).run(10**9)
    embedder.broken = ""
    await embedding(store, embedder).run(10**9)
    assert next(text for text in embedder.asked if embedder.asked.count(text) > 1).endswith("Статья 07.")
    assert len(embedder.asked) == BATCH + 1


HERE, GROUP = Address("telegram", BOT, 1001), Address("telegram", BOT, -5)


@pytest.mark.parametrize(
    ("role", "address", "private", "read"),
    [
        ("", HERE, True, {"public"}),
        ("user", HERE, True, {"public", "staff", "anna"}),
        ("owner", HERE, True, {"public", "staff", "anna", "bosses"}),
        ("owner", GROUP, False, {"public", "group"}),
        ("owner", replace(GROUP, visible_to=1001), False, {"public", "group", "staff", "anna", "bosses"}),
    ],
)
def test_in_a_group_only_what_all_of_it_may_read_is_told(
    role: str, address: Address, private: bool, read: set[str]
) -> None:  # fmt: skip
    audiences = {
        "public": ("everyone",), "staff": ("members",), "bosses": ("owners",), "anna": ("user:1001", "user:1002"),
        "boris": ("user:1002",), "group": ("chat:-5",), "nobody": (),
    }  # fmt: skip
    sources = [
        KnowledgeSource(name=name, kind="folder", address="/", audience=audience, id=number)
        for number, (name, audience) in enumerate(audiences.items())
    ]
    user = 1001 if role else 7
    groups = groups_of(role, user, address, private=private)
    assert {sources[number].name for number in readable(sources, groups)} == read


def test_an_audience_that_does_not_exist_is_refused_in_words() -> None:
    assert check_audience(["members", " user:1001 ", "members", ""]) == ("members", "user:1001")
    with pytest.raises(BadInput, match="no group managers"):
        check_audience(["managers"])
