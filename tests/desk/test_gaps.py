"""A send of unknown outcome is found among the messages of many people: only ids that nobody else is known to have
written are looked at.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from pathlib import Path

import pytest

from tests.support.desk_side import DeskStage, desk_on
from tests.support.stage import ANNA, Stage
from tests.support.telegram_side import inbox

PEOPLE = [1101 + number for number in range(20)]
EVERY = 1.5  # seconds: 40 messages a minute
SENDS = int(os.environ.get("DESK_UNKNOWN_SENDS", "20"))
LOOKS = ("editMessageText", "editMessageReplyMarkup", "editForumTopic")


async def talking(desk: DeskStage) -> None:
    """Twenty people write in the group, in its first topic and in that of the customer, all the time."""
    number = 0
    while True:
        person = PEOPLE[number % len(PEOPLE)]
        desk.stage.telegram.say(desk.group, f"chat {number}", person, desk.topic if number % 2 else 0)
        await asyncio.sleep(EVERY)
        number += 1


async def busy_desk(stage: Stage, folder: Path) -> DeskStage:
    """A desk whose group is busy, and a customer whose case Olga holds. Telegram is 0.3 s away."""
    desk = await desk_on(stage, folder, telegram_rate=30.0, telegram_chat_rate=1.0)
    state = stage.telegram.state
    for number in PEOPLE:
        stage.telegram.person(f"Person {number}", "en", number)
        state.chats[desk.group].members.append(number)
    await desk.called()
    await desk.presses("desk.take")
    stage.telegram.limits.on = True
    stage.telegram.faults.set_shares({"latency_ms": 300})
    return desk


def looks(desk: DeskStage, since: int) -> int:
    """How often a search has looked at an id of the group since so many calls."""
    return sum(call.method in LOOKS and call.chat_id == desk.group for call in desk.stage.telegram.calls[since:])


def wrong(desk: DeskStage, begin: str, count: int) -> dict[str, int]:
    """The texts that do not stand once in the topic, with how often they do."""
    times = Counter(text for one in desk.seen() for text in one.split("\n\n") if text.startswith(begin))
    return {text: times[text] for text in (f"{begin}{number}." for number in range(count)) if times[text] != 1}


async def unknown(desk: DeskStage, number: int, *, killed: bool) -> None:
    """A text of the customer is sent to the group, and the bot does not learn its id."""
    telegram, before = desk.stage.telegram, len(inbox(desk.stage))
    how = {"apply": True, "delay": 60.0} if killed else {"apply": True, "reset": True}
    fault = telegram.fail_next("sendMessage", chat_id=desk.group, **how)
    telegram.say(ANNA, f"text {number}.")
    if killed:
        await desk.stage.until(lambda: any(f"text {number}." in text for text in desk.seen()) or None)
        await asyncio.sleep(0.2)
        await desk.stage.crash()
        await asyncio.sleep(2)
        await desk.stage.start()
    await desk.stage.until(lambda: any(f"text {number}." in text for text in desk.seen()) or None)
    await asyncio.sleep(20)
    assert len(inbox(desk.stage)) > before
    assert fault.hits


@pytest.mark.turns(2)
@pytest.mark.parametrize("killed", [False, True], ids=["the connection breaks", "the process dies"])
async def test_d7_unknown_sends_among_many_writers_are_found_with_two_looks_and_never_doubled(
    stage: Stage, tmp_path: Path, killed: bool
) -> None:
    desk = await busy_desk(stage, tmp_path)
    begun = len(stage.telegram.calls)
    writers = asyncio.create_task(talking(desk))
    for number in range(SENDS):
        await unknown(desk, number, killed=killed)
    writers.cancel()
    assert not wrong(desk, "text ", SENDS)
    assert looks(desk, begun) <= 2 * SENDS
    assert 429 not in {call.status for call in stage.telegram.calls}


@pytest.mark.turns(2)
@pytest.mark.parametrize("killed", [False, True], ids=["the connection breaks", "the process dies"])
async def test_a_topic_whose_making_was_not_confirmed_is_found_by_its_name_and_none_stays_empty(
    stage: Stage, tmp_path: Path, killed: bool
) -> None:
    desk = await busy_desk(stage, tmp_path)
    chat = stage.telegram.state.chats[desk.group]
    writers = asyncio.create_task(talking(desk))
    for number in range(5):
        before = len(chat.topics)
        customer = stage.telegram.person("Ann", "en", 8000 + number)["id"]
        how = {"apply": True, "delay": 60.0} if killed else {"apply": True, "reset": True}
        stage.telegram.fail_next("createForumTopic", **how)
        stage.telegram.say(customer, "/human")
        while len(chat.topics) == before:
            await asyncio.sleep(0.1)
        stage.telegram.topic(desk.group, PEOPLE[0], f"people {number}")  # somebody makes one, too
        if killed:
            await stage.crash()
            await stage.start()
        await asyncio.sleep(90)
    writers.cancel()
    titles = [topic.name for topic in chat.topics.values()]
    assert titles == ["Anna", *(name for number in range(5) for name in ("Ann", f"people {number}"))]
    assert len(desk.cards()) == 6
