"""Budgets: what a day may cost is held back before the model is asked, and settled with the answer (P16, T10)."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.access.policy import Access, EmptyDirectory, Role
from bot.billing.budget import Budget, Everybody
from bot.config.settings import load
from bot.sandbox import painter
from bot.sandbox.ai_studio.server import Answer, Studio
from bot.sandbox.telegram.chats import Person
from bot.sandbox.telegram.server_facade import Telegram
from bot.storage.repositories.money.budgets import DAY, Caps
from bot.storage.store import Store
from bot.texts.catalog import say
from bot.types import Address, Incoming, User
from tests.promises.e2e.surroundings import Process
from tests.support.stage import ANNA, BORIS, TEAM, Stage
from tests.support.telegram_side import inbox, rows, soon

pytestmark = pytest.mark.usefixtures("older_models")

COST = {"inputTextTokens": "80", "completionTokens": "20", "totalTokens": "100"}
YES = Answer(["yes"], usage=COST)
MANY = range(5001, 5051)
COUNTED = "one two three four five six seven eight nine ten"
JPEG = painter.draw("a cat", 1, 1, 1)


class OneOperator(EmptyDirectory):
    def role(self, user: int) -> Role | None:
        return Role.OPERATOR if user == BORIS else None


async def test_fifty_at_once_never_cost_more_than_one_answer_over_the_budget(stage: Stage) -> None:
    _crowd(stage)
    stage.studio.script(*[YES] * 50)
    stage.studio.ttft = 2.0
    await stage.start(daily_tokens=300, max_tokens=30)
    for person in MANY:
        stage.telegram.say(person, "hello")
    await soon(stage, lambda: inbox(stage) == ["done"] * len(MANY) or None)
    answered = [person for person in MANY if stage.telegram.texts(person) == ["yes"]]
    assert 1 <= len(stage.prompts()) == len(answered) <= 4
    refused = {stage.telegram.texts(person)[0] for person in MANY if person not in answered}
    assert refused <= {say("en", "limit.soon"), _tomorrow(stage, "limit.tokens.bot")}
    assert _spent(stage) == 100 * len(answered)


async def test_the_budget_is_used_to_its_end_and_then_says_when_it_goes_on(stage: Stage) -> None:
    stage.studio.script(*[YES] * 50)
    await stage.start(user_daily_tokens=250, max_tokens=30)
    assert [await stage.ask(f"question {number}") for number in range(3)] == ["yes"] * 3
    assert await stage.ask("and now?") == _tomorrow(stage, "limit.tokens.user")
    assert await stage.ask("what about me?", BORIS) == "yes"
    assert len(stage.prompts()) == 4
    assert "and now?" not in str(rows(stage, "SELECT parts FROM messages"))
    _jump(DAY)
    assert await stage.ask("a new day") == "yes"


async def test_a_chat_has_a_budget_of_its_own(stage: Stage) -> None:
    stage.studio.script(*[YES] * 50)
    await stage.start(chat_daily_tokens=100, max_tokens=30)
    question = "@govorun_sandbox_bot hello"
    assert await stage.ask(question, TEAM, ANNA) == "yes"
    assert await stage.ask(question, TEAM, BORIS) == say("ru", "limit.tokens.chat", wait=_rest(stage, "ru"))
    assert await stage.ask("hello", BORIS) == "yes"


@pytest.mark.parametrize("kind", ["tokens", "images", "money"])
def test_each_kind_has_a_cap_by_user_chat_and_bot_for_the_day_and_the_month(kind: str) -> None:
    names = ("user_daily", "chat_daily", "daily", "user_monthly", "chat_monthly", "monthly")
    amounts: dict[str, Any] = {f"{name}_{kind}": number for number, name in enumerate(names, 1)}
    settings = load(_env_file=None, **amounts, **{f"role_monthly_{kind}": {"operator": 7}})
    unit = 1_000_000 if kind == "money" else 1
    budget = Budget.from_settings(settings, Access(is_open=True, directory=OneOperator()), Everybody())
    by_anna = budget.caps(kind, Incoming("", Address("telegram", 1, ANNA), User(ANNA)))
    assert by_anna == Caps(*(unit * number for number in range(1, 7)))
    by_boris = budget.caps(kind, Incoming("", Address("telegram", 1, BORIS), User(BORIS)))
    assert by_boris == replace(by_anna, user_month=7 * unit)


async def test_tokens_and_pictures_of_a_month_end_and_a_role_has_its_own(stage: Stage) -> None:
    stage.studio.script(*[YES] * 9)
    stage.studio.paint(*[JPEG] * 3)
    app = await stage.start(
        user_monthly_tokens=100, role_monthly_tokens={"operator": 200}, chat_monthly_images=1, max_tokens=30
    )
    bot = app.telegram.api.id
    await app.joining.directory.write(lambda tx: tx.members.store_member(bot, BORIS, "operator", ANNA))
    assert await stage.ask("hello") == "yes"
    _jump(DAY)
    refused = say("en", "limit.month.user", wait="").removesuffix(".")
    assert (await stage.ask("and the next day?")).startswith(refused)
    assert [await stage.ask("hello", BORIS) for _ in range(2)] == ["yes"] * 2
    await stage.ask("/image a cat", BORIS)
    answer = await stage.ask("/image a cat", BORIS)
    assert answer.startswith(say("ru", "limit.images.chat.month", wait="").removesuffix("."))


async def test_an_owner_is_held_to_the_budget_of_the_bot_only(stage: Stage) -> None:
    stage.studio.script(*[YES] * 50)
    await stage.start(owners=(ANNA,), user_daily_tokens=1, chat_daily_tokens=1, daily_tokens=350, max_tokens=30)
    assert [await stage.ask("more") for _ in range(4)] == ["yes"] * 4
    assert await stage.ask("more") == _tomorrow(stage, "limit.tokens.bot")


async def test_kill_minus_nine_in_a_loop_resets_no_budget(stage: Stage) -> None:
    """The requests that were under way are paid in full: what they really cost nobody knows any more."""
    stage.studio.script(*[YES] * 50)
    stage.studio.fail_next("completion", hang=True, times=2)
    for crashes in range(2):
        await stage.start(daily_tokens=10_000)
        if not crashes:
            stage.telegram.say(ANNA, "hello")
        async with asyncio.timeout(60):
            while len(stage.prompts()) <= crashes:
                await asyncio.sleep(0.2)
        (held,) = rows(stage, "SELECT sum(amount) FROM reservations")[0]
        assert held > 2_000
        await stage.crash()
    await stage.start(daily_tokens=2 * held + 150)
    assert await stage.texts(1) == ["yes"]
    assert _spent(stage) == 2 * held + 100
    assert rows(stage, "SELECT * FROM reservations") == []
    assert await stage.ask("more?") == "yes"  # alone on what is left
    assert await stage.ask("even more?") == _tomorrow(stage, "limit.tokens.bot")
    assert len(stage.prompts()) == 4


@pytest.mark.e2e
async def test_a_process_that_is_killed_again_and_again_spends_no_more_than_its_budget(tmp_path: Path) -> None:
    """A real kill -9 while the model is asked: the third time nothing is left, and the question is told so."""
    telegram, studio = Telegram(limits=False), Studio(quotas=False)
    environment = {"BOT_TOKEN": telegram.token, "TELEGRAM_API_URL": await telegram.start(), "ACCESS": "open"}
    await studio.start()
    environment |= {name.upper(): value for name, value in studio.settings().items()} | {"DAILY_TOKENS": "4000"}
    studio.fail_next("completion", hang=True, times=9)
    telegram.say(ANNA, "hello")
    try:
        for kills in range(1, 4):
            async with Process.start("run", directory=tmp_path, **environment) as process, asyncio.timeout(60):
                while len(studio.seen("completion")) < kills and not telegram.texts(ANNA):
                    await asyncio.sleep(0.05)
                process.signal(signal.SIGKILL)
        assert telegram.texts(ANNA)[0].startswith("I have reached my limit")
        assert len(studio.seen("completion")) == 2
    finally:
        await studio.close()
        await telegram.close()


async def test_what_is_booked_is_what_was_served(stage: Stage) -> None:
    served = [{"inputTextTokens": str(n), "completionTokens": "7", "totalTokens": str(n + 7)} for n in (31, 57, 113)]
    stage.studio.script(*[Answer(["yes"], usage=usage) for usage in served])
    await stage.start(daily_tokens=1_000_000)
    for number in range(3):
        await stage.ask(f"question {number}")
    total = sum(int(usage["totalTokens"]) for usage in served)
    assert _spent(stage) == total
    assert rows(stage, "SELECT sum(prompt + completion) FROM usage") == [(total,)]
    assert rows(stage, "SELECT DISTINCT amount FROM spending") == [(total,)]  # user, chat and bot are the same here


async def test_an_answer_that_breaks_off_is_paid_each_time_it_is_begun(stage: Stage) -> None:
    stage.studio.fail_next("completion", after_chunks=2, cut="reset", times=2)
    stage.studio.script(COUNTED, COUNTED, COUNTED)
    await stage.start(daily_tokens=1_000_000)
    assert await stage.ask("count") == COUNTED
    requests = rows(stage, "SELECT prompt + completion FROM usage")
    assert len(requests) == len(stage.prompts()) == 3
    assert _spent(stage) == sum(cost for (cost,) in requests)


async def test_an_answer_that_breaks_off_is_not_begun_anew_without_a_budget_for_it(stage: Stage) -> None:
    stage.studio.fail_next("completion", after_chunks=2, cut="reset", times=2)
    stage.studio.script(COUNTED, COUNTED)
    await stage.start(daily_tokens=100, max_tokens=30)
    text = await stage.ask("count")
    assert text.startswith("one")
    assert say("en", "cut.note") in text
    assert len(stage.prompts()) == 1


async def test_what_was_refused_costs_nothing(stage: Stage) -> None:
    stage.studio.set_faults({"error500": 1.0})
    await stage.start(daily_tokens=1_000)
    await stage.ask("hello")
    assert _spent(stage) == 0
    assert rows(stage, "SELECT * FROM reservations") == []


async def test_pictures_are_counted_when_they_are_ordered(stage: Stage) -> None:
    stage.studio.paint(*[JPEG] * 4)
    await stage.start(user_daily_images=2)
    await stage.ask("/image a cat")
    await stage.press("Again")
    await stage.texts(2)
    assert await stage.ask("/image a dog") == _tomorrow(stage, "limit.images.user")
    assert stage.studio.bought == 2
    await stage.crash()
    await stage.start()
    assert await stage.ask("/image a dog") == _tomorrow(stage, "limit.images.user")
    stage.telegram.say(BORIS, "/image a dog")
    await stage.texts(1, BORIS)
    assert stage.studio.bought == 3


async def test_a_wish_that_the_budget_refuses_is_asked_for_no_longer(stage: Stage) -> None:
    stage.studio.paint(JPEG)
    await stage.start(user_daily_images=1)
    await stage.ask("/image a cat")
    await stage.press("Same, but…")
    await stage.texts(2)
    stage.telegram.say(ANNA, "with a hat", reply_to=stage.telegram.transcript(ANNA)[-1]["message_id"])
    assert (await stage.texts(3))[-1] == _tomorrow(stage, "limit.images.user")
    stage.studio.script("hello yourself")
    assert await stage.ask("hello") == "hello yourself"


async def test_ten_orders_at_once_are_no_more_pictures_than_the_budget(stage: Stage) -> None:
    stage.studio.paint(*[JPEG] * 10)
    await stage.start(daily_images=3)
    for person in (ANNA, BORIS):
        for _ in range(5):
            stage.telegram.say(person, "/image a cat")
    await soon(stage, lambda: (stage.studio.bought == 3 and inbox(stage) == ["done"] * 10) or None)
    await asyncio.sleep(600)
    assert stage.studio.bought == 3


async def test_a_picture_that_was_not_drawn_is_given_back(stage: Stage) -> None:
    stage.studio.paint(JPEG)
    await stage.start(daily_images=1)
    assert await stage.ask("/image a murder") == say("en", "image.refused")
    await stage.ask("/image a cat")
    assert stage.studio.bought == 1


async def test_a_cap_holds_beside_what_is_held_back(stage: Stage) -> None:
    where = Address("telegram", 42, 7)
    async with Store.open(stage.settings.database_url, stage.clock) as store:

        async def reserve(amount: int, user: int = 7, caps: Caps = Caps(bot=100)) -> int | None:  # noqa: B008
            return await store.write(lambda tx: tx.budgets.reserve("tokens", amount, where, user, caps))

        first, second = await asyncio.gather(reserve(60), reserve(60))
        assert (first is None) != (second is None)
        assert await reserve(40) is not None
        assert await reserve(1) is None
        assert await reserve(1, 8) is None
        assert await reserve(1, caps=Caps(user=102)) is not None
        held = first or second
        assert held is not None
        await store.write(lambda tx: tx.budgets.settle_reservation(held, 10))
        await store.write(lambda tx: tx.budgets.settle_reservation(held, 10))  # once is once
        assert await store.read(lambda tx: tx.budgets.read_spent("tokens", 42)) == 10
        assert await reserve(51) is None


@pytest.mark.parametrize("jump", [DAY, -DAY, 365 * DAY])
async def test_a_reservation_is_settled_on_its_own_day(stage: Stage, jump: float) -> None:
    where = Address("telegram", 42, 7)
    async with Store.open(stage.settings.database_url, stage.clock) as store:
        held = await store.write(lambda tx: tx.budgets.reserve("tokens", 60, where, 7, Caps(bot=100)))
        assert held is not None
        _jump(jump)
        await store.write(lambda tx: tx.budgets.settle_reservation(held, 30))
        assert await store.read(lambda tx: tx.budgets.read_spent("tokens", 42)) == 0
        _jump(-jump)
        assert await store.read(lambda tx: tx.budgets.read_spent("tokens", 42)) == 30


def _crowd(stage: Stage) -> None:
    for number in MANY:
        stage.telegram.state.add_person(Person(number, f"Person {number}", "", "en"))


def _spent(stage: Stage) -> int:
    (spent,) = rows(stage, "SELECT coalesce(sum(amount), 0) FROM spending WHERE scope = 'bot' AND kind = 'tokens'")[0]
    return int(spent)


def _rest(stage: Stage, language: str) -> str:
    minutes = -(-int(DAY - stage.clock.time() % DAY) // 60)
    return say(language, "duration.hours", hours=minutes // 60, minutes=minutes % 60)


def _tomorrow(stage: Stage, key: str) -> str:
    return say("en", key, wait=_rest(stage, "en"))


def _jump(seconds: float) -> None:
    loop: Any = asyncio.get_running_loop()
    loop.now += seconds
