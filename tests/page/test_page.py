"""The chat page in headless Chromium, with the whole sandbox behind it: what a newcomer sees in the first minute."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.sandbox.command import Sandbox
from bot.sandbox.telegram_account import GROUP_SCOPE
from page.chromium import Page, find_browser

pytestmark = [
    pytest.mark.page,
    pytest.mark.skipif(not find_browser() and not os.environ.get("CI"), reason="NO CHROMIUM: the page is not tested"),
]

BOT_MESSAGES = "[...document.querySelectorAll('[data-testid^=message-][data-from=bot]')]"


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(tmp_path / "sandbox")
    await sandbox.start()
    yield sandbox
    await sandbox.close()


@pytest.fixture
async def page(sandbox: Sandbox) -> AsyncIterator[Page]:
    async with Page.open(sandbox.url) as page:
        await page.wait_for("document.querySelector('[data-testid=composer]')", 20)
        yield page
        assert page.problems == []


async def say(page: Page, text: str) -> None:
    await page.type("[data-testid=composer]", text)
    await page.press("Enter")


async def answered(page: Page, count: int, seconds: float = 30) -> str:
    await page.wait_for(f"{BOT_MESSAGES}.length >= {count}", seconds)
    return str(await page.eval(f"{BOT_MESSAGES}[{count - 1}].innerText"))


async def test_an_answer_streams_and_then_stands(page: Page) -> None:
    await say(page, "Show me a table")
    await page.wait_for("document.querySelector('[data-testid=draft]')", 20)
    await answered(page, 1)
    assert await page.eval(f"{BOT_MESSAGES}[0].querySelectorAll('table tr').length") >= 3
    await page.wait_for("!document.querySelector('[data-testid=draft]')", 5)


async def test_stop_keeps_what_was_written(page: Page) -> None:
    await say(page, "Give me a long answer")
    await page.wait_for("document.querySelector('[data-testid=draft]')?.innerText.length > 40", 20)
    await page.click("[data-testid=stop]")
    assert "stopped" in await answered(page, 1, 10)


async def test_a_picture_is_drawn_and_can_be_drawn_again(page: Page) -> None:
    await say(page, "/image a lighthouse in a storm")
    await page.wait_for("document.querySelector('[data-testid=photo]')", 30)
    await page.wait_for("document.querySelector('[data-testid=photo] img')?.naturalWidth === 1024", 10)
    await page.eval(f"{BOT_MESSAGES}.at(-1).querySelector('[data-testid^=button-]').click()")
    await page.wait_for("document.querySelectorAll('[data-testid=photo]').length === 2", 30)


async def test_a_reload_shows_the_same_chat(page: Page) -> None:
    await say(page, "hello")
    before = await answered(page, 1)
    await page.reload()
    assert await answered(page, 1) == before


async def test_the_journal_shows_what_went_over_the_wire(page: Page) -> None:
    await say(page, "hello")
    await answered(page, 1)
    for lane in ("update", "call", "model"):
        await page.wait_for(f"document.querySelector('[data-testid=journal-entry][data-lane={lane}]')", 5)


async def test_a_bot_killed_in_the_middle_of_an_answer_answers_after_its_start(page: Page) -> None:
    await say(page, "Give me a long answer")
    await page.wait_for("document.querySelector('[data-testid=draft]')?.innerText.length > 40", 20)
    await page.click("[data-testid=tab-process]")
    await page.click("[data-testid=bot-kill]")
    await page.wait_for("!document.querySelector('[data-testid=bot-start]').disabled", 10)
    await page.click("[data-testid=bot-start]")
    await answered(page, 1, 60)
    assert await page.eval(f"{BOT_MESSAGES}.length") == 1


async def test_what_one_member_alone_sees_is_drawn_for_that_person_and_says_so(sandbox: Sandbox, page: Page) -> None:
    await sandbox.telegram.wait_for(lambda: sandbox.telegram.state.commands.get(GROUP_SCOPE), 30)
    await page.click('[data-testid="chat--1001000000001"]')
    await say(page, "/whisper hello")
    await page.wait_for("document.querySelectorAll('[data-testid^=only-you-]').length >= 2", 20)
    await page.click("[data-testid=account]")
    await page.click("[data-testid=user-1002]")
    await page.click('[data-testid="chat--1001000000001"]')
    await page.wait_for("document.querySelectorAll('[data-testid^=only-you-]').length === 0", 5)
