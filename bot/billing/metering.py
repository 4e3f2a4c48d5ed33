"""Pays for speech, embeddings and searches. Begin with `Meter.charge`, which is put around each request to a service.

The highest possible price is reserved in the budgets before the request. After it, the reservation is settled and the
request is booked in the ledger. If the process dies in between, the next start settles the reservation in full.
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

NOT_DONE = (ModelUnavailable, ModelRefused, ModelDenied, ContextOverflow)  # the service did nothing: free of charge


@dataclass(frozen=True, slots=True)
class BillTo:
    """The user, chat and turn under which a request is booked. A refusal is written in `language`.

    `asks` is the key of the sentence that asks the user before an expensive request; "" for not asking, for example
    because the user has agreed already.
    """

    address: Address
    user: int
    turn: str
    language: str = ""
    asks: str = ""

    @classmethod
    def of(cls, incoming: Incoming, language: str, asks: str = "") -> BillTo:
        """Bill the sender of an incoming event."""
        return cls(incoming.address, incoming.user.id, incoming.id, language, asks)


@dataclass(slots=True, kw_only=True)
class Charge:
    """The amount of one request. The caller sets `units` to the number that the service reports, if it reports one."""

    units: int


@dataclass(slots=True, kw_only=True)
class Meter:
    """Reserves, settles and books the price of requests to services."""

    store: Store
    budget: Budget = field(default_factory=Budget)
    tariffs: PriceList = field(default_factory=PriceList)

    @asynccontextmanager
    async def charge(
        self, payer: BillTo, tariff: Price, units: int, *, estimated: bool = False
    ) -> AsyncIterator[Charge]:
        """Reserve the price of `units`, run the block that asks the service, and book what the request has cost.

        `estimated` says that `units` is the most that the request can need: then it is allowed as soon as anything of
        the cap is left, even if the whole price would not fit. A request that the service has certainly not done costs
        nothing. If its outcome is unknown, or the block is cancelled, it costs the full price. Raises `NotAgreed` or
        `LimitReached` before the block runs.
        """
        most = tariff.cost(units)
        if payer.asks and self.budget.needs_consent(most):
            price = pricing.shown(payer.language, most, self.tariffs.currency)
            raise NotAgreed(say(payer.language, payer.asks, price=price))
        reservation, charge = await self._reserve(payer, most, estimated=estimated), Charge(units=units)

        def book(tx: Tx) -> None:
            price = tariff.cost(charge.units)
            reservation.settle(tx, 0, price)
            if charge.units:
                where, user, turn, mode = payer.address, payer.user, payer.turn, tariff.mode
                tx.ledger.add_line(where, user, turn, tariff.name, Usage(), mode=mode, cost=price, units=charge.units)

        waits = True
        try:
            yield charge
        except NOT_DONE:
            charge.units = 0
            raise
        except asyncio.CancelledError:
            waits = False
            raise
        finally:
            if reservation or charge.units:
                await self._end(book, waits=waits)

    async def _reserve(self, payer: BillTo, price: int, *, estimated: bool) -> Reservation:
        user = User(payer.user)
        asked = Incoming(payer.turn, payer.address, user, private=payer.address.chat == payer.user)
        if not self.budget.caps(MONEY, asked):
            return Reservation()
        language, currency = payer.language, self.tariffs.currency

        def reserve(tx: Tx) -> int:
            if estimated:
                return self.budget.reserve(tx, asked, MONEY, price, language)
            return self.budget.reserve_price(tx, asked, price, currency, language)

        return Reservation(money=await self.store.write(reserve))

    async def _end(self, book: Effect, *, waits: bool) -> None:
        """Book the request; a cancelled one only once: if that fails, `settle_stale` settles its reservation later."""
        if waits:
            await self.store.write_until_stored(book)
            return
        try:
            await self.store.write(book)
        except StorageUnavailable as error:
            log.warning("a cancelled request is not booked yet, its reservation stays: %s", error)
