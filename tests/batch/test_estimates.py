"""What a batch run is said to cost, what it is booked with, and what AI Studio bills; and the purse that holds it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bot.ai import Usage
from bot.batch.planning import Plan, plan
from bot.batch.vendor_runner import least_cost
from bot.billing import pricing
from bot.cli import batch
from bot.errors import LimitReached
from bot.storage.tables.batch import NEWEST_RUN, BatchRun
from tests.batch.test_runs import BOT, World
from tests.batch.test_runs import world as online
from tests.batch.test_vendor_runs import MODEL, VendorWorld, world
from tests.promises.crash.batch import questions_of

pytestmark = pytest.mark.disk
__all__ = ["online", "world"]
SENTENCE = "An answer of some words, and of a length that is known before. "  # 15 tokens
CODE = (
    'def read(path: str) -> dict[str, int]:\n    """Read it."""\n    return {key: int(x[0]) for key, x in rows(path)}'
)
ENGLISH = "When was the treaty signed, who were the parties, and which of its articles are still in force today?"
LONG = "You answer for a shop. Отвечайте коротко и вежливо. Never promise a date. " * 20


def rows_of(shape: str, world: World) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows of a shape, and the options that go with it."""
    russian = questions_of(60)
    if shape == "pictures":
        Image.new("RGB", (9, 9), "red").save(world.folder / "one.png")
        return [{"question": f"{n}: {text}", "photo": "one.png"} for n, text in enumerate(russian)], {"images": "photo"}
    texts: dict[str, Callable[[int], str]] = {
        "russian": lambda n: russian[n], "english": lambda n: f"{n}. {ENGLISH}", "code": lambda n: f"{CODE}  # {n}",
        "system": lambda n: russian[n], "equal": lambda n: russian[n % 7],
    }  # fmt: skip
    return [{"question": texts[shape](n)} for n in range(60)], {"system": LONG} if shape == "system" else {}


async def planned(world: World, mode: str, model: str = "") -> Plan:
    """The plan of the file that was asked, as a run of its own, without the minimum of a batch run."""
    asked, told = world.service.text(model), await world.run()
    new = BatchRun(bot=BOT, mode=mode, model=model, source="", options={}, at=world.store.clock.time())
    run = (await world.store.write(lambda tx: tx.add(new))).id
    return await plan(
        world.store, run, Path(told.source), options=dict(told.options), profile=asked.profile, mode=mode,
        tokenizer=world.service.tokenizer(model),
    )  # fmt: skip


@pytest.mark.parametrize("shape", ["russian", "english", "code", "system", "equal", "pictures"])
async def test_the_estimate_of_a_batch_run_is_within_a_tenth_of_the_bill_or_at_its_minimum(
    world: VendorWorld, shape: str
) -> None:
    world.studio.answer(lambda _messages: SENTENCE * 20)  # 300 tokens, which the estimate takes as usual
    world.server.runs.minimum = 0
    rows, options = rows_of(shape, world)
    await world.ask(world.file(*rows), "batch", model=MODEL, **options)
    (billed,) = world.server.runs.billed.values()
    profile, (usage, cost) = world.service.text(MODEL).profile, await world.store.read(lambda tx: tx.batches.spent(1))
    price, found = pricing.cost(profile, Usage(billed, 0), pricing.BATCH), await planned(world, pricing.BATCH, MODEL)
    assert (0.9 < usage.total / billed < 1.1, 0.9 < found.likely / price < 1.1) == (True, True), (usage, billed, found)
    assert price <= found.estimate
    assert cost == await world.spent() == least_cost(profile) >= price


@pytest.mark.parametrize("shape", ["russian", "english", "code", "system", "equal"])
async def test_the_estimate_of_other_runs_is_within_a_tenth_of_what_the_answers_cost(online: World, shape: str) -> None:
    online.studio.answer(lambda _messages: SENTENCE * 20)
    rows, options = rows_of(shape, online)
    await online.ask(online.file(*rows), "sync", **options)
    run, spent, found = await online.run(), await online.spent(), await planned(online, pricing.SYNC)
    assert 0.9 < found.likely / spent < 1.1, (found, spent)
    assert spent <= run.estimate


async def test_a_service_that_counts_no_tokens_leaves_an_estimate(online: World) -> None:
    online.studio.fail_next("tokenize", status=503, times=20)
    await online.ask(online.file({"question": "One?"}), "sync")
    assert [row["finish"] for row in await online.rows()] == ["stop"]


async def test_of_fifty_runs_at_once_a_purse_for_ten_begins_ten(world: VendorWorld) -> None:
    path, least = world.file({"question": "One?"}), least_cost(world.service.text(MODEL).profile)
    world.settings = world.settings.model_copy(update={"daily_money": Decimal(least * 10 + least // 2) / 1_000_000})

    async def begin() -> int:
        try:
            return await batch.begin(world.workspace, path, MODEL, "batch", {}, Decimal(0))
        except LimitReached:
            return 0

    begun = [number for number in await asyncio.gather(*(begin() for _ in range(50))) if number]
    assert len(begun) == 10
    for number in begun[:2]:
        await batch.go_on(world.workspace, number)
    assert (world.paid, await world.spent()) == (2, 2 * least)
    with pytest.raises(LimitReached):
        await batch.begin(world.workspace, path, MODEL, "batch", {}, Decimal(0))
    assert len(await world.store.read(lambda tx: tx.all(NEWEST_RUN, bot=BOT))) == 10
