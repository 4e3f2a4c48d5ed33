"""The chat page in headless Chromium, with the whole sandbox behind it: what a newcomer sees in the first minute.

A wait of the browser lasts a minute at most (`PATIENCE`) and ends as soon as the thing is there.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, Route, expect

from bot.evaluation.cases import Case
from bot.evaluation.checks import Outcome
from bot.evaluation.results import Result, grade
from bot.sandbox.faults import Fault, PlannedFault
from bot.sandbox.main import Sandbox
from bot.sandbox.painter import draw
from bot.sandbox.telegram.methods.account import DEFAULT_SCOPE, GROUP_SCOPE
from bot.sandbox.telegram.server_facade import text_of
from bot.storage.store import Store, Tx
from bot.storage.tables.batch import BatchRequest, BatchRun, StoredTuning, VendorStep
from bot.texts import en
from tests.sandbox.page.chromium import PATIENCE, find_browser, launched, new_tab, visiting
from tests.support.forked import forking_python

pytestmark = [
    pytest.mark.page,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(180),
    pytest.mark.skipif(not find_browser() and not os.environ.get("CI"), reason="NO CHROMIUM: the page is not tested"),
]
expect.set_options(timeout=PATIENCE * 1000)
ANNA = 1001
STEP = 170_000  # milliseconds: a step is patient itself, several times

PLACES = "all => all.map(one => one.getBoundingClientRect()).map(box => [Math.round(box.x), Math.round(box.y)])"
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
async def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sandbox]:
    monkeypatch.setattr(sys, "executable", await forking_python())
    sandbox = Sandbox(tmp_path / "sandbox")
    await sandbox.start()
    yield sandbox
    await sandbox.close()


@pytest_asyncio.fixture(loop_scope="module")
async def quiet(tmp_path: Path) -> AsyncIterator[Sandbox]:
    """A sandbox whose bot does nothing: what it says is said by the test (`bot_says`)."""
    sandbox = Sandbox(tmp_path / "quiet", (sys.executable, "-S", "-c", "import time; time.sleep(600)"))
    await sandbox.start()
    yield sandbox
    await sandbox.close()


@pytest_asyncio.fixture(loop_scope="module")
async def quiet_page(tab: Page, quiet: Sandbox, problems: list[str]) -> AsyncIterator[Page]:
    problems.clear()
    async with visiting(tab, quiet.url):
        await expect(tab.get_by_test_id("chat-status")).to_have_text("bot")
        yield tab
        assert problems == []


def bot_says(sandbox: Sandbox, text: str, chat_id: int = ANNA, **options: Any) -> int:
    """A message of the bot; returns its id."""
    state = sandbox.telegram.state
    message = state.post(state.chats[chat_id], state.profile.id, {"text": text, **options.pop("more", {})}, **options)
    return int(message["message_id"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def problems() -> list[str]:
    """What has gone wrong in the tab; a test that provokes an error clears the list."""
    return []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tab(browser: Browser, problems: list[str]) -> AsyncIterator[Page]:
    async with new_tab(browser, problems) as tab:
        yield tab


@pytest_asyncio.fixture(loop_scope="module")
async def page(tab: Page, sandbox: Sandbox, problems: list[str]) -> AsyncIterator[Page]:
    problems.clear()
    async with visiting(tab, sandbox.url):
        yield tab
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


async def done(page: Page, sandbox: Sandbox, step: str) -> None:
    """Press the button of a step and wait for its tick. What the step says instead is the message of the failure."""
    box = page.locator(".trial", has=page.get_by_test_id(f"step-{step}"))
    await page.get_by_test_id(f"step-{step}").click()
    await expect(box.locator(".trial-result")).not_to_have_text("…", timeout=STEP)
    assert sandbox.bot is not None
    result = await box.locator(".trial-result").inner_text()
    chats = "\n".join(f"{chat}: {sandbox.telegram.texts(chat)}" for chat in sandbox.telegram.state.chats)
    said = f"{step}: {result}\n{chats}\n{sandbox.bot.log.read_text()[-5000:]}"
    await expect(page.get_by_test_id(f"tick-{step}"), said).to_have_class("tick done", timeout=1000)


async def confirmed_late(route: Route) -> None:
    """Let the page hear that a press was taken after what the bot has said to it, as on a busy machine."""
    response = await route.fetch()
    await route.request.frame.page.wait_for_timeout(2_000)
    await route.fulfill(response=response)


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


async def test_stop_stands_in_the_place_of_send_and_keeps_what_was_written(page: Page) -> None:
    await expect(page.get_by_test_id("record")).to_be_visible()  # the page may still be waiting for the chats
    send = await page.get_by_test_id("record").bounding_box()
    await say(page, "Give me a long answer")
    await expect(page.get_by_test_id("draft")).to_have_text(LONG)
    await expect(page.get_by_test_id("send")).to_be_hidden()
    assert await page.get_by_test_id("stop").bounding_box() == send
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
    pictures = page.locator(".previews img")
    await expect(pictures).to_have_count(3)
    for place in range(3):
        await wide(pictures.nth(place), 1024)
    boxes = await pictures.evaluate_all(PLACES)  # all in one frame: the dialog still moves as it opens
    assert (len({top for _, top in boxes}), len({left for left, _ in boxes})) == (1, 3)  # side by side
    await page.get_by_test_id("caption").fill("What is it?")
    await page.get_by_test_id("dialog-ok").click()
    await answered(page, 1)
    sent = [one for one in sandbox.telegram.transcript(1001) if "photo" in one]
    assert len(sent) == 3
    assert len({one["media_group_id"] for one in sent}) == 1
    assert await answers(page).count() == 1
    await expect(page.get_by_test_id("mosaic").get_by_test_id("photo")).to_have_count(3)
    await expect(page.locator("[data-testid^=message-][data-from=user]")).to_have_count(1)


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
    await expect(page.get_by_test_id("empty")).to_contain_text(f"mention @{sandbox.telegram.state.profile.username}")
    await expect(page.get_by_test_id("start")).to_be_hidden()
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
    async with new_tab(browser, problems, language="ru-RU") as page, visiting(page, sandbox.url):
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


async def test_a_bot_killed_in_the_middle_of_an_answer_looks_dead_and_answers_after_its_start(page: Page) -> None:
    await say(page, "Give me a long answer")
    await expect(page.get_by_test_id("draft")).to_have_text(LONG)
    await page.get_by_test_id("tab-process").click()
    await page.get_by_test_id("bot-kill").click()
    await expect(page.get_by_test_id("chat-status")).to_have_text("bot is not running")
    await expect(page.get_by_test_id("draft")).to_have_count(0)
    await expect(page.get_by_test_id("stop")).to_be_hidden()
    await page.get_by_test_id("start-bar").click()
    await answered(page, 1)
    await expect(page.get_by_test_id("notice")).to_be_hidden()


async def test_the_list_of_chats_says_what_the_bot_is_doing_there(quiet: Sandbox, quiet_page: Page) -> None:
    quiet.hub.publish("action", chat_id=ANNA, thread_id=0, action="upload_photo")
    await expect(quiet_page.get_by_test_id("chat-status")).to_contain_text("is sending a photo")
    await expect(quiet_page.get_by_test_id(f"chat-{ANNA}")).to_contain_text("is sending a photo")


async def test_what_one_member_alone_sees_is_drawn_for_that_person_and_says_so(sandbox: Sandbox, page: Page) -> None:
    await sandbox.telegram.wait_for(lambda: sandbox.telegram.state.commands.get(GROUP_SCOPE), PATIENCE)
    await to_the_group(page)
    await say(page, "/whisper hello")
    alone = page.locator("[data-testid^=only-you-]")
    await expect(alone.nth(1)).to_be_visible()
    rows = await page.locator("[data-testid^=message-]").all()
    assert [await row.get_attribute("data-from") for row in rows] == ["user", "bot"]
    await page.get_by_test_id("account").click()
    await page.get_by_test_id("user-1002").click()
    await page.get_by_test_id("chat--1001000000001").click()
    await expect(alone).to_have_count(0)


async def test_what_can_be_tried_says_what_it_has_done(sandbox: Sandbox, page: Page) -> None:
    await page.get_by_test_id("try-owner").click()
    assert "yours now" in await answered(page, 1)
    await expect(page.get_by_test_id("try-owner-result")).to_contain_text("Anna owns the bot now. Write: /members")
    await page.get_by_test_id("try-closed-switch").click()
    await expect(page.get_by_test_id("try-closed-result")).to_contain_text("talks to its owner")
    await page.get_by_test_id("try-friend").click()
    await expect(page.get_by_test_id("try-friend-result")).to_contain_text("Friend has followed the link")
    await expect(page.get_by_test_id("account")).to_contain_text("Friend")
    await say(page, "Show me a table")  # with ACCESS=closed only somebody who was let in is answered
    await answered(page, 2)
    assert await answers(page).locator("table").count() == 1


async def test_the_handbook_of_a_shop_is_quoted_taught_and_changed_step_by_step(sandbox: Sandbox, page: Page) -> None:
    await page.get_by_test_id("tab-desk").click()
    for step in ("Group", "Call", "Take", "Rate"):  # people answer this customer for a day: another one asks
        await done(page, sandbox, f"desk{step}")
    await page.get_by_test_id("tab-knowledge").click()
    for step in ("shop", "ask", "source", "unknown"):
        await done(page, sandbox, step)
    await page.route("**/world/press", confirmed_late)
    for step in ("teach", "told", "edit"):
        await done(page, sandbox, step)
    customer = next(chat for chat in sandbox.telegram.state.chats.values() if chat.title == "Visitor")
    texts = [text for text in sandbox.telegram.texts(customer.id) if "30 days" in text or "45 days" in text]
    assert [("30 days" in text, "45 days" in text) for text in (texts[0], texts[-1])] == [(True, False), (False, True)]
    for look, shown in (("kbSources", "shop-en"), ("kbSearch", "1. Returns"), ("kbRights", "Visitor: ")):
        await done(page, sandbox, look)
        await expect(page.locator("#pane-knowledge")).to_contain_text(shown)
    assert not any("extension 7" in text for text in sandbox.telegram.texts(customer.id))


async def test_a_customer_is_handed_over_to_a_person_and_back_step_by_step(sandbox: Sandbox, page: Page) -> None:
    await page.get_by_test_id("tab-desk").click()
    for step in ("Group", "Call", "Take", "Answer", "Amend", "Note", "Draft", "Return", "Rate"):
        await done(page, sandbox, f"desk{step}")
    customer = next(chat for chat in sandbox.telegram.state.chats.values() if chat.title == "Customer")
    texts = sandbox.telegram.texts(customer.id)
    assert texts[:2] == [en.TEXTS["desk.called"], "Your lamp leaves tomorrow."]
    assert texts[2].startswith("You wrote (8 words):"), "the draft of the scripted model"
    assert texts[3:] == [en.TEXTS["desk.returned"], en.TEXTS["desk.rate.thanks"].replace("{stars}", "★★★★★")]
    phones = [page.frame_locator(f"[data-testid=phone-{side}]") for side in ("customer", "operator")]
    await expect(phones[0].get_by_text("Your lamp leaves tomorrow.")).to_be_visible()
    await expect(phones[1].get_by_text("// second complaint this month")).to_be_visible()
    await expect(phones[0].get_by_text("second complaint")).to_have_count(0)
    gauge = page.get_by_test_id("desk-load")
    await expect(gauge).to_have_text(re.compile(r"^This group: [1-9]\d? of 20 messages in the last minute\.$"))


async def test_what_people_do_on_both_phones_of_a_desk_ticks_its_steps(sandbox: Sandbox, page: Page) -> None:
    await page.get_by_test_id("tab-desk").click()
    for step in ("Group", "Call"):
        await done(page, sandbox, f"desk{step}")
    customer, operator = (page.frame_locator(f"[data-testid=phone-{side}]") for side in ("customer", "operator"))
    await operator.get_by_test_id("back").click()
    await operator.locator(".place.topic", has_text="Customer").last.click()
    await operator.get_by_role("button", name="Take").click()
    await expect(page.get_by_test_id("tick-deskTake")).to_have_class("tick done")
    await operator.get_by_test_id("composer").fill("Good evening!")
    await operator.get_by_test_id("send").click()
    await expect(customer.get_by_test_id("messages").get_by_text("Good evening!")).to_be_visible()
    await expect(page.get_by_test_id("tick-deskAnswer")).to_have_class("tick done")
    await operator.get_by_role("button", name="Close", exact=True).click()
    await customer.get_by_role("button", name="★★★★★").click()
    await expect(page.get_by_test_id("tick-deskRate")).to_have_class("tick done")


async def test_a_step_of_an_owner_begins_when_the_bot_has_said_who_owns_it(sandbox: Sandbox, page: Page) -> None:
    """The bot handles chats side by side: a command in a group could be read before the code in private."""
    late = sandbox.telegram.faults.add(PlannedFault("sendMessage", Fault(0, delay=1.0), chat_id=ANNA))
    await page.get_by_test_id("tab-desk").click()
    await done(page, sandbox, "deskGroup")
    assert late.spent
    messages = [event["message"] for event in sandbox.hub.after(0) or [] if event["type"] == "message"]
    texts = [text_of(message) for message in messages]
    assert ["yours now" in text for text in texts].index(True) < texts.index("/desk@govorun_sandbox_bot")


async def test_all_tabs_can_be_seen_and_a_note_covers_no_message(quiet: Sandbox, quiet_page: Page) -> None:
    bot_says(quiet, "The newest answer.")
    for width in (1300, 390):
        await quiet_page.set_viewport_size({"width": width, "height": 820})
        if width < 1100:
            await quiet_page.get_by_test_id("panel-toggle").click()
        tabs = quiet_page.get_by_role("tab")
        assert await tabs.count() == 7
        panel = await quiet_page.get_by_test_id("panel").bounding_box()
        for box in [await tab.bounding_box() for tab in await tabs.all()]:
            assert panel is not None
            assert box is not None
            assert panel["x"] <= box["x"]
            assert box["x"] + box["width"] <= panel["x"] + panel["width"]
    await quiet_page.set_viewport_size({"width": 1300, "height": 820})
    await expect(quiet_page.locator("#pane-try")).to_contain_text("5 RUB")  # also while it is off
    await quiet_page.evaluate("import('./toast.js').then(page => page.toast('Taken.'))")
    note, message = quiet_page.get_by_test_id("toast"), quiet_page.get_by_text("The newest answer.").last
    below, above = await note.bounding_box(), await message.bounding_box()
    assert above is not None
    assert below is not None
    assert above["y"] + above["height"] <= below["y"]


async def test_steps_of_a_desk_that_are_pressed_together_run_one_after_another(sandbox: Sandbox, page: Page) -> None:
    await page.get_by_test_id("tab-desk").click()
    for step in ("troubleTopic", "troubleBlock", "troubleBoth"):
        await page.get_by_test_id(f"step-{step}").click()
    for step in ("troubleTopic", "troubleBlock", "troubleBoth"):
        await expect(page.get_by_test_id(f"tick-{step}")).to_have_class(re.compile("done"), timeout=STEP)


async def test_what_goes_wrong_at_a_desk_ends_as_it_must(sandbox: Sandbox, page: Page) -> None:
    await page.get_by_test_id("tab-desk").click()
    await page.get_by_test_id("desk-own-switch").click()
    await expect(page.get_by_test_id("step-troubleRights")).to_be_disabled()
    for step in ("Topic", "Both", "Flood", "Kill", "Block", "Closed"):
        await done(page, sandbox, f"trouble{step}")
    await done(page, sandbox, "accountAsk")
    await expect(page.get_by_text("in your chat: “When are you open?”")).to_be_visible()


async def test_runs_tuned_models_and_what_an_evaluation_has_changed_are_shown(quiet: Sandbox, quiet_page: Page) -> None:
    async with Store.open(f"sqlite+aiosqlite:///{quiet.directory / 'govorun.db'}", quiet.telegram.clock) as store:
        await store.write(lambda tx: seed_runs(tx, quiet.telegram.state.profile.id))
    await quiet_page.get_by_test_id("tab-runs").click()
    for name, shown in {
        "run-1": ["1 · old.csv", "done", "1 of 1 answered", "0.50 RUB, 30 tokens"],
        "run-2": ["validating", "0 of 1 answered", "at most 80.00 RUB"],
        "run-3": ["stopped", "the key is refused"],
        "tuning-1": ["shop", "completed", "better: 9 of 10", "in use"],
        "eval-diff": [
            "3 cases: 1 right, 1 wrong",
            "1 better, 1 worse, 1 stale (p = 1). Noise",
            "cost 0.30 RUB (before ",
        ],
    }.items():
        for text in shown:
            await expect(quiet_page.get_by_test_id(name)).to_contain_text(text)
    cases = quiet_page.get_by_test_id("eval-case")
    await expect(cases).to_have_text([
        "How long?was: 14 daysnow: 30 dayswhy: it does not say '14 days'",
        "Who?was: nobodynow: Annawas wrong: it does not say 'Anna'", "Where?now: herewhy: its source is gone",
    ])  # fmt: skip
    await expect(quiet_page.locator("#pane-runs")).to_contain_text(f"{quiet.directory}/commands.env")
    async with quiet_page.expect_response("**/world/service"):
        await quiet_page.get_by_test_id("batch-shuffled").click()
    await expect(quiet_page.get_by_test_id("batch-shuffled")).to_be_checked()
    assert quiet.studio.batch_faults is not None
    assert quiet.studio.batch_faults.lasting == {"shuffled"}


def seed_runs(tx: Tx, bot: int) -> None:
    """A run that is done, one that the service checks, one that has stopped; a tuned model; two runs of all cases."""
    for name, state in (("old", "done"), ("new", "running"), ("bad", "stopped")):
        new = BatchRun(bot=bot, mode="batch", model="gemma", source=f"/x/{name}.csv", options={}, requests=1, at=0.0)
        reason = "the key is refused" if name == "bad" else ""
        run = tx.add(replace(new, state=state, estimate=80_000_000, reason=reason, at=tx.clock.time())).id
        tx.add(BatchRequest(run=run, hash="h", place=1, body="{}"))
    answered = {"state": "answered", "answer": "x", "prompt": 10, "completion": 20, "cost": 500_000}
    tx.change_all(BatchRequest, answered, run=1)
    tx.add(VendorStep(run=2, token="t", state="validating"))
    plain: dict[str, Any] = dict.fromkeys(("token", "kind", "digest", "train", "validation", "system"), "")
    tuning = StoredTuning(bot=bot, **plain, name="shop", base="cls://a", at=tx.clock.time())
    tx.add(replace(tuning, state="completed", verdict="better: 9 of 10", before="{}"))
    for answers in (("14 days", "nobody", "here"), ("30 days", "Anna", "here")):
        results = [
            seeded("How long?", answers[0], must="14 days"), seeded("Who?", answers[1], must="Anna"),
            seeded("Where?", answers[2], stale="its source is gone"),
        ]  # fmt: skip
        tx.evaluations.add_run(bot, "", {}, [(0, 0, one.to_row()) for one in results])


def seeded(question: str, answer: str, must: str = "", stale: str = "") -> Result:
    case = Case(question=question, must_contain=(must,) if must else (), stale=stale)
    return replace(grade(case, Outcome(text=answer)), cost=100_000)


async def test_the_keyboard_reaches_everything(quiet: Sandbox, quiet_page: Page) -> None:
    page, field = quiet_page, quiet_page.get_by_test_id("composer")
    await expect(page).to_have_title("Govorun · Sandbox")
    await expect(field).to_be_focused()
    words = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    commands = [{"command": word, "description": word} for word in words]
    quiet.telegram.state.commands[DEFAULT_SCOPE] = {"": commands}
    quiet.hub.publish("commands", commands=quiet.telegram.state.commands)
    menu = page.get_by_test_id("command-menu")
    await page.get_by_test_id("commands-button").click()
    await page.keyboard.press("Escape")
    await expect(menu).to_be_hidden()
    await page.get_by_test_id("commands-button").click()
    await expect(page.get_by_test_id("command-nine")).to_be_visible()
    assert await menu.evaluate("menu => menu.scrollHeight === menu.clientHeight"), "nine commands need no scrolling"
    for key in ("ArrowDown", "ArrowDown", "ArrowUp", "Enter"):
        await page.keyboard.press(key)
    await expect(page.get_by_test_id("messages")).to_contain_text("/two")

    again = {"reply_markup": {"inline_keyboard": [[{"text": sign, "callback_data": sign} for sign in "‹↻›"]]}}
    ids = [bot_says(quiet, "word", more=again) for _ in range(20)]
    await expect(page.get_by_role("button", name="Another answer")).to_have_count(20)
    await page.get_by_test_id("panel-toggle").focus()
    for _presses in range(14):  # the last message with its buttons, and the suggestions
        await page.keyboard.press("Tab")
        if await field.evaluate("field => field === document.activeElement"):
            break
    await expect(field).to_be_focused()
    await page.get_by_test_id(f"message-{ids[-1]}").focus()
    await page.keyboard.press("ArrowUp")
    await expect(page.get_by_test_id(f"message-{ids[-2]}")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_test_id("menu")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.get_by_test_id("chat-title").click()
    await page.keyboard.type("hello")
    await expect(field).to_have_value("hello")
    await to_the_group(page)
    await expect(field).to_be_focused()


async def test_messages_are_found_answered_and_deleted(quiet: Sandbox, quiet_page: Page) -> None:
    page = quiet_page
    first = bot_says(quiet, "The lighthouse")
    for number in range(30):
        bot_says(quiet, f"number {number}")
    await page.get_by_test_id("search-open").click()
    await page.get_by_test_id("search-field").fill("LIGHTHOUSE")
    await expect(page.get_by_test_id("search-count")).to_have_text("1 / 1")
    await expect(page.get_by_test_id(f"message-{first}")).to_be_in_viewport()
    await page.keyboard.press("Escape")
    await expect(page.get_by_test_id("composer")).to_be_focused()

    await page.get_by_test_id(f"message-{first}").locator(".bubble").dblclick()
    await expect(page.get_by_test_id("intent")).to_contain_text("The lighthouse")
    await page.get_by_test_id("intent-cancel").click()
    bot_says(quiet, "What shall it be called?", force_reply=True)
    await expect(page.get_by_test_id("intent")).to_contain_text("What shall it be called?")
    await say(page, "Ann")
    await expect(page.locator("[data-testid^=reply-of-]")).to_contain_text("What shall it be called?")

    last = page.locator("[data-testid^=message-]").last
    await expect(last).to_be_in_viewport()
    await last.click(button="right")
    box = await page.get_by_test_id("menu").bounding_box()
    assert box
    assert box["y"] + box["height"] <= 800
    await page.get_by_test_id("menu-delete").click()
    await page.get_by_test_id("dialog-ok").click()
    await expect(page.locator("[data-testid^=reply-of-]")).to_have_count(0)
    assert quiet.telegram.transcript(ANNA)[-1]["text"] == "What shall it be called?"

    await to_the_group(page)
    await page.get_by_test_id("chat-1001").click()
    await to_the_group(page)
    bot_says(quiet, "While you were away")
    await expect(page.get_by_test_id("chat-1001").get_by_test_id("unread")).to_have_text("1")
    await page.get_by_test_id("chat-1001").click()
    line = page.get_by_test_id("unread-line")
    await expect(line).to_be_visible()
    assert await line.evaluate("line => line.nextElementSibling.innerText.includes('While you were away')")


async def test_media_and_scripts_look_as_in_telegram(quiet: Sandbox, quiet_page: Page, tmp_path: Path) -> None:
    page = quiet_page
    for number in range(20):
        bot_says(quiet, f"number {number}")
    quiet.telegram.upload(ANNA, draw("a cat", 1, 1, 1), "photo")
    await page.get_by_test_id("photo").click()
    box = await page.get_by_test_id("photo-view").locator("img").bounding_box()
    assert box
    assert abs(box["x"] + box["width"] / 2 - 640) < 2
    await page.keyboard.press("Escape")

    quiet.telegram.upload(ANNA, draw("a cat", 2, 1, 1), "sticker", name="🙂")
    bare = page.locator(".bubble:has([data-testid=sticker])")
    await expect(bare).to_be_in_viewport()
    assert await bare.evaluate("bubble => getComputedStyle(bubble).backgroundColor") == "rgba(0, 0, 0, 0)"
    below = "() => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 2"
    await page.wait_for_function(below)

    hebrew = bot_says(quiet, "שלום עולם")
    text = page.get_by_test_id(f"message-{hebrew}").locator(".text")
    assert await text.evaluate("text => getComputedStyle(text).direction") == "rtl"

    await page.get_by_test_id("record").click()
    await expect(page.get_by_test_id("recording")).to_contain_text("0:01")
    await page.get_by_test_id("record-send").click()
    await expect(page.get_by_test_id("voice")).to_be_visible()
    voice = quiet.telegram.transcript(ANNA)[-1]["voice"]
    assert quiet.telegram.state.files[voice["file_id"]].data.startswith(b"OggS")


async def test_a_reply_button_of_the_bot_shares_the_number(quiet: Sandbox, quiet_page: Page) -> None:
    state = quiet.telegram.state
    number, chat = bot_says(quiet, "Whom may we call?"), state.chats[ANNA]
    state.put_reply_keyboard(
        chat, chat.messages[number], [[{"text": "Share my phone number", "request_contact": True}]]
    )
    await quiet_page.get_by_role("button", name="Share my phone number").click()
    await expect(quiet_page.locator("[data-testid^=message-][data-from=user]")).to_contain_text("📱 Anna, +79000001001")
    state.put_reply_keyboard(chat, chat.messages[number], [])
    await expect(quiet_page.get_by_test_id("reply-keyboard")).to_be_hidden()


async def test_a_blocked_bot_has_a_bar_to_unblock_it_in_place_of_the_field(quiet_page: Page) -> None:
    page = quiet_page
    await page.get_by_test_id("chat-more").click()
    await expect(page.get_by_test_id("unblock")).to_have_count(0)
    await page.get_by_test_id("block").click()
    await expect(page.get_by_test_id("composer")).to_be_hidden()
    await page.get_by_test_id("chat-more").click()
    await expect(page.get_by_test_id("block")).to_have_count(0)
    await page.keyboard.press("Escape")
    await page.get_by_test_id("unblock-bar").click()
    await expect(page.get_by_test_id("composer")).to_be_visible()


def is_policy(line: str) -> bool:
    """Whether the browser says that the page's policy has stopped something."""
    return "Content Security Policy" in line or "Trusted" in line


LONG = re.compile(r"[\s\S]{40}")
