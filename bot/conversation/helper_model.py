"""A short question to a cheap model beside the conversation, asked by a job: the name of a chat, a summary."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from bot.ai import Model, Request, Usage
from bot.billing import pricing
from bot.billing.budget import Budget
from bot.errors import LimitReached, ModelError
from bot.llm import prompt
from bot.storage.store import Store, Tx
from bot.telemetry import tracing
from bot.types import Incoming, Job, Message, User

MODE = "aside"  # in the ledger
MOST_TRIES = 4  # what nobody waits for is not worth more


@dataclass(slots=True)
class HelperModel:
    """`model` answers; what it costs is held back and booked as the user's."""

    store: Store
    model: Model
    budget: Budget = field(default_factory=Budget)
    _ratio: prompt.Ratio = field(default_factory=prompt.Ratio)

    async def ask(self, job: Job, system: str, text: str, longest: int, then: Callable[[Tx, str], object]) -> bool:
        """Ask, and carry out `then` with the answer in the transaction that books it. False: there will be no answer.

        The job's `payload` names the `user`. Raises `ModelError`s while it is worth trying again.
        """
        messages = (Message.of("system", system), Message.of("user", text))
        request = Request(messages, temperature=0.2, max_tokens=longest)
        incoming = Incoming(f"{job.kind} {job.key}", job.address, User(int(job.payload["user"])))
        most = prompt.most(request, self._ratio)
        price = pricing.most(self.model.profile, most)
        try:
            held = await self.store.write(lambda tx: self.budget.hold(tx, incoming, most.total, price, ""))
        except LimitReached:
            return False
        try:
            answer, usage = await self._answer(request)
        except ModelError:
            await self.store.write(lambda tx: held.settle(tx, 0, 0))
            if job.attempts + 1 >= MOST_TRIES:
                return False
            raise

        def work(tx: Tx) -> None:
            spent = usage or Usage(self._ratio.tokens(prompt.size(request)), self._ratio.tokens(len(answer)))
            where, user, model = job.address, incoming.user.id, self.model
            cost = pricing.book_answer(tx, where, user, job.key, model.name, model.profile, spent, MODE)
            held.settle(tx, spent.total, cost)
            then(tx, answer)

        await self.store.write(work)
        return True

    async def _answer(self, request: Request) -> tuple[str, Usage | None]:
        text, usage = "", None
        async with aclosing(tracing.model_stream(self.model, request)) as chunks:
            async for chunk in chunks:
                text = chunk.text if chunk.replaces else text + chunk.text
                usage = chunk.usage or usage
        return text.strip(), usage
