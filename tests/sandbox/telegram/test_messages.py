"""The sandbox's Bot API: what is sent, edited and deleted, and what is refused."""

from __future__ import annotations

import pytest

from bot.sandbox.telegram.server_facade import Telegram
from tests.support.sandbox_client import ANNA, KEYBOARD, TEAM, Client, jpeg_header, png
from tests.support.virtual import VirtualClock

# --- reply keyboards --------------------------------------------------------------------------------------------------


async def test_a_reply_button_shares_the_contact_and_its_message_can_not_be_edited(
    client: Client, telegram: Telegram
) -> None:
    key = {"keyboard": [[{"text": "My number", "request_contact": True}, "No"]]}
    message = await client.ok("sendMessage", chat_id=ANNA, text="?", reply_markup=key)
    assert "reply_markup" not in message
    number = message["message_id"]
    for text in ("!", "?"):
        assert await client.refused("editMessageText", chat_id=ANNA, message_id=number, text=text) == (
            "Bad Request: message can't be edited"
        )
    contact = telegram.press_reply_button(ANNA, "My number")["contact"]
    assert contact == {"phone_number": "+79000001001", "first_name": "Anna", "user_id": ANNA}
    assert telegram.press_reply_button(ANNA, "No")["text"] == "No"
    with pytest.raises(ValueError, match="the reply keyboard has no button 'Yes'"):
        telegram.press_reply_button(ANNA, "Yes")
    await client.ok("sendMessage", chat_id=ANNA, text="thanks", reply_markup={"remove_keyboard": True})
    assert telegram.state.chats[ANNA].reply_keyboard == []
    told = await client.refused("sendMessage", chat_id=TEAM, text="?", reply_markup=key)
    assert told == "Bad Request: phone number can be requested in private chats only"


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
    client: Client, telegram: Telegram, manual_clock: VirtualClock
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
