"""Somebody at a terminal with a batch run that is killed at an exact point, and what he does after a kill.

He looks at the list: nothing there, or only planned: he runs the file (again); running: `status --watch`; stopped:
`retry`; done: `fetch`. The time is in a file that AI Studio reads, too (`SharedClock`).

Every write, every call of AI Studio and every transfer is two points, before and after, counted from 1; `CRASH_AT`
names those at which the process stops itself (SIGSTOP). All are written to the file `trace`.
"""

from __future__ import annotations

import asyncio
import json
import mmap
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path
from typing import Any

from bot.storage.tables.batch import NEWEST_RUN

TRACE, CLOCK, QUESTIONS, ANSWERS, REPORT = "trace", "clock", "questions.jsonl", "answers.jsonl", "report.json"
BOT = 42
MODEL = "gemma-3-27b-it"


class SharedClock:
    """Time that several processes share: it is in a file, and passes only where one of them sleeps."""

    START = 1_800_000_000.0

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._now = memoryview(mmap.mmap(file.fileno(), 8)).cast("d")

    @classmethod
    def create(cls, path: Path) -> SharedClock:
        path.write_bytes(bytes(8))
        return cls(path)

    def monotonic(self) -> float:
        return self._now[0]

    def time(self) -> float:
        return self.START + self._now[0]

    async def sleep(self, seconds: float) -> None:
        self._now[0] += max(seconds, 0.0)
        await asyncio.sleep(0)


class Points:
    """Counts the points that this process passes, and stops it at those in `at`."""

    def __init__(self, at: frozenset[int], trace: Path) -> None:
        self._at = at
        self._numbers = count(1)
        self._trace = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def pass_by(self, what: str) -> None:
        number = next(self._numbers)
        os.write(self._trace, f"{number} {what}\n".encode())
        if number in self._at:
            os.kill(os.getpid(), signal.SIGSTOP)

    def around(self, method: Callable[..., Awaitable[Any]], name: Callable[..., str]) -> Any:
        """The method, with a point before and after it."""

        async def counted(owner: Any, *given: Any, **named: Any) -> Any:
            what = name(*given)
            self.pass_by(f"before {what}")
            result = await method(owner, *given, **named)
            self.pass_by(f"after {what}")
            return result

        return counted


def plant(points: Points) -> None:
    """Wrap what commits, what calls AI Studio, and what sends and fetches files."""
    from bot.batch.vendor.calls import GrpcCalls
    from bot.batch.vendor.transfers import Transfers
    from bot.storage.store import Store

    def work(work: Any, *_: Any) -> str:
        return f"write {getattr(work, '__qualname__', '').replace('.<locals>', '')}"

    Store.write = points.around(Store.write, work)  # type: ignore[method-assign]
    GrpcCalls.call = points.around(GrpcCalls.call, lambda method, *_: str(method))  # type: ignore[method-assign]
    Transfers.put = points.around(Transfers.put, lambda *_: "put")  # type: ignore[method-assign]
    Transfers.get = points.around(Transfers.get, lambda *_: "get")  # type: ignore[method-assign]


async def main() -> None:
    from bot.config.settings import Settings
    from bot.runtime.opening import open_workspace

    at = frozenset(map(int, os.environ.get("CRASH_AT", "").split()))
    plant(Points(at, Path(TRACE)))
    settings, clock = Settings(_env_file=None), SharedClock(Path(CLOCK))

    def say(line: str) -> None:
        sys.stdout.write(f"{line}\n")

    async with open_workspace(settings, BOT, say, lambda _: True, clock) as work:
        await follow(work)


async def follow(work: Any) -> None:
    """Do what the list of runs calls for, until the answers are there."""
    from bot.batch.vendor_runner import least_cost
    from bot.cli import batch

    while True:
        found = await work.store.read(lambda tx: tx.all(NEWEST_RUN, bot=BOT))
        state = found[0].state if found else ""
        if state in ("", "planned", "canceled"):
            if state == "planned":  # who planned it is dead
                await batch.cancel_run(work, found[0].id)
            number = await batch.begin(work, Path(QUESTIONS).absolute(), MODEL, "batch", {})
            await batch.go_on(work, number)
        elif state == "running":
            await batch.go_on(work, found[0].id)
        elif state == "stopped":
            await work.store.clock.sleep(300)
            await batch.retry_run(work, found[0].id)
        else:
            break
    Path(ANSWERS).unlink(missing_ok=True)
    await batch.fetch_answers(work, found[0].id, Path(ANSWERS).absolute())
    spent = await work.store.read(lambda tx: sum(line.cost for line in tx.ledger.cost_by_model(BOT, 0.0)))
    least = least_cost(work.studio.text(MODEL).profile)
    Path(REPORT).write_text(json.dumps({"least": least, "spent": spent}))


if __name__ == "__main__":
    asyncio.run(main())
