"""The purses of a desk: drafts, summaries and translations are paid from them, not by operators or customers.

A team with limits of its own (`[team.NAME.model]`) has a purse of its own. In the ledger a purse is a user whom no
messenger knows (`seating.purse_of`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from bot.billing import pricing
from bot.billing.budget import MONEY, TOKENS, Budget
from bot.billing.pricing import millionths
from bot.desk.policy.desk_file import DeskFile, ModelLimits
from bot.desk.seating import purse_of
from bot.storage.repositories.money.budgets import DAY, Caps
from bot.storage.store import Tx
from bot.texts.catalog import say
from bot.types import Incoming


@dataclass(frozen=True, slots=True, kw_only=True)
class Purse(Budget):
    """What the models beside the operators may spend in a day: the tables `[model]` of the desk's `file`, and the caps
    of the whole bot. `Incoming.user` is the purse.
    """

    file: DeskFile
    currency: str = ""
    whole: Budget = field(default_factory=Budget)

    def caps(self, kind: str, incoming: Incoming) -> Caps:
        """The caps of a kind. Those of customers and operators do not count here."""
        found = {purse_of(self.file.table, team): limits for team, limits in self.file.table.purses().items()}
        limits = found.get(incoming.user.id, self.file.table.model)
        bot = {TOKENS: self.whole.tokens, MONEY: self.whole.money}[kind]
        own = limits.daily_tokens if kind == TOKENS else millionths(Decimal(str(limits.daily_money)))
        return Caps(user=own, bot=bot.bot, bot_month=bot.bot_month)

    def told(self, tx: Tx, bot: int, language: str) -> str:
        """Return a line for each purse: what was spent today, and how much may be spent; "" if nothing was."""
        return "\n".join(self._told(tx, bot, language))

    def _told(self, tx: Tx, bot: int, language: str) -> Iterator[str]:
        table = self.file.table
        for team, limits in table.purses().items():
            if spent := self._spent(tx, bot, language, purse_of(table, team), limits):
                yield f"{table.title(team, language)}: {spent}" if team else spent

    def _spent(self, tx: Tx, bot: int, language: str, purse: int, limits: ModelLimits) -> str:
        lines = tx.ledger.cost_by_model(bot, tx.clock.time() // DAY * DAY, purse)
        tokens, cost = sum(line.tokens for line in lines), sum(line.cost for line in lines)
        if not lines:
            return ""
        spent = say(
            language,
            "desk.purse",
            requests=sum(line.requests for line in lines),
            tokens=tokens,
            cost=pricing.shown(language, cost, self.currency),
        )
        most = [str(limits.daily_tokens)] if limits.daily_tokens else []
        if limits.daily_money:
            most.append(pricing.shown(language, millionths(Decimal(str(limits.daily_money))), self.currency))
        return f"{spent} ({say(language, 'desk.purse.of', limit=' · '.join(most))})" if most else spent

    def is_spent(self, tx: Tx, incoming: Incoming) -> bool:
        """Whether a limit is used up today."""
        where = incoming.address
        return any(
            tx.budgets.find_exhausted_cap(kind, where, incoming.user.id, self.caps(kind, incoming))
            for kind in (TOKENS, MONEY)
        )
