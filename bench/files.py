"""`python -m bench.files`: files that are made to hurt, while others ask and send files as usual.

Prints how long the senders wait for a word, how long another chat waits for its answers meanwhile and otherwise, how
much memory the bot takes, and how long it needs to end while files are being opened.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import signal
import statistics
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench.hostile import Hostile, files, normal, slow_pdf
from bench.process import Bot
from bench.scenarios import Pace, Plan, Scenario
from bench.world import World
from bot.sandbox.telegram.server_facade import text_of
from bot.texts import en

HERE = Path(__file__).parent
BYSTANDER, SENDER, USUAL = 7_000_000, 7_100_000, 7_200_000
PATIENCE = 90.0  # seconds that a sender waits for a word
PAUSE = 0.4  # seconds between two questions of the bystander
GRACE = 2.0
SCENARIO = Scenario("files", Plan(users=1, turns=1), Pace(tokens=5, rate=0, ttft=0))


@dataclass
class Seen:
    waits: dict[str, float] = field(default_factory=dict)  # by the name of the file
    words: Counter[str] = field(default_factory=Counter)
    silent: list[str] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)  # seconds that another chat has waited


async def send(world: World, chat: int, sent: Iterable[Hostile], seen: Seen) -> None:
    """One file after the other, each after the word about the one before."""
    for file in sent:
        before, begun = _newest(world, chat), time.monotonic()
        world.telegram.upload(chat, file.data, file.kind, name=file.name, mime=file.mime)
        with suppress(TimeoutError):
            await world.telegram.wait_for(partial(_said, world, chat, before), PATIENCE)
        texts = _said(world, chat, before) or []
        seen.waits[f"{chat}/{len(seen.waits)} {file.name}"] = time.monotonic() - begun
        seen.words.update(text.replace(file.name, "…")[:60] for text in texts[:1])
        if not texts:
            seen.silent.append(file.name)


def _said(world: World, chat: int, before: int) -> list[str] | None:
    """What the bot has said since; "your message is next" is no word about a file."""
    said = [message for message in world.telegram.transcript(chat) if message["from"]["is_bot"]]
    texts = [text_of(message) for message in said if message["message_id"] > before]
    return [text for text in texts if text != en.TEXTS["queue.waits"]] or None


def _newest(world: World, chat: int) -> int:
    return max((message["message_id"] for message in world.telegram.transcript(chat)), default=0)


async def ask(world: World, seen: Seen, until: asyncio.Event) -> None:
    while not until.is_set():
        turn = world.ask(BYSTANDER)
        try:
            await asyncio.wait_for(turn.whole.wait(), PATIENCE)
            seen.answers.append(turn.final - turn.asked)
        except TimeoutError:
            seen.silent.append(f"question {turn.number}")
        await asyncio.sleep(PAUSE)


async def watch(bot: Bot, until: asyncio.Event) -> float:
    most = 0.0
    while not until.is_set():
        most = max(most, bot.memory())
        await asyncio.sleep(0.1)
    return most


async def ended(world: World, bot: Bot) -> float:
    """Seconds from SIGTERM to the end of the process, while two files are being opened that take long."""
    process = bot._process
    assert process is not None
    for chat in (SENDER, SENDER + 1):
        world.telegram.upload(chat, slow_pdf(), "document", name="slow.pdf")
    await asyncio.sleep(1.5)
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    await process.wait()
    return time.monotonic() - begun


async def measure(count: int, senders: int, data: Path, seed: int) -> None:
    world, seen, quiet = World(SCENARIO), Seen(), Seen()
    bot = Bot(HERE / "govorun.toml", data, await world.start(), None)
    bot.spec["env"] |= {"SHUTDOWN_GRACE": str(int(GRACE)), "SPEECH": "on", "YC_STT_URL": "{world}"}
    try:
        await bot.start(world)
        await world.warm_up()
        over = asyncio.Event()
        asking = asyncio.create_task(ask(world, quiet, over))
        await send(world, USUAL, itertools.islice(normal(), 8), quiet)
        await asyncio.sleep(30)  # the pace of drafts is that of a chat that talks all the time
        over.set()
        await asking
        before, over = bot.memory(), asyncio.Event()
        asking, watching = asyncio.create_task(ask(world, seen, over)), asyncio.create_task(watch(bot, over))
        usual = asyncio.create_task(send(world, USUAL, itertools.islice(normal(), count // 5), Seen()))
        made = files(count, seed)
        await asyncio.gather(*(send(world, SENDER + number, made[number::senders], seen) for number in range(senders)))
        usual.cancel()
        over.set()
        await asking
        print(_report(count, before, await watching, seen, quiet))
        print(f"SIGTERM while files are opened, grace {GRACE:.0f} s: ended after {await ended(world, bot):.1f} s")
    finally:
        await bot.kill()
        await world.close()


def _report(count: int, before: float, most: float, seen: Seen, quiet: Seen) -> str:
    waits = list(seen.waits.values())
    slowest = sorted(seen.waits.items(), key=lambda item: -item[1])[:5]
    lines = [
        f"{count} files; the bot has {before:.0f} MB before, {most:.0f} MB at most",
        f"a word about a file after {_spread(waits)}",
        f"another chat's answers in quiet after {_spread(quiet.answers)}",
        f"... and meanwhile after {_spread(seen.answers)}",
        f"files of the usual kinds in quiet: {_spread(list(quiet.waits.values()))}",
        f"nobody answered: {seen.silent or 'none'}",
        *(f"  {wait:5.1f} s  {name}" for name, wait in slowest),
        *(f"  {number:4}  {word}" for word, number in seen.words.most_common()),
    ]
    return "\n".join(lines)


def _spread(seconds: list[float]) -> str:
    p50, p95 = (statistics.quantiles(seconds, n=20)[place] for place in (9, 18))
    return f"p50 {p50:.3f} s, p95 {p95:.3f} s, longest {max(seconds):.3f} s ({len(seconds)})"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.files", description=__doc__)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--senders", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("results/data/files"))
    given = parser.parse_args()
    os.makedirs(given.out, exist_ok=True)
    asyncio.run(measure(given.files, given.senders, given.out.resolve(), given.seed))


if __name__ == "__main__":
    main()
