"""Whispers are never lost and never doubled: crashes, floods, groups that move, /forget."""

from __future__ import annotations

import pytest
from stage import ANNA, TEAM, Stage
from telegram_side import counted, rows, settled, soon
from whispering import WORD, begin, idle, whispers

from bot.sandbox.studio import Answer
from bot.telegram.screen import NOTHING
from bot.texts.catalog import say


@pytest.mark.parametrize("admin", [True, False])
async def test_a_crash_after_the_message_was_opened_costs_an_empty_message_at_most(stage: Stage, admin: bool) -> None:
    """Telegram has it and its id was never heard: the next one is another, and the answer stands in one of them."""
    await begin(stage)
    stage.telegram.promote(TEAM, admin)
    fault = stage.telegram.fail_next("sendMessage", reset=True, apply=True, times=None)
    stage.studio.script("just once")
    stage.telegram.say(TEAM, "/whisper hello", ANNA)
    await stage.until(lambda: stage.telegram.whispers(TEAM, ANNA) or None)
    await stage.crash()
    fault.remove()
    await stage.start()
    await stage.until(lambda: "just once" in stage.telegram.whispers(TEAM, ANNA) or None)
    await soon(stage, lambda: idle(stage) or None)
    shown = stage.telegram.whispers(TEAM, ANNA)
    assert [text for text in shown if text != NOTHING] == ["just once"]
    assert len(shown) <= 3
    assert stage.telegram.transcript(TEAM) == []


async def test_an_answer_that_was_written_and_not_confirmed_stands_once_after_a_crash(stage: Stage) -> None:
    await begin(stage, streaming="off")
    fault = stage.telegram.fail_next("editEphemeralMessageText", reset=True, apply=True, times=None)
    stage.studio.script("just once")
    stage.telegram.say(TEAM, "/whisper hello", ANNA)
    await stage.until(lambda: "just once" in stage.telegram.whispers(TEAM, ANNA) or None)
    await stage.crash()
    await stage.clock.sleep(60)  # no new message could be opened any more
    fault.remove()
    await stage.start()
    await settled(stage, "sent")
    assert stage.telegram.whispers(TEAM, ANNA) == ["just once"]
    assert stage.telegram.texts(TEAM) == []


async def test_a_crash_while_the_model_writes_costs_nothing(stage: Stage) -> None:
    await begin(stage)
    stage.studio.speed = 2
    stage.studio.script(Answer(counted(40)), "the whole answer")
    stage.telegram.say(TEAM, "/whisper count", ANNA)
    await stage.until(lambda: "word5" in str(stage.telegram.whispers(TEAM, ANNA)) or None)
    await stage.crash()
    await stage.clock.sleep(60)
    stage.studio.speed = 0
    await stage.start()
    await stage.until(lambda: stage.telegram.whispers(TEAM, ANNA) == ["the whole answer"] or None)
    assert stage.telegram.texts(TEAM) == []


async def test_flood_waits_of_the_group_delay_a_whisper_and_cost_nothing(stage: Stage) -> None:
    await begin(stage)
    stage.telegram.promote(TEAM)
    stage.telegram.fail_next("sendMessage", code=429, parameters={"retry_after": 30})
    stage.studio.script("worth waiting for")
    stage.telegram.say(TEAM, "/whisper hello", ANNA)
    assert await whispers(stage, 1) == ["worth waiting for"]


async def test_an_update_that_comes_twice_is_answered_once_and_a_number_that_comes_again_is_another(
    stage: Stage,
) -> None:
    await begin(stage)
    stage.studio.script("one", "two")
    message = stage.telegram.say(TEAM, "/whisper hello", ANNA)
    await whispers(stage, 1)
    stage.telegram.push_raw({"message": message})
    await stage.clock.sleep(30)
    assert stage.telegram.whispers(TEAM, ANNA) == ["one"]
    stage.telegram.vanish(TEAM)
    again = stage.telegram.say(TEAM, "/whisper hello", ANNA)
    assert again["ephemeral_message_id"] == message["ephemeral_message_id"]
    assert await whispers(stage, 1) == ["two"]


async def test_whispers_move_with_their_group(stage: Stage) -> None:
    await begin(stage)
    stage.studio.script("seven", "you said seven")
    stage.telegram.say(TEAM, "/whisper a number", ANNA)
    await whispers(stage, 1)
    new = stage.telegram.migrate(TEAM)
    stage.telegram.promote(new)
    stage.telegram.say(new, "/whisper which one?", ANNA)
    await stage.until(lambda: stage.telegram.whispers(new, ANNA) or None)
    await soon(stage, lambda: len(stage.prompts()) > 1 or None)
    assert "seven" in str(stage.prompts()[1])


async def test_forget_removes_what_was_whispered(stage: Stage) -> None:
    await begin(stage)
    stage.studio.script(f"the word is {WORD}")
    stage.telegram.say(TEAM, "/whisper a word", ANNA)
    await whispers(stage, 1)
    await stage.ask("/forget")
    await stage.press(say("en", "forget.yes"))
    await stage.texts(2)
    tables = ("messages", "deliveries", "conversations")
    left = str([rows(stage, f"SELECT * FROM {table}") for table in tables])
    assert WORD not in left
    assert rows(stage, "SELECT 1 FROM conversations WHERE only <> 0") == []
