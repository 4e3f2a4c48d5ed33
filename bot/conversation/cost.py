"""What an answer may cost: held back in the transaction that saves its question, or asked about first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from bot.billing import pricing
from bot.billing.budget import Budget
from bot.conversation.request import RequestBuilder
from bot.conversation.turn_state import TurnContext
from bot.knowledge.documents import Documents
from bot.knowledge.documents import most as most_of_documents
from bot.llm import prompt
from bot.llm.routing import ModelOption, Routing
from bot.ports import Reply
from bot.storage.engines.decision_locks import DecisionLock
from bot.storage.store import Store, Tx
from bot.types import Incoming


@dataclass(slots=True)
class Pricing:
    """`modes` tells what answers later, at a lower price, by the names of the models."""

    store: Store
    routing: Routing
    asking: RequestBuilder
    budget: Budget = field(default_factory=Budget)
    documents: Documents | None = None
    modes: Callable[[str], object | None] = lambda _name: None

    @property
    def guard(self) -> DecisionLock | None:
        """What `held` needs."""
        return DecisionLock.SPENDING if self.budget else None

    def held(self, tx: Tx, incoming: Incoming, begun: TurnContext, *, agreed: bool = False) -> TurnContext:
        """Hold back what the answer can cost, or ask first; nothing is reckoned where nothing is limited."""
        if not self.budget:
            return begun
        if begun.has_documents:
            begun = replace(begun, size_of_documents=tx.documents.size(begun.conversation))
        offer = self.routing.pick(begun.choices.model)
        tokens, price = self._most(begun, offer)
        if not agreed and self.budget.asks(whole := price + self._ahead(tx, begun, offer)):
            return replace(begun, price=whole)
        return replace(begun, held=self.budget.hold(tx, incoming, tokens, price, begun.language))

    def _ahead(self, tx: Tx, begun: TurnContext, offer: ModelOption) -> int:
        """What has to be paid before the model can be asked: it is held back by itself."""
        if not begun.has_documents or self.documents is None or not self.budget.confirm:
            return 0
        return self.documents.ahead(tx, begun.conversation, offer.model.profile.window)

    async def ask_first(self, incoming: Incoming, reply: Reply, begun: TurnContext) -> None:
        """The answer is expensive: say so, and offer the cheapest model."""
        is_over = begun.place is not None and bool(begun.place.over)
        language, price, question = begun.language, begun.price, begun.place.question.id if begun.place else 0
        now = self.routing.pick(begun.choices.model)
        others = [offer for offer in self.routing.offers if offer is not now]
        prices = await self.store.read(
            lambda tx: [(self._most(begun, offer)[1] + self._ahead(tx, begun, offer), offer) for offer in others]
        )
        less, offer = min(prices, key=lambda row: row[0], default=(price, now))
        currency = now.model.profile.currency
        cheaper = (offer.name, offer.title, pricing.shown(language, less, currency)) if less < price else None
        sentence, choices = pricing.question(
            language, question, pricing.shown(language, price, currency), cheaper, self._later(begun, now)
        )
        await pricing.ask_first(
            self.store, incoming, reply, sentence, *choices,
            also=lambda tx: tx.deliveries.release(incoming.id, incoming.address) if is_over else None,
        )  # fmt: skip

    def _later(self, begun: TurnContext, offer: ModelOption) -> str:
        """The turn that may be answered later instead, "" where that costs no less."""
        cheaper = offer.model.profile.asynchronous and self.modes(offer.name) is not None
        if begun.place is None or begun.place.shown is not None or not cheaper:
            return ""
        return begun.place.question.turn

    def _most(self, begun: TurnContext, offer: ModelOption) -> tuple[int, int]:
        """The most that the answer of a model can cost: tokens, and millionths of the currency."""
        usage = prompt.most(self.asking.request(begun, offer, begun.steps), self.asking.ratio(offer))
        if begun.has_documents:  # what they say of the question is looked up later
            most = most_of_documents(offer.model.profile.window, begun.size_of_documents)
            room = self.asking.ratio(offer).tokens(most)
            usage = replace(usage, prompt=usage.prompt + room)
        return usage.total, pricing.most(offer.model.profile, usage)
