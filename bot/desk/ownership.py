"""Who answers a customer: the bot asks before it begins an answer, and again in the commit that gives it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.desk.assistance import offers
from bot.desk.desk import Desk, Places
from bot.storage.store import Tx
from bot.storage.tables.desk import OPEN_CASE
from bot.types import Address, Incoming


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseOwnership:
    """`conversation.turn_state.Ownership` by the cases of the desk. `send` delivers to places in the background."""

    desk: Desk
    send: Callable[[str, Places], None]

    def begin(self, tx: Tx, incoming: Incoming, labels: Sequence[str] | None = None, queue: str = "") -> int:
        """Return the version of the customer's case. Raises `TakenOver`."""
        return self.desk.begin(tx, incoming, labels, queue)

    def offer(self, tx: Tx, incoming: Incoming) -> str:
        """Return the label of the button below the first answer of a case; "" where none is to be there."""
        return self.desk.offer(tx, incoming)

    def still_owns(self, tx: Tx, where: Address, version: int) -> bool:
        """Return whether the customer's case still has this `version`: no person has taken it over meanwhile."""
        return self.desk.still_owns(tx, where, version)

    def is_taken(self, tx: Tx, where: Address) -> bool:
        """Whether the customer's case waits for a person, or a person has it."""
        case = tx.one(OPEN_CASE, address=where)
        return case is not None and case.is_for_people

    def keep_draft(self, tx: Tx, where: Address, turn: str, text: str) -> Places:
        """Show the operators an answer of the bot that the customer does not get, because a person has taken over."""
        return offers.keep_draft(self.desk, tx, where, turn, text)

    def deliver(self, places: Places) -> None:
        """Send what waits in the outbox for these chats and topics, in the background."""
        self.send("", places)
