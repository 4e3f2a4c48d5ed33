"""The command /whoami: a person's name, ID and role, and what the person may spend and use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.access.policy import Access, Actor
from bot.access.rights import ROLES
from bot.billing.allowances import what_is_left
from bot.billing.budget import Budget
from bot.feature import Command, Handlers
from bot.outbox import finish, finish_turn
from bot.ports import Reply
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Incoming


@dataclass(slots=True, kw_only=True)
class WhoAmI:
    """Answers /whoami. `models` are the titles of the models that the bot offers, `currency` is that of the budget."""

    store: Store
    access: Access
    budget: Budget
    currency: str
    models: Sequence[str]

    def feature(self) -> Handlers:
        """The feature with the command /whoami."""
        return Handlers(commands={"/whoami": Command(self.tell, is_notice=True)})

    async def tell(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        """Show the sender's name, ID, role, what is left of each budget, and the models to choose from."""
        language, user = incoming.language, incoming.user
        role = say(language, ROLES[self.access.role(Actor.of(incoming))])

        def work(tx: Tx) -> None:
            left = what_is_left(tx, self.budget, incoming, self.currency) or [say(language, "allowance.free")]
            text = say(
                language, "whoami", name=user.name or "-", id=user.id, role=role, left="\n".join(left),
                models=", ".join(self.models),
            )  # fmt: skip
            finish_turn(tx, incoming, text)

        await finish(self.store, reply, work)
