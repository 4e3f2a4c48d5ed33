"""/kb: admins add sources, say who may read them, and are told what a sync did, what it asks and what it costs."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.runtime.bot import Bot
from bot.texts.catalog import say
from tests.support.choosing import labels, pressed, toasts
from tests.support.stage import ANNA, Stage
from tests.support.telegram_side import rows, soon

DAY = 86_400


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    for number in range(40):
        (folder / f"{number}.md").write_text(f"# Question {number}\n\nThe answer to question {number} is {number}.\n")
    return folder


async def opened(stage: Stage, language: str = "en", **settings: object) -> Bot:
    stage.telegram.people[ANNA].language = language
    return await stage.start(owners=[ANNA], **settings)


async def told(stage: Stage, words: str, count: int = 1) -> str:
    """The newest message to Anna with these words, once there are so many."""

    def found() -> str | None:
        texts = [text for text in stage.telegram.texts(ANNA) if words in text]
        return texts[-1] if len(texts) >= count else None

    return await soon(stage, found)


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_a_folder_is_added_read_opened_to_people_paused_and_removed(
    stage: Stage, docs: Path, language: str
) -> None:
    def word(key: str, **values: object) -> str:
        return say(language, key, **values)

    await opened(stage, language, embeddings="off")
    assert word("kb.none") in await stage.ask("/kb")
    page = await stage.ask(f"/kb add {docs}")
    assert page.startswith(word("kb.added", name="docs")) and word("kb.who.nobody") in page
    report = word("kb.report", name="docs", new=40, unchanged=0, gone=0, added=40, ended=0)
    assert await told(stage, report) == report
    await stage.ask("/kb")
    page = await pressed(stage, "docs", word("kb.readers"), word("kb.group.members"))
    assert f"✓ {word('kb.group.members')}" in labels(stage)
    assert rows(stage, "SELECT audience FROM kb_sources") == [('["members"]',)]
    assert word("kb.who", who=word("kb.group.members")) in await pressed(stage, word("kb.back"))
    assert word("kb.state.paused") in await pressed(stage, word("kb.pause"))
    assert rows(stage, "SELECT kind FROM jobs WHERE kind LIKE 'kb.%'") == []
    await pressed(stage, word("kb.resume"))
    await told(stage, word("kb.report", name="docs", new=0, unchanged=40, gone=0, added=0, ended=0))
    await stage.ask("/kb")
    page = await pressed(stage, "docs", word("kb.remove"))
    assert page == word("kb.remove.ask", name="docs")
    assert word("kb.none") in await pressed(stage, word("kb.remove"))
    acts = rows(stage, "SELECT action, subject FROM audit ORDER BY id")
    assert acts == [(f"kb_{act}", "docs") for act in ("add", "readers", "pause", "resume", "remove")]
    assert {word("kb.read.done"), word("kb.pause.done"), word("kb.removed", name="docs")} <= set(toasts(stage))
    log = await stage.ask("/audit")
    assert word("audit.kb_readers", subject="docs", changes="readers: members") in log
