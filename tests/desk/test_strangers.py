"""Hundreds of strangers come at once: operators are not flooded, and nobody is lost."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from bot.texts.catalog import say
from tests.desk.test_joining import COUNTED
from tests.desk.test_own_seats import on_board, own_seats
from tests.support.choosing import pressed
from tests.support.desk_side import BOT, OLGA, DeskStage, desk_on
from tests.support.stage import ANNA, Stage
from tests.support.telegram_side import inbox, rows, soon

FIRST, WAVE, MINUTE = 20_000, 100, 60.0
STRANGERS = int(os.environ.get("DESK_STRANGERS", "150"))  # 500: the long form


async def crowd(desk: DeskStage, count: int, text: str) -> None:
    """So many strangers write this at once."""
    telegram = desk.stage.telegram
    for number in range(FIRST, FIRST + count):
        telegram.person(f"Stranger {number}", "en", number)
    for first in range(FIRST, FIRST + count, WAVE):  # more at once would be told to come back in a minute
        before = len(inbox(desk.stage))
        wave = range(first, min(first + WAVE, FIRST + count))
        for number in wave:
            telegram.say(number, text)
        await desk.quiet(before + len(wave) - 1)


def most_in_a_minute(desk: DeskStage, *methods: str) -> int:
    """The most calls of these methods to the group within sixty seconds."""
    calls = desk.stage.telegram.calls
    times = [call.monotonic for call in calls if call.method in methods and call.chat_id == desk.group]
    return max((sum(start <= time < start + MINUTE for time in times) for start in times), default=0)


async def test_strangers_who_only_start_the_bot_are_nothing_to_the_group(stage: Stage, tmp_path: Path) -> None:
    desk = await desk_on(stage, tmp_path)
    before = stage.telegram.texts(desk.group)
    await crowd(desk, 500, "/start")
    assert stage.telegram.texts(desk.group) == before
    assert stage.telegram.state.chats[desk.group].topics == {}


async def test_strangers_who_call_a_person_at_once_all_get_topics_within_the_limit(
    stage: Stage, tmp_path: Path
) -> None:  # fmt: skip
    desk = await desk_on(stage, tmp_path)
    stage.telegram.limits.on = True
    await crowd(desk, 30, "/human")
    await soon(stage, lambda: len(desk.cards()) == 30 or None)
    assert len(stage.telegram.state.chats[desk.group].topics) == 30
    assert most_in_a_minute(desk, *COUNTED) <= 20
    assert most_in_a_minute(desk, "createForumTopic") <= 6
    assert 429 not in {call.status for call in stage.telegram.calls}


async def test_a_crowd_of_strangers_holds_up_nobody_who_is_answered(stage: Stage, tmp_path: Path) -> None:
    desk = await desk_on(stage, tmp_path)
    stage.telegram.limits.on = True
    await desk.called()
    await desk.presses("desk.take")
    topic = desk.topic
    for number in range(FIRST, FIRST + 100):
        stage.telegram.person(f"Stranger {number}", "en", number)
        stage.telegram.say(number, "/human")
    await asyncio.sleep(MINUTE / 2)
    asked = stage.clock.monotonic()
    stage.telegram.say(ANNA, "Are you there?")
    await soon(stage, lambda: "Are you there?" in str(desk.seen(topic)) or None)
    assert stage.clock.monotonic() - asked <= MINUTE / 2


async def test_with_own_seats_strangers_stand_on_the_board_and_each_can_be_taken(stage: Stage, tmp_path: Path) -> None:
    desk = await own_seats(stage, tmp_path, user_rate=0.0)
    stage.telegram.limits.on = True
    await crowd(desk, STRANGERS, "/human")
    await on_board(desk, say("en", "desk.board", count=STRANGERS))
    assert most_in_a_minute(desk, *COUNTED) <= 6
    assert stage.telegram.state.chats[desk.group].topics == {}
    await pressed(stage, f"{say('en', 'desk.take')} #1", chat=desk.group, user=OLGA)
    for _ in range(3):  # what is not on the board is reached so
        before = len(inbox(stage))
        stage.telegram.say(desk.group, f"/next{BOT}", OLGA)
        await desk.quiet(before)
    assert rows(stage, "SELECT id FROM desk_cases WHERE owner = 'held' ORDER BY id") == [(1,), (2,), (3,), (4,)]
