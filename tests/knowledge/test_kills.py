"""P33: a sync that is killed mixes no versions, and what one worker has withdrawn no other shows."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from functools import partial
from pathlib import Path
from random import Random

import pytest

from bot.billing.metering import Meter
from bot.clock import SystemClock
from bot.concurrency.child_pool import ChildPool
from bot.knowledge.answer.citing import Citing
from bot.knowledge.answering import KnowledgeAnswers
from bot.knowledge.base import KnowledgeBase
from bot.knowledge.embedding import BATCH
from bot.storage.repositories.knowledge.passages import Article, NewPassage, pack_sentences
from bot.storage.store import Store, Tx
from bot.storage.tables.knowledge import KnowledgeSource
from bot.types import Address, Incoming, User
from tests.knowledge import sync_victim
from tests.knowledge.sync_victim import ARTICLES, BOT, Shop, add_source, update
from tests.support.forked import Forked

LIVE = """
    SELECT kb_articles.key, kb_passages.text, kb_passages.sha FROM kb_passages
    JOIN kb_articles ON kb_articles.id = article_id WHERE ended IS NULL
"""


def live(database: Path) -> list[tuple[str, str, bytes]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(LIVE).fetchall()


def mixed(database: Path) -> list[str]:
    """The articles whose passages are not the two of one version."""
    versions: dict[str, list[str]] = {}
    for key, text, _ in live(database):
        versions.setdefault(key, []).append(text.rpartition(" ")[2])
    assert len(versions) == ARTICLES
    return [key for key, found in versions.items() if found not in (["v1."] * 2, ["v2."] * 2)]


@pytest.mark.process
async def test_a_kill_at_any_point_of_a_sync_mixes_no_versions_and_buys_at_most_one_batch_twice(
    tmp_path: Path, template: Path
) -> None:
    before, clock = Path(shutil.copy(template, tmp_path / "before.db")), SystemClock()
    async with Store.open(f"sqlite+aiosqlite:///{before}", clock) as store:
        assert await store.write(add_source) == sync_victim.SOURCE
        await update(store, Shop(tmp_path / "bought"), "v1")
    bought_twice, point = [], 0
    while True:
        point += 1
        folder = tmp_path / str(point)
        folder.mkdir()
        database, paid = Path(shutil.copy(before, folder / "bot.db")), folder / "paid"
        words = ("-m", sync_victim.__name__, f"sqlite+aiosqlite:///{database}", str(paid), str(point))
        async with Forked.running(*words, directory=folder, environment={}) as process:
            await process.wait()
        assert mixed(database) == [], f"killed at point {point}"
        async with Store.open(f"sqlite+aiosqlite:///{database}", clock) as store:
            await update(store, Shop(paid), "v2")
        assert {text.rpartition(" ")[2] for _, text, _ in live(database)} == {"v2."}
        bought = Counter(paid.read_text().splitlines())
        assert len(bought) == 2 * ARTICLES, "each text is paid for, and none of another version"
        bought_twice.append(bought.total() - len(bought))
        if process.returncode == 0:
            break
        assert process.returncode == -9
    assert point > 15
    assert 0 < max(bought_twice) <= BATCH
    assert bought_twice[-1] == 0


RACES = int(os.environ.get("KNOWLEDGE_RACES", "50"))


async def test_what_one_worker_has_withdrawn_no_other_shows(postgres_url: str, tmp_path: Path) -> None:
    """The long form: `KNOWLEDGE_RACES=1000`."""
    files, chance, clock, told = ChildPool(), Random(1), SystemClock(), Counter[bool]()
    asked = Incoming("1", Address("telegram", BOT, 1001), User(1001))
    async with Store.open(postgres_url, clock) as here, Store.open(postgres_url, clock) as elsewhere:
        meter = Meter(store=elsewhere)
        base = KnowledgeBase(store=elsewhere, bot=BOT, files=files, meter=meter, cache=tmp_path)
        answers = KnowledgeAnswers(base=base, level="extract", role=lambda _: "user")
        for number in range(RACES):
            secret = f"parcel{number:03}"
            source = await here.write(partial(add_article, secret=secret))
            answering = asyncio.create_task(answers.look(asked, f"What does {secret} cost?", "en"))
            if number % 2:  # between the search and the answer; else beside the search
                await asyncio.wait([answering])
            await here.write(partial(chance.choice(WITHDRAWALS), source=source))
            if (evidence := await answering) is not None:
                citing = Citing(evidence)
                text = citing.extract() or evidence.unknown
                told[secret in text] += 1
                left = await elsewhere.read(partial(citing.without_withdrawn, bot=BOT))
                assert secret not in (text if left is None else left) + citing.below
            again = await answers.look(asked, f"What does {secret} cost?", "en")
            assert again is None or secret not in again.unknown + repr(again.passages)
    await files.close()
    assert told[True] >= RACES // 2, "these answers were written before the source was withdrawn"


def add_article(tx: Tx, *, secret: str) -> int:
    source = tx.sources.add_source(
        BOT, KnowledgeSource(name=secret, kind="folder", address="/", audience=("everyone",))
    )
    text = f"The {secret} costs 9 roubles."
    passage = NewPassage(f"Price of {secret}", text, pack_sentences(((0, len(text)),)), secret.encode())
    tx.knowledge.store_article(source, Article("price", f"Price of {secret}", secret, 1_000.0), [passage])
    return source


def close(tx: Tx, *, source: int) -> None:
    tx.change_all(KnowledgeSource, {"audience": ()}, id=source)


def remove(tx: Tx, *, source: int) -> None:
    tx.sources.remove_source(source)


def end(tx: Tx, *, source: int) -> None:
    tx.knowledge.end_articles(source, ["price"])


WITHDRAWALS = (close, remove, end)
