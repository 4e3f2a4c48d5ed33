"""Bills the person who asks for requests that tell the topic of the question: `PaidLabels`."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from bot.ai import Labelled, LabelModel
from bot.billing.metering import BillTo, Meter
from bot.billing.pricing import Price
from bot.errors import LimitReached, ModelUnavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidLabels:
    """A `LabelModel` whose requests are reserved, settled and booked for `payer`.

    If a budget does not allow a request, `ModelUnavailable` is raised, as if the service had failed: the caller then
    chooses the topic without the service.
    """

    model: LabelModel
    meter: Meter
    payer: BillTo

    async def by_samples(
        self, text: str, labels: Sequence[str], *, task: str, samples: Sequence[tuple[str, str]] = (), within: float
    ) -> Labelled:
        """Return the confidence of each of `labels`, which the service learns from the `samples` in the request; book
        the request.
        """
        most = sum(map(len, (text, task, *labels, *chain.from_iterable(samples))))
        return await self._paid(
            self.model.by_samples(text, labels, task=task, samples=samples, within=within),
            self.meter.tariffs.topics, most,
        )  # fmt: skip

    async def tuned(self, name: str, text: str, *, within: float) -> Labelled:
        """Return the confidence of each label of a tuned classifier, and book the request."""
        return await self._paid(self.model.tuned(name, text, within=within), self.meter.tariffs.tuned_topics, len(text))

    async def _paid(self, asked: Coroutine[Any, Any, Labelled], tariff: Price, most: int) -> Labelled:
        try:
            async with self.meter.charge(self.payer, tariff, most, estimated=True) as bill:
                found = await asked
                bill.units = found.tokens or most
        except LimitReached as error:
            asked.close()
            raise ModelUnavailable(str(error)) from None
        return found
