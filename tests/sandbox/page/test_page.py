"""The chat page in headless Chromium, with the whole sandbox behind it: what a newcomer sees in the first minute."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.sandbox.main import Sandbox
from bot.sandbox.media.landscapes import draw
from bot.sandbox.telegram.methods.account import GROUP_SCOPE
from tests.sandbox.page.chromium import Page, find_browser

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


async def to_the_group(page: Page) -> None:
    """Open the group; a page that is still loading would go back to the talk with the bot."""
    opened = "document.querySelector('[data-testid=\"chat--1001000000001\"][aria-current=true]')"
    await page.wait_for("document.readyState === 'complete'")
    await page.click('[data-testid="chat--1001000000001"]')
    await page.wait_for(opened)


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


async def attach(page: Page, kind: str, files: list[Path]) -> None:
    await page.call("Page.setInterceptFileChooserDialog", enabled=True)
    await page.click("[data-testid=attach]")
    await page.click(f"[data-testid=attach-{kind}]")
    await page.set_files("[data-testid=file-input]", files)
    await page.wait_for("document.querySelector('[data-testid=upload]')")


async def test_several_photos_are_an_album_with_one_answer(sandbox: Sandbox, page: Page, tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.jpg" for number in range(3)]
    for number, file in enumerate(files):
        file.write_bytes(draw("a cat", number, 1, 1))
    await attach(page, "photo", files)
    await page.type("[data-testid=caption]", "What is it?")
    await page.click("[data-testid=dialog-ok]")
    await answered(page, 1)
    sent = [one for one in sandbox.telegram.transcript(1001) if "photo" in one]
    assert len(sent) == 3
    assert len({one["media_group_id"] for one in sent}) == 1
    assert await page.eval(f"{BOT_MESSAGES}.length") == 1


async def test_any_picture_is_sent_as_a_sticker(sandbox: Sandbox, page: Page, tmp_path: Path) -> None:
    file = tmp_path / "cat.jpg"
    file.write_bytes(draw("a cat", 1, 1, 1))
    await attach(page, "sticker", [file])
    await page.click("[data-testid=dialog-ok]")
    await page.wait_for("document.querySelector('img[data-testid=sticker]')?.naturalWidth === 512")
    await answered(page, 1)
    assert sandbox.telegram.transcript(1001)[0]["sticker"]["emoji"] == "🙂"


async def test_a_link_to_the_bot_is_opened_in_the_talk_with_it(sandbox: Sandbox, page: Page) -> None:
    await sandbox.telegram.wait_for(lambda: sandbox.telegram.state.commands.get(GROUP_SCOPE), 30)
    await to_the_group(page)
    await say(page, f"https://t.me/{sandbox.telegram.state.profile.username}?start=abc")
    await page.click("[data-testid=messages] a.link")
    await answered(page, 1)
    assert sandbox.telegram.transcript(1001)[0]["text"] == "/start abc"


async def test_words_that_got_into_the_page_as_markup_would_still_run_nothing(page: Page) -> None:
    for attempt in (
        "const script = document.createElement('script'); script.textContent = 'ran = 1'; document.body.append(script)",
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"ran = 1\">')",
        "document.body.setAttribute('onclick', 'ran = 1'); document.body.click()",
        "document.body.setAttribute('style', 'color: red')",
    ):
        page.console.clear()
        await page.eval(f"(() => {{ try {{ {attempt} }} catch {{ }} }})()")
        await page.wait_for("typeof ran === 'undefined' && document.body.style.color === ''")
        assert any("Content Security Policy" in line or "Trusted" in line for line in page.console), attempt
    page.console.clear()


async def test_a_newcomer_is_answered_in_the_language_of_the_browser(sandbox: Sandbox) -> None:
    async with Page.open(sandbox.url, language="ru-RU") as page:
        await page.wait_for("document.querySelector('[data-testid=composer]')", 20)
        await say(page, "Покажи таблицу")
        await answered(page, 1)
        assert sandbox.telegram.transcript(1002)[0]["text"] == "Покажи таблицу"
        await say(page, "/stop")
        assert "Сейчас" in await answered(page, 2)
        assert page.problems == []


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
    await to_the_group(page)
    await say(page, "/whisper hello")
    await page.wait_for("document.querySelectorAll('[data-testid^=only-you-]').length >= 2", 60)
    await page.click("[data-testid=account]")
    await page.click("[data-testid=user-1002]")
    await page.click('[data-testid="chat--1001000000001"]')
    await page.wait_for("document.querySelectorAll('[data-testid^=only-you-]').length === 0", 5)
