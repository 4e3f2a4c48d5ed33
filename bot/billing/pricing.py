"""Prices: what a request costs, how an amount is written, and the line in the ledger. Begin with `book_answer`.

Amounts are whole millionths of the currency, rounded up for each request, as Yandex Cloud does. The prices of a model
stand in its `Profile`; those of the other services come from the settings as a `Price` (see `billing/metering.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal

from bot.ai import Profile, Usage
from bot.config.settings import Settings
from bot.storage.repositories.money.ledger import EMBEDDING, SEARCH, SPEECH, TOPIC, VOICE
from bot.storage.store import Tx
from bot.texts.catalog import known
from bot.types import Address

MILLION = 1_000_000
SYNC, LATER, BATCH, IMAGE = (
    "sync",
    "async",
    "batch",
    "image",
)  # modes in the ledger, beside those of `repositories/money/ledger.py`
MOST_SEARCHES = 3  # web searches by the model that are reserved for one answer
SEARCHED = "web-search"  # the name in the ledger for web searches by the model


def millionths(amount: Decimal) -> int:
    """An amount of the currency in whole millionths, rounded up."""
    return int((amount * MILLION).to_integral_value(ROUND_CEILING))


@dataclass(frozen=True, slots=True)
class Price:
    """The price of a service: `price` for `per` units; the units are rounded up to whole blocks of `block`.

    `mode` and `name` are how the ledger calls the service.
    """

    mode: str
    name: str
    price: Decimal = Decimal(0)
    per: int = 1
    block: int = 1

    def cost(self, units: int) -> int:
        """The price of so many units, in millionths of the currency."""
        return millionths(self.price * (-(-units // self.block) * self.block) / self.per)


@dataclass(frozen=True, slots=True)
class PriceList:
    """The prices of the services besides answers and pictures. A service without a price is free, but counted.

    `speech` is recognition at once and `long_speech` recognition as an operation, both by the second. `voice` is
    synthesis, by the character. `documents` and `questions` are embeddings, by the token. `pages` is a search for
    pages, `answer` an answer written by the search service, `store` a search in a vector store, all by the request.
    `topics` tells the topic of a question by samples, `tuned_topics` by a tuned classifier: one price for each begun
    1,000 or 250 tokens.
    """

    speech: Price = Price(SPEECH, "speech-recognition")
    long_speech: Price = Price(SPEECH, "speech-recognition-long")
    voice: Price = Price(VOICE, "speech-synthesis")
    documents: Price = Price(EMBEDDING, "text-search-doc")
    questions: Price = Price(EMBEDDING, "text-search-query")
    pages: Price = Price(SEARCH, "search-pages")
    answer: Price = Price(SEARCH, "search-answer")
    store: Price = Price(SEARCH, "vector-store-search")
    topics: Price = Price(TOPIC, "few-shot-classifier", per=1000, block=1000)
    tuned_topics: Price = Price(TOPIC, "tuned-classifier", per=250, block=250)
    currency: str = "RUB"

    @classmethod
    def from_settings(cls, settings: Settings) -> PriceList:
        """The prices that the operator has set, under the names of the default price list."""
        default, block = cls(), settings.speech_block
        return cls(
            speech=replace(default.speech, price=settings.speech_price, per=block, block=block),
            long_speech=replace(default.long_speech, price=settings.speech_long_price, per=block, block=block),
            voice=replace(default.voice, price=settings.voice_price, per=1000),
            documents=replace(default.documents, price=settings.embedding_price, per=1000),
            questions=replace(default.questions, price=settings.embedding_price, per=1000),
            pages=replace(default.pages, price=settings.search_price),
            answer=replace(default.answer, price=settings.search_answer_price),
            store=replace(default.store, price=settings.vector_store_price),
            topics=replace(default.topics, price=settings.topic_price),
            tuned_topics=replace(default.tuned_topics, price=settings.topic_price),
            currency=settings.currency,
        )


def cost(profile: Profile, usage: Usage, mode: str = SYNC) -> int:
    """The price in millionths of the tokens and of the model's own searches; tokens are cheaper in the mode `LATER`."""
    return _tokens(profile, usage, mode) + millionths(profile.price_search * usage.searches)


def most(profile: Profile, usage: Usage, mode: str = SYNC) -> int:
    """The highest price in millionths of an answer with these tokens, with `MOST_SEARCHES` searches by the model."""
    return cost(profile, replace(usage, searches=MOST_SEARCHES), mode)


def _tokens(profile: Profile, usage: Usage, mode: str) -> int:
    plain = max(usage.prompt - usage.cached - usage.tools, 0)
    whole = profile.price_in * plain + profile.price_out * usage.completion
    whole += (profile.price_in if profile.price_cached is None else profile.price_cached) * usage.cached
    whole += (profile.price_in if profile.price_tools is None else profile.price_tools) * usage.tools
    whole /= 1000
    if mode == BATCH:
        return millionths(whole * profile.batch_share)
    return millionths(whole * profile.async_share if mode == LATER and profile.asynchronous else whole)


def book_answer(
    tx: Tx, where: Address, user: int, turn: str, model: str, profile: Profile, usage: Usage, mode: str = SYNC
) -> int:  # fmt: skip
    """Add a model's answer to the ledger, in the transaction that stores it, and its own searches as a second line.

    Returns the sum in millionths.
    """
    tokens = _tokens(profile, usage, mode)
    tx.ledger.add_line(where, user, turn, model, usage, mode=mode, cost=tokens)
    if usage.searches:
        price = cost(profile, usage, mode) - tokens
        tx.ledger.add_line(where, user, turn, SEARCHED, Usage(), mode=SEARCH, cost=price, units=usage.searches)
    return cost(profile, usage, mode)


def shown(language: str, amount: int, unit: str) -> str:
    """An amount in millionths as people write it: "12.30 RUB", "12,30 ₽"; with four places below one hundredth."""
    places = 2 if amount % MILLION == 0 or amount >= MILLION // 100 or not amount else 4
    text = f"{Decimal(amount) / MILLION:,.{places}f}"
    if known(language) == "ru":
        text = text.replace(",", "\u00a0").replace(".", ",")
        return f"{text}\u00a0{currency(language, unit)}"
    return f"{text} {currency(language, unit)}"


def currency(language: str, unit: str) -> str:
    """The sign after an amount: the code of the currency `unit`, or "₽" for the rouble in Russian."""
    return "₽" if known(language) == "ru" and unit == "RUB" else unit
