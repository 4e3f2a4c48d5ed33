"""After a kill the answers that were on their way stand within seconds, each of them once."""

from __future__ import annotations

import pytest

from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import deliveries, soon

CLARA = 1003
PEOPLE = 20
WITHIN = 10.0  # seconds from a start to the last answer that waited
ARRIVED = {
    "nothing": range(0),
    "what was sent first": range(PEOPLE // 2),
    "what was sent last": range(PEOPLE // 2, PEOPLE),
    "everything": range(PEOPLE),
}


async def all_on_their_way(stage: Stage, arrived: range) -> list[int]:
    """Kill the bot while an answer is on its way to each of 20 people. Those of the people in `arrived` have arrived.

    Telegram is 0.1 s away, with its flood limits.
    """
    people = [stage.telegram.person(f"Person {number}")["id"] for number in range(PEOPLE)]
    for number, person in enumerate(people):
        stage.telegram.fail_next("sendMessage", reset=True, apply=number in arrived, times=None, chat_id=person)
    stage.telegram.limits.on = True
    stage.studio.answer(lambda messages: f"This is the answer to {messages[-1]['text']}")
    await stage.start(telegram_rate=30, telegram_chat_rate=1)
    for person in people:
        stage.telegram.say(person, f"question {person}")
    await soon(stage, lambda: len({call.chat_id for call in stage.telegram.calls_of("sendMessage")}) == PEOPLE or None)
    await stage.crash()
    stage.telegram.faults.clear()
    stage.telegram.faults.set_shares({"latency_ms": 100})
    await stage.clock.sleep(1)
    return people


async def until_all_stand(stage: Stage) -> float:
    """Start the bot. Returns how many seconds the last answer took."""
    begun = stage.clock.monotonic()
    await stage.start()
    await soon(stage, lambda: set(deliveries(stage)) == {"sent"} or None)
    assert 429 not in {call.status for call in stage.telegram.calls if call.monotonic > begun}
    return stage.clock.monotonic() - begun


def answers(stage: Stage, people: list[int]) -> list[str]:
    return ["".join(stage.telegram.texts(person)) for person in people]


@pytest.mark.parametrize("arrived", ARRIVED.values(), ids=ARRIVED.keys())
async def test_answers_that_were_on_their_way_stand_within_seconds_of_a_start(stage: Stage, arrived: range) -> None:
    people = await all_on_their_way(stage, arrived)
    assert await until_all_stand(stage) < WITHIN
    assert answers(stage, people) == [f"This is the answer to question {person}" for person in people]


async def test_ten_kills_in_a_row_make_nobody_wait_longer(stage: Stage) -> None:
    people = await all_on_their_way(stage, ARRIVED["what was sent last"])
    for _ in range(10):
        await stage.start()
        await stage.clock.sleep(0.4)
        await stage.crash()
    assert await until_all_stand(stage) < WITHIN
    assert answers(stage, people) == [f"This is the answer to question {person}" for person in people]


async def test_a_send_after_the_start_whose_outcome_is_unknown_too_is_looked_for_behind_all_others(
    stage: Stage,
) -> None:
    people = await all_on_their_way(stage, ARRIVED["nothing"])
    stage.telegram.fail_next("sendMessage", code=0, times=PEOPLE // 2)
    stage.telegram.fail_next("sendMessage", reset=True, apply=True, times=PEOPLE // 2)
    await until_all_stand(stage)
    assert answers(stage, people) == [f"This is the answer to question {person}" for person in people]


async def test_an_answer_that_waited_behind_another_one_is_not_looked_for(stage: Stage) -> None:
    """Only the first in a chat can have been sent, in whatever topic: it costs the looks of one search."""
    forum = stage.telegram.group("Forum", [ANNA], is_forum=True)["id"]
    topics = [stage.telegram.topic(forum, name=f"topic {number}")["id"] for number in range(5)]
    stage.telegram.fail_next("sendMessage", reset=True, times=None)
    await stage.start()
    for topic in topics:
        stage.telegram.say(forum, "@govorun_sandbox_bot what now?", ANNA, topic)
    await soon(stage, lambda: len(deliveries(stage)) == 5 or None)
    assert deliveries(stage) == ["sending", *["pending"] * 4]
    assert await looks_after_a_crash(stage) <= 24
    assert [len(stage.telegram.texts(forum, topic)) for topic in topics] == [1] * 5


async def test_messages_that_updates_have_brought_are_not_looked_at(stage: Stage) -> None:
    """Private chats share one line of message ids: what others wrote there can be no answer of ours."""
    stage.telegram.fail_next("sendMessage", reset=True, apply=True, times=None, chat_id=ANNA)
    stage.studio.speed = 3
    await stage.start()
    stage.studio.script("just once", *["to another"] * 8)
    stage.telegram.say(ANNA, "hello")
    for person in [stage.telegram.person(f"Person {number}")["id"] for number in range(8)]:
        stage.telegram.say(person, "hello")
    await soon(stage, lambda: deliveries(stage).count("sent") == 8 or None)
    assert await looks_after_a_crash(stage) <= 2
    assert stage.telegram.texts(ANNA) == ["just once"]


async def test_where_every_chat_numbers_its_messages_itself_an_answer_is_found_all_the_same(stage: Stage) -> None:
    """Some emulators do: what has a number in one chat says nothing of that number in another."""
    await stage.start()
    stage.telegram.fail_next("sendMessage", reset=True, apply=True, times=None, chat_id=ANNA)
    stage.studio.script("just once")
    stage.telegram.say(ANNA, "hello")
    await stage.texts(1)
    for person in (BORIS, CLARA):
        for number in range(1, 40):
            sender = {"id": person, "is_bot": False, "first_name": "Somebody"}
            chat = {"id": person, "type": "private"}
            stage.telegram.push_raw({"message": {"message_id": number, "from": sender, "chat": chat, "date": 1}})
    await stage.clock.sleep(1)
    await looks_after_a_crash(stage)
    assert stage.telegram.texts(ANNA) == ["just once"]


async def looks_after_a_crash(stage: Stage) -> int:
    """Kill the bot and start it again. Returns how many messages it has edited when all is delivered."""
    await stage.crash()
    stage.telegram.faults.clear()
    before = len(stage.telegram.calls_of("editMessageText"))
    await stage.start()
    await soon(stage, lambda: set(deliveries(stage)) == {"sent"} or None)
    return len(stage.telegram.calls_of("editMessageText")) - before
