"""The ledger: what models and services were paid for. Begin with `Ledger.add_line`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Integer, case, cast, func, insert, select

from bot.ai import Usage
from bot.storage.engines.dialects import whole_part
from bot.storage.engines.prepared import Prepared
from bot.storage.repositories.mapping import Repository
from bot.storage.tables.spending import Expense
from bot.types import Address

ADD = Prepared(insert(Expense.table))
DAY = 86_400
# Modes that count units instead of tokens of a model.
SPEECH, VOICE, EMBEDDING, SEARCH, TOPIC = "speech", "voice", "embedding", "search", "topic"
PURSE = -1  # the user of what the support desk pays for: no person and no chat of the messenger has this id
SERVICES = (SPEECH, VOICE, EMBEDDING, SEARCH, TOPIC)


@dataclass(frozen=True, slots=True)
class Line:
    """The cost of one model, one service or one day, in millionths of the currency.

    `service` is one of `SERVICES`, "" for a model. `units` are what the service is sold by: seconds of recognised
    speech, characters of spoken text, tokens of embeddings or of classified questions, or searches. Pictures are
    counted in `pictures`, apart from tokens.
    """

    name: str
    requests: int = 0
    tokens: int = 0
    pictures: int = 0
    cost: int = 0
    units: int = 0
    service: str = ""


def _sum(what: Any) -> ColumnElement[int]:
    """The sum as a whole number, 0 for no rows: PostgreSQL makes a decimal of a sum."""
    return cast(func.coalesce(func.sum(what), 0), BigInteger)


COLUMNS = (
    func.count(),
    _sum(Expense.prompt + Expense.completion),
    _sum(cast(Expense.mode == "image", Integer)),
    _sum(Expense.cost),
    _sum(Expense.units),
)
SERVICE = case((Expense.mode.in_(SERVICES), Expense.mode), else_="")
NAME = case((Expense.mode.in_(SERVICES), ""), else_=Expense.model)


class Ledger(Repository):
    """Requests that were paid for, one row each."""

    def add_line(
        self, address: Address, user: int, turn: str, model: str, usage: Usage,
        *, mode: str = "sync", cost: int = 0, units: int = 0,
    ) -> None:  # fmt: skip
        """Book a request: its tokens, its `cost` in millionths of the currency, its `units` if it has some."""
        row = {
            "bot": address.bot, "chat": address.chat, "user": user, "turn": turn, "model": model, "mode": mode,
            "prompt": usage.prompt, "completion": usage.completion, "reasoning": usage.reasoning,
            "at": self.clock.time(), "cost": cost, "units": units,
        }  # fmt: skip
        self.execute(ADD, row)

    def cost_by_model(self, bot: int, since: float, user: int | None = None) -> Sequence[Line]:
        """Return the cost by model or service since a time, the dearest first. `user` None: of everybody."""
        query = select(NAME, *COLUMNS, SERVICE).where(*_whose(bot, since, user)).group_by(NAME, SERVICE)
        rows = self.connection.execute(query.order_by(func.sum(Expense.cost).desc(), func.count().desc()))
        return [Line(*row) for row in rows]

    def cost_by_day(self, bot: int, since: float, user: int | None = None) -> dict[int, Line]:
        """Return the cost by day, counted from 1970 in UTC. `user` None: of everybody."""
        day = whole_part(self.connection, Expense.at / DAY)
        rows = self.connection.execute(select(day, *COLUMNS).where(*_whose(bot, since, user)).group_by(day))
        return {row[0]: Line(str(row[0]), *row[1:]) for row in rows}

    def cost_of_turn(self, bot: int, turn: str, since: float) -> int:
        """Return what was booked under a turn since a time (Unix seconds), in millionths of the currency."""
        query = select(_sum(Expense.cost)).where(*_whose(bot, since, None), Expense.turn == turn)
        return int(self.connection.execute(query).scalar_one())

    def tokens_by_model(self, bot: int, since: float) -> dict[str, Usage]:
        """Return the tokens that each model was asked and has written since a time, without services."""
        query = select(Expense.model, _sum(Expense.prompt), _sum(Expense.completion))
        rows = self.connection.execute(
            query.where(*_whose(bot, since, None), Expense.mode.not_in(SERVICES)).group_by(Expense.model)
        )
        return {name: Usage(prompt, completion) for name, prompt, completion in rows}

    def last_used(self, bot: int, model: str) -> float:
        """Return when a model has answered last (Unix seconds), 0.0 for never."""
        query = select(func.max(Expense.at)).where(Expense.bot == bot, Expense.model == model)
        return float(self.connection.scalar(query) or 0.0)


def _whose(bot: int, since: float, user: int | None) -> tuple[ColumnElement[bool], ...]:
    here = (Expense.bot == bot, Expense.at >= since)
    return here if user is None else (*here, Expense.user == user)
