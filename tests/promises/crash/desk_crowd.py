"""kill -9 while many customers and operators write at a support desk: D1. Begin with `crowd_at_the_desk`.

Four of ten customers call a person, in one of four groups. Operators take cases, take them from each other, answer,
edit what they said, write notes, and give the customer back to the bot. The judge (`verdict`) reads what stands in the
chats of the sandbox's Telegram, and which calls were made; what the bot's database says is nothing to it.
"""

from __future__ import annotations

import asyncio
import random
import re
import signal
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bot.sandbox.painter import draw
from bot.sandbox.telegram.chats import Message
from bot.sandbox.telegram.http import SPEAKING
from bot.sandbox.telegram.server_facade import buttons_of, text_of
from bot.texts.catalog import say
from tests.promises.crash.judge import MARK, Question, is_apology
from tests.promises.crash.world import Nursery, World

TEAMS = ("alpha", "beta", "gamma", "delta")
FIRST_OPERATOR, FIRST_CUSTOMER = 5000, 9000
BOT = "@govorun_sandbox_bot"
EVERY = 5.0  # seconds between kills
PATIENCE = 1500.0  # a killed bot answers later, and 22 cases a group need 16 messages a minute for a quarter of an hour
SHARE = 0.4  # of the customers call a person
MINUTE, MOST = 60.0, 20  # what Telegram takes in a group
CUPS = [draw("a cup", number, 8, 8) for number in range(2)]
WORD = re.compile(r"\b([cdonx])(\d+)m(\d+)\b")  # c, d: a customer's, edited; o, x: an operator's, edited; n: a note
WHO = re.compile(r" · answered by (\w+)")


@dataclass
class Talk:
    """What one customer and the operators have said to each other, by what stands in it: `("c", 3)` is c…m3."""

    customer: int
    team: int
    topic: int = 0
    asked: list[int] = field(default_factory=list)  # numbers of the customer's messages
    answered: list[int] = field(default_factory=list)
    edited: set[tuple[str, int]] = field(default_factory=set)
    pictures: int = 0
    held: list[tuple[int, int]] = field(default_factory=list)  # first and last answer while people had the case


@dataclass
class Crowd:
    """The people at the desks of one world."""

    world: World
    chance: random.Random
    groups: list[int] = field(default_factory=list)
    talks: list[Talk] = field(default_factory=list)
    questions: dict[int, int] = field(default_factory=dict)  # number of a question to the bot: the customer

    # --- connecting ---------------------------------------------------------------------------------------------------

    async def connect(self, operators: int) -> None:
        """Connect a group for each team, and let the operators sit in it."""
        telegram = self.world.telegram
        for number in range(operators):
            telegram.person(f"Op{number}", "en", FIRST_OPERATOR + number)
        for number, team in enumerate(TEAMS):
            seated = self.operators(number, operators)
            group = telegram.group(team, seated, is_forum=True)["id"]
            telegram.promote(group)
            telegram.say(group, f"/desk{BOT}", seated[0])
            message, data = await self._seen(partial(self._button, group, team))
            telegram.press(group, message["message_id"], data, seated[0])
            self.groups.append(group)
        for group in self.groups:
            await self._seen(partial(self._says, group, say("en", "desk.group.connected")))

    @staticmethod
    def operators(team: int, operators: int) -> list[int]:
        return [FIRST_OPERATOR + number for number in range(operators) if number % len(TEAMS) == team]

    def _button(self, group: int, label: str) -> tuple[Message, str] | None:
        found = [(one, key) for one in self.own(group) for key in buttons_of(one) if key["text"] == label]
        return (found[-1][0], str(found[-1][1]["callback_data"])) if found else None

    # --- talking ------------------------------------------------------------------------------------------------------

    async def customer(self, number: int, until: float, operators: int) -> None:
        """A customer who asks the bot, and perhaps people, until it is late."""
        loop, chat = asyncio.get_running_loop(), FIRST_CUSTOMER + number
        self.world.telegram.person(f"Customer {number}", "en", chat)
        calls = self.chance.random() < SHARE
        await asyncio.sleep(self.chance.uniform(0.0, (until - loop.time()) * 0.5))
        await self.asks_bot(chat)
        if calls:
            talk = Talk(number, number % len(TEAMS))
            self.talks.append(talk)
            await self.at_the_desk(talk, self.operators(talk.team, operators), until)
        while loop.time() < until:
            await asyncio.sleep(self.chance.uniform(5.0, 20.0))
            await self.asks_bot(chat)

    async def asks_bot(self, chat: int) -> None:
        question = self.world.ask(chat)
        self.questions[question.number] = chat
        await self._seen(lambda: self.outcome(question))

    def outcome(self, question: Question) -> bool:
        texts = [text_of(one) for one in self.own(question.place.chat)]
        asked = [number for number, chat in self.questions.items() if chat == question.place.chat]
        told = {number for text in texts for number, *_ in whole(text)}
        return question.number in told or len(told) + sum(map(is_apology, texts)) >= len(asked)

    async def at_the_desk(self, talk: Talk, operators: Sequence[int], until: float) -> None:
        """A case from the call to the end: taken, perhaps taken over, and given back to the bot."""
        loop, group = asyncio.get_running_loop(), self.groups[talk.team]
        self.writes(talk, f"{TEAMS[talk.team]} ")
        await self._seen(lambda: self.topic_of(talk))
        holder = self.chance.choice(operators)
        await self.takes(talk, holder)
        first = len(talk.answered)
        while loop.time() < until:
            await asyncio.sleep(self.chance.uniform(3.0, 12.0))
            match self.chance.choice(("writes", "answers", "both", "note", "edits", "album", "takes", "end")):
                case "writes":
                    self.writes(talk)
                case "answers":
                    self.answers(talk, holder)
                case "both":
                    self.writes(talk)
                    self.answers(talk, holder)
                case "note":
                    self.world.telegram.say(group, f"// n{talk.customer}m{len(talk.answered)}", holder, talk.topic)
                case "edits":
                    self.edits(talk, holder)
                case "album":
                    self.world.telegram.album(FIRST_CUSTOMER + talk.customer, CUPS)
                    talk.pictures += len(CUPS)
                case "takes":
                    holder = self.chance.choice([one for one in operators if one != holder])
                    await self.takes(talk, holder)
                case _:
                    break
        self.answers(talk, holder)
        talk.held.append((first, len(talk.answered) - 1))
        last = talk.answered[-1]
        await self._seen(lambda: self._has(FIRST_CUSTOMER + talk.customer, "o", talk.customer, last))
        await self._seen(
            lambda: self.pictures(talk) >= talk.pictures
        )  # else the bot gets the album: it has the case then
        self.world.telegram.say(group, "/bot", holder, talk.topic)
        await self._seen(partial(self._says, FIRST_CUSTOMER + talk.customer, say("en", "desk.returned")))

    def writes(self, talk: Talk, before: str = "") -> None:
        number = len(talk.asked)
        self.world.telegram.say(FIRST_CUSTOMER + talk.customer, f"{before}c{talk.customer}m{number}")
        talk.asked.append(number)

    def answers(self, talk: Talk, holder: int) -> None:
        number = len(talk.answered)
        self.world.telegram.say(self.groups[talk.team], f"o{talk.customer}m{number}", holder, talk.topic)
        talk.answered.append(number)

    def edits(self, talk: Talk, holder: int) -> None:
        """Both write something and change it at once or a little later."""
        telegram, group, chat = self.world.telegram, self.groups[talk.team], FIRST_CUSTOMER + talk.customer
        mine, theirs = len(talk.asked), len(talk.answered)
        asked = telegram.say(chat, f"c{talk.customer}m{mine}")
        answer = telegram.say(group, f"o{talk.customer}m{theirs}", holder, talk.topic)
        talk.asked.append(mine)
        talk.answered.append(theirs)
        talk.edited |= {("c", mine), ("o", theirs)}
        loop, later = asyncio.get_running_loop(), self.chance.choice((0.0, 2.0))
        loop.call_later(later, telegram.edit, chat, asked["message_id"], f"d{talk.customer}m{mine}", chat)
        loop.call_later(later, telegram.edit, group, answer["message_id"], f"x{talk.customer}m{theirs}", holder)

    async def takes(self, talk: Talk, operator: int) -> None:
        """An operator takes the case; returns when the card says so."""
        name = f"Op{operator - FIRST_OPERATOR}"
        self.world.telegram.say(self.groups[talk.team], "/take", operator, talk.topic)
        await self._seen(lambda: name == self.holder(talk))

    def holder(self, talk: Talk) -> str:
        """Who has the case, as the newest card in the topic says; "" for nobody."""
        cards = [text_of(one) for one in self.own(self.groups[talk.team], talk.topic) if is_card(one)]
        found = WHO.search(cards[-1].partition("\n")[0]) if cards else None
        return found[1] if found else ""

    def topic_of(self, talk: Talk) -> int:
        """The topic in which the customer's first message stands, 0 while it stands nowhere."""
        for one in self.own(self.groups[talk.team]):
            if f"c{talk.customer}m0" in text_of(one).split() and not is_card(one):
                talk.topic = int(one["message_thread_id"])
        return talk.topic

    def pictures(self, talk: Talk) -> int:
        """How many pictures of the customer stand in the topic."""
        return sum("photo" in one for one in self.own(self.groups[talk.team], talk.topic))

    def own(self, chat: int, topic: int | None = None) -> list[Message]:
        """The bot's messages in a chat or a topic."""
        bot = self.world.telegram.state.profile.id
        return [one for one in self.world.telegram.transcript(chat, topic) if one["from"]["id"] == bot]

    def _has(self, chat: int, kind: str, customer: int, number: int) -> bool:
        words = {f"{one}{customer}m{number}" for one in (kind, {"c": "d", "o": "x"}[kind])}
        return any(words & set(text_of(message).split()) for message in self.own(chat))

    def _says(self, chat: int, begin: str) -> bool:
        return any(text_of(one).startswith(begin) for one in self.own(chat))

    async def _seen(self, found: Callable[[], Any]) -> Any:
        return await self.world.telegram.wait_for(lambda: found() or None, PATIENCE)

    # --- judging ------------------------------------------------------------------------------------------------------

    def verdict(self) -> list[str]:
        """What is wrong with what stands in the chats."""
        faults = [*self._flood(), *self._bot_answers()]
        for talk in self.talks:
            chat, group = FIRST_CUSTOMER + talk.customer, self.groups[talk.team]
            mine = self.own(chat)
            faults += _told("operators", self.own(group, talk.topic), talk, "cd", talk.asked)
            faults += _told("customer", mine, talk, "ox", talk.answered)
            if (photos := self.pictures(talk)) != talk.pictures:
                faults.append(f"album: {photos} of {talk.pictures} pictures of customer {talk.customer}")
            faults += [
                f"after a take-over: the bot speaks between o{talk.customer}m{first} and m{last}"
                for first, last in talk.held
                if MARK.search(_between(mine, talk.customer, first, last))
            ]
        for chat in [*self.groups, *(FIRST_CUSTOMER + talk.customer for talk in self.talks)]:
            faults += self._strangers(chat)
        return faults

    def _strangers(self, chat: int) -> list[str]:
        """Words that stand where they don't belong."""
        faults = []
        places = {talk.customer: talk.topic for talk in self.talks}
        for one in self.own(chat):
            for kind, customer, _ in WORD.findall(text_of(one)):
                there = FIRST_CUSTOMER + int(customer) if kind in "oxn" else places.get(int(customer))
                if kind == "n" or (chat > 0 and (kind in "cd" or chat != there)):
                    faults.append(f"to the wrong person: {text_of(one)!r} in {chat}")
                elif chat < 0 and kind in "cd" and one.get("message_thread_id") != there:
                    faults.append(f"in the wrong topic: {text_of(one)!r} in {one.get('message_thread_id')}")
        return faults

    def _bot_answers(self) -> list[str]:
        faults = []
        for chat in set(self.questions.values()):
            told = [found for one in self.own(chat) for found in sorted(whole(text_of(one)))]
            asked = {number for number, whose in self.questions.items() if whose == chat}
            times = Counter(number for number, *_ in told)
            excuses = sum(is_apology(text_of(one)) for one in self.own(chat))
            faults += [f"doubled: answer {number} in {chat}" for number, count in times.items() if count > 1]
            faults += [f"to the wrong person: answer {number} in {chat}" for number in times if number not in asked]
            if len(times) + excuses < len(asked):
                faults.append(f"lost: {sorted(asked - times.keys())} in {chat}")
        return faults

    def _flood(self) -> list[str]:
        calls = self.world.telegram.calls
        faults = [f"429: {call.method} in {call.chat_id}" for call in calls if call.status == 429]
        times: dict[int, list[float]] = defaultdict(list)
        for call in calls:
            if call.method.lower() in SPEAKING and call.chat_id in self.groups and call.status == 200:
                times[call.chat_id].append(call.monotonic)
        for group, made in times.items():
            most = max(sum(start <= time < start + MINUTE for time in made) for start in made)
            if most > MOST:
                faults.append(f"flood: {most} calls in a minute in {group}")
        return faults


def is_card(message: Message) -> bool:
    return text_of(message).startswith("#")


def whole(text: str) -> set[tuple[int, int]]:
    """The answers of the model that stand in a text from the first to the last sentence: question and trial."""
    found = {tuple(map(int, one)) for one in MARK.findall(text)}
    return {(number, trial) for number, trial, place, of in found if place == of}


def _told(side: str, messages: Sequence[Message], talk: Talk, kinds: str, wanted: Sequence[int]) -> list[str]:
    """Whether each message of one side stands once and in order at the other."""
    faults, order, seen = [], list[int](), Counter[tuple[str, int]]()
    for one in messages:
        if is_card(one):
            continue
        for kind, customer, number in WORD.findall(text_of(one)):
            if kind in kinds and int(customer) == talk.customer:
                seen[kind, int(number)] += 1
                if int(number) not in order:
                    order.append(int(number))
    name = f"customer {talk.customer}'s desk, read by the {side}"
    faults += [f"doubled: {kind}{number} {count} times, {name}" for (kind, number), count in seen.items() if count > 1]
    if missing := set(wanted) - set(order):
        faults.append(f"lost: {sorted(missing)}, {name}")
    if order != sorted(order):
        faults.append(f"out of order: {order}, {name}")
    changed = {number for kind, number in talk.edited if kind == kinds[0]}
    faults += [f"lost: the edit of {number}, {name}" for number in changed if not seen[kinds[1], number]]
    return faults


def _between(messages: Sequence[Message], customer: int, first: int, last: int) -> str:
    """The texts between two answers of an operator at the customer's."""
    texts = [text_of(one) for one in messages]
    places = [
        next((place for place, text in enumerate(texts) if re.search(rf"\b[ox]{customer}m{number}\b", text)), -1)
        for number in (first, last)
    ]
    return "\n".join(texts[places[0] : places[1]]) if min(places) >= 0 else ""


async def crowd_at_the_desk(
    nursery: Nursery, seconds: float, seed: int, *, customers: int = 200, operators: int = 20
) -> tuple[str, list[str]]:
    """Kill the bot every five seconds for so long. Returns what happened, and what was wrong with it."""
    chance, kills = random.Random(seed), 0
    seated = ",".join(str(FIRST_OPERATOR + number) for number in range(operators))
    settings: dict[str, Any] = {"telegram_rate": 30, "telegram_chat_rate": 1, "owners": seated, "streaming": "edit"}
    async with nursery.world(sentences=5, pause=0.3, desk=nursery.directory / "desk", **settings) as world:
        (nursery.directory / "desk").mkdir(exist_ok=True)
        (nursery.directory / "desk" / "desk.toml").write_text(_rules())
        world.telegram.limits.on = True
        await world.start()
        crowd = Crowd(world, chance)
        await crowd.connect(operators)
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        people = [asyncio.create_task(crowd.customer(number, until, operators)) for number in range(customers)]
        while loop.time() < until:
            await asyncio.sleep(EVERY)
            await world.end(signal.SIGKILL)
            await world.start()
            kills += 1
        ended = await asyncio.gather(*people, return_exceptions=True)
        faults = [f"lost: nothing more came: {error!r} {world.log()[-500:]}" for error in ended if error is not None]
        await asyncio.sleep(MINUTE)
        await world.quiet(5.0)
        said = sum(len(talk.asked) + len(talk.answered) for talk in crowd.talks)
        told = f"{kills} kills, {len(crowd.talks)} of {customers} at the desk, {said} relayed"
        return f"{told}, {len(world.questions)} asked", faults + crowd.verdict()


def _rules() -> str:
    rules = [
        f"[[rule]]\nwhen = {{ words = ['{team}'] }}\ndo = {{ team = '{team}', person = true }}\n" for team in TEAMS
    ]
    return "\n".join([*(f"[team.{team}]\ntitle = '{team}'\n" for team in TEAMS), *rules])
