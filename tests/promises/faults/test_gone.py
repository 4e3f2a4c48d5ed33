"""Chats that go, come back and move. Nothing is sent to a chat that is gone; whoever speaks there brings it back."""

from __future__ import annotations

import pytest

from bot.sandbox.telegram.http import ApiCall
from tests.support.stage import ANNA, BORIS, TEAM, Stage
from tests.support.telegram_side import QUESTION, counted, deliveries, loud, rows, settled, soon

pytestmark = pytest.mark.wire("tcp")

GONE_FOR_GOOD = [
    (400, "Bad Request: chat not found"),
    (400, "Bad Request: PEER_ID_INVALID"),
    (403, "Forbidden: bot was blocked by the user"),
    (403, "Forbidden: user is deactivated"),
    (400, "Bad Request: CHAT_WRITE_FORBIDDEN"),
]


def gone(stage: Stage, chat: int = ANNA) -> bool:
    return bool(rows(stage, f"SELECT is_gone FROM chats WHERE id = {chat}")[0][0])


def calls_to(stage: Stage, chat: int, since: float) -> list[ApiCall]:
    return [call for call in stage.telegram.calls if call.chat_id == chat and call.monotonic > since]


@pytest.mark.parametrize(("code", "description"), GONE_FOR_GOOD)
async def test_f23_f24_a_chat_that_can_not_be_reached_is_tried_once_and_comes_back_with_a_message(
    stage: Stage, code: int, description: str
) -> None:
    await stage.start()
    fault = stage.telegram.fail_next("sendMessage", code=code, description=description, chat_id=ANNA, times=None)
    stage.telegram.say(ANNA, "one")
    await settled(stage, "dead")
    assert gone(stage)
    await stage.clock.sleep(300)
    assert fault.hits == 1
    fault.remove()
    stage.studio.script("for Boris", "welcome back")
    assert await stage.ask("hello", BORIS) == "for Boris"
    assert await stage.ask("two") == "welcome back"
    assert not gone(stage)


async def test_f24_p15_my_chat_member_takes_a_chat_away_and_brings_it_back(stage: Stage) -> None:
    await stage.start()
    await stage.ask("hello")
    stage.telegram.block(ANNA)
    await soon(stage, lambda: gone(stage))
    stage.telegram.block(ANNA, False)
    await soon(stage, lambda: not gone(stage))
    assert await stage.ask("hello again")


async def test_f24_a_command_brings_a_chat_back_too(stage: Stage) -> None:
    await stage.start()
    stage.telegram.fail_next("sendMessage", code=403, description="Forbidden: bot was blocked by the user")
    stage.telegram.say(ANNA, "one")
    await soon(stage, lambda: deliveries(stage) == ["dead"] and gone(stage))
    assert await stage.ask("/nonsense")
    await soon(stage, lambda: not gone(stage))


async def test_f24_a_group_without_the_right_to_write_is_answered_once_it_is_given_back(stage: Stage) -> None:
    await stage.start()
    text = "Bad Request: not enough rights to send text messages to the chat"
    fault = stage.telegram.fail_next("sendMessage", code=400, description=text, chat_id=TEAM, times=None)
    stage.telegram.say(TEAM, QUESTION, ANNA)
    await settled(stage, "dead")
    fault.remove()
    assert await stage.ask(QUESTION, TEAM, ANNA)


async def test_f61_a_user_who_blocks_in_mid_answer_gets_nothing_more_and_the_rest_goes_on(stage: Stage) -> None:
    stage.studio.speed = 5
    await stage.start()
    topics = [stage.telegram.topic(ANNA, name=name)["id"] for name in ("one", "two")]
    for topic in topics:
        stage.studio.script(counted(300))
        stage.telegram.say(ANNA, "count", None, topic)
    await soon(stage, lambda: len(stage.prompts()) == 2)
    await stage.clock.sleep(3)
    stage.telegram.block(ANNA)
    blocked = stage.clock.monotonic()
    await soon(stage, lambda: not [row for row in rows(stage, "SELECT state FROM updates") if row[0] != "done"])
    await stage.clock.sleep(120)
    assert calls_to(stage, ANNA, blocked + 3) == []
    assert set(deliveries(stage)) <= {"dead"}
    assert await stage.ask("hello", BORIS)


@pytest.mark.usefixtures("draws_by_operations")
async def test_f24_p13_no_picture_is_ordered_or_sent_for_a_user_who_is_gone(stage: Stage) -> None:
    stage.studio.operations.polls["art"] = 5
    await stage.start()
    stage.telegram.say(ANNA, "/image a cat")
    await soon(stage, lambda: stage.studio.seen("operation"))
    stage.telegram.block(ANNA)
    await soon(stage, lambda: gone(stage))
    blocked = stage.clock.monotonic()
    await stage.clock.sleep(600)
    assert calls_to(stage, ANNA, blocked + 1) == []
    assert rows(stage, "SELECT count(*) FROM jobs") == [(0,)]
    assert rows(stage, "SELECT state FROM operations") == [("failed",)]


async def test_f22_p15_a_group_that_moves_is_renamed_whole_and_the_send_is_repeated_there(stage: Stage) -> None:
    group = stage.telegram.group("Club", [ANNA, BORIS], type="group")["id"]
    stage.studio.ttft = 5
    await stage.start()
    stage.studio.script("found you", "I remember")
    stage.telegram.say(group, QUESTION, ANNA)
    await soon(stage, stage.prompts)
    new = stage.telegram.migrate(group)
    assert await stage.texts(1, new) == ["found you"]
    await stage.clock.sleep(30)
    for table in ("chats", "conversations", "messages", "deliveries"):
        column = "id" if table == "chats" else "chat"
        assert rows(stage, f"SELECT count(*) FROM {table} WHERE {column} = {group}") == [(0,)], table
    assert await stage.ask(QUESTION, new, ANNA) == "I remember"
    assert "found you" in str(stage.prompts()[-1])
    assert [call for call in loud(stage, group) if call.status == 200] == []
