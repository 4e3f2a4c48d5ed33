"""`govorun kb show` and `check`: what a source has, and what is wrong with it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest
from typer.testing import CliRunner, Result

from bot.billing.budget import BotBudget
from bot.cli import app, kb
from bot.cli.kb_inspect import check, show
from bot.clock import SystemClock
from bot.config.settings import Settings
from bot.errors import BadInput
from bot.features.knowledge.jobs import SYNC
from bot.http.client import Http
from bot.knowledge.passages import Block
from bot.knowledge.sources.source import Found
from bot.knowledge.sync import prepared
from bot.providers.yandex.service import YandexStudio
from bot.sandbox.ai_studio.server import Studio
from bot.storage.repositories.money.budgets import Caps
from bot.storage.store import Store, Tx
from bot.storage.tables.knowledge import SOURCES, KnowledgeSource
from bot.types import Address, User
from tests.cli.test_kb_measures import Terminal
from tests.knowledge.test_index import BOT
from tests.knowledge.test_retrieval import Letters
from tests.support.known import handbook


@pytest.fixture
async def store(tmp_path: Path, template: Path) -> AsyncIterator[Store]:
    async with Store.open(f"sqlite+aiosqlite:///{shutil.copy(template, tmp_path / 'bot.db')}", SystemClock()) as store:
        yield store


@pytest.fixture
async def terminal(store: Store, tmp_path: Path) -> AsyncIterator[Terminal]:
    """The commands of a base that has read the handbook; everyone may read it."""
    terminal = Terminal(store, Letters(), price="1", cache=tmp_path)
    base = terminal.work.knowledge
    await base.sync(
        await base.add(KnowledgeSource(name="docs", kind="", address=str(handbook(tmp_path)), audience=("everyone",)))
    )
    yield terminal
    await base.files.close()


async def test_show_says_what_a_source_has_and_what_it_has_cost(terminal: Terminal, tmp_path: Path) -> None:
    base = terminal.work.knowledge
    await show(terminal.work, "docs", "")
    assert terminal[:2] == [f"docs: folder {tmp_path / 'docs'}", "  2 pages, 2 passages, 0 with embeddings (letters)"]
    assert terminal[2].endswith(", never by itself")
    assert terminal[3:5] == ["  may be read by everyone", "  its embeddings have cost 0.00 RUB"]
    assert [line.split()[1:] for line in terminal[5:]] == [
        ["1", "returns.md", "Возврат"],
        ["1", "warranty.md", "Warranty"],
    ]
    await base.embed(10**9)
    terminal.clear()
    await show(terminal.work, "docs", "")
    assert terminal[1].endswith("2 with embeddings (letters)")
    assert terminal[4] == "  its embeddings have cost 10.00 RUB"
    assert await base.store.read(lambda tx: tx.ledger.cost_of_turn(BOT, "kb", 0.0)) == 10_000_000
    terminal.clear()
    await show(terminal.work, "docs", "returns.md")
    assert terminal[0] == "returns.md: Возврат"
    assert terminal[2] == "\n1. Возврат › Срок, #срок (2 sentences)"
    assert terminal[3].startswith("Вернуть товар можно в течение 14 дней.")
    with pytest.raises(BadInput, match="has no page nothing"):
        await show(terminal.work, "docs", "nothing.md")


async def test_check_finds_nothing_wrong_with_a_base_that_is_whole(terminal: Terminal) -> None:
    await terminal.work.knowledge.embed(10**9)
    assert await check(terminal.work), terminal.text
    assert [line.split()[:2] for line in terminal] == [["ok", "docs"], ["ok", "embeddings"], ["ok", "index"]]


async def test_check_says_what_is_wrong_and_what_to_do(terminal: Terminal, tmp_path: Path) -> None:
    def spoil(tx: Tx) -> None:
        tx.chats.record_seen(Address("telegram", BOT, 1001), User(1001, "Anna"), private=True)
        here = tx.all(SOURCES, bot=BOT)[0].id
        tx.change_all(
            KnowledgeSource, {"audience": ("user:1001", "user:5", "chat:-7"), "every": 3600, "synced": 1.0}, id=here
        )
        left_out = {"left_out": "no_text:3-9\nhidden_sheets:Cost"}
        scan = Found(key="scan.pdf", title="Scan", blocks=(Block("Price."),), validators=left_out)
        empty = Found(key="blank.md", title="Blank", blocks=(), audience="staff")
        for found in (scan, empty):
            tx.knowledge.store_article(here, *prepared(found, 0.0))
        for name, address, state in (
            ("gone", "/nowhere/at/all", "paused"),
            ("inside", "http://127.0.0.1/help", "active"),
        ):
            kind = "web" if "http" in address else "folder"
            new = tx.sources.add_source(BOT, KnowledgeSource(name=name, kind=kind, address=address))
            tx.change_all(KnowledgeSource, {"state": state}, id=new)

    await terminal.work.knowledge.store.write(spoil)
    (tmp_path / "docs" / "returns.md").write_text("# Возврат\n\nДругой текст о возврате.\n", "utf-8")
    assert not await check(terminal.work)
    for line in (
        "FAIL  docs          it should be read every 1h, and was read last 1970-01-01 00:00 UTC",
        "FAIL  docs          pages without a passage: blank.md",
        "warn  docs          not all is read: scan.pdf (pages with pictures only (a scan), no text: 3-9)",
        "warn  docs          not all is read: scan.pdf (hidden sheets are left out: Cost)",
        "FAIL  docs          chat:-7 is nobody: no such group, chat or person is known",
        "FAIL  docs          staff is nobody",
        "FAIL  docs          user:5 is nobody",
        "warn  docs          new or changed since it was read: returns.md, blank.md (gone), scan.pdf (gone)",
        "FAIL  gone          it was never read to its end",
        "warn  gone          it is paused",
        "warn  gone          nobody may read it",
        "FAIL  gone          it can't be read now: /nowhere/at/all: there is no such file or folder.",
        "FAIL  inside        it can't be read now: ",
        "FAIL  embeddings    3 texts have none (letters): they are found by their words only",
        "ok    index         3 passages can be found",
    ):
        assert line in terminal.text, terminal.text
    assert "user:1001 is nobody" not in terminal.text
    assert "govorun kb read gone members" in terminal.text
    assert "private network" in terminal.text


async def test_a_source_that_fails_does_not_keep_the_others_from_being_read(terminal: Terminal, tmp_path: Path) -> None:
    work, base = terminal.work, terminal.work.knowledge
    (tmp_path / "aaa").mkdir()
    gone = await base.add(KnowledgeSource(name="aaa", kind="", address=str(tmp_path / "aaa")))
    shutil.rmtree(gone.address)
    assert not await kb.sync_source(work)
    assert [line.split(":")[0] for line in terminal[:2]] == ["aaa", "docs"]
    assert "2 as they were" in terminal[1]
    await kb.remove_source(work, "aaa")
    assert await kb.sync_source(work)


async def test_a_sync_goes_on_with_a_source_that_was_paused(terminal: Terminal) -> None:
    work, store = terminal.work, terminal.work.store
    source = await work.knowledge.find("docs")
    await store.write(lambda tx: tx.change(source, every=3_600))
    await kb.pause_source(work, "docs")
    assert (await work.knowledge.find("docs")).state == "paused"
    await kb.sync_source(work, "docs")
    assert (await work.knowledge.find("docs")).state == "active"
    assert await store.read(lambda tx: tx.jobs.find_job(BOT, SYNC, str(source.id))) is not None


async def test_check_of_an_empty_base_says_how_to_begin(store: Store) -> None:
    terminal = Terminal(store)
    assert await check(terminal.work)
    assert terminal == ["warn  sources       there is none\n" + " " * 20 + "govorun kb add FOLDER or ADDRESS"]


def test_the_commands_end_with_a_status(tmp_path: Path, template: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in (
        ("DATABASE_URL", f"sqlite+aiosqlite:///{shutil.copy(template, tmp_path / 'bot.db')}"),
        ("BOT_TOKEN", f"{BOT}:{'A' * 35}"),
        ("EMBEDDINGS", "off"),
    ):
        monkeypatch.setenv(name, value)
    docs = handbook(tmp_path)

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, ["kb", *words])

    assert run("add", str(docs), "--audience", "everyone").exit_code == 0
    assert run("check").exit_code == 0
    Path("cases.csv").write_text("question,page\nWho repairs laptops?,warranty.md\n", "utf-8")
    assert "1 questions of cases.csv" in run("eval", "cases.csv").output
    shutil.rmtree(docs)
    failed = run("check")
    assert failed.exit_code == 1
    assert "FAIL  docs          it can't be read now" in failed.output
    assert "Вернуть товар" in run("show", "docs", "--page", "returns.md").output
    assert "is used from the next question on" in run("calibrate", "--standard").output
    assert isinstance(run("calibrate", "cases.csv").exception, BadInput)


async def test_a_vector_store_is_listed_searched_checked_and_removed(store: Store) -> None:
    terminal, clock = Terminal(store, Letters()), SystemClock()
    work, studio = terminal.work, Studio(clock=clock)
    await studio.start()
    id_ = studio.vector_stores.open(studio.vector_stores.keep("lamps.txt", "The lamp Luna costs 900 roubles."))
    async with Http() as http:
        settings = Settings(_env_file=None, **studio.settings())  # type: ignore[arg-type]
        client = YandexStudio(settings=settings, http=http, clock=clock, random=Random(1)).vector_stores()
        work.knowledge.vector_stores = client
        await kb.add_source(work, f"vector-store:{id_}", audience="everyone")
        assert "1 article read" in terminal.text
        await kb.search_sources(work, "What does the lamp Luna cost?")
        assert "  store 1.00  " in terminal.text
        await kb.list_sources(work)
        assert "AI Studio searches it" in terminal[-1]
        terminal.clear()
        assert await check(work), terminal.text
        studio.vector_stores.stores.clear()
        terminal.clear()
        assert not await check(work)
        assert f"there is no vector store {id_}" in terminal.text
        work.knowledge.vector_stores = None
        terminal.clear()
        assert not await check(work)
        assert "with a key of AI Studio only" in terminal.text
        await kb.remove_source(work, f"vector-store-{id_}")
        assert await store.read(lambda tx: tx.all(SOURCES, bot=BOT)) == []
    await studio.close()


async def test_embeddings_that_the_whole_bot_may_not_spend_are_not_bought_and_the_command_fails(
    terminal: Terminal,
) -> None:
    base = terminal.work.knowledge
    base.meter.budget = BotBudget(money=Caps(bot=1_000_000))
    with pytest.raises(BadInput, match=r"no embedding is bought: This costs .* and only 1.00 RUB is left"):
        await kb.embed_sources(terminal.work)
    assert not await kb.sync_source(terminal.work)
    base.meter.budget = BotBudget(money=Caps(bot=10**9))
    await kb.embed_sources(terminal.work)
    assert not (await base.estimate()).passages
    assert await base.store.read(lambda tx: tx.budgets.read_spent("money", BOT)) == 10_000_000
