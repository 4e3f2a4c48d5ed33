"""Finished answers reach their chat once, whole and in order, whatever Telegram says meanwhile."""

from __future__ import annotations

import asyncio
import sqlite3
from itertools import pairwise
from typing import Any

import pytest
from sandbox_client import jpeg_header
from sqlalchemy import text
from stage import ANNA, BORIS, TEAM, Stage
from telegram_side import QUESTION, counted, deliveries, loud, said, settled, soon, words

from bot.sandbox.studio import Answer
from bot.sandbox.telegram import buttons_of
from bot.sandbox.telegram_server import ApiCall


async def flooded(stage: Stage, chat: int = ANNA) -> ApiCall:
    return await stage.until(lambda: next((call for call in loud(stage, chat) if call.status == 429), None))


# --- flood waits ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [1, 3, 35, 3600])
async def test_a_flood_wait_is_kept_and_then_the_answer_arrives(stage: Stage, seconds: int) -> None:
    await stage.start()
    stage.telegram.fail_next("sendMessage", code=429, parameters={"retry_after": seconds}, chat_id=ANNA)
    stage.studio.script("worth waiting for")
    stage.telegram.say(ANNA, "hello")
    refused = await flooded(stage)
    assert await stage.ask("and me?", BORIS) != ""
    assert stage.clock.monotonic() - refused.monotonic < 2
    await stage.clock.sleep(seconds + 3)
    assert stage.telegram.texts(ANNA) == ["worth waiting for"]
    first, second = loud(stage)
    assert seconds <= second.monotonic - first.monotonic <= seconds + 2


async def test_a_flood_wait_outlives_a_crash(stage: Stage) -> None:
    await stage.start()
    stage.telegram.fail_next("sendMessage", code=429, parameters={"retry_after": 300}, chat_id=ANNA)
    stage.studio.script("worth waiting for")
    stage.telegram.say(ANNA, "hello")
    refused = await flooded(stage)
    await stage.clock.sleep(5)
    await stage.crash()
    await stage.clock.sleep(20)
    await stage.start()
    await stage.texts(1)
    await stage.clock.sleep(60)
    assert stage.telegram.texts(ANNA) == ["worth waiting for"]
    early = [call for call in loud(stage) if refused.monotonic < call.monotonic < refused.monotonic + 299]
    assert early == []
    assert len(stage.prompts()) == 1


async def test_an_answer_that_waited_for_a_flood_is_found_after_a_crash(stage: Stage) -> None:
    await stage.start()
    stage.telegram.fail_next("sendMessage", code=429, parameters={"retry_after": 30})
    fault = stage.telegram.fail_next("sendMessage", reset=True, apply=True, times=None)
    stage.studio.script("just once")
    stage.telegram.say(ANNA, "hello")
    await stage.texts(1)
    await stage.crash()
    fault.remove()
    await stage.start()
    await settled(stage, "sent")
    assert stage.telegram.texts(ANNA) == ["just once"]


async def test_a_flood_refusal_without_a_number_is_waited_out(stage: Stage) -> None:
    await stage.start()
    stage.telegram.fail_next("sendMessage", code=429, description="Too Many Requests", times=3)
    stage.studio.script("here")
    assert await stage.ask("hello") == "here"
    times = [call.monotonic for call in loud(stage)]
    assert len(times) == 4
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert pauses[0] >= 5
    assert pauses[1] >= 2 * pauses[0] - 1


async def test_a_flood_wait_in_the_middle_of_a_long_answer_keeps_the_order(stage: Stage) -> None:
    await stage.start(rich_messages=False)
    answer = " ".join(f"word{number}" for number in range(900))
    stage.studio.script(answer)
    stage.telegram.say(ANNA, "tell me")
    await stage.texts(1)
    stage.telegram.fail_next("sendMessage", code=429, parameters={"retry_after": 35})
    await stage.until(lambda: "word899" in "".join(stage.telegram.texts(ANNA)) or None)
    assert words("".join(stage.telegram.texts(ANNA))) == words(answer)


# --- outcomes that are not known --------------------------------------------------------------------------------------

BROKEN: dict[str, dict[str, Any]] = {
    "reset before": {"reset": True},
    "reset after": {"reset": True, "apply": True},
    "502 before": {"code": 502},
    "502 after": {"code": 502, "apply": True},
    "proxy page after": {"code": 200, "body": b"<html>502 Bad Gateway</html>", "apply": True},
    "proxy page before": {"code": 200, "body": b"<html>502 Bad Gateway</html>"},
    "half an answer": {"code": 200, "body": b'{"ok":true,"result":{"mess', "apply": True},
    "true after": {"code": 200, "body": b'{"ok":true,"result":true}', "apply": True},
    "empty after": {"code": 200, "raw": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "apply": True},
    "garbage": {"raw": b"\x00\x01 no HTTP at all\r\n\r\n"},
    "not gzip": {"raw": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd", "apply": True},
    "too short": {"raw": b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n{", "apply": True},
    "no answer": {"code": 504, "delay": 60.0, "apply": True},
}


@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN.keys())
@pytest.mark.parametrize("times", [1, 2])
async def test_a_send_with_an_unknown_outcome_leaves_one_answer(
    stage: Stage, fault: dict[str, Any], times: int
) -> None:
    await stage.start()
    stage.telegram.fail_next("sendMessage", times=times, **fault)
    stage.studio.script("just once", "the next one")
    stage.telegram.say(ANNA, "hello")
    await settled(stage, "sent")
    assert stage.telegram.texts(ANNA) == ["just once"]
    assert await stage.ask("go on") == "the next one"


async def test_a_reset_in_the_middle_of_a_long_answer_loses_and_doubles_nothing(stage: Stage) -> None:
    await stage.start(rich_messages=False)
    answer = " ".join(f"word{number}" for number in range(900))
    stage.studio.script(answer)
    stage.telegram.fail_next("sendMessage", code=0, delay=0.1)
    stage.telegram.fail_next("sendMessage", reset=True, apply=True)
    stage.telegram.say(ANNA, "tell me")
    await settled(stage, "sent")
    assert words("".join(stage.telegram.texts(ANNA))) == words(answer)


async def test_an_answer_whose_confirmation_and_process_were_lost_is_found_again(stage: Stage) -> None:
    await stage.start()
    fault = stage.telegram.fail_next("sendMessage", reset=True, apply=True, times=None)
    stage.studio.script("just once")
    stage.telegram.say(ANNA, "hello")
    await stage.texts(1)
    await stage.crash()
    fault.remove()
    await stage.start()
    await settled(stage, "sent")
    assert stage.telegram.texts(ANNA) == ["just once"]
    assert len(stage.prompts()) == 1


async def test_a_lost_answer_is_found_again_though_others_wrote_in_the_meantime(stage: Stage) -> None:
    """Private chats share one line of message ids: while an answer is thought of, others move it on."""
    stage.studio.answer(lambda messages: "word " * 40 if messages[-1]["text"] == "slow" else "quick")
    stage.studio.speed = 1
    await stage.start()
    stage.telegram.say(ANNA, "slow")
    await stage.until(lambda: stage.telegram.drafts or None)
    for number in range(30):
        stage.telegram.state.post(stage.telegram.state.chats[BORIS], BORIS, {"text": f"note {number}"})
    await stage.ask("quick", BORIS)
    stage.telegram.fail_next("sendMessage", reset=True, apply=True, times=None, chat_id=ANNA)
    await stage.texts(1)
    await stage.crash()
    stage.telegram.faults.clear()
    await stage.start()
    await settled(stage, "sent", "sent")
    assert len(stage.telegram.texts(ANNA)) == 1


async def test_an_answer_that_was_never_sent_is_sent_after_a_crash(stage: Stage) -> None:
    await stage.start()
    fault = stage.telegram.fail_next("sendMessage", reset=True, times=None)
    stage.studio.script("better late")
    stage.telegram.say(ANNA, "hello")
    await stage.until(lambda: stage.telegram.calls_of("sendMessage") or None)
    await stage.crash()
    fault.remove()
    await stage.start()
    assert await stage.texts(1) == ["better late"]
    assert len(stage.prompts()) == 1


async def test_answers_of_a_time_without_network_arrive_in_order(stage: Stage) -> None:
    stage.studio.speed = 2
    await stage.start()
    stage.studio.answer(lambda messages: messages[-1]["text"] + " answered after a while")
    for number in range(3):
        stage.telegram.say(ANNA, f"question {number}")
    await soon(stage, stage.prompts)
    await stage.telegram.down()
    await stage.clock.sleep(600)
    await stage.telegram.up()
    assert await stage.texts(3) == [f"question {number} answered after a while" for number in range(3)]


# --- refusals ---------------------------------------------------------------------------------------------------------

BAD_ENTITIES = "Bad Request: can't parse entities: unsupported start tag at byte offset 12"
TABLE = "| fruit | price |\n|---|---|\n| apple | 3 |\n| pear | 4 |"


async def test_an_edit_that_changes_nothing_is_a_success(stage: Stage) -> None:
    """The last edit was carried out and its answer lost: the next try hears "not modified"."""
    stage.studio.speed = 2
    await stage.start(streaming="edit")
    stage.studio.script(counted(9))
    fault = stage.telegram.fail_next("editMessageText", code=502, apply=True, times=None)
    stage.telegram.say(ANNA, "count")
    await soon(stage, lambda: (said(stage) and not stage.growing()) or None)
    assert deliveries(stage) == ["sending"]
    fault.remove()
    await settled(stage, "sent")
    assert "not modified" in stage.telegram.calls_of("editMessageText")[-1].description
    assert [text.split()[-1] for text in stage.telegram.texts(ANNA)] == ["word8"]


async def test_a_table_is_sent_as_rich_blocks(stage: Stage) -> None:
    await stage.start()
    stage.studio.script(TABLE)
    await stage.ask("fruit?")
    assert said(stage)[0]["rich_message"]["blocks"][0]["type"] == "table"


async def test_a_table_is_text_where_rich_messages_are_off(stage: Stage) -> None:
    await stage.start(rich_messages=False)
    stage.studio.script(TABLE)
    text = await stage.ask("fruit?")
    assert "apple" in text
    assert said(stage)[0]["entities"]
    assert not stage.telegram.calls_of("sendRichMessage", "sendRichMessageDraft")


@pytest.mark.parametrize(
    ("code", "description"),
    [
        (400, "Bad Request: RICH_MESSAGE_EMAIL_INVALID"),
        (400, "Bad Request: RICH_MESSAGE_CONTENT_REQUIRED"),
        (404, "Not Found: method not found"),
        (400, "Bad Request: something that is new this year"),
    ],
)
async def test_a_refused_rich_message_becomes_text_with_entities(stage: Stage, code: int, description: str) -> None:
    await stage.start()
    stage.telegram.fail_next("sendRichMessage", code=code, description=description, times=None)
    stage.studio.script(TABLE)
    text = await stage.ask("fruit?")
    assert "pear" in text
    assert said(stage)[0]["entities"]


async def test_refused_entities_become_plain_text_with_all_words(stage: Stage) -> None:
    await stage.start()
    stage.telegram.fail_next("sendRichMessage", code=400, description=BAD_ENTITIES, times=None)
    stage.telegram.fail_next("sendMessage", code=400, description=BAD_ENTITIES)
    stage.studio.script(TABLE)
    assert words(await stage.ask("fruit?")) == words(TABLE)
    assert "entities" not in said(stage)[0]


async def test_entities_refused_in_the_second_part_cost_no_words(stage: Stage) -> None:
    await stage.start(rich_messages=False, max_tokens=7000)
    answer = " ".join(f"**word{number}**" for number in range(600))
    stage.studio.script(answer)
    stage.telegram.fail_next("sendMessage", code=0, delay=0.1)
    stage.telegram.fail_next("sendMessage", code=400, description=BAD_ENTITIES)
    stage.telegram.say(ANNA, "tell me")
    await settled(stage, "sent")
    assert words("".join(stage.telegram.texts(ANNA))).replace("*", "") == words(answer).replace("*", "")


async def test_an_answer_that_shows_nothing_is_still_an_answer(stage: Stage) -> None:
    await stage.start()
    for number, invisible in enumerate(["\u200b\u2060", "\u2800", "**", "# ", "```\n```", "<!-- -->", "\x01\x02"]):
        stage.studio.script(invisible)
        await stage.ask("hm")
        await settled(stage, *["sent"] * (number + 1))
        assert len(stage.telegram.texts(ANNA)) == number + 1


async def test_a_topic_that_is_deleted_meanwhile_costs_no_answer(stage: Stage) -> None:
    stage.studio.speed = 5
    await stage.start()
    topic = stage.telegram.topic(ANNA, name="plans")["id"]
    stage.studio.script(counted(20))
    stage.telegram.say(ANNA, "count", thread_id=topic)
    await stage.until(lambda: stage.telegram.drafts or None)
    stage.telegram.delete_topic(ANNA, topic)
    assert "word19" in (await stage.texts(1))[0]
    assert "message_thread_id" not in said(stage)[0]


async def test_a_placeholder_that_the_user_deleted_is_replaced_by_one_answer(stage: Stage) -> None:
    stage.studio.speed = 1
    await stage.start(streaming="edit")
    stage.studio.script(counted(12))
    stage.telegram.say(ANNA, "count")
    await stage.until(lambda: stage.growing() or None)
    stage.telegram.delete(ANNA, said(stage)[0]["message_id"])
    await settled(stage, "sent")
    assert [text.split()[-1] for text in stage.telegram.texts(ANNA)] == ["word11"]


async def test_rich_and_plain_that_can_not_be_edited_into_each_other_cost_nothing(stage: Stage) -> None:
    stage.telegram.api.cross_edits = False
    stage.studio.speed = 2
    await stage.start(streaming="edit")
    stage.studio.script(["Look here: \n\n", "| fruit | price |\n", "|---|---|\n", "| apple | 3 |\n", "| pear | 4 |\n"])
    stage.telegram.say(ANNA, "fruit?")
    await settled(stage, "sent")
    assert len(stage.telegram.texts(ANNA)) == 1
    assert "pear" in stage.telegram.texts(ANNA)[0]


async def test_an_answer_quotes_nothing_when_the_question_was_deleted(stage: Stage) -> None:
    stage.studio.speed = 5
    await stage.start(streaming="off")
    stage.studio.script(counted(9))
    question = stage.telegram.say(TEAM, QUESTION, ANNA)
    await soon(stage, stage.prompts)
    stage.telegram.delete(TEAM, question["message_id"])
    assert "word8" in (await stage.texts(1, TEAM))[0]
    assert "reply_to_message" not in said(stage, TEAM)[0]


# --- pictures ---------------------------------------------------------------------------------------------------------

REFUSED_PHOTOS = [
    (400, "Bad Request: PHOTO_INVALID_DIMENSIONS"),
    (400, "Bad Request: IMAGE_PROCESS_FAILED"),
    (413, "Request Entity Too Large"),
]


@pytest.mark.parametrize(("code", "description"), REFUSED_PHOTOS)
async def test_a_refused_photo_is_sent_as_a_document(stage: Stage, code: int, description: str) -> None:
    await stage.start()
    stage.telegram.fail_next("sendPhoto", code=code, description=description, times=None)
    stage.studio.paint(jpeg_header(64, 64))
    stage.telegram.say(ANNA, "/image a lighthouse")
    await stage.until(lambda: stage.telegram.calls_of("sendDocument") or None)
    await soon(stage, lambda: set(deliveries(stage)) == {"sent"} or None)
    document = said(stage)[-1]
    assert document["document"]["file_size"] > 0
    assert buttons_of(document)
    assert len(stage.telegram.calls_of("sendPhoto")) == 1


async def test_a_photo_whose_confirmation_was_lost_stands_once(stage: Stage) -> None:
    await stage.start()
    stage.telegram.fail_next("sendPhoto", reset=True, apply=True)
    stage.studio.paint(jpeg_header(64, 64))
    stage.telegram.say(ANNA, "/image a lighthouse")
    await stage.until(lambda: stage.telegram.calls_of("sendPhoto") or None)
    await soon(stage, lambda: set(deliveries(stage)) == {"sent"} or None)
    assert len([message for message in said(stage) if "photo" in message]) == 1


async def test_a_refused_photo_for_a_deleted_topic_arrives_in_the_chat(stage: Stage) -> None:
    await stage.start()
    topic = stage.telegram.topic(ANNA, name="plans")["id"]
    stage.telegram.fail_next("sendPhoto", code=400, description="Bad Request: IMAGE_PROCESS_FAILED", times=None)
    stage.studio.paint(jpeg_header(64, 64))
    stage.telegram.say(ANNA, "/image a lighthouse", thread_id=topic)
    await soon(stage, lambda: stage.studio.seen("imageGenerationAsync"))
    stage.telegram.delete_topic(ANNA, topic)
    await stage.until(lambda: any("document" in message for message in said(stage)) or None)


# --- chats that go and move -------------------------------------------------------------------------------------------


async def test_a_user_who_blocked_the_bot_is_left_alone_and_can_come_back(stage: Stage) -> None:
    stage.studio.speed = 5
    await stage.start()
    stage.studio.script(counted(30))
    stage.telegram.say(ANNA, "count")
    await stage.until(lambda: stage.telegram.drafts or None)
    stage.telegram.block(ANNA)
    blocked = stage.clock.monotonic()
    await settled(stage, "dead")
    await stage.clock.sleep(120)
    late = [call for call in stage.telegram.calls if call.chat_id == ANNA and call.monotonic > blocked + 3]
    assert late == []
    stage.telegram.block(ANNA, False)
    stage.studio.script("welcome back")
    assert await stage.ask("hello again") == "welcome back"


async def test_a_refusal_that_comes_before_the_news_of_the_block_buries_what_waits(stage: Stage) -> None:
    await stage.start()
    stage.telegram.fail_next("sendMessage", code=403, description="Forbidden: bot was blocked by the user")
    stage.telegram.say(ANNA, "hello")
    await settled(stage, "dead")
    await stage.clock.sleep(60)
    assert len(stage.telegram.calls_of("sendMessage")) == 1
    stage.studio.script("hello, Boris")
    assert await stage.ask("hello", BORIS) == "hello, Boris"


async def test_a_group_that_moved_gets_its_answer_under_the_new_id(stage: Stage) -> None:
    group = stage.telegram.group("Club", [ANNA, BORIS], type="group")["id"]
    stage.studio.speed = 2
    await stage.start()
    stage.studio.script(counted(20), "I remember")
    stage.telegram.say(group, QUESTION, ANNA)
    await stage.until(lambda: stage.telegram.texts(group) or None)
    new = stage.telegram.migrate(group)
    await stage.until(lambda: "word19" in "".join(stage.telegram.texts(new)) or None)
    assert len(stage.telegram.texts(new)) == 1
    await stage.ask(QUESTION, new, ANNA)
    assert "word19" in str(stage.prompts()[-1])


async def test_a_group_that_moved_unheard_is_followed_when_a_send_says_so(stage: Stage) -> None:
    group = stage.telegram.group("Club", [ANNA, BORIS], type="group")["id"]
    stage.studio.speed = 5
    await stage.start(streaming="off")
    stage.studio.script(counted(20), "I remember")
    stage.telegram.say(group, QUESTION, ANNA)
    await soon(stage, stage.prompts)
    new = stage.telegram.migrate(group)
    stage.telegram.updates.drop_all()
    assert "word19" in (await stage.texts(1, new))[0]
    await stage.ask(QUESTION, new, ANNA)
    assert "word19" in str(stage.prompts()[-1])
    await settled(stage, "sent", "sent")


# --- sizes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [4095, 4096, 4097, 7900])
@pytest.mark.parametrize("letter", ["a", "я", "😀"])
async def test_answers_around_the_limit_arrive_whole(stage: Stage, length: int, letter: str) -> None:
    await stage.start(rich_messages=False, max_tokens=100_000)
    stage.studio.script(Answer([letter * length]))
    stage.telegram.say(ANNA, "tell me")
    await settled(stage, "sent")
    assert words("".join(stage.telegram.texts(ANNA))) == letter * length


async def test_a_long_answer_keeps_its_code_and_its_order(stage: Stage) -> None:
    await stage.start(rich_messages=False, max_tokens=100_000)
    lines = [f"line{number} = {number} * 'x'" for number in range(460)]
    answer = "Here is the code:\n\n```python\n" + "\n".join(lines) + "\n```\n\nThat was all."
    assert len(answer) > 8000
    stage.studio.script([answer])
    stage.telegram.say(ANNA, "code please")
    await settled(stage, "sent")
    shown = stage.telegram.texts(ANNA)
    assert len(shown) >= 3
    assert words("".join(shown)) == words(answer.replace("```python", "").replace("```", ""))
    for message in said(stage)[:-1]:
        assert any(entity["type"] == "pre" and entity["language"] == "python" for entity in message["entities"])
    assert stage.telegram.remarks == []


# --- what never happens -----------------------------------------------------------------------------------------------


async def test_no_message_fetches_a_preview_of_what_the_model_wrote(stage: Stage) -> None:
    stage.studio.speed = 2
    await stage.start()
    link = "see https://evil.example/?canary and [this](https://evil.example/x) "
    stage.studio.script([link] * 12)
    stage.telegram.say(TEAM, QUESTION, ANNA)
    await settled(stage, "sent")
    stage.studio.script([link] * 12)
    await stage.ask("and here?")
    texts = stage.telegram.calls_of("sendMessage", "editMessageText")
    assert len(texts) >= 4
    for call in texts:
        assert '"is_disabled":true' in str(call.params["link_preview_options"]).replace(" ", "")
    assert not [call for call in stage.telegram.calls if "parse_mode" in call.params]


async def test_an_answer_that_no_way_of_sending_helps_ends_and_blocks_nobody(stage: Stage) -> None:
    await stage.start()
    stage.telegram.fail_next("sendMessage", code=400, description="Bad Request: something new", times=4)
    stage.telegram.say(ANNA, "hello")
    await settled(stage, "dead")
    stage.telegram.faults.clear()
    stage.studio.script("the next one")
    assert await stage.ask("go on") == "the next one"


async def test_an_answer_that_can_not_even_be_asked_for_ends_and_blocks_nobody(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """A button without words: the client library refuses it, at each start anew."""
    await stage.start()
    stage.studio.script("good", "and on")
    await stage.ask("hello")
    await stage.stop()
    broken = '{"text": "private words", "buttons": [[{"label": null, "data": "k"}]]}'
    with sqlite3.connect(stage.settings.database_url.partition(":///")[2]) as disk:
        disk.execute("UPDATE deliveries SET state = 'pending', message_ids = '[]', done = 0, outgoing = ?", [broken])
    disk.close()
    await stage.start()
    await settled(stage, "dead")
    assert await stage.ask("go on") == "and on"
    assert "private words" not in caplog.text


async def test_a_disk_that_fails_after_a_send_does_not_double_the_answer(stage: Stage) -> None:
    app = await stage.start()
    await stage.ask("hello")
    await app.store.write(lambda tx: tx.connection.execute(text("PRAGMA busy_timeout=0")))
    other = sqlite3.connect(stage.settings.database_url.partition("///")[2], isolation_level=None)
    stage.telegram.fail_next("sendMessage", apply=True, reset=True)
    stage.telegram.say(ANNA, "again")
    await stage.texts(2)
    other.execute("BEGIN IMMEDIATE")
    await asyncio.sleep(60)
    other.execute("ROLLBACK")
    other.close()
    await stage.ask("and now?")
    assert len(stage.telegram.texts(ANNA)) == 3
