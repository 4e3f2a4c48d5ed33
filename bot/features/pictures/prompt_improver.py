"""Makes a richer description of a picture out of a short idea, with one paid request to the text model.

Begin with `PromptImprover.improve`. If the model fails, the picture is drawn from the idea as it is.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from typing import Literal

from bot.ai import Finish, Request
from bot.billing.budget import Budget
from bot.conversation.helper_model import PaidBy, ask_paid
from bot.errors import ModelError
from bot.llm.routing import Routing
from bot.prompts.catalog import instruct
from bot.storage.store import Store
from bot.types import Incoming, Message

log = logging.getLogger(__name__)

LONGEST = 500  # characters of a prompt (YandexART)
SHORT = 200  # characters of an idea that is worth improving
DEADLINE = 40.0  # seconds
MOST_TOKENS = 400
QUOTES = "\"'«»“”„`*"
FENCE = re.compile(r"^```\w*|```$")
LABEL = re.compile(r"^(?:description|prompt|описание|промпт)\s*:\s*", re.IGNORECASE)
ENDS = (". ", "! ", "? ", "; ", ", ", " ")


@dataclass(slots=True, kw_only=True)
class PromptImprover:
    """Makes descriptions of pictures richer, with the model that answers in the chat.

    `mode` says whether ideas are improved always, never, or when the user asks for it.
    """

    store: Store
    routing: Routing
    budget: Budget = field(default_factory=Budget)
    mode: Literal["ask", "always", "never"] = "ask"

    def accepts(self, idea: str) -> bool:
        """Whether an idea is short enough to be improved, and the operator wants ideas to be improved at all."""
        return self.mode != "never" and bool(idea.strip()) and len(idea) <= SHORT

    async def improve(self, incoming: Incoming, idea: str) -> str:
        """A richer description of the idea, "" if the model fails or refuses. Raises `LimitReached`."""
        chosen, _ = self.routing.resolve(incoming.chat.model, incoming.chat.own_model)
        option = self.routing.available(chosen)
        profile = option.model.profile
        messages = (Message.of("system", instruct(incoming.language, "image.improve")), Message.of("user", idea))
        off = "none" if profile.reasoning else ""
        most = min(MOST_TOKENS, profile.max_tokens)
        request = Request(messages, temperature=0.7, max_tokens=most, reasoning=off)
        payer = PaidBy(incoming, incoming.id, self.budget)
        try:
            text, finish = await ask_paid(self.store, option.model, request, payer, name=option.name, deadline=DEADLINE)
        except ModelError as error:
            log.warning("the description of a picture was not improved: %s: %s", type(error).__name__, error)
            return ""
        return "" if finish in (None, Finish.FILTERED) else tidied(text)


def tidied(text: str) -> str:
    """The description in the text of a model: one line without labels and quotes, of at most `LONGEST` characters."""
    bare = LABEL.sub("", FENCE.sub("", text.strip()).strip(QUOTES + " \n"))
    line = " ".join(bare.split()).strip(QUOTES + " ")
    if len(line) <= LONGEST:
        return line
    head = line[:LONGEST]
    end = next((index for mark in ENDS if (index := head.rfind(mark)) >= LONGEST // 2), LONGEST)
    return head[: end + 1].rstrip(" ,;")
