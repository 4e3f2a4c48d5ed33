"""Killed anywhere, nothing is lost, doubled or said to the wrong one: each act of both sides, begun and cut off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.texts.catalog import say
from tests.support.desk_side import OLEG, OLGA, DeskStage, desk_on
from tests.support.stage import ANNA, Stage
from tests.support.telegram_side import inbox, rows, soon

TICKS = (0, 4, 12, 24, 40, 60, 90)  # turns of the event loop before the kill
Act = Callable[[DeskStage, int], object]


def said(desk: DeskStage, number: int) -> None:
    desk.stage.telegram.say(desk.group, f"answer {number}", OLGA, desk.topic)


def noted(desk: DeskStage, number: int) -> None:
    desk.stage.telegram.say(desk.group, f"// note {number}", OLGA, desk.topic)


def wrote(desk: DeskStage, number: int) -> None:
    desk.stage.telegram.say(ANNA, f"question {number}")


def copied(desk: DeskStage, number: int) -> None:
    name = f"file {number}"
    desk.stage.telegram.upload(desk.group, b"%PDF", "document", name=name, user_id=OLGA, thread_id=desk.topic)


async def cut_off(desk: DeskStage, act: Act, number: int, ticks: int) -> None:
    """Do something, kill the bot some turns of the loop later, and let the next process end it."""
    before = len(inbox(desk.stage))
    act(desk, number)
    for _ in range(ticks):
        await asyncio.sleep(0)
    await desk.stage.crash()
    await desk.stage.start()
    await desk.quiet(before)


@pytest.mark.parametrize(
    ("act", "there", "words"),
    [(said, ANNA, "answer"), (wrote, 0, "question"), (noted, ANNA, ""), (copied, ANNA, "file")],
)
async def test_each_message_arrives_once_and_in_order_on_the_other_side_only(
    stage: Stage, tmp_path: Path, act: Act, there: int, words: str
) -> None:
    desk = await desk_on(stage, tmp_path)
    await desk.called()
    await desk.presses("desk.take")
    for number, ticks in enumerate(TICKS):
        await cut_off(desk, act, number, ticks)
    messages = stage.telegram.transcript(there) if there else desk.messages()
    texts = [one.get("text") or (one.get("document") or {}).get("file_name", "") for one in messages]
    found = [text for text in texts if text.startswith(words or "note") and text != say("en", "desk.called")]
    assert found == ([f"{words} {number}" for number in range(len(TICKS))] if words else [])
    assert "note" not in str(stage.telegram.texts(ANNA))


async def test_a_call_that_is_cut_off_opens_one_case_with_one_card_and_is_told_once(
    stage: Stage, tmp_path: Path
) -> None:
    desk = await desk_on(stage, tmp_path)
    for number, ticks in enumerate(TICKS):
        customer = stage.telegram.person(f"Customer {number}", "en", 2000 + number)["id"]
        await cut_off(desk, lambda _desk, _number, who=customer: stage.telegram.say(who, "/human"), number, ticks)  # type: ignore[misc]
        assert stage.telegram.texts(customer) == [say("en", "desk.called")]
    assert rows(stage, "SELECT COUNT(*) FROM desk_cases WHERE owner = 'waiting'") == [(len(TICKS),)]
    cards = [text for text in stage.telegram.texts(desk.group) if text.startswith("#")]
    assert len(cards) == len(TICKS)
    assert len(stage.telegram.state.chats[desk.group].topics) == len(TICKS)


async def test_a_take_over_that_is_cut_off_lets_the_bot_or_the_person_answer_and_never_both(
    stage: Stage, tmp_path: Path
) -> None:
    desk = await desk_on(stage, tmp_path)
    await desk.called()
    for number, ticks in enumerate(TICKS):
        await desk.presses("desk.bot")
        stage.studio.speed = 20
        stage.studio.script(f"bot{number} " * 60)
        stage.telegram.say(ANNA, f"question {number}")
        await asyncio.sleep(1.5)
        before = len(stage.telegram.texts(ANNA))
        await cut_off(
            desk, lambda desk, _number: stage.telegram.say(desk.group, "/take", OLGA, desk.topic), number, ticks
        )
        await asyncio.sleep(10)
        after = stage.telegram.texts(ANNA)[before:]
        assert not any(text.count(f"bot{number}") == 60 for text in after), f"killed after {ticks} turns"
        await desk.says(f"person {number}")
        assert stage.telegram.texts(ANNA)[-1] == f"person {number}"


async def test_with_own_seats_a_cut_off_loses_and_doubles_nothing_and_tells_no_other_operator(
    stage: Stage, tmp_path: Path
) -> None:
    stage.telegram.state.profile.topics = True
    (tmp_path / "desk.toml").write_text('seats = "own"\n', "utf-8")
    desk = await desk_on(stage, tmp_path)
    await desk.called()
    for number, ticks in enumerate(TICKS):  # written while nobody has the case
        await cut_off(desk, wrote, number, ticks)
    wanted = [f"question {number}" for number in range(len(TICKS))]
    assert "question" not in str([stage.telegram.texts(OLGA), stage.telegram.texts(OLEG)])
    await cut_off(desk, lambda _desk, _number: stage.telegram.say(OLGA, "/next", OLGA), 0, 12)
    topic = max(stage.telegram.state.chats[OLGA].topics)
    assert "\n\n".join(stage.telegram.texts(OLGA, topic)[2:]).split("\n\n") == wanted
    for number, ticks in enumerate(TICKS):
        await cut_off(desk, lambda _d, number: stage.telegram.say(OLGA, f"answer {number}", OLGA, topic), number, ticks)
    answers = [text for text in stage.telegram.texts(ANNA) if text.startswith("answer")]
    assert answers == [f"answer {number}" for number in range(len(TICKS))]
    await stage.ask("/on", OLEG)  # only colleagues who have written are known by name
    for number, ticks in enumerate(TICKS[::2]):  # handed to and fro
        giver, taker = ((OLGA, "Oleg"), (OLEG, "Olga"))[number % 2]
        where = max(stage.telegram.state.chats[giver].topics)
        await cut_off(
            desk, lambda _d, _n, who=giver, to=taker, at=where: stage.telegram.say(who, f"/give {to}", who, at),  # type: ignore[misc]
            number, ticks,
        )  # fmt: skip
        assert rows(stage, "SELECT holder FROM desk_cases") == [(OLEG if giver == OLGA else OLGA,)]
    assert [text for text in stage.telegram.texts(ANNA) if text.startswith("answer")] == answers
    await asyncio.sleep(10)
    boards = [text for text in stage.telegram.texts(desk.group) if text.startswith(say("en", "desk.board", count=1))]
    assert len(boards) == 1


async def test_each_translated_message_arrives_once_and_in_order(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "desk.toml").write_text('[translate]\nmode = "auto"\n', "utf-8")
    desk = await desk_on(stage, tmp_path)
    stage.telegram.person("Anna", "de", ANNA)
    stage.studio.answer(lambda messages: f"Deutsch: {messages[-1]['text']}")
    await desk.called()
    await desk.presses("desk.take")
    for number, ticks in enumerate(TICKS):
        await cut_off(desk, said, number, ticks)
    last = f"Deutsch: answer {len(TICKS) - 1}"
    await soon(stage, lambda: last in stage.telegram.texts(ANNA) or None)
    await desk.quiet()
    answers = [text for text in stage.telegram.texts(ANNA) if text.startswith("Deutsch")]
    assert answers == [f"Deutsch: answer {number}" for number in range(len(TICKS))]
