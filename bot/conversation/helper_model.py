"""Requests to a model beside the conversation: a title for a chat, a summary, the description of a picture.

Begin with `ask_paid`, which reserves the price, asks the model and books the usage (`billed`). Jobs ask through
`HelperModel`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

from bot.ai import Chunk, Finish, Model, Request, Usage
from bot.billing import pricing
from bot.billing.budget import Budget
from bot.errors import LimitReached, ModelError, ModelUnavailable
from bot.llm import prompt
from bot.storage.store import Store, Tx
from bot.telemetry import tracing
from bot.types import Incoming, Job, Message, User

MODE = "aside"  # in the ledger
MOST_TRIES = 4  # of a job: nobody waits for its answer
Then = Callable[[Tx, str], object]


@dataclass(frozen=True, slots=True)
class PaidBy:
    """Who pays for a request: the user and chat of `incoming`, in the line of the ledger that `turn` names."""

    incoming: Incoming
    turn: str
    budget: Budget


@dataclass(slots=True, kw_only=True)
class Bill:
    """What a request has brought so far: the text, the usage that the service reports, why the answer has ended."""

    text: str = ""
    usage: Usage | None = None
    finish: Finish | None = None

    def add(self, chunk: Chunk) -> None:
        """Count a piece of the answer."""
        self.text = chunk.text if chunk.replaces else self.text + chunk.text
        self.usage, self.finish = chunk.usage or self.usage, chunk.finish


@asynccontextmanager
async def billed(
    store: Store, model: Model, request: Request, payer: PaidBy,
    *, name: str = "", mode: str = MODE, ratio: prompt.Ratio | None = None, then: Then | None = None,
) -> AsyncIterator[Bill]:  # fmt: skip
    """Reserve the price of a request, run the block that asks the model, and book what the `Bill` has then.

    A block that fails or is cancelled pays for what it has added to the bill. Arguments are those of `ask_paid`. Raises
    `LimitReached` before the block runs.
    """
    ratio, asked = ratio or prompt.Ratio(), payer.incoming
    most = prompt.most(request, ratio)
    price = pricing.most(model.profile, most)
    held = await store.write(lambda tx: payer.budget.reserve_answer(tx, asked, most.total, price, asked.language))
    bill, failed = Bill(), True
    try:
        yield bill
        failed = False
    finally:
        usage = bill.usage
        if usage is None and (bill.text or not failed):  # the service reported no usage
            usage = Usage(ratio.tokens(prompt.size(request)), ratio.tokens(len(bill.text)))

        def book(tx: Tx) -> None:
            cost = 0
            if usage is not None:
                where, user = asked.address, asked.user.id
                cost = pricing.book_answer(tx, where, user, payer.turn, name or model.name, model.profile, usage, mode)
            held.settle(tx, usage.total if usage is not None else 0, cost)
            if not failed and then is not None:
                then(tx, bill.text.strip())

        # The answer is paid for: a full disk must not make the bot ask, and pay, again.
        await store.write_until_stored(book)


async def ask_paid(
    store: Store, model: Model, request: Request, payer: PaidBy,
    *, name: str = "", deadline: float | None = None, ratio: prompt.Ratio | None = None, then: Then | None = None,
) -> tuple[str, Finish | None]:  # fmt: skip
    """Ask a model and book the usage. Returns the text of the answer and the reason why it ended.

    `name` is the model's name in the ledger, "" for its own. `then` is called with the text in the transaction that
    books the usage. `deadline` is in seconds. Raises `LimitReached` before the model is asked, and the model's
    `ModelError` after booking what it had written.
    """
    async with billed(store, model, request, payer, name=name, ratio=ratio, then=then) as bill:
        try:
            async with asyncio.timeout(deadline), aclosing(tracing.model_stream(model, request)) as chunks:
                async for chunk in chunks:
                    bill.add(chunk)
        except TimeoutError:
            raise ModelUnavailable(f"no answer within {deadline:g} s") from None
    return bill.text.strip(), bill.finish


@dataclass(slots=True, kw_only=True)
class HelperModel:
    """The cheap model for background jobs; the user for whom a job runs pays for it within `budget`."""

    store: Store
    model: Model
    budget: Budget = field(default_factory=Budget)
    _ratio: prompt.Ratio = field(default_factory=prompt.Ratio)

    async def ask(self, job: Job, system: str, text: str, longest: int, then: Then) -> bool:
        """Ask the model for a job, and call `then` with the answer in the transaction that books the usage.

        False: the budget or the last try is used up, so there will be no answer. `job.payload` names the `user`;
        `longest` is in tokens. Raises the model's `ModelError` while the job can be tried again.
        """
        messages = (Message.of("system", system), Message.of("user", text))
        request = Request(messages, temperature=0.2, max_tokens=longest)
        incoming = Incoming(f"{job.kind} {job.key}", job.address, User(int(job.payload["user"])))
        try:
            payer = PaidBy(incoming, job.key, self.budget)
            await ask_paid(self.store, self.model, request, payer, ratio=self._ratio, then=then)
        except LimitReached:
            return False
        except ModelError:
            if job.attempts + 1 >= MOST_TRIES:
                return False
            raise
        return True
