"""What an edit means (P15, F52): before the answer, during it, after it, of a message that is not known."""

from __future__ import annotations

from typing import Any

import pytest

from bot.config.entries import ModelConfig
from bot.prompts.catalog import instruct
from bot.texts.catalog import say
from tests.support.sandbox_client import png
from tests.support.stage import ANNA, BORIS, TEAM, Stage
from tests.support.telegram_side import QUESTION, counted, inbox, rows, said, soon

OUTDATED = say("en", "outdated.note")


def questions(stage: Stage) -> list[str]:
    """What was asked, without what the model is told of a picture that it can't see."""
    return [prompt[-1]["text"].removesuffix("\n" + instruct("en", "picture.blind")) for prompt in stage.prompts()]


async def shows(stage: Stage, *texts: str, chat: int = ANNA) -> None:
    """The bot's messages in a chat become these."""
    await soon(stage, lambda: stage.telegram.texts(chat) == list(texts) or None)


async def nothing_more(stage: Stage, count: int, chat: int = ANNA) -> None:
    """The bot has said that many messages, and says no more."""
    await stage.clock.sleep(60)
    await soon(stage, lambda: set(inbox(stage)) == {"done"} or None)
    assert len(stage.telegram.texts(chat)) == count


# --- before and during the answer -------------------------------------------------------------------------------------


async def test_an_edit_of_a_question_that_waits_replaces_it(stage: Stage) -> None:
    stage.studio.speed = 5
    await stage.start()
    stage.studio.script(counted(20), "second")
    stage.telegram.say(ANNA, "first")
    waiting = stage.telegram.say(ANNA, "secnd")
    await soon(stage, stage.prompts)
    stage.telegram.edit(ANNA, waiting["message_id"], "second")
    await stage.texts(2)
    await nothing_more(stage, 2)
    assert questions(stage) == ["first", "second"]


@pytest.mark.parametrize("streaming", ["draft", "edit", "off"])
async def test_an_edit_during_the_answer_ends_it_and_is_answered(stage: Stage, streaming: str) -> None:
    stage.studio.speed = 5
    await stage.start(streaming=streaming)
    stage.studio.script(counted(500), "to the second")
    asked = stage.telegram.say(ANNA, "first")
    await soon(stage, stage.prompts)
    await stage.clock.sleep(20)
    stage.telegram.edit(ANNA, asked["message_id"], "second")
    await shows(stage, "to the second")
    assert stage.clock.monotonic() < 60
    assert [part["text"] for part in stage.prompts()[-1][1:]] == ["second"]
    await nothing_more(stage, 1)


async def test_an_edit_before_the_first_word_leaves_no_trace_of_the_first_answer(stage: Stage) -> None:
    stage.studio.ttft = 20.0
    await stage.start()
    stage.studio.script("to the first", "to the second")
    asked = stage.telegram.say(ANNA, "first")
    await soon(stage, stage.prompts)
    stage.telegram.edit(ANNA, asked["message_id"], "second")
    assert await stage.texts(1) == ["to the second"]
    await nothing_more(stage, 1)


async def test_an_edit_during_the_answer_survives_a_crash(stage: Stage) -> None:
    stage.studio.speed = 5
    await stage.start()
    stage.studio.script(counted(100), counted(100, "lost"), "to the second")
    asked = stage.telegram.say(ANNA, "first")
    await soon(stage, stage.prompts)
    await stage.clock.sleep(3)
    stage.telegram.edit(ANNA, asked["message_id"], "second")
    await soon(stage, lambda: len(stage.prompts()) == 2 or None)
    await stage.crash()
    await stage.start()
    await shows(stage, "to the second")
    await nothing_more(stage, 1)
    assert questions(stage) == ["first", "second", "second"]


async def test_an_edit_of_a_piece_that_still_waits_for_the_others_replaces_it(stage: Stage) -> None:
    await stage.start(models=[ModelConfig(name="yandexgpt")])  # none that sees
    first = stage.telegram.upload(ANNA, png(8, 8), caption="what is thsi?", group="g")
    stage.telegram.upload(ANNA, png(8, 8), group="g")
    stage.telegram.edit(ANNA, first["message_id"], "what is this?")
    stage.studio.script("a picture")
    assert await stage.texts(1) == ["a picture"]
    await nothing_more(stage, 1)
    assert questions(stage) == ["what is this?"]


# --- after the answer -------------------------------------------------------------------------------------------------


async def test_an_edit_of_the_last_question_is_answered_again_in_the_same_message(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("to the first", "to the second", "to the third")
    asked = stage.telegram.say(ANNA, "first")
    await shows(stage, "to the first")
    stage.telegram.edit(ANNA, asked["message_id"], "second")
    await shows(stage, "to the second")
    stage.telegram.edit(ANNA, asked["message_id"], "third")
    await shows(stage, "to the third")
    assert [part["text"] for part in stage.prompts()[-1][1:]] == ["third"]
    await nothing_more(stage, 1)


async def test_an_edit_of_an_older_question_begins_a_branch_there_and_the_way_back_is_a_button(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("to the first", "to the second", "to the other", "to the third", "to the fourth")
    asked = stage.telegram.say(ANNA, "first")
    await shows(stage, "to the first")
    await stage.ask("second")
    stage.telegram.edit(ANNA, asked["message_id"], "other")
    await shows(stage, "to the other", "to the second")
    assert questions(stage)[-1] == "other"
    await stage.ask("third")
    assert [part["text"] for part in stage.prompts()[-1][1:]] == ["other", "to the other", "third"]
    await stage.press("‹")
    await shows(stage, f"to the first\n\n{say('en', 'version.of', question='first')}", "to the second", "to the third")
    await stage.ask("fourth")
    assert [part["text"] for part in stage.prompts()[-1][1:]] == [
        "first", "to the first", "second", "to the second", "fourth",
    ]  # fmt: skip


@pytest.mark.parametrize("words", ["first", "/new", "/start", "/image a cat", "\u2800"])
async def test_an_edit_into_the_same_words_or_a_command_does_nothing(stage: Stage, words: str) -> None:
    await stage.start()
    asked = stage.telegram.say(ANNA, "first")
    await stage.texts(1)
    stage.telegram.edit(ANNA, asked["message_id"], words)
    await nothing_more(stage, 1)
    assert len(stage.prompts()) == 1
    assert stage.studio.bought == 0


async def test_an_edit_after_a_new_conversation_does_nothing(stage: Stage) -> None:
    await stage.start()
    asked = stage.telegram.say(ANNA, "first")
    await stage.texts(1)
    await stage.ask("/new")
    stage.telegram.edit(ANNA, asked["message_id"], "second")
    await nothing_more(stage, 2)


async def test_a_preview_that_comes_later_does_not_disturb_the_answer(stage: Stage) -> None:
    """Telegram tells of it as of an edit, with the same words."""
    stage.studio.speed = 20
    await stage.start()
    stage.studio.script(counted(40))
    asked = stage.telegram.say(ANNA, "https://example.org")
    await soon(stage, stage.prompts)
    stage.telegram.push_raw({"edited_message": {**asked, "edit_date": 1_800_000_001}})
    assert (await stage.texts(1))[0].endswith("word39")
    await nothing_more(stage, 1)


async def test_an_edit_of_a_message_that_the_bot_never_got_does_nothing(stage: Stage) -> None:
    await stage.start()
    unknown = stage.telegram.say(ANNA, "written while nobody listened")
    await stage.until(lambda: stage.telegram.pending == 0 or None)
    await stage.texts(1)
    message = {**unknown, "message_id": 777_777, "text": "edited", "edit_date": 1_800_000_001}
    stage.telegram.push_raw({"edited_message": message})
    await nothing_more(stage, 1)


async def test_an_edit_of_one_piece_of_a_long_paste_does_not_replace_the_whole(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("read")
    last = stage.telegram.say(ANNA, "a" * 4096 + "b" * 100)
    await stage.texts(1)
    first = next(m for m in stage.telegram.transcript(ANNA) if m.get("text", "").startswith("aaa"))
    for piece in (first, last):
        stage.telegram.edit(ANNA, piece["message_id"], "c")
    await nothing_more(stage, 1)


async def test_an_old_answer_that_was_deleted_is_not_sent_again(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("to the first", "to the second")
    asked = stage.telegram.say(ANNA, "first")
    await stage.texts(1)
    stage.telegram.delete(ANNA, said(stage)[0]["message_id"])
    stage.telegram.edit(ANNA, asked["message_id"], "second")
    await soon(stage, lambda: "to the second" in stage.telegram.texts(ANNA) or None)
    await nothing_more(stage, 1)
    assert rows(stage, "SELECT state FROM deliveries") == [("sent",), ("sent",)]


async def test_a_short_answer_takes_the_place_of_a_long_one(stage: Stage) -> None:
    await stage.start(rich_messages=False)
    stage.studio.script("word " * 1638, "short")
    asked = stage.telegram.say(ANNA, "first")
    parts = await stage.texts(2)
    assert sum(map(len, parts)) > 8000
    stage.telegram.edit(ANNA, asked["message_id"], "second")
    await shows(stage, "short")
    await nothing_more(stage, 1)


async def test_the_edit_of_a_failed_question_is_answered_in_place_of_the_apology(stage: Stage) -> None:
    await stage.start()
    stage.studio.set_faults({"error500": 1.0})
    asked = stage.telegram.say(ANNA, "first")
    await stage.texts(1)
    stage.studio.set_faults({"error500": 0.0})
    stage.studio.script("to the second")
    stage.telegram.edit(ANNA, asked["message_id"], "second")
    await shows(stage, "to the second")
    await nothing_more(stage, 1)


async def test_an_edit_while_the_question_is_tried_again_ends_that(stage: Stage) -> None:
    await stage.start()
    stage.studio.set_faults({"error500": 1.0})
    asked = stage.telegram.say(ANNA, "first")
    await stage.texts(1)
    stage.studio.set_faults({"error500": 0.0})
    stage.studio.speed = 5
    stage.studio.script(counted(500), "to the second")
    await stage.press("Try again")
    await soon(stage, lambda: "word3" in "".join(stage.telegram.texts(ANNA)) or None)
    stage.telegram.edit(ANNA, asked["message_id"], "second")
    await shows(stage, "to the second")
    assert stage.clock.monotonic() < 90
    await nothing_more(stage, 1)
    assert [part["text"] for part in stage.prompts()[-1][1:]] == ["second"]


# --- messages that become questions -----------------------------------------------------------------------------------


async def test_a_mention_that_was_forgotten_at_first_is_heard(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("heard")
    asked = stage.telegram.say(TEAM, "what now?", ANNA)
    await stage.clock.sleep(5)
    stage.telegram.edit(TEAM, asked["message_id"], QUESTION, ANNA)
    assert await stage.texts(1, TEAM) == ["heard"]
    assert questions(stage) == ["what now?"]


async def test_a_mention_that_comes_after_another_question_is_too_late(stage: Stage) -> None:
    await stage.start()
    asked = stage.telegram.say(TEAM, "what now?", ANNA)
    await stage.ask(QUESTION, TEAM, BORIS)
    stage.telegram.edit(TEAM, asked["message_id"], QUESTION, ANNA)
    await nothing_more(stage, 1, TEAM)


# --- the same edit, and many ------------------------------------------------------------------------------------------


async def test_an_edit_that_comes_twice_is_answered_once(stage: Stage) -> None:
    await stage.start()
    asked = stage.telegram.say(ANNA, "first")
    await stage.texts(1)
    edited: dict[str, Any] = {**asked, "text": "second", "edit_date": 1_800_000_009}
    for _ in range(3):
        stage.telegram.push_raw({"edited_message": edited})
    await soon(stage, lambda: len(stage.prompts()) == 2 or None)
    await nothing_more(stage, 1)


async def test_many_edits_in_a_row_end_with_one_answer_to_the_last(stage: Stage) -> None:
    stage.studio.ttft = 20.0
    await stage.start()
    stage.studio.answer(lambda messages: "to " + messages[-1]["text"])
    asked = stage.telegram.say(ANNA, "draft 0")
    for number in range(1, 6):
        await stage.clock.sleep(1)
        stage.telegram.edit(ANNA, asked["message_id"], f"draft {number}")
    await soon(stage, lambda: "to draft 5" in stage.telegram.texts(ANNA) or None)
    await stage.clock.sleep(60)
    assert [text for text in stage.telegram.texts(ANNA) if OUTDATED not in text] == ["to draft 5"]


async def test_a_question_asked_while_an_old_one_is_tried_again_waits_for_it(stage: Stage) -> None:
    await stage.start()
    stage.studio.set_faults({"error500": 1.0})
    await stage.ask("first")
    stage.studio.set_faults({"error500": 0.0})
    stage.studio.speed = 5
    stage.studio.script(counted(30), counted(10, "other"))
    await stage.press("Try again")
    await soon(stage, lambda: "word3" in "".join(stage.telegram.texts(ANNA)) or None)
    stage.telegram.say(ANNA, "second")
    await soon(stage, lambda: [text.split()[-1] for text in stage.telegram.texts(ANNA)] == ["word29", "other9"] or None)
    assert [part["text"].split()[-1] for part in stage.prompts()[-1][1:]] == ["first", "word29", "second"]
