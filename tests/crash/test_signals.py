"""Signals at moments that nobody chose: SIGTERM drains, and a bot that is killed again and again loses nothing."""

from __future__ import annotations

import asyncio
import random
import signal
import time

import pytest

from crash.driver import Nursery, World

pytestmark = pytest.mark.e2e

ANNA, BORIS, CLARA = 1001, 1002, 1003
PEOPLE = (ANNA, BORIS, CLARA)
KILLS = 20
LATE = 2.0  # seconds that a stop may take beyond SHUTDOWN_GRACE


@pytest.mark.parametrize("grace", [0.3, 10.0])
async def test_sigterm_in_the_middle_of_answers_drains_and_loses_nothing(nursery: Nursery, grace: float) -> None:
    """The shorter grace is over before the answers are: they are given after the next start."""
    chance = random.Random(7)
    moments = [chance.uniform(0.0, 1.2) for _ in range(5)]
    stops = await asyncio.gather(*[_stop(nursery, moment, grace) for moment in moments])
    assert [fault for faults in stops for fault in faults] == []


async def _stop(nursery: Nursery, moment: float, grace: float) -> list[str]:
    async with nursery.world(sentences=10, pause=0.08, shutdown_grace=grace) as world:
        await world.start()
        for person in PEOPLE:
            world.ask(person)
        first = world.ask(ANNA)
        await world.telegram.wait_for(lambda: world.studio.seen("completion"), 10)
        await asyncio.sleep(moment)
        asked = time.monotonic()
        status = await world.end(signal.SIGTERM)
        took = time.monotonic() - asked
        faults = [f"at {moment:.2f} s: status {status}: {world.log()[-1000:]}"] if status else []
        if took > grace + LATE:
            faults.append(f"at {moment:.2f} s: the stop took {took:.1f} s")
        await world.start()
        await world.answered(first)
        await world.closing()
        return faults + world.judged().faults()


@pytest.mark.parametrize("streaming", ["draft", "edit"])
async def test_twenty_kills_at_random_moments_cost_nothing(nursery: Nursery, streaming: str) -> None:
    chance = random.Random(20)
    async with nursery.world(sentences=6, pause=0.03, streaming=streaming) as world:
        await world.start()
        people = [asyncio.create_task(_chat(world, person)) for person in PEOPLE]
        for _ in range(KILLS):
            await asyncio.sleep(chance.uniform(0.0, 0.8))
            assert await world.end() == -signal.SIGKILL, world.log()
            await world.start()
        for person in people:
            person.cancel()
        await world.answered()
        await world.closing()
        assert len(world.questions) > KILLS / 2
        assert world.judged().faults(strays_allowed=KILLS if streaming == "edit" else 0) == []


async def _chat(world: World, person: int) -> None:
    """Somebody who always has one more question, and now and then asks before the answer is there."""
    while True:
        question = world.ask(person)
        if question.number % 3 == 0:
            question = world.ask(person)
        await world.answered(question)
