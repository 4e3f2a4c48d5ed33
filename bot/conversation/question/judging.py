"""Asks the helper model whether an answer follows from its quotes. Begin with `SentenceJudge.judge`."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel

from bot.ai import Model
from bot.billing.budget import Budget
from bot.conversation.helper_model import PaidBy, ask_paid
from bot.errors import LimitReached, ModelError
from bot.knowledge.answer.citing import Claim
from bot.llm import prompt, structured
from bot.prompts.catalog import instruct
from bot.storage.store import Store
from bot.types import Incoming

log = logging.getLogger(__name__)

PATIENCE = 10.0  # seconds that a finished answer waits
TOKENS, TOKENS_EACH = 60, 25  # of the verdicts: at most so many, and for each sentence


class Verdict(BaseModel):
    """The model's verdict on one sentence: whether it follows from its quotes."""

    sentence: int
    follows: bool


class Verdicts(BaseModel):
    """The model's verdicts on all sentences of an answer."""

    verdicts: list[Verdict]


@dataclass(slots=True, kw_only=True)
class SentenceJudge:
    """Judges answers with the helper model, in one request for all sentences; the sender pays within `budget`."""

    store: Store
    model: Model
    budget: Budget
    _ratio: prompt.Ratio = field(default_factory=prompt.Ratio)

    async def judge(self, incoming: Incoming, claims: Sequence[Claim], language: str) -> Collection[str]:
        """Return the texts of the claims that do not follow from their quotes.

        Returns None if the model fails, is late, may not be paid, or omits one of the claims. The sentences have passed
        the check of their words and numbers before, so the caller then shows all of them.
        """
        asked = [{"sentence": n, "text": one.text, "quotes": one.quotes} for n, one in enumerate(claims, 1)]
        order, most = instruct(language, "knowledge.judge"), TOKENS + TOKENS_EACH * len(claims)
        request = structured.request_about(asked, order, Verdicts, language, most)
        payer = PaidBy(incoming, incoming.id, self.budget)
        try:
            said, _ = await ask_paid(
                self.store, self.model, request, payer, deadline=PATIENCE, ratio=self._ratio
            )  # fmt: skip
            told = {one.sentence: one.follows for one in structured.read(said, Verdicts).verdicts}
            verdicts = [told[number] for number in range(1, len(claims) + 1)]
        except (LimitReached, ModelError, ValueError, KeyError) as error:
            log.warning("an answer is not judged: %s: %s", type(error).__name__, error)
            self.store.metrics.knowledge_judged.labels("unjudged").inc(len(claims))
            return ()
        left_out = [one.text for one, follows in zip(claims, verdicts, strict=True) if not follows]
        self.store.metrics.knowledge_judged.labels("follows").inc(len(claims) - len(left_out))
        self.store.metrics.knowledge_judged.labels("left_out").inc(len(left_out))
        return left_out
