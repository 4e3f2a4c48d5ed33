"""One bot in one scenario: `run` makes a world and the bot, lets the kind of the scenario happen, and measures.

Each kind is a function of the world and the bot; the table is at the foot.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from bench.figures import Figures, figures, percentile
from bench.process import Bot, cores
from bench.scenarios import Kind, Plan, Scenario
from bench.world import FIRST_USER, Turn, World
from bot.texts.catalog import say

REST = 2.0  # seconds until a bot that has just started is at rest
KILL_AFTER, DOWN, DOWN_USERS = 4.0, 2.0, 5
LIVED = (3.0, 1.5, 4.0, 0.5, 2.5)  # seconds between a start and the next of many kills


async def run(file: Path, scenario: Scenario, data: Path) -> Figures:
    """Raises `RuntimeError` when the bot does not start."""
    own, other = cores()
    if own is not None:
        os.sched_setaffinity(0, {own})
    world = World(scenario)
    bot = Bot(file, data, await world.start(), other)
    try:
        return await KINDS[scenario.kind](world, bot, scenario)
    finally:
        await bot.kill()
        await world.close()
        if own is not None and other is not None:
            os.sched_setaffinity(0, {own, other})


async def chat(world: World, bot: Bot, scenario: Scenario) -> Figures:
    """People talk; nothing else happens."""
    started = await bot.start(world)
    await world.warm_up()
    await world.clock.sleep(1.0)
    bot_before, world_before = bot.cpu(), os.times()
    begun = world.clock.monotonic()
    await world.talk(scenario.plan)
    seconds, cpu, own = world.clock.monotonic() - begun, bot.cpu() - bot_before, os.times()
    await world.clock.sleep(scenario.settle)
    found = figures(world)
    busy = own.user + own.system - world_before.user - world_before.system
    return {
        **found,
        "CPU an answer ms": cpu * 1_000 / found["answered"] if found["answered"] else None,
        "memory MB": bot.memory(),
        "start s": started,
        "bot's core %": 100 * cpu / seconds,
        "world's core %": 100 * busy / seconds,
    }


async def memory(world: World, bot: Bot, scenario: Scenario) -> Figures:
    """At rest, and after many chats."""
    started = await bot.start(world)
    await world.clock.sleep(REST)
    rest = bot.memory()
    await world.warm_up()
    await world.talk(scenario.plan)
    await world.clock.sleep(scenario.settle)
    found = figures(world)
    kept = {name: found[name] for name in ("questions", "answered", "lost", "doubled", "answers a second")}
    return {**kept, "memory at rest MB": rest, "memory after MB": bot.memory(), "start s": started}


async def growth(world: World, bot: Bot, scenario: Scenario) -> Figures:
    """What a turn costs when the chat already has n messages."""
    await bot.start(world)
    found: Figures = {}
    there = 0
    for size in scenario.sizes:
        if size > there + 10:
            await bot.kill()
            await bot.seed(FIRST_USER, size - there)
            await bot.start(world)
        else:
            await world.talk(replace(scenario.plan, turns=size // 2))
        await world.warm_up()
        there = size + 2 * scenario.plan.turns
        before, cpu = set(world.turns), bot.cpu()
        await world.talk(scenario.plan)
        turns = [turn for number, turn in world.turns.items() if number not in before]
        found |= _cost(size, turns, bot.cpu() - cpu)
    return found


def _cost(size: int, turns: list[Turn], cpu: float) -> Figures:
    overhead = percentile([turn.model - turn.asked for turn in turns if turn.model], 0.5)
    answered = sum(turn.final > 0 for turn in turns)
    return {
        f"answered of {len(turns)} at {size:,}": answered,
        f"overhead p50 ms at {size:,}": overhead,
        f"CPU an answer ms at {size:,}": cpu * 1_000 / answered if answered else None,
    }


async def kill(world: World, bot: Bot, scenario: Scenario) -> Figures:
    """kill -9 while everybody is being answered; people write while it is down; then it is started again."""
    await bot.start(world)
    await world.warm_up()
    async with asyncio.TaskGroup() as talks:
        talks.create_task(world.talk(scenario.plan))
        await world.clock.sleep(KILL_AFTER)
        await bot.kill()
        killed = world.clock.monotonic()
        down = Plan(users=DOWN_USERS, turns=1, timeout=scenario.plan.timeout)
        talks.create_task(world.talk(down, FIRST_USER + 1_000))
        await world.clock.sleep(DOWN)
        restarted = await bot.start(world)
    await world.clock.sleep(scenario.settle)
    turns = [turn for turn in world.turns.values() if turn.measured]
    flying = [turn for turn in turns if turn.asked < killed and not 0 < turn.final < killed]
    late = [turn for turn in turns if turn.asked >= killed]
    found = figures(world)
    return {
        "in flight": len(flying),
        "lost in flight": sum(not turn.final for turn in flying),
        "half answers left": sum(not turn.final and bool(turn.seen) for turn in flying),
        "sent while down": len(late),
        "lost while down": sum(not turn.final for turn in late),
        "doubled": found["doubled"],
        "out of order": found["out of order"],
        "restart s": restarted,
    }


async def kills(world: World, bot: Bot, scenario: Scenario) -> Figures:
    """Kills in a row while everybody asks again and again. Then nobody asks any more, and what waits is waited for."""
    await bot.start(world)
    await world.warm_up()
    talk = asyncio.create_task(world.talk(scenario.plan))
    begun = restarted = 0.0
    for number in range(scenario.kills):
        await world.clock.sleep(LIVED[number % len(LIVED)])
        await bot.kill()
        begun = world.clock.monotonic()
        restarted = await bot.start(world)
    waiting = [turn for turn in world.turns.values() if turn.measured and not turn.final]
    talk.cancel()
    await asyncio.wait({talk})
    with suppress(TimeoutError):
        async with asyncio.timeout(scenario.settle):
            while any(not turn.final and turn.chat not in _excused(world) for turn in waiting):
                await world.clock.sleep(0.5)
    found, excused = figures(world), _excused(world)
    ends = [turn.final or excused.get(turn.chat, 0.0) for turn in waiting]
    waits = [(end or world.clock.monotonic()) - begun for end in ends]
    return {
        "kills": scenario.kills,
        **{name: found[name] for name in ("questions", "cut or damaged", "doubled", "out of order")},
        "waiting at the last start": len(waiting),
        "apologies": sum(not turn.final and end > 0 for turn, end in zip(waiting, ends, strict=True)),
        "lost": ends.count(0.0),
        "restart s": restarted,
        "restart to whole answer p50 ms": percentile(waits, 0.5),
        "restart to whole answer p95 ms": percentile(waits, 0.95),
        "429 received": found["429 received"],
    }


def _excused(world: World) -> dict[int, float]:
    """When each chat was last told that a question was given up: it was there at three crashes."""
    late = world.clock.time() - world.clock.monotonic()
    told = {say(language, "error.crashed") for language in ("en", "ru")}
    chats = {turn.chat for turn in world.turns.values()}
    return {
        chat: message["date"] + 1 - late
        for chat in chats
        for message in world.telegram.transcript(chat)
        if message.get("text") in told
    }


KINDS: dict[Kind, Callable[[World, Bot, Scenario], Awaitable[Figures]]] = {
    "chat": chat, "memory": memory, "growth": growth, "kill": kill, "kills": kills,
}  # fmt: skip
