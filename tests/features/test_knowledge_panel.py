"""/kb: admins add sources, say who may read them, and are told what a sync did, what it asks and what it costs."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.runtime.bot import Bot
from bot.testing.virtual_loop import VirtualLoop
from bot.texts.catalog import say
from tests.support.choosing import labels, pressed, toasts
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import rows, soon

DAY = 86_400
CLARA = 1003


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    for number in range(40):
        (folder / f"{number}.md").write_text(f"# Question {number}\n\nThe answer to question {number} is {number}.\n")
    return folder


async def opened(stage: Stage, **settings: object) -> Bot:
    return await stage.start(owners=[ANNA, BORIS], **settings)


async def told(stage: Stage, words: str, count: int = 1, who: int = ANNA) -> str:
    """The newest message with these words, once there are so many."""

    def found() -> str | None:
        texts = [text for text in stage.telegram.texts(who) if words in text]
        return texts[-1] if len(texts) >= count else None

    return await soon(stage, found)


async def added(stage: Stage, docs: Path) -> None:
    await stage.ask(f"/kb add {docs}")
    await told(stage, say("en", "kb.report", name="docs", new=40, unchanged=0, gone=0, added=40, ended=0))


async def later(stage: Stage, seconds: float) -> None:
    """The bot is off for a while, and what was due is done after it."""
    loop: Any = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    await stage.stop()
    loop.now += seconds
    await stage.start()
    await soon(stage, lambda: not rows(stage, f"SELECT 1 FROM jobs WHERE due <= {stage.clock.time()}") or None)


async def test_the_index_is_built_at_the_start_before_anybody_asks(
    stage: Stage, docs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="bot.knowledge")
    await opened(stage, embeddings="off")
    await added(stage, docs)
    await stage.stop()
    assert "index" not in caplog.text
    await stage.start()
    await soon(stage, lambda: "the index of the knowledge base is ready: 40 passages" in caplog.messages or None)


@pytest.mark.parametrize("who", [ANNA, BORIS])
async def test_a_folder_is_added_read_opened_to_people_paused_and_removed(stage: Stage, docs: Path, who: int) -> None:
    language = "en" if who == ANNA else "ru"

    def word(key: str, **values: object) -> str:
        return say(language, key, **values)

    async def press(*titles: str) -> str:
        return await pressed(stage, *titles, chat=who)

    await opened(stage, embeddings="off")
    assert word("kb.none") in await stage.ask("/kb", who)
    page = await stage.ask(f"/kb add {docs}", who)
    assert page.startswith(word("kb.added", name="docs"))
    assert word("kb.who.nobody") in page
    await told(stage, word("kb.report", name="docs", new=40, unchanged=0, gone=0, added=40, ended=0), who=who)
    await stage.ask("/kb", who)
    await press("docs", word("kb.readers"), word("kb.group.members"))
    assert f"✓ {word('kb.group.members')}" in labels(stage, who)
    assert rows(stage, "SELECT audience FROM kb_sources") == [('["members"]',)]
    assert word("kb.who", who=word("kb.group.members")) in await press(word("kb.back"))
    assert word("kb.state.paused") in await press(word("kb.pause"))
    assert rows(stage, "SELECT kind FROM jobs WHERE kind LIKE 'kb.%'") == []
    await press(word("kb.resume"))
    await told(stage, word("kb.report", name="docs", new=0, unchanged=40, gone=0, added=0, ended=0), who=who)
    await stage.ask("/kb", who)
    assert await press("docs", word("kb.remove")) == word("kb.remove.ask", name="docs")
    assert word("kb.none") in await press(word("kb.remove"))
    acts = rows(stage, "SELECT action, subject FROM audit ORDER BY id")
    assert acts == [(f"kb_{act}", "docs") for act in ("add", "readers", "pause", "resume", "remove")]
    assert {word("kb.read.done"), word("kb.pause.done"), word("kb.removed", name="docs")} <= set(toasts(stage))
    assert word("audit.kb_readers", subject="docs", changes="readers: members") in await stage.ask("/audit", who)


async def test_a_sync_by_itself_says_nothing_until_much_is_gone_and_then_asks_once(stage: Stage, docs: Path) -> None:
    await opened(stage, embeddings="off")
    await stage.ask("/kb", BORIS)
    await added(stage, docs)
    (docs / "0.md").write_text("# Question 0\n\nAnother answer.\n")
    count = len(stage.telegram.texts(ANNA))
    await later(stage, DAY + 60)
    assert len(stage.telegram.texts(ANNA)) == count
    assert "read 1 min ago" in await stage.ask("/kb")
    for number in range(30):
        (docs / f"{number}.md").unlink()
    await later(stage, DAY + 60)
    await later(stage, DAY + 60)
    held = await told(stage, say("en", "kb.held", passages=30))
    assert [text for text in stage.telegram.texts(BORIS) if say("ru", "kb.held", passages=30) in text]
    assert stage.telegram.texts(ANNA).count(held) == 1
    assert labels(stage) == [say("en", "kb.drop"), say("en", "kb.leave")]
    await pressed(stage, say("en", "kb.drop"))
    await told(stage, "30 gone")
    assert "articles: 10, passages: 10" in await stage.ask("/kb")


async def test_a_source_that_fails_keeps_what_it_had_and_owners_are_told_once_in_their_language(
    stage: Stage, docs: Path
) -> None:
    await opened(stage, embeddings="off")
    await stage.ask("/kb", BORIS)
    await added(stage, docs)
    docs.rename(docs.with_name("elsewhere"))
    await later(stage, DAY + 60)
    await later(stage, DAY + 60)
    await told(stage, "docs could not be read")
    assert sum("docs could not be read" in text for text in stage.telegram.texts(ANNA)) == 1
    for who, language in ((ANNA, "en"), (BORIS, "ru")):
        reason = say(language, "kb.failure.path_missing", path=docs)
        assert await told(stage, say(language, "kb.failed", name="docs", reason=reason), who=who)
        page = await stage.ask("/kb", who)
        assert say(language, "kb.line.nobody", name="docs", articles=40, passages=40, age="")[:20] in page
        assert say(language, "kb.error", reason=reason) in page


async def test_embeddings_are_bought_once_their_price_is_agreed_to_and_after_a_kill_only_the_rest(
    stage: Stage, docs: Path
) -> None:
    await opened(stage, daily_money=Decimal(100))
    await added(stage, docs)
    price = await told(stage, "40 passages can be searched by meaning")
    assert ", in about 1 min (" in price
    assert stage.telegram.texts(ANNA)[-1] == price
    assert rows(stage, "SELECT count(*) FROM kb_vectors") == [(0,)]
    await pressed(stage, say("en", "kb.later"))
    assert "40 passages can be searched by meaning" in await stage.ask("/kb")
    await stage.press(say("en", "kb.buy"))
    await soon(stage, lambda: rows(stage, "SELECT count(*) FROM kb_vectors") == [(20,)] or None)
    await stage.crash()
    await stage.start()
    await told(stage, "The passages are embedded")
    assert rows(stage, "SELECT count(*) FROM kb_vectors") == [(40,)]
    assert rows(stage, "SELECT count(*) FROM usage WHERE turn = 'kb'") == [(2,)]
    assert rows(stage, "SELECT action FROM audit") == [("kb_add",), ("kb_buy",)]
    assert rows(stage, "SELECT * FROM reservations") == []
    ((booked,),), ((spent,),) = (
        rows(stage, f"SELECT sum({what}) FROM {where}")
        for what, where in (("cost", "usage WHERE turn = 'kb'"), ("amount", "spending WHERE scope = 'bot'"))
    )
    assert booked <= spent < 3 * booked, "what the killed process was buying counts at its highest price"


async def test_embeddings_that_the_bot_may_not_spend_so_much_on_are_not_bought(stage: Stage, docs: Path) -> None:
    await opened(stage, daily_money=Decimal("0.001"))
    await added(stage, docs)
    await told(stage, "40 passages can be searched by meaning")
    await stage.press(say("en", "kb.buy"))
    refused = await told(stage, "and only 0.00")
    assert refused.startswith("This costs ")
    assert "40 passages can be searched by meaning" in refused
    assert rows(stage, "SELECT count(*) FROM kb_vectors") == [(0,)]
    assert rows(stage, "SELECT * FROM reservations") == []


async def test_free_embeddings_are_made_without_a_question(stage: Stage, docs: Path) -> None:
    await opened(stage, embedding_price=Decimal(0))
    await added(stage, docs)
    await soon(stage, lambda: rows(stage, "SELECT count(*) FROM kb_vectors") == [(40,)] or None)
    assert not [text for text in stage.telegram.texts(ANNA) if "searched by meaning" in text]


async def test_a_kill_before_the_end_of_a_sync_leaves_it_to_the_next_start_which_tells_its_result_once(
    stage: Stage, docs: Path
) -> None:
    await opened(stage, embeddings="off")
    await stage.ask(f"/kb add {docs}")
    await stage.crash()
    assert rows(stage, "SELECT kind FROM jobs WHERE kind LIKE 'kb.%'") == [("kb.sync",)]
    await stage.start()
    await told(stage, "docs is read")
    await asyncio.sleep(60)
    assert sum("docs is read" in text for text in stage.telegram.texts(ANNA)) == 1
    assert rows(stage, "SELECT count(*) FROM kb_passages") == [(40,)]


async def test_a_document_with_the_caption_becomes_a_source_whose_file_goes_with_it(
    stage: Stage, tmp_path: Path
) -> None:
    await opened(stage, embeddings="off", knowledge_cache=tmp_path)
    stage.telegram.upload(
        ANNA, b"# Returns\n\nWithin 14 days.\n", "document", name="../../retu rns?.md", caption="/kb add"
    )
    await told(stage, "is read")
    (kept,) = list(tmp_path.rglob("*.md"))
    assert kept.name == "retu rns_.md"
    assert kept.is_relative_to(tmp_path / "files")
    await stage.ask("/kb")
    await pressed(stage, labels(stage)[0], say("en", "kb.remove"), say("en", "kb.remove"))
    await soon(stage, lambda: not list(tmp_path.rglob("*.md")) or None)


async def test_the_disk_of_the_server_is_for_owners_and_all_of_it_for_admins(stage: Stage, docs: Path) -> None:
    app = await stage.start(owners=[ANNA], embeddings="off")
    await app.joining.directory.write(
        lambda tx: tx.members.store_member(app.telegram.api.id, BORIS, "admin", ANNA, None)
    )
    assert await stage.ask(f"/kb add {docs}", BORIS) == say("ru", "kb.owners")
    assert say("ru", "kb.none") in await stage.ask("/kb", BORIS)
    assert (await stage.ask("/kb add http://127.0.0.1/", BORIS)).startswith(say("ru", "kb.added", name="127.0.0.1"))
    await told(stage, say("ru", "kb.failure.page_forbidden", address="http://127.0.0.1/"), who=BORIS)
    assert rows(stage, "SELECT kind, address, every FROM kb_sources") == [("web", "http://127.0.0.1/", DAY)]
    assert await stage.ask("/kb add /nowhere", ANNA) == say("en", "kb.unknown", address="/nowhere")
    assert "/kb" not in await stage.ask("/help", CLARA)
    assert "/kb" in await stage.ask("/help", BORIS)


async def test_without_knowledge_there_is_no_command(stage: Stage) -> None:
    await opened(stage, knowledge="off")
    assert "/kb" not in await stage.ask("/help")


async def test_a_folder_that_can_not_be_written_is_named_for_a_file_and_for_a_repository(
    stage: Stage, tmp_path: Path
) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("no folder")
    await opened(stage, knowledge_cache=blocked)
    stage.telegram.upload(ANNA, b"# Returns\n\nWithin 14 days.\n", "document", name="returns.md", caption="/kb add")
    sentence = say("en", "kb.failure.files", reason="@").partition("@")
    for count, also in ((1, ""), (2, f"/kb add {(tmp_path / 'manual.git').as_uri()}")):
        if also:
            stage.telegram.say(ANNA, also)
        assert str(blocked) in await told(stage, sentence[2], count)
