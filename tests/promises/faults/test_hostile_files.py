"""Files that are made to hurt: the person hears what is wrong, and nobody else notices anything (P26, T25, F102)."""

from __future__ import annotations

import asyncio

import pytest

from bench.hostile import docx, slow_pdf
from bot.concurrency.child_pool import ChildPool, FileLimits
from bot.knowledge.extraction import pages
from bot.runtime import resources
from bot.texts.catalog import say
from tests.support.opening import refusal
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import rows

pytestmark = pytest.mark.wire("tcp")

SHORT = FileLimits(memory=160 << 20, cpu=2.0)


async def opening(stage: Stage, attempts: int = 0) -> None:
    """Wait until a file is being opened. Virtual time stands still meanwhile."""
    while not rows(stage, f"SELECT 1 FROM updates WHERE reason LIKE 'opened%' AND attempts = {attempts}"):
        await asyncio.sleep(0)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files may take less, for tests that wait until they take too much."""
    monkeypatch.setattr(resources, "ChildPool", lambda: ChildPool(SHORT))


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("slow.pdf", slow_pdf(), "file.slow"),
        ("large.docx", docx(b"<w:p/>" * 2_000_000), "file.heavy"),
        ("deep.docx", docx(b"<w:p>" * 5_000 + b"</w:p>" * 5_000), "document.broken"),
    ],
)
async def test_a_file_that_hurts_is_refused_in_one_sentence_while_others_are_answered(
    stage: Stage, short: None, name: str, data: bytes, sentence: str
) -> None:
    await stage.start()
    stage.telegram.upload(ANNA, data, "document", name=name, caption="What does it say?")
    stage.studio.script("Good morning")
    assert await stage.ask("Hello", BORIS) == "Good morning"
    assert await stage.texts(1) == [say("en", sentence, name=name)]
    assert rows(stage, "SELECT state, attempts FROM updates WHERE state != 'done'") == []


async def test_a_stop_does_not_wait_for_a_file(stage: Stage) -> None:
    await stage.start(shutdown_grace=0.0)
    stage.telegram.upload(ANNA, slow_pdf(), "document", name="slow.pdf")
    await opening(stage)
    await stage.stop()
    assert rows(stage, "SELECT state, attempts FROM updates") == [("new", 0)]


async def test_crashes_while_a_file_is_opened_count_against_it_and_nobody_else(stage: Stage) -> None:
    stage.studio.fail_next("completion", hang=True, times=3)
    stage.telegram.upload(ANNA, slow_pdf(), "document", name="slow.pdf")
    stage.telegram.say(BORIS, "Hello")
    for crashes in range(3):
        await stage.start()
        await opening(stage, crashes)
        while len(stage.studio.seen("completion")) == crashes:
            await asyncio.sleep(0)
        await stage.crash()
    stage.studio.script("Good morning")
    await stage.start()
    assert await stage.texts(1) == [say("en", "error.crashed")]
    assert await stage.texts(1, BORIS) == ["Good morning"]


def test_what_unpacks_to_too_much_xml_is_not_parsed() -> None:
    assert refusal(pages, docx(b"<w:p/>" * 6_000_000), "x.docx", "") == "long"
