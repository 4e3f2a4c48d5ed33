"""Makes a question that leans on the conversation ("and how much is it?") one that can be searched for alone.

Begin with `QuestionRewriter.rewrite`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.ai import Finish, Model, Request
from bot.billing.budget import Budget
from bot.conversation.helper_model import PaidBy, ask_paid
from bot.errors import LimitReached, ModelError
from bot.knowledge.stems import WORD, stems
from bot.llm import prompt
from bot.prompts.catalog import instruct
from bot.storage.store import Store
from bot.types import Incoming, Message

log = logging.getLogger(__name__)

PATIENCE = 2.0  # seconds that a question waits
FEW_WORDS = 4
ENOUGH = 2  # words that tell something, with which a question can be searched for alone
TURNS = 4  # of the conversation that the model is shown
LONGEST_MESSAGE = 1_000  # characters of each of its messages
LONGEST_TOKENS, LONGEST = 100, 400  # of the new question, in tokens and in characters
POINTS_BACK = """
он она оно они его ее него нее их них ему ей им ним ней нем это этого этому этим этом этот эта эту этой эти этих там
туда такой такая такое такие it its they them their theirs he him his she her hers this these those
"""
POINTING = frozenset(POINTS_BACK.split())


def leans(question: str) -> bool:
    """Whether a question can't be understood alone: it is too short, or has a word such as "it" that refers to an
    earlier text.
    """
    return _points(question) or len(stems(question)) <= FEW_WORDS


def _points(question: str) -> bool:
    return not POINTING.isdisjoint(WORD.findall(question.lower().replace("ё", "е")))


@dataclass(slots=True, kw_only=True)
class QuestionRewriter:
    """Rewrites questions with the helper model; the sender pays within `budget`."""

    store: Store
    model: Model
    budget: Budget
    _ratio: prompt.Ratio = field(default_factory=prompt.Ratio)

    async def rewrite(self, incoming: Incoming, question: str, earlier: Sequence[Message], language: str) -> str:
        """Return the question in a form that can be understood without the `earlier` messages; unchanged if it needs
        none of them.

        The model's text is not used if the model fails, is late, may not be paid, or drops most words of the question.
        Then a question that says nothing alone is put behind the previous one, and any other is returned unchanged.
        """
        asked = [message.text for message in earlier if message.role == "user" and message.text]
        if not asked or not leans(question):
            return question
        said = "\n".join(f"{one.role}: {one.text[:LONGEST_MESSAGE]}" for one in earlier[-2 * TURNS :] if one.text)
        wish = instruct(language, "knowledge.rewrite")
        text = instruct(language, "knowledge.rewrite.question", said=said, question=question)
        messages = (Message.of("system", wish), Message.of("user", text))
        request = Request(messages, temperature=0.0, max_tokens=LONGEST_TOKENS)
        payer = PaidBy(incoming, incoming.id, self.budget)
        try:
            new, finish = await ask_paid(
                self.store, self.model, request, payer, deadline=PATIENCE, ratio=self._ratio
            )  # fmt: skip
        except (LimitReached, ModelError) as error:
            log.warning("a question is not rewritten: %s", error)
        else:
            if finish is Finish.STOP and 0 < len(new) <= LONGEST and _keeps(question, new):
                return new
        alone = not _points(question) and len(stems(question)) >= ENOUGH
        return question if alone else f"{asked[-1]}\n{question}"


def _keeps(question: str, new: str) -> bool:
    """Whether a rewritten question still has at least half of the words that tell something: it is no answer then."""
    told = {stem for stem in stems(question) if stem not in POINTING}
    return 2 * len(told & set(stems(new))) >= len(told)
