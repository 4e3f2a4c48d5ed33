"""The purse of a desk: drafts, summaries and translations are paid from it, not by operators or customers."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from bot.billing import pricing
from bot.billing.budget import MONEY, TOKENS, Budget
from bot.billing.pricing import millionths
from bot.desk.policy.desk_file import DeskFile
from bot.storage.repositories.money.budgets import DAY, Caps
from bot.storage.repositories.money.ledger import PURSE
from bot.storage.store import Tx
from bot.texts.catalog import say
from bot.types import Incoming


@dataclass(frozen=True, slots=True, kw_only=True)
class Purse(Budget):
    """What the models beside the operators may spend in a day: the table `[model]` of the desk's `file`, and the caps
    of the whole bot.
    """

    file: DeskFile
    currency: str = ""
    whole: Budget = field(default_factory=Budget)

    def caps(self, kind: str, incoming: Incoming) -> Caps:
        """The caps of a kind. Those of customers and operators do not count here."""
        limits, bot = self.file.table.model, {TOKENS: self.whole.tokens, MONEY: self.whole.money}[kind]
        own = limits.daily_tokens if kind == TOKENS else millionths(Decimal(str(limits.daily_money)))
        return Caps(user=own, bot=bot.bot, bot_month=bot.bot_month)

    def told(self, tx: Tx, bot: int, language: str) -> str:
        """What was spent today, and of how much; "" for nothing."""
        lines = tx.ledger.cost_by_model(bot, tx.clock.time() // DAY * DAY, PURSE)
        tokens, cost = sum(line.tokens for line in lines), sum(line.cost for line in lines)
        if not lines:
            return ""
        limits = self.file.table.model
        spent = say(
            language, "desk.purse", requests=sum(line.requests for line in lines), tokens=tokens,
            cost=pricing.shown(language, cost, self.currency),
        )  # fmt: skip
        most = [str(limits.daily_tokens)] if limits.daily_tokens else []
        if limits.daily_money:
            most.append(pricing.shown(language, millionths(Decimal(str(limits.daily_money))), self.currency))
        return f"{spent} ({say(language, 'desk.purse.of', limit=' · '.join(most))})" if most else spent

    def is_spent(self, tx: Tx, incoming: Incoming) -> bool:
        """Whether a limit is used up today."""
        where = incoming.address
        return any(
            tx.budgets.find_exhausted_cap(kind, where, PURSE, self.caps(kind, incoming)) for kind in (TOKENS, MONEY)
        )
