"""Many processes for one bot, and what happens to them. Begin with `ordeal`.

Two processes take the webhook behind one address, three work, PostgreSQL keeps everything. Many people talk at once
while workers and webhooks are killed and started again, the server is restarted or killed, one worker stands still for
a while, and the line between another and the server falls silent.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

from bench.crew import crew
from bot.sandbox.ai_studio.server import Studio
from bot.sandbox.telegram.server_facade import Telegram
from tests.promises.crash.judge import ASK, Place, Question, Verdict
from tests.promises.crash.line import Line
from tests.promises.crash.world import LOG, Author, World, begin, environment
from tests.support.forked import Forked
from tests.support.postgres_side import Server

SECRET = "a-secret-of-the-fleet"
STUCK = "be stuck"  # a question with these words is answered by nobody for a long time
DELAY = 15.0  # seconds from the strike to the answer, of 95 in a hundred whose worker died
PATIENCE = 60.0  # seconds until an answer is taken for lost
LOOK = 0.2
KEPT = "options=-csynchronous_commit%3Don"  # what is committed outlives the server, as it does in production


@dataclass(frozen=True, slots=True)
class Ordeal:
    """What a fleet goes through: times in seconds. 0: that does not happen."""

    people: int = 60
    seconds: float = 120.0
    kill_every: float = 5.0
    kill_webhooks_every: float = 0.0
    restart_at: float = 40.0
    strike_at: float = 0.0
    part_at: float = 0.0
    part_for: float = 8.0
    suspend_at: float = 60.0
    suspend_for: float = 30.0
    stuck_for: float = 15.0
    sentences: int = 5
    pause: float = 1.0
    think: float = 6.0
    seed: int = 1


@dataclass(slots=True)
class Report:
    """`delays` are of the answers that were begun anew: the seconds from the strike before that to the answer."""

    verdict: Verdict
    faults: list[str]
    questions: int
    kills: int
    seconds: list[float]
    delays: list[float]
    strikes: list[str]

    def __str__(self) -> str:
        return (
            f"{self.questions} questions, {self.kills} kills ({'; '.join(self.strikes)}); answered after"
            f" {_shares(self.seconds)}; those that were begun anew, after the strike: {_shares(self.delays)};"
            f" strays {len(self.verdict.strays)}, apologies {self.verdict.apologies}, faults {len(self.faults)}"
        )


def share(values: Sequence[float], part: float) -> float:
    return sorted(values)[min(int(len(values) * part), len(values) - 1)] if values else 0.0


def _shares(values: Sequence[float]) -> str:
    parts = ", ".join(f"p{part:.0%} {share(values, part):.1f} s".replace("%", "") for part in (0.5, 0.95, 1.0))
    return f"{parts} ({len(values)})"


@dataclass
class Fleet:
    world: World
    roles: dict[str, dict[str, str]]
    line: Line
    processes: dict[str, Forked] = field(default_factory=dict)
    begun: defaultdict[int, list[float]] = field(default_factory=lambda: defaultdict(list))  # when the model was asked

    @property
    def workers(self) -> list[str]:
        return [name for name in self.roles if name.startswith("worker")]

    @property
    def webhooks(self) -> list[str]:
        return [name for name in self.roles if name.startswith("webhook")]

    async def start(self, name: str) -> None:
        directory = self.world.directory / name
        directory.mkdir(exist_ok=True)
        settings = {**self.world.settings, **self.roles[name]}
        self.processes[name] = await begin(directory, settings)

    async def kill(self, name: str) -> None:
        self.processes[name].kill()
        await self.processes[name].wait()

    async def supervise(self) -> None:
        """Start what has ended again, as a supervisor does: also who was started while the server was away."""
        while True:
            for name in [name for name, process in self.processes.items() if not process.alive]:
                await self.start(name)
            await asyncio.sleep(LOOK)

    async def stop(self) -> list[int]:
        """Stop all in order; their exit statuses."""
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        return [await process.wait() for process in self.processes.values()]

    def log(self) -> str:
        return "\n".join(
            f"--- {name}\n{path.read_text()[-1500:]}"
            for name in self.roles
            if (path := self.world.directory / name / LOG).exists()
        )


@asynccontextmanager
async def fleet(
    server: Server,
    directory: Path,
    how: Ordeal,
    *,
    webhooks: int = 2,
    workers: int = 3,
    **settings: object,
) -> AsyncIterator[Fleet]:
    telegram, studio = Telegram(limits=False, seed=1), Studio(quotas=False)
    await telegram.start()
    await studio.start()
    database = server.create()
    given_out = f"{database}&{KEPT}"
    hands = crew(webhooks, workers)
    ports = [hand.port for hand in hands.values() if hand.port]
    async with balanced(ports) as port, Line.open(f"{server.sockets}/.s.PGSQL.5432") as line:
        hook = {"webhook_url": f"http://127.0.0.1:{port}/hook", "webhook_secret": SECRET} if webhooks else {}
        given = environment(telegram, studio, directory, **{"database_url": given_out, **hook, **settings})
        roles = {name: {"CRASH_ROLE": hand.role, **hand.settings} for name, hand in hands.items()}
        name = database.partition("@/")[2].partition("?")[0]
        roles[f"worker{workers - 1}"]["DATABASE_URL"] = f"postgresql://postgres@127.0.0.1:{line.port}/{name}?{KEPT}"
        found = Fleet(World(telegram, studio, directory, given), roles, line)
        studio.answer(_author(how, found.begun))
        try:
            for name in roles:
                await found.start(name)
            yield found
        finally:
            for process in found.processes.values():
                process.kill()
                await process.wait()
            await studio.close()
            await telegram.close()
            server.drop(database)


def _author(how: Ordeal, begun: dict[int, list[float]]) -> Callable[[list[dict[str, str]]], AsyncGenerator[str]]:
    author = Author(how.sentences, 3, how.pause, None)

    async def write(messages: list[dict[str, str]]) -> AsyncGenerator[str]:
        begun[int(ASK.findall(messages[-1]["text"])[-1])].append(time.monotonic())
        if messages[-1]["text"].endswith(STUCK):
            await asyncio.sleep(how.stuck_for)
        async for piece in author(messages):
            yield piece

    return write


@asynccontextmanager
async def balanced(ports: Sequence[int]) -> AsyncIterator[int]:
    """One address for several servers: each connection goes to the next of them that takes it."""
    turn = cycle(ports)
    pipes: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for port in [next(turn) for _ in ports]:
            with suppress(OSError):
                there = await asyncio.open_connection("127.0.0.1", port)
                for source, target in ((reader, there[1]), (there[0], writer)):
                    pipes.add(asyncio.create_task(_pipe(source, target)))
                return
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for pipe in pipes:
            pipe.cancel()


async def _pipe(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    target.close()


# --- the ordeal -------------------------------------------------------------------------------------------------------


@dataclass
class Crowd:
    """Everybody asks, waits for the answer, thinks, and asks again."""

    world: World
    how: Ordeal
    chance: random.Random
    asked: dict[int, float] = field(default_factory=dict)
    answered: dict[int, float] = field(default_factory=dict)
    is_over: bool = False

    async def talk(self, place: Place) -> None:
        await asyncio.sleep(self.chance.uniform(0.0, self.how.think))
        while not self.is_over:
            await self.one(place)
            await asyncio.sleep(self.chance.uniform(0.0, self.how.think))

    async def one(self, place: Place, words: str = "what is it?") -> None:
        question = self.world.ask(place.chat, words)
        self.asked[question.number] = time.monotonic()
        # A stuck answer that is struck is stuck again.
        await self._wait(question, PATIENCE + (self.how.seconds + self.how.stuck_for if words == STUCK else 0.0))

    async def _wait(self, question: Question, patience: float) -> None:
        end = time.monotonic() + patience
        while not self.world.is_answered(question):
            if time.monotonic() > end:
                raise TimeoutError(f"no answer to {question}")
            await asyncio.sleep(LOOK)
        self.answered[question.number] = time.monotonic()


async def ordeal(server: Server, directory: Path, how: Ordeal) -> Report:
    async with fleet(server, directory, how, yc_concurrency=2 * how.people) as ships:
        world, chance = ships.world, random.Random(how.seed)
        await world.telegram.wait_for(lambda: world.telegram.updates.webhook_active or None, 60)
        crowd = Crowd(world, how, chance)
        places = [Place(world.telegram.person(f"P{number}")["id"]) for number in range(how.people)]
        people = [asyncio.create_task(crowd.talk(place)) for place in places]
        stuck = asyncio.create_task(crowd.one(Place(world.telegram.person("Stuck")["id"]), STUCK))
        supervisor = asyncio.create_task(ships.supervise())
        struck, strikes, kills = await _strike(ships, server, how, chance)
        crowd.is_over = True
        outcomes = await asyncio.gather(*people, stuck, return_exceptions=True)
        faults = [f"lost: {error}" for error in outcomes if isinstance(error, BaseException)]
        await world.quiet(1.0)
        supervisor.cancel()
        faults += [f"others: exit status {status}" for status in await ships.stop() if status]
        verdict = world.judged()
        faults += verdict.faults(strays_allowed=kills + 2)
        if faults:
            (directory / "faults.log").write_text("\n".join(faults) + ships.log())
        slow = [question.number for question in world.questions if question.place not in places]
        delays = [
            crowd.answered[number] - max(times)
            for number, begun in ships.begun.items()
            if len(begun) > 1 and number in crowd.answered and number not in slow
            if (times := [at for at in struck if begun[0] <= at <= begun[-1]])
        ]
        seconds = [
            crowd.answered[question.number] - crowd.asked[question.number]
            for question in world.questions
            if question.place in places and question.number in crowd.answered
        ]
        return Report(verdict, faults, len(world.questions), kills, seconds, delays, strikes)


async def _strike(
    ships: Fleet, server: Server, how: Ordeal, chance: random.Random
) -> tuple[list[float], list[str], int]:
    """Everything that happens to the fleet; when (monotonic) and what, and how often a worker was killed."""
    struck: list[float] = []
    strikes: list[str] = []
    begun, kills, suspended = time.monotonic(), 0, ""
    plan: list[tuple[float, str]] = [
        (at * how.kill_every, "kill") for at in range(1, int(how.seconds / how.kill_every) if how.kill_every else 0)
    ]
    if every := how.kill_webhooks_every:
        plan += [((at + 0.5) * every, "kill webhook") for at in range(int(how.seconds / every))]
    plan += [(how.strike_at, "strike")] if how.strike_at else []
    plan += [(how.part_at, "part"), (how.part_at + how.part_for, "heal")] if how.part_at else []
    plan += [(how.restart_at, "restart")] if how.restart_at else []
    plan += [(how.suspend_at, "suspend"), (how.suspend_at + how.suspend_for, "resume")] if how.suspend_at else []
    for at, what in sorted(plan):
        await asyncio.sleep(max(begun + at - time.monotonic(), 0.0))
        struck.append(time.monotonic())
        strikes.append(f"{what} {at:.0f}")
        match what:
            case "kill":
                name = chance.choice([name for name in ships.workers if name != suspended])
                await ships.kill(name)
                kills += 1
            case "kill webhook":
                await ships.kill(chance.choice(ships.webhooks))
            case "strike":
                await asyncio.to_thread(server.strike)
            case "part":
                ships.line.part()
            case "heal":
                ships.line.heal()
            case "restart":
                await asyncio.to_thread(server.restart)
            case "suspend":
                suspended = ships.workers[0]
                ships.processes[suspended].send_signal(signal.SIGSTOP)
            case "resume":
                ships.processes[suspended].send_signal(signal.SIGCONT)
                suspended = ""
    await asyncio.sleep(max(begun + how.seconds - time.monotonic(), 0.0))
    return struck, strikes, kills
