"""Finished answers reach their chat once, whole and in order: their sizes, pictures, chats that go and move."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest
from sqlalchemy import text

from bot.sandbox.ai_studio.server import Answer
from bot.sandbox.telegram.server_facade import buttons_of
from tests.support.sandbox_client import jpeg_header
from tests.support.stage import ANNA, BORIS, TEAM, Stage
from tests.support.telegram_side import QUESTION, counted, deliveries, said, settled, soon, words

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


@pytest.mark.usefixtures("draws_by_operations")
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
