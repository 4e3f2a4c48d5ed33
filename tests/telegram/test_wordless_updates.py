"""Updates without words: things that can't be read, service messages, presses, payments, stops, blocks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.texts.catalog import say
from tests.support.odd_updates import PERSON, PLACE, is_polite, message, still_there
from tests.support.stage import ANNA, BORIS, TEAM, Stage
from tests.support.telegram_side import counted, deliveries, inbox, rows, said, soon

UNKNOWN = -1_002_222_222_222


# --- what is no text --------------------------------------------------------------------------------------------------


THINGS: dict[str, dict[str, Any]] = {
    "a path as a name": {"document": {"file_id": "d", "file_name": "../../../../etc/passwd"}},
    "a name that turns around": {"document": {"file_id": "d", "file_name": "a\u202efdp.exe"}},
    "a long name": {"document": {"file_id": "d", "file_name": "x" * 300}},
    "no name": {"document": {"file_id": "d", "file_name": ""}},
    "a NUL in the name": {"document": {"file_id": "d", "file_name": "\0"}},
    "a header in the type": {"document": {"file_id": "d", "mime_type": "text/html;\r\nX: y"}},
    "nothing inside": {"document": {"file_id": "d", "file_size": 0}},
    "4 GB": {"document": {"file_id": "d", "file_size": 2**32}},
    "no sizes": {"photo": []},
    "a huge photo": {"photo": [{"file_id": "p", "width": 100_000, "height": 100_000}]},
    "a voice of no length": {"voice": {"file_id": "v", "duration": 0}},
    "a voice of days": {"voice": {"file_id": "v", "duration": 10**6}},
    "nowhere on earth": {"location": {"latitude": 999, "longitude": -999}},
    "a large card": {"contact": {"phone_number": "1", "first_name": "x", "vcard": "x" * 1300}},
}


@pytest.mark.parametrize("fields", THINGS.values(), ids=THINGS.keys())
async def test_f56_f57_what_can_not_be_read_yet_gets_a_polite_sentence(stage: Stage, fields: dict[str, Any]) -> None:
    await stage.start()
    stage.telegram.push_raw({"message": message(1, **fields)})
    said = (await stage.texts(1))[0]
    assert is_polite(said) or said == say("en", "file.gone")
    assert stage.prompts() == []


SERVICE: dict[str, dict[str, Any]] = {
    "fifty new members": {"new_chat_members": [PERSON] * 50},
    "the bot left": {"left_chat_member": {"id": 4200000042, "is_bot": True, "first_name": "Govorun"}},
    "a pin that is gone": {"pinned_message": {"chat": {"id": TEAM, "type": "supergroup"}, "message_id": 5, "date": 0}},
    "a title": {"new_chat_title": "x"},
    "a topic": {"forum_topic_created": {"name": "x", "icon_color": 1}},
    "a boost": {"boost_added": {"boost_count": 1}},
    "a timer": {"message_auto_delete_timer_changed": {"message_auto_delete_time": 5}},
}


@pytest.mark.parametrize("chat", [PLACE, {"id": TEAM, "type": "supergroup"}], ids=["private", "group"])
async def test_f55_service_messages_are_not_answered(stage: Stage, chat: dict[str, Any]) -> None:
    await stage.start()
    for number, fields in enumerate(SERVICE.values()):
        stage.telegram.push_raw({"message": message(number, **fields) | {"chat": chat}})
    await still_there(stage)
    assert stage.telegram.texts(chat["id"]) == []
    assert set(inbox(stage)) == {"done"}


@pytest.mark.parametrize("late", [(), ("migrate_to_chat_id",), ("migrate_from_chat_id",)], ids=["none", "to", "from"])
async def test_f55_p15_a_group_that_moves_takes_its_conversation_along(stage: Stage, late: tuple[str, ...]) -> None:
    """Both chats are told, and each has a queue of its own: either message may come after the next question."""
    await stage.start()
    stage.studio.script("noted", "a word")
    old = stage.telegram.group("Old", [ANNA, BORIS], type="group")["id"]
    await stage.ask("@govorun_sandbox_bot remember the word lantern", old, ANNA)
    new = stage.telegram.migrate(old)
    held = [item for item in stage.telegram.updates.waiting() if set(late) & set(item.body["message"])]
    stage.telegram.updates.confirm(held)
    assert await stage.ask("@govorun_sandbox_bot what word?", new, ANNA) == "a word"
    assert "lantern" in str(stage.prompts()[-1])
    for item in held:
        stage.telegram.push_raw(item.body)
    await still_there(stage)
    kept = ("chats.id", "messages.chat", "deliveries.chat", "conversations.chat")
    for table, column in (name.split(".") for name in kept):
        assert rows(stage, f"SELECT count(*) FROM {table} WHERE {column} = {old}") == [(0,)]


async def test_f55_an_answer_under_way_follows_a_group_that_moves_and_keeps_its_place(stage: Stage) -> None:
    stage.studio.speed = 10
    await stage.start()
    stage.studio.script(counted(40), "and then this")
    old = stage.telegram.group("Old", [ANNA, BORIS], type="group")["id"]
    stage.telegram.say(old, "@govorun_sandbox_bot count", ANNA)
    await soon(stage, stage.prompts)
    new = stage.telegram.migrate(old)
    stage.telegram.say(new, "@govorun_sandbox_bot and then?", ANNA)
    await soon(stage, lambda: stage.telegram.texts(new)[1:] or None)
    await stage.clock.sleep(60)
    assert [text.split()[-1] for text in stage.telegram.texts(new)] == ["word39", "this"]
    assert "word39" in str(stage.prompts()[-1])


# --- questions of Telegram --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "method"), [("pre_checkout_query", "answerPreCheckoutQuery"), ("shipping_query", "answerShippingQuery")]
)
async def test_f60_a_payment_is_declined_at_once(stage: Stage, kind: str, method: str) -> None:
    await stage.start()
    asked = stage.clock.monotonic()
    query = {"id": "77", "from": PERSON, "currency": "XTR", "total_amount": 1, "invoice_payload": "x"}
    stage.telegram.push_raw({kind: query})
    call = await soon(stage, lambda: next(iter(stage.telegram.calls_of(method)), None))
    assert call.monotonic - asked < 8
    assert (call.status, call.params["error_message"]) == (200, say("en", "payment.none"))
    assert call.params.get("ok") in (False, "false")


@pytest.mark.parametrize(
    "query", [{"id": "5"}, {"id": "5", "from": {"id": "x"}}, {"id": "5", "from": PERSON, "message": {"chat": 5}}]
)
async def test_f59_a_press_that_can_not_be_read_is_answered_all_the_same(stage: Stage, query: dict[str, Any]) -> None:
    await stage.start()
    stage.telegram.push_raw({"callback_query": query})
    call = await soon(stage, lambda: next(iter(stage.telegram.calls_of("answerCallbackQuery")), None))
    assert call.params["callback_query_id"] == "5"


OTHER: dict[str, Any] = {
    "inline_query": {"id": "1", "from": PERSON, "query": "x" * 256, "offset": "999"},
    "poll_answer": {"poll_id": "1", "option_ids": [0]},
    "chat_join_request": {"chat": {"id": TEAM, "type": "supergroup"}, "from": PERSON},
    "message_reaction": {"chat": PLACE, "message_id": 5, "new_reaction": [{"type": "smell"}]},
    "chat_boost": {"chat": {"id": TEAM, "type": "supergroup"}},
    "business_connection": {"id": "b", "user": PERSON},
    "business_message": message(1, text="x", business_connection_id="b"),
    "guest_message": message(2, text="x", guest_query_id="g"),
    "stopped_message_generation": {"chat": PLACE, "draft_id": 12_345},
    "channel_post": message(3, text="x", chat={"id": UNKNOWN, "type": "channel"}),
    "managed_bot": {"user": PERSON, "bot": PERSON},
    "widget_query": {"id": "1", "from": PERSON, "data": "x"},
}


async def test_f60_what_is_not_for_the_bot_is_ignored(stage: Stage) -> None:
    await stage.start()
    for kind, body in OTHER.items():
        stage.telegram.push_raw({kind: body})
    await still_there(stage)
    assert stage.telegram.texts(ANNA) == []
    assert set(inbox(stage)) == {"done"}


async def test_f60_a_stop_of_an_unknown_draft_stops_nothing(stage: Stage) -> None:
    stage.studio.speed = 20
    await stage.start()
    stage.studio.script(counted(40))
    stage.telegram.say(ANNA, "count")
    await soon(stage, stage.prompts)
    stage.telegram.push_raw({"stopped_message_generation": {"chat": PLACE, "draft_id": 12_345}})
    assert (await stage.texts(1))[0].endswith("word39")


# --- blocked ----------------------------------------------------------------------------------------------------------


async def test_f61_blocking_the_bot_ends_the_answer_that_is_being_written(stage: Stage) -> None:
    stage.studio.speed = 5
    await stage.start()
    stage.studio.script(counted(500))
    stage.telegram.say(ANNA, "count")
    await stage.until(lambda: stage.telegram.drafts or None)
    stage.telegram.block(ANNA)
    await soon(stage, lambda: deliveries(stage) == ["dead"] or None)
    await soon(stage, lambda: set(inbox(stage)) == {"done"} or None)
    assert stage.clock.monotonic() < 60  # of a hundred seconds of answer
    assert said(stage) == []
    stage.telegram.block(ANNA, False)
    stage.studio.script("welcome back")
    assert await stage.ask("hello again") == "welcome back"


async def test_f61_leaving_a_forum_ends_the_answers_in_all_its_topics(stage: Stage) -> None:
    stage.studio.speed = 5
    await stage.start()
    forum = stage.telegram.group("Forum", [ANNA, BORIS], is_forum=True)["id"]
    threads = [stage.telegram.topic(forum, ANNA, name)["id"] for name in ("one", "two")]
    stage.studio.script(counted(500), counted(500))
    for thread in threads:
        stage.telegram.say(forum, "@govorun_sandbox_bot count", ANNA, thread)
    await soon(stage, lambda: len(stage.prompts()) == 2 or None)
    await asyncio.sleep(10)
    stage.telegram.kick(forum)
    await soon(stage, lambda: set(inbox(stage)) == {"done"} or None)
    assert stage.clock.monotonic() < 90  # of a hundred seconds of answers, and as many of waiting
    await soon(stage, lambda: set(deliveries(stage)) <= {"dead", "sent"} or None)
