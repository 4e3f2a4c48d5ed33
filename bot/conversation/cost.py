"""What an answer may cost: reserved in the transaction that saves its question, or accepted by the user first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bot.ai import Usage
from bot.billing import pricing
from bot.billing.budget import Budget
from bot.conversation import branching
from bot.conversation.request import RequestBuilder
from bot.conversation.turn_state import TurnContext
from bot.knowledge.documents import Documents, most_characters
from bot.llm import prompt
from bot.llm.routing import ModelOption, Routing
from bot.outbox import Answer, Choice, end_turn
from bot.storage.engines.decision_locks import DecisionLock
from bot.storage.store import Tx
from bot.texts.catalog import say
from bot.types import Incoming, Outgoing

LIKELY = 300  # tokens of an answer of some paragraphs


@dataclass(slots=True, kw_only=True)
class AnswerCost:
    """Reserves the price of answers. `modes` finds the asynchronous, cheaper variant of a model by its name."""

    routing: Routing
    request_builder: RequestBuilder
    budget: Budget = field(default_factory=Budget)
    documents: Documents | None = None
    modes: Callable[[str], object | None] = lambda _name: None

    @property
    def guard(self) -> DecisionLock | None:
        """The lock that a transaction needs to call `reserve`; None if nothing is limited."""
        return DecisionLock.SPENDING if self.budget else None

    def reserve(self, tx: Tx, incoming: Incoming, context: TurnContext, *, agreed: bool = False) -> TurnContext:
        """The context with a reservation for the answer, or with the `price` that the user has to accept first.

        `agreed`: the user has accepted the price. Without limits nothing is computed. Raises `LimitReached`.
        """
        if not self.budget:
            return context
        if context.has_documents:
            context = replace(context, size_of_documents=tx.documents.prompt_size(context.conversation))
        option = self.routing.by_name(context.choices.model)
        tokens, price = self._most(context, option)
        if not agreed and self.budget.needs_consent(whole := price + self._search_price(tx, context, option)):
            return replace(context, price=whole)
        return replace(context, reservation=self.budget.reserve_answer(tx, incoming, tokens, price, context.language))

    def _search_price(self, tx: Tx, context: TurnContext, option: ModelOption) -> int:
        """Return the price (millionths) of the search in documents before the model, which is reserved apart."""
        if not context.has_documents or self.documents is None or not self.budget.confirm:
            return 0
        return self.documents.embedding_price(tx, context.conversation, option.model.profile.window)

    def ask_first(self, tx: Tx, incoming: Incoming, context: TurnContext) -> None:
        """End the turn with the price of the answer, and buttons to accept it, take the cheapest model, or drop it."""
        price, question = context.price, context.place.question.id if context.place else 0
        now = self.routing.by_name(context.choices.model)
        others = [option for option in self.routing.options if option is not now]
        prices = [self._most(context, other)[1] + self._search_price(tx, context, other) for other in others]
        less, option = min(zip(prices, others, strict=True), key=lambda row: row[0], default=(price, now))

        def shown(amount: int) -> str:
            return pricing.shown(context.language, amount, now.model.profile.currency)

        choices = [price_choice(incoming, "price.answer", {"question": question})]
        if less < price:
            payload = {"question": question, "model": option.name}
            choices.append(price_choice(incoming, "price.cheaper", payload, model=option.title, price=shown(less)))
        if later := self._later(context, now):
            choices.append(Choice(say(context.language, "later.button"), "later", {"turn": later}, queued=True))
        choices.append(price_choice(incoming, "price.drop", {"question": question}))
        if context.place is not None:
            branching.leave_open(tx, context.place.question)
        if context.place is not None and context.place.over:
            tx.outbox.release_messages(incoming.id, incoming.address)
        likely = shown(min(price, self._likely(tx, context, now)))
        sentence = say(context.language, "price.question", price=shown(price), likely=likely)
        end_turn(tx, incoming, ask_price(incoming, sentence, *choices))

    def _later(self, context: TurnContext, option: ModelOption) -> str:
        """The turn that the asynchronous model could answer at a lower price; "" if there is none."""
        cheaper = option.model.profile.asynchronous and self.modes(option.name) is not None
        if context.place is None or context.place.shown is not None or not cheaper:
            return ""
        return context.place.question.turn

    def _most(self, context: TurnContext, option: ModelOption) -> tuple[int, int]:
        """The most that the answer of a model can cost: tokens, and millionths of the currency."""
        usage = self._most_usage(context, option)
        return usage.total, pricing.most(option.model.profile, usage)

    def _likely(self, tx: Tx, context: TurnContext, option: ModelOption) -> int:
        """What an answer of some paragraphs costs, in millionths of the currency."""
        search = self._search_price(tx, context, option)
        usage = self._most_usage(context, option)
        short = replace(usage, completion=min(usage.completion, LIKELY))
        return pricing.cost(option.model.profile, short) + search

    def _most_usage(self, context: TurnContext, option: ModelOption) -> Usage:
        ratio = self.request_builder.ratio(option)
        usage = prompt.most(self.request_builder.request(context, option, context.steps), ratio)
        if context.has_documents:  # the documents are searched later, in `AnswerWriter`
            most = most_characters(option.model.profile.window, context.size_of_documents, context.language)
            usage = replace(usage, prompt=usage.prompt + ratio.tokens(most))
        return usage


def ask_price(incoming: Incoming, sentence: str, *choices: Choice) -> Answer:
    """A `sentence` about a price with the `choices` below it. Nothing is spent yet."""
    quoted = 0 if incoming.private else incoming.message_id
    return Answer(Outgoing(sentence, plain=True, reply_to=quoted), choices=choices)


def price_choice(incoming: Incoming, action: str, payload: Mapping[str, Any], **values: str) -> Choice:
    """A button below a price. Its label is the text whose key is the `action`, with `values`."""
    return Choice(say(incoming.language, action, **values), action, payload, queued=True)
