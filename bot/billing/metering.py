"""Paying for what is no answer: speech, voices, vectors, searches. Begin with `Meter.pays`, around each request.

What it can cost is held back from the budgets before the service is asked, and settled with a line of the ledger when
that is over; where the process dies in between, the hold is settled in full at the next start, like an answer's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bot.ai import Usage
from bot.billing import pricing
from bot.billing.budget import MONEY, Budget, Reservation
from bot.billing.pricing import Price, PriceList
from bot.errors import ContextOverflow, ModelDenied, ModelRefused, ModelUnavailable, NotAgreed, StorageUnavailable
from bot.outbox import Effect
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Address, Incoming, User

log = logging.getLogger(__name__)

NOT_DONE = (ModelUnavailable, ModelRefused, ModelDenied, ContextOverflow)  # certainly: it costs nothing


@dataclass(frozen=True, slots=True)
class BillTo:
    """Under whose name it is booked: who caused it, where, in which turn. `language` is that of a refusal.

    `asks` is the key of the sentence with which the payer is asked before something expensive; "": never, or not again.
    """

    address: Address
    user: int
    turn: str
    language: str = ""
    asks: str = ""

    @classmethod
    def of(cls, incoming: Incoming, language: str, asks: str = "") -> BillTo:
        return cls(incoming.address, incoming.user.id, incoming.id, language, asks)


@dataclass(slots=True, kw_only=True)
class Charge:
    """What is paid in the end: whoever learns it from the service sets `units`."""

    units: int


@dataclass(slots=True, kw_only=True)
class Meter:
    store: Store
    budget: Budget = field(default_factory=Budget)
    tariffs: PriceList = field(default_factory=PriceList)

    @asynccontextmanager
    async def charge(self, payer: BillTo, tariff: Price, units: int) -> AsyncIterator[Charge]:
        """Hold back what so many units cost, let the service be asked, and book it.

        What the service did not do costs nothing. Where nobody knows whether it did, and where the wait for it is given
        up, it is paid in full. Raises `NotAgreed` and `LimitReached` before anything is asked.
        """
        most = tariff.cost(units)
        if payer.asks and self.budget.needs_consent(most):
            price = pricing.shown(payer.language, most, self.tariffs.currency)
            raise NotAgreed(say(payer.language, payer.asks, price=price))
        held, bill = await self._hold(payer, most), Charge(units=units)

        def book(tx: Tx) -> None:
            price = tariff.cost(bill.units)
            held.settle(tx, 0, price)
            if bill.units:
                where, user, turn = payer.address, payer.user, payer.turn
                pricing.book(tx, where, user, turn, tariff.name, Usage(), price, tariff.mode, bill.units)

        patient = True
        try:
            yield bill
        except NOT_DONE:
            bill.units = 0
            raise
        except asyncio.CancelledError:
            patient = False
            raise
        finally:
            if held or bill.units:
                await self._end(book, patient=patient)

    async def _hold(self, payer: BillTo, price: int) -> Reservation:
        user = User(payer.user)
        asked = Incoming(payer.turn, payer.address, user, private=payer.address.chat == payer.user)
        if not self.budget.caps(MONEY, asked):
            return Reservation()
        hold = self.store.write(lambda tx: self.budget.reserve(tx, asked, MONEY, price, payer.language))
        return Reservation(money=await hold)

    async def _end(self, book: Effect, *, patient: bool) -> None:
        """What is cancelled does not wait for a disk that fails: the hold is settled later then, in full."""
        if patient:
            await self.store.retry_until_stored(lambda: self.store.write(book))
            return
        try:
            await self.store.write(book)
        except StorageUnavailable as error:
            log.warning("what was given up is not booked yet: %s", error)
