"""The chat page in headless Chromium, with the whole sandbox behind it: what a newcomer sees in the first minute.

A wait of the browser lasts a minute at most (`PATIENCE`) and ends as soon as the thing is there.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect

from bot.sandbox.main import Sandbox
from bot.sandbox.media.landscapes import draw
from bot.sandbox.telegram.methods.account import GROUP_SCOPE
from tests.sandbox.page.chromium import PATIENCE, find_browser, launched, opened

pytestmark = [
    pytest.mark.page,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(180),
    pytest.mark.skipif(not find_browser() and not os.environ.get("CI"), reason="NO CHROMIUM: the page is not tested"),
]
expect.set_options(timeout=PATIENCE * 1000)

MARKUP = (
    "const script = document.createElement('script'); script.textContent = 'ran = 1'; document.body.append(script)",
    "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"ran = 1\">')",
    "document.body.setAttribute('onclick', 'ran = 1'); document.body.click()",
    "document.body.setAttribute('style', 'color: red')",
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with launched() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(tmp_path / "sandbox")
    await sandbox.start()
    yield sandbox
    await sandbox.close()


@pytest_asyncio.fixture(loop_scope="module")
async def problems() -> list[str]:
    """What has gone wrong in the page; a test that provokes an error clears the list."""
    return []


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, sandbox: Sandbox, problems: list[str]) -> AsyncIterator[Page]:
    async with opened(browser, sandbox.url, problems) as page:
        yield page
        assert problems == []


def answers(page: Page) -> Locator:
    return page.locator("[data-testid^=message-][data-from=bot]")


async def say(page: Page, text: str) -> None:
    await page.get_by_test_id("composer").fill(text)
    await page.get_by_test_id("composer").press("Enter")


async def answered(page: Page, count: int) -> str:
    """Wait for so many messages of the bot; returns the words of the last one."""
    await expect(answers(page)).to_have_count(count)
    return await answers(page).nth(count - 1).inner_text()


async def to_the_group(page: Page) -> None:
    """Open the group; a page that is still loading would go back to the talk with the bot."""
    await page.wait_for_load_state("load")
    await page.get_by_test_id("chat--1001000000001").click()
    await expect(page.locator('[data-testid="chat--1001000000001"][aria-current=true]')).to_be_visible()


async def attach(page: Page, kind: str, files: list[Path]) -> None:
    await page.get_by_test_id("attach").click()
    async with page.expect_file_chooser() as chosen:
        await page.get_by_test_id(f"attach-{kind}").click()
    await (await chosen.value).set_files(files)
    await expect(page.get_by_test_id("upload").first).to_be_visible()


async def wide(picture: Locator, width: int) -> None:
    """Wait until a picture was loaded, and has that width."""
    await expect(picture).to_have_js_property("naturalWidth", width)


async def test_an_answer_streams_and_then_stands(page: Page) -> None:
    await say(page, "Show me a table")
    await expect(page.get_by_test_id("draft")).to_be_visible()
    await answered(page, 1)
    assert await answers(page).locator("table tr").count() >= 3
    await expect(page.get_by_test_id("draft")).to_have_count(0)


async def test_stop_keeps_what_was_written(page: Page) -> None:
    await say(page, "Give me a long answer")
    await expect(page.get_by_test_id("draft")).to_have_text(LONG)
    await page.get_by_test_id("stop").click()
    assert "stopped" in await answered(page, 1)


async def test_a_picture_is_drawn_and_can_be_drawn_again(page: Page) -> None:
    await say(page, "/image a lighthouse in a storm")
    await wide(page.get_by_test_id("photo").locator("img"), 1024)
    await answers(page).last.locator("[data-testid^=button-]").first.click()
    await expect(page.get_by_test_id("photo")).to_have_count(2)


async def test_several_photos_are_an_album_with_one_answer(sandbox: Sandbox, page: Page, tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.jpg" for number in range(3)]
    for number, file in enumerate(files):
        file.write_bytes(draw("a cat", number, 1, 1))
    await attach(page, "photo", files)
    await page.get_by_test_id("caption").fill("What is it?")
    await page.get_by_test_id("dialog-ok").click()
    await answered(page, 1)
    sent = [one for one in sandbox.telegram.transcript(1001) if "photo" in one]
    assert len(sent) == 3
    assert len({one["media_group_id"] for one in sent}) == 1
    assert await answers(page).count() == 1


async def test_any_picture_is_sent_as_a_sticker(sandbox: Sandbox, page: Page, tmp_path: Path) -> None:
    file = tmp_path / "cat.jpg"
    file.write_bytes(draw("a cat", 1, 1, 1))
    await attach(page, "sticker", [file])
    await page.get_by_test_id("dialog-ok").click()
    await wide(page.locator("img[data-testid=sticker]"), 512)
    await answered(page, 1)
    assert sandbox.telegram.transcript(1001)[0]["sticker"]["emoji"] == "🙂"


async def test_a_link_to_the_bot_is_opened_in_the_talk_with_it(sandbox: Sandbox, page: Page) -> None:
    await sandbox.telegram.wait_for(lambda: sandbox.telegram.state.commands.get(GROUP_SCOPE), PATIENCE)
    await to_the_group(page)
    await say(page, f"https://t.me/{sandbox.telegram.state.profile.username}?start=abc")
    await page.get_by_test_id("messages").locator("a.link").click()
    await answered(page, 1)
    assert sandbox.telegram.transcript(1001)[0]["text"] == "/start abc"


async def test_words_that_got_into_the_page_as_markup_would_still_run_nothing(page: Page, problems: list[str]) -> None:
    for attempt in MARKUP:
        problems.clear()
        async with page.expect_event("console", lambda line: is_policy(line.text)):
            await page.evaluate(f"() => {{ try {{ {attempt} }} catch {{ }} }}")
        assert await page.evaluate("() => typeof ran === 'undefined' && document.body.style.color === ''")
    problems.clear()


async def test_a_newcomer_is_answered_in_the_language_of_the_browser(browser: Browser, sandbox: Sandbox) -> None:
    problems: list[str] = []
    async with opened(browser, sandbox.url, problems, language="ru-RU") as page:
        await say(page, "Покажи таблицу")
        await answered(page, 1)
        assert sandbox.telegram.transcript(1002)[0]["text"] == "Покажи таблицу"
        await say(page, "/stop")
        assert "Сейчас" in await answered(page, 2)
        assert problems == []


async def test_a_reload_shows_the_same_chat(page: Page) -> None:
    await say(page, "hello")
    before = await answered(page, 1)
    await page.reload()
    assert await answered(page, 1) == before


async def test_the_journal_shows_what_went_over_the_wire(page: Page) -> None:
    await say(page, "hello")
    await answered(page, 1)
    for lane in ("update", "call", "model"):
        await expect(page.locator(f"[data-testid=journal-entry][data-lane={lane}]").first).to_be_attached()


async def test_a_bot_killed_in_the_middle_of_an_answer_answers_after_its_start(page: Page) -> None:
    await say(page, "Give me a long answer")
    await expect(page.get_by_test_id("draft")).to_have_text(LONG)
    await page.get_by_test_id("tab-process").click()
    await page.get_by_test_id("bot-kill").click()
    await page.get_by_test_id("bot-start").click()
    await answered(page, 1)


async def test_what_one_member_alone_sees_is_drawn_for_that_person_and_says_so(sandbox: Sandbox, page: Page) -> None:
    await sandbox.telegram.wait_for(lambda: sandbox.telegram.state.commands.get(GROUP_SCOPE), PATIENCE)
    await to_the_group(page)
    await say(page, "/whisper hello")
    alone = page.locator("[data-testid^=only-you-]")
    await expect(alone.nth(1)).to_be_visible()
    await page.get_by_test_id("account").click()
    await page.get_by_test_id("user-1002").click()
    await page.get_by_test_id("chat--1001000000001").click()
    await expect(alone).to_have_count(0)


def is_policy(line: str) -> bool:
    """Whether the browser says that the page's policy has stopped something."""
    return "Content Security Policy" in line or "Trusted" in line


LONG = re.compile(r"[\s\S]{40}")
