"""What telling the topic of a question costs is reserved and booked for the person who asks."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.ai import Labelled
from bot.billing.budget import Budget
from bot.billing.metering import BillTo, Meter
from bot.billing.pricing import Price, PriceList
from bot.billing.topic_labels import PaidLabels
from bot.clock import SystemClock
from bot.errors import ModelError, ModelUnavailable
from bot.storage.repositories.money.budgets import Caps
from bot.storage.store import Store
from bot.storage.tables.spending import Expense
from bot.types import Address

PAYER = BillTo(Address("telegram", 42, 1001), 1001, "turn")


class Labels:
    """A `LabelModel` that counts `tokens`, or fails."""

    def __init__(self, tokens: int = 0, failing: ModelError | None = None) -> None:
        self.tokens, self.failing, self.asked = tokens, failing, 0

    async def by_samples(
        self, text: str, labels: Sequence[str], *, task: str, samples: Sequence[tuple[str, str]] = (), within: float
    ) -> Labelled:
        return await self.tuned("", text, within=within)

    async def tuned(self, name: str, text: str, *, within: float) -> Labelled:
        self.asked += 1
        if self.failing is not None:
            raise self.failing
        return Labelled({"a": 1.0}, self.tokens)


async def test_each_begun_block_is_booked_a_failure_is_free_and_a_spent_budget_is_a_failure(
    tmp_path: Path, template: Path
) -> None:
    tariffs = PriceList(
        topics=Price("topic", "few", Decimal(1), 1000, 1000), tuned_topics=Price("topic", "own", Decimal(1), 250, 250)
    )
    async with Store.open(f"sqlite+aiosqlite:///{shutil.copy(template, tmp_path / 'b.db')}", SystemClock()) as store:
        meter = Meter(store=store, budget=Budget(money=Caps(user=4_000_000)), tariffs=tariffs)

        async def ask(model: Labels, *, is_tuned: bool) -> Labelled:
            paid = PaidLabels(model=model, meter=meter, payer=PAYER)
            if is_tuned:
                return await paid.tuned("own", "question", within=2.0)
            return await paid.by_samples("question", ["a", "b"], task="topics", samples=[("q", "a")], within=2.0)

        assert (await ask(Labels(1_001), is_tuned=False)).confidences == {"a": 1.0}
        with pytest.raises(ModelUnavailable, match="away"):
            await ask(Labels(failing=ModelUnavailable("away")), is_tuned=True)
        await ask(Labels(260), is_tuned=True)
        rows = await store.read(
            lambda tx: tx.connection.execute(select(*Expense.table.c["model", "user", "units", "cost"])).all()
        )
        assert [tuple(row) for row in rows] == [("few", 1001, 1_001, 2_000_000), ("own", 1001, 260, 2_000_000)]
        spent = Labels(1)
        with pytest.raises(ModelUnavailable):
            await ask(spent, is_tuned=False)
        assert spent.asked == 0
