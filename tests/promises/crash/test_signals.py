"""Signals at moments that nobody chose: a stop drains, a pause is slept through, and kills lose nothing.

See P1-P7, F83, F94 in docs/promises.md.

F95, F96, F97. A pause is 2 s here and as long as `CRASH_PAUSE` says in the long form.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time

import pytest

from tests.promises.crash.random_kills import kill_at_random
from tests.promises.crash.scenarios import ANNA, BORIS, CLARA
from tests.promises.crash.strikes import LATE
from tests.promises.crash.world import Nursery, World

pytestmark = pytest.mark.e2e

PEOPLE = (ANNA, BORIS, CLARA)
KILLS = 15
PAUSE = float(os.environ.get("CRASH_PAUSE", "2"))


@pytest.mark.parametrize("grace", [0.3, 10.0])
async def test_sigterm_in_the_middle_of_answers_drains_and_loses_nothing(nursery: Nursery, grace: float) -> None:
    """The shorter grace is over before the answers are: they are given after the next start."""
    chance = random.Random(7)
    moments = [chance.uniform(0.0, 1.2) for _ in range(3)]
    stops = await asyncio.gather(*[_stop(nursery, moment, grace) for moment in moments])
    assert [fault for faults in stops for fault in faults] == []


async def _stop(nursery: Nursery, moment: float, grace: float) -> list[str]:
    async with nursery.world(sentences=10, pause=0.08, shutdown_grace=grace) as world:
        await world.start()
        for person in PEOPLE:
            world.ask(person)
        first = world.ask(ANNA)
        await world.telegram.wait_for(lambda: world.studio.seen("completion"), 60)
        await asyncio.sleep(moment)
        faults = await _stopped(world, grace + LATE, {0})
        await world.start()
        await world.answered(first)
        await world.closing()
        return faults + world.judged().faults()


async def _stopped(world: World, within: float, fine: set[int]) -> list[str]:
    """What is wrong with how the bot ends at a SIGTERM."""
    asked = time.monotonic()
    status = await world.end(signal.SIGTERM)
    took = time.monotonic() - asked
    faults = [] if status in fine else [f"status {status}: {world.log()[-700:]}"]
    return faults + ([f"the stop took {took:.1f} s"] if took > within else [])


async def test_sigterm_ends_a_bot_that_waits_for_telegram_at_its_start(nursery: Nursery) -> None:
    async with nursery.world(log_level="INFO") as world:
        await world.telegram.down()
        await world.start()
        await _said(world, "no connection to Telegram")
        assert await _stopped(world, LATE, {0, -signal.SIGTERM}) == []
        await world.telegram.up()
        world.ask(ANNA)
        await world.start()
        await world.answered()


async def _said(world: World, words: str) -> None:
    async with asyncio.timeout(60):
        while words not in world.log():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_an_end_at_any_moment_of_the_first_start_leaves_a_database_that_works(
    nursery: Nursery, number: signal.Signals
) -> None:
    """Schema, lock and first calls are struck every few hundredths of a second."""
    async with nursery.world() as world:
        (world.directory / "govorun.db").unlink()
        question = world.ask(ANNA)
        for moment in range(8):
            await world.start()
            await asyncio.sleep(0.05 * moment)
            assert await world.end(number) in (0, -number), world.log()[-700:]
        await world.start()
        await world.answered(question)
        await world.closing()
        assert world.judged().faults() == []


async def test_a_pause_of_the_whole_process_is_slept_through(nursery: Nursery) -> None:
    """A laptop that is closed: meanwhile both services give the connections up, and people go on asking."""
    async with nursery.world(sentences=10, pause=0.1) as world:
        await world.start()
        for person in PEOPLE:
            world.ask(person)
        await world.telegram.wait_for(lambda: world.telegram.drafts, 60)
        world.send(signal.SIGSTOP)
        await asyncio.sleep(PAUSE / 2)
        world.telegram.cut()
        world.studio.cut()
        world.ask(BORIS)
        await asyncio.sleep(PAUSE / 2)
        world.send(signal.SIGCONT)
        await world.answered()
        await world.closing()
        assert world.judged().faults() == []
        assert await world.end(signal.SIGTERM) == 0


@pytest.mark.parametrize("streaming", ["draft", "edit"])
async def test_kills_at_random_moments_cost_nothing(nursery: Nursery, streaming: str) -> None:
    campaign = await kill_at_random(nursery, KILLS, seed=20, streaming=streaming)
    assert campaign.faults == []
    assert campaign.questions > KILLS / 2
