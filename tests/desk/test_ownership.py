"""Bot and person never both answer: what happens to an answer of the bot when an operator takes the case.

See P14 and F107 in docs/promises.md.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.ai import Answered, Pending, Usage
from bot.texts.catalog import say
from tests.support.desk_side import OLGA, DeskStage, desk_on
from tests.support.later_model import Slow, only
from tests.support.stage import ANNA, Stage
from tests.support.telegram_side import rows, soon

LONG = " ".join(f"word{number}" for number in range(400))


@pytest.fixture
async def desk(stage: Stage, tmp_path: Path) -> DeskStage:
    """A desk that knows Anna: her case was given back to the bot."""
    desk = await desk_on(stage, tmp_path)
    await desk.called()
    await desk.presses("desk.bot")
    return desk


def read(desk: DeskStage) -> list[str]:
    return desk.stage.telegram.texts(ANNA)


@pytest.mark.parametrize("streaming", ["draft", "edit", "off"])
async def test_an_answer_that_is_being_written_ends_at_the_take_over_and_becomes_a_draft(
    stage: Stage, tmp_path: Path, streaming: str
) -> None:
    desk = await desk_on(stage, tmp_path, streaming=streaming)
    await desk.called()
    await desk.presses("desk.bot")
    before = read(desk)
    stage.studio.speed = 20
    stage.studio.script(LONG)
    stage.telegram.say(ANNA, "tell me everything")
    await soon(stage, lambda: bool(stage.prompts()) or None)
    await asyncio.sleep(3)
    await desk.says("/take")
    after = read(desk)[len(before) :]
    await asyncio.sleep(30)
    assert read(desk)[len(before) :] == after
    assert len(after) <= 1
    if after:
        assert after[0].endswith(say("en", "desk.goes_on"))
    assert any(text.startswith(say("en", "desk.draft.begun")) for text in desk.seen())
    await desk.says("I answer this")
    assert read(desk)[-1] == "I answer this"
    await desk.presses("desk.bot")
    stage.studio.speed = 0
    stage.studio.script("shorter")
    assert await stage.ask("and now?") == "shorter"
    assert "word1 " not in str(stage.prompts()[-1])


async def test_a_draft_of_the_bot_can_be_sent_by_the_operator(desk: DeskStage) -> None:
    desk.stage.studio.speed = 20
    desk.stage.studio.script(LONG)
    desk.stage.telegram.say(ANNA, "tell me everything")
    await soon(desk.stage, lambda: bool(desk.stage.prompts()) or None)
    await asyncio.sleep(3)
    await desk.says("/take")
    await desk.presses("desk.send.draft")
    assert read(desk)[-1].startswith("word0 word1")


async def test_a_question_that_waited_behind_an_answer_goes_to_the_operator(desk: DeskStage) -> None:
    desk.stage.studio.speed = 20
    desk.stage.studio.script(LONG)
    desk.stage.telegram.say(ANNA, "first")
    await soon(desk.stage, lambda: bool(desk.stage.prompts()) or None)
    desk.stage.telegram.say(ANNA, "second")
    await asyncio.sleep(2)
    await desk.says("/take")
    await desk.quiet()
    assert desk.seen()[-1] == "second"
    assert len(desk.stage.prompts()) == 1


async def test_an_old_button_asks_no_model_while_a_person_has_the_case(desk: DeskStage) -> None:
    desk.stage.studio.script("hello")
    await desk.stage.ask("hi")
    await desk.says("/take")
    asked = len(desk.stage.prompts())
    await desk.stage.press("↻")
    await soon(desk.stage, lambda: say("en", "desk.pressed") in toasts(desk) or None)
    assert len(desk.stage.prompts()) == asked


async def test_after_a_kill_the_question_of_a_case_that_was_taken_goes_to_the_operator(desk: DeskStage) -> None:
    desk.stage.studio.speed = 20
    desk.stage.studio.script(LONG)
    desk.stage.telegram.say(ANNA, "tell me everything")
    await soon(desk.stage, lambda: bool(desk.stage.prompts()) or None)
    await asyncio.sleep(2)
    message = desk.stage.telegram.say(desk.group, "/take", 1003, desk.topic)
    await soon(desk.stage, lambda: rows(desk.stage, "SELECT 1 FROM desk_cases WHERE owner = 'held'") or None)
    await desk.stage.crash()
    await desk.stage.start()
    await desk.quiet()
    assert message
    assert len(desk.stage.prompts()) == 1
    await desk.says("here I am")
    assert read(desk)[-1] == "here I am"


def toasts(desk: DeskStage) -> list[str]:
    return [call.params.get("text", "") for call in desk.stage.telegram.calls if call.method == "answerCallbackQuery"]


@pytest.mark.usefixtures("older_models")
async def test_an_answer_that_was_ordered_for_later_is_a_draft_while_a_person_has_the_case(
    stage: Stage, tmp_path: Path
) -> None:
    slow = Slow(Pending(), Answered("All plans cost the same.", usage=Usage(100, 20)))
    stage.given["later"] = only(slow)
    desk = await desk_on(stage, tmp_path)
    await stage.ask("/later compare all plans")
    await desk.called()
    before = len(stage.telegram.texts(ANNA))
    await asyncio.sleep(600)
    await desk.quiet()
    assert "All plans cost the same." in desk.seen()[-1]
    assert len(stage.telegram.texts(ANNA)) == before
    await desk.presses("desk.send.draft")
    assert stage.telegram.texts(ANNA)[-1] == "All plans cost the same."


async def test_an_answer_that_waited_in_the_outbox_at_the_take_over_is_neither_sent_nor_remembered(
    stage: Stage, tmp_path: Path
) -> None:
    desk = await desk_on(stage, tmp_path, streaming="off")
    await desk.called()
    await desk.presses("desk.bot")
    flood = stage.telegram.fail_next("*", times=None, chat_id=ANNA, code=429, parameters={"retry_after": 60})
    stage.studio.script("The bot's answer.")
    stage.telegram.say(ANNA, "one")
    await soon(stage, lambda: rows(stage, "SELECT 1 FROM messages WHERE parts LIKE '%bot''s answer%'") or None)
    await asyncio.sleep(1)
    stage.telegram.say(desk.group, "/take", OLGA, desk.topic)
    await soon(stage, lambda: rows(stage, "SELECT 1 FROM desk_cases WHERE owner = 'held'") or None)
    flood.remove()
    await asyncio.sleep(120)
    assert "The bot's answer." not in stage.telegram.texts(ANNA)
    stage.studio.script("A draft.")
    await desk.says("/draft")
    await soon(stage, lambda: any("A draft." in one for one in desk.seen()) or None)
    assert "The bot's answer." not in str(stage.prompts()[-1])
