"""The command /whoami: a person's name, ID and role, and what the person may spend and use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.access.policy import Access, Actor
from bot.access.rights import ROLES
from bot.billing.allowances import what_is_left
from bot.billing.budget import Budget
from bot.feature import Feature, Turn, command
from bot.storage.store import Store, Tx


@dataclass(slots=True, kw_only=True)
class WhoAmI(Feature):
    """Answers /whoami. `models` are the titles of the models that the bot offers, `currency` is that of the budget."""

    store: Store
    access: Access
    budget: Budget
    currency: str
    models: Sequence[str]

    @command("/whoami", is_notice=True)
    def tell(self, tx: Tx, turn: Turn) -> str:
        """Show the sender's name, ID, role, what is left of each budget, and the models to choose from."""
        role = turn.say(ROLES[self.access.role(Actor.of(turn))])
        left = "\n".join(what_is_left(tx, self.budget, turn, self.currency) or [turn.say("allowance.free")])
        models = ", ".join(self.models)
        return turn.say("whoami", name=turn.user.name or "-", id=turn.user.id, role=role, left=left, models=models)
