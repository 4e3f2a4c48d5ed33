"""The sandbox's copies and forwards: every kind of content, albums, what may not be copied, and what they cost."""

from __future__ import annotations

from typing import Any

import pytest

from bot.sandbox.telegram.server_facade import Telegram
from tests.support.sandbox_client import ANNA, TEAM, Client, png
from tests.support.virtual import VirtualClock

BORIS = 1002
CONTENTS = (
    {"location": {"latitude": 1.5, "longitude": 2.5}},
    {"contact": {"phone_number": "+7", "first_name": "Ann"}},
    {"dice": {"emoji": "🎲", "value": 4}},
    {"venue": {"title": "Shop", "address": "Main street"}},
    {"poll": {"type": "regular", "question": "Tea?"}},
    {"poll": {"type": "quiz", "question": "Two?", "correct_option_id": 1}},
)
NEVER_COPIED = (
    {"story": {"id": 1}},
    {"giveaway": {"winner_count": 1}},
    {"giveaway_winners": {"winner_count": 1}},
    {"paid_media": {"star_count": 1}},
    {"invoice": {"title": "Lamp"}},
    {"poll": {"type": "quiz", "question": "Two?"}},
)
COPY, FORWARD = "Bad Request: the message can't be copied", "Bad Request: the message can't be forwarded"


async def test_a_copy_has_every_kind_of_content(client: Client, telegram: Telegram) -> None:
    kinds = ("photo", "document", "voice", "video", "animation", "audio", "video_note", "sticker")
    sent = [telegram.upload(ANNA, png(4, 4), kind, caption="here") for kind in kinds]  # type: ignore[arg-type]
    sent += [telegram.send(ANNA, content) for content in CONTENTS]
    for original, kind in zip(sent, [*kinds, *(next(iter(content)) for content in CONTENTS)], strict=True):
        where = {"chat_id": TEAM, "from_chat_id": ANNA, "message_id": original["message_id"]}
        await client.ok("copyMessage", **where)
        copy = telegram.transcript(TEAM)[-1]
        assert (copy[kind], copy.get("caption")) == (original[kind], original.get("caption"))
        forward = await client.ok("forwardMessage", **where)
        assert forward[kind] == original[kind]
        assert forward["forward_origin"]["sender_user"]["id"] == ANNA


async def test_what_telegram_does_not_copy_can_only_be_forwarded(client: Client, telegram: Telegram) -> None:
    for content in NEVER_COPIED:
        number = telegram.send(ANNA, content)["message_id"]
        where = {"chat_id": TEAM, "from_chat_id": ANNA, "message_id": number}
        assert await client.refused("copyMessage", **where) == COPY
        assert await client.ok("forwardMessage", **where)
        edit = {"chat_id": TEAM, "message_id": telegram.transcript(TEAM)[-1]["message_id"]}
        assert await client.refused("editMessageReplyMarkup", **edit) == "Bad Request: message can't be edited"


async def test_service_messages_and_protected_ones_are_neither_copied_nor_forwarded(
    client: Client, telegram: Telegram
) -> None:
    service = telegram.send(TEAM, {"new_chat_title": "Crew"})
    telegram.state.chats[ANNA].protects = True
    protected = telegram.say(ANNA, "for you only")
    assert protected["has_protected_content"] is True
    for original in (service, protected):
        source, number = original["chat"]["id"], original["message_id"]
        where = {"chat_id": TEAM, "from_chat_id": source, "message_id": number}
        assert await client.refused("copyMessage", **where) == COPY
        assert await client.refused("forwardMessage", **where) == FORWARD
        several = {"chat_id": TEAM, "from_chat_id": source, "message_ids": [number]}
        assert await client.refused("copyMessages", **several) == "Bad Request: messages can't be forwarded"


async def test_several_are_copied_as_an_album_and_what_can_not_be_copied_is_left_out(
    client: Client, telegram: Telegram
) -> None:
    album = [one["message_id"] for one in telegram.album(ANNA, [png(4, 4)] * 2, "two cups")]
    invoice = telegram.send(ANNA, {"invoice": {"title": "Lamp"}})["message_id"]
    sent = await client.ok(
        "copyMessages", chat_id=TEAM, from_chat_id=ANNA, message_ids=[*album, invoice, invoice + 100]
    )
    copies = telegram.transcript(TEAM)
    assert [one["message_id"] for one in sent] == [one["message_id"] for one in copies]
    assert [one.get("caption") for one in copies] == ["two cups", None]
    assert len({one["media_group_id"] for one in copies}) == 1
    gone: dict[str, Any] = {"chat_id": TEAM, "from_chat_id": ANNA, "message_ids": [9001, 9002]}
    assert await client.refused("copyMessages", **gone) == "Bad Request: there are no messages to forward"
    backwards: dict[str, Any] = {"chat_id": TEAM, "from_chat_id": ANNA, "message_ids": album[::-1]}
    reason = "Bad Request: message identifiers must be in a strictly increasing order"
    assert await client.refused("copyMessages", **backwards) == reason
    assert len(await client.ok("forwardMessages", chat_id=TEAM, from_chat_id=ANNA, message_ids=album)) == 2


async def test_an_album_of_the_bot_has_two_to_ten_parts_of_kinds_that_go_together(client: Client) -> None:
    photo, paper = ({"type": kind, "media": "attach://a"} for kind in ("photo", "document"))
    parts = await client.ok("sendMediaGroup", {"a": png(4, 4)}, chat_id=ANNA, media=[photo, {**photo, "caption": "b"}])
    assert [one.get("caption") for one in parts] == [None, "b"]
    assert len({one["media_group_id"] for one in parts}) == 1
    alone = await client.refused("sendMediaGroup", {"a": png(4, 4)}, chat_id=ANNA, media=[photo])
    assert alone == "Bad Request: there must be 2-10 media in the album"
    mixed = await client.refused("sendMediaGroup", {"a": png(4, 4)}, chat_id=ANNA, media=[photo, paper])
    assert mixed == "Bad Request: documents and audios can't be mixed with other media types in an album"


async def test_who_forbids_voice_messages_gets_none_not_even_as_a_copy(client: Client, telegram: Telegram) -> None:
    voice = telegram.upload(BORIS, b"OggS", "voice")["message_id"]
    telegram.state.people[ANNA].no_voices = True
    refused = "Bad Request: VOICE_MESSAGES_FORBIDDEN"
    where = {"chat_id": ANNA, "from_chat_id": BORIS, "message_id": voice}
    assert await client.refused("copyMessage", **where) == refused
    assert await client.refused("sendVoice", {"voice": b"OggS"}, chat_id=ANNA) == refused
    assert await client.ok("copyMessage", **{**where, "chat_id": TEAM})


@pytest.mark.parametrize("limited", [True, False])
async def test_each_part_of_an_album_counts_in_the_twenty_a_minute_of_a_group(
    client: Client, telegram: Telegram, manual_clock: VirtualClock, limited: bool
) -> None:
    telegram.limits.on = limited
    album = [one["message_id"] for one in telegram.album(ANNA, [png(4, 4)] * 7)]
    where: dict[str, Any] = {"chat_id": TEAM, "from_chat_id": ANNA, "message_ids": album}
    await client.ok("copyMessages", **where)
    await client.ok("forwardMessages", **where)
    await client.ok("sendLocation", chat_id=TEAM, latitude=1, longitude=2)
    await client.ok("sendContact", chat_id=TEAM, phone_number="+7", first_name="Ann")
    assert telegram.limits.spent(TEAM, manual_clock.monotonic()) == 16
    assert (await client.call("copyMessages", **where))["ok"] is not limited
    manual_clock.advance(61)
    assert telegram.limits.spent(TEAM, manual_clock.monotonic()) == 0
    assert await client.ok("copyMessages", **where)
