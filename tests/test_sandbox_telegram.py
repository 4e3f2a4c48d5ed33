"""The sandbox's Telegram from the bot's side: sending, editing, drafts, limits, faults."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from sandbox_client import Client, ManualClock, jpeg_header, png

from bot.sandbox.telegram import TOKEN, Telegram, text_of
from bot.sandbox.telegram_limits import Limits

ANNA, TEAM = 1001, -1001000000001
KEYBOARD = {"inline_keyboard": [[{"text": "Yes", "callback_data": "yes"}]]}


# --- the wire ---------------------------------------------------------------------------------------------------------


async def test_a_stranger_with_another_token_gets_401_and_nonsense_gets_404(telegram: Telegram) -> None:
    async with aiohttp.ClientSession() as session:
        for token, status in (("123:abc", 401), ("abc", 404), (TOKEN + "x", 401)):
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


# --- sending ----------------------------------------------------------------------------------------------------------


async def test_a_sent_message_comes_back_as_people_see_it(client: Client, telegram: Telegram) -> None:
    question = telegram.say(ANNA, "hello")
    message = await client.ok(
        "sendMessage", chat_id=ANNA, text="  Hi @anna ", reply_parameters={"message_id": question["message_id"]}
    )
    assert message["text"] == "Hi @anna"
    assert message["entities"] == [{"type": "mention", "offset": 3, "length": 5}]
    assert message["reply_to_message"]["text"] == "hello"
    assert message["from"] == {
        "id": 4200000042,
        "is_bot": True,
        "first_name": "Govorun",
        "username": "govorun_sandbox_bot",
    }
    assert telegram.transcript(ANNA)[-1] == message


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Bad Request: message text is empty"),
        (" \n\t ", "Bad Request: text must be non-empty"),
        ("\u2800\u200b", "Bad Request: text must be non-empty"),
        ("я" * 4097, "Bad Request: message is too long"),
        ("я" * 16385, "Bad Request: text is too long"),
    ],
)
async def test_a_text_that_can_not_stand_in_a_chat_is_refused(client: Client, text: str, reason: str) -> None:
    assert await client.refused("sendMessage", chat_id=ANNA, text=text) == reason


async def test_the_limit_counts_characters_after_parsing(client: Client) -> None:
    message = await client.ok("sendMessage", chat_id=ANNA, text=f"<b>{'😀' * 4096}</b>", parse_mode="HTML")
    assert message["entities"] == [{"type": "bold", "offset": 0, "length": 8192}]


async def test_nobody_home(client: Client, telegram: Telegram) -> None:
    assert await client.refused("sendMessage", chat_id=5, text="x") == "Bad Request: chat not found"
    assert await client.refused("sendMessage", text="x") == "Bad Request: chat_id is empty"
    telegram.block(ANNA)
    body = await client.call("sendMessage", chat_id=ANNA, text="x")
    assert (body["error_code"], body["description"]) == (403, "Forbidden: bot was blocked by the user")
    telegram.kick(TEAM)
    body = await client.call("sendMessage", chat_id=TEAM, text="x")
    assert (body["error_code"], body["description"]) == (403, "Forbidden: bot was kicked from the supergroup chat")


async def test_a_reply_to_nothing_is_refused_unless_allowed(client: Client) -> None:
    gone = {"message_id": 99}
    reason = await client.refused("sendMessage", chat_id=ANNA, text="x", reply_parameters=gone)
    assert reason == "Bad Request: message to be replied not found"
    allowed = {**gone, "allow_sending_without_reply": True}
    assert "reply_to_message" not in await client.ok("sendMessage", chat_id=ANNA, text="x", reply_parameters=allowed)


async def test_a_group_that_moved_names_its_new_id(client: Client, telegram: Telegram) -> None:
    group = telegram.group("Old", [ANNA], type="group")["id"]
    new = telegram.migrate(group)
    body = await client.call("sendMessage", chat_id=group, text="x")
    assert body["parameters"] == {"migrate_to_chat_id": new}
    assert (await client.ok("sendMessage", chat_id=new, text="x"))["chat"]["type"] == "supergroup"


@pytest.mark.parametrize(
    ("markup", "reason"),
    [
        ({"inline_keyboard": [[{"text": "x", "callback_data": "я" * 33}]]}, "Bad Request: BUTTON_DATA_INVALID"),
        ({"inline_keyboard": [[{"text": "x", "callback_data": ""}]]}, "Bad Request: BUTTON_DATA_INVALID"),
        ({"inline_keyboard": [[{"text": "x", "url": "u.de"}] * 9]}, "Bad Request: reply markup is too long"),
        ({"inline_keyboard": [[{"text": "x", "url": "u.de"}]] * 101}, "Bad Request: reply markup is too long"),
        (
            {"inline_keyboard": [[{"text": "x"}]]},
            "Bad Request: can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
        ),
        ("{", "Bad Request: can't parse reply keyboard markup JSON object"),
    ],
)
async def test_a_keyboard_over_the_limits_is_refused(client: Client, markup: object, reason: str) -> None:
    assert await client.refused("sendMessage", chat_id=ANNA, text="x", reply_markup=markup) == reason


async def test_photos_are_measured_and_kept(client: Client, telegram: Telegram) -> None:
    picture = png(640, 480)
    message = await client.ok("sendPhoto", {"photo": picture}, chat_id=ANNA, caption="a *cat*", parse_mode="MarkdownV2")
    largest = message["photo"][-1]
    assert (largest["width"], largest["height"], largest["file_size"]) == (640, 480, len(picture))
    assert message["caption_entities"] == [{"type": "bold", "offset": 2, "length": 3}]
    file = await client.ok("getFile", file_id=largest["file_id"])
    async with client.session.get(client.files + file["file_path"]) as response:
        assert await response.read() == picture
    again = await client.ok("sendPhoto", chat_id=ANNA, photo=largest["file_id"])
    assert again["photo"] == message["photo"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GIF89a", "IMAGE_PROCESS_FAILED"),
        (jpeg_header(9000, 1001), "PHOTO_INVALID_DIMENSIONS"),
        (jpeg_header(2100, 100), "PHOTO_INVALID_DIMENSIONS"),
        (jpeg_header(100, 100) + b"\0" * (10 << 20), "too big for a photo"),
        (b"", "file must be non-empty"),
    ],
)
async def test_a_photo_that_is_none_is_refused(client: Client, data: bytes, reason: str) -> None:
    assert reason in await client.refused("sendPhoto", {"photo": data}, chat_id=ANNA)


async def test_documents_and_voices_are_described(client: Client) -> None:
    document = await client.ok("sendDocument", {"document": b"x,y"}, chat_id=ANNA)
    assert document["document"]["file_name"] == "file.bin"
    voice = await client.ok("sendVoice", {"voice": b"OggS"}, chat_id=ANNA, duration=3)
    assert voice["voice"]["duration"] == 3
    assert await client.refused("sendPhoto", {"photo": png(9, 9)}, chat_id=ANNA, caption="x" * 1025) == (
        "Bad Request: message caption is too long"
    )


async def test_copies_and_forwards_carry_the_content(client: Client, telegram: Telegram) -> None:
    question = telegram.say(ANNA, "hello")["message_id"]
    copy = await client.ok("copyMessage", chat_id=TEAM, from_chat_id=ANNA, message_id=question)
    assert telegram.transcript(TEAM)[-1]["message_id"] == copy["message_id"]
    forward = await client.ok("forwardMessage", chat_id=TEAM, from_chat_id=ANNA, message_id=question)
    assert (forward["text"], forward["forward_origin"]["sender_user"]["id"]) == ("hello", ANNA)


# --- editing ----------------------------------------------------------------------------------------------------------


async def test_an_edit_replaces_text_and_keyboard(
    client: Client, telegram: Telegram, manual_clock: ManualClock
) -> None:
    sent = await client.ok("sendMessage", chat_id=ANNA, text="one", reply_markup=KEYBOARD)
    manual_clock.advance(5)
    edited = await client.ok("editMessageText", chat_id=ANNA, message_id=sent["message_id"], text="two")
    assert edited["edit_date"] == sent["date"] + 5
    assert "reply_markup" not in edited
    assert telegram.texts(ANNA) == ["two"]


async def test_the_same_again_is_not_modified(client: Client) -> None:
    sent = await client.ok("sendMessage", chat_id=ANNA, text="one")
    reason = await client.refused("editMessageText", chat_id=ANNA, message_id=sent["message_id"], text=" one ")
    assert reason.startswith("Bad Request: message is not modified: ")


async def test_only_what_is_there_and_ones_own_can_be_edited(client: Client, telegram: Telegram) -> None:
    theirs = telegram.say(ANNA, "mine")["message_id"]
    photo = (await client.ok("sendPhoto", {"photo": png(9, 9)}, chat_id=ANNA))["message_id"]
    for number, reason in (
        (999, "message to edit not found"),
        (theirs, "message can't be edited"),
        (photo, "there is no text in the message to edit"),
    ):
        assert await client.refused("editMessageText", chat_id=ANNA, message_id=number, text="x") == (
            f"Bad Request: {reason}"
        )
    assert (await client.ok("editMessageCaption", chat_id=ANNA, message_id=photo, caption="c"))["caption"] == "c"


async def test_deleting(client: Client, telegram: Telegram) -> None:
    sent = (await client.ok("sendMessage", chat_id=ANNA, text="one"))["message_id"]
    assert await client.ok("deleteMessage", chat_id=ANNA, message_id=sent)
    assert await client.refused("deleteMessage", chat_id=ANNA, message_id=sent) == (
        "Bad Request: message to delete not found"
    )
    theirs = telegram.say(TEAM, "mine")["message_id"]
    assert "can't be deleted" in await client.refused("deleteMessage", chat_id=TEAM, message_id=theirs)
    assert await client.ok("deleteMessages", chat_id=ANNA, message_ids=[sent, 12345])


async def test_reactions_must_be_known(client: Client, telegram: Telegram) -> None:
    number = telegram.say(ANNA, "x")["message_id"]
    good, wrong = [{"type": "emoji", "emoji": "👍"}], [{"type": "emoji", "emoji": "🧄"}]
    assert await client.ok("setMessageReaction", chat_id=ANNA, message_id=number, reaction=good)
    assert telegram.snapshot()["messages"][str(ANNA)][0]["reactions"] == {"👍": [4200000042]}
    assert "REACTION_INVALID" in await client.refused(
        "setMessageReaction", chat_id=ANNA, message_id=number, reaction=wrong
    )


# --- drafts -----------------------------------------------------------------------------------------------------------


async def test_a_draft_goes_with_the_message_that_follows(client: Client, telegram: Telegram) -> None:
    await client.ok("sendMessageDraft", chat_id=ANNA, draft_id=7, text="Hel", can_stop=True)
    assert [(draft["text"], draft["can_stop"]) for draft in telegram.drafts] == [("Hel", True)]
    await client.ok("sendMessage", chat_id=ANNA, text="Hello")
    assert telegram.drafts == []


async def test_an_empty_draft_is_thinking(client: Client, telegram: Telegram) -> None:
    await client.ok("sendMessageDraft", chat_id=ANNA, draft_id=7)
    assert telegram.drafts[0]["thinking"]


async def test_a_draft_lives_thirty_seconds(client: Client, telegram: Telegram, manual_clock: ManualClock) -> None:
    await client.ok("sendMessageDraft", chat_id=ANNA, draft_id=7, text="Hel")
    manual_clock.advance(29)
    assert telegram.drafts
    before = telegram.hub.seq
    manual_clock.advance(1)
    await telegram.wait_for(
        lambda: [event for event in telegram.hub.after(before) or [] if event["type"] == "draft_gone"]
    )
    assert telegram.drafts == []


async def test_drafts_are_for_private_chats_and_have_an_id(client: Client) -> None:
    assert await client.refused("sendMessageDraft", chat_id=TEAM, draft_id=7, text="x") == (
        "Bad Request: TEXTDRAFT_PEER_INVALID"
    )
    assert "non-zero" in await client.refused("sendMessageDraft", chat_id=ANNA, draft_id=0, text="x")


async def test_a_stopped_draft_is_shown_no_more(client: Client, telegram: Telegram) -> None:
    await client.ok("sendMessageDraft", chat_id=ANNA, draft_id=7, text="Hel", can_stop=True)
    telegram.stop(ANNA, 7)
    assert telegram.drafts == []
    await client.ok("sendMessageDraft", chat_id=ANNA, draft_id=7, text="Hello", can_stop=True)
    assert telegram.drafts == []
    update = (await client.updates())[-1]
    assert update["stopped_message_generation"]["draft_id"] == 7
    assert "message_thread_id" not in update["stopped_message_generation"]


async def test_a_draft_that_keeps_on_stop_stays(client: Client, telegram: Telegram) -> None:
    await client.ok("sendMessageDraft", chat_id=ANNA, draft_id=7, text="Hel", can_stop=True, keep_on_stop=True)
    telegram.stop(ANNA, 7)
    assert [(draft["text"], draft["can_stop"]) for draft in telegram.drafts] == [("Hel", False)]


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
    assert telegram.snapshot()["commands"] == {"": commands, "ru": []}
    assert "BOT_COMMAND_INVALID" in await client.refused("setMyCommands", commands=[{"command": "Новый"}])


async def test_a_press_is_answered_once_and_in_time(
    client: Client, telegram: Telegram, manual_clock: ManualClock
) -> None:
    sent = await client.ok("sendMessage", chat_id=ANNA, text="?", reply_markup=KEYBOARD)
    first, late = (telegram.press(ANNA, sent["message_id"], "yes") for _ in range(2))
    assert await client.ok("answerCallbackQuery", callback_query_id=first)
    manual_clock.advance(151)
    for query in (first, late, "1"):
        assert await client.refused("answerCallbackQuery", callback_query_id=query) == (
            "Bad Request: query is too old and response timeout expired or query ID is invalid"
        )


# --- rich messages ----------------------------------------------------------------------------------------------------


def paragraph(text: object) -> dict[str, object]:
    return {"type": "paragraph", "text": text}


def nested(depth: int) -> dict[str, object]:
    return paragraph("x") if depth == 1 else {"type": "blockquote", "blocks": [nested(depth - 1)]}


async def test_a_rich_message_comes_back_as_blocks(client: Client, telegram: Telegram) -> None:
    cell = {"text": "1", "align": "right", "valign": "top"}
    blocks = [
        {"type": "heading", "text": "Title", "size": 2},
        paragraph(["a ", {"type": "bold", "text": "b"}, {"type": "mathematical_expression", "expression": "x^2"}]),
        {
            "type": "list",
            "items": [{"blocks": [paragraph("one")]}, {"blocks": [paragraph("two")], "has_checkbox": True}],
        },
        {"type": "table", "cells": [[cell, cell]], "is_bordered": True},
        {"type": "divider"},
    ]
    message = await client.ok("sendRichMessage", chat_id=ANNA, rich_message={"blocks": blocks})
    echoed = message["rich_message"]["blocks"]
    assert [echoed[0], echoed[1], echoed[3], echoed[4]] == [blocks[0], blocks[1], blocks[3], blocks[4]]
    assert [item["label"] for item in echoed[2]["items"]] == ["•", "•"]
    assert "Title" in text_of(message)
    edited = await client.ok(
        "editMessageText", chat_id=ANNA, message_id=message["message_id"], rich_message={"blocks": [paragraph("new")]}
    )
    assert text_of(edited) == "new"


@pytest.mark.parametrize(
    ("rich", "reason"),
    [
        ({}, "RICH_MESSAGE_CONTENT_REQUIRED"),
        ({"blocks": [paragraph("x")], "markdown": "x"}, "exactly one of"),
        ({"blocks": [paragraph("")]}, "RICH_MESSAGE_CONTENT_REQUIRED"),
        ({"blocks": [{"type": "list", "items": [{"blocks": []}]}]}, "RICH_MESSAGE_CONTENT_REQUIRED"),
        ({"blocks": [{"type": "pre", "text": "\n"}]}, "RICH_MESSAGE_CONTENT_REQUIRED"),
        ({"blocks": [{"type": "wormhole"}]}, "unsupported block type"),
        ({"blocks": [paragraph({"type": "plain", "text": "x"})]}, 'unsupported type "plain"'),
        ({"blocks": [{"type": "thinking", "text": "hm"}]}, "RICH_MESSAGE_THINKING_FORBIDDEN"),
        ({"blocks": [paragraph("x" * 32_769)]}, "RICH_MESSAGE_TOO_LONG"),
        ({"blocks": [paragraph("x")] * 501}, "RICH_MESSAGE_BLOCKS_TOO_MUCH"),
        ({"blocks": [nested(17)]}, "RICH_MESSAGE_DEPTH_TOO_MUCH"),
        ({"blocks": [{"type": "table", "cells": [[{"text": "x"}] * 21]}]}, "RICH_MESSAGE_TABLE_COLUMNS_TOO_MUCH"),
        ({"blocks": [{"type": "heading", "text": "x", "size": 7}]}, "heading size"),
    ],
)
async def test_a_rich_message_over_the_limits_is_refused(client: Client, rich: object, reason: str) -> None:
    assert reason in await client.refused("sendRichMessage", chat_id=ANNA, rich_message=rich)


async def test_a_rich_message_at_the_limits_is_taken(client: Client) -> None:
    for blocks in ([nested(16)], [paragraph("x")] * 500, [paragraph("x" * 32_768)]):
        await client.ok("sendRichMessage", chat_id=ANNA, rich_message={"blocks": blocks})


async def test_a_rich_draft_may_think(client: Client, telegram: Telegram) -> None:
    rich = {"blocks": [{"type": "thinking", "text": "hm"}]}
    await client.ok("sendRichMessageDraft", chat_id=ANNA, draft_id=3, rich_message=rich)
    assert telegram.drafts[0]["rich_message"] == rich


# --- limits -----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def limited(manual_clock: ManualClock) -> AsyncIterator[Client]:
    telegram = Telegram(clock=manual_clock, limits=Limits())
    client = Client(await telegram.start(), TOKEN)
    yield client
    await client.close()
    await telegram.close()


async def test_a_private_chat_takes_a_burst_of_five_and_then_closes(limited: Client, manual_clock: ManualClock) -> None:
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


async def test_a_group_takes_twenty_a_minute(limited: Client, manual_clock: ManualClock) -> None:
    for _ in range(20):
        manual_clock.advance(0.1)
        await limited.ok("sendMessage", chat_id=TEAM, text="x")
    body = await limited.call("sendMessage", chat_id=TEAM, text="x")
    assert (body["error_code"], body["description"]) == (429, "Too Many Requests: retry after 3")
    manual_clock.advance(60)
    await limited.ok("sendMessage", chat_id=TEAM, text="x")


async def test_drafts_and_actions_share_a_budget_of_their_own(limited: Client, manual_clock: ManualClock) -> None:
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
    client: Client, telegram: Telegram, manual_clock: ManualClock
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


# --- keeping ----------------------------------------------------------------------------------------------------------


async def test_a_restart_keeps_chats_files_and_updates(
    client: Client, telegram: Telegram, manual_clock: ManualClock
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
    assert len(entries[0]["detail"]["text"]) == 2000
    text = json.dumps(entries)
    assert "s3cret" not in text
    assert TOKEN not in text


async def test_hundreds_of_calls_a_second(client: Client, telegram: Telegram) -> None:
    for _ in range(10):
        await asyncio.gather(
            *(client.ok("sendMessage", chat_id=2000 + n, text="x") for n in range(10) if telegram.say(2000 + n, "x"))
        )
    started = asyncio.get_running_loop().time()
    for _ in range(20):
        await asyncio.gather(*(client.ok("sendMessage", chat_id=2000 + n, text="hello " * 50) for n in range(10)))
    assert 200 / (asyncio.get_running_loop().time() - started) > 100
