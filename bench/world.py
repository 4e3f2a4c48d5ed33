"""The world around a bot: the sandbox's Telegram and AI Studio, the people who ask, and who sees what when.

Begin with `World`. Every token of an answer has a number of its own, so that it is found again on the screen whatever
the formatting; `Turn` is what is known of one question.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from bench.scenarios import Pace, Plan, Scenario
from bot.clock import SystemClock
from bot.errors import ModelUnavailable
from bot.sandbox.ai_studio.server import Studio
from bot.sandbox.ai_studio.wire import Problem
from bot.sandbox.event_stream import Hub
from bot.sandbox.telegram.chats import FIRST_GROUP
from bot.sandbox.telegram.markup.rich import plain
from bot.sandbox.telegram.server_facade import PEOPLE, Telegram, text_of

ASK = re.compile(r"ask(\d+)")
MARK = re.compile(r"q(\d+)a(\d+)z")
MARKUP = re.compile(r"\*\*|```|\]\(|^#+ ", re.MULTILINE)
KEY, FOLDER = "bench-key", "b1gbenchbenchbenchbe"
FIRST_USER = 5_000_000
WARM_UP = 9_000_000
EXHAUSTED, INTERNAL = 8, 13  # gRPC codes
FORMS = {
    "plain": (("{} ", "{}"),),
    "markdown": (
        ("{} ", "{}"),
        ("**{}** ", "{}"),
        ("snake_{}_case ", "snake_{}_case"),
        ("`a_{}_b` ", "a_{}_b"),
        ("2 < {} & x ", "2 < {} & x"),
        ("*{}*\n\n", "{}"),
        ("## Heading {}\n\n", "Heading {}"),
        ("- item {}\n\n", "item {}"),
        ("```python\nx_{} = [1] * 2\n```\n\n", "x_{} = [1] * 2"),
        ("[{}](https://example.org/a_b) ", "{}"),
    ),
}


@dataclass(slots=True)
class Turn:
    """One question: when it was there, when the model was asked, when each token was written and seen.

    All times are monotonic seconds. `seen` has (when, how many tokens stood on the screen); `final` is when all of
    them stood in ordinary messages.
    """

    number: int
    chat: int
    pace: Pace
    asked: float = 0.0
    model: float = 0.0
    requests: int = 0
    final: float = 0.0
    written: list[float] = field(default_factory=list)
    seen: list[tuple[float, int]] = field(default_factory=list)
    ended: bool = False  # the last token stands in a message
    whole: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def measured(self) -> bool:
        return self.chat < WARM_UP

    def of(self, texts: Iterable[str]) -> str:
        """What belongs to this turn, joined: a message may end in the middle of a word."""
        return "".join(text for text in texts if f"q{self.number}a" in text)

    def tokens(self) -> list[str]:
        return [form.format(mark) for (form, _), mark in self._marks()]

    def expected(self) -> list[str]:
        """What a reader must find, in this order."""
        return [shown.format(mark) for (_, shown), mark in self._marks()]

    def _marks(self) -> list[tuple[tuple[str, str], str]]:
        forms = FORMS[self.pace.style]
        return [(forms[index % len(forms)], f"q{self.number}a{index}z") for index in range(self.pace.tokens)]


class Tape(Hub):
    """The hub without its page: it tells `show` what people see, counts the bot's calls, and keeps nothing."""

    def __init__(self, show: Callable[[str, bool], None]) -> None:
        super().__init__(SystemClock())
        self._show = show
        self.calls: Counter[str] = Counter()
        self.refused: Counter[int] = Counter()

    def publish(self, type: str, **data: Any) -> int:
        self.seq += 1
        if type == "message" and data["message"]["from"]["is_bot"]:
            self._show(text_of(data["message"]), True)
        elif type == "draft":
            rich = data["draft"]["rich_message"]
            self._show(plain(rich["blocks"]) if rich else data["draft"]["text"], False)
        self.touch()
        return self.seq

    def journal(
        self,
        lane: str,
        name: str,
        *,
        chat_id: int | None = None,
        status: int = 200,
        ms: float = 0.0,
        summary: str = "",
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        if lane == "call":
            self.calls[name] += 1
            self.refused[status] += status != 200


class World:
    """Telegram, AI Studio and the people. Open it with `start`."""

    def __init__(self, scenario: Scenario) -> None:
        self.clock = SystemClock()
        self.turns: dict[int, Turn] = {}
        self.tape = Tape(self._show)
        self.telegram = Telegram(hub=self.tape, limits=scenario.limits, seed=1)
        self.telegram.state.distance = scenario.distance
        self.telegram.faults.set_shares({"error500": scenario.failing * 2 / 3, "reset": scenario.failing / 3})
        self.studio = Studio(keys=(KEY,), folder=FOLDER, quotas=False)
        self.studio.answer(self._answer)
        self._chance = random.Random(1)
        self._pace = scenario.pace

    async def start(self) -> dict[str, str]:
        """Listen; returns what bot files may name in braces."""
        telegram, studio = await self.telegram.start(), await self.studio.start()
        return {"telegram": telegram, "world": studio, "openai": f"{studio}/v1", "token": self.telegram.token}

    async def close(self) -> None:
        await self.studio.close()
        await self.telegram.close()

    async def polled(self) -> float:
        """Wait for the next getUpdates; returns when it came."""
        before = self.telegram.updates.polled
        while self.telegram.updates.polled == before:
            await self.clock.sleep(0.002)
        return self.telegram.updates.polled

    # --- people -------------------------------------------------------------------------------------------------------

    async def talk(self, plan: Plan, first: int = FIRST_USER) -> None:
        """Everybody asks what the plan says, and has an answer or gave up."""
        free = asyncio.Semaphore(plan.crowd or plan.users)
        async with asyncio.TaskGroup() as tasks:
            for number in range(plan.users):
                chat, user = (FIRST_GROUP, PEOPLE[number].id) if plan.group else (first + number, None)
                late = plan.ramp * number / plan.users
                tasks.create_task(self._person(chat, user, plan, late, free))

    async def warm_up(self) -> None:
        """Two people that nobody measures, each twice."""
        usual, self._pace = self._pace, Pace(tokens=20, rate=0, ttft=0)
        await self.talk(Plan(users=2, turns=2, timeout=15), WARM_UP)
        self._pace = usual
        self.tape.calls.clear()
        self.tape.refused.clear()

    def ask(self, chat: int, user: int | None = None) -> Turn:
        turn = Turn(10_000 + len(self.turns), chat, self._pace)
        self.turns[turn.number] = turn
        name = f"@{self.telegram.state.profile.username} " if chat < 0 else ""
        self.telegram.say(chat, f"{name}ask{turn.number} what is it?", user)
        turn.asked = self.clock.monotonic()
        return turn

    async def _person(self, chat: int, user: int | None, plan: Plan, late: float, free: asyncio.Semaphore) -> None:
        async with free:
            await self.clock.sleep(late)
            for _ in range(plan.turns):
                asked = []
                for _ in range(plan.burst):
                    asked.append(self.ask(chat, user))
                    await self.clock.sleep(plan.gap)
                with suppress(TimeoutError):
                    async with asyncio.timeout(plan.timeout):
                        for turn in asked:
                            await turn.whole.wait()
                await self.clock.sleep(plan.think)

    # --- the model ----------------------------------------------------------------------------------------------------

    def _answer(self, messages: list[dict[str, str]]) -> AsyncGenerator[str]:
        if not (asked := ASK.findall(messages[-1]["text"])):
            return _seen()
        turn = self.turns[int(asked[-1])]
        turn.requests += 1
        turn.model = turn.model or self.studio.requests[-1].at
        fails = turn.requests == 1 and turn.measured and self._chance.random() < turn.pace.failing
        how = self._chance.choice(("busy", "broken", "cut")) if fails else ""
        if how in ("busy", "broken"):
            raise Problem(EXHAUSTED if how == "busy" else INTERNAL, how)
        return self._write(turn, cut=how == "cut")

    async def _write(self, turn: Turn, *, cut: bool) -> AsyncGenerator[str]:
        """The tokens in their time. A piece is on the wire when the next one is asked for, and `written` then."""
        tokens, pace, written = turn.tokens(), turn.pace, []
        begin = self.clock.monotonic() + pace.ttft
        for index, token in enumerate(tokens):
            due = begin + (index / pace.rate if pace.rate else 0.0) - self.clock.monotonic()
            if due > 0:
                await self.clock.sleep(due)
            if index:
                written.append(self.clock.monotonic())
            if cut and index == len(tokens) // 2:
                raise ModelUnavailable("cut in the middle")
            yield token
        written.append(self.clock.monotonic())
        turn.written = turn.written or written

    # --- what is seen -------------------------------------------------------------------------------------------------

    def _show(self, text: str, stands: bool) -> None:
        now = self.clock.monotonic()
        found: dict[int, set[int]] = {}
        for number, index in MARK.findall(text):
            found.setdefault(int(number), set()).add(int(index))
        for number, places in found.items():
            turn = self.turns[number]
            if turn.final:
                continue
            if not turn.seen or max(places) >= turn.seen[-1][1]:
                turn.seen.append((now, max(places) + 1))
            turn.ended |= stands and max(places) == turn.pace.tokens - 1
            if stands and turn.ended:
                self._finish(turn, now)

    def _finish(self, turn: Turn, now: float) -> None:
        text = turn.of(self.telegram.texts(turn.chat))
        if len({mark for mark in MARK.findall(text) if int(mark[0]) == turn.number}) == turn.pace.tokens:
            turn.final = now
            turn.whole.set()


async def _seen() -> AsyncGenerator[str]:
    """The answer to what nobody asked: a file was sent."""
    yield "I see."
