"""Who answers a customer: the bot asks before it begins an answer, and again in the commit that gives it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.desk.desk import Desk, Places
from bot.storage.store import Tx
from bot.types import Address, Incoming


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseOwnership:
    """`conversation.turn_state.Ownership` by the cases of the desk. `send` delivers to places in the background."""

    desk: Desk
    send: Callable[[str, Places], None]

    def begin(self, tx: Tx, incoming: Incoming, labels: Sequence[str] | None = None) -> int:
        """Return the version of the customer's case. Raises `TakenOver`."""
        return self.desk.begin(tx, incoming, labels)

    def still_owns(self, tx: Tx, where: Address, version: int) -> bool:
        """Whether nobody has taken the case over since."""
        return self.desk.still_owns(tx, where, version)

    def keep_draft(self, tx: Tx, where: Address, text: str) -> Places:
        """Show the operators the text that is not given."""
        return self.desk.keep_draft(tx, where, text)

    def deliver(self, places: Places) -> None:
        """Deliver in the background."""
        self.send("", places)
