"""What a machine does to a process: too little of everything, a second bot, a message that kills, no log.

F98, F100, F101, F104, P29. Two pollers quarrel for 6 s here and as long as `CRASH_QUARREL` says in the long form.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.texts.catalog import say
from tests.promises.crash.scenarios import ANNA, BORIS, CLARA
from tests.promises.crash.world import Author, Nursery, World
from tests.support.child import PYTHONPATH

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(sys.platform != "linux", reason="limits as Linux has them")]

QUARREL = float(os.environ.get("CRASH_QUARREL", "6"))
MOST_LINES = 10
ROOT = Path(__file__).parents[3]


# --- a message that kills ---------------------------------------------------------------------------------------------


async def test_a_message_that_kills_three_times_is_given_up_and_the_others_are_answered(nursery: Nursery) -> None:
    """Two others are being answered at each of its kills: nothing but their last tries shows that it was not they."""
    async with nursery.world(sentences=4, pause=0.2) as world:
        author = Author(4, 3, 0.2, None)

        async def killer(messages: list[dict[str, str]]) -> AsyncGenerator[str]:
            if "poison" in messages[-1]["text"]:
                await asyncio.sleep(0.4)
                world.send(signal.SIGKILL)
            async for piece in author(messages):
                yield piece

        world.studio.answer(killer)
        await world.start()
        revival = asyncio.create_task(world.revive())
        world.ask(BORIS)
        world.ask(ANNA, "poison")
        world.ask(CLARA)
        await world.answered(patience=60)
        told = [text for person in (ANNA, BORIS, CLARA) for text in world.telegram.texts(person) if "mark" not in text]
        assert told == [say("en", "error.crashed")]
        assert [death.returncode for death in world.deaths] == [-signal.SIGKILL] * 3
        await world.closing()
        revival.cancel()
        assert world.judged().faults() == []


# --- two bots with one token ------------------------------------------------------------------------------------------


async def test_two_bots_with_one_token_do_not_answer_twice_and_do_not_fill_the_log(nursery: Nursery) -> None:
    """Each has its own database, so that nothing but Telegram can tell them of each other."""
    async with nursery.world(log_level="INFO") as world, nursery.world() as other:
        other.settings |= {**world.settings, "DATABASE_URL": f"sqlite+aiosqlite:///{other.directory / 'govorun.db'}"}
        await world.start()
        await world.answered(world.ask(ANNA))
        await other.start()
        await world.telegram.wait_for(lambda: [call for call in world.telegram.calls if call.status == 409], 60)
        end = asyncio.get_running_loop().time() + QUARREL
        while asyncio.get_running_loop().time() < end:
            for person in (ANNA, BORIS, CLARA):
                world.ask(person)
            await world.answered(patience=60)
            await asyncio.sleep(1)
        verdict = world.judged()
        assert verdict.lost + verdict.doubled == []
        assert "409, another process asks for the updates" in world.log() + other.log()
        assert all(_quarrel(one) <= MOST_LINES for one in (world, other)), world.log() + other.log()


def _quarrel(world: World) -> int:
    return sum("WARNING" in line or "ERROR" in line for line in world.log().splitlines())


# --- too little of everything -----------------------------------------------------------------------------------------


@asynccontextmanager
async def bot(
    world: World, *, limits: Callable[[], None] | None = None, command: str = "", **environment: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """`govorun run` from the beginning, imports included, with limits or inside a shell command."""
    words = [sys.executable, "-m", "bot", "run"]
    process = await asyncio.create_subprocess_exec(
        *(["sh", "-c", f'exec "$@" {command}', "sh"] if command else []), *words,
        cwd=world.directory, env={**world.settings, "PYTHONPATH": PYTHONPATH, **environment}, preexec_fn=limits,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def works(world: World, process: asyncio.subprocess.Process) -> None:
    for person in (ANNA, BORIS, CLARA):
        world.ask(person)
    await world.answered(patience=60)
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0


async def test_two_dozen_open_files_are_enough(nursery: Nursery) -> None:
    def limits() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))

    async with nursery.world() as world, bot(world, limits=limits) as process:
        await works(world, process)


async def test_too_little_memory_is_told_in_one_line(nursery: Nursery) -> None:
    def limits() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (56 << 20, 56 << 20))

    async with nursery.world() as world, bot(world, limits=limits) as process:
        _, told = await process.communicate()
        assert process.returncode not in (0, None)
        assert b"memory" in told.splitlines()[-1].lower(), told[-700:]


async def test_no_place_for_temporary_files_and_no_home_are_no_hindrance(nursery: Nursery) -> None:
    async with nursery.world() as world, bot(world, TMPDIR="/proc/none", HOME="/proc/none") as process:
        await works(world, process)


@pytest.mark.turns(3)
@pytest.mark.parametrize("command", [">&- 2>&-", "<&- >&- 2>&-", ">/dev/full 2>&1"])
async def test_a_bot_that_nobody_listens_to_goes_on(nursery: Nursery, command: str) -> None:
    """Standard streams that are closed, and a log on a full disk; at DEBUG, so that there is much to say."""
    async with nursery.world(log_level="DEBUG") as world, bot(world, command=command) as process:
        world.telegram.fail_next("sendMessage", code=500)
        await works(world, process)
        integrity = (world.directory / "govorun.db").read_bytes()[:15]
        assert integrity == b"SQLite format 3"
