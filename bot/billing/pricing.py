"""What a request costs, how that is said, and the ledger. Begin with `book`: whoever pays for something calls it.

Money is whole millionths of the currency, rounded up for each request, as the service does. Prices are data: of a model
in its `Profile`, of the rest in the settings, as a `Price` (`billing/metering.py` holds back and books what those
cost).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal

from bot.ai import Profile, Usage
from bot.config.settings import Settings
from bot.storage.repositories.money.ledger import EMBEDDING, SEARCH, SPEECH, VOICE
from bot.storage.store import Tx
from bot.texts.catalog import known
from bot.types import Address

MILLION = 1_000_000
SYNC, LATER, IMAGE = "sync", "async", "image"  # the modes of the ledger, and those of `storage.usage`
MOST_SEARCHES = 3  # of a model's own that are held back for one answer
SEARCHED = "web-search"  # what the ledger calls them


def millionths(amount: Decimal) -> int:
    return int((amount * MILLION).to_integral_value(ROUND_CEILING))


@dataclass(frozen=True, slots=True)
class Price:
    """What a service costs: `price` for `per` units; begun `block`s of them count whole. `name` is the ledger's."""

    mode: str
    name: str
    price: Decimal = Decimal(0)
    per: int = 1
    block: int = 1

    def cost(self, units: int) -> int:
        return millionths(self.price * (-(-units // self.block) * self.block) / self.per)


@dataclass(frozen=True, slots=True)
class PriceList:
    """What is asked of services besides answers and pictures; without a price it costs nothing, but is counted.

    `speech` is recognised at once, `long_speech` as an operation, both by the second; `voice` is spoken, by the
    character; `documents` and `questions` become vectors, by the token; `pages` are looked for, `answer` is written by
    the search.
    """

    speech: Price = Price(SPEECH, "speech-recognition")
    long_speech: Price = Price(SPEECH, "speech-recognition-long")
    voice: Price = Price(VOICE, "speech-synthesis")
    documents: Price = Price(EMBEDDING, "text-search-doc")
    questions: Price = Price(EMBEDDING, "text-search-query")
    pages: Price = Price(SEARCH, "search-pages")
    answer: Price = Price(SEARCH, "search-answer")
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
            currency=settings.currency,
        )


def cost(profile: Profile, usage: Usage, mode: str = SYNC) -> int:
    """What these tokens cost, less where the model was asked to answer later, and the searches of its own."""
    return _tokens(profile, usage, mode) + millionths(profile.price_search * usage.searches)


def most(profile: Profile, usage: Usage, mode: str = SYNC) -> int:
    """The same of the most that an answer can take: how often a model will search is not known before."""
    return cost(profile, replace(usage, searches=MOST_SEARCHES), mode)


def _tokens(profile: Profile, usage: Usage, mode: str) -> int:
    whole = (profile.price_in * usage.prompt + profile.price_out * usage.completion) / 1000
    return millionths(whole * profile.async_share if mode == LATER and profile.asynchronous else whole)


def book(
    tx: Tx, where: Address, user: int, turn: str, model: str, usage: Usage, price: int, mode: str = SYNC, units: int = 0
) -> None:  # fmt: skip
    """Write down a request that was paid for, in the transaction that stores what it gave."""
    tx.ledger.add_line(where, user, turn, model, usage, mode=mode, cost=price, units=units)


def book_answer(
    tx: Tx, where: Address, user: int, turn: str, model: str, profile: Profile, usage: Usage, mode: str = SYNC
) -> int:  # fmt: skip
    """The same for what a model wrote; its own searches have a line of theirs. Returns what it cost in all."""
    tokens = _tokens(profile, usage, mode)
    book(tx, where, user, turn, model, usage, tokens, mode)
    if usage.searches:
        price = cost(profile, usage, mode) - tokens
        book(tx, where, user, turn, SEARCHED, Usage(), price, SEARCH, usage.searches)
    return cost(profile, usage, mode)


def shown(language: str, amount: int, unit: str) -> str:
    """An amount as people write it: "12.30 RUB", "12,30 ₽"; what is less than a hundredth is not nothing."""
    places = 2 if amount % MILLION == 0 or amount >= MILLION // 100 or not amount else 4
    text = f"{Decimal(amount) / MILLION:,.{places}f}"
    if known(language) == "ru":
        text = text.replace(",", "\u00a0").replace(".", ",")
        return f"{text}\u00a0{currency(language, unit)}"
    return f"{text} {currency(language, unit)}"


def currency(language: str, unit: str) -> str:
    """What stands after an amount, everywhere alike: the code of the currency, in Russian the rouble's sign."""
    return "₽" if known(language) == "ru" and unit == "RUB" else unit
