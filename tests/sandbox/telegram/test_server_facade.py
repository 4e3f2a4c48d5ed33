"""The sandbox's Bot API: its wire, topics and commands, what it keeps."""

from __future__ import annotations

import json

import aiohttp

from bot.sandbox.telegram.server_facade import Telegram
from tests.support.sandbox_client import ANNA, KEYBOARD, TEAM, Client, png
from tests.support.virtual import VirtualClock

# --- the wire ---------------------------------------------------------------------------------------------------------


async def test_a_stranger_with_another_token_gets_401_and_nonsense_gets_404(telegram: Telegram) -> None:
    async with aiohttp.ClientSession() as session:
        for token, status in (("123:abc", 401), ("abc", 404), (telegram.token + "x", 401)):
            async with session.get(f"{telegram.url}/bot{token}/getMe") as response:
                assert response.status == status
                assert (await response.json())["error_code"] == status


async def test_method_names_have_no_case_and_unknown_ones_are_404(client: Client) -> None:
    assert (await client.ok("GETME"))["id"] == 4200000042
    assert await client.call("sendWidget") == {
        "ok": False,
        "error_code": 404,
        "description": "Not Found: method not found",
    }


async def test_the_same_call_works_as_query_as_json_as_urlencoded_and_as_multipart(
    client: Client, telegram: Telegram
) -> None:
    params = {"chat_id": str(ANNA), "text": "hi", "reply_markup": json.dumps(KEYBOARD)}
    url = client.base + "sendMessage"
    multipart = aiohttp.FormData(default_to_multipart=True)
    for name, value in params.items():
        multipart.add_field(name, value)
    for given in (
        {"params": params},
        {"json": {**params, "reply_markup": KEYBOARD}},
        {"data": params},
        {"data": multipart},
    ):
        async with client.session.post(url, **given) as response:
            assert (await response.json())["result"]["reply_markup"] == KEYBOARD
    assert telegram.texts(ANNA) == ["hi"] * 4


# --- topics and the rest ----------------------------------------------------------------------------------------------


async def test_topics_in_a_private_chat(client: Client, telegram: Telegram) -> None:
    topic = await client.ok("createForumTopic", chat_id=ANNA, name="Plans")
    thread = topic["message_thread_id"]
    sent = await client.ok("sendMessage", chat_id=ANNA, text="x", message_thread_id=thread)
    assert (sent["message_thread_id"], sent["is_topic_message"]) == (thread, True)
    assert await client.ok("editForumTopic", chat_id=ANNA, message_thread_id=thread, name="Ideas")
    assert telegram.snapshot()["chats"][0]["topics"][0]["name"] == "Ideas"
    telegram.delete_topic(ANNA, thread)
    for method in ("sendMessage", "sendMessageDraft"):
        reason = await client.refused(method, chat_id=ANNA, text="x", message_thread_id=thread, draft_id=1)
        assert reason == "Bad Request: message thread not found"
    assert telegram.transcript(ANNA, thread) == []


async def test_a_topic_without_a_name_asks_to_be_renamed(client: Client, telegram: Telegram) -> None:
    topic = telegram.topic(ANNA)
    created = (await client.updates())[0]["message"]
    assert created["forum_topic_created"]["is_name_implicit"]
    assert created["message_thread_id"] == topic["id"]


async def test_commands_have_scopes_and_languages(client: Client, telegram: Telegram) -> None:
    commands = [{"command": "new", "description": "New chat"}]
    await client.ok("setMyCommands", commands=commands)
    await client.ok("setMyCommands", commands=[], language_code="ru")
    assert await client.ok("getMyCommands") == commands
    assert await client.ok("getMyCommands", scope={"type": "all_group_chats"}) == []
    await client.ok("setMyCommands", commands=commands, scope={"type": "chat", "chat_id": ANNA})
    shown = telegram.snapshot()["commands"]
    assert {key: menus for scope, menus in shown.items() for key in [json.loads(scope)["type"]]} == {
        "default": {"": commands, "ru": []}, "chat": {"": commands},
    }  # fmt: skip
    assert "BOT_COMMAND_INVALID" in await client.refused("setMyCommands", commands=[{"command": "Новый"}])


async def test_a_press_is_answered_once_and_in_time(
    client: Client, telegram: Telegram, manual_clock: VirtualClock
) -> None:
    sent = await client.ok("sendMessage", chat_id=ANNA, text="?", reply_markup=KEYBOARD)
    first, late = (telegram.press(ANNA, sent["message_id"], "yes") for _ in range(2))
    assert await client.ok("answerCallbackQuery", callback_query_id=first)
    manual_clock.advance(151)
    for query in (first, late, "1"):
        assert await client.refused("answerCallbackQuery", callback_query_id=query) == (
            "Bad Request: query is too old and response timeout expired or query ID is invalid"
        )


# --- keeping ----------------------------------------------------------------------------------------------------------


async def test_a_restart_keeps_chats_files_and_updates(
    client: Client, telegram: Telegram, manual_clock: VirtualClock
) -> None:
    topic = telegram.topic(ANNA, name="T")["id"]
    telegram.upload(ANNA, png(9, 9), caption="look", thread_id=topic)
    telegram.react(ANNA, topic, "👍")
    await client.ok("sendMessage", chat_id=TEAM, text="hi")
    kept = json.loads(json.dumps(telegram.dump()))
    other = Telegram(clock=manual_clock, topics=True)
    other.load(kept)
    assert other.snapshot() == telegram.snapshot()
    assert other.dump() == kept
    assert other.pending == telegram.pending == 2
    assert other.say(ANNA, "next")["message_id"] == telegram.say(ANNA, "next")["message_id"]


async def test_the_journal_has_every_call_and_no_token(client: Client, telegram: Telegram) -> None:
    await client.ok("sendMessage", chat_id=ANNA, text="x" * 3000)
    await client.refused("setWebhook", url="https://example.org", secret_token="s3cret")
    entries = telegram.hub.entries()
    assert [(entry["lane"], entry["name"], entry["status"]) for entry in entries] == [
        ("call", "sendMessage", 200),
        ("call", "setWebhook", 400),
    ]
    assert entries[0]["detail"]["text"] == "x" * 2000 + "… (3000 characters)"
    text = json.dumps(entries)
    assert "s3cret" not in text
    assert telegram.token not in text
