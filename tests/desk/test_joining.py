"""Twenty messages a minute to the operators' group are enough: what waits for a topic goes out as one message."""

from __future__ import annotations

import asyncio
import random
import re
from collections import defaultdict
from pathlib import Path

import pytest

from bot.texts.catalog import say
from tests.support.choosing import pressed
from tests.support.desk_side import BOT, OLGA, DeskStage, desk_on
from tests.support.stage import ANNA, Stage
from tests.support.telegram_side import inbox

COUNTED = ("sendMessage", "copyMessage", "editMessageText", "createForumTopic")
MINUTE = 60.0


async def limited(stage: Stage, folder: Path, customers: int) -> tuple[DeskStage, list[int]]:
    """A desk that keeps to Telegram's limits, and customers whose cases Olga holds."""
    desk = await desk_on(stage, folder, telegram_rate=30.0, telegram_chat_rate=1.0, user_rate=0.0)
    return desk, await held(desk, customers)


async def held(desk: DeskStage, customers: int, first: int = 3000) -> list[int]:
    """Customers with the numbers from `first` on, whose cases Olga holds."""
    people = [desk.stage.telegram.person(f"Customer {n}", "en", n)["id"] for n in range(first, first + customers)]
    for person in people:
        await desk.called(person)
        await desk.says("/take")
    return people


async def two_groups(stage: Stage, folder: Path, customers: int) -> tuple[DeskStage, list[int], int]:
    """A desk with two teams. Every second customer is given to the other one; the number at the end is its group."""
    (folder / "desk.toml").write_text('[team.support]\ntitle = "Support"\n[team.billing]\ntitle = "Billing"\n', "utf-8")
    desk = await desk_on(stage, folder, team="Support", telegram_rate=30.0, telegram_chat_rate=1.0, user_rate=0.0)
    other = stage.telegram.group("Billing", [OLGA], is_forum=True)["id"]
    stage.telegram.promote(other)
    await stage.ask(f"/desk{BOT}", other, OLGA)
    await pressed(stage, "Billing", chat=other, user=OLGA)
    people = []
    for number in range(customers):
        people += await held(desk, 1, 3000 + number)
        if number % 2:
            await desk.says("/give Billing")
    return desk, people, other


async def test_texts_that_wait_for_a_topic_become_one_message_and_each_can_still_be_edited(
    stage: Stage, tmp_path: Path
) -> None:
    desk, (customer,) = await limited(stage, tmp_path, 1)
    before = len(inbox(stage))
    written = [stage.telegram.say(customer, f"text {number}") for number in range(30)]
    await desk.quiet(before + 29)
    texts = [text for text in desk.seen() if text.startswith("text ")]
    assert "\n\n".join(texts) == "\n\n".join(f"text {number}" for number in range(30))
    assert len(texts) < 15
    await desk.edits(written[28], "text twenty-eight", customer)
    changed = "text twenty-eight\n" + say("en", "desk.edited", text="text 28")
    assert desk.seen()[-1] == texts[-1].replace("text 28", changed)
    await desk.edits(written[29], "text twenty-nine", customer)
    assert "text twenty-nine\n" in desk.seen()[-1]
    assert "text twenty-eight\n" in desk.seen()[-1]


@pytest.mark.turns(3)
@pytest.mark.parametrize(("groups", "customers", "each_minute", "within"), [
    (1, 10, 60, 40.0), (1, 10, 14, 20.0), (2, 20, 24, 12.0),
])  # fmt: skip
async def test_d5_texts_are_soon_in_the_group_in_order_with_at_most_twenty_messages_a_minute(
    stage: Stage, tmp_path: Path, groups: int, customers: int, each_minute: int, within: float
) -> None:
    if groups == 1:
        desk, people = await limited(stage, tmp_path, customers)
        chats = [desk.group]
    else:
        desk, people, other = await two_groups(stage, tmp_path, customers)
        chats = [desk.group, other]
    stage.telegram.limits.on = True
    await asyncio.sleep(MINUTE)
    before, begun, written, rng = (
        len(inbox(stage)),
        len(stage.telegram.calls),
        defaultdict[int, list[float]](list),
        random.Random(1),
    )
    until = stage.clock.monotonic() + 5 * MINUTE
    while stage.clock.monotonic() < until:
        await asyncio.sleep(rng.expovariate(each_minute / MINUTE))
        person = rng.choice(people)
        stage.telegram.say(person, f"text {person}/{len(written[person])}")
        written[person].append(stage.clock.monotonic())
    await desk.quiet(before + sum(map(len, written.values())) - 1)
    calls = [one for one in stage.telegram.calls[begun:] if one.chat_id in chats and one.method in COUNTED]
    assert {one.status for one in calls} == {200}
    for chat in chats:
        times = [one.monotonic for one in calls if one.chat_id == chat]
        assert max(sum(start <= time < start + MINUTE for time in times) for start in times) <= 20
    shown = defaultdict[int, list[float]](list)
    for call in calls:
        for person, number in re.findall(r"text (\d+)/(\d+)", str(call.params["text"])):
            assert int(number) == len(shown[int(person)])  # once, and in order
            shown[int(person)].append(call.monotonic)
    waits = sorted(
        there - said for person in people for there, said in zip(shown[person], written[person], strict=True)
    )
    assert waits[int(0.95 * len(waits))] <= within


async def test_a_withdrawn_or_rewritten_delivery_is_not_sent_as_it_was_read(stage: Stage, tmp_path: Path) -> None:
    desk, (customer,) = await limited(stage, tmp_path, 1)
    before = len(inbox(stage))
    for number in range(12):
        stage.telegram.say(desk.group, f"filler {number}", OLGA, desk.topic)
    last = stage.telegram.say(customer, "the first thought")
    stage.telegram.edit(customer, last["message_id"], "the second thought")
    await desk.quiet(before + 13)
    shown = desk.seen()[-1]
    assert shown.startswith("the second thought")
    assert say("en", "desk.edited", text="the first thought") in shown or "the first thought" not in shown
    assert stage.telegram.texts(ANNA) == []


async def test_many_who_call_at_once_get_their_topics_one_after_the_other(stage: Stage, tmp_path: Path) -> None:
    desk, _ = await limited(stage, tmp_path, 0)
    people = [stage.telegram.person(f"Customer {number}", "en", 4000 + number)["id"] for number in range(15)]
    before = len(inbox(stage))
    for person in people:
        stage.telegram.say(person, "/human")
    await desk.quiet(before + len(people) - 1)
    assert all(stage.telegram.texts(person) == [say("en", "desk.called")] for person in people)
    times = [one.monotonic for one in stage.telegram.calls if one.chat_id == desk.group and one.method in COUNTED]
    assert max(sum(start <= time < start + MINUTE for time in times) for start in times) <= 20
    assert not [call for call in stage.telegram.calls if call.status == 429]
    cards = [text for text in stage.telegram.texts(desk.group) if text.startswith("#")]
    assert len(cards) == len(people) == len(stage.telegram.state.chats[desk.group].topics)


async def test_d6_a_group_that_is_closed_for_ten_minutes_holds_up_no_customer_and_then_gets_one_message_a_topic(
    stage: Stage, tmp_path: Path
) -> None:
    desk, people = await limited(stage, tmp_path, 4)
    stage.telegram.limits.on = True
    stranger = stage.telegram.person("Stranger", "en", 3900)["id"]
    await asyncio.sleep(MINUTE)
    quick = await answered_after(stage, stranger)
    for method in (*COUNTED, "setMessageReaction"):
        stage.telegram.fail_next(method, chat_id=desk.group, code=429, parameters={"retry_after": 600})
    before = len(stage.telegram.calls)
    written = [f"text {number}" for number in range(40)]
    for number, text in enumerate(written):
        stage.telegram.say(people[number % len(people)], text)
        await asyncio.sleep(10)
    slow = await answered_after(stage, stranger)
    said = [one for one in stage.telegram.calls[before:] if one.chat_id == desk.group and one.method in COUNTED]
    assert [one.status for one in said] == [429]  # nothing more was tried
    assert slow <= 1.1 * quick
    stage.telegram.say(desk.group, "operators' words", OLGA, desk.topic)
    await asyncio.sleep(1)
    assert stage.telegram.texts(people[-1])[-1] == "operators' words"
    await desk.quiet()
    said = [one for one in stage.telegram.calls[before:] if one.chat_id == desk.group and one.method in COUNTED]
    assert [one.status for one in said] == [429] + [200] * len(people)
    assert said[1].monotonic - said[0].monotonic >= 600
    topics = list(stage.telegram.state.chats[desk.group].topics)[-len(people) :]
    for number, topic in enumerate(topics):
        assert desk.seen(topic)[-1] == "\n\n".join(written[number :: len(people)])


async def answered_after(stage: Stage, customer: int) -> float:
    """How many seconds the bot's answer to a customer takes."""
    stage.studio.script("an answer")
    begun = stage.clock.monotonic()
    await stage.ask("a question", customer)
    return stage.clock.monotonic() - begun


async def test_a_bot_that_is_killed_every_five_seconds_keeps_to_twenty_messages_a_minute(
    stage: Stage, tmp_path: Path
) -> None:
    desk, people = await limited(stage, tmp_path, 10)
    stage.telegram.limits.on = True
    await asyncio.sleep(MINUTE)
    before = len(stage.telegram.calls)
    for kill in range(24):
        for number, person in enumerate(people):
            stage.telegram.say(person, f"text {kill * len(people) + number}")
        await asyncio.sleep(5)
        await stage.crash()
        await stage.start()
    await desk.quiet()
    calls = stage.telegram.calls[before:]
    assert 429 not in {call.status for call in calls}
    assert sum(text.count("text ") for text in stage.telegram.texts(desk.group)) == 24 * len(people)
