"""The support desk on PostgreSQL, where several processes may serve one bot: from the call to the answer and back."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

import pytest

from bot.sandbox.telegram.chats import Message
from bot.sandbox.telegram.server_facade import Telegram, find_button
from bot.texts.catalog import say
from tests.promises.e2e.surroundings import PATIENCE, Process
from tests.promises.e2e.test_processes import services
from tests.support.desk_side import BOT, OLGA
from tests.support.postgres_side import Server
from tests.support.stage import ANNA

pytestmark = pytest.mark.e2e
CUSTOMERS = range(2001, 2006)  # fewer than the topics that a desk makes in a minute
RACES = int(os.environ.get("DESK_RACES", "10"))
UNPACED = {"TELEGRAM_RATE": "0", "TELEGRAM_CHAT_RATE": "0"}


async def read(telegram: Telegram, chat: int, begin: str) -> Message:
    """Wait for a message of a chat that begins like this."""
    return await telegram.wait_for(
        lambda: next((one for one in telegram.transcript(chat) if one.get("text", "").startswith(begin)), None),
        PATIENCE,
    )


async def connect(telegram: Telegram, group: int) -> None:
    """Let the owner connect a group to the desk."""
    telegram.say(group, f"/desk{BOT}", OLGA)
    asked = await read(telegram, group, say("en", "desk.group.ask"))
    telegram.press(group, *find_button([asked], say("en", "desk.group.use")), OLGA)
    await read(telegram, group, say("en", "desk.group.connected"))


async def test_a_case_goes_from_the_call_to_the_answer_and_back(tmp_path: Path, postgres: Server) -> None:
    url = await asyncio.to_thread(postgres.create)
    settings = {"DATABASE_URL": url, "DESK": str(tmp_path), "OWNERS": str(OLGA), **UNPACED}
    async with services(**settings) as (telegram, studio, environment):
        telegram.person("Olga", "en", OLGA)
        group = telegram.group("Support", [OLGA], is_forum=True)["id"]
        telegram.promote(group)
        async with Process.start("run", directory=tmp_path, **environment):
            await connect(telegram, group)
            telegram.say(ANNA, "/human")
            await read(telegram, ANNA, say("en", "desk.called"))
            card = await read(telegram, group, "#1")
            telegram.press(group, *find_button([card], say("en", "desk.take")), OLGA)
            await read(telegram, group, "#1 · answered by Olga")
            telegram.say(ANNA, "where is it?")
            await read(telegram, group, "where is it?")
            telegram.say(group, "on its way", OLGA, card["message_thread_id"])
            await read(telegram, ANNA, "on its way")
            telegram.say(ANNA, "/bot")
            await read(telegram, ANNA, say("en", "desk.returned"))
            studio.script("the bot again")
            telegram.say(ANNA, "hello")
            await read(telegram, ANNA, "the bot again")
    await asyncio.to_thread(postgres.drop, url)


async def test_d4_a_take_over_races_with_answers_of_two_processes_and_never_do_both_speak(
    tmp_path: Path, postgres: Server
) -> None:
    url = await asyncio.to_thread(postgres.create)
    settings = {**UNPACED, "USER_RATE": "0", "STREAMING": "off"}
    chance = random.Random(4)
    async with services(DATABASE_URL=url, DESK=str(tmp_path), OWNERS=str(OLGA), **settings) as (
        telegram, studio, environment,
    ):  # fmt: skip
        group = people_of(telegram)
        async with (
            Process.start("run", directory=tmp_path, **environment),
            Process.start("run", directory=tmp_path, **environment),
        ):
            await connect(telegram, group)
            topics = {customer: await called(telegram, group, customer) for customer in CUSTOMERS}
            for number in range(max(RACES // len(CUSTOMERS), 1)):
                studio.answer(lambda messages: f"the bot says {messages[-1]['text']}")
                races = [
                    race(telegram, group, customer, topic, number, chance.uniform(0.0, 0.4))
                    for customer, topic in topics.items()
                ]
                assert [spoken for spoken in await asyncio.gather(*races) if spoken] == []
    await asyncio.to_thread(postgres.drop, url)


async def test_people_that_are_called_by_two_processes_at_once_have_numbers_without_doubles_and_gaps(
    tmp_path: Path, postgres: Server
) -> None:
    url = await asyncio.to_thread(postgres.create)
    settings = {"DATABASE_URL": url, "DESK": str(tmp_path), "OWNERS": str(OLGA), **UNPACED}
    async with services(**settings) as (telegram, studio, environment):
        group = people_of(telegram)
        async with (
            Process.start("run", directory=tmp_path, **environment),
            Process.start("run", directory=tmp_path, **environment),
        ):
            await connect(telegram, group)
            studio.script("the bot alone")
            telegram.say(ANNA, "hello")
            await read(telegram, ANNA, "the bot alone")
            for customer in CUSTOMERS:
                telegram.say(customer, "/human")
            cards = [await read(telegram, group, f"#{number} ") for number in range(1, len(CUSTOMERS) + 1)]
    assert len({card["message_thread_id"] for card in cards}) == len(CUSTOMERS)
    assert sum(text.startswith("#") for text in telegram.texts(group)) == len(CUSTOMERS)
    await asyncio.to_thread(postgres.drop, url)


def people_of(telegram: Telegram) -> int:
    """Olga, the customers, and the group, which is returned."""
    telegram.person("Olga", "en", OLGA)
    for customer in CUSTOMERS:
        telegram.person(f"Customer {customer}", "en", customer)
    group: int = telegram.group("Support", [OLGA], is_forum=True)["id"]
    telegram.promote(group)
    return group


async def called(telegram: Telegram, group: int, customer: int) -> int:
    """The customer calls a person and goes back to the bot. Returns the customer's topic."""
    before = set(telegram.state.chats[group].topics)
    telegram.say(customer, "/human")
    await read(telegram, customer, say("en", "desk.called"))
    (topic,) = await telegram.wait_for(lambda: set(telegram.state.chats[group].topics) - before, PATIENCE)
    telegram.say(customer, "/bot")
    await read(telegram, customer, say("en", "desk.returned"))
    return int(topic)


async def race(telegram: Telegram, group: int, customer: int, topic: int, number: int, pause: float) -> str:
    """The customer asks, and Olga takes the case a little later. Returns what was said after she had it."""
    question, word = f"question {customer}-{number}", f"Olga says {customer}-{number}"
    telegram.say(customer, question)
    await asyncio.sleep(pause)
    telegram.say(group, "/take", OLGA, topic)

    def card() -> str:
        shown = [text for text in telegram.texts(group, topic) if text.startswith("#")]
        return shown[-1].partition("\n")[0]

    await telegram.wait_for(lambda: "answered by Olga" in card() or None, PATIENCE)
    telegram.say(group, word, OLGA, topic)
    await read(telegram, customer, word)
    await asyncio.sleep(0.5)
    texts = telegram.texts(customer)
    later = texts[texts.index(word) + 1 :]
    told = sum("the bot says" in text and question in text for text in telegram.texts(customer))
    drafts = [text for text in telegram.texts(group, topic) if not text.startswith("#")]
    draft = any("the bot says" in text and question in text for text in drafts)
    telegram.say(customer, "/bot")
    await telegram.wait_for(lambda: "answered by Olga" not in card() or None, PATIENCE)
    return "; ".join([*later, *(["both, " + question] if told and draft else [])])
