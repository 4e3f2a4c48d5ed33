"""From updates to questions: on disk first, once each, whatever crashes or fails in between (F34, F35)."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.errors import StorageUnavailable
from bot.ports import Handler, Received, Reply
from bot.telegram.client.api import Api
from bot.telegram.receiving.intake import Intake, UpdateHandlers
from bot.telegram.receiving.parsing import Me
from bot.types import Address, Incoming
from tests.support.odd_updates import PERSON, PLACE, TOKEN_BOT, message
from tests.support.stage import ANNA, TEAM, Stage
from tests.support.telegram_side import QUESTION, counted, inbox, questions, rows, said, settled, soon
from tests.support.virtual import VirtualClock

IS_GONE = f"SELECT is_gone FROM chats WHERE id = {ANNA}"


# --- the same thing twice ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("other_number", [False, True])
@pytest.mark.parametrize("restart", [False, True])
async def test_a_message_that_comes_twice_is_answered_once(stage: Stage, other_number: bool, restart: bool) -> None:
    await stage.start()
    sent = stage.telegram.say(ANNA, "hello")
    number = stage.telegram.updates.next_id - 1
    await settled(stage, "sent")
    if restart:
        await stage.stop()
        await stage.start()
    stage.telegram.push_raw({"message": sent} if other_number else {"update_id": number, "message": sent})
    await stage.clock.sleep(5)
    await stage.ask("next")
    assert len(stage.prompts()) == 2


async def test_update_numbers_may_begin_anew(stage: Stage) -> None:
    await stage.start()
    stage.telegram.push_raw({"update_id": 900_000_000, "message": message(1, text="high")})
    await stage.texts(1)
    stage.telegram.updates.next_id = 900_000_001
    stage.telegram.push_raw({"update_id": 117_314_199, "message": message(2, text="low")})
    await stage.texts(2)
    assert questions(stage) == ["high", "low"]


# --- hostile updates --------------------------------------------------------------------------------------------------


async def test_update_numbers_that_begin_anew_may_meet_one_that_is_remembered(stage: Stage) -> None:
    """After a week without updates Telegram goes on from a number by chance."""
    await stage.start()
    stage.telegram.push_raw({"update_id": 900_000_000, "message": message(1, text="long ago")})
    await stage.texts(1)
    stage.telegram.push_raw({"update_id": 900_000_000, "message": message(2, text="today")})
    await stage.texts(2)
    assert questions(stage) == ["long ago", "today"]


async def test_what_has_no_name_is_told_apart_by_what_it_says(stage: Stage) -> None:
    await stage.start()
    await stage.ask("hello")
    person = {"user": {"id": TOKEN_BOT["id"], "is_bot": True, "first_name": "Govorun"}}
    for status in ("kicked", "member"):
        change = {"chat": PLACE, "from": PERSON, "date": 1_800_000_000, "new_chat_member": {**person, "status": status}}
        stage.telegram.push_raw({"update_id": 900_000_000, "my_chat_member": change})
        await soon(stage, lambda gone=status == "kicked": rows(stage, IS_GONE) == [(gone,)])  # type: ignore[misc]


# --- crashes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["inbox", "asked", "drafted", "sent"])
async def test_a_crash_at_any_moment_costs_nothing_and_doubles_nothing(stage: Stage, moment: str) -> None:
    stage.studio.speed = 20
    stage.studio.answer(lambda messages: "".join(counted(15)))
    await stage.start()
    stage.telegram.say(ANNA, "count")
    found = {
        "inbox": lambda: inbox(stage),
        "asked": lambda: stage.prompts(),
        "drafted": lambda: stage.telegram.drafts,
        "sent": lambda: said(stage),
    }[moment]
    await soon(stage, found)
    await stage.crash()
    await stage.start()
    await settled(stage, "sent")
    await stage.clock.sleep(60)
    assert [text.split()[-1] for text in stage.telegram.texts(ANNA)] == ["word14"]
    assert stage.telegram.pending == 0
    stage.studio.answer(lambda messages: "fine")
    assert await stage.ask("go on") == "fine"


async def test_questions_that_wait_in_a_crash_are_answered_in_their_order(stage: Stage) -> None:
    stage.studio.speed = 5
    stage.studio.answer(lambda messages: messages[-1]["text"] + " answered " * 8)
    await stage.start()
    for number in range(4):
        stage.telegram.say(ANNA, f"q{number}")
    stage.telegram.say(TEAM, QUESTION, ANNA)
    await soon(stage, lambda: len(inbox(stage)) == 5)
    await stage.crash()
    await stage.start()
    assert [text[:2] for text in await stage.texts(4)] == ["q0", "q1", "q2", "q3"]
    assert len(await stage.texts(1, TEAM)) == 1


# --- a disk that fails in between -------------------------------------------------------------------------------------


class Flaky:
    """An inbox whose disk is full each time after something was accepted, twice."""

    def __init__(self) -> None:
        self.set_aside: dict[int, str] = {}
        self.ended: list[int] = []
        self.failures = 2

    async def accept(self, bot: int, updates: Sequence[tuple[int, str, str, str]]) -> list[Received]:
        at = datetime(2027, 1, 1, tzinfo=UTC)
        return [Received(id_, bot, id_, raw, 0, at) for id_, _, raw, _ in updates]

    async def open(self, bot: int) -> list[Received]:
        return []

    async def take(self, bot: int, place: str, known: Collection[int], *, interrupted: bool) -> list[Received]:
        return []

    async def done(self, ids: Sequence[int]) -> None:
        self.ended += ids

    async def answers_all(self, address: Address) -> bool:
        return False

    async def quarantine(self, id: int, reason: str) -> None:
        if self.failures:
            self.failures -= 1
            raise StorageUnavailable("the disk is full")
        self.set_aside[id] = reason

    async def find(self, bot: int, once: str) -> int | None:
        raise StorageUnavailable("the disk is full")


async def accepted(*given: Any, handler: Handler) -> Flaky:
    """What an inbox with a failing disk holds after these updates."""
    inbox, dismissed = Flaky(), list[Any]()

    def no_reply(incoming: Incoming, callback: str) -> Any:
        return None

    async with asyncio.TaskGroup() as tasks:
        intake = Intake(
            api=Api(token="42:AAtoken", url="http://127.0.0.1:9"),
            inbox=inbox,
            clock=VirtualClock(),
            me=Me(TOKEN_BOT["id"], "govorun_bot"),
            tasks=tasks,
            handlers=UpdateHandlers(
                reply=no_reply,
                handler=handler,
                note_id=lambda *_: None,
                returned=lambda _: None,
                dismiss=dismissed.append,
            ),
        )
        await intake.accept(given)
    return inbox


async def test_a_disk_that_fails_while_one_update_is_set_aside_costs_the_others_nothing() -> None:
    heard: list[str] = []

    async def handler(incoming: Incoming, reply: Reply) -> None:
        heard.append(incoming.text)

    broken, idle = {"update_id": 1, "message": {"chat": 5}}, {"update_id": 2, "poll": {}}
    inbox = await accepted(broken, idle, {"update_id": 3, "message": message(1, text="hello")}, handler=handler)
    assert heard == ["hello"]
    assert list(inbox.set_aside) == [1]
    assert inbox.ended == [2]


async def test_an_edit_that_can_not_be_looked_up_changes_nothing() -> None:
    heard: list[tuple[str, str]] = []

    async def handler(incoming: Incoming, reply: Reply) -> None:
        heard.append((incoming.text, incoming.of))

    edited = message(1, text="hello", edit_date=1_800_000_001)
    await accepted({"update_id": 1, "edited_message": edited}, handler=handler)
    assert heard == [("hello", "")]
