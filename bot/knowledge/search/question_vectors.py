"""The embeddings of questions, each bought once: for the topic of a question, and for the search in the sources."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from array import array
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.ai import Embedder, Vector
from bot.billing.metering import BillTo, Meter
from bot.errors import LimitReached, ModelError

log = logging.getLogger(__name__)

LONGEST_QUESTION = 2_000  # characters that are embedded
PATIENCE = 10.0  # seconds for the embedding of a question; without it only words are compared
MOST_KEPT = 10_000  # embeddings of questions
KEPT_FOR = 86_400.0  # seconds


@dataclass(slots=True, kw_only=True)
class QuestionVectors:
    """Embeds questions, and keeps their embeddings for a day. `embedder` None: there are none."""

    meter: Meter
    embedder: Embedder | None = None
    _kept: OrderedDict[bytes, tuple[float, Sequence[float]]] = field(default_factory=OrderedDict)

    async def find(self, question: str, payer: BillTo) -> Sequence[float]:
        """Return the embedding of a question, paid by `payer`; empty where there is none, or a budget forbids it."""
        if self.embedder is None:
            return ()
        question = question[:LONGEST_QUESTION]
        key, now = hashlib.sha256(question.encode()).digest(), self.meter.store.clock.monotonic()
        at, kept = self._kept.pop(key, (0.0, ()))
        if kept and now - at < KEPT_FOR:
            self._kept[key] = (at, kept)
            return kept
        tariff, most = self.meter.tariffs.questions, min(len(question), self.embedder.longest)
        try:
            async with asyncio.timeout(PATIENCE), self.meter.charge(payer, tariff, most, estimated=True) as bill:
                (vector,) = await self.embedder.embed([question], question=True)
                if isinstance(vector, Vector):
                    bill.units = vector.tokens or most
        except (LimitReached, ModelError, TimeoutError) as error:
            log.warning("the question is compared by words only: %s", error or "no embedding in time")
            return ()
        if not isinstance(vector, Vector):
            log.warning("the question is compared by words only: %s", vector)
            return ()
        self._kept[key] = (now, numbers := array("f", vector.numbers))  # a list takes eight times the memory
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return numbers
