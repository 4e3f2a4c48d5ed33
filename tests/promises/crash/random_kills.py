"""kill -9 at moments that nobody chose, while many people talk. Begin with `kill_at_random`.

Everybody does something else: short and long questions, bursts, topics of a group, commands, pictures. The bot is
killed every 0 to 1 s and started again at once: half of these times are counted from the start, so that processes die
while they start, and half from the first poll, so that on a slow machine too something is under way.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count

from bot.sandbox.telegram.chats import FIRST_GROUP, Message
from bot.sandbox.telegram.server_facade import text_of
from bot.texts import en
from tests.promises.crash.judge import Place, Verdict
from tests.promises.crash.scenarios import ANNA, BORIS, CLARA, EXCUSES
from tests.promises.crash.world import LONG_WORDS, Nursery, World
from tests.support.sandbox_client import jpeg_header

PATIENCE = 120.0  # seconds: a killed bot answers later, on a busy machine much later
GAP = 1.0  # seconds between kills at most
HELP = en.TEXTS["help"].partition("\n")[0]


@dataclass
class Crowd:
    """The people of one world and what they have asked for beside questions."""

    world: World
    chance: random.Random
    helps: Counter[int] = field(default_factory=Counter)
    orders: dict[str, int] = field(default_factory=dict)
    _pictures: count[int] = field(default_factory=lambda: count(1))

    def tasks(self) -> list[asyncio.Task[None]]:
        forum = self.world.telegram.group("Forum", [ANNA], is_forum=True)["id"]
        topics = [self.world.telegram.topic(forum, name=name)["id"] for name in ("one", "two")]
        people = [
            self._talk(Place(ANNA), self._burst),
            self._talk(Place(BORIS), self._long),
            self._talk(Place(CLARA), self._help),
            self._talk(Place(self.world.telegram.person("Dora")["id"]), self._picture),
            self._talk(Place(FIRST_GROUP), self._burst),
            *(self._talk(Place(forum, topic), self._burst) for topic in topics),
        ]
        return [asyncio.create_task(person) for person in people]

    async def _talk(self, place: Place, special: Callable[[Place], Awaitable[None]]) -> None:
        """Somebody who always has one more question, and now and then something special."""
        while True:
            question = self.world.ask(place.chat, thread=place.thread)
            await self.world.answered(question, patience=PATIENCE)
            await asyncio.sleep(self.chance.uniform(0.0, 0.4))
            if self.chance.random() < 0.3:
                await special(place)

    async def _burst(self, place: Place) -> None:
        for _ in range(3):
            self.world.ask(place.chat, thread=place.thread)

    async def _long(self, place: Place) -> None:
        self.world.ask(place.chat, LONG_WORDS, place.thread)

    async def _help(self, place: Place) -> None:
        self.helps[place.chat] += 1
        self.world.telegram.say(place.chat, "/help")

    async def _picture(self, place: Place) -> None:
        prompt = f"picture {next(self._pictures)}"
        self.world.studio.paint(jpeg_header(512, 512))
        self.orders[prompt] = place.chat
        self.world.telegram.say(place.chat, f"/image {prompt}")

    # --- what has come of it ------------------------------------------------------------------------------------------

    async def served(self) -> None:
        """Wait until every command and every order has its outcome."""
        await self.world.telegram.wait_for(lambda: not self._owed(), PATIENCE)

    def _owed(self) -> bool:
        helps = any(self._count(chat, is_help) < asked for chat, asked in self.helps.items())
        chats = set(self.orders.values())
        ended = sum(self._count(chat, is_picture) + self._count(chat, is_excuse) for chat in chats)
        return helps or ended < len(self.orders)

    def verdict(self, kills: int) -> Verdict:
        verdict = self.world.judged(expected=lambda found: is_help(found) or is_picture(found) or is_excuse(found))
        for chat, asked in self.helps.items():
            if (shown := self._count(chat, is_help)) != asked:
                verdict.others.append(f"{asked} times /help in {chat}, {shown} answers")
        excuses = 0
        for chat in set(self.orders.values()):
            excuses += self._count(chat, is_excuse)
        drawn = Counter(
            found.get("caption", "") for chat in set(self.orders.values()) for found in self._pictures_in(chat)
        )
        verdict.doubled += [f"{prompt} was shown {times} times" for prompt, times in drawn.items() if times > 1]
        if len(drawn) + excuses != len(self.orders):
            verdict.others.append(f"{len(self.orders)} orders, {len(drawn)} pictures, {excuses} excuses")
        if self.world.studio.bought > len(self.orders) + kills:
            verdict.others.append(f"{self.world.studio.bought} pictures were bought for {len(self.orders)} orders")
        return verdict

    def _pictures_in(self, chat: int) -> list[Message]:
        return [message for message in self.world.own(Place(chat)) if is_picture(message)]

    def _count(self, chat: int, matches: Callable[[Message], bool]) -> int:
        return sum(map(matches, self.world.own(Place(chat))))


def is_help(message: Message) -> bool:
    return text_of(message).startswith(HELP)


def is_picture(message: Message) -> bool:
    return "photo" in message


def is_excuse(message: Message) -> bool:
    return message.get("text") in EXCUSES


@dataclass(frozen=True, slots=True)
class Campaign:
    """What came of one world with random kills."""

    kills: int
    questions: int
    commands: int
    pictures: int
    bought: int
    verdict: Verdict
    faults: list[str]


async def kill_at_random(nursery: Nursery, kills: int, seed: int, streaming: str = "draft") -> Campaign:
    """One world, killed so many times."""
    chance = random.Random(seed)
    async with nursery.world(sentences=5, pause=0.03, streaming=streaming) as world:
        crowd, faults = Crowd(world, chance), []
        await world.start()
        people = crowd.tasks()
        for _ in range(kills):
            if chance.random() < 0.5:
                await world.polled()
            await asyncio.sleep(chance.uniform(0.0, GAP))
            if status := await world.end() + signal.SIGKILL:
                faults.append(f"others: ended by itself with {status - signal.SIGKILL}: {world.log()[-700:]}")
            await world.start()
        try:
            await _at_last(world, crowd, people)
        except TimeoutError as error:
            faults.append(f"lost: nothing more came: {error}")
        verdict = crowd.verdict(kills)
        faults += verdict.faults(strays_allowed=kills)
        return Campaign(
            kills, len(world.questions), crowd.helps.total(), len(crowd.orders), world.studio.bought, verdict, faults
        )


async def _at_last(world: World, crowd: Crowd, people: list[asyncio.Task[None]]) -> None:
    """Nobody asks any more: everything that was asked gets its answer."""
    for person in people:
        person.cancel()
    await asyncio.wait(people)
    if broken := [error for person in people if not person.cancelled() and (error := person.exception())]:
        raise broken[0]
    await world.answered(patience=PATIENCE)
    await crowd.served()
    await world.quiet()
    await world.closing(patience=PATIENCE)
