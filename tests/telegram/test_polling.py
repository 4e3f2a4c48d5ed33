"""Taking updates by long polling: what Telegram may answer, and how the bot starts, stops and comes back."""

from __future__ import annotations

import asyncio
import json
import logging
from itertools import pairwise
from typing import Any

import pytest
from pydantic import SecretStr

from bot.errors import ConfigError
from bot.sandbox.telegram.http import ApiCall
from tests.support.sandbox_client import Client
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import counted, inbox, settled, soon

PERSON = {"id": ANNA, "is_bot": False, "first_name": "Anna"}


def polls(stage: Stage) -> list[ApiCall]:
    return stage.telegram.calls_of("getUpdates")


# --- what Telegram may answer -----------------------------------------------------------------------------------------

TROUBLE: dict[str, dict[str, Any]] = {
    "500": {"code": 500},
    "502 with a page": {"code": 502, "body": b"<html>Bad Gateway</html>"},
    "a page with 200": {"code": 200, "body": b"<html>hello</html>"},
    "half a batch": {"code": 200, "body": b'{"ok":true,"result":[{"update_id":1'},
    "no list": {"code": 200, "body": b'{"ok":true,"result":true}'},
    "a reset": {"reset": True},
    "no HTTP": {"raw": b"\x00\x01\x02\r\n\r\n"},
    "400": {"code": 400, "description": "Bad Request: something new"},
    "404": {"code": 404, "description": "Not Found"},
    "401": {"code": 401},
    "409": {"code": 409},
    "429": {"code": 429, "parameters": {"retry_after": 7}},
    "429 without a number": {"code": 429, "description": "Too Many Requests"},
}


@pytest.mark.parametrize("fault", TROUBLE.values(), ids=TROUBLE.keys())
async def test_trouble_with_getting_updates_passes(stage: Stage, fault: dict[str, Any]) -> None:
    await stage.start()
    await soon(stage, lambda: polls(stage) or stage.telegram.calls)
    stage.telegram.fail_next("getUpdates", times=3, **fault)
    stage.studio.script("here I am", "and here")
    assert await stage.ask("hello") == "here I am"
    assert await stage.ask("and again") == "and here"
    assert len(stage.prompts()) == 2


async def test_a_poll_is_not_repeated_before_the_flood_wait_is_over(stage: Stage) -> None:
    """F14."""
    await stage.start()
    await stage.ask("hello")
    stage.telegram.fail_next("getUpdates", code=429, parameters={"retry_after": 40})
    stage.telegram.say(ANNA, "still there?")
    refused = await soon(stage, lambda: next((call for call in polls(stage) if call.status == 429), None))
    later = await soon(stage, lambda: [call for call in polls(stage) if call.monotonic > refused.monotonic])
    assert later[0].monotonic - refused.monotonic >= 40


async def test_an_unknown_token_is_asked_for_once_a_minute_and_said(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    await stage.start()
    fault = stage.telegram.fail_next("getUpdates", code=401, times=None)
    stage.telegram.say(ANNA, "hello")
    await soon(stage, lambda: len([call for call in polls(stage) if call.status == 401]) >= 4)
    times = [call.monotonic for call in polls(stage) if call.status == 401]
    assert all(later - earlier >= 59 for earlier, later in pairwise(times))
    assert "BOT_TOKEN" in caplog.text
    fault.remove()
    assert await stage.texts(1)


async def test_a_second_poller_is_told_of_quietly_and_outlived(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    stage.studio.speed = 1
    await stage.start()
    stage.studio.script(counted(40), "mine again")
    stage.telegram.say(ANNA, "count")
    await soon(stage, stage.prompts)
    other = Client(stage.telegram.url, stage.telegram.token)
    stage.telegram.fail_next("getUpdates", code=409, times=20)
    await other.call("getUpdates", timeout=0)
    await stage.clock.sleep(60)
    assert (await stage.texts(1))[0].endswith("word39")  # what runs goes on
    await other.close()
    stage.telegram.faults.clear()
    assert await stage.ask("hello") == "mine again"
    lines = [line for line in caplog.messages if "BOT_TOKEN" in line]
    assert 1 <= len(lines) <= 4
    refused = [call.monotonic for call in polls(stage) if call.status == 409]
    assert all(later - earlier >= 3 for earlier, later in pairwise(refused[1:]))


async def test_what_a_rival_was_given_at_the_same_time_is_left_to_it(stage: Stage) -> None:
    """P29: the first poll after a 409 gets what the rival is just about to confirm."""
    await stage.start()
    await stage.ask("hello")
    stage.telegram.fail_next("getUpdates", code=409)
    await stage.ask("and again")  # with this the poll that waits comes back, and the next one meets the rival
    await soon(stage, lambda: [call for call in polls(stage) if call.status == 409])
    stage.telegram.say(ANNA, "whose is it?")
    answered = len(polls(stage))
    await soon(stage, lambda: len(polls(stage)) > answered)
    stage.telegram.updates.drop_all()  # the rival's next poll confirms it
    await stage.clock.sleep(20)
    assert len(stage.prompts()) == 2
    stage.studio.script("mine")
    assert await stage.ask("and now?") == "mine"


async def test_a_poll_that_never_comes_back_is_begun_anew(stage: Stage) -> None:
    """A half-open connection: no bytes, no end."""
    await stage.start()
    await stage.ask("hello")
    fault = stage.telegram.fail_next("getUpdates", code=0, delay=100_000.0)
    stage.telegram.say(ANNA, "one")
    await stage.texts(2)
    await soon(stage, lambda: fault.hits)
    asked = stage.clock.monotonic()
    stage.telegram.say(ANNA, "two")
    await stage.texts(3)
    assert stage.clock.monotonic() - asked < 120


async def test_a_batch_with_updates_that_nothing_can_read_is_left_behind(stage: Stage) -> None:
    await stage.start()
    await stage.ask("hello")
    deep: Any = "x"
    for _ in range(200):
        deep = {"type": "quote", "blocks": [deep]}
    chat = {"id": ANNA, "type": "private"}
    good = {"message_id": 9001, "from": PERSON, "chat": chat, "date": 1, "text": "after the bad ones"}
    numberless: list[Any] = [{"update_id": given} for given in ("7", True, 2**70, -1, None)]
    batch = [5, None, "x", [], {}, *numberless]
    batch += [{"update_id": 400_000_001, "message": {"rich_message": deep}}]
    batch += [{"update_id": 400_000_002, "message": good}]
    body = json.dumps({"ok": True, "result": batch}).encode()
    stage.telegram.fail_next("getUpdates", code=200, body=body)
    stage.telegram.say(BORIS, "wake up")
    await stage.texts(2)
    assert stage.prompts()[-1][-1]["text"] == "after the bad ones"
    assert inbox(stage)[-3:].count("dead") == 1


async def test_a_batch_without_any_number_is_not_asked_for_in_a_frenzy(stage: Stage) -> None:
    await stage.start()
    await stage.ask("hello")
    stage.telegram.fail_next("getUpdates", code=200, body=b'{"ok":true,"result":[{"update_id":"x"}]}', times=None)
    stage.telegram.say(ANNA, "wake up")
    before = len(polls(stage))
    await stage.clock.sleep(120)
    assert len(polls(stage)) - before < 20
    stage.telegram.faults.clear()
    await stage.texts(2)


async def test_only_what_is_used_is_asked_for(stage: Stage) -> None:
    await stage.start()
    await stage.ask("hello")
    allowed = json.loads(polls(stage)[-1].params["allowed_updates"])
    assert {"message", "edited_message", "callback_query", "my_chat_member", "stopped_message_generation"} <= {*allowed}


# --- starting ---------------------------------------------------------------------------------------------------------


async def test_a_bot_that_starts_before_the_network_waits_for_it(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.telegram.say(ANNA, "anybody there?")
    await stage.telegram.down()
    await stage.start()
    await stage.clock.sleep(60)
    await stage.telegram.up()
    assert await stage.texts(1)
    told = [line for line in caplog.messages if "no connection to Telegram" in line]
    assert 1 <= len(told) <= 2  # at once, and after a minute
    assert "works again" in caplog.text


async def _turned_away(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
    await writer.drain()
    writer.close()


@pytest.mark.parametrize("listening", [True, False])
async def test_a_proxy_that_does_not_let_us_through_is_tried_again(
    stage: Stage, caplog: pytest.LogCaptureFixture, listening: bool
) -> None:
    server = await asyncio.start_server(_turned_away, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    if not listening:
        server.close()
        await server.wait_closed()
    await stage.start(telegram_proxy=SecretStr(f"http://user:hush@127.0.0.1:{port}"))
    await stage.clock.sleep(40)
    assert stage._task is not None
    assert not stage._task.done()
    assert len([line for line in caplog.messages if "no connection" in line]) == 1
    assert "hush" not in caplog.text
    await stage.crash()
    server.close()
    await server.wait_closed()


async def test_a_wrong_token_is_said_at_the_start(stage: Stage) -> None:
    stage.telegram.fail_next("getMe", code=401, times=None)
    await stage.start()
    assert stage._task is not None
    with pytest.RaisesGroup(ConfigError, flatten_subgroups=True, allow_unwrapped=True) as caught:
        await stage._task
    assert "BOT_TOKEN" in str(caught.value.exceptions if isinstance(caught.value, ExceptionGroup) else caught.value)


async def test_a_flood_wait_at_the_start_is_kept(stage: Stage) -> None:
    stage.telegram.fail_next("getMe", code=429, parameters={"retry_after": 45})
    await stage.start()
    assert await stage.ask("hello")
    first, second = stage.telegram.calls_of("getMe")
    assert second.monotonic - first.monotonic >= 45


# --- stopping ---------------------------------------------------------------------------------------------------------


async def test_a_stop_lets_the_answer_finish_and_confirms_everything(stage: Stage) -> None:
    stage.studio.speed = 10
    await stage.start()
    stage.studio.script(counted(50))
    stage.telegram.say(ANNA, "count")
    await stage.until(lambda: stage.telegram.drafts or None)
    await stage.stop()
    assert stage.telegram.texts(ANNA)[0].endswith("word49")
    assert stage.telegram.pending == 0
    await stage.start()
    await stage.ask("hello", BORIS)
    assert len(stage.telegram.texts(ANNA)) == 1
    assert len(stage.prompts()) == 2


async def test_an_answer_that_outlasts_the_stop_is_given_after_the_next_start(stage: Stage) -> None:
    stage.studio.speed = 1
    await stage.start(shutdown_grace=5.0)
    stage.studio.answer(lambda messages: "".join(counted(60)))
    stage.telegram.say(ANNA, "count")
    await stage.until(lambda: stage.telegram.drafts or None)
    asked = stage.clock.monotonic()
    await stage.stop()
    assert stage.clock.monotonic() - asked < 30
    assert stage.telegram.pending == 0
    assert stage.telegram.texts(ANNA) == []
    stage.studio.speed = 0
    await stage.start()
    await settled(stage, "sent")
    assert [text.split()[-1] for text in stage.telegram.texts(ANNA)] == ["word59"]


async def test_what_waits_at_a_stop_is_answered_after_the_next_start_in_order(stage: Stage) -> None:
    stage.studio.speed = 10
    stage.studio.answer(lambda messages: messages[-1]["text"] + " answered" * 40)
    await stage.start()
    for number in range(3):
        stage.telegram.say(ANNA, f"q{number}")
    await soon(stage, lambda: len(inbox(stage)) == 3)
    await stage.stop()
    assert [text[:2] for text in stage.telegram.texts(ANNA)] == ["q0"]
    await stage.start()
    assert [text[:2] for text in await stage.texts(3)] == ["q0", "q1", "q2"]


async def test_a_stop_while_telegram_is_away_ends_all_the_same(stage: Stage) -> None:
    await stage.start()
    await stage.ask("hello")
    await stage.telegram.down()
    await stage.stop()
    await stage.telegram.up()
    await stage.start()
    assert await stage.ask("again")
    assert len(stage.telegram.texts(ANNA)) == 2


async def test_a_stop_during_a_long_flood_wait_ends_and_the_answer_comes_later(stage: Stage) -> None:
    await stage.start(shutdown_grace=5.0)
    stage.telegram.fail_next("sendMessage", code=429, parameters={"retry_after": 600})
    stage.studio.script("worth waiting for")
    stage.telegram.say(ANNA, "hello")
    await soon(stage, lambda: stage.telegram.calls_of("sendMessage"))
    async with asyncio.timeout(60):
        await stage.stop()
    await stage.start()
    assert await stage.texts(1) == ["worth waiting for"]
    first, second = stage.telegram.calls_of("sendMessage")
    assert second.monotonic - first.monotonic >= 600


# --- secrets ----------------------------------------------------------------------------------------------------------

MALFORMED = [
    b"HTTP/1.1 garbage\r\n\r\n",
    b"\x00\x01\x02\x03",
    b"HTTP/1.1 200 OK\r\nX: \x00\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
    b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n{",
    b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/elsewhere\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"HTTP/9.9 200 OK\r\n" + b"A" * 20_000 + b"\r\n\r\n",
]


async def test_no_token_is_logged_whatever_telegram_answers(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """F7."""
    caplog.set_level(logging.DEBUG)
    await stage.start()
    for raw in MALFORMED:
        for method in ("getUpdates", "sendMessage", "sendMessageDraft"):
            stage.telegram.fail_next(method, raw=raw)
    stage.studio.answer(lambda messages: "".join(counted(20)))
    stage.studio.speed = 10
    for number in range(3):
        await stage.ask(f"question {number}")
    formatter = logging.Formatter("%(message)s")
    written = "\n".join(formatter.format(record) for record in caplog.records)
    assert stage.telegram.token.partition(":")[2] not in written
    assert "question 1" not in "\n".join(formatter.format(r) for r in caplog.records if r.name.startswith("bot."))
