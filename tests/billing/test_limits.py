"""Too much is turned away politely, before it costs anything; nobody else waits for it (P17, T9, F54).

The floods are 200 messages in 2 s. 1,000 in 10 s: `FLOOD=1000 pytest -k flood --timeout 600
tests/billing/test_limits.py`.
"""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.access.rate_limit import RateLimit
from bot.billing.budget import duration
from bot.config.settings import Settings
from bot.sandbox.telegram.chats import Person
from bot.texts.catalog import say
from tests.support.choosing import pressed
from tests.support.stage import ANNA, BORIS, TEAM, Stage
from tests.support.telegram_side import inbox, rows, soon

pytestmark = pytest.mark.usefixtures("older_models")

ROOT = Path(__file__).parents[2]
CANARY = 4001
FLOOD = int(os.environ.get("FLOOD", "200"))


async def test_thirty_messages_at_once_fill_the_queue_and_get_one_notice(stage: Stage) -> None:
    """F54."""
    stage.studio.ttft = 1.0
    await stage.start()
    for number in range(30):
        stage.telegram.say(ANNA, f"question {number}")
    await soon(stage, lambda: inbox(stage) == ["done"] * 30 or None)
    await asyncio.sleep(30)
    texts = stage.telegram.texts(ANNA)
    notice = say("en", "limit.queue", count=5)
    assert texts.count(notice) == 1
    assert len(texts) == 7  # one in work, five waiting, and the notice
    assert [prompt[-1]["text"].splitlines()[-1] for prompt in stage.prompts()] == [f"question {n}" for n in range(6)]


async def test_a_restart_turns_nobody_away_who_had_been_let_in(stage: Stage) -> None:
    stage.studio.ttft = 5.0
    await stage.start()
    people = range(2001, 2009)
    for person in people:
        stage.telegram.say(person, "hello")
    await soon(stage, lambda: len(inbox(stage)) == len(people) or None)
    await stage.crash()
    stage.studio.script(*["here you are"] * len(people))
    await stage.start(queue_size=1)
    await stage.until(lambda: all(stage.telegram.texts(person) for person in people) or None)
    assert {text for person in people for text in stage.telegram.texts(person)} == {"here you are"}


async def test_who_writes_faster_than_the_pace_is_told_when_to_write_again(stage: Stage) -> None:
    stage.studio.script("one", "two", "three")
    await stage.start(user_rate=1, user_burst=2)
    assert len([await stage.ask(f"question {number}") for number in range(2)]) == len(stage.prompts()) == 2
    assert (await stage.ask("too fast")).startswith("You write faster than I can answer. Please wait")
    stage.telegram.say(ANNA, "still too fast")
    await soon(stage, lambda: inbox(stage) == ["done"] * 4 or None)
    assert len(stage.telegram.texts(ANNA)) == 3  # one notice a minute
    await asyncio.sleep(61)
    await stage.ask("slower")
    assert len(stage.prompts()) == 3


async def test_a_flood_from_one_user_is_bounded_and_nobody_waits_for_it(stage: Stage) -> None:
    await _flooded(stage, [ANNA] * FLOOD)
    replies = len(stage.telegram.texts(ANNA))
    assert replies <= 20 + FLOOD / 100 + 2  # the burst, one a second, a notice a minute
    assert replies >= 6


async def test_a_flood_from_many_users_is_bounded_and_nobody_waits_for_it(stage: Stage) -> None:
    attackers = list(range(6001, 6001 + FLOOD // 5))
    for number in attackers:
        stage.telegram.state.add_person(Person(number, "x", "", "ru"))
    await _flooded(stage, attackers * 5)
    assert {len(stage.telegram.texts(number)) for number in attackers} <= set(range(1, 6))  # never silence


async def _flooded(stage: Stage, attackers: list[int]) -> None:
    """A message every 10 ms, and a person who goes on talking. Telegram's own 30 messages a second are left out."""
    stage.telegram.state.add_person(Person(CANARY, "Canary", "", "en"))
    stage.studio.answer(lambda messages: "tweet" if "are you there" in messages[-1]["text"] else "what?")
    app = await stage.start(telegram_rate=0.0, telegram_chat_rate=0.0, user_rate=60.0)
    waits, sizes = [], []

    async def flood() -> None:
        for number, attacker in enumerate(attackers):
            stage.telegram.say(attacker, f"spam {number}")
            sizes.append(app.inbound.lanes.size)
            await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as tasks:
        flooding = tasks.create_task(flood())
        while not flooding.done():
            asked = stage.clock.monotonic()
            assert await stage.ask("are you there?", CANARY) == "tweet"
            waits.append(stage.clock.monotonic() - asked)
            await asyncio.sleep(1)
    await soon(stage, lambda: set(inbox(stage)) == {"done"} or None)
    assert len(waits) >= 2
    assert max(waits) <= 3.0
    assert max(sizes) <= 400


async def test_all_queues_together_are_bounded_and_a_newcomer_finds_room_longer(stage: Stage) -> None:
    stage.studio.ttft = 60.0
    app = await stage.start(queue_size=3)
    for number in range(3):
        stage.telegram.say(ANNA, f"question {number}")
    await soon(stage, lambda: app.inbound.lanes.size == 3 or None)
    assert await stage.ask("one more") == say("en", "limit.busy")
    for person in (BORIS, 7001, 7002):
        stage.telegram.say(person, "room for me?")
    await soon(stage, lambda: app.inbound.lanes.size == 6 or None)
    assert await stage.ask("and me?", 7003) == say("en", "limit.busy")
    assert await stage.ask("more", BORIS) == say("ru", "limit.busy")
    assert app.inbound.lanes.size == 6


async def test_a_text_of_any_size_is_refused_with_the_numbers_before_it_costs_anything(stage: Stage) -> None:
    await stage.start(longest_question=5_000)
    stage.telegram.say(ANNA, "x" * 6_000)
    assert await stage.texts(1) == [say("en", "limit.long", length=6_000, limit=5_000)]
    stage.telegram.say(ANNA, "z" * 7_000)
    assert (await stage.texts(2))[1] == say("en", "limit.long", length=7_000, limit=5_000)
    assert stage.prompts() == []
    assert rows(stage, "SELECT * FROM messages") == []
    await stage.ask("y" * 4_990)
    assert len(stage.prompts()) == 1


async def test_a_paste_that_never_ends_does_not_grow_for_ever(stage: Stage) -> None:
    await stage.start()
    for _ in range(5):
        stage.telegram.say(ANNA, "x" * 4096 * 20)
    await soon(stage, lambda: inbox(stage) == ["done"] * 100 or None)
    assert stage.telegram.texts(ANNA)[0].startswith("Your message has")
    assert all(len(prompt[-1]["text"]) <= 50_000 for prompt in stage.prompts())


async def test_the_chosen_language_is_spoken_in_every_refusal(stage: Stage) -> None:
    await stage.start(user_rate=1, user_burst=4)
    await stage.ask("/settings", BORIS)
    await pressed(stage, "Язык", "English", chat=BORIS)
    await stage.ask("hello", BORIS)
    assert (await stage.ask("too fast", BORIS)).startswith("You write faster")


async def test_whoever_asked_too_much_can_still_stop(stage: Stage) -> None:
    stage.studio.speed = 10
    stage.studio.script([f"word{number} " for number in range(5000)])
    await stage.start(user_rate=1, user_burst=1)
    stage.telegram.say(ANNA, "count")
    await stage.until(lambda: stage.telegram.drafts or None)
    assert (await stage.ask("faster!")).startswith("You write faster")
    stage.telegram.say(ANNA, "/stop")
    assert (await stage.texts(2))[-1].endswith("stopped")


async def test_a_press_too_many_gets_a_toast(stage: Stage) -> None:
    await stage.start(user_rate=1, user_burst=3)
    await stage.ask("/model")
    for _ in range(4):
        await stage.press("YandexGPT Lite")
    toasts = await stage.until(lambda: sorted(_toasts(stage)) if len(_toasts(stage)) == 4 else None)
    assert toasts[:2] == [say("en", "model.chosen", model="YandexGPT Lite")] * 2
    assert all(toast.startswith("You write faster") for toast in toasts[2:])


@pytest.mark.parametrize(("rate", "refused"), [(1.0, True), (0.0, False)])
async def test_unless_it_is_set_the_pace_is_that_of_answers(stage: Stage, rate: float, *, refused: bool) -> None:
    await stage.start(telegram_chat_rate=rate)
    message = stage.telegram.say(ANNA, "hello")
    for number in range(40):
        stage.telegram.press(ANNA, message["message_id"], f"forged {number}")
    toasts = await stage.until(lambda: _toasts(stage) if len(_toasts(stage)) == 40 else None)
    assert any(toast.startswith("You write faster") for toast in toasts) == refused


async def test_an_owner_has_no_pace_but_queues_like_everybody(stage: Stage) -> None:
    stage.studio.ttft = 1.0
    await stage.start(owners=(ANNA,), user_rate=1, user_burst=1)
    for number in range(10):
        stage.telegram.say(ANNA, f"question {number}")
    await soon(stage, lambda: inbox(stage) == ["done"] * 10 or None)
    assert len(stage.prompts()) == 6


async def test_a_group_hears_one_notice_a_minute_from_whomever_it_comes(stage: Stage) -> None:
    await stage.start(user_rate=1, user_burst=1)
    for _ in range(3):
        for person in (ANNA, BORIS):
            stage.telegram.say(TEAM, "@govorun_sandbox_bot hello", person)
    await soon(stage, lambda: inbox(stage) == ["done"] * 6 or None)
    await asyncio.sleep(10)
    assert len(stage.telegram.texts(TEAM)) == 3


async def test_an_edit_of_what_waits_finds_room_in_a_full_queue(stage: Stage) -> None:
    stage.studio.ttft = 5.0
    app = await stage.start(chat_queue=1)
    stage.telegram.say(ANNA, "first")
    waiting = stage.telegram.say(ANNA, "second")
    await soon(stage, lambda: app.inbound.lanes.size == 2 or None)
    stage.telegram.edit(ANNA, waiting["message_id"], "second, but better")
    await stage.texts(2)
    assert stage.prompts()[1][-1]["text"] == "second, but better"


async def test_a_restart_turns_nothing_away_that_had_been_let_in(stage: Stage) -> None:
    stage.studio.ttft = 30.0
    app = await stage.start()
    for number in range(6):
        stage.telegram.say(ANNA, f"question {number}")
    await soon(stage, lambda: app.inbound.lanes.size == 6 or None)
    await stage.crash()
    stage.studio.ttft = 0.1
    await stage.start()
    assert all("waiting" not in text for text in await stage.texts(6))
    assert len(stage.prompts()) == 7


@pytest.mark.parametrize("jump", [86_400.0, -86_400.0])
async def test_a_jump_of_the_wall_clock_locks_nobody_out(stage: Stage, jump: float) -> None:
    """P31, F99: rates go by the monotonic clock."""
    await stage.start(user_rate=1, user_burst=2)
    await stage.ask("one")
    stage.clock.shift = jump
    await stage.ask("two")
    assert (await stage.ask("too fast")).startswith("You write faster")
    await asyncio.sleep(61)
    await stage.ask("three")
    assert len(stage.prompts()) == 3


def test_the_page_names_only_settings_that_there_are() -> None:
    named = set(re.findall(r"`([A-Z]+_[A-Z_]+)`", (ROOT / "docs" / "limits.md").read_text()))
    assert len(named) >= 10
    assert named <= {name.upper() for name in Settings.model_fields}


# --- the pace itself --------------------------------------------------------------------------------------------------


@given(
    st.lists(st.floats(0, 30), min_size=1, max_size=60),
    st.floats(0.1, 10),
    st.integers(1, 8),
)
def test_no_window_has_more_than_the_burst_and_the_pace(gaps: list[float], interval: float, burst: int) -> None:
    pace, now, taken = RateLimit(interval=interval, burst=burst), 1000.0, []
    for gap in gaps:
        now += gap
        wait = pace.take("anna", now)
        assert wait >= 0
        if not wait:
            taken.append(now)
    for first, start in enumerate(taken):
        for last, end in enumerate(taken[first:], 1):
            assert last <= burst + (end - start) / interval + 1e-6
    if wait := pace.take("anna", now):
        assert pace.take("anna", now + wait - 0.01) > 0 or wait < 0.02
        assert pace.take("anna", now + wait + 1e-6) == 0.0


def test_a_pace_forgets_who_has_the_whole_burst_again() -> None:
    pace = RateLimit(interval=1.0, burst=5)
    for number in range(100_000):
        pace.take(number, number * 0.01)
    assert len(pace) < 3_000


def test_no_pace_is_no_limit() -> None:
    pace = RateLimit(interval=0.0, burst=1)
    assert {pace.take("anna", 0.0) for _ in range(1000)} == {0.0}
    assert len(pace) == 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 min"), (60, "1 min"), (61, "2 min"), (3_600, "1 h 0 min"), (19_801, "5 h 31 min")],
)
def test_a_time_to_wait_is_rounded_up(seconds: float, text: str) -> None:
    assert duration("en", seconds) == text


def _toasts(stage: Stage) -> list[Any]:
    return [call.params.get("text", "") for call in stage.telegram.calls_of("answerCallbackQuery")]
