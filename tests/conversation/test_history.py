"""What the bot remembers is what the chat shows: word for word, also of long, stopped and broken answers (P5)."""

from __future__ import annotations

import json
import re

import pytest

from bot.sandbox.ai_studio.server import Answer
from bot.sandbox.telegram.server_facade import text_of
from bot.telegram.render import parse, pieces
from tests.support.stage import ANNA, TEAM, Stage
from tests.support.telegram_side import QUESTION, counted, rows, said, settled

NOTES = ("stopped", "interrupted: the connection to the model broke", "cut off: the answer hit its length limit")


def remembered(stage: Stage) -> list[str]:
    """The answers in the database, as a reader would see them."""
    stored = rows(stage, "SELECT parts FROM messages WHERE role = 'assistant' ORDER BY id")
    texts = ["".join(part["text"] for part in json.loads(parts)) for (parts,) in stored]
    return [" ".join("".join(piece.text for piece in pieces(parse(text), 1_000_000)).split()) for text in texts]


def shown(stage: Stage, chat: int = ANNA) -> str:
    """The answer that stands in a chat, all its messages in order, without the bot's own line."""
    text = " ".join(" ".join(map(text_of, said(stage, chat))).split())
    for note in NOTES:
        text = text.removesuffix(note).strip()
    return text


def farthest(text: str) -> int:
    return max(map(int, re.findall(r"word(\d+)", text)), default=0)


@pytest.mark.parametrize("rich", [True, False])
@pytest.mark.parametrize("words", [3, 2_000])
async def test_a_whole_answer_is_remembered_as_it_is_shown(stage: Stage, rich: bool, words: int) -> None:
    await stage.start(rich_messages=rich, telegram_chat_rate=0)
    stage.studio.script("".join(counted(words)) + "**end** of [it](https://ex.org)")
    stage.telegram.say(ANNA, "tell me")
    await settled(stage, "sent")
    assert (len(said(stage)) > 1) == (words > 3 and not rich)
    assert remembered(stage) == [shown(stage)]


@pytest.mark.parametrize("chat", [ANNA, TEAM])
@pytest.mark.parametrize("words", [50, 1_000])
async def test_a_stopped_answer_is_remembered_as_far_as_it_is_shown(stage: Stage, chat: int, words: int) -> None:
    stage.studio.speed = 5
    await stage.start(rich_messages=False, telegram_chat_rate=0)
    size = words // 50
    stage.studio.script(["".join(counted(words)[start : start + size]) for start in range(0, words, size)])
    stage.telegram.say(chat, QUESTION if chat == TEAM else "tell me", ANNA)
    await stage.until(lambda: farthest(str(stage.telegram.drafts) + str(stage.telegram.texts(chat))) > words // 3)
    stage.telegram.say(chat, "/stop@govorun_sandbox_bot", ANNA)
    await stage.until(lambda: stage.telegram.texts(chat)[-1:] and stage.telegram.texts(chat)[-1].endswith("stopped"))
    assert words // 3 < farthest(shown(stage, chat)) < words - 1
    assert remembered(stage) == [shown(stage, chat)]


@pytest.mark.parametrize("words", [50, 1_500])
async def test_an_answer_that_breaks_off_is_remembered_as_far_as_it_is_shown(stage: Stage, words: int) -> None:
    stage.studio.speed = 50
    await stage.start(rich_messages=False, telegram_chat_rate=0)
    stage.studio.answer(lambda _: "".join(counted(words)))
    stage.studio.fail_next("completion", cut="reset", after_chunks=5, times=3)
    stage.telegram.say(ANNA, "tell me")
    await stage.until(lambda: "interrupted" in "".join(stage.telegram.texts(ANNA)) or None)
    assert shown(stage).startswith("word0")
    assert remembered(stage) == [shown(stage)]


async def test_an_answer_of_full_length_is_remembered_without_the_remark(stage: Stage) -> None:
    await stage.start()
    stage.studio.script(Answer(["a *beginning*"], status="TRUNCATED_FINAL"))
    assert (await stage.ask("tell me")).endswith(NOTES[2])
    assert remembered(stage) == [shown(stage)] == ["a beginning"]


async def test_what_was_taken_back_is_not_remembered(stage: Stage) -> None:
    await stage.start()
    stage.studio.script(Answer(["Something bad", " is"], status="CONTENT_FILTER"))
    await stage.ask("tell me")
    assert remembered(stage) == []


async def test_a_second_try_takes_the_place_of_the_half_that_is_marked(stage: Stage) -> None:
    await stage.start(telegram_chat_rate=0)
    stage.studio.answer(lambda _: "one two three four five six")
    stage.studio.fail_next("completion", cut="reset", after_chunks=1, times=3)
    await stage.ask("tell me")
    await stage.press("Try again")
    await stage.until(lambda: stage.telegram.texts(ANNA) == ["one two three four five six"] or None)
    assert remembered(stage)[-1] == "one two three four five six"
