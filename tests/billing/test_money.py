"""Money: prices, the ledger, budgets by day and month, the price that is asked about first, /usage and /allowance.

See P16, T10 in docs/promises.md.
"""

from __future__ import annotations

import asyncio
import io
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bot.ai import Profile, Usage
from bot.billing import pricing, usage_chart
from bot.billing.budget import duration, until_month
from bot.billing.usage import shortened
from bot.providers.reader import counted
from bot.sandbox import painter
from bot.sandbox.ai_studio.server import Answer
from bot.sandbox.telegram.chats import Person
from bot.sandbox.telegram.server_facade import buttons_of
from bot.storage.repositories.money.budgets import DAY
from bot.texts.catalog import say
from tests.support.stage import ANNA, BORIS, TEAM, Stage
from tests.support.telegram_side import inbox, rows, said, soon

pytestmark = pytest.mark.usefixtures("older_models")

YES = Answer(["yes"], usage={"inputTextTokens": "80", "completionTokens": "20", "totalTokens": "100"})
COST = 120_000  # of YES by yandexgpt: 100 tokens at 1.20 for 1,000
MANY = range(5001, 5051)
JPEG = painter.draw("a cat", 1, 1, 1)
PRICED = Profile(price_in=Decimal("0.5"), price_out=Decimal("1.2"))

# --- prices -----------------------------------------------------------------------------------------------------------


def test_a_request_costs_what_its_tokens_cost_and_half_of_it_later() -> None:
    usage = Usage(1000, 500)
    assert pricing.cost(PRICED, usage) == 1_100_000
    assert pricing.cost(replace(PRICED, asynchronous=True), usage, pricing.LATER) == 550_000
    assert pricing.cost(PRICED, usage, pricing.LATER) == 1_100_000
    assert pricing.cost(Profile(), usage) == 0
    assert pricing.cost(PRICED, Usage(1, 0)) == 500


@pytest.mark.parametrize(
    ("tariff", "units", "cost"),
    [
        (pricing.Price("embedding", "vectors", Decimal("0.0101"), per=1000), 1, 11),  # rounded up
        (pricing.Price("speech", "recognition", Decimal("0.16"), per=15, block=15), 1, 160_000),
        (pricing.Price("speech", "recognition", Decimal("0.16"), per=15, block=15), 15, 160_000),
        (pricing.Price("speech", "recognition", Decimal("0.16"), per=15, block=15), 31, 480_000),
        (pricing.Price("voice", "synthesis", Decimal("1.3"), per=1000), 10, 13_000),
        (pricing.Price("search", "pages", Decimal("0.5")), 3, 1_500_000),
        (pricing.Price("search", "pages"), 3, 0),
    ],
)
def test_a_service_is_paid_by_its_units_and_begun_blocks_count_whole(
    tariff: pricing.Price, units: int, cost: int
) -> None:
    assert tariff.cost(units) == cost


def test_what_a_model_searches_by_itself_is_paid_beside_its_tokens() -> None:
    searching = replace(PRICED, price_search=Decimal("0.7"))
    assert pricing.cost(searching, Usage(1000, 0, searches=2)) == 500_000 + 1_400_000
    assert (
        pricing.cost(replace(searching, asynchronous=True), Usage(1000, 0, searches=2), pricing.LATER)
        == 250_000 + 1_400_000
    )
    assert pricing.most(searching, Usage(1000)) == 500_000 + pricing.MOST_SEARCHES * 700_000
    assert pricing.most(PRICED, Usage(1000)) == 500_000


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_two_requests_never_cost_less_than_one_of_both(first: int, second: int) -> None:
    apart = pricing.cost(PRICED, Usage(first)) + pricing.cost(PRICED, Usage(0, second))
    assert 0 <= apart - pricing.cost(PRICED, Usage(first, second)) <= 1


@pytest.mark.parametrize(
    ("amount", "english", "russian"),
    [
        (0, "0.00 RUB", "0,00\u00a0₽"),
        (1_234_560_000, "1,234.56 RUB", "1\u00a0234,56\u00a0₽"),
        (2_200_000, "2.20 RUB", "2,20\u00a0₽"),
        (1_500, "0.0015 RUB", "0,0015\u00a0₽"),
    ],
)
def test_an_amount_is_written_as_people_do(amount: int, english: str, russian: str) -> None:
    assert pricing.shown("en", amount, "RUB") == english
    assert pricing.shown("ru", amount, "RUB") == russian


def test_a_month_ends_with_its_last_day() -> None:
    for now, rest in (
        (datetime(2026, 12, 31, 23, 59, tzinfo=UTC), 60.0),
        (datetime(2028, 2, 29, tzinfo=UTC), DAY),
        (datetime(2026, 1, 1, tzinfo=UTC), 31 * DAY),
    ):
        assert until_month(now.timestamp()) == rest


# --- the ledger and the budgets ---------------------------------------------------------------------------------------


async def test_a_known_price_that_does_not_fit_is_refused_with_both_figures(stage: Stage) -> None:
    stage.studio.paint(JPEG, JPEG)
    await stage.start(user_daily_money=Decimal("2.47"))
    await stage.ask("/image a cat")
    wait = duration("en", DAY - stage.clock.time() % DAY)
    refusal = say("en", "limit.price", price="2.20 RUB", left="0.27 RUB", wait=wait)
    assert await stage.ask("/image a dog") == refusal
    assert (stage.studio.bought, _spent(stage)) == (1, 2_200_000)


@pytest.mark.usefixtures("older_models", "draws_by_operations")
async def test_the_ledger_holds_the_cost_of_answers_and_pictures(stage: Stage) -> None:
    stage.studio.script(YES)
    stage.studio.paint(JPEG)
    await stage.start(daily_money=Decimal(100), image_price=Decimal("2.5"))
    await stage.ask("hello")
    await stage.ask("/image a cat")
    assert rows(stage, "SELECT user, model, mode, cost FROM usage") == [
        (ANNA, "yandexgpt", "sync", COST),
        (ANNA, "yandex-art", "image", 2_500_000),
    ]
    assert _spent(stage) == COST + 2_500_000
    assert rows(stage, "SELECT * FROM reservations") == []


async def test_fifty_at_once_never_cost_more_than_one_answer_over_the_money(stage: Stage) -> None:
    for number in MANY:
        stage.telegram.state.add_person(Person(number, f"Person {number}", "", "en"))
    stage.studio.script(*[YES] * 50)
    stage.studio.ttft = 2.0
    await stage.start(monthly_money=Decimal("0.36"), max_tokens=30)
    for person in MANY:
        stage.telegram.say(person, "hello")
    await soon(stage, lambda: inbox(stage) == ["done"] * len(MANY) or None)
    answered = [person for person in MANY if stage.telegram.texts(person) == ["yes"]]
    assert 1 <= len(stage.prompts()) == len(answered) <= 4
    assert _spent(stage) == COST * len(answered)


@pytest.mark.parametrize(
    ("setting", "key", "period"),
    [
        ("user_daily_money", "limit.tokens.user", DAY),
        ("user_monthly_money", "limit.month.user", 31 * DAY),
        ("chat_daily_money", "limit.tokens.chat", DAY),
        ("chat_monthly_money", "limit.month.chat", 31 * DAY),
        ("daily_money", "limit.tokens.bot", DAY),
        ("monthly_money", "limit.month.bot", 31 * DAY),
    ],
)
async def test_money_is_used_to_its_end_and_comes_again(stage: Stage, setting: str, key: str, period: float) -> None:
    stage.studio.script(*[YES] * 9)
    await stage.start(**{setting: Decimal("0.2"), "max_tokens": 30})
    assert [await stage.ask("more") for _ in range(2)] == ["yes"] * 2
    assert await stage.ask("more") in _refusals(stage, key)
    if period > DAY:
        _jump(DAY)  # the same month
        if datetime.fromtimestamp(stage.clock.time(), UTC).day != 1:
            assert await stage.ask("more") in _refusals(stage, key)
    _jump(period)
    assert await stage.ask("more") == "yes"


async def test_a_role_has_a_share_of_its_own(stage: Stage) -> None:
    stage.studio.script(*[YES] * 9)
    app = await stage.start(
        user_daily_money=Decimal("0.1"), role_daily_money={"operator": Decimal("0.3")}, max_tokens=30
    )
    bot = app.telegram.api.id
    await app.joining.directory.write(lambda tx: tx.members.store_member(bot, BORIS, "operator", ANNA))
    assert await stage.ask("more") == "yes"
    assert await stage.ask("more") in _refusals(stage, "limit.tokens.user")
    assert [await stage.ask("more", BORIS) for _ in range(3)] == ["yes"] * 3
    assert await stage.ask("more", BORIS) != "yes"


@pytest.mark.usefixtures("older_models", "draws_by_operations")
async def test_a_picture_under_way_keeps_its_money_through_a_restart(stage: Stage) -> None:
    stage.studio.paint(JPEG)
    await stage.start(daily_money=Decimal(3))
    stage.studio.fail_next("imageGenerationAsync", status=503, times=6)
    stage.telegram.say(ANNA, "/image a cat")
    await soon(stage, lambda: rows(stage, "SELECT * FROM reservations WHERE kind = 'money'") or None)
    await stage.crash()
    await stage.start()
    assert _spent(stage) == 0
    await soon(stage, lambda: _spent(stage) or None)
    assert _spent(stage) == 2 * 2_200_000  # nobody knows whether the first order was accepted before the crash
    assert stage.studio.bought == 1


# --- asked first ------------------------------------------------------------------------------------------------------


async def test_an_expensive_answer_is_asked_about_and_then_written(stage: Stage) -> None:
    stage.studio.script(YES)
    await stage.start(confirm_above=Decimal(1))
    question = await stage.ask("hello")
    assert question.startswith("This answer costs about ")
    assert stage.prompts() == []
    await stage.press(say("en", "price.answer"))
    await stage.press(say("en", "price.answer"))
    await stage.until(lambda: stage.telegram.texts(ANNA) == ["yes"] or None)
    await stage.clock.sleep(10)
    assert stage.prompts()[0][-1]["text"] == "hello"
    assert len(stage.prompts()) == 1


async def test_a_cheaper_model_answers_this_time(stage: Stage) -> None:
    stage.studio.script(YES)
    await stage.start(confirm_above=Decimal(1))
    await stage.ask("hello")
    (label,) = (button["text"] for button in buttons_of(said(stage)[-1]) if "Lite" in button["text"])
    assert label.startswith(say("en", "price.cheaper", model="YandexGPT Lite", price="0.")[:20])
    await stage.press(label)
    note = say("en", "once.note", model="YandexGPT Lite")
    await stage.until(lambda: stage.telegram.texts(ANNA)[0].startswith("yes") or None)
    assert note in stage.telegram.texts(ANNA)[0]
    assert rows(stage, "SELECT model, cost FROM usage") == [("yandexgpt-lite", 20_000)]
    assert (await stage.ask("and now?")).startswith("This answer costs about")


async def test_what_is_dropped_is_forgotten(stage: Stage) -> None:
    await stage.start(confirm_above=Decimal(1))
    await stage.ask("hello")
    await stage.press(say("en", "price.drop"))
    await stage.until(lambda: stage.telegram.texts(ANNA) == [say("en", "price.dropped")] or None)
    assert rows(stage, "SELECT head FROM conversations") == [(None,)]


async def test_what_is_cheap_is_not_asked_about(stage: Stage) -> None:
    stage.studio.script(YES)
    await stage.start(confirm_above=Decimal(100))
    assert await stage.ask("hello") == "yes"


async def test_a_small_document_costs_what_it_is_not_what_the_window_may_hold(stage: Stage) -> None:
    stage.studio.script(YES, YES)
    await stage.start(confirm_above=Decimal(4))
    stage.telegram.upload(ANNA, b"The rent is 500.", "document", name="contract.txt", caption="What is the rent?")
    assert await stage.texts(1) == ["yes"]
    long = b"The rent is 500 and the deposit is one thousand. " * 2_000
    stage.telegram.upload(ANNA, long, "document", name="long.txt", caption="And now?")
    assert (await stage.texts(2))[1].startswith("This answer costs about")


async def test_an_expensive_picture_is_asked_about(stage: Stage) -> None:
    stage.studio.paint(JPEG, JPEG)
    await stage.start(confirm_above=Decimal(2))
    assert await stage.ask("/image a cat") == say("en", "price.picture", price="2.20 RUB")
    assert stage.studio.bought == 0
    await stage.press(say("en", "price.draw"))
    await stage.texts(2)
    assert stage.studio.bought == 1
    await stage.ask("/image a dog")
    await stage.press(say("en", "price.drop"))
    await stage.until(lambda: stage.telegram.texts(ANNA)[-1] == say("en", "price.dropped") or None)
    assert stage.studio.bought == 1


async def test_an_agreed_answer_still_has_to_fit_the_budget(stage: Stage) -> None:
    stage.studio.script(YES, YES)
    await stage.start(confirm_above=Decimal("0.01"), user_daily_money=Decimal("0.1"), max_tokens=30)
    await stage.ask("hello")
    await stage.press(say("en", "price.answer"))
    await stage.until(lambda: stage.telegram.texts(ANNA) == ["yes"] or None)
    await stage.ask("hello again")
    await stage.press(say("en", "price.answer"))
    assert (await stage.texts(3))[2] in _refusals(stage, "limit.tokens.user")


# --- what was spent, what is left -------------------------------------------------------------------------------------


async def test_usage_is_ones_own_with_a_chart(stage: Stage) -> None:
    stage.studio.script(YES, YES)
    await stage.start(owners=(BORIS,))
    await stage.ask("hello", BORIS)
    await stage.ask("hello")
    text = await stage.ask("/usage")
    assert say("en", "usage.today", cost="0.12 RUB", tokens=100, images=0) in text
    assert say("en", "usage.model", model="YandexGPT Pro", cost="0.12 RUB", requests=1) in text
    assert say("en", "usage.bot") not in text
    assert "photo" in said(stage)[-1]
    for_owner = await stage.ask("/usage", BORIS)
    assert say("ru", "usage.today", cost="0,24\u00a0₽", tokens=200, images=0) in for_owner
    assert say("ru", "usage.bot") in for_owner
    in_group = await stage.ask("/usage@govorun_sandbox_bot", TEAM, BORIS)
    assert say("ru", "usage.bot") not in in_group


async def test_the_allowance_says_what_is_left_here(stage: Stage) -> None:
    stage.studio.script(YES)
    await stage.start(user_daily_money=Decimal(1), chat_monthly_money=Decimal(5), daily_tokens=1000, max_tokens=30)
    await stage.ask("hello")
    lines = (await stage.ask("/allowance")).splitlines()
    day, month = "16 h 0 min", "17 days"
    assert lines == [
        f"You today: 0.88 RUB of 1.00 RUB left, renewed in {day}",
        f"This chat this month: 4.88 RUB of 5.00 RUB left, renewed in {month}",
        f"The whole bot today: 900 of 1000 tokens left, renewed in {day}",
    ]
    assert (await stage.ask("/usage")).splitlines()[:3] == lines  # /usage begins with it


async def test_usage_names_models_by_their_titles_and_says_what_the_chart_shows(stage: Stage) -> None:
    stage.studio.script(YES)
    stage.studio.paint(JPEG)
    await stage.start()
    await stage.ask("hello")
    await stage.ask("/image a cat")
    lines = (await stage.ask("/usage")).splitlines()
    assert {"· YandexGPT Pro: 0.12 RUB, requests: 1", "· pictures: 2.20 RUB, 1"} < set(lines)
    assert lines[-1] == "The chart: RUB a day in the last 30 days"
    await stage.stop()
    await stage.start(currency="USD")
    assert "USD" in (await stage.ask("/usage")).splitlines()[-1]


async def test_where_nothing_is_limited_the_allowance_says_so(stage: Stage) -> None:
    await stage.start()
    assert await stage.ask("/allowance") == say("en", "allowance.free")


def test_a_caption_that_is_too_long_ends_with_a_whole_line() -> None:
    assert shortened("short") == "short"
    assert shortened("\n".join(["· yandexgpt: 1.00 RUB"] * 60)).splitlines() == ["· yandexgpt: 1.00 RUB"] * 45


# --- the chart --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize("amounts", [[], [0.0] * 30, [0.0, 0.0002, 12_345.6], [float(n) for n in range(30)]])
def test_the_chart_is_a_small_picture(amounts: list[float], language: str) -> None:
    days = [usage_chart.Day(date(2026, 11, 1) + timedelta(days=n), amount) for n, amount in enumerate(amounts)]
    png = usage_chart.draw(days, language)
    with Image.open(io.BytesIO(png)) as image:
        assert (image.format, image.size) == ("PNG", (usage_chart.WIDTH, usage_chart.HEIGHT))
        colors = {color for _, color in image.getcolors(100_000) or []}
    assert ((0x5B, 0x9B, 0xD5) in colors) == any(amounts[:-1])
    assert len(png) < 20_000


@given(st.floats(1e-6, 1e9))
def test_the_axis_ends_just_above_the_highest_bar_at_a_round_number(most: float) -> None:
    top, step = usage_chart.scale(most)
    assert most <= top * (1 + 1e-9)
    assert top <= 2.5 * most + 1e-6
    assert 1 <= round(top / step) <= 6


def test_dates_and_amounts_are_written_in_the_way_of_the_language() -> None:
    assert (usage_chart.when(date(2026, 11, 21), "en"), usage_chart.when(date(2026, 11, 21), "ru")) == (
        "Nov 21",
        "21.11",
    )
    assert (usage_chart.amount(1234.5, 0.5, "en"), usage_chart.amount(1234.5, 0.5, "ru")) == ("1,234.5", "1 234,5")


def _spent(stage: Stage) -> int:
    (spent,) = rows(stage, "SELECT coalesce(sum(amount), 0) FROM spending WHERE scope = 'bot' AND kind = 'money'")[0]
    return int(spent)


def _refusals(stage: Stage, key: str) -> set[str]:
    """The sentence, whenever in the last minute it was said."""
    now, found = stage.clock.time(), set()
    for past in (0, 60):
        rest = until_month(now - past) if "month" in key else DAY - (now - past) % DAY
        minutes = -(-int(rest) // 60)
        hours = minutes // 60
        wait = say("en", "duration.hours" if hours else "duration.minutes", hours=hours, minutes=minutes % 60)
        found.add(say("en", key, wait=say("en", "duration.days", days=-(-hours // 24)) if hours >= 48 else wait))
        found.add(say("ru", key, wait=wait))
    return found


def _jump(seconds: float) -> None:
    loop: Any = asyncio.get_running_loop()
    loop.now += seconds


async def test_cached_input_and_tokens_of_tools_are_booked_at_their_own_prices(stage: Stage) -> None:
    usage = {
        "prompt_tokens": 1_000, "completion_tokens": 100, "total_tokens": 1_100,
        "prompt_tokens_details": {"cached_tokens": 600, "tool_tokens": 100},
    }  # fmt: skip
    stage.studio.script(Answer(["yes"], usage=usage), Answer(["yes"], usage={**usage, "prompt_tokens_details": {}}))
    await stage.start(models=[], model="deepseek-v4.1-flash")
    for question in ("once", "twice"):
        assert await stage.ask(question) == "yes"
    # 300 at 0.30, 600 + 100 at 0.075, 100 at 0.50, and then 1,000 at 0.30, for 1,000 tokens each
    assert [cost for (cost,) in rows(stage, "SELECT cost FROM usage")] == [192_500, 350_000]


def test_a_server_can_not_save_more_than_the_whole_input() -> None:
    names = ("input_tokens", "output_tokens", "output_tokens_details.reasoning_tokens")
    told = {"input_tokens": 10, "output_tokens": 1, "input_tokens_details": {"cached_tokens": 99, "tool_tokens": 9}}
    found = counted(told, *names)
    assert found is not None
    assert (found.cached, found.tools) == (10, 0)
