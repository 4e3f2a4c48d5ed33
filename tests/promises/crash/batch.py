"""A batch run of AI Studio's, whose process is killed with SIGKILL at every point, under every trouble of the service.

    python -m tests.promises.crash.batch               # 500 runs of 1,190 questions, a quarter of an hour
    python -m tests.promises.crash.batch --runs 0      # every point with every strike

Each run is a world of its own: the sandbox's AI Studio, a database, and a process that works (`batch_victim.py`). The
judge reads what was paid, which datasets there are, and the file with the answers; the process is started again until
that file is there. Begin with `ordeal`.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path

from bot.batch.vendor.opening import open_vendor
from bot.batch.vendor_cleanup import tidy_all
from bot.config.settings import Settings
from bot.http.client import Http
from bot.sandbox.ai_studio.grpc.server import GrpcServer
from bot.sandbox.ai_studio.server import Studio
from bot.sandbox.faults import GrpcStatus
from bot.storage.maintenance import migrations
from bot.storage.store import Store
from tests.promises.crash import batch_victim
from tests.promises.crash.batch_victim import ANSWERS, BOT, CLOCK, QUESTIONS, REPORT, TRACE, SharedClock
from tests.support.forked import Forked

COLUMNS = ("unpaid", "paid twice", "lost", "doubled", "wrong", "booked", "left", "other")
TEXTS = Path(__file__).parents[2] / "recordings" / "xquad.ru.txt"
LOG = "log"
PATIENCE = 120.0  # seconds until a process is taken for stuck
MOST_LIVES = 12
DAY = 86_400.0
LAG = 100.0  # seconds that lists lag behind: longer than the lease of a dead process
RESULTS: Sequence[str] = ("", "shuffled", "doubled", "unknown", "column", "new_status")


@dataclass(frozen=True, slots=True)
class Strike:
    """What happens at a point. `troubles` are the failures of the service's next calls: status, whether the call took
    effect, how many calls. `later`: the process goes on with them, and is killed so many points later; `again`: its
    successor is killed, too, at this point.
    """

    name: str
    troubles: Sequence[tuple[GrpcStatus, bool, int]] = ()
    later: int = 0
    again: int = 0


STRIKES = (
    Strike("kill -9"),
    Strike("kill -9 twice", again=7),
    Strike("kill -9, service away", [("UNAVAILABLE", False, 6)], again=11),
    Strike("kill -9, answers lost", [("UNAVAILABLE", True, 4)]),
    Strike("answer lost, kill -9", [("UNAVAILABLE", True, 1)], later=1),
    Strike("deadline after, kill -9", [("DEADLINE_EXCEEDED", True, 1)], later=2, again=5),
    Strike("deadline before, kill -9", [("DEADLINE_EXCEEDED", False, 3)], later=3),
    Strike("kill -9, quota, internal", [("RESOURCE_EXHAUSTED", False, 3), ("INTERNAL", True, 2)]),
)


@dataclass(slots=True)
class Case:
    """A run with its strike: `kills` are the points at which its processes were killed."""

    point: int
    strike: Strike
    result: str
    kills: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        where = "; ".join(self.kills)
        return f"point {self.point}, {self.strike.name}, {self.result or 'plain'} ({where}): {', '.join(self.faults)}"


def answer(question: str) -> str:
    """The answer to a question, which no other question has."""
    return f"answer {hashlib.sha256(question.encode()).hexdigest()}"


@dataclass(slots=True)
class World:
    """One run's world. `strike` is done when a process stands still."""

    folder: Path
    studio: Studio
    server: GrpcServer
    clock: SharedClock
    case: Case
    process: Forked | None = None
    _stops: int = 0

    async def live(self, at: Sequence[int]) -> int:
        """Let one process work; return its exit status. It is killed if it is stuck."""
        given = {name.upper(): str(value) for name, value in self.studio.settings().items()}
        environment = {
            **given, "DATABASE_URL": f"sqlite+aiosqlite:///{self.folder}/bot.db", "PATH": os.environ["PATH"],
            "CRASH_AT": " ".join(map(str, at)), "BOT_TOKEN": f"{BOT}:of-nobody", "GRPC_VERBOSITY": "NONE",
        }  # fmt: skip
        log = os.open(self.folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._stops = 0
        try:
            words = ("-m", batch_victim.__name__)
            self.process = await Forked.start(
                *words, directory=self.folder, environment=environment, stdout=log, stderr=log,
                on_stop=lambda: self._struck(len(at)),
            )  # fmt: skip
        finally:
            os.close(log)
        try:
            return await asyncio.wait_for(self.process.wait(), PATIENCE)
        except TimeoutError:
            self.case.faults.append(f"other: stuck after {self.trace()[-1:]}")
            return 0
        finally:
            await self.process.close()

    def _struck(self, stops: int) -> None:
        """The process stands still: make trouble, and kill it if this is its last stop."""
        assert self.process is not None
        self._stops += 1
        if self._stops == 1 and not self.case.kills:
            for status, applied, times in self.case.strike.troubles:
                self.server.faults.fail_next("*", status, applied=applied, times=times)
        if self._stops == stops:
            self.case.kills.append(self.trace()[-1])
            self.process.kill()
        else:
            self.process.send_signal(signal.SIGCONT)

    def trace(self) -> list[str]:
        path = self.folder / TRACE
        return path.read_text().splitlines() if path.exists() else []

    async def tidied(self) -> None:
        """A day later the bot has looked after what is left."""
        settings = Settings(_env_file=None, **self.studio.settings())  # type: ignore[arg-type]
        async with Http() as http, Store.open(f"sqlite+aiosqlite:///{self.folder}/bot.db", self.clock) as store:
            await self.clock.sleep(DAY)
            async with open_vendor(settings, http, self.clock) as vendor:
                for _ in range(self.server.faults.planned + 1):  # the failures that no call has met yet
                    await tidy_all(store, vendor, BOT)


def judge(world: World, questions: Sequence[str]) -> list[str]:
    """What was wrong in the end."""
    faults, paid = [], world.server.runs.paid.total()
    if paid != 1:
        faults.append("unpaid: no run" if not paid else f"paid twice: {paid} times")
    path = world.folder / ANSWERS
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    counts = Counter(row["id"] for row in rows)
    faults += [f"lost: row {number}" for number in range(len(questions)) if not counts[number]]
    faults += [f"doubled: row {number}" for number, times in counts.items() if times > 1]
    for row in rows:
        if row["finish"] != "stop":
            faults.append(f"lost: row {row['id']} ends with {row['finish']}")
        elif row["question"] != questions[row["id"]] or row["answer"] != answer(questions[row["id"]]):
            faults.append(f"wrong: row {row['id']}")
    with suppress(OSError):
        told = json.loads((world.folder / REPORT).read_text())
        if told["spent"] != told["least"]:
            faults.append(f"booked: {told['spent']} of {told['least']}")
    faults += [f"left: {one.info.name}" for one in world.server.datasets.all.values()]
    return faults


async def one(folder: Path, template: Path, questions: Sequence[str], case: Case) -> list[str]:
    """One run in a world of its own, struck at its point. Returns the points that it has passed."""
    folder.mkdir()
    shutil.copy(template, folder / "bot.db")
    rows = ({"id": number, "question": text} for number, text in enumerate(questions))
    (folder / QUESTIONS).write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    clock = SharedClock.create(folder / CLOCK)
    studio = Studio(clock=clock, quotas=False)
    studio.source.function = lambda messages: answer(messages[-1]["text"])
    await studio.start()
    server = await studio.start_grpc()
    server.faults.list_lag = LAG
    if case.result:
        server.faults.switch(case.result)  # type: ignore[arg-type]
    world = World(folder, studio, server, clock, case)
    strike = case.strike
    stops = [[case.point, *([case.point + strike.later] if strike.later else [])], [strike.again]] if case.point else []
    try:
        for life in range(MOST_LIVES):
            at = stops[life] if life < len(stops) else []
            status = await world.live([number for number in at if number])
            if status not in (0, -signal.SIGKILL):
                case.faults.append(f"other: ended with {status}: {(folder / LOG).read_text()[-700:]!r}")
            if status == 0:
                break
        await world.tidied()
        case.faults += judge(world, questions)
        return world.trace()
    finally:
        await studio.close()
        shutil.rmtree(folder)


async def ordeal(
    folder: Path, template: Path, questions: Sequence[str], *, runs: int = 0, at_once: int = 1, seed: int = 1,
    only: str = "", tell: Callable[[Case], None] = lambda _: None,
) -> list[Case]:  # fmt: skip
    """So many runs (0: all there are), each with another point or strike.

    A first one without a strike has to be faultless, and tells the points; of these those whose names have `only` in
    them are taken.
    """
    first = Case(0, STRIKES[0], "")
    points = await one(folder / "survey", template, questions, first)
    if first.faults:
        raise AssertionError(f"without any strike: {first.faults}")
    every = [(int(name.split()[0]), strike) for name in points if only in name for strike in STRIKES]
    random.Random(seed).shuffle(every)
    results, gate = cycle(RESULTS), asyncio.Semaphore(at_once)
    cases = [Case(point, strike, next(results)) for point, strike in islice(cycle(every), runs or len(every))]

    async def run(number: int, case: Case) -> None:
        async with gate:
            await one(folder / str(number), template, questions, case)
            tell(case)

    async with asyncio.TaskGroup() as tasks:
        for number, case in enumerate(cases):
            tasks.create_task(run(number, case))
    return cases


def table(cases: Sequence[Case]) -> str:
    """Lines of a table: what came of each strike."""
    lines = [("strike", "runs", "kills", *COLUMNS), ("---",) * (3 + len(COLUMNS))]
    for strike in STRIKES:
        mine = [case for case in cases if case.strike is strike]
        kinds = Counter(kind for case in mine for kind in {fault.partition(":")[0] for fault in case.faults})
        row = (strike.name, len(mine), sum(len(case.kills) for case in mine), *(kinds[name] for name in COLUMNS))
        lines.append(tuple(map(str, row)))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def questions_of(most: int) -> list[str]:
    """The first questions of XQuAD."""
    return TEXTS.read_text("utf-8").splitlines()[:most]


async def main() -> int:
    parser = argparse.ArgumentParser(prog="crash.batch", description="kill -9 of batch runs, long form.")
    parser.add_argument("--runs", type=int, default=500, help="0: every point with every strike")
    parser.add_argument("--only", default="", help="only points with this in their names, such as Completion")
    parser.add_argument("--seed", type=int, default=1, help="which points meet which strikes first")
    parser.add_argument("--questions", type=int, default=1_190)
    parser.add_argument("--at-once", type=int, default=2, help="worlds at the same time")
    wish = parser.parse_args()

    def tell(case: Case) -> None:
        done.append(case)
        if case.faults or len(done) % 25 == 0:
            print(f"{len(done)} runs; {case}" if case.faults else f"{len(done)} runs", file=sys.stderr, flush=True)

    done: list[Case] = []
    with tempfile.TemporaryDirectory() as name:
        template = Path(name) / "template.db"
        await migrations.upgrade(f"sqlite+aiosqlite:///{template}")
        cases = await ordeal(
            Path(name), template, questions_of(wish.questions), runs=wish.runs, at_once=wish.at_once, seed=wish.seed,
            only=wish.only, tell=tell,
        )  # fmt: skip
    print(table(cases))
    missed = sum(not case.kills for case in cases)
    kills, points = sum(len(case.kills) for case in cases), len({case.point for case in cases})
    print(f"{len(cases)} runs of {wish.questions} questions, {kills} kills at {points} points; {missed} ended before")
    return int(any(case.faults for case in cases))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
