"""A world with a bot that dies in it: servers, process, questions, and one run of a scenario with a kill in it.

Begin with `crash_everywhere`: it runs a scenario once to list every point that is passed (see `victim`), then once
for each of them with a kill -9 there, and returns what `judge` found. A scenario only talks and waits; that the bot
dies and comes back meanwhile is the world's business. For other ways to die (SIGTERM, kills at random moments) use
`World` itself: `start`, `signal`, `ended`, `closing`.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from bot.sandbox.studio import Studio
from bot.sandbox.telegram import Telegram
from crash import victim
from crash.forkserver import LOG
from crash.judge import ASK, Place, Question, Verdict, is_apology, judge, marks, whole

PATIENCE = 12.0  # seconds until something is taken for lost
QUIET = 0.3  # seconds without a call: the bot has nothing left to do
COMMITS = ("before", "after")
SPEAKING = ("call:sendMessage", "call:sendPhoto", "call:sendRichMessage", "call:editMessageText")
KINDS = (*COMMITS, *SPEAKING, "call:getUpdates", "model", "paint")


class Process:
    """A victim. `status` is its exit status once `ended` has returned: negative for a signal."""

    def __init__(self, pid: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.pid = pid
        self._writer = writer
        self._watch = asyncio.create_task(self._wait(reader))

    @classmethod
    async def start(cls, socket: Path, directory: Path, environment: dict[str, str]) -> Process:
        reader, writer = await asyncio.open_unix_connection(str(socket))
        writer.write(json.dumps({"directory": str(directory), "environment": environment}).encode() + b"\n")
        return cls(int(await reader.readline()), reader, writer)

    @property
    def alive(self) -> bool:
        return not self._watch.done()

    def signal(self, number: signal.Signals) -> None:
        if self.alive:
            with suppress(ProcessLookupError):  # its end is on its way to us
                os.kill(self.pid, number)

    async def ended(self) -> int:
        return await asyncio.shield(self._watch)

    async def _wait(self, reader: asyncio.StreamReader) -> int:
        try:
            return int(await reader.readline())
        finally:
            self._writer.close()


class Author:
    """Writes the answers: `sentences` of them to a question, each with its mark and `padding` words, a chunk each.

    `pause` seconds go before each sentence. With `shown` the last sentence waits until it returns: until
    the beginning of the answer stands in the chat.
    """

    def __init__(
        self, sentences: int, padding: int, pause: float, shown: Callable[[int, int], Awaitable[None]] | None
    ) -> None:
        self.trials: Counter[int] = Counter()
        self._sentences = sentences
        self._words = " ".join(["word"] * padding)
        self._pause = pause
        self._shown = shown

    async def __call__(self, messages: list[dict[str, str]]) -> AsyncGenerator[str]:
        number = int(ASK.findall(messages[-1]["text"])[-1])
        self.trials[number] += 1
        trial, of = self.trials[number], self._sentences
        for place in range(1, of + 1):
            if self._pause:
                await asyncio.sleep(self._pause)
            if self._shown is not None and place == of:
                await self._shown(number, trial)
            yield f"mark{number}-{trial}-{place}-{of} {self._words}.\n\n"


@dataclass
class World:
    """Telegram, AI Studio, and a bot in `directory`. `deaths` are the exit statuses of its processes."""

    telegram: Telegram
    studio: Studio
    directory: Path
    socket: Path
    settings: dict[str, str]
    questions: list[Question] = field(default_factory=list)
    deaths: list[int] = field(default_factory=list)
    process: Process | None = None
    _numbers: count[int] = field(default_factory=lambda: count(1))

    # --- the bot ------------------------------------------------------------------------------------------------------

    async def start(self, crash_at: str = "", crash_from: str = "") -> None:
        environment = {**self.settings, "CRASH_AT": crash_at, "CRASH_FROM": crash_from}
        self.process = await Process.start(self.socket, self.directory, environment)

    async def end(self, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal and wait for the end. Returns the exit status."""
        assert self.process is not None
        self.process.signal(number)
        return await self.process.ended()

    async def revive(self, again: str = "") -> None:
        """Start the bot again each time it dies, the first time to die again at `again`. Runs until cancelled."""
        while True:
            assert self.process is not None
            self.deaths.append(await self.process.ended())
            await self.start(again if len(self.deaths) == 1 else "", crash_from="start")

    def trace(self) -> list[str]:
        """The points that all processes have passed so far, in order, each with what it was."""
        path = self.directory / victim.TRACE
        return path.read_text().splitlines() if path.exists() else []

    def lives(self) -> list[list[str]]:
        """The same for each process by itself."""
        lives: list[list[str]] = []
        for line in self.trace():
            if line.startswith(victim.BIRTH):
                lives.append([])
            else:
                lives[-1].append(line)
        return lives

    def log(self) -> str:
        path = self.directory / LOG
        return path.read_text() if path.exists() else ""

    # --- talking ------------------------------------------------------------------------------------------------------

    def ask(self, chat: int, words: str = "what is it?", thread: int = 0) -> Question:
        number = next(self._numbers)
        name = f"@{self.telegram.state.profile.username} " if chat < 0 else ""
        self.telegram.say(chat, f"{name}ask{number} {words}", thread_id=thread)
        self.questions.append(Question(number, Place(chat, thread)))
        return self.questions[-1]

    async def answered(self, *questions: Question) -> None:
        """Wait until each question has its whole answer, or an apology for it."""
        asked = questions or self.questions
        try:
            await self.telegram.wait_for(lambda: all(map(self.is_answered, asked)), PATIENCE)
        except TimeoutError:
            open_ = [question for question in asked if not self.is_answered(question)]
            raise TimeoutError(f"no answer to {open_}; the log says {self.log()[-2000:]!r}") from None

    def is_answered(self, question: Question) -> bool:
        texts = self.telegram.texts(*question.place)
        found = {number for number, _ in whole([mark for text in texts for mark in marks(text)])}
        asked = [other for other in self.questions if other.place == question.place and other.number not in found]
        apologies = sum(map(is_apology, texts))
        return question.number in found or question in asked[:apologies]

    async def shown(self, number: int, trial: int) -> None:
        """Wait until the beginning of an answer stands in its chat; not for long: a dead bot shows nothing."""
        place = next(question.place for question in self.questions if question.number == number)

        def stands() -> bool:
            texts = self.telegram.texts(*place)
            return any(mark[:2] == (number, trial) for text in texts for mark in marks(text))

        with suppress(TimeoutError):
            await self.telegram.wait_for(stands, 5)

    async def quiet(self) -> None:
        """Wait until the bot does nothing any more."""
        clock = self.telegram.clock
        while True:
            calls = [call.monotonic for call in self.telegram.calls if call.method != "getUpdates"]
            left = max(calls, default=0.0) + QUIET - clock.monotonic()
            if left <= 0 and not self.telegram.pending:
                return
            await asyncio.sleep(max(left, 0.02))

    async def closing(self, places: Sequence[Place] = ()) -> None:
        """One more question in every place: with its answer all that was left in the outbox there is delivered.

        The prompts of these questions also show what the bot remembers.
        """
        places = list(dict.fromkeys([*places, *(question.place for question in self.questions)]))
        await self.answered(*[self.ask(place.chat, "and now?", place.thread) for place in places])

    # --- judging ------------------------------------------------------------------------------------------------------

    def own(self, place: Place) -> list[dict[str, Any]]:
        """The bot's messages in a chat or a topic, in order."""
        bot = self.telegram.state.profile.id
        return [message for message in self.telegram.transcript(*place) if message["from"]["id"] == bot]

    def judged(self, expected: Callable[[dict[str, Any]], bool] = lambda _message: False) -> Verdict:
        """`expected` says of a message that it is as it should be and nobody's answer."""
        chats = {
            place: [message for message in self.own(place) if not expected(message)]
            for place in sorted({question.place for question in self.questions})
        }
        prompts = [seen.body["messages"] for seen in self.studio.seen("completion")]
        return judge(self.questions, chats, prompts, self.telegram.calls)


@dataclass(frozen=True, slots=True)
class Nursery:
    """What worlds are made from: the fork server, a migrated database, a place."""

    socket: Path
    template: Path
    directory: Path
    _serial: count[int] = field(default_factory=count)

    @asynccontextmanager
    async def world(
        self, *, sentences: int = 3, padding: int = 3, pause: float = 0.0, halting: bool = False, **settings: object
    ) -> AsyncIterator[World]:
        directory = self.directory / str(next(self._serial))
        directory.mkdir()
        shutil.copy(self.template, directory / "govorun.db")
        telegram, studio = Telegram(limits=False, seed=1), Studio(quotas=False)
        await telegram.start()
        await studio.start()
        world = World(telegram, studio, directory, self.socket, environment(telegram, studio, directory, **settings))
        studio.answer(Author(sentences, padding, pause, world.shown if halting else None))
        try:
            yield world
        finally:
            if world.process is not None:
                await world.end()
            await studio.close()
            await telegram.close()


def environment(telegram: Telegram, studio: Studio, directory: Path, **settings: object) -> dict[str, str]:
    """The whole environment of a victim: nothing of ours is inherited."""
    values = {
        "bot_token": telegram.token,
        "telegram_api_url": telegram.url,
        **studio.settings(),
        "database_url": f"sqlite+aiosqlite:///{directory / 'govorun.db'}",
        "access": "open",
        "telegram_rate": 0,
        "telegram_chat_rate": 0,
        "max_tokens": 8000,
        "log_level": "WARNING",
        **settings,
    }
    return {name.upper(): str(value) for name, value in values.items()} | {"PATH": os.environ["PATH"]}


# --- one kill at every point ------------------------------------------------------------------------------------------

Scenario = Callable[[World], Awaitable[None]]
Judgement = Callable[[World], list[str]]


@dataclass(frozen=True, slots=True)
class Case:
    """One run with a kill at `point`, which was `what`; not `reached` when the run took another course.

    `recovery` are the points that the second process passed, from its start to the last answer of the scenario.
    """

    point: str
    what: str
    reached: bool
    faults: list[str]
    recovery: list[str]

    def __str__(self) -> str:
        return f"killed at {self.point} ({self.what}): " + "; ".join(self.faults)


async def crash_everywhere(
    nursery: Nursery,
    scenario: Scenario,
    judgement: Judgement,
    *,
    kinds: Sequence[str] = KINDS,
    places: Sequence[Place] = (),
    at_once: int = 3,
    **world: Any,
) -> list[Case]:
    """Every point of `kinds` that the scenario passes: one run for each, with a kill there.

    `places` get a closing question too, beside those in which questions were asked. `world` is for `Nursery.world`.
    """
    gate = asyncio.Semaphore(at_once)

    async def one(line: str) -> Case:
        point, _, what = line.partition(" ")
        async with gate:
            return await crash_once(nursery, scenario, judgement, point, what, places=places, **world)

    points = await survey(nursery, scenario, judgement, **world)
    async with asyncio.TaskGroup() as tasks:
        runs = [tasks.create_task(one(line)) for line in _of(kinds, points)]
    return [run.result() for run in runs]


async def crash_again(
    nursery: Nursery, scenario: Scenario, judgement: Judgement, point: str, *, at_once: int = 3, **world: Any
) -> list[Case]:
    """A kill at `point`, and a second one at every point of what the next process does to recover."""
    gate = asyncio.Semaphore(at_once)

    async def one(line: str) -> Case:
        second, _, what = line.partition(" ")
        async with gate:
            return await crash_once(nursery, scenario, judgement, point, what, again=second, **world)

    first = await crash_once(nursery, scenario, judgement, point, **world)
    async with asyncio.TaskGroup() as tasks:
        runs = [tasks.create_task(one(line)) for line in _of(KINDS, first.recovery)]
    return [first, *(run.result() for run in runs)]


def _of(kinds: Sequence[str], points: Sequence[str]) -> list[str]:
    return [line for line in points if line.split(" ")[0].rpartition(":")[0] in kinds]


def assert_harmless(cases: Sequence[Case], *, at_least: int) -> None:
    """No case has a fault, and there were as many kills as there should be: fewer would prove nothing."""
    if faulty := [str(case) for case in cases if case.faults]:
        raise AssertionError(f"{len(faulty)} of {len(cases)} cases:\n" + "\n".join(faulty))
    reached = sum(case.reached for case in cases)
    if reached < at_least:
        raise AssertionError(f"only {reached} of {len(cases)} points were reached, {at_least} should have been")


async def survey(nursery: Nursery, scenario: Scenario, judgement: Judgement, **world: Any) -> list[str]:
    """The scenario without a kill: it must be faultless. Returns the points that it passes."""
    async with nursery.world(**world) as stage:
        await stage.start()
        await scenario(stage)
        await stage.quiet()
        if await stage.end(signal.SIGTERM):
            raise AssertionError(f"SIGTERM: {stage.log()}")
        if faults := judgement(stage):
            raise AssertionError(f"without any kill: {faults}")
        return stage.lives()[0]


async def crash_once(
    nursery: Nursery,
    scenario: Scenario,
    judgement: Judgement,
    point: str,
    what: str = "",
    *,
    again: str = "",
    places: Sequence[Place] = (),
    **world: Any,
) -> Case:
    """One run of the scenario with a kill at `point`, and with another one at `again` of the process after it."""
    async with nursery.world(**world) as stage:
        await stage.start(point)
        revival = asyncio.create_task(stage.revive(again))
        try:
            recovery, faults = await _lived_through(stage, scenario, judgement, places)
        finally:
            revival.cancel()
            await asyncio.wait({revival})
        reached = len(stage.deaths) == (2 if again else 1)
        return Case(f"{point} and {again}" if again else point, what, reached, faults, recovery)


async def _lived_through(
    stage: World, scenario: Scenario, judgement: Judgement, places: Sequence[Place]
) -> tuple[list[str], list[str]]:
    """The points of the recovery, and the faults."""
    recovery: list[str] = []
    try:
        await scenario(stage)
        await stage.quiet()  # the kill may come after the last answer
        recovery = stage.lives()[1] if len(stage.deaths) else []
        await stage.closing(places)
    except TimeoutError as error:
        return recovery, [f"nothing more came: {error}", *judgement(stage)]
    if any(status != -signal.SIGKILL for status in stage.deaths):
        return recovery, [f"ended with {stage.deaths}: {stage.log()[-2000:]!r}"]
    return recovery, judgement(stage)
