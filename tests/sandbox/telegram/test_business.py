"""The sandbox's business connections: what the bot sees of an account, and when it may answer there."""

from __future__ import annotations

from typing import Any

import pytest

from bot.sandbox.telegram.server_facade import Telegram
from tests.support.sandbox_client import ANNA, Client
from tests.support.virtual import VirtualClock

SHOP = 1003  # whose account is connected
DAY = 86_400


@pytest.fixture
def shop(telegram: Telegram) -> str:
    """The connection of the shop's account, to which Anna has written."""
    telegram.state.profile.business = True
    connection = telegram.business.connect(SHOP)
    telegram.business.say(connection, ANNA, "is it open?")
    return connection


def answer(connection: str, **more: Any) -> dict[str, Any]:
    return {"business_connection_id": connection, "chat_id": ANNA, "text": "yes", **more}


async def test_the_bot_answers_in_the_name_of_the_account_and_hears_its_own_echo(
    client: Client, telegram: Telegram, shop: str
) -> None:
    sent = await client.ok("sendMessage", **answer(shop))
    assert (sent["from"]["id"], sent["sender_business_bot"]["id"]) == (SHOP, telegram.state.profile.id)
    telegram.business.say(shop, ANNA, "come in", by_owner=True)
    connected, asked, echo, owner = await client.updates()
    assert connected["business_connection"]["rights"] == {"can_reply": True}
    assert connected["business_connection"]["user"]["id"] == SHOP
    assert asked["business_message"]["from"]["id"] == asked["business_message"]["chat"]["id"] == ANNA
    assert echo["business_message"] == sent
    assert owner["business_message"]["from"]["id"] == SHOP
    assert "sender_business_bot" not in owner["business_message"]
    assert [one["text"] for one in telegram.business.transcript(shop, ANNA)] == ["is it open?", "yes", "come in"]
    assert telegram.transcript(ANNA) == []
    assert (await client.ok("getMe"))["can_connect_to_business"] is True


async def test_edits_and_deletions_are_told(client: Client, telegram: Telegram, shop: str) -> None:
    telegram.business.edit(shop, ANNA, 1, "are you open?")
    telegram.business.delete(shop, ANNA, [1])
    edited, deleted = (await client.updates())[2:]
    assert edited["edited_business_message"]["text"] == "are you open?"
    assert deleted["deleted_business_messages"]["message_ids"] == [1]
    assert deleted["deleted_business_messages"]["business_connection_id"] == shop


async def test_only_what_the_bot_has_sent_can_be_edited(client: Client, telegram: Telegram, shop: str) -> None:
    sent = await client.ok("sendMessage", **answer(shop))
    edited = await client.ok("editMessageText", **answer(shop, message_id=sent["message_id"], text="no"))
    assert edited["text"] == "no"
    owners = telegram.business.say(shop, ANNA, "come in", by_owner=True)["message_id"]
    refused = await client.refused("editMessageText", **answer(shop, message_id=owners))
    assert refused == "Bad Request: message can't be edited"


async def test_nothing_is_sent_a_day_after_the_last_message_of_the_person(
    client: Client, telegram: Telegram, manual_clock: VirtualClock, shop: str
) -> None:
    manual_clock.advance(DAY)
    assert await client.ok("sendMessage", **answer(shop))
    manual_clock.advance(1)
    telegram.business.say(shop, ANNA, "hello?", by_owner=True)
    late = "Bad Request: BUSINESS_PEER_USAGE_MISSING"
    assert await client.refused("sendMessage", **answer(shop)) == late
    assert await client.refused("sendMessage", **answer(shop, chat_id=1002)) == late
    telegram.business.say(shop, ANNA, "thanks")
    assert await client.ok("sendMessage", **answer(shop))


async def test_nothing_is_sent_without_the_right_or_after_the_end_of_the_connection(
    client: Client, telegram: Telegram, shop: str
) -> None:
    telegram.business.allow(shop, ["can_read_messages"])
    body = await client.call("sendMessage", **answer(shop))
    assert (body["error_code"], body["description"]) == (403, "Forbidden: BOT_ACCESS_FORBIDDEN")
    telegram.business.allow(shop, ["can_reply"])
    telegram.business.disconnect(shop)
    gone = "Bad Request: BUSINESS_CONNECTION_INVALID"
    assert await client.refused("sendMessage", **answer(shop)) == gone
    assert (await client.ok("getBusinessConnection", business_connection_id=shop))["is_enabled"] is False
    seen = len(await client.updates())
    telegram.business.say(shop, ANNA, "anybody?")
    assert len(await client.updates()) == seen
    telegram.business.disconnect(shop, False)
    assert await client.ok("sendMessage", **answer(shop))


async def test_reading_and_deleting_ask_for_their_rights(client: Client, telegram: Telegram, shop: str) -> None:
    sent = (await client.ok("sendMessage", **answer(shop)))["message_id"]
    here: dict[str, Any] = {"business_connection_id": shop}
    read: dict[str, Any] = {**here, "chat_id": ANNA, "message_id": 1}
    for method, params in (("readBusinessMessage", read), ("deleteBusinessMessages", {**here, "message_ids": [sent]})):
        assert await client.refused(method, **params) == "Forbidden: BOT_ACCESS_FORBIDDEN"
    telegram.business.allow(shop, ["can_read_messages", "can_delete_sent_messages"])
    assert await client.ok("readBusinessMessage", **read)
    assert await client.refused("deleteBusinessMessages", **here, message_ids=[1]) == "Forbidden: BOT_ACCESS_FORBIDDEN"
    assert await client.ok("deleteBusinessMessages", **here, message_ids=[sent])
    assert [one["message_id"] for one in telegram.business.transcript(shop, ANNA)] == [1]
