"""What the database keeps of gaps, learned entries and stale quotes, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.clock import SystemClock
from bot.storage.repositories.knowledge.passages import Article, NewPassage, pack_sentences
from bot.storage.repositories.knowledge.quotes import ASKED
from bot.storage.store import Store, Tx
from bot.storage.tables.knowledge import (
    ADDED,
    DUE_REVIEWS,
    REFUSED,
    REVIEWS,
    TOLD,
    UNTOLD_GAPS,
    WANTED,
    WANTED_GAPS,
    Gap,
    KnowledgeSource,
    LearnedEntry,
)
from bot.types import Address, Text

WHERE = Address("telegram", 42, 1001, thread=7)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    async with Store.open(database_url, SystemClock()) as store:
        yield store


def asked(tx: Tx, turn: str, audience: str = "members") -> int:
    """A question that was refused; returns the id of its message."""
    conversation = tx.messages.current_conversation(WHERE)
    message = tx.messages.add_message(conversation, WHERE, turn, "user", (Text("Why?"),), user=1001).id
    gap = Gap(
        address=WHERE, user=1001, message_id=message, question="Why?", reason=REFUSED, audience=audience, language="en"
    )
    for _ in range(2):
        tx.add_missing(gap)
    return message


def article(tx: Tx, source: int, *texts: str) -> None:
    passages = [
        NewPassage(place="", text=text, sentences=pack_sentences(((0, len(text)),)), sha=text.encode())
        for text in texts
    ]
    tx.knowledge.store_article(source, Article(key="a", title="A", version=repr(texts), changed=0.0), passages)


async def test_a_message_has_one_gap_until_an_entry_answers_it(store: Store) -> None:
    def work(tx: Tx) -> None:
        first, second = asked(tx, "1"), asked(tx, "2", "owners")
        assert [gap.audience for gap in tx.gaps.list_open(42, 0.0)] == ["members", "owners"]
        (seen,) = tx.gaps.list_open(42, 0.0, ["owners"])
        assert (seen.message_id, seen.address) == (first, WHERE)
        assert tx.change_all(UNTOLD_GAPS, {"tell": WANTED}, message_id=second)
        assert [gap.message_id for gap in tx.all(WANTED_GAPS, bot=42, generation=1)] == [second]
        assert tx.all(WANTED_GAPS, bot=43, generation=1) == []
        tx.change(tx.all(WANTED_GAPS, bot=42, generation=1)[0], tell=TOLD)
        assert not tx.change_all(UNTOLD_GAPS, {"tell": WANTED}, message_id=second)
        entry = tx.add(LearnedEntry(bot=42, question="Why?", answer="So.", author=1, audience="members", review=5.0))
        tx.change_all(Gap, {"learned_id": entry.id}, id=seen.id)
        assert len(tx.gaps.list_open(42, 0.0)) == 2
        entry = tx.change(entry, state=ADDED)
        assert [gap.message_id for gap in tx.gaps.list_open(42, 0.0)] == [second]
        assert tx.one(REVIEWS, bot=42) == entry
        assert tx.all(DUE_REVIEWS, limit=3, bot=42, now=5.0) == [entry]
        tx.remove(Gap, message_id=second, reason=REFUSED)
        assert tx.gaps.list_open(42, 0.0) == []

    await store.write(work)


async def test_quotes_of_ended_passages_are_found_and_move_or_are_stale(store: Store) -> None:
    def work(tx: Tx) -> None:
        source = tx.sources.add_source(
            42, KnowledgeSource(name="docs", kind="folder", address="/docs", audience=("everyone",))
        )
        article(tx, source, "One. Two.")
        question = asked(tx, "1")
        conversation = tx.messages.current_conversation(WHERE)
        said = (Text("Two."),)
        answer = tx.messages.add_message(conversation, WHERE, "1", "assistant", said, parent=question, user=1001)
        tx.knowledge.store_quotes(answer.id, [(1, 5, 9), (1, 0, 4)])
        assert tx.quotes.list_ended(42, 9) == []
        article(tx, source, "Two. Three.")
        two, one = tx.quotes.list_ended(42, 9)
        assert (two.text, one.text, two.address, two.turn, two.user) == ("Two.", "One.", WHERE, "1", 1001)
        assert tx.quotes.texts_of(two.article_id) == {2: "Two. Three."}
        tx.quotes.move(two.id, 2, 0, 4)
        tx.quotes.mark([one.id], ASKED)
        assert tx.quotes.list_ended(42, 9) == []
        assert tx.quotes.count_answers(42) == 1
        assert tx.quotes.count_answers(43) == 0
        assert [quote.text for quote in tx.quotes.read_quotes(42, [one.id, two.id], ASKED)] == ["One."]
        assert [quote.text for quote in tx.quotes.list_stale(42)] == ["One."]

    await store.write(work)


async def test_passages_that_a_vector_store_has_found_are_added_once_and_need_no_embedding(store: Store) -> None:
    found = Article(key="fvt1", title="lamps", version="1", changed=0.0)

    def work(tx: Tx) -> None:
        own = tx.sources.add_source(42, KnowledgeSource(name="own", kind="folder", address="-"))
        kept = tx.sources.add_source(42, KnowledgeSource(name="kept", kind="vector-store", address="vector-store:fvt"))
        assert tx.sources.list_ids(42) == {own: True, kept: False}
        first, second = [NewPassage("", text, pack_sentences(((0, 1),)), text.encode()) for text in "ab"]
        tx.knowledge.add_passages(kept, found, [first, first])
        before = tx.knowledge.list_by_sha(kept, "fvt1")
        tx.knowledge.add_passages(kept, found, [second, first])
        after = tx.knowledge.list_by_sha(kept, "fvt1")
        assert (set(before), set(after)) == ({b"a"}, {b"a", b"b"})
        assert before[b"a"] == after[b"a"]
        passages = tx.knowledge.read_passages(after.values(), [kept])
        assert [passages[after[sha]].ordinal for sha in (b"a", b"b")] == [0, 2], "they are no neighbours"
        article(tx, own, "text")
        assert tx.knowledge.size_to_embed(42, "m") == (1, 5)
        assert [row.text for row in tx.knowledge.texts_to_embed(42, "m", 9)] == ["text"]
        tx.knowledge.end_articles(kept, ["fvt1"])
        assert tx.knowledge.list_by_sha(kept, "fvt1") == {}
        tx.knowledge.add_passages(kept, found, [first])
        assert tx.knowledge.list_by_sha(kept, "fvt1").keys() == {b"a"}

    await store.write(work)
