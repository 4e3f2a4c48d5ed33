"""An instance of one's own that stops: another model answers, admins are told once each way, and no message is lost."""

from __future__ import annotations

import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from bot.ai import Profile, Usage
from bot.billing.instances import Hours, Instance, worth
from bot.cli.models import compare_prices
from bot.clock import SystemClock
from bot.config.entries import ModelConfig
from bot.config.settings import Settings
from bot.errors import BadInput
from bot.llm.circuit_breaker import PROBE
from bot.storage.store import Store
from bot.types import Address
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.table import table
from tests.support.telegram_side import soon

pytestmark = pytest.mark.usefixtures("older_models")

ROWS = [
    ModelConfig(name="mine", title="My own", uri="gpt://b1gsandbox0000000000/mine/latest", stand_in="lite",
                price_hour=Decimal(100), concurrency=2),
    ModelConfig(name="yandexgpt", title="Pro"),
    ModelConfig(name="lite", title="Lite"),
]  # fmt: skip


def told(stage: Stage, word: str, chat: int = ANNA) -> int:
    return sum(word in text for text in stage.telegram.texts(chat))


@pytest.mark.parametrize(("owner", "down", "back"), [
    (ANNA, "My own does not answer", "My own answers again"), (BORIS, "My own не отвечает", "My own снова отвечает"),
])  # fmt: skip
async def test_an_instance_off_starting_on_and_gone_within_an_answer(
    stage: Stage, owner: int, down: str, back: str
) -> None:
    other = BORIS if owner == ANNA else ANNA
    stage.studio.access.instances["mine"] = "off"
    await stage.start(model="mine", models=ROWS, owners=[owner], knowledge="off")
    await stage.ask("/help", owner)  # the bot knows the language of the owner
    first = await stage.ask("What is a lighthouse?", other)
    assert "Lite" in first  # the note names who has answered
    await soon(stage, lambda: told(stage, down, owner) or None)
    stage.studio.access.instances["mine"] = "starting"
    await stage.clock.sleep(PROBE + 1)
    assert "Lite" in await stage.ask("And what is a ship?", other)
    stage.studio.access.instances["mine"] = "on"
    await stage.clock.sleep(PROBE + 1)
    assert "Lite" not in await stage.ask("And what is a harbour?", other)
    await soon(stage, lambda: told(stage, back, owner) or None)
    stage.studio.answer(lambda _messages: gone(stage))
    stage.studio.fail_next("completion", cut="reset", after_chunks=1)
    assert "Lite" in await stage.ask("Tell me of a storm.", other)
    await soon(stage, lambda: told(stage, down, owner) == 2 or None)
    assert [told(stage, down, owner), told(stage, back, owner)] == [2, 1]
    assert len(stage.telegram.texts(other)) == 4  # every question has its answer


def gone(stage: Stage) -> str:
    """The instance stops while it answers."""
    stage.studio.access.instances["mine"] = "off"
    return "A storm is a strong wind with rain. " * 5


@table(("hours", "since", "until", "expected"), [
    ("9-18 mon-fri", 0, 7 * 86_400, 45),  # 1970-01-01 is a Thursday
    ("0-24", 0, 86_400, 24),
    ("9-18 sat-sun", 0, 86_400, 0),
    ("9-18 fri-mon", 0, 7 * 86_400, 36),
    ("9-18 thu", 10 * 3600, 12 * 3600, 2),
    ("9-18 mon-fri Europe/Moscow", 0, 9 * 3600, 3),  # 6 to 15 UTC
])  # fmt: skip
def test_hours_of_an_instance_are_counted(hours: str, since: float, until: float, expected: float) -> None:
    assert Hours.parse(hours).between(since, until) == expected


@table("hours", ["", "18-9", "9-25", "9-18 mon-xyz", "all day"])
def test_hours_that_are_none_are_refused(hours: str) -> None:
    with pytest.raises(ValueError, match="hours like"):
        Hours.parse(hours)


def test_an_instance_pays_where_its_hours_cost_less_than_the_tokens() -> None:
    by_token = Profile(price_in=Decimal(1), price_out=Decimal(1))
    used = {"mine": Usage(600_000, 200_000), "lite": Usage(100_000, 100_000), "other": Usage(10**9, 0)}
    instance, names, month = Instance.of(ROWS[0]), frozenset({"mine", "lite"}), (0.0, 30 * 86_400.0)
    whole = worth(instance, used, names, by_token, month)
    assert (whole.by_token, whole.by_hour, whole.pays) == (1_000_000_000, 72_000_000_000, False)
    some = Instance("mine", "My own", Decimal(1), Hours.parse("9-18 mon-fri"))
    assert worth(some, used, names, by_token, month).pays


@pytest.mark.disk
async def test_the_last_month_is_reckoned_from_the_ledger(tmp_path: Path, template: Path) -> None:
    url = f"sqlite+aiosqlite:///{shutil.copy(template, tmp_path / 'govorun.db')}"
    row = ROWS[0].model_copy(
        update={"stand_in": "yandexgpt-lite", "hours": "9-18 mon-fri", "price_hour": Decimal("0.1")}
    )
    settings = Settings(_env_file=None, database_url=url, models=[row, ModelConfig(name="yandexgpt")])
    async with Store.open(url, SystemClock()) as store:
        where, used = Address("telegram", 42, ANNA), Usage(400_000, 100_000)
        await store.write(lambda tx: tx.ledger.add_line(where, ANNA, "1", "mine", used))
    said: list[str] = []
    await compare_prices(settings, 42, "mine", "", said.append)
    assert said[1].startswith("100,000. By the token (yandexgpt-lite) that costs 100.00 RUB; its hours cost ")
    assert said[2].startswith("The instance would have paid: it is ")
    with pytest.raises(BadInput, match="no instance"):
        await compare_prices(settings, 42, "yandexgpt", "", said.append)
