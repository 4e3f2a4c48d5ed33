"""The long form: every point of every scenario with every strike, then kills at random; one table of what came of it.

    make crash                                    everything (hours on two cores)
    make crash CRASH="--kills 200 --seed 3"       only 200 random kills, in another order
    make crash CRASH="--every 10"                 every tenth point, another one for each strike
    make crash CRASH="--only 'picture: AI'"       what AI Studio does to pictures
    make crash CRASH="--every 0 --kills 0 --fleet 0 --desk 60 --customers 30"    a short hour at the support desk

Exit status 1 when anything was lost, doubled, out of order, leaked, a ghost, or an unmarked half.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from bot.storage.maintenance import migrations
from tests.promises.crash.desk_crowd import crowd_at_the_desk
from tests.promises.crash.driver import Case, Scenario, strike_everywhere
from tests.promises.crash.fleet import DELAY, Ordeal, ordeal, share
from tests.promises.crash.judge import COLUMNS
from tests.promises.crash.random_kills import Campaign, kill_at_random
from tests.promises.crash.scenarios import SCENARIOS
from tests.promises.crash.strikes import STRIKES, Strike
from tests.promises.crash.world import Nursery
from tests.support.postgres_side import TEMPLATE, started

KILLS_A_WORLD = 40
HEAD = ("strike", "at", "runs", "reached", *COLUMNS, "strays", "apologies")


async def main() -> int:
    wish = _wish()
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # it tells of every client that went away
    with tempfile.TemporaryDirectory() as folder:
        template = Path(folder) / "template.db"
        await migrations.upgrade(f"sqlite+aiosqlite:///{template}")
        nursery = Nursery(template, Path(folder))
        faults = await _points(nursery, wish) if wish.every else []
        faults += await _kills(nursery, wish)
        faults += await _desk(nursery, wish)
        return 1 if faults + await _fleet(Path(folder), wish) else 0


def _wish() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="crash", description="The crash driver, long form.")
    parser.add_argument("--every", type=int, default=1, help="take every n-th point (0: none)")
    parser.add_argument("--kills", type=int, default=1000, help="kills at random moments")
    parser.add_argument("--fleet", type=float, default=120, help="seconds of a fleet's ordeal (0: none)")
    parser.add_argument("--desk", type=float, default=600, help="seconds of customers and operators (0: none)")
    parser.add_argument("--customers", type=int, default=200, help="of the support desk")
    parser.add_argument("--seed", type=int, default=1, help="what the moments are drawn from")
    parser.add_argument("--at-once", type=int, default=4, help="worlds at the same time")
    parser.add_argument("--only", default="", help="only strikes and scenarios with this in `scenario: strike`")
    return parser.parse_args()


# --- points -----------------------------------------------------------------------------------------------------------


async def _points(nursery: Nursery, wish: argparse.Namespace) -> list[str]:
    faults: list[str] = []
    cases: dict[str, list[Case]] = defaultdict(list)
    for scenario in SCENARIOS:
        for number, strike in enumerate(STRIKES):
            if wish.only in f"{scenario.name}: {strike.name}":
                found = await _one(nursery, scenario, strike, number, wish)
                cases[strike.name] += found
                faults += (bad := [f"{scenario.name}: {case}" for case in found if case.faults])
                print(*bad, sep="\n", end="\n" if bad else "", file=sys.stderr, flush=True)
    _table([_row(strike, family, group) for strike, found in cases.items() for family, group in _families(found)])
    return faults


async def _one(
    nursery: Nursery, scenario: Scenario, strike: Strike, number: int, wish: argparse.Namespace
) -> list[Case]:
    part = (number % wish.every, wish.every)
    found = await strike_everywhere(nursery, scenario, strike, kinds=(), part=part, at_once=wish.at_once)
    bad = sum(bool(case.faults) for case in found)
    print(f"{scenario.name}: {strike.name}: {len(found)} runs, {bad} with faults", file=sys.stderr, flush=True)
    return found


def _families(cases: Sequence[Case]) -> list[tuple[str, list[Case]]]:
    groups: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        groups[case.point.family].append(case)
    return sorted(groups.items())


def _row(strike: str, family: str, cases: Sequence[Case]) -> tuple[object, ...]:
    kinds = Counter(fault.partition(":")[0] for case in cases for fault in case.faults)
    strays = sum(len(case.verdict.strays) for case in cases)
    apologies = sum(case.verdict.apologies for case in cases)
    reached = sum(case.reached for case in cases)
    return (strike, family, len(cases), reached, *(kinds[name] for name in COLUMNS), strays, apologies)


def _table(rows: Sequence[tuple[object, ...]]) -> None:
    for row in (HEAD, ("---",) * len(HEAD), *rows):
        print("| " + " | ".join(map(str, row)) + " |")


# --- random kills -----------------------------------------------------------------------------------------------------


async def _kills(nursery: Nursery, wish: argparse.Namespace) -> list[str]:
    gate = asyncio.Semaphore(min(wish.at_once, 2))

    async def one(number: int, kills: int) -> Campaign:
        async with gate:
            streaming = ("draft", "edit", "off")[number % 3]
            found = await kill_at_random(nursery, kills, wish.seed * 1000 + number, streaming=streaming)
            print(
                f"{found.kills} kills, {found.questions} questions",
                *found.faults,
                sep="\n",
                file=sys.stderr,
                flush=True,
            )
            return found

    portions = [min(KILLS_A_WORLD, wish.kills - done) for done in range(0, wish.kills, KILLS_A_WORLD)]
    found = await asyncio.gather(*[one(number, kills) for number, kills in enumerate(portions)])
    faults = [fault for campaign in found for fault in campaign.faults]
    if found:
        _sum(found)
    return faults


def _sum(found: Sequence[Campaign]) -> None:
    kinds = Counter(fault.partition(":")[0] for campaign in found for fault in campaign.faults)
    total = sum(campaign.kills for campaign in found)
    strays = sum(len(campaign.verdict.strays) for campaign in found)
    apologies = sum(campaign.verdict.apologies for campaign in found)
    _table([("kill -9", "random", len(found), total, *(kinds[name] for name in COLUMNS), strays, apologies)])
    questions, commands = sum(one.questions for one in found), sum(one.commands for one in found)
    pictures, bought = sum(one.pictures for one in found), sum(one.bought for one in found)
    print(f"{total} kills, {questions} questions, {commands} commands, {pictures} pictures ({bought} bought)")


# --- the support desk -------------------------------------------------------------------------------------------------


async def _desk(nursery: Nursery, wish: argparse.Namespace) -> list[str]:
    if not wish.desk:
        return []
    told, faults = await crowd_at_the_desk(nursery, wish.desk, wish.seed, customers=wish.customers)
    print(f"the support desk: {told}", *faults, sep="\n", flush=True)
    return faults


# --- many processes ---------------------------------------------------------------------------------------------------


async def _fleet(folder: Path, wish: argparse.Namespace) -> list[str]:
    if not wish.fleet:
        return []
    with started() as server:
        server.execute(f"CREATE DATABASE {TEMPLATE}")
        await migrations.upgrade(server.url(TEMPLATE))
        everything = Ordeal(seconds=wish.fleet, seed=wish.seed, kill_webhooks_every=7.0, strike_at=15.0, part_at=95.0)
        found = await ordeal(server, folder, everything)
    print(found, *found.faults, sep="\n")
    late = share(found.delays, 0.95) > DELAY
    return found.faults + (["late: answers whose worker died"] if late else [])


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
