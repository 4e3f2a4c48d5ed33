"""A short idea for a picture becomes a richer description of it: one request to the text model, paid and booked.

Begin with `Improving.improve`. A model that fails costs a sentence, never the picture.
"""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import aclosing
from dataclasses import dataclass, field

from bot.ai import Chunk, Finish, Request, Usage
from bot.billing import pricing
from bot.billing.budget import Budget, Reservation
from bot.errors import ModelError
from bot.llm import prompt
from bot.llm.routing import ModelOption, Routing
from bot.storage.repositories.chats import Choices
from bot.storage.store import Store, Tx
from bot.telemetry import tracing
from bot.texts.catalog import say
from bot.types import Incoming, Message

log = logging.getLogger(__name__)

MODE = "aside"  # in the ledger
LONGEST = 500  # characters (YandexART)
SHORT = 200  # ... of an idea that is worth it
DEADLINE = 40.0  # seconds
MOST_TOKENS = 400
QUOTES = "\"'«»“”„`*"
FENCE = re.compile(r"^```\w*|```$")
LABEL = re.compile(r"^(?:description|prompt|описание|промпт)\s*:\s*", re.IGNORECASE)
ENDS = (". ", "! ", "? ", "; ", ", ", " ")


@dataclass(slots=True)
class Improving:
    store: Store
    routing: Routing
    budget: Budget = field(default_factory=Budget)

    async def improve(self, incoming: Incoming, idea: str) -> str:
        """The description, "" where the model could not make one. Raises `LimitReached`."""
        where, user = incoming.address, incoming.user.id
        choices = await self.store.read(lambda tx: tx.chats.choices(where, user))
        offer, request = self._request(choices, choices.language_for(incoming.user), idea)
        held = await self.store.write(lambda tx: self._hold(tx, incoming, choices, offer, request))
        text, usage, finish = await self._ask(offer, request)

        def book(tx: Tx) -> None:
            if usage is None:
                held.settle(tx, 0, 0)
                return
            profile = offer.model.profile
            price = pricing.book_answer(tx, where, user, incoming.id, offer.name, profile, usage, MODE)
            held.settle(tx, usage.total, price)

        # What the model was paid for is not asked for again because the disk is full just now.
        await self.store.patiently(lambda: self.store.write(book))
        return "" if finish in (None, Finish.FILTERED) else tidied(text)

    def _request(self, choices: Choices, language: str, idea: str) -> tuple[ModelOption, Request]:
        chosen, _ = self.routing.settle(choices.model, choices.own_model)
        offer = self.routing.ready(chosen)
        messages = (Message.of("system", say(language, "image.improve.system")), Message.of("user", idea))
        most = min(MOST_TOKENS, offer.model.profile.max_tokens)
        off = "none" if offer.model.profile.reasoning else ""
        return offer, Request(messages, temperature=0.7, max_tokens=most, reasoning=off)

    def _hold(self, tx: Tx, incoming: Incoming, choices: Choices, offer: ModelOption, request: Request) -> Reservation:
        most = prompt.most(request, prompt.Ratio())
        price = pricing.most(offer.model.profile, most)
        return self.budget.hold(tx, incoming, most.total, price, choices.language_for(incoming.user))

    async def _ask(self, offer: ModelOption, request: Request) -> tuple[str, Usage | None, Finish | None]:
        """What came of it; without a finish it is no answer, but may have been paid."""
        last, text, usage = Chunk(), "", None
        try:
            async with asyncio.timeout(DEADLINE), aclosing(tracing.model_stream(offer.model, request)) as chunks:
                async for last in chunks:
                    text = last.text if last.replaces else text + last.text
                    usage = last.usage or usage
        except (ModelError, TimeoutError) as error:
            log.warning("the description of a picture was not improved: %s: %s", type(error).__name__, error)
            return text, usage or (self._guessed(request, text) if text else None), None
        return text, usage or self._guessed(request, text), last.finish

    @staticmethod
    def _guessed(request: Request, text: str) -> Usage:
        """Where the service does not tell it."""
        ratio = prompt.Ratio()
        return Usage(ratio.tokens(prompt.size(request)), ratio.tokens(len(text)))


def tidied(text: str) -> str:
    """Only the description, in one line, not longer than can be drawn."""
    bare = LABEL.sub("", FENCE.sub("", text.strip()).strip(QUOTES + " \n"))
    line = " ".join(bare.split()).strip(QUOTES + " ")
    if len(line) <= LONGEST:
        return line
    head = line[:LONGEST]
    end = next((place for mark in ENDS if (place := head.rfind(mark)) >= LONGEST // 2), LONGEST)
    return head[: end + 1].rstrip(" ,;")
