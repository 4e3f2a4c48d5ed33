"""Everywhere, one after the other: a scenario is run once for each point that it passes, and struck there.

Begin with `strike_everywhere`: it runs a scenario once to list every point that is passed (see `victim`), then once
for each of them with a strike there (see `strikes`), and returns what `judge` found. A scenario only talks and waits;
that the bot dies and comes back meanwhile is the world's business.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.promises.crash.judge import Place, Verdict
from tests.promises.crash.strikes import KILL, STUDIO, Point, Strike
from tests.promises.crash.world import Nursery, World
from tests.support.by_turns import everything, turn

COMMITS = ("before", "after")
SPEAKING = ("call:sendMessage", "call:sendPhoto", "call:sendRichMessage", "call:editMessageText")
KINDS = (
    *COMMITS,
    *SPEAKING,
    "call:getUpdates",
    "model",
    "paint",
    "poll",
    "draw",
)  # the others are as good as one of these
TRIES = 3  # runs, at most, until one comes by the point
AFTERMATH = 1.6  # seconds without a call after something that the bot survives: its first pauses are shorter


@dataclass(frozen=True, slots=True)
class Scenario:
    """`act` talks and waits until everything has come to its end, `verdict` says what is wrong then.

    `places` get a closing question too, beside those in which questions were asked; `strays` is how many left-over
    placeholders one strike may leave. `world` is for `Nursery.world`.
    """

    name: str
    act: Callable[[World], Awaitable[None]]
    verdict: Callable[[World], Verdict] = World.judged
    places: Sequence[Place] = ()
    strays: int = 0
    world: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Case:
    """One run with a strike at `point`; not `reached` when the run took another course, or nothing met the strike.

    `recovery` are the points that the second process passed, from its start to the last answer of the scenario.
    """

    strike: Strike
    point: Point
    reached: bool
    verdict: Verdict
    faults: list[str]
    recovery: list[str]
    again: str = ""

    def __str__(self) -> str:
        place = f"{self.point.name} ({self.point.what})" + (f" and {self.again}" if self.again else "")
        return f"{self.strike.name} at {place}: " + "; ".join(self.faults)


async def strike_everywhere(
    nursery: Nursery,
    scenario: Scenario,
    strike: Strike = KILL,
    *,
    kinds: Sequence[str] = KINDS,
    part: tuple[int, int] = (0, 1),
    at_once: int = 3,
) -> list[Case]:
    """Every point of `kinds` (none: of all) that the scenario passes: one run for each, with the strike there.

    `part` (k, n) takes only every n-th of these points, beginning with the k-th.
    """
    points = [Point.read(line) for line in await survey(nursery, scenario)]
    chosen = [point for point in points if not kinds or point.kind in kinds][part[0] :: part[1]]
    return await _all([(scenario, strike, point, "") for point in chosen], nursery, at_once)


async def strike_by_turns(
    nursery: Nursery, scenario: Scenario, strikes: Sequence[Strike], *, part: tuple[int, int] = (0, 1), at_once: int = 8
) -> list[Case]:
    """All strikes, each at other points of the scenario: the short form of all of them everywhere."""
    points = [Point.read(line) for line in await survey(nursery, scenario)][part[0] :: part[1]]
    wanted = [(point, strikes[number % len(strikes)]) for number, point in enumerate(points)]
    return await _all([(scenario, strike, point, "") for point, strike in wanted], nursery, at_once)


async def strike_again(
    nursery: Nursery, scenario: Scenario, first: Point, *, part: tuple[int, int] = (0, 1), at_once: int = 3
) -> list[Case]:
    """A kill at `first`, and a second one at every point of what the next process does to recover."""
    once = await strike_once(nursery, scenario, KILL, first)
    seconds = [point for point in map(Point.read, once.recovery) if point.kind in KINDS][part[0] :: part[1]]
    return [once, *await _all([(scenario, KILL, first, second.name) for second in seconds], nursery, at_once)]


async def _all(wanted: Sequence[tuple[Scenario, Strike, Point, str]], nursery: Nursery, at_once: int) -> list[Case]:
    gate = asyncio.Semaphore(at_once)

    async def one(scenario: Scenario, strike: Strike, point: Point, again: str) -> Case:
        """A run that has not come by the point proves nothing: on a loaded machine it may have had fewer drafts."""
        async with gate:
            for _ in range(1 if strike in STUDIO else TRIES):
                case = await strike_once(nursery, scenario, strike, point, again)
                if case.reached or case.faults:
                    break
            return case

    async with asyncio.TaskGroup() as tasks:
        runs = [tasks.create_task(one(*run)) for run in wanted]
    return [run.result() for run in runs]


def third(first: int, every: int) -> tuple[int, int]:
    """A third of every n-th point, for `part`, another one with each commit; all of them with `TEST_TURN=all`."""
    return (first, every) if everything() else (first + every * turn(3), 3 * every)


def assert_harmless(cases: Sequence[Case], *, at_least: int) -> None:
    """No case has a fault, and there were as many strikes as there should be: fewer would prove nothing."""
    if faulty := [str(case) for case in cases if case.faults]:
        raise AssertionError(f"{len(faulty)} of {len(cases)} cases:\n" + "\n".join(faulty))
    reached = sum(case.reached for case in cases)
    if reached < at_least:
        missed = ", ".join(f"{case.strike.name} at {case.point.name}" for case in cases if not case.reached)
        raise AssertionError(
            f"only {reached} of {len(cases)} points were reached, {at_least} should have been; not: {missed}"
        )


async def survey(nursery: Nursery, scenario: Scenario) -> list[str]:
    """The scenario without a strike: it must be faultless. Returns the points that it passes."""
    async with nursery.world(**scenario.world) as world:
        await world.start()
        await scenario.act(world)
        await world.quiet()
        if await world.end(signal.SIGTERM):
            raise AssertionError(f"SIGTERM: {world.log()}")
        if faults := scenario.verdict(world).faults():
            raise AssertionError(f"without any strike: {faults}")
        return world.lives()[0]


async def strike_once(nursery: Nursery, scenario: Scenario, strike: Strike, point: Point, again: str = "") -> Case:
    """One run of the scenario with a strike at `point`, and with another one at `again` of the process after it."""
    async with nursery.world(**{**scenario.world, **strike.settings}) as world:
        world.strike = strike
        await world.start(point.name)
        revival = asyncio.create_task(world.revive(again))
        try:
            recovery, faults = await _lived_through(world, scenario)
        finally:
            revival.cancel()
            await asyncio.wait({revival})
        reached = len(world.hits) == (2 if again else 1) and all(hit() for hit in world.hits)
        verdict = scenario.verdict(world)
        faults += verdict.faults(scenario.strays * len(world.hits)) + _deaths(world, strike)
        return Case(strike, point, reached, verdict, faults, recovery, again)


async def _lived_through(world: World, scenario: Scenario) -> tuple[list[str], list[str]]:
    """The points of the recovery, and what never came."""
    recovery: list[str] = []
    try:
        await scenario.act(world)
        await world.quiet()  # the strike may come after the last answer
        recovery = [line for life in world.lives()[1:2] for line in life]
        await world.closing(scenario.places)
        if not world.deaths:
            await world.quiet(AFTERMATH)
    except TimeoutError as error:
        return recovery, [f"lost: nothing more came: {error}"]
    return recovery, []


def _deaths(world: World, strike: Strike) -> list[str]:
    """Ends that should not have come, or not so late."""
    faults = [
        f"other: ended with {death.returncode}: {world.log()[-700:]!r}"
        for death in world.deaths
        if death.returncode not in strike.deaths
    ]
    if world.deaths and (took := world.deaths[0].died - world.struck_at) > strike.within:
        faults.append(f"other: the end took {took:.1f} s")
    return faults
