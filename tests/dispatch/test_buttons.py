"""Buttons: keys of rows that belong to a person in a chat, and end."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import text

from bot.sandbox import painter
from bot.sandbox.ai_studio.server import Answer
from bot.sandbox.telegram.chats import Message
from bot.sandbox.telegram.server_facade import buttons_of
from bot.storage.repositories.buttons import LIFE
from bot.storage.store import Store
from bot.testing.virtual_loop import VirtualLoop
from bot.texts.catalog import say
from tests.support.choosing import pressed, toasts
from tests.support.stage import ANNA, BORIS, TEAM, Stage
from tests.support.telegram_side import deliveries, inbox, soon

JPEG = painter.draw("a cat", 1, 1, 1)
FORGED = ["", "x", "admin:1", "page:99999999999999999999", "../../etc", "language.set", "\u202e" * 8, "a" * 64, "%00"]


async def test_forged_data_is_answered_and_does_nothing(stage: Stage) -> None:
    await stage.start()
    await stage.ask("/model")
    message = stage.telegram.transcript(ANNA)[-1]["message_id"]
    for data in FORGED:
        stage.telegram.press(ANNA, message, data)
    answers = await _answers(stage, len(FORGED))
    assert answers == [say("en", "old.button")] * len(FORGED)
    assert len(stage.telegram.texts(ANNA)) == 1


async def test_another_persons_button_is_not_ones_own(stage: Stage) -> None:
    await stage.start()
    stage.studio.paint(JPEG, JPEG)
    await stage.ask("/image@govorun_sandbox_bot a cat", TEAM, ANNA)
    await stage.press("Again", TEAM, BORIS)
    assert await _answers(stage, 1) == [say("ru", "old.button.group")]
    assert stage.studio.bought == 1
    await stage.press("Again", TEAM, ANNA)
    await stage.texts(2, TEAM)
    assert stage.studio.bought == 2


async def test_a_button_of_one_chat_does_nothing_in_another(stage: Stage) -> None:
    await stage.start()
    await stage.ask("/settings")
    key = buttons_of(stage.telegram.transcript(ANNA)[-1])[0]["callback_data"]
    message = stage.telegram.say(TEAM, "hello", ANNA)
    stage.telegram.press(TEAM, message["message_id"], key, ANNA)
    assert await _answers(stage, 1) == [say("en", "old.button.group")]
    assert stage.telegram.texts(TEAM) == []


async def test_a_button_ends_after_a_month(stage: Stage) -> None:
    await stage.start()
    await stage.ask("/model")
    await _later(stage, LIFE - 60)
    await pressed(stage, "YandexGPT 5 Lite")
    await stage.ask("/model")
    await _later(stage, LIFE + 60)
    await stage.press("YandexGPT 5.1 Pro")
    assert (await _answers(stage, 2))[-1] == say("en", "old.button")
    assert "YandexGPT 5 Lite" in await stage.ask("/model")


async def test_a_button_works_after_a_restart_and_in_an_old_message(stage: Stage) -> None:
    await stage.start()
    await stage.ask("/model")
    await stage.crash()
    await stage.start()
    await stage.ask("hello")
    await pressed(stage, "YandexGPT 5 Lite")
    assert toasts(stage) == [say("en", "model.chosen", model="YandexGPT 5 Lite")]
    assert stage.telegram.texts(ANNA)[0].startswith(say("en", "model.choose", model="YandexGPT 5 Lite"))


async def test_a_setting_pressed_twice_is_set_twice_and_each_press_is_answered(stage: Stage) -> None:
    await stage.start()
    await stage.ask("/model")
    await stage.press("YandexGPT 5 Lite")
    await stage.press("YandexGPT 5 Lite")
    assert await _answers(stage, 2) == [say("en", "model.chosen", model="YandexGPT 5 Lite")] * 2
    assert len(await stage.texts(1)) == 1


async def test_a_press_that_arrives_twice_is_one(stage: Stage) -> None:
    await stage.start()
    await stage.ask("/model")
    message = stage.telegram.transcript(ANNA)[-1]
    press = {
        "id": "4000000000001",
        "from": {"id": ANNA, "is_bot": False, "first_name": "Anna", "language_code": "en"},
        "message": message,
        "chat_instance": "1",
        "data": buttons_of(message)[1]["callback_data"],
    }
    for _ in range(5):
        stage.telegram.push_raw({"callback_query": press})
    await _answers(stage, 1)
    await stage.ask("hello")
    assert len(stage.telegram.texts(ANNA)) == 2


async def test_a_press_on_a_message_that_is_gone_works(stage: Stage) -> None:
    await stage.start()
    await stage.ask("/model")
    message = stage.telegram.transcript(ANNA)[-1]
    stage.telegram.delete(ANNA, message["message_id"])
    stage.telegram.press(ANNA, message["message_id"], buttons_of(message)[1]["callback_data"])
    assert (await stage.texts(1))[-1].startswith(say("en", "model.choose", model="YandexGPT 5 Lite"))


@pytest.mark.usefixtures("older_models")
async def test_every_button_does_something(stage: Stage) -> None:
    app = await stage.start()
    stage.studio.paint(*[JPEG] * 9)
    await stage.ask("hi")
    await stage.press("↻")
    await soon(
        stage, lambda: "›" in [button["text"] for button in buttons_of(stage.telegram.transcript(ANNA)[-1])] or None
    )
    stage.studio.set_faults({"error500": 1.0})
    await stage.ask("hello")
    stage.studio.set_faults({"error500": 0.0})
    stage.studio.script(Answer(["half"], status="TRUNCATED_FINAL"), " of it", "another")
    tried = {"forget"}  # has tests of its own
    for said in ("hello again", "/image a cat", *["/settings"] * 12):
        if said:
            await stage.ask(said)
        while fresh := await _unpressed(app.store, stage, tried):
            message, button, action = fresh
            count = len(toasts(stage))
            stage.telegram.press(ANNA, message["message_id"], button["callback_data"])
            tried.add(action)
            await _answers(stage, count + 1)
            await soon(stage, lambda: {*inbox(stage), *deliveries(stage)} == {"done", "sent"} or None)
    assert say("en", "old.button") not in toasts(stage)
    assert tried == {
        "retry", "resume", "version", "image.again", "image.ratio", "image.change", "ask.cancel", "image.improve",
        "image.file", "settings",
        *(f"settings {name}" for name in ("model", "persona", "reasoning", "language", "zone", "streaming", "memory")),
        "settings temperature", "temperature.set",
        "settings data", "settings jobs", "settings templates", "template.new",
        "language.set", "model.set", "streaming.set", "reasoning.set", "model.everywhere", "model.mine", "zone.set",
        "persona.set", "persona.ask", "export", "forget.ask", "forget.cancel", "forget",
    }  # fmt: skip


async def test_try_again_pressed_twice_gives_one_answer(stage: Stage) -> None:
    await stage.start()
    stage.studio.set_faults({"error500": 1.0})
    await stage.ask("hello")
    stage.studio.set_faults({"error500": 0.0})
    asked = len(stage.prompts())
    stage.studio.script("here I am", "here I am again")
    await stage.press("Try again")
    await stage.press("Try again")
    await stage.until(lambda: stage.telegram.texts(ANNA) == ["here I am"] or None)
    await _answers(stage, 2)
    await asyncio.sleep(60)
    assert stage.telegram.texts(ANNA) == ["here I am"]
    assert len(stage.prompts()) == asked + 1


async def test_try_again_after_the_conversation_went_on_answers_and_leaves_it_where_it_is(stage: Stage) -> None:
    await stage.start()
    stage.studio.set_faults({"error500": 1.0})
    await stage.ask("hello")
    stage.studio.set_faults({"error500": 0.0})
    stage.studio.script("to something else", "to hello", "to the last")
    await stage.ask("something else")
    await stage.press("Try again")
    await stage.until(lambda: stage.telegram.texts(ANNA) == ["to hello", "to something else"] or None)
    assert [part["text"] for part in stage.prompts()[-1][1:]] == ["hello"]
    await stage.ask("and?")
    assert [part["text"] for part in stage.prompts()[-1][1:]] == [
        "hello", "to hello", "something else", "to something else", "and?",
    ]  # fmt: skip


async def _unpressed(store: Store, stage: Stage, pressed: set[str]) -> tuple[Message, dict[str, Any], str] | None:
    """A button in the chat whose action was not pressed yet; of the panel each section is an action of its own."""
    rows = await store.read(lambda tx: tx.connection.execute(text("SELECT key, action, payload FROM buttons")).all())
    actions = {row.key: " ".join([row.action, *json.loads(row.payload).get("section", "").split()]) for row in rows}
    for message in stage.telegram.transcript(ANNA):
        for button in buttons_of(message):
            if (action := actions[button["callback_data"]]) not in pressed:
                return message, button, action
    return None


async def _answers(stage: Stage, count: int) -> list[str]:
    """The toasts of the first presses."""
    await stage.until(lambda: len(stage.telegram.calls_of("answerCallbackQuery")) >= count or None)
    return [call.params.get("text", "") for call in stage.telegram.calls_of("answerCallbackQuery")]


async def _later(stage: Stage, seconds: float) -> None:
    """The bot is off for a while."""
    loop: Any = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    await stage.stop()
    loop.now += seconds
    await stage.start()
