"""Short questions to a model beside the conversation: the name of a chat, a summary, the description of a picture.

Begin with `ask_paid`, which holds back, asks and books; `HelperModel` is what the jobs of the conversation use.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
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
MOST_TRIES = 4  # what nobody waits for is not worth more
Then = Callable[[Tx, str], object]


@dataclass(frozen=True, slots=True)
class PaidBy:
    """Who pays for a question beside the conversation: `incoming` names user and chat, `turn` the ledger's line."""

    incoming: Incoming
    turn: str
    budget: Budget


async def ask_paid(
    store: Store, model: Model, request: Request, payer: PaidBy,
    *, name: str = "", deadline: float | None = None, ratio: prompt.Ratio | None = None, then: Then | None = None,
) -> tuple[str, Finish | None]:  # fmt: skip
    """Ask a model, and book what that cost: its text, and how that ended.

    `name` is what the ledger calls the model, "" for its own name. `then` is carried out with the text in the
    transaction that books it. `deadline` is in seconds. Raises `LimitReached` before anything is asked, and a
    `ModelError`: then only what had been written is paid.
    """
    ratio, asked = ratio or prompt.Ratio(), payer.incoming
    most = prompt.most(request, ratio)
    price = pricing.most(model.profile, most)
    held = await store.write(lambda tx: payer.budget.reserve_answer(tx, asked, most.total, price, asked.language))
    text, last = "", Chunk()
    usage: Usage | None = None
    error: ModelError | None = None
    try:
        async with asyncio.timeout(deadline), aclosing(tracing.model_stream(model, request)) as chunks:
            async for last in chunks:
                text = last.text if last.replaces else text + last.text
                usage = last.usage or usage
    except TimeoutError:
        error = ModelUnavailable(f"no answer within {deadline:g} s")
    except ModelError as failed:
        error = failed
    if usage is None and (text or error is None):  # the service did not tell
        usage = Usage(ratio.tokens(prompt.size(request)), ratio.tokens(len(text)))

    def book(tx: Tx) -> None:
        cost = 0
        if usage is not None:
            where, user = asked.address, asked.user.id
            cost = pricing.book_answer(tx, where, user, payer.turn, name or model.name, model.profile, usage, MODE)
        held.settle(tx, usage.total if usage is not None else 0, cost)
        if error is None and then is not None:
            then(tx, text.strip())

    # What the model was paid for is not asked for again because the disk is full just now.
    await store.retry_until_stored(lambda: store.write(book))
    if error is not None:
        raise error
    return text.strip(), last.finish


@dataclass(slots=True, kw_only=True)
class HelperModel:
    """`model` answers; what it costs is held back and booked as the user's."""

    store: Store
    model: Model
    budget: Budget = field(default_factory=Budget)
    _ratio: prompt.Ratio = field(default_factory=prompt.Ratio)

    async def ask(self, job: Job, system: str, text: str, longest: int, then: Then) -> bool:
        """Ask for a job, and carry out `then` with the answer. False: there will be no answer.

        The job's `payload` names the `user`; `longest` is in tokens. Raises `ModelError`s while it is worth trying
        again.
        """
        request = Request(
            (Message.of("system", system), Message.of("user", text)), temperature=0.2, max_tokens=longest
        )  # fmt: skip
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
