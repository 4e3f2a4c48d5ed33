"""A world with a bot that things happen to: servers, process, people who ask. Begin with `World`, made by `Nursery`."""

from __future__ import annotations

import asyncio
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

from bot.sandbox.ai_studio.server import Studio
from bot.sandbox.telegram.server_facade import Telegram
from tests.promises.crash import victim
from tests.promises.crash.judge import ASK, Place, Question, Verdict, is_apology, judge, outcomes
from tests.promises.crash.strikes import Hit, Point, Strike
from tests.support.forked import Forked

LOG = "bot.log"
PATIENCE = 60.0  # seconds until something is taken for lost
LONG_WORDS = "tell it at length"  # a question with these words has a long answer
LENGTH = 25  # sentences of it, and words in each
QUIET = 0.3  # seconds without a call: the bot has nothing left to do


class Author:
    """Writes the answers: `sentences` of them to a question, each with its mark and `padding` words, a chunk each.

    `pause` seconds go before each sentence. With `shown` the end waits until it returns: until all of the answer stands
    in the chat.
    """

    def __init__(
        self, sentences: int, padding: int, pause: float, shown: Callable[[int, int], Awaitable[None]] | None
    ) -> None:
        self.trials: Counter[int] = Counter()
        self._sentences = sentences
        self._padding = padding
        self._pause = pause
        self._shown = shown

    async def __call__(self, messages: list[dict[str, str]]) -> AsyncGenerator[str]:
        question = messages[-1]["text"]
        number = int(ASK.findall(question)[-1])
        self.trials[number] += 1
        long = question.endswith(LONG_WORDS)
        trial, of = self.trials[number], LENGTH if long else self._sentences
        words = " ".join(["word"] * (LENGTH if long else self._padding))
        for place in range(1, of + 1):
            if self._pause:
                await asyncio.sleep(self._pause)
            yield f"mark{number}-{trial}-{place}-{of} {words}.\n\n"
        if self._shown is not None:
            await self._shown(number, trial)


@dataclass
class World:
    """Telegram, AI Studio, and a bot in `directory`. `deaths` are its processes that have ended, in order.

    `strike` is done when a process stands still at its point; `hit` then says whether it had an effect.
    """

    telegram: Telegram
    studio: Studio
    directory: Path
    settings: dict[str, str]
    strike: Strike | None = None
    questions: list[Question] = field(default_factory=list)
    deaths: list[Forked] = field(default_factory=list)
    hits: list[Hit] = field(default_factory=list)
    struck_at: float = 0.0
    process: Forked | None = None
    _numbers: count[int] = field(default_factory=lambda: count(1))

    # --- the bot ------------------------------------------------------------------------------------------------------

    async def start(self, crash_at: str = "", crash_from: str = "") -> None:
        environment = {**self.settings, "CRASH_AT": crash_at, "CRASH_FROM": crash_from}
        self.process = await begin(self.directory, environment, self._struck)

    def _struck(self) -> None:
        """The process stands still: do what is to be done, and let it go on if it lives."""
        assert self.process is not None
        if self.strike is None:
            return
        self.struck_at = asyncio.get_running_loop().time()
        self.hits.append(self.strike.do(self, Point.read(self.lives()[-1][-1])))
        self.process.send_signal(signal.SIGCONT)

    async def polled(self) -> None:
        """Wait until the bot has asked for updates: it is up. Returns also when it has ended."""
        assert self.process is not None
        while self.process.alive and self.telegram.updates.polled < self.process.born:
            await asyncio.sleep(0.02)

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def end(self, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal and wait for the end. Returns the exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        return await self.process.wait()

    async def revive(self, again: str = "") -> None:
        """Start the bot again each time it dies, the first time to be struck again at `again`. Runs until cancelled."""
        while True:
            process = self.process
            assert process is not None
            await process.wait()
            self.deaths.append(process)
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

    async def answered(self, *questions: Question, patience: float = PATIENCE) -> None:
        """Wait until each question has its answer, or an apology for it."""
        asked = questions or self.questions
        try:
            await self.telegram.wait_for(lambda: all(map(self.is_answered, asked)), patience)
        except TimeoutError:
            open_ = [question for question in asked if not self.is_answered(question)]
            raise TimeoutError(f"no answer to {open_}; the log says {self.log()[-700:]!r}") from None

    def is_answered(self, question: Question) -> bool:
        texts = self.telegram.texts(*question.place)
        found = {number for number, _ in outcomes(texts)}
        asked = [other for other in self.questions if other.place == question.place and other.number not in found]
        apologies = sum(map(is_apology, texts))
        return question.number in found or question in asked[:apologies]

    async def shown(self, number: int, trial: int) -> None:
        """Wait until all of an answer stands in its chat; not for long: a dead bot shows nothing."""
        place = next(question.place for question in self.questions if question.number == number)

        def stands() -> bool:
            texts = self.telegram.texts(*place)
            return (number, trial) in outcomes(texts)

        with suppress(TimeoutError):
            await self.telegram.wait_for(stands, 1.5)

    async def quiet(self, seconds: float = QUIET) -> None:
        """Wait until the bot has done nothing for so long."""
        clock = self.telegram.clock
        while True:
            calls = [call.monotonic for call in self.telegram.calls if call.method != "getUpdates"]
            left = max(calls, default=0.0) + seconds - clock.monotonic()
            if left <= 0 and not self.telegram.pending:
                return
            await asyncio.sleep(max(left, 0.02))

    async def closing(self, places: Sequence[Place] = (), patience: float = PATIENCE) -> None:
        """One more question in every place: with its answer all that was left in the outbox there is delivered.

        The prompts of these questions also show what the bot remembers.
        """
        places = list(dict.fromkeys([*places, *(question.place for question in self.questions)]))
        asked = [self.ask(place.chat, "and now?", place.thread) for place in places]
        await self.answered(*asked, patience=patience)

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
    """What worlds are made from: a migrated database, a place."""

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
        world = World(telegram, studio, directory, environment(telegram, studio, directory, **settings))
        studio.answer(Author(sentences, padding, pause, world.shown if halting else None))
        try:
            yield world
        finally:
            if world.process is not None:
                await world.end()
            await studio.close()
            await telegram.close()


async def begin(directory: Path, environment: dict[str, str], on_stop: Callable[[], None] = lambda: None) -> Forked:
    """Start a victim, whose output goes to the file `LOG`."""
    log = os.open(directory / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        return await Forked.start(
            "-m", victim.__name__, directory=directory, environment=environment, stdout=log, stderr=log, on_stop=on_stop
        )
    finally:
        os.close(log)


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
        "user_rate": 0,
        "chat_queue": 1000,
        "queue_size": 10000,
        "max_tokens": 8000,
        "summaries": "false",  # the judge reads every request as a part of the conversation
        "name_chats": "false",
        "queue_notice": 0,  # how long somebody waits is the machine's, and the judge takes a notice for a stray
        "log_level": "WARNING",
        **settings,
    }
    return {name.upper(): str(value) for name, value in values.items()} | {"PATH": os.environ["PATH"]}
