"""A model that says which of two answers is better: both orders, ties allowed. Begin with `PairJudge.judge`.

It only adds a line to the report: cases pass or fail without it. What stands in a case is data, and a judge that obeys
it prefers one place, whichever answer stands there: both orders make that a tie.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel

from bot.ai import Model, Request
from bot.billing import pricing
from bot.billing.budget import Budget
from bot.conversation.helper_model import PaidBy, ask_paid
from bot.errors import LimitReached, ModelError
from bot.evaluation.cases import DISLIKED, LIKED
from bot.evaluation.results import Pair
from bot.knowledge.formats.tidying import language_of
from bot.llm import prompt, structured
from bot.prompts.catalog import instruct
from bot.storage.store import Store
from bot.types import Address, Incoming, User

log = logging.getLogger(__name__)

AT_ONCE = 4
TOKENS, MAX_SHOWN = 60, 4_000  # of a preference; characters of an answer that the judge is shown
PATIENCE = 60.0  # seconds


class Choice(BaseModel):
    """Which of two answers is better."""

    better: Literal["first", "second", "tie"]


class Preference(StrEnum):
    """What a judge says in both orders: the new answer, the old one, neither, or nothing that can be read."""

    NEW = "new"
    OLD = "old"
    TIE = "tie"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Judgement:
    """How often the judge has given each preference on the pairs of a run, and what that has cost, in millionths of the
    currency.

    `rated` is the number of pairs whose old answer people had judged; for `agrees` of these the judge says what people
    said.
    """

    counts: Counter[Preference]
    cost: int
    agrees: int
    rated: int


@dataclass(slots=True, kw_only=True)
class PairJudge:
    """Judges pairs of answers with a model. `name` begins the names of turns under which it is booked, on nobody."""

    store: Store
    model: Model
    bot: int
    name: str
    _ratio: prompt.Ratio = field(default_factory=prompt.Ratio)

    def most(self, pairs: int) -> int:
        """Return the highest price of judging this number of pairs, in millionths of the currency."""
        request = self._request("", "x" * MAX_SHOWN, "x" * MAX_SHOWN, "en")
        return 2 * pairs * pricing.most(self.model.profile, prompt.most(request, self._ratio))

    async def judge(self, pairs: Sequence[Pair]) -> Judgement:
        """The preferences on pairs of different answers (`find_comparable`)."""
        slots, at = asyncio.Semaphore(AT_ONCE), self.store.clock.time()
        turns = [f"{self.name}-judge-{number}" for number in range(len(pairs))]

        async def ask(pair: Pair, turn: str) -> Preference:
            async with slots:
                return await self._prefer(pair, turn)

        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(ask(pair, turn)) for pair, turn in zip(pairs, turns, strict=True)]
        preferences = [task.result() for task in asked]
        costs = await self.store.read(lambda tx: [tx.ledger.cost_of_turn(self.bot, turn, at - 1) for turn in turns])
        rated = [
            (pair.new.case.origin, preference)
            for pair, preference in zip(pairs, preferences, strict=True)
            if pair.new.case.origin in (LIKED, DISLIKED) and preference is not Preference.UNREADABLE
        ]
        agrees = sum((preference is Preference.NEW) is (origin == DISLIKED) for origin, preference in rated)
        return Judgement(Counter(preferences), sum(costs), agrees, len(rated))

    async def _prefer(self, pair: Pair, turn: str) -> Preference:
        assert pair.old is not None  # noqa: S101  only these are comparable
        old, new = pair.old.answer[:MAX_SHOWN], pair.new.answer[:MAX_SHOWN]
        question, language = pair.new.case.question, language_of(pair.new.case.question) or "en"
        first = await self._choice(self._request(question, old, new, language), turn)
        second = await self._choice(self._request(question, new, old, language), turn)
        if "" in (first, second):
            return Preference.UNREADABLE
        both = {("second", "first"): Preference.NEW, ("first", "second"): Preference.OLD}
        return both.get((first, second), Preference.TIE)

    async def _choice(self, request: Request, turn: str) -> str:
        """What the judge prefers: "first", "second", "tie", or "" where it does not say so."""
        payer = PaidBy(Incoming(turn, Address("telegram", self.bot, 0), User(0)), turn, Budget())
        try:
            said, _ = await ask_paid(self.store, self.model, request, payer, deadline=PATIENCE, ratio=self._ratio)
            return structured.read(said, Choice).better
        except (LimitReached, ModelError, ValueError) as error:
            log.warning("the judge said nothing that can be read: %s", type(error).__name__)
            return ""

    def _request(self, question: str, first: str, second: str, language: str) -> Request:
        material = {"question": question, "first": first, "second": second}
        return structured.request_about(material, instruct(language, "eval.judge"), Choice, language, TOKENS)


def find_comparable(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs of two different answers."""
    return [
        pair
        for pair in pairs
        if pair.old is not None and pair.old.answer and pair.new.answer not in ("", pair.old.answer)
    ]


def format_judgement(found: Judgement, model: str, currency: str) -> str:
    """Return a judgement as one line: the preferences, what the judge has cost, and how far it can be trusted."""
    counts = found.counts
    told = f"Judge {model} ({pricing.shown('en', found.cost, currency)}): {counts[Preference.NEW]} better, "
    told += f"{counts[Preference.OLD]} worse, {counts[Preference.TIE]} tied"
    if counts[Preference.UNREADABLE]:
        told += f", {counts[Preference.UNREADABLE]} that it did not judge"
    if found.rated:
        told += f"; it sees {found.agrees} of {found.rated} as the people did who have rated the earlier answer"
    return f"{told}."
