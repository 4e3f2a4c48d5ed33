"""Files are opened in child processes: what a file does there ends that process, and the next file has another.

See P26, T25, F102 in docs/promises.md.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bot.concurrency.child_pool import ChildPool, FileLimits
from bot.errors import Unreadable
from tests.support import hurting

FAST = FileLimits(memory=200 << 20, result=1 << 20, cpu=1.0, wall=2.0, wait=0.2, idle=30.0)


@pytest_asyncio.fixture
async def pool() -> AsyncIterator[ChildPool]:
    pool = ChildPool(FAST)
    yield pool
    await pool.close()


async def opened(pool: ChildPool, function: Callable[..., Any], *arguments: Any) -> Any:
    async with pool.place() as place:
        return await place.run(function, b"data", *arguments)


async def why(pool: ChildPool, function: Callable[..., Any], *arguments: Any) -> str:
    with pytest.raises(Unreadable) as caught:
        await opened(pool, function, *arguments)
    return caught.value.why


def children() -> list[int]:
    """The processes that this one has started."""
    return [int(one) for one in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_result_is_json_or_bytes_and_the_process_is_used_again(pool: ChildPool) -> None:
    first = await opened(pool, hurting.size)
    assert first["size"] == 4
    assert await opened(pool, hurting.doubled, 3) == b"datadatadata"
    assert await opened(pool, hurting.size) == first


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (hurting.spins, "slow"),
        (hurting.waits, "slow"),
        (hurting.eats, "heavy"),
        (hurting.crashes, "broken"),
        (hurting.leaves, "broken"),
        (hurting.raises, "broken"),
    ],
)
async def test_a_file_that_hurts_is_refused_and_the_next_one_has_another_process(
    pool: ChildPool, function: Callable[..., Any], reason: str
) -> None:
    before = await opened(pool, hurting.size)
    assert await why(pool, function) == reason
    after = await opened(pool, hurting.size)
    assert after["process"] != before["process"]


async def test_a_result_that_is_too_large_is_not_taken(pool: ChildPool) -> None:
    assert await why(pool, hurting.doubled, 1 << 20) == "long"


async def test_a_process_knows_no_secret_of_the_environment_and_writes_no_file(
    pool: ChildPool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BOT_TOKEN", "1:secret")
    assert "BOT_TOKEN" not in await opened(pool, hurting.surroundings)
    assert await why(pool, hurting.writes, str(tmp_path / "file")) == "broken"
    assert not (tmp_path / "file").exists() or not (tmp_path / "file").read_bytes()


async def test_nothing_is_started_before_the_first_file_and_nothing_is_left_after_the_end(tmp_path: Path) -> None:
    before = children()
    pool = ChildPool(FAST)
    assert children() == before
    process = (await opened(pool, hurting.size))["process"]
    assert process in children()
    running = asyncio.create_task(opened(pool, hurting.waits, str(tmp_path / "begun")))
    while not (tmp_path / "begun").exists():
        await asyncio.sleep(0.001)
    await pool.close()
    assert children() == before
    assert await why(pool, hurting.size) == "busy"
    await asyncio.wait([running])
    assert isinstance(running.exception(), Unreadable)


async def test_an_idle_process_is_ended() -> None:
    pool = ChildPool(FileLimits(idle=0.0))
    process = (await opened(pool, hurting.size))["process"]
    while lives(process):
        await asyncio.sleep(0.001)
    assert (await opened(pool, hurting.size))["process"] != process
    await pool.close()


async def test_cancelling_ends_the_process_at_once(tmp_path: Path) -> None:
    pool = ChildPool()
    begun = tmp_path / "begun"
    waiting = asyncio.create_task(opened(pool, hurting.waits, str(begun)))
    while not begun.exists():
        await asyncio.sleep(0.001)
    process = children()[-1]
    waiting.cancel()
    await asyncio.wait([waiting])
    while lives(process):
        await asyncio.sleep(0.001)
    await pool.close()


async def test_two_files_are_opened_at_once_and_a_third_is_told_to_come_again(pool: ChildPool) -> None:
    async with pool.place() as one, pool.place() as other:
        processes = {(await place.run(hurting.size, b""))["process"] for place in (one, other)}
        assert len(processes) <= 2
        with pytest.raises(Unreadable, match="busy"):
            async with pool.place():
                pass
    await opened(pool, hurting.size)


async def test_a_file_that_wants_to_be_alone_waits_for_all_others_and_they_for_it() -> None:
    pool, order = ChildPool(FileLimits(wait=60.0)), []

    async def take(name: str, *, alone: bool) -> None:
        async with pool.place(alone=alone):
            order.append(name)

    async with pool.place(), asyncio.timeout(60):
        later = [asyncio.create_task(take("alone", alone=True)), asyncio.create_task(take("next", alone=False))]
        for _ in range(5):
            await asyncio.sleep(0)
        assert order == []
    await asyncio.gather(*later)
    assert order == ["alone", "next"]


async def test_a_process_does_not_outlive_the_bot_that_was_killed(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    bot = f"""
import asyncio
from tests.support import hurting
from bot.concurrency.child_pool import ChildPool
async def main():
    async with ChildPool().place() as place:
        await place.run(hurting.waits, b"x", {str(begun)!r})
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", bot, stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": ":".join(sys.path)}
    )
    while not begun.exists():
        await asyncio.sleep(0.01)
    child = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text())
    process.send_signal(signal.SIGKILL)
    await process.wait()
    while lives(child):
        await asyncio.sleep(0.001)
