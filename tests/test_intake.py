"""From updates to questions: on disk first, once each, pieces joined, and no update stops the others."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from sandbox_client import png
from stage import ANNA, BORIS, TEAM, Stage
from telegram_side import QUESTION, counted, inbox, rows, said, settled, soon
from virtual import VirtualClock

from bot import App
from bot.attached import BLIND
from bot.boxes import Received
from bot.errors import StorageUnavailable
from bot.telegram.intake import Intake
from bot.telegram.updates import Me
from bot.texts.catalog import say
from bot.types import Handler, Incoming, Reply


@pytest.fixture
def bot_app() -> App:
    """Without a model that sees: a picture is a part of the question, and the question is answered at once."""
    return App(models=[{"name": "yandexgpt"}, {"name": "yandexgpt-lite"}])


IS_GONE = f"SELECT is_gone FROM chats WHERE id = {ANNA}"
TOKEN_BOT: dict[str, Any] = {"id": 4200000042, "is_bot": True, "first_name": "Govorun"}
PERSON = {"id": ANNA, "is_bot": False, "first_name": "Anna", "language_code": "en"}
PLACE = {"id": ANNA, "type": "private", "first_name": "Anna"}
UNREADABLE = [say("en", key) for key in ("unsupported", "picture.blind", "voice.off")]
EMPTY = "There is nothing to read in this message. Write your question in words."


def message(number: int, **fields: Any) -> dict[str, Any]:
    return {"message_id": 9000 + number, "from": PERSON, "chat": PLACE, "date": 1_800_000_000, **fields}


def questions(stage: Stage) -> list[str]:
    """What was asked, without what the model is told of a picture that it can't see."""
    return [prompt[-1]["text"].removesuffix(f"\n{BLIND}") for prompt in stage.prompts()]


# --- pieces of one question -------------------------------------------------------------------------------------------


async def test_a_paste_in_three_pieces_is_one_question(stage: Stage) -> None:
    await stage.start()
    text = "".join(f"{number:07d} " for number in range(1200))
    assert len(text) > 2 * 4096
    stage.studio.script("read")
    assert await stage.ask(text) == "read"
    assert questions(stage) == [text]
    assert set(inbox(stage)) == {"done"}


async def test_a_paste_that_ends_with_a_full_piece_is_not_waited_for_long(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("read")
    assert await stage.ask("a" * 8192) == "read"
    assert questions(stage) == ["a" * 8192]


async def test_pastes_of_two_people_in_a_group_are_not_mixed(stage: Stage) -> None:
    await stage.start()
    for letter, user in (("a", ANNA), ("b", BORIS)):
        stage.telegram.say(TEAM, "@govorun_sandbox_bot " + letter * 4070, user)
    await stage.texts(2, TEAM)
    assert sorted(text.split(": ")[-1][0] + text[-1] for text in questions(stage)) == ["aa", "bb"]


async def test_a_stop_is_not_part_of_a_paste(stage: Stage) -> None:
    await stage.start()
    stage.telegram.say(ANNA, "a" * 4096)
    stage.telegram.say(ANNA, "/stop")
    await stage.texts(2)
    assert "/stop" not in "".join(questions(stage))


async def test_an_album_is_one_turn(stage: Stage) -> None:
    await stage.start()
    stage.telegram.album(ANNA, [png(8, 8)] * 5)
    assert (await stage.texts(1))[0] in UNREADABLE
    await stage.clock.sleep(10)
    assert stage.telegram.texts(ANNA) == [say("en", "picture.blind")]


@pytest.mark.parametrize("caption_on", [0, 4])
async def test_the_caption_of_an_album_is_the_question(stage: Stage, caption_on: int) -> None:
    await stage.start()
    stage.studio.script("a caption")
    stage.telegram.album(ANNA, [png(8, 8)] * 5, "what is this?", caption_on=caption_on)
    assert await stage.texts(1) == ["a caption"]
    assert questions(stage) == ["what is this?"]


async def test_two_albums_that_come_through_each_other_are_two_turns(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("one", "two")
    for number in range(3):
        for group in ("first", "second"):
            caption = f"what is the {group}?" if number == 1 else ""
            stage.telegram.upload(ANNA, png(8, 8), caption=caption, group=group)
    assert await stage.texts(2) == ["one", "two"]
    await stage.clock.sleep(10)
    assert questions(stage) == ["what is the first?", "what is the second?"]


async def test_a_part_of_an_album_that_comes_late_is_a_turn_of_its_own(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("first", "late")
    stage.telegram.upload(ANNA, png(8, 8), caption="one", group="g")
    await stage.texts(1)
    await stage.clock.sleep(11)
    stage.telegram.upload(ANNA, png(8, 8), caption="two", group="g")
    assert await stage.texts(2) == ["first", "late"]


async def test_what_follows_an_album_keeps_its_place(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("the album", "the question")
    stage.telegram.album(ANNA, [png(8, 8)] * 3, "look")
    stage.telegram.say(ANNA, "and now?")
    assert await stage.texts(2) == ["the album", "the question"]


async def test_an_album_that_a_stop_interrupts_does_not_overtake_what_waited(stage: Stage) -> None:
    stage.studio.speed = 1
    await stage.start(shutdown_grace=60)
    stage.studio.script("a slow answer, of some words", "what waited", "the album")
    stage.telegram.say(ANNA, "slowly, please")
    stage.telegram.say(ANNA, "and then?")
    stage.telegram.album(ANNA, [png(8, 8)] * 2, "look")
    await soon(stage, lambda: len(inbox(stage)) == 4)
    await stage.stop()
    await stage.start()
    await stage.texts(3)
    assert questions(stage) == ["slowly, please", "and then?", "look"]


async def test_an_album_that_a_crash_interrupts_is_one_turn_after_it(stage: Stage) -> None:
    await stage.start()
    stage.studio.script("whole")
    stage.telegram.album(ANNA, [png(8, 8)] * 4, "look")
    await soon(stage, lambda: len(inbox(stage)) == 4)
    await stage.crash()
    await stage.start()
    assert await stage.texts(1) == ["whole"]
    await stage.clock.sleep(5)
    assert questions(stage) == ["look"]


# --- the same thing twice ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("other_number", [False, True])
@pytest.mark.parametrize("restart", [False, True])
async def test_a_message_that_comes_twice_is_answered_once(stage: Stage, other_number: bool, restart: bool) -> None:
    await stage.start()
    sent = stage.telegram.say(ANNA, "hello")
    number = stage.telegram.updates.next_id - 1
    await settled(stage, "sent")
    if restart:
        await stage.stop()
        await stage.start()
    stage.telegram.push_raw({"message": sent} if other_number else {"update_id": number, "message": sent})
    await stage.clock.sleep(5)
    await stage.ask("next")
    assert len(stage.prompts()) == 2


async def test_update_numbers_may_begin_anew(stage: Stage) -> None:
    await stage.start()
    stage.telegram.push_raw({"update_id": 900_000_000, "message": message(1, text="high")})
    await stage.texts(1)
    stage.telegram.updates.next_id = 900_000_001
    stage.telegram.push_raw({"update_id": 117_314_199, "message": message(2, text="low")})
    await stage.texts(2)
    assert questions(stage) == ["high", "low"]


async def test_update_numbers_that_begin_anew_may_meet_one_that_is_remembered(stage: Stage) -> None:
    """After a week without updates Telegram goes on from a number by chance."""
    await stage.start()
    stage.telegram.push_raw({"update_id": 900_000_000, "message": message(1, text="long ago")})
    await stage.texts(1)
    stage.telegram.push_raw({"update_id": 900_000_000, "message": message(2, text="today")})
    await stage.texts(2)
    assert questions(stage) == ["long ago", "today"]


async def test_what_has_no_name_is_told_apart_by_what_it_says(stage: Stage) -> None:
    await stage.start()
    await stage.ask("hello")
    person = {"user": {"id": TOKEN_BOT["id"], "is_bot": True, "first_name": "Govorun"}}
    for status in ("kicked", "member"):
        change = {"chat": PLACE, "from": PERSON, "date": 1_800_000_000, "new_chat_member": {**person, "status": status}}
        stage.telegram.push_raw({"update_id": 900_000_000, "my_chat_member": change})
        await soon(stage, lambda gone=status == "kicked": rows(stage, IS_GONE) == [(gone,)])  # type: ignore[misc]


# --- hostile updates --------------------------------------------------------------------------------------------------

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
    await stage.start()
    stage.telegram.push_raw({"message": message(1, **fields)})
    assert (await stage.texts(1))[0] in UNREADABLE


# --- crashes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["inbox", "asked", "drafted", "sent"])
async def test_a_crash_at_any_moment_costs_nothing_and_doubles_nothing(stage: Stage, moment: str) -> None:
    stage.studio.speed = 20
    stage.studio.answer(lambda messages: "".join(counted(15)))
    await stage.start()
    stage.telegram.say(ANNA, "count")
    found = {
        "inbox": lambda: inbox(stage),
        "asked": lambda: stage.prompts(),
        "drafted": lambda: stage.telegram.drafts,
        "sent": lambda: said(stage),
    }[moment]
    await soon(stage, found)
    await stage.crash()
    await stage.start()
    await settled(stage, "sent")
    await stage.clock.sleep(60)
    assert [text.split()[-1] for text in stage.telegram.texts(ANNA)] == ["word14"]
    assert stage.telegram.pending == 0
    stage.studio.answer(lambda messages: "fine")
    assert await stage.ask("go on") == "fine"


async def test_questions_that_wait_in_a_crash_are_answered_in_their_order(stage: Stage) -> None:
    stage.studio.speed = 5
    stage.studio.answer(lambda messages: messages[-1]["text"] + " answered " * 8)
    await stage.start()
    for number in range(4):
        stage.telegram.say(ANNA, f"q{number}")
    stage.telegram.say(TEAM, QUESTION, ANNA)
    await soon(stage, lambda: len(inbox(stage)) == 5)
    await stage.crash()
    await stage.start()
    assert [text[:2] for text in await stage.texts(4)] == ["q0", "q1", "q2", "q3"]
    assert len(await stage.texts(1, TEAM)) == 1


# --- a disk that fails in between -------------------------------------------------------------------------------------


class Flaky:
    """An inbox whose disk is full each time after something was accepted, twice."""

    def __init__(self) -> None:
        self.set_aside: dict[int, str] = {}
        self.ended: list[int] = []
        self.failures = 2

    async def accept(self, bot: int, updates: Sequence[tuple[int, str, str, str]]) -> list[Received]:
        at = datetime(2027, 1, 1, tzinfo=UTC)
        return [Received(id_, bot, id_, raw, 0, at) for id_, _, raw, _ in updates]

    async def open(self, bot: int) -> list[Received]:
        return []

    async def take(self, bot: int, place: str, known: Collection[int], *, interrupted: bool) -> list[Received]:
        return []

    async def done(self, ids: Sequence[int]) -> None:
        self.ended += ids

    async def quarantine(self, id: int, reason: str) -> None:
        if self.failures:
            self.failures -= 1
            raise StorageUnavailable("the disk is full")
        self.set_aside[id] = reason

    async def find(self, bot: int, once: str) -> int | None:
        raise StorageUnavailable("the disk is full")


async def accepted(*given: Any, handler: Handler) -> Flaky:
    """What an inbox with a failing disk holds after these updates."""
    inbox, dismissed = Flaky(), list[Any]()

    def no_reply(incoming: Incoming, callback: str) -> Any:
        return None

    async with asyncio.TaskGroup() as tasks:
        me = Me(TOKEN_BOT["id"], "govorun_bot")
        intake = Intake(inbox, VirtualClock(), me, no_reply, handler, lambda *_: None, dismissed.append, tasks)
        await intake.accept(given)
    return inbox


async def test_a_disk_that_fails_while_one_update_is_set_aside_costs_the_others_nothing() -> None:
    heard: list[str] = []

    async def handler(incoming: Incoming, reply: Reply) -> None:
        heard.append(incoming.text)

    broken, idle = {"update_id": 1, "message": {"chat": 5}}, {"update_id": 2, "poll": {}}
    inbox = await accepted(broken, idle, {"update_id": 3, "message": message(1, text="hello")}, handler=handler)
    assert heard == ["hello"]
    assert list(inbox.set_aside) == [1]
    assert inbox.ended == [2]


async def test_an_edit_that_can_not_be_looked_up_changes_nothing() -> None:
    heard: list[tuple[str, str]] = []

    async def handler(incoming: Incoming, reply: Reply) -> None:
        heard.append((incoming.text, incoming.of))

    edited = message(1, text="hello", edit_date=1_800_000_001)
    await accepted({"update_id": 1, "edited_message": edited}, handler=handler)
    assert heard == [("hello", "")]
