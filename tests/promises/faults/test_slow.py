"""Legs that are slow: forty seconds for every call, a call in twenty lost, polls and edits that hang."""

from __future__ import annotations

import random

import pytest

from bot.sandbox.telegram.http import ApiCall
from bot.texts.catalog import say
from tests.promises.faults.network import CROWD
from tests.support.stage import ANNA, CODE, TEAM, Stage
from tests.support.telegram_side import QUESTION, counted, deliveries, loud, soon

pytestmark = pytest.mark.wire("tcp")

LOSS = 0.05


def in_flight(calls: list[ApiCall], seconds: float) -> int:
    """The most calls that were under way at one moment, each having taken so long."""
    moments = [(call.monotonic - seconds, 1) for call in calls] + [(call.monotonic, -1) for call in calls]
    most = now = 0
    for _, step in sorted(moments):
        now += step
        most = max(most, now)
    return most


@pytest.mark.parametrize("round_trip", [5.0, 40.0])
async def test_f12_a_slow_telegram_makes_no_storm_and_gets_each_answer_once(stage: Stage, round_trip: float) -> None:
    stage.studio.speed = 5
    stage.studio.answer(lambda messages: "".join(counted(50)))
    await stage.start()
    stage.telegram.faults.set_shares({"latency_ms": round_trip * 1000})
    chance = random.Random(1)
    for person in CROWD:
        stage.telegram.say(person, "count")
        if chance.random() < LOSS * 4:
            stage.telegram.fail_next("sendMessage", reset=True, apply=bool(chance.randrange(2)), chat_id=person)
    await stage.clock.sleep(240)
    assert in_flight(stage.telegram.calls, round_trip) <= 100  # what the session allows
    stage.telegram.faults.set_shares({"latency_ms": 0})
    await soon(stage, lambda: deliveries(stage) == ["sent"] * len(CROWD))
    for person in CROWD:
        assert [text.split()[-1] for text in stage.telegram.texts(person)] == ["word49"]
    assert len(stage.prompts()) == len(CROWD)


async def test_f12_a_round_trip_of_forty_seconds_is_slow_but_works(stage: Stage) -> None:
    await stage.start()
    stage.telegram.faults.set_shares({"latency_ms": 40_000})
    stage.studio.script("patience", "is a virtue")
    stage.telegram.say(ANNA, "one")
    assert await stage.texts(1) == ["patience"]
    await soon(stage, lambda: deliveries(stage) == ["sent"])
    stage.telegram.say(ANNA, "two")
    assert await stage.texts(2) == ["patience", "is a virtue"]
    await soon(stage, lambda: deliveries(stage) == ["sent", "sent"])


async def test_f5_an_edit_without_an_answer_is_repeated_with_the_same_text(stage: Stage) -> None:
    stage.studio.speed = 2
    await stage.start()
    stage.studio.script(counted(60))
    stage.telegram.say(TEAM, QUESTION, ANNA)
    await soon(stage, lambda: "word5" in "".join(stage.telegram.texts(TEAM)))
    stage.telegram.fail_next("editMessageText", code=504, delay=60.0, apply=True, chat_id=TEAM, times=2)
    await soon(stage, lambda: deliveries(stage) == ["sent"])
    assert len(stage.telegram.texts(TEAM)) == 1
    assert stage.telegram.texts(TEAM)[0].split() == [f"word{number}" for number in range(60)]
    assert len({call.params["message_id"] for call in loud(stage, TEAM) if "message_id" in call.params}) == 1


async def test_f11_a_half_open_poll_is_given_up_ten_seconds_after_its_time(stage: Stage) -> None:
    await stage.start()
    await stage.ask("hello")
    fault = stage.telegram.fail_next("getUpdates", code=0, delay=100_000.0)
    stage.telegram.say(ANNA, "wake up")
    await soon(stage, lambda: fault.hits)
    hung = stage.clock.monotonic()
    stage.telegram.say(ANNA, "still there?")
    await stage.texts(3)
    assert stage.clock.monotonic() - hung <= 30 + 10 + 5


@pytest.mark.parametrize("mode", ["draft", "edit", "off"])
async def test_p12_a_slow_model_shows_a_sign_within_a_second_in_every_mode(stage: Stage, mode: str) -> None:
    stage.studio.ttft = 25
    await stage.start(streaming=mode)
    asked = stage.clock.monotonic()
    stage.telegram.say(ANNA, "hello")
    signs = ("sendMessageDraft", "sendChatAction", "sendMessage")
    first = await soon(stage, lambda: next(iter(stage.telegram.calls_of(*signs)), None))
    assert first.monotonic - asked <= 1.1
    await stage.texts(1)


async def test_p12_a_slow_model_shows_a_sign_in_a_group_too(stage: Stage) -> None:
    stage.studio.ttft = 25
    await stage.start()
    asked = stage.clock.monotonic()
    stage.telegram.say(TEAM, QUESTION, ANNA)
    first = await soon(stage, lambda: next(iter(stage.telegram.calls_of("sendChatAction", "sendMessage")), None))
    assert first.monotonic - asked <= 1.1
    await stage.texts(1, TEAM)
    late = [call for call in stage.telegram.calls_of("sendChatAction") if call.monotonic - asked > 30]
    assert late == []


async def test_f68_a_full_queue_at_the_model_is_an_apology_within_the_deadline(stage: Stage) -> None:
    """All places are taken by requests that hang: who waits for one is told in time as well."""
    await stage.start(yc_concurrency=2)
    stage.studio.fail_next("completion", hang=True, times=999)
    for person in CROWD:
        stage.telegram.say(person, "hello")
    await stage.clock.sleep(stage.settings.answer_deadline + 5)
    for person in CROWD:
        assert [CODE.sub("", text) for text in stage.telegram.texts(person)] == [say("en", "error.unavailable")]
