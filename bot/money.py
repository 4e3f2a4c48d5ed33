"""What a request costs, how that is said, and the ledger. Begin with `book`: whoever pays for something calls it.

Money is whole millionths of the currency, rounded up for each request, as the service does. Prices are data: of a
model in its `Profile`, of the rest in the settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from bot.outbox import Effect, put
from bot.storage.store import Store, Tx
from bot.texts.catalog import known, say
from bot.types import Address, Incoming, Outgoing, Profile, Reply, Usage

MILLION = 1_000_000
SYNC, LATER, IMAGE, EMBEDDING = "sync", "async", "image", "embedding"  # the modes of the ledger


def millionths(amount: Decimal) -> int:
    return int((amount * MILLION).to_integral_value(ROUND_CEILING))


def cost(profile: Profile, usage: Usage, mode: str = SYNC) -> int:
    """What these tokens cost; less where the model was asked to answer later."""
    whole = (profile.price_in * usage.prompt + profile.price_out * usage.completion) / 1000
    return millionths(whole * profile.async_share if mode == LATER and profile.asynchronous else whole)


def of_tokens(price: Decimal, tokens: int) -> int:
    """What is sold by the 1,000 tokens at one price: embeddings."""
    return millionths(price * tokens / 1000)


def book(
    tx: Tx, where: Address, user: int, turn: str, model: str, usage: Usage, price: int, mode: str = SYNC
) -> None:  # fmt: skip
    """Write down a request that was paid for, in the transaction that stores what it gave."""
    tx.usage.add(where, user, turn, model, usage, mode=mode, cost=price)


def shown(language: str, amount: int, currency: str) -> str:
    """An amount as people write it: "12.30 RUB", "12,30 ₽"; what is less than a hundredth is not nothing."""
    places = 2 if amount % MILLION == 0 or amount >= MILLION // 100 or not amount else 4
    text = f"{Decimal(amount) / MILLION:,.{places}f}"
    if known(language) == "ru":
        text = text.replace(",", "\u00a0").replace(".", ",")
        return f"{text}\u00a0{'₽' if currency == 'RUB' else currency}"
    return f"{text} {currency}"


# --- asked before -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Choice:
    """A button under the question whether something expensive is to be done."""

    label: str
    action: str
    payload: Mapping[str, str | int]


async def ask_first(
    store: Store, incoming: Incoming, reply: Reply, sentence: str, *choices: Choice, also: Effect | None = None
) -> None:  # fmt: skip
    """End the turn with the price and the buttons; what was asked for is kept, and nothing is spent yet."""

    def work(tx: Tx) -> None:
        if also is not None:
            also(tx)
        where, user = incoming.address, incoming.user.id
        rows = tuple(
            (tx.buttons.queued(where, incoming.id, user, choice.label, choice.action, **choice.payload),)
            for choice in choices
        )
        put(tx, incoming, Outgoing(sentence, plain=True, buttons=rows, reply_to=_quoted(incoming)))

    await store.write(work)
    await reply.finish()


def question(
    language: str, asked: int, price: str, cheaper: tuple[str, str, str] | None, later: str = ""
) -> tuple[str, list[Choice]]:
    """The sentence and the buttons for an expensive answer to the message `asked`.

    `cheaper`: name, title and price of another model. `later`: the turn to answer later, "" where that can't be.
    """
    choices = [Choice(say(language, "price.answer"), "price.answer", {"question": asked})]
    if cheaper is not None:
        name, title, less = cheaper
        label = say(language, "price.cheaper", model=title, price=less)
        choices.append(Choice(label, "price.cheaper", {"question": asked, "model": name}))
    if later:
        choices.append(Choice(say(language, "later.button"), "later", {"turn": later}))
    choices.append(Choice(say(language, "price.drop"), "price.drop", {"question": asked}))
    return say(language, "price.question", price=price), choices


def _quoted(incoming: Incoming) -> int:
    return 0 if incoming.private else incoming.message_id
