"""Asks the helper model which of the passages that were found help to answer a question: `PassageRanker.order`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel

from bot.ai import Model
from bot.billing.budget import Budget
from bot.conversation.helper_model import PaidBy, ask_paid
from bot.errors import LimitReached, ModelError
from bot.knowledge.search.retrieval import MOST_PASSAGES
from bot.llm import prompt, structured
from bot.prompts.catalog import instruct
from bot.storage.repositories.knowledge.passages import StoredPassage
from bot.storage.store import Store
from bot.types import Incoming

log = logging.getLogger(__name__)

PATIENCE = 2.0  # seconds that a question waits
LONGEST_TEXT, LONGEST_QUESTION = 500, 2_000  # characters of a passage, and of the question, that the model is shown
TOKENS = 80  # of its answer


class Best(BaseModel):
    """The numbers of the passages that help to answer, best first."""

    best: list[int]


@dataclass(slots=True, kw_only=True)
class PassageRanker:
    """Orders the first `most` passages of a search with the helper model; the sender pays within `budget`."""

    store: Store
    model: Model
    budget: Budget
    most: int
    _ratio: prompt.Ratio = field(default_factory=prompt.Ratio)

    async def order(
        self, incoming: Incoming, question: str, passages: Sequence[StoredPassage], language: str
    ) -> Sequence[int]:
        """The places of the passages, best first. Those that the model does not name follow as the search has them.

        If the model fails, is late, may not be paid, or names none of them, the order of the search stays.
        """
        order = instruct(language, "knowledge.rerank", most=MOST_PASSAGES)
        listed = [
            {"passage": number, "place": one.place, "text": one.text[:LONGEST_TEXT]}
            for number, one in enumerate(passages, 1)
        ]
        material = {"question": question[:LONGEST_QUESTION], "passages": listed}
        request = structured.request_about(material, order, Best, language, TOKENS)
        payer = PaidBy(incoming, incoming.id, self.budget)
        try:
            said, _ = await ask_paid(
                self.store, self.model, request, payer, deadline=PATIENCE, ratio=self._ratio
            )  # fmt: skip
            named = [number - 1 for number in structured.read(said, Best).best]
        except (LimitReached, ModelError, ValueError) as error:
            log.warning("passages stay in the order of the search: %s: %s", type(error).__name__, error)
            named = []
        there = range(len(passages))
        best = [place for place in dict.fromkeys(named) if place in there]
        return [*best, *(place for place in there if place not in best)]
