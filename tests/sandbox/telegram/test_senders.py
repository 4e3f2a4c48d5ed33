"""Who speaks in the sandbox's groups: administrators without a name, channels, other bots; members come and go."""

from __future__ import annotations

from typing import Any

from bot.sandbox.telegram.server_facade import Telegram
from tests.support.sandbox_client import ANNA, TEAM, Client

BORIS, CLARA, ROBOT = 1002, 1003, 1900


async def test_administrators_without_a_name_and_channels_speak_through_accounts_of_telegram(
    client: Client, telegram: Telegram
) -> None:
    telegram.say(TEAM, "the team says", ANNA, anonymous=True)
    telegram.say(TEAM, "the channel says", ANNA, channel="News")
    group, channel = [update["message"] for update in await client.updates()]
    assert (group["from"]["username"], group["sender_chat"]["id"]) == ("GroupAnonymousBot", TEAM)
    assert (channel["from"]["username"], channel["sender_chat"]["type"]) == ("Channel_Bot", "channel")


async def test_a_forwarded_message_says_where_it_comes_from(client: Client, telegram: Telegram) -> None:
    mine = telegram.say(ANNA, "mine")
    aloud = telegram.say(TEAM, "the channel says", ANNA, channel="News")
    first = telegram.forward(TEAM, ANNA, mine["message_id"], BORIS)
    again = telegram.forward(TEAM, TEAM, first["message_id"], CLARA)
    news = telegram.forward(BORIS, TEAM, aloud["message_id"], BORIS)
    assert first["from"]["id"] == BORIS
    assert [one["forward_origin"]["sender_user"]["id"] for one in (first, again)] == [ANNA, ANNA]
    assert (news["forward_origin"]["type"], news["forward_origin"]["chat"]["title"]) == ("channel", "News")
    assert len(await client.updates()) == 5


async def test_of_other_bots_a_bot_hears_only_what_is_meant_for_it(client: Client, telegram: Telegram) -> None:
    telegram.person("Robot", user_id=ROBOT, is_bot=True)
    telegram.join(TEAM, ROBOT)
    telegram.say(TEAM, "good morning", ROBOT)
    telegram.say(TEAM, "@govorun_sandbox_bot good morning", ROBOT)
    seen = [update["message"] for update in await client.updates()]
    assert [one.get("text") for one in seen] == [None, "@govorun_sandbox_bot good morning"]
    assert seen[1]["from"]["is_bot"] is True
    assert len(telegram.transcript(TEAM)) == 3


async def test_an_administrator_is_told_who_comes_goes_and_rises(client: Client, telegram: Telegram) -> None:
    asked: dict[str, Any] = {"allowed_updates": ["chat_member", "message"]}
    await client.updates(**asked)
    telegram.appoint(TEAM, BORIS, ["can_pin_messages"])
    telegram.promote(TEAM)
    telegram.appoint(TEAM, BORIS)
    telegram.appoint(TEAM, CLARA, ["can_manage_topics"])
    assert [one["user"]["id"] for one in await client.ok("getChatAdministrators", chat_id=TEAM)] == [ANNA, CLARA]
    telegram.leave(TEAM, CLARA)
    updates = await client.updates(**asked)
    changes = [update["chat_member"] for update in updates if "chat_member" in update]
    statuses = [(one["old_chat_member"]["status"], one["new_chat_member"]["status"]) for one in changes]
    assert statuses == [("administrator", "member"), ("member", "administrator"), ("administrator", "left")]
    assert changes[1]["new_chat_member"]["can_manage_topics"] is True
    assert changes[1]["new_chat_member"]["can_pin_messages"] is False
    assert updates[-1]["message"]["left_chat_member"]["id"] == CLARA
