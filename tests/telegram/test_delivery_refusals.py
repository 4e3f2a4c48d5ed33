"""What Telegram refuses in an answer costs its form, not its words (P10, F16, F17, F19, F20)."""

from __future__ import annotations

import pytest

from tests.support.stage import ANNA, TEAM, Stage
from tests.support.telegram_side import QUESTION, counted, deliveries, said, settled, soon, words

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


async def test_refused_entities_become_plain_text_with_all_words(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    await stage.start()
    stage.telegram.fail_next("sendRichMessage", code=400, description=BAD_ENTITIES, times=None)
    stage.telegram.fail_next("sendMessage", code=400, description=BAD_ENTITIES)
    stage.studio.script(TABLE)
    assert words(await stage.ask("fruit?")) == words(TABLE)
    assert "entities" not in said(stage)[0]
    told = [record for record in caplog.records if "sent in a simpler way" in record.message]
    assert [(one.levelname, "unsupported start tag" in one.message) for one in told] == [("WARNING", True)] * 2


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
    stage.telegram.state.cross_edits = False
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
