"""`bot.testing` itself: what people rely on who test their bot with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bot import App
from bot.sandbox import painter
from bot.testing.stage import Stage, opened
from bot.testing.studio import StudioSide
from bot.testing.tg import Tg
from bot.testing.virtual_loop import LoopClock
from govorun.aiogram import Command, FSMContext, MemoryStorage, Message, Router
from govorun.testing import Dialogue
from tests.support.child import PYTHONPATH
from tests.support.stage import OneReading

ROOT = Path(__file__).parents[2]

PROJECT = """
import asyncio
import pytest
from bot import App

@pytest.fixture
def bot_app():
    return App(greeting="Hello, {name}!")

async def test_the_bot(tg, studio, clock):
    assert (await tg.user("Ann").say("/start")).text == "Hello, Ann!"
    await clock.sleep(300)
    assert tg.last.text == "Hello, Ann!"

async def test_something_else(tmp_path):
    assert asyncio.get_running_loop().time() > 0
"""


def picture() -> bytes:
    return painter.draw("a cat", 1, 1, 1)


def test_a_stage_of_ours_has_the_settings_that_it_would_have_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2, 3):
        monkeypatch.setenv("MAX_TOKENS", "500" if number == 3 else "700")
        given: dict[str, Any] = {
            "_env_file": None, "bot_token": f"{number}:token", "yc_api_key": f"AQVN{number}", "access": "open",
            "database_url": f"sqlite+aiosqlite:////{number}.db", "telegram_api_url": f"http://127.0.0.1:{number}",
            "yc_folder_id": "b1g", "summaries": False, "queue_notice": 0.0,
        }  # fmt: skip
        assert OneReading().settings(**given) == App().settings(**given)


async def test_a_busy_model_is_asked_again(tg: Tg, studio: StudioSide) -> None:
    studio.fails(429, times=2)
    studio.says("Here I am.")
    assert (await tg.user("Ann").say("hi")).text == "Here I am."
    assert tg.last.text == "Here I am."
    assert [request.status for request in studio.requests] == [429, 429, 200]
    assert studio.questions == ["hi"] * 3


async def test_people_are_the_same_by_their_names_and_have_chats_of_their_own(tg: Tg, studio: StudioSide) -> None:
    studio.says("To Ann.", "To Bob.")
    ann, bob = tg.user("Ann"), tg.user("Bob", "ru")
    await ann.say("hi")
    await bob.say("hi")
    assert tg.user("Ann") == ann
    assert ([said.text for said in ann.said()], [said.text for said in bob.said()]) == (["To Ann."], ["To Bob."])
    assert (await bob.say("/new")).text.startswith("Начинаем новый диалог")
    assert tg.last == bob.said()[-1]


async def test_in_a_group_the_bot_answers_who_speaks_to_it(tg: Tg, studio: StudioSide) -> None:
    ann, bob = tg.user("Ann"), tg.user("Bob")
    tg.stage.settings = tg.stage.settings.model_copy(update={"owners": (ann.id,)})
    await tg.restart()
    team = tg.group("Tea", ann, bob)
    bob.write("what do you think?", team)
    await tg.settled()
    assert ann.said(team) == []


async def test_a_press_shows_what_the_button_did_and_a_missing_one_is_named(tg: Tg) -> None:
    ann = tg.user("Ann")
    await ann.say("/settings")
    pressed = await ann.press("Language")
    assert pressed is not None
    with pytest.raises(AssertionError, match="there is no button 'Nonsense'; there are"):
        await ann.press("Nonsense")


async def test_an_answer_that_breaks_off_and_a_crash_are_part_of_a_test(tg: Tg, studio: StudioSide) -> None:
    ann = tg.user("Ann")
    studio.breaks(after_chunks=1)
    studio.says(["one ", "two ", "three"], ["one ", "two ", "three"])
    assert "one two three" in (await ann.say("count")).text
    studio.server.ttft = 60
    ann.write("and on?")
    await tg.until(lambda: len(studio.questions) >= 3)
    studio.says("four")
    await tg.crash()
    await tg.settled()
    assert len(ann.said()) == 2


async def test_an_edit_and_a_picture_are_sent_and_silence_is_an_error(
    tg: Tg, studio: StudioSide, clock: LoopClock
) -> None:
    ann = tg.user("Ann")
    studio.says("Old.", "New.")
    await ann.say("first")
    before = clock.monotonic()
    edited = await ann.edit("second")
    assert edited is not None
    assert "New." in edited.text
    assert clock.monotonic() - before < 60
    with pytest.raises(AssertionError, match="the bot said nothing"):
        await ann.say("to others", tg.group("Tea", ann))


async def test_what_stood_on_the_screen_between_can_be_seen(tg: Tg, studio: StudioSide) -> None:
    ann = tg.user("Ann")
    studio.server.speed = 5
    studio.says([f"{word} " for word in ["one", "two", "three", "four", "five", "six", "seven", "eight"]] * 4)
    await ann.say("count")
    answer = tg.last.text
    assert tg.frames[-1] == answer
    assert len(tg.frames) > 5
    assert all(answer.startswith(frame) for frame in tg.frames)
    assert tg.shown(ann.id) == tg.frames
    studio.says("| a | b |\n|---|---|\n| 1 | 2 |\n")
    await ann.say("and a table")
    assert "1" in tg.frames[-1]


async def test_people_share_contacts_and_places_send_albums_and_change_their_language(
    tg: Tg,
) -> None:
    ann = tg.user("Ann")
    assert (ann.name, ann.language) == ("Ann", "en")
    ann.speaks("ru")
    assert (await ann.say("/new")).text.startswith("Начинаем")
    before = len(ann.said())
    assert "не видит картинки" in (await ann.send_album([picture(), picture()], "what is it?")).text
    assert len(ann.said()) == before + 1
    assert await ann.send_contact("+70000000000") is not None
    place = await ann.send_location(55.75, 37.6)
    assert place is not None
    assert "[contact]\n" in ann.dialogue()
    assert "[location]\n" in ann.dialogue()
    assert await ann.send_content({"dice": {"emoji": "🎲", "value": 6}}) is not None
    await ann.blocks()
    await ann.blocks(False)


async def test_members_come_and_go_and_an_account_of_business_is_connected(tg: Tg) -> None:
    ann, bob = tg.user("Ann"), tg.user("Bob")
    team = tg.group("Tea", ann)
    await team.joins(bob)
    assert bob.id in tg.server.state.chats[team.id].members
    await team.leaves(bob)
    assert bob.id not in tg.server.state.chats[team.id].members
    account = await tg.connect_business(ann)
    said = await account.says(bob, "are you there?")
    assert said[0].text == "are you there?"


async def test_people_can_do_no_more_than_in_telegram(tg: Tg) -> None:
    ann, eve = tg.user("Ann"), tg.user("Eve")
    team = tg.group("Team", ann)
    with pytest.raises(ValueError, match="empty message"):
        await ann.say(" ")
    for doing in (eve.say("hi", team), eve.press("Buy", team), eve.send_contact("+7", team), eve.edit("hi", team)):
        with pytest.raises(ValueError, match="Eve is no member of the group"):
            await doing
    await team.joins(eve)
    eve.write("hi", team)
    await team.leaves(eve)
    with pytest.raises(ValueError, match="no member"):
        eve.write("hi again", team)
    told = ann.dialogue(team).splitlines()
    assert told[0] == "Eve: [joined the group]"
    assert told[-1] == "Eve: [left the group]"


async def test_the_running_bot_is_at_hand(tg: Tg) -> None:
    ann = tg.user("Ann")
    await ann.say("/start")
    await tg.running.send(ann.id, "On its way.", key="shipped-7")
    await tg.settled()
    assert ann.said()[-1].text == "On its way."


async def test_a_dialogue_is_compared_with_a_file_that_people_can_read(
    tg: Tg, studio: StudioSide, tmp_path: Path
) -> None:
    ann = tg.user("Ann")
    studio.says("One.\n\nTwo.")
    await ann.say("hi")
    with pytest.raises(AssertionError, match="pytest --update-dialogues writes it"):
        Dialogue(tmp_path, "test", update=False)(ann)
    Dialogue(tmp_path, "test", update=True)(ann)
    assert (tmp_path / "test.txt").read_text() == "Ann: hi\nBot: One.\n\n  Two.\n  <↻>\n"
    same = Dialogue(tmp_path, "test", update=False)
    same(ann)
    studio.says("Three.")
    await ann.say("and?")
    with pytest.raises(AssertionError, match=r"(?s)has changed.*\+Bot: Three\."):
        Dialogue(tmp_path, "test", update=False)(ann)
    with pytest.raises(AssertionError, match=r"test-2\.txt"):
        same(ann)


async def test_the_settings_of_the_app_count_in_a_test(tmp_path: Path, govorun_template: Path) -> None:
    async with opened(tmp_path, govorun_template, own=App(access="closed", queue_notice=7)) as stage:
        assert (stage.settings.access, stage.settings.queue_notice, stage.settings.summaries) == ("closed", 7, False)


async def test_what_a_router_keeps_in_memory_is_gone_after_a_restart_and_a_crash(stage: Stage, bot_app: App) -> None:
    router = Router()

    @router.message(Command("remember"))
    async def remember(message: Message, state: FSMContext) -> None:
        before = await state.get_data()
        await state.update_data(seen=True)
        await message.answer(f"before: {before}")

    bot_app.include_router(router, states=MemoryStorage())
    await stage.start()
    tg = Tg(stage)
    ann = tg.user("Ann")
    assert (await ann.say("/remember")).text == "before: {}"
    assert (await ann.say("/remember")).text == "before: {'seen': True}"
    await tg.crash()
    assert (await ann.say("/remember")).text == "before: {}"
    await tg.restart()
    assert (await ann.say("/remember")).text == "before: {}"


@pytest.mark.process
def test_in_a_project_of_its_own_nothing_but_pytest_asyncio_is_needed(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(PROJECT)
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTHONPATH": PYTHONPATH, "PYTEST_ADDOPTS": ""}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert "2 passed" in done.stdout, done.stdout + done.stderr
    assert "the bot under test is" not in done.stdout
    (tmp_path / "test_mine.py").write_text("def test_whose(bot_app): pass")
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert "the bot under test is Govorun's own: name your App" in done.stdout


async def test_a_support_desk_is_tested_from_both_sides(tg: Tg, studio: StudioSide) -> None:
    ann, olga = tg.user("Ann"), tg.user("Olga")
    await tg.connect_desk("Support", olga)
    await ann.say("/human")
    topic = tg.desk("Support").topic(ann)
    await topic.press(olga, "Take")
    await topic.says(olga, "// a difficult one")
    await topic.says(olga, "Hello!")
    assert ann.said()[-1].text == "Hello!"
    await tg.crash()
    ann.write("thank you")
    await tg.settled()
    assert topic.said()[-1].text == "thank you"
    await topic.says(olga, "/bot")
    studio.says("Here I am.")
    assert (await ann.say("and now?")).text == "Here I am."
