"""Albums stay albums on both sides of the desk: one call, nothing twice, and what could not come is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.painter import draw
from bot.texts.catalog import say
from tests.support.desk_side import OLGA, DeskStage, desk_on
from tests.support.stage import ANNA, Stage
from tests.support.telegram_side import inbox

CUPS = [draw("a cup", number, 8, 8) for number in range(3)]


@pytest.fixture
async def desk(stage: Stage, tmp_path: Path) -> DeskStage:
    """A case of Anna that Olga holds."""
    desk = await desk_on(stage, tmp_path)
    await desk.called()
    await desk.presses("desk.take")
    return desk


async def album(desk: DeskStage, chat: int, caption: str = "") -> list[dict[str, Any]]:
    """Somebody sends an album; returns its messages when everything is delivered."""
    before = len(inbox(desk.stage))
    place = {"user_id": OLGA, "thread_id": desk.topic} if chat == desk.group else {}
    sent = desk.stage.telegram.album(chat, CUPS, caption, **place)
    await desk.quiet(before + 2)
    return sent


def albums(messages: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The albums of the bot among messages, each with its parts."""
    found: dict[str, list[dict[str, Any]]] = {}
    for one in messages:
        if one["from"]["is_bot"] and "media_group_id" in one:
            found.setdefault(one["media_group_id"], []).append(one)
    return list(found.values())


def shown(desk: DeskStage, chat: int) -> list[list[dict[str, Any]]]:
    return albums(desk.messages() if chat == desk.group else desk.stage.telegram.transcript(chat))


async def test_an_album_goes_over_as_an_album_and_each_part_quotes_its_pair(desk: DeskStage) -> None:
    wrote = await album(desk, ANNA, "three broken cups")
    (parts,) = shown(desk, desk.group)
    assert [one.get("caption") for one in parts] == ["three broken cups", None, None]
    assert desk.count_calls("copyMessages") == 1
    assert desk.count_calls("copyMessage") == 0
    await desk.says("this one is whole", reply_to=parts[1]["message_id"])
    answer = desk.stage.telegram.transcript(ANNA)[-1]
    assert answer["reply_to_message"]["message_id"] == wrote[1]["message_id"]
    sent = await album(desk, desk.group)
    (theirs,) = shown(desk, ANNA)
    assert desk.reactions()[sent[0]["message_id"]] == "👌"
    await desk.writes("and this?", reply_to=theirs[2]["message_id"])
    assert desk.messages()[-1]["reply_to_message"]["message_id"] == sent[2]["message_id"]


async def test_an_edited_caption_of_any_part_is_shown_below_that_part(desk: DeskStage) -> None:
    wrote = await album(desk, ANNA, "three broken cups")
    await desk.edits(wrote[2] | {"caption": ""}, "this is the worst", ANNA)
    shown_below = desk.messages()[-1]
    assert shown_below["text"].startswith("this is the worst")
    (parts,) = shown(desk, desk.group)
    assert shown_below["reply_to_message"]["message_id"] == parts[2]["message_id"]


async def test_an_album_whose_outcome_is_unknown_is_found_again_and_not_sent_twice(desk: DeskStage) -> None:
    for source, target in ((desk.group, ANNA), (ANNA, desk.group)):
        desk.stage.telegram.fail_next("copyMessages", reset=True, apply=True)
        await album(desk, source)
        assert [len(parts) for parts in shown(desk, target)] == [3]
        desk.stage.telegram.fail_next("copyMessages", reset=True)
        await album(desk, source)
        assert [len(parts) for parts in shown(desk, target)] == [3, 3]


async def test_who_sends_a_part_that_can_not_be_copied_is_told(desk: DeskStage) -> None:
    telegram = desk.stage.telegram
    for source, target in ((desk.group, ANNA), (ANNA, desk.group)):
        before, known = len(inbox(desk.stage)), set(telegram.state.chats[source].messages)
        place = {"user_id": OLGA, "thread_id": desk.topic} if source == desk.group else {}
        telegram.album(source, CUPS, **place)  # type: ignore[arg-type]
        mine = [one for number, one in telegram.state.chats[source].messages.items() if number not in known]
        mine[1]["has_protected_content"] = True
        await desk.quiet(before + 2)
        assert [len(parts) for parts in shown(desk, target)][-1] == 2
        told = (desk.messages() if source == desk.group else telegram.transcript(ANNA))[-1]
        assert told["text"] == say("en", "desk.left_out")
        assert told["reply_to_message"]["message_id"] == mine[0]["message_id"]


async def test_a_server_without_that_call_gets_the_parts_one_by_one(desk: DeskStage) -> None:
    desk.stage.telegram.fail_next("copyMessages", times=None, code=404, description="Not Found")
    await album(desk, ANNA)
    assert [one for one in desk.messages() if "photo" in one] == desk.messages()[-3:]
    assert desk.count_calls("copyMessage") == 3


async def test_albums_stay_within_the_twenty_messages_a_minute(stage: Stage, tmp_path: Path) -> None:
    desk = await desk_on(stage, tmp_path, telegram_rate=28.0, telegram_chat_rate=1.0)
    await desk.called()
    stage.telegram.limits.on = True
    before = len(inbox(stage))
    for _ in range(8):
        stage.telegram.album(ANNA, [CUPS[0]] * 7)
    await desk.quiet(before + 55)
    assert [len(parts) for parts in shown(desk, desk.group)] == [7] * 8
    assert not [call for call in stage.telegram.calls if call.status == 429]
    assert desk.count_calls("copyMessages") == 8
