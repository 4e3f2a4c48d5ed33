"""The sandbox's Bot API: limits of calls, and calls that fail as a test asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from bot.sandbox.telegram.http import Limits
from bot.sandbox.telegram.server_facade import Telegram
from tests.support.sandbox_client import ANNA, TEAM, Client
from tests.support.virtual import VirtualClock

# --- limits -----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def limited(manual_clock: VirtualClock) -> AsyncIterator[Client]:
    telegram = Telegram(clock=manual_clock, limits=Limits())
    client = Client(await telegram.start(), telegram.token)
    yield client
    await client.close()
    await telegram.close()


async def test_a_private_chat_takes_a_burst_of_five_and_then_closes(
    limited: Client, manual_clock: VirtualClock
) -> None:
    async def send(text: str, chat: int = ANNA) -> int:
        return int(
            (await limited.call("sendMessage", chat_id=chat, text=text)).get("parameters", {}).get("retry_after", 0)
        )

    assert [await send("x") for _ in range(6)] == [0, 0, 0, 0, 0, 3]
    manual_clock.advance(2)
    assert await send("still closed") == 1
    assert await send("another chat", 1002) == 0
    manual_clock.advance(1)
    assert await send("open again") == 0


async def test_a_group_takes_twenty_a_minute(limited: Client, manual_clock: VirtualClock) -> None:
    for _ in range(20):
        manual_clock.advance(0.1)
        await limited.ok("sendMessage", chat_id=TEAM, text="x")
    body = await limited.call("sendMessage", chat_id=TEAM, text="x")
    assert (body["error_code"], body["description"]) == (429, "Too Many Requests: retry after 3")
    manual_clock.advance(60)
    await limited.ok("sendMessage", chat_id=TEAM, text="x")


async def test_drafts_and_actions_share_a_budget_of_their_own(limited: Client, manual_clock: VirtualClock) -> None:
    for number in range(10):
        await limited.ok("sendMessageDraft", chat_id=ANNA, draft_id=1, text=f"{number}")
        await limited.ok("sendChatAction", chat_id=ANNA, action="typing")
    body = await limited.call("sendChatAction", chat_id=ANNA, action="typing")
    assert body["error_code"] == 429
    assert 1 <= body["parameters"]["retry_after"] <= 3
    await limited.ok("sendMessage", chat_id=ANNA, text="messages are another matter")
    manual_clock.advance(5)
    for number in range(20):
        await limited.ok("sendMessageDraft", chat_id=ANNA, draft_id=1, text=f"{number}")
    manual_clock.advance(5)
    assert (await limited.call("sendMessageDraft", chat_id=ANNA, draft_id=1, text="x"))["error_code"] == 429


# --- faults -----------------------------------------------------------------------------------------------------------


async def test_the_next_call_fails_as_asked_and_the_one_after_works(client: Client, telegram: Telegram) -> None:
    telegram.fail_next("sendMessage", code=429, parameters={"retry_after": 35}, chat_id=ANNA)
    await client.ok("sendMessage", chat_id=1002, text="not here")
    body = await client.call("sendMessage", chat_id=ANNA, text="x")
    assert body == {
        "ok": False,
        "error_code": 429,
        "description": "Too Many Requests: retry after 35",
        "parameters": {"retry_after": 35},
    }
    await client.ok("sendMessage", chat_id=ANNA, text="x")
    assert [(call.status, call.applied) for call in telegram.calls_of("sendMessage")] == [
        (200, True),
        (429, False),
        (200, True),
    ]


async def test_a_lost_answer_leaves_the_message_in_the_chat(client: Client, telegram: Telegram) -> None:
    telegram.fail_next("sendMessage", apply=True, reset=True)
    with pytest.raises(aiohttp.ClientError):
        await client.call("sendMessage", chat_id=ANNA, text="here")
    assert telegram.texts(ANNA) == ["here"]
    assert [(call.status, call.applied) for call in telegram.calls] == [(0, True)]


async def test_a_reset_before_the_call_leaves_nothing(client: Client, telegram: Telegram) -> None:
    fault = telegram.fail_next("*", reset=True, times=None)
    for _ in range(2):
        with pytest.raises(aiohttp.ClientError):
            await client.call("sendMessage", chat_id=ANNA, text="lost")
    fault.remove()
    await client.ok("sendMessage", chat_id=ANNA, text="there")
    assert telegram.texts(ANNA) == ["there"]


async def test_bodies_and_bytes_that_are_no_bot_api(client: Client, telegram: Telegram) -> None:
    telegram.fail_next("sendMessage", code=200, body=b'{"ok":true,"result":true}', apply=True)
    assert await client.ok("sendMessage", chat_id=ANNA, text="x") is True
    telegram.fail_next("sendMessage", code=502, body=b"<html>", headers={"Content-Type": "text/html"})
    async with client.session.post(client.base + "sendMessage", data={"chat_id": ANNA, "text": "y"}) as response:
        assert (response.status, response.content_type, await response.text()) == (502, "text/html", "<html>")
    telegram.fail_next("sendMessage", raw=b"HTTP/1.1 garbage\r\n\r\n")
    with pytest.raises(aiohttp.ClientError):
        await client.call("sendMessage", chat_id=ANNA, text="z")
    assert telegram.texts(ANNA) == ["x"]


async def test_a_delayed_call_waits_for_the_clock(
    client: Client, telegram: Telegram, manual_clock: VirtualClock
) -> None:
    telegram.fail_next("sendMessage", code=0, delay=60)
    call = asyncio.create_task(client.ok("sendMessage", chat_id=ANNA, text="late"))
    await manual_clock.until_asleep(60)
    assert telegram.texts(ANNA) == []
    manual_clock.advance(60)
    assert (await call)["text"] == "late"


async def test_shares_fail_some_calls_and_only_some(client: Client, telegram: Telegram) -> None:
    telegram.faults.set_shares({"flood": 0.3, "error500": 0.3})
    codes = [(await client.call("sendMessage", chat_id=ANNA, text="x")).get("error_code", 200) for _ in range(60)]
    assert set(codes) == {200, 429, 500}
    with pytest.raises(ValueError, match="from 0 to 1"):
        telegram.faults.set_shares({"flood": 2})
    telegram.faults.clear()
    await client.ok("sendMessage", chat_id=ANNA, text="x")


async def test_a_server_that_is_down_refuses_connections(client: Client, telegram: Telegram) -> None:
    await telegram.down()
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.call("getMe")
    await telegram.up()
    assert await client.ok("getMe")
