"""What Telegram says in words: wait, no, gone, not you, somebody else is here. Also `test_delivery_floods` (P9)."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from bot.sandbox.telegram.http import ApiCall
from tests.support.choosing import labels
from tests.support.sandbox_client import Client
from tests.support.stage import ANNA, BORIS, TEAM, Stage
from tests.support.telegram_side import QUESTION, counted, deliveries, drafts, loud, settled, soon, words

pytestmark = pytest.mark.wire("tcp")

HALF_AN_HOUR = 1800.0


def polls(stage: Stage, status: int) -> list[ApiCall]:
    return [call for call in stage.telegram.calls_of("getUpdates") if call.status == status]


def pauses(calls: list[ApiCall]) -> list[float]:
    return [later.monotonic - earlier.monotonic for earlier, later in pairwise(calls)]


def told(caplog: pytest.LogCaptureFixture, level: str, part: str) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelname == level and part in r.getMessage()]


# --- F13-F15: flood ---------------------------------------------------------------------------------------------------


async def test_f13_everything_refused_for_flood_is_a_wait_and_no_loss(stage: Stage) -> None:
    await stage.start()
    await stage.ask("hello")
    fault = stage.telegram.fail_next("*", code=429, parameters={"retry_after": 20}, times=None)
    for person in (ANNA, BORIS):
        stage.telegram.say(person, "are you there?")
    await stage.clock.sleep(60)
    for calls in (polls(stage, 429), loud(stage)[1:], loud(stage, BORIS), drafts(stage), drafts(stage, BORIS)):
        assert all(pause >= 20 for pause in pauses(calls))
    fault.remove()
    assert len(await stage.texts(2)) == 2
    assert len(await stage.texts(1, BORIS)) == 1
    assert len(stage.prompts()) == 3


async def test_f13_a_wait_of_many_minutes_is_an_error_in_the_log(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    await stage.start()
    stage.telegram.fail_next("sendMessage", code=429, parameters={"retry_after": 35}, chat_id=ANNA)
    stage.telegram.fail_next("sendMessage", code=429, parameters={"retry_after": 700}, chat_id=BORIS)
    await stage.ask("hello")
    assert told(caplog, "ERROR", "asks to wait") == []
    await stage.ask("hello", BORIS)
    assert len(told(caplog, "ERROR", "asks to wait 700 s")) == 1


async def test_f15_polls_that_are_refused_without_a_number_wait_ever_longer(stage: Stage) -> None:
    await stage.start()
    await stage.ask("hello")
    stage.telegram.fail_next("getUpdates", code=429, description="Too Many Requests", times=4)
    stage.telegram.say(ANNA, "wake up")
    await soon(stage, lambda: len(polls(stage, 429)) == 4)
    assert await stage.ask("still there?")
    first, second, third = pauses(polls(stage, 429))
    assert first >= 5
    assert second >= 2 * first - 1
    assert third >= 2 * second - 1


# --- F18, F21, F25, F30: refusals -------------------------------------------------------------------------------------

TOO_LONG = ["Bad Request: message is too long", "Bad Request: MESSAGE_TOO_LONG"]


@pytest.mark.parametrize("description", TOO_LONG)
async def test_f18_a_text_that_telegram_finds_too_long_arrives_in_pieces(stage: Stage, description: str) -> None:
    await stage.start()
    text = "| a | b |\n|---|---|\n| 1 | 2 |\n\n" + " ".join(f"word{number}" for number in range(900))
    stage.studio.script(text)
    stage.telegram.fail_next("sendRichMessage", code=400, description=description, times=None)
    stage.telegram.say(ANNA, "tell me")
    await settled(stage, "sent")
    shown = words("".join(stage.telegram.texts(ANNA)))
    assert all(f"word{number}" in shown for number in range(900))


async def test_f18_a_caption_that_is_too_long_costs_the_caption_not_the_picture(stage: Stage) -> None:
    await stage.start()
    for method in ("sendPhoto", "sendDocument"):
        stage.telegram.fail_next(method, code=400, description="Bad Request: message caption is too long")
    stage.telegram.say(ANNA, "/image a lighthouse")
    await settled(stage, "sent")
    (sent,) = [message for message in stage.telegram.transcript(ANNA) if "document" in message]
    assert "caption" not in sent


@pytest.mark.parametrize("body", [b"", b"<html>413 Request Entity Too Large</html>"], ids=["json", "page"])
async def test_f30_a_picture_that_is_too_large_for_a_photo_is_a_document(stage: Stage, body: bytes) -> None:
    await stage.start()
    stage.telegram.fail_next("sendPhoto", code=413, body=body)
    stage.telegram.say(ANNA, "/image a lighthouse")
    await settled(stage, "sent")
    assert "document" in stage.telegram.transcript(ANNA)[-1]


@pytest.mark.usefixtures("draws_by_operations")
async def test_f30_a_picture_that_telegram_does_not_take_at_all_is_said(stage: Stage) -> None:
    await stage.start()
    stage.telegram.fail_next("sendPhoto", code=413, times=None)
    stage.telegram.fail_next("sendDocument", code=413, times=None)
    sorry = await stage.ask("/image a lighthouse")
    assert "picture" in sorry
    assert len(stage.studio.seen("imageGenerationAsync")) == 1
    assert await stage.ask("hello")


@pytest.mark.parametrize("words", ["TOPIC_CLOSED", "TOPIC_DELETED"])
async def test_f21_a_topic_that_takes_nothing_costs_no_answer(stage: Stage, words: str) -> None:
    await stage.start()
    topic = stage.telegram.topic(ANNA, name="one")["id"]
    stage.telegram.fail_next("sendMessage", code=400, description=f"Bad Request: {words}")
    stage.studio.script("for you")
    stage.telegram.say(ANNA, "hello", None, topic)
    assert await stage.texts(1) == ["for you"]
    assert "message_thread_id" not in loud(stage)[-1].params


async def test_f25_a_press_that_is_too_old_is_done_once_and_not_answered_again(stage: Stage) -> None:
    await stage.start()
    await stage.ask("/settings")
    text = "Bad Request: query is too old and response timeout expired or query ID is invalid"
    fault = stage.telegram.fail_next("answerCallbackQuery", code=400, description=text, times=None)
    await stage.press("Language")
    await soon(stage, lambda: "‹ Settings" in labels(stage) or None)
    assert fault.hits == 1
    assert len(stage.telegram.texts(ANNA)) == 1
    assert await stage.ask("hello")


# --- F26, P30: a token that is no longer ours -------------------------------------------------------------------------


@pytest.mark.parametrize("code", [401, 404])
async def test_f26_p30_a_revoked_token_is_said_clearly_and_asked_for_once_a_minute(
    stage: Stage, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    stage.studio.ttft = 20
    await stage.start()
    stage.studio.script("kept for you")
    stage.telegram.say(ANNA, "hello")
    await soon(stage, stage.prompts)
    fault = stage.telegram.fail_next("*", code=code, times=None)
    since = stage.clock.monotonic()
    await stage.clock.sleep(HALF_AN_HOUR)
    for calls in (polls(stage, code), loud(stage)):
        assert all(pause >= 59 for pause in pauses(calls))
    assert [call.method for call in stage.telegram.calls if call.monotonic > since + 120].count("sendMessage") > 20
    assert told(caplog, "ERROR", "BOT_TOKEN")
    assert len(told(caplog, "ERROR", "")) <= 2 * 7
    fault.remove()
    assert await stage.texts(1) == ["kept for you"]
    assert await stage.ask("and now?")


# --- F27, P29: somebody else polls ------------------------------------------------------------------------------------


async def test_f27_p29_a_second_poller_for_half_a_minute_is_outlived_quietly(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    await stage.start()
    await stage.ask("hello")
    fault = stage.telegram.fail_next("getUpdates", code=409, times=None)
    stage.telegram.say(ANNA, "wake up")
    await stage.clock.sleep(30)
    fault.remove()
    await stage.texts(2)
    assert len(told(caplog, "WARNING", "another process")) == 1
    assert told(caplog, "ERROR", "") == []
    assert min(pauses(polls(stage, 409))) >= 3
    await soon(stage, lambda: "works again" in caplog.text)


async def test_f27_p29_a_second_poller_for_ever_is_an_alarm_after_a_minute_in_few_lines(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.studio.speed = 1
    await stage.start()
    stage.studio.script(counted(80))
    stage.telegram.say(ANNA, "count")
    await soon(stage, stage.prompts)
    stage.telegram.fail_next("getUpdates", code=409, times=None)
    await soon(stage, lambda: polls(stage, 409))
    await stage.clock.sleep(58)
    assert told(caplog, "ERROR", "") == []
    await stage.clock.sleep(25)
    alarm = told(caplog, "ERROR", "another process")
    assert len(alarm) == 1
    assert "revoke it" in alarm[0]
    await stage.clock.sleep(HALF_AN_HOUR)
    assert len([r for r in caplog.records if r.levelno >= 30]) <= 10
    assert (await stage.texts(1))[0].endswith("word79")  # what runs goes on
    assert max(pauses(polls(stage, 409))) > 10


# --- F28: a webhook that we did not set -------------------------------------------------------------------------------


async def test_f28_t34_a_webhook_that_appears_while_we_poll_is_named_and_left_alone(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    await stage.start()
    await stage.ask("hello")
    other = Client(stage.telegram.url, stage.telegram.token)
    await other.ok("setWebhook", url="http://127.0.0.1:9/a-path-that-may-be-secret", max_connections=1)
    await stage.clock.sleep(200)
    alarm = told(caplog, "ERROR", "webhook to 127.0.0.1")
    assert 1 <= len(alarm) <= 4
    assert "a-path-that-may-be-secret" not in caplog.text
    assert (await other.ok("getWebhookInfo"))["url"].endswith("secret")
    assert stage.telegram.calls_of("deleteWebhook") == []
    await other.close()
    await stage.stop()
    await stage.start()
    assert await stage.ask("and now?")


# --- F32: drafts ------------------------------------------------------------------------------------------------------

NO_DRAFTS: dict[str, dict[str, Any]] = {
    "unknown method": {"code": 404, "description": "Not Found: method not found"},
    "wrong kind of chat": {"code": 400, "description": "Bad Request: TEXTDRAFT_PEER_INVALID"},
    "forbidden": {"code": 403, "description": "Forbidden: not for you"},
}


@pytest.mark.parametrize("fault", NO_DRAFTS.values(), ids=NO_DRAFTS.keys())
async def test_f32_where_drafts_are_not_taken_edits_show_the_answer(stage: Stage, fault: dict[str, Any]) -> None:
    stage.studio.speed = 5
    await stage.start()
    stage.telegram.fail_next("sendMessageDraft", times=None, **fault)
    stage.studio.script(counted(60))
    stage.telegram.say(ANNA, "count")
    await soon(stage, lambda: stage.telegram.calls_of("editMessageText"))
    text = await stage.until(lambda: next((t for t in stage.telegram.texts(ANNA) if "word59" in t), None))
    await settled(stage, "sent")
    assert text.split() == [f"word{number}" for number in range(60)]
    assert len(stage.telegram.texts(ANNA)) == 1
    assert len(drafts(stage)) == 1


@pytest.mark.parametrize("parameters", [{"retry_after": 149}, {}])
async def test_f13_f32_a_flood_wait_for_drafts_costs_only_drafts(stage: Stage, parameters: dict[str, int]) -> None:
    stage.studio.speed = 5
    await stage.start()
    stage.telegram.fail_next("sendMessageDraft", code=429, description="Too Many Requests", parameters=parameters)
    stage.studio.script(counted(60))
    stage.telegram.say(ANNA, "count")
    await stage.texts(1)
    assert stage.telegram.texts(ANNA)[0].split() == [f"word{number}" for number in range(60)]
    first, *later = drafts(stage)
    assert all(call.monotonic - first.monotonic >= parameters.get("retry_after", 5) for call in later)


@pytest.mark.parametrize("seconds", [35, 149])
async def test_f13_a_flood_wait_on_an_edit_drops_previews_and_the_end_arrives(stage: Stage, seconds: int) -> None:
    stage.studio.speed = 2
    await stage.start()
    stage.studio.script(counted(60))
    stage.telegram.fail_next("editMessageText", code=429, parameters={"retry_after": seconds}, chat_id=TEAM)
    stage.telegram.say(TEAM, QUESTION, ANNA)
    refused = await soon(stage, lambda: next((c for c in loud(stage, TEAM) if c.status == 429), None))
    assert await stage.ask("hello", BORIS)
    await settled_last(stage)
    assert stage.telegram.texts(TEAM)[0].endswith("word59")
    after = [call for call in loud(stage, TEAM) if call.monotonic > refused.monotonic]
    assert after[0].monotonic - refused.monotonic >= seconds
    assert after[-1].monotonic - refused.monotonic <= max(seconds, 31) + 10


async def settled_last(stage: Stage) -> None:
    await soon(stage, lambda: "word59" in json.dumps(stage.telegram.texts(TEAM)) and set(deliveries(stage)) == {"sent"})
