"""The sandbox's Telegram shows some messages to one member of a group alone, by the rules of the Bot API."""

from __future__ import annotations

from typing import Any

from bot.sandbox.telegram.server_facade import Telegram
from tests.support.sandbox_client import Client, png
from tests.support.virtual import VirtualClock

ANNA, BORIS, TEAM = 1001, 1002, -1001000000001
STRANGER = 4711


async def whisper(client: Client, user: int = ANNA, chat: int = TEAM, text: str = "psst", **more: Any) -> Any:
    """The whole answer to a send for one person; `query` is the press that it answers."""
    given = {"receiver_user_id": user, **({"callback_query_id": more.pop("query")} if "query" in more else {})}
    return await client.call("sendMessage", chat_id=chat, text=text, ephemeral_message_parameters=given, **more)


async def change(client: Client, method: str, number: int, user: int = ANNA, **more: Any) -> Any:
    return await client.call(method, chat_id=TEAM, receiver_user_id=user, ephemeral_message_id=number, **more)


async def test_an_administrator_shows_something_to_one_member_at_any_time(telegram: Telegram, client: Client) -> None:
    telegram.promote(TEAM)
    sent = (await whisper(client))["result"]
    assert sent["message_id"] == 0
    assert sent["ephemeral_message_id"] > 0
    assert sent["receiver_user"]["id"] == ANNA
    assert telegram.whispers(TEAM, ANNA) == ["psst"]
    assert telegram.whispers(TEAM, BORIS) == telegram.texts(TEAM) == []


async def test_it_is_only_for_groups_and_their_members(telegram: Telegram, client: Client) -> None:
    telegram.promote(TEAM)
    assert (await whisper(client, STRANGER))["error_code"] == 400
    assert (await whisper(client, ANNA, ANNA))["error_code"] == 400
    assert telegram.texts(ANNA) == []


async def test_who_is_no_administrator_has_15_seconds_after_what_only_the_bot_saw(
    telegram: Telegram, client: Client, manual_clock: VirtualClock
) -> None:
    assert not (await whisper(client))["ok"]
    number = telegram.whisper(TEAM, "/hidden", ANNA)["ephemeral_message_id"]
    reply = {"ephemeral_message_id": number, "allow_sending_without_reply": True}
    assert not (await whisper(client, BORIS, reply_parameters=reply))["ok"]
    manual_clock.advance(15)
    assert (await whisper(client, reply_parameters=reply))["ok"]
    manual_clock.advance(1)
    assert not (await whisper(client, reply_parameters=reply))["ok"]


async def test_a_press_opens_15_seconds_for_who_pressed(
    telegram: Telegram, client: Client, manual_clock: VirtualClock
) -> None:
    query = telegram.press(TEAM, 1, "x", ANNA)
    assert not (await whisper(client, BORIS, query=query))["ok"]
    assert (await whisper(client, query=query))["ok"]
    manual_clock.advance(16)
    assert not (await whisper(client, query=query))["ok"]


async def test_its_edits_and_deletion_have_methods_and_numbers_of_their_own(telegram: Telegram, client: Client) -> None:
    telegram.promote(TEAM)
    public = await client.ok("sendMessage", chat_id=TEAM, text="hello")
    number = (await whisper(client))["result"]["ephemeral_message_id"]
    assert number == public["message_id"]
    assert (await change(client, "editEphemeralMessageText", number, text="closer"))["result"] is True
    assert "not modified" in (await change(client, "editEphemeralMessageText", number, text="closer"))["description"]
    assert not (await change(client, "editEphemeralMessageText", number, BORIS, text="closer"))["ok"]
    await client.ok("editMessageText", chat_id=TEAM, message_id=number, text="public")
    assert (telegram.texts(TEAM), telegram.whispers(TEAM, ANNA)) == (["public"], ["closer"])
    assert (await change(client, "deleteEphemeralMessage", number))["result"] is True
    assert not (await change(client, "deleteEphemeralMessage", number))["ok"]
    assert (telegram.texts(TEAM), telegram.whispers(TEAM, ANNA)) == (["public"], [])


async def test_a_text_becomes_a_picture_under_the_same_number(telegram: Telegram, client: Client) -> None:
    telegram.promote(TEAM)
    number = (await whisper(client))["result"]["ephemeral_message_id"]
    media = {"type": "photo", "media": "attach://chart", "caption": "look"}
    changed = await change(client, "editEphemeralMessageMedia", number, files={"chart": png(8, 8)}, media=media)
    assert changed["result"] is True
    (shown,) = telegram.unseen(TEAM, ANNA)
    assert (shown["ephemeral_message_id"], shown["caption"], "text" in shown) == (number, "look", False)
    assert shown["photo"]
    gone = await change(client, "editEphemeralMessageMedia", number + 1, files={"chart": png(8, 8)}, media=media)
    assert "not found" in gone["description"]
    media = {"type": "voice_note", "media": "attach://chart"}
    assert not (await change(client, "editEphemeralMessageMedia", number, files={"chart": b"x"}, media=media))["ok"]


async def test_a_number_comes_again_when_its_message_is_gone(telegram: Telegram, client: Client) -> None:
    telegram.promote(TEAM)
    first = (await whisper(client))["result"]["ephemeral_message_id"]
    telegram.vanish(TEAM)
    assert (await whisper(client))["result"]["ephemeral_message_id"] == first


async def test_a_command_that_is_declared_so_is_seen_by_the_bot_alone(telegram: Telegram, client: Client) -> None:
    commands = [{"command": "hidden", "description": "Psst", "is_ephemeral": True}]
    await client.ok("setMyCommands", commands=commands, scope={"type": "all_group_chats"})
    message = telegram.say(TEAM, "/hidden treasure", ANNA)
    assert (message["message_id"], message["receiver_user"]["is_bot"]) == (0, True)
    assert telegram.transcript(TEAM) == []
    (update,) = await client.ok("getUpdates")
    assert update["message"]["ephemeral_message_id"] == message["ephemeral_message_id"]
    assert telegram.say(ANNA, "/hidden treasure")["message_id"] > 0
    assert telegram.say(TEAM, "/hidden treasure", ANNA, aloud=True)["message_id"] > 0


async def test_a_server_of_before_shows_it_to_everybody_and_knows_none_of_the_methods(
    telegram: Telegram, client: Client
) -> None:
    telegram.state.ephemeral = False
    telegram.promote(TEAM)
    assert "ephemeral_message_id" not in (await whisper(client))["result"]
    assert telegram.texts(TEAM) == ["psst"]
    assert (await change(client, "deleteEphemeralMessage", 1))["description"] == "Not Found: method not found"


async def test_the_page_gets_it_with_who_may_see_it_and_a_number_of_its_own(telegram: Telegram, client: Client) -> None:
    telegram.promote(TEAM)
    await client.ok("sendMessage", chat_id=TEAM, text="hello")
    number = (await whisper(client))["result"]["ephemeral_message_id"]
    shown = telegram.snapshot()["messages"][str(TEAM)]
    assert [(one["message_id"], one.get("only")) for one in shown] == [(1, None), (-number, ANNA)]


async def test_it_is_kept_over_a_restart_of_the_sandbox(telegram: Telegram, client: Client) -> None:
    telegram.promote(TEAM)
    await whisper(client)
    kept = telegram.dump()
    telegram.reset()
    assert telegram.whispers(TEAM, ANNA) == []
    telegram.load(kept)
    assert telegram.whispers(TEAM, ANNA) == ["psst"]
