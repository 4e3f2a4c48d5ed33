"""Models for a programmer's code, inside budget and ledger: `Running.ask` and `Running.stream`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from bot.ai import Chunk, Finish, Model, Profile, Request
from bot.billing.budget import Budget
from bot.conversation.helper_model import PaidBy, billed
from bot.errors import ModelRefused, ModelUnavailable
from bot.extension.running import Payer
from bot.llm import prompt, structured, whole_answer
from bot.llm.routing import Routing
from bot.storage.store import Store, Tx
from bot.telemetry import tracing, turn_log
from bot.types import Address, Incoming, Message, User

MAIN, HELPER = "main", "helper"  # roles of models
TURN = "own"  # in the ledger, where no turn asks
LONGEST_TURN = 64  # characters, in the ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidModel:
    """A `Model` whose requests are reserved, settled and booked as those of `payer`. `title` names it in the ledger.

    An answer has `deadline` seconds.
    """

    store: Store
    model: Model
    payer: PaidBy
    title: str
    deadline: float
    ratio: prompt.Ratio

    @property
    def name(self) -> str:
        """The name of the model."""
        return self.model.name

    @property
    def profile(self) -> Profile:
        """What the model can do, and its prices."""
        return self.model.profile

    async def stream(self, request: Request) -> AsyncGenerator[Chunk, None]:
        """Ask the model. Raises `LimitReached` before it is asked, and its `ModelError`s."""
        end = asyncio.get_running_loop().time() + self.deadline
        async with billed(
            self.store, self.model, request, self.payer, name=self.title, ratio=self.ratio
        ) as bill, aclosing(tracing.model_stream(self.model, request)) as chunks:  # fmt: skip
            while True:
                try:
                    async with asyncio.timeout_at(end):
                        chunk = await anext(chunks, None)
                except TimeoutError:
                    raise ModelUnavailable(f"{self.name}: no answer within {self.deadline:g} s") from None
                if chunk is None:
                    return
                bill.add(chunk)
                yield chunk


@dataclass(slots=True, kw_only=True)
class ProgramModels:
    """Asks models for a programmer's code, in the bot `bot`. `helper` is the cheap model, called `helper_name`."""

    store: Store
    bot: int
    routing: Routing
    helper: Model
    helper_name: str
    budget: Budget
    deadline: float

    async def ask(self, question: str, schema: type[Any] | None, payer: Payer, model: str, system: str) -> Any:
        """See `Running.ask`."""
        if schema is not None and not (isinstance(schema, type) and issubclass(schema, BaseModel)):
            raise TypeError(f"ask: a pydantic model is expected, and not {schema!r:.80}: class Answer(BaseModel): ...")
        paid = await self._paid(payer, model)
        if schema is not None:
            return await structured.ask(paid, question, schema, system=system, language=paid.payer.incoming.language)
        return (await whole_answer.ask(paid, _request(question, system))).text.strip()

    async def stream(self, question: str, payer: Payer, model: str, system: str) -> AsyncGenerator[str, None]:
        """See `Running.stream`."""
        paid, shown = await self._paid(payer, model), 0
        async with aclosing(paid.stream(_request(question, system))) as chunks:
            async for chunk in chunks:
                if chunk.finish is Finish.FILTERED:
                    raise ModelRefused(f"{paid.name} refused the question")
                piece = chunk.text[shown:] if chunk.replaces else chunk.text
                shown += len(piece)
                if piece:
                    yield piece

    async def _paid(self, payer: Payer, name: str) -> PaidModel:
        title, model = self._chosen(name)
        incoming, budget = await self._payer(payer)
        by = PaidBy(incoming, incoming.id[:LONGEST_TURN], budget)
        return PaidModel(
            store=self.store, model=model, payer=by, title=title, deadline=self.deadline, ratio=prompt.Ratio()
        )

    def _chosen(self, name: str) -> tuple[str, Model]:
        if name == HELPER:
            return self.helper_name, self.helper
        name = self.routing.default.name if name == MAIN else name
        option = self.routing.by_name(name)
        if not option.has_name(name):
            names = ", ".join(one.name for one in self.routing.options)
            raise ValueError(f"{name!r} is no model of this bot: there are main, helper, {names}")
        return option.name, option.model

    async def _payer(self, payer: Payer) -> tuple[Incoming, Budget]:
        """Return in whose name a request is booked, and the budget that it must fit into."""
        turn = turn_log.current.get().name or TURN
        if isinstance(payer, Incoming):
            return payer, self.budget
        if payer is None:  # only what the whole bot may spend counts
            caps = {kind: getattr(self.budget, kind).of_bot() for kind in ("tokens", "money")}
            return Incoming(turn, Address("telegram", self.bot, 0), User(0)), Budget(access=self.budget.access, **caps)
        user = User(payer) if isinstance(payer, int) else payer

        def language(tx: Tx) -> str:
            return tx.chats.read_language(self.bot, user.id)

        known = replace(user, language=await self.store.read(language))
        return Incoming(turn, Address("telegram", self.bot, user.id), known), self.budget


def _request(question: str, system: str) -> Request:
    return Request((*([Message.of("system", system)] if system else []), Message.of("user", question)))
