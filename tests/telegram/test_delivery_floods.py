"""Flood waits are kept, outlive a crash, and cost no answer."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from bot.sandbox.telegram.http import ApiCall
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import loud, settled, words


async def flooded(stage: Stage, chat: int = ANNA) -> ApiCall:
    return await stage.until(lambda: next((call for call in loud(stage, chat) if call.status == 429), None))


@pytest.mark.parametrize("seconds", [1, 3, 35, 3600])
async def test_a_flood_wait_is_kept_and_then_the_answer_arrives(stage: Stage, seconds: int) -> None:
    await stage.start()
    stage.telegram.fail_next("sendMessage", code=429, parameters={"retry_after": seconds}, chat_id=ANNA)
    stage.studio.script("worth waiting for")
    stage.telegram.say(ANNA, "hello")
    refused = await flooded(stage)
    assert await stage.ask("and me?", BORIS) != ""
    assert stage.clock.monotonic() - refused.monotonic < 2
    await stage.clock.sleep(seconds + 3)
    assert stage.telegram.texts(ANNA) == ["worth waiting for"]
    first, second = loud(stage)
    assert seconds <= second.monotonic - first.monotonic <= seconds + 2


async def test_a_wait_of_less_than_nothing_costs_no_answer(stage: Stage) -> None:
    """It is as good as one that the server did not tell."""
    await stage.start()
    stage.telegram.fail_next("sendMessage", code=429, parameters={"retry_after": -5}, chat_id=ANNA)
    stage.studio.script("worth waiting for")
    assert await stage.ask("hello") == "worth waiting for"


async def test_a_flood_wait_outlives_a_crash(stage: Stage) -> None:
    await stage.start()
    stage.telegram.fail_next("sendMessage", code=429, parameters={"retry_after": 300}, chat_id=ANNA)
    stage.studio.script("worth waiting for")
    stage.telegram.say(ANNA, "hello")
    refused = await flooded(stage)
    await stage.clock.sleep(5)
    await stage.crash()
    await stage.clock.sleep(20)
    await stage.start()
    await stage.texts(1)
    await stage.clock.sleep(60)
    assert stage.telegram.texts(ANNA) == ["worth waiting for"]
    early = [call for call in loud(stage) if refused.monotonic < call.monotonic < refused.monotonic + 299]
    assert early == []
    assert len(stage.prompts()) == 1


async def test_an_answer_that_waited_for_a_flood_is_found_after_a_crash(stage: Stage) -> None:
    await stage.start()
    stage.telegram.fail_next("sendMessage", code=429, parameters={"retry_after": 30})
    fault = stage.telegram.fail_next("sendMessage", reset=True, apply=True, times=None)
    stage.studio.script("just once")
    stage.telegram.say(ANNA, "hello")
    await stage.texts(1)
    await stage.crash()
    fault.remove()
    await stage.start()
    await settled(stage, "sent")
    assert stage.telegram.texts(ANNA) == ["just once"]


async def test_a_flood_refusal_without_a_number_is_waited_out(stage: Stage) -> None:
    await stage.start()
    stage.telegram.fail_next("sendMessage", code=429, description="Too Many Requests", times=3)
    stage.studio.script("here")
    assert await stage.ask("hello") == "here"
    times = [call.monotonic for call in loud(stage)]
    assert len(times) == 4
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert pauses[0] >= 5
    assert pauses[1] >= 2 * pauses[0] - 1


async def test_a_flood_wait_in_the_middle_of_a_long_answer_keeps_the_order(stage: Stage) -> None:
    await stage.start(rich_messages=False)
    answer = " ".join(f"word{number}" for number in range(900))
    stage.studio.script(answer)
    stage.telegram.say(ANNA, "tell me")
    await stage.texts(1)
    stage.telegram.fail_next("sendMessage", code=429, parameters={"retry_after": 35})
    await stage.until(lambda: "word899" in "".join(stage.telegram.texts(ANNA)) or None)
    assert words("".join(stage.telegram.texts(ANNA))) == words(answer)


async def test_a_bot_that_is_killed_again_and_again_keeps_to_the_limit_of_a_private_chat(stage: Stage) -> None:
    stage.telegram.limits.on = True
    await stage.start(streaming="off")
    for _ in range(4):
        for number in range(4):
            stage.telegram.say(ANNA, f"/language{number}")
        await asyncio.sleep(1)
        await stage.crash()
        await stage.start()
    await asyncio.sleep(60)
    assert 429 not in {call.status for call in stage.telegram.calls}
