"""A short idea for a picture becomes a richer description of it: one request to the text model, paid and booked.

Begin with `PromptImprover.improve`. A model that fails costs a sentence, never the picture.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field

from bot.ai import Finish, Request
from bot.billing.budget import Budget
from bot.conversation.helper_model import PaidBy, ask_paid
from bot.errors import ModelError
from bot.llm.routing import Routing
from bot.prompts.catalog import instruct
from bot.storage.store import Store
from bot.types import Incoming, Message

log = logging.getLogger(__name__)

LONGEST = 500  # characters (YandexART)
SHORT = 200  # ... of an idea that is worth it
DEADLINE = 40.0  # seconds
MOST_TOKENS = 400
QUOTES = "\"'«»“”„`*"
FENCE = re.compile(r"^```\w*|```$")
LABEL = re.compile(r"^(?:description|prompt|описание|промпт)\s*:\s*", re.IGNORECASE)
ENDS = (". ", "! ", "? ", "; ", ", ", " ")


@dataclass(slots=True)
class PromptImprover:
    """Makes a picture's description richer, with the model that answers in the chat."""

    store: Store
    routing: Routing
    budget: Budget = field(default_factory=Budget)

    async def improve(self, incoming: Incoming, idea: str) -> str:
        """The description, "" where the model could not make one. Raises `LimitReached`."""
        chosen, _ = self.routing.resolve(incoming.chat.model, incoming.chat.own_model)
        offer = self.routing.available(chosen)
        profile = offer.model.profile
        messages = (Message.of("system", instruct(incoming.language, "image.improve")), Message.of("user", idea))
        off = "none" if profile.reasoning else ""
        most = min(MOST_TOKENS, profile.max_tokens)
        request = Request(messages, temperature=0.7, max_tokens=most, reasoning=off)
        payer = PaidBy(incoming, incoming.id, self.budget)
        try:
            text, finish = await ask_paid(self.store, offer.model, request, payer, name=offer.name, deadline=DEADLINE)
        except ModelError as error:
            log.warning("the description of a picture was not improved: %s: %s", type(error).__name__, error)
            return ""
        return "" if finish in (None, Finish.FILTERED) else tidied(text)


def tidied(text: str) -> str:
    """Only the description, in one line, not longer than can be drawn."""
    bare = LABEL.sub("", FENCE.sub("", text.strip()).strip(QUOTES + " \n"))
    line = " ".join(bare.split()).strip(QUOTES + " ")
    if len(line) <= LONGEST:
        return line
    head = line[:LONGEST]
    end = next((place for mark in ENDS if (place := head.rfind(mark)) >= LONGEST // 2), LONGEST)
    return head[: end + 1].rstrip(" ,;")
