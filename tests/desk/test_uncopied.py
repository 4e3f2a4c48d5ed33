"""What Telegram does not copy: it is forwarded or sent again, or both sides are told that it can't be shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.painter import draw
from bot.texts.catalog import say
from tests.support.desk_side import OLGA, DeskStage, desk_on
from tests.support.stage import ANNA, Stage
from tests.support.telegram_side import inbox

QUIZ: dict[str, Any] = {"poll": {"id": "1", "type": "quiz", "question": "Which lamp?"}}


@pytest.fixture
async def desk(stage: Stage, tmp_path: Path) -> DeskStage:
    """A case of Anna that Olga holds."""
    desk = await desk_on(stage, tmp_path)
    await desk.called()
    await desk.presses("desk.take")
    return desk


async def sent(desk: DeskStage, chat: int, content: dict[str, Any]) -> dict[str, Any]:
    """Somebody sends a message of a special kind; returns it when everything is delivered."""
    before = len(inbox(desk.stage))
    place = {"user_id": OLGA, "thread_id": desk.topic} if chat == desk.group else {}
    message = desk.stage.telegram.send(chat, content, **place)
    await desk.quiet(before)
    return message


async def test_what_can_not_be_copied_is_forwarded_to_the_operators(desk: DeskStage) -> None:
    for content in (QUIZ, {"story": {"id": 1}}, {"giveaway": {"winner_count": 1}}, {"invoice": {"title": "Lamp"}}):
        await sent(desk, ANNA, content)
        shown = desk.messages()[-1]
        assert shown["forward_origin"]["sender_user"]["id"] == ANNA
        assert content.items() <= shown.items()


async def test_a_forward_whose_outcome_is_unknown_is_found_again(desk: DeskStage) -> None:
    desk.stage.telegram.fail_next("forwardMessage", reset=True, apply=True)
    await sent(desk, ANNA, QUIZ)
    desk.stage.telegram.fail_next("forwardMessage", reset=True)
    await sent(desk, ANNA, {"story": {"id": 1}})
    assert [next(kind for kind in ("poll", "story") if kind in one) for one in desk.messages()[-2:]] == [
        "poll",
        "story",
    ]
    assert sum("forward_origin" in one for one in desk.messages()) == 2


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_both_sides_are_told_what_can_be_shown_in_no_way(stage: Stage, tmp_path: Path, language: str) -> None:
    desk = await desk_on(stage, tmp_path, language=language)
    stage.telegram.state.people[ANNA].language_code = language
    await desk.called()
    stage.telegram.state.chats[ANNA].protects = True
    wrote = await sent(desk, ANNA, QUIZ)
    assert desk.messages()[-1]["text"] == say(language, "desk.cannot_copy")
    told = stage.telegram.transcript(ANNA)[-1]
    assert told["text"] == say(language, "desk.not_shown")
    assert told["reply_to_message"]["message_id"] == wrote["message_id"]


async def test_a_protected_file_is_fetched_and_sent_again_and_a_large_one_is_told(desk: DeskStage) -> None:
    telegram = desk.stage.telegram
    telegram.state.chats[ANNA].protects = True
    await desk.sends(ANNA, draw("a cup", 1, 8, 8), "photo", caption="the broken cup")
    assert "photo" in desk.messages()[-1]
    assert desk.messages()[-1]["caption"] == "the broken cup"
    await sent(desk, ANNA, {"document": {"file_id": "film", "file_unique_id": "film", "file_size": 21 << 20}})
    assert desk.messages()[-1]["text"] == say("en", "desk.cannot_copy")
    assert telegram.transcript(ANNA)[-1]["text"] == say("en", "desk.not_shown")


async def test_an_operator_is_told_why_something_can_not_go_to_the_customer(desk: DeskStage) -> None:
    telegram = desk.stage.telegram
    telegram.state.people[ANNA].no_voices = True
    before = telegram.transcript(ANNA)
    quiz = await sent(desk, desk.group, QUIZ)
    kind = desk.messages()[-1]
    await desk.sends(desk.group, b"OggS", "voice", user_id=OLGA, thread_id=desk.topic)
    voice = desk.messages()[-1]
    assert (kind["text"], voice["text"]) == (say("en", "desk.refused.kind"), say("en", "desk.refused.voice"))
    assert kind["reply_to_message"]["message_id"] == quiz["message_id"]
    assert telegram.transcript(ANNA) == before
    assert quiz["message_id"] not in desk.reactions()
