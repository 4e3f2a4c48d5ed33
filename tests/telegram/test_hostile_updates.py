"""Updates that are broken or hostile: none stops the others, and words among them are answered (F37, F40, F41, F46)."""

from __future__ import annotations

from typing import Any

import pytest

from bot.config.entries import ModelConfig
from bot.texts.catalog import say
from tests.support.odd_updates import PERSON, PLACE, TOKEN_BOT, is_polite, message
from tests.support.stage import ANNA, BORIS, TEAM, Stage
from tests.support.telegram_side import inbox, questions, rows, soon

EMPTY = say("en", "empty.question")
DEEP: Any = "x"
for _ in range(100):  # the sandbox's journal takes no more; test_polling has 5,000
    DEEP = {"type": "quote", "blocks": [DEEP]}

SILENT: dict[str, dict[str, Any]] = {
    "only a number": {},
    "unknown kind": {"telepathy": {"thought": 1}},
    "unknown kind of a wrong type": {"telepathy": [1, None]},
    "message is a list": {"message": [1]},
    "message is null": {"message": None},
    "message is a text": {"message": "hello"},
    "empty message": {"message": {}},
    "no chat": {"message": {"message_id": 1, "from": PERSON, "text": "x"}},
    "chat is a number": {"message": message(3, chat=5, text="x")},
    "chat without an id": {"message": message(4, chat={"type": "private"}, text="x")},
    "chat id is a text": {"message": message(5, chat={"id": "me"}, text="x")},
    "chat id is huge": {"message": message(6, chat={"id": 2**70, "type": "private"}, text="x")},
    "chat id is not finite": {"message": message(7, chat={"id": float("inf")}, text="x")},
    "message id is huge": {"message": message(8, text="x") | {"message_id": 2**64}},
    "message id is negative": {"message": message(9, text="x") | {"message_id": -1}},
    "message id is half a pair": {"message": message(10, text="x") | {"message_id": "\ud800"}},
    "no message id": {"message": {"from": PERSON, "chat": PLACE, "text": "x"}},
    "sender id is a text": {"message": message(11, text="x") | {"from": {"id": "me"}}},
    "sender id is huge": {"message": message(12, text="x") | {"from": {"id": 2**80}}},
    "no sender": {"message": {"message_id": 1, "chat": PLACE, "text": "x"}},
    "a service account": {"message": message(13, text="x") | {"from": {**PERSON, "id": 777000}}},
    "an anonymous administrator": {"message": message(14, text="x") | {"from": {**PERSON, "id": 1087968824}}},
    "a channel": {"message": message(15, text="x", sender_chat={"id": -100, "type": "channel"})},
    "another bot": {"message": message(16, text="x") | {"from": {**PERSON, "is_bot": True}}},
    "the bot itself": {"message": message(17, text="x") | {"from": TOKEN_BOT}},
    "text is a number": {"message": message(18, text=5)},
    "text is a list": {"message": message(19, text=["x"])},
    "members": {"message": message(20, new_chat_members=[PERSON] * 50)},
    "the bot left": {"message": message(21, left_chat_member=TOKEN_BOT)},
    "a pinned message that is gone": {"message": message(22, pinned_message={"date": 0})},
    "a photo of a wrong type": {"message": message(23, photo="x")},
    "the chat moves to a huge number": {"message": message(24, migrate_to_chat_id=-(2**70))},
    "the chat moves to true": {"message": message(25, migrate_to_chat_id=True)},
    "a press of nobody": {"callback_query": {"id": "1", "data": "x", "message": message(26)}},
    "a press nowhere": {"callback_query": {"id": "2", "from": PERSON, "data": "x"}},
    "a press in a game": {"callback_query": {"id": "3", "from": PERSON, "game_short_name": "x"}},
    "a press of a wrong type": {"callback_query": [1]},
    "a stop nowhere": {"stopped_message_generation": {"draft_id": 1}},
    "a stop of an unknown draft": {"stopped_message_generation": {"chat": PLACE, "draft_id": 2**70}},
    "a member nowhere": {"my_chat_member": {"new_chat_member": 5}},
    "a member of a wrong type": {"my_chat_member": {"chat": PLACE, "new_chat_member": [1]}},
    "an unknown member": {"my_chat_member": {"chat": PLACE, "new_chat_member": {"status": "ghost"}}},
    "an edit without words": {"edited_message": message(27, edit_date=1)},
    "an edit of a wrong type": {"edited_message": message(28, edit_date=[1], text=5)},
    "an inline query": {"inline_query": {"id": "1", "from": PERSON, "query": "x" * 256, "offset": "999"}},
    "a payment": {"pre_checkout_query": {"id": "1", "from": PERSON}},
    "a poll answer": {"poll_answer": {"poll_id": "1", "option_ids": [0]}},
    "a join request": {"chat_join_request": {"chat": PLACE, "from": PERSON}},
    "a reaction": {"message_reaction": {"chat": PLACE, "new_reaction": [{"type": "smell"}]}},
    "a boost": {"chat_boost": {"chat": PLACE}},
    "a business message": {"business_message": message(29, text="x", business_connection_id="b")},
    "a guest": {"guest_message": message(30, text="x", guest_query_id="g")},
    "a channel post": {"channel_post": message(31, text="x")},
    "a key that is half a pair": {"\ud800": "\ud800"},
    "a deep message": {"message": message(32, rich_message={"blocks": [DEEP]})},
    "a negative number of its own": {"update_id": -5, "message": message(34, text="x")},
    "for another bot": {"message": message(35, text="/help@other_bot", chat={"id": TEAM, "type": "supergroup"})},
}
SPOKEN: dict[str, dict[str, Any]] = {
    "a message beside a broken press": {"message": message(50, text="one"), "callback_query": [1]},
    "forwarded from a hidden user": {"message": message(51, text="two", forward_origin={"type": "hidden_user"})},
    "a nameless person": {"message": message(52, text="three") | {"from": {"id": ANNA, "first_name": "\ud83d"}}},
    "half a pair": {"message": message(53, text="four \ud83d")},
    "a NUL": {"message": message(54, text="five \0")},
    "a date out of time": {"message": message(55, text="six", date=2**63)},
    "an unknown entity": {"message": message(56, text="seven", entities=[{"type": "brand_new", "offset": -1}])},
    "a deep quote": {"message": message(57, text="eight", rich_message={"blocks": [DEEP]})},
    "no number of a topic": {"message": message(58, text="nine", is_topic_message=True, message_thread_id=2**70)},
}


async def test_no_hostile_update_stops_the_queue(stage: Stage) -> None:
    """All of them in one go: nothing is answered, nothing dies, and the next question is."""
    await stage.start()
    for update in SILENT.values():
        stage.telegram.push_raw(update)
    stage.studio.script("still here")
    assert await stage.ask("are you there?", BORIS) == "still here"
    await stage.clock.sleep(5)
    assert stage.telegram.texts(ANNA) == []
    assert stage.telegram.texts(TEAM) == []
    assert questions(stage) == ["are you there?"]
    await soon(stage, lambda: set(inbox(stage)) == {"done", "dead"} or None)
    reasons = [reason for (reason,) in rows(stage, "SELECT reason FROM updates WHERE state = 'dead'")]
    assert len(reasons) >= 15
    assert all(reason.partition(":")[0] in ("message", "callback_query", "my_chat_member", "edited_message",
                                            "stopped_message_generation") for reason in reasons)  # fmt: skip
    assert stage._task is not None
    assert not stage._task.done()


@pytest.mark.parametrize(
    "name", ["a deep message", "a press of a wrong type", "chat id is huge", "a key that is half a pair"]
)
async def test_a_hostile_update_is_survived_by_the_next_start_too(stage: Stage, name: str) -> None:
    await stage.start()
    stage.telegram.push_raw(SILENT[name])
    await soon(stage, lambda: inbox(stage))
    await stage.crash()
    await stage.start()
    stage.studio.script("still here")
    assert await stage.ask("are you there?", BORIS) == "still here"


async def test_what_is_strange_beside_the_words_costs_no_answer(stage: Stage) -> None:
    stage.studio.answer(lambda messages: "ok " + messages[-1]["text"].split()[0])
    await stage.start(chat_queue=20)
    for update in SPOKEN.values():
        stage.telegram.push_raw(update)
    numbers = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    assert await stage.texts(9) == [f"ok {number}" for number in numbers]


@pytest.mark.parametrize("text", ["\u2800", "\u200b\u200d", "\u3164", " "])
async def test_a_message_with_nothing_to_read_is_told_so(stage: Stage, text: str) -> None:
    await stage.start()
    assert await stage.ask(text) == EMPTY
    assert stage.prompts() == []


@pytest.mark.parametrize(
    "text",
    [
        "a" * 4096,
        "я" * 4096,
        "😀" * 2048,
        "👨‍👩‍👧‍👦" * 300,
        "e" + "\u0301" * 4000,
        "%s%n {0.__class__} ${7*7}",
        "'; DROP TABLE messages;--",
    ],
)
async def test_any_text_reaches_the_model_as_it_is(stage: Stage, text: str) -> None:
    await stage.start()
    stage.studio.script("read")
    assert await stage.ask(text) == "read"
    assert questions(stage) == [text]


@pytest.mark.parametrize(
    "fields",
    [
        {"voice": {"file_id": "v", "duration": 10**6}},
        {"location": {"latitude": 999, "longitude": -999}},
        {"contact": {"vcard": "x" * 1300}},
        {"document": {"file_id": "d", "file_name": "../../etc/passwd", "file_size": 2**40}},
        {"photo": [{"file_id": "p", "width": 100_000, "height": 100_000}]},
        {"photo": []},
        {"sticker": {}},
        {"dice": {"value": 6}},
    ],
)
async def test_what_can_not_be_read_gets_a_polite_sentence(stage: Stage, fields: dict[str, Any]) -> None:
    await stage.start(models=[ModelConfig(name="yandexgpt")])  # none that sees
    stage.telegram.push_raw({"message": message(1, **fields)})
    assert is_polite((await stage.texts(1))[0])
