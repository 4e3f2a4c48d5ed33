"""Whispers are never lost and never doubled: crashes, floods, groups that move, /forget (P1, P2)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.sandbox.ai_studio.server import Answer
from bot.telegram.sending.messages import NOTHING
from bot.texts.catalog import say
from bot.types import Address, File, Outgoing
from tests.support.choosing import pressed
from tests.support.stage import ANNA, TEAM, Stage
from tests.support.telegram_side import counted, rows, settled, soon
from tests.support.whispering import WORD, begin, idle, quiet, whispers

PICTURES = ("sendPhoto", "sendDocument", "editEphemeralMessageMedia")


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


async def usage_for_anna(stage: Stage) -> None:
    """Anna asks for her chart in a group that wants it to be seen by the asker alone."""
    await begin(stage)
    stage.telegram.promote(TEAM)
    await quiet(stage)
    stage.telegram.say(TEAM, "/usage@govorun_sandbox_bot", ANNA)


def charts(stage: Stage) -> list[dict[str, Any]]:
    return [message for message in stage.telegram.unseen(TEAM, ANNA) if "photo" in message or "document" in message]


@pytest.mark.parametrize("apply", [True, False])
async def test_a_chart_for_one_person_stands_once_after_a_crash_in_its_sending(stage: Stage, apply: bool) -> None:
    sends = [stage.telegram.fail_next(method, reset=True, apply=apply, times=None) for method in PICTURES]
    await usage_for_anna(stage)
    await soon(stage, lambda: any(fault.hits for fault in sends) or None)
    await stage.crash()
    for fault in sends:
        fault.remove()
    await stage.start()
    await soon(stage, lambda: (charts(stage) and idle(stage)) or None)
    assert len(charts(stage)) == len(stage.telegram.whispers(TEAM, ANNA)) == 1


async def test_a_chart_that_vanished_before_it_was_confirmed_is_shown_again(stage: Stage) -> None:
    fault = stage.telegram.fail_next("editEphemeralMessageMedia", reset=True, apply=True, times=None)
    await usage_for_anna(stage)
    await soon(stage, lambda: charts(stage) or None)
    await stage.crash()
    stage.telegram.vanish(TEAM)
    fault.remove()
    await stage.start()
    await soon(stage, lambda: (charts(stage) and idle(stage)) or None)
    assert len(charts(stage)) == 1


@pytest.mark.parametrize(
    "fault", [{"code": 400, "description": "Bad Request: file upload isn't allowed"}, {"code": 404}]
)
async def test_where_no_file_can_be_written_into_a_message_it_is_sent_by_itself(
    stage: Stage, fault: dict[str, Any]
) -> None:
    stage.telegram.fail_next("editEphemeralMessageMedia", times=None, **fault)
    await usage_for_anna(stage)
    await soon(stage, lambda: (charts(stage) and idle(stage)) or None)
    assert len(charts(stage)) == len(stage.telegram.whispers(TEAM, ANNA)) == 1
    assert len(stage.telegram.texts(TEAM)) == 1  # the panel in which it was chosen


@pytest.mark.parametrize("apply", [True, False])
async def test_a_spoken_answer_for_one_person_never_comes_twice(stage: Stage, apply: bool) -> None:
    """It can't be written into a message: where nobody knows whether it was sent, that is said instead."""
    fault = stage.telegram.fail_next("sendVoice", reset=True, apply=apply, times=None)
    await begin(stage)
    stage.telegram.promote(TEAM)
    assert stage.app is not None
    to = Address("telegram", stage.app.telegram.api.id, TEAM, visible_to=ANNA)
    note = Outgoing(file=File(b"OggS", "voice", "answer.ogg"), instead="my words stand above")
    await stage.app.store.write(lambda tx: tx.outbox.add_answer("1.voice", to, note))
    sending = asyncio.create_task(stage.app.telegram.reply(to, "1").finish())
    await soon(stage, lambda: fault.hits or None)
    await stage.crash()
    sending.cancel()
    fault.remove()
    await stage.start()
    await soon(stage, lambda: "my words stand above" in stage.telegram.whispers(TEAM, ANNA) or None)
    await soon(stage, lambda: idle(stage) or None)
    assert len([message for message in stage.telegram.unseen(TEAM, ANNA) if "voice" in message]) == apply
    assert NOTHING not in stage.telegram.whispers(TEAM, ANNA)


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
    await pressed(stage, say("en", "forget.yes"))
    tables = ("messages", "deliveries", "conversations")
    left = str([rows(stage, f"SELECT * FROM {table}") for table in tables])
    assert WORD not in left
    assert rows(stage, "SELECT 1 FROM conversations WHERE only <> 0") == []
