"""Relayed messages: where a customer or an operator wrote each, and which delivery brings it to the other side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, delete, func, select, update

from bot.storage.engines.dialects import upsert
from bot.storage.repositories.mapping import Repository, made
from bot.storage.tables.desk import desk_relays

CUSTOMER, OPERATOR, NOTE = "customer", "operator", "note"  # who wrote a message
ADD = upsert(lambda insert: insert(desk_relays).on_conflict_do_nothing())
COLUMNS = desk_relays.c["id", "case_id", "side", "chat", "message", "delivery", "part", "author", "at", "for_team"]
AT = select(*COLUMNS).where(
    desk_relays.c.bot == bindparam("b"), desk_relays.c.chat == bindparam("c"), desk_relays.c.message == bindparam("m")
)
OF_DELIVERY = (
    select(*COLUMNS)
    .where(desk_relays.c.bot == bindparam("b"), desk_relays.c.delivery == bindparam("d"))
    .order_by((desk_relays.c.part == bindparam("p")).desc(), desk_relays.c.id)
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Relay:
    """A message of a customer or an operator, and the key of the delivery that brings it to the other side ("" for a
    note).

    `part` is its place among the messages that this delivery brings together.
    """

    id: int
    case: int
    side: str
    chat: int
    message: int
    delivery: str
    author: int
    at: float
    part: int = 0
    for_team: str = ""  # the words in the operators' language, where they were translated


class Relays(Repository):
    """Relayed messages of the support desk."""

    def add_relay(
        self, bot: int, case: int, side: str, chat: int, message: int, *, author: int, delivery: str = "",
        part: int = 0, for_team: str = "",
    ) -> None:  # fmt: skip
        """Note that a message belongs to a case, and which delivery (and which part of it) brings it to the other side.
        Once for a message.
        """
        row = {
            "bot": bot, "case_id": case, "side": side, "chat": chat, "message": message, "delivery": delivery,
            "author": author, "at": self.clock.time(), "part": part, "for_team": for_team,
        }  # fmt: skip
        self.connection.execute(ADD(self.connection), row)

    def join(self, bot: int, keys: Sequence[str], into: str) -> None:
        """Note that the messages of the deliveries `keys` were appended, in this order, to the text of the delivery
        `into`.
        """
        first = self.connection.scalar(
            select(func.max(desk_relays.c.part)).where(desk_relays.c.bot == bot, desk_relays.c.delivery == into)
        )
        for part, key in enumerate(keys, (first or 0) + 1):
            here = (desk_relays.c.bot == bot, desk_relays.c.delivery == key)
            self.connection.execute(update(desk_relays).where(*here).values(delivery=into, part=part))

    def forget_note(self, bot: int, chat: int, message: int) -> None:
        """Note that a message is no note any more, because it is sent to the customer after all."""
        here = (desk_relays.c.bot == bot, desk_relays.c.chat == chat, desk_relays.c.message == message)
        self.connection.execute(delete(desk_relays).where(*here, desk_relays.c.side == NOTE))

    def find_relay(self, bot: int, chat: int, message: int) -> Relay | None:
        """Return the relay of a message where it was written, None if it is none."""
        return self._find(_relay, AT, {"b": bot, "c": chat, "m": message})

    def find_of_delivery(self, bot: int, key: str, part: int = 0) -> Relay | None:
        """Return the relayed message in a part of a delivery, or in its first part; None if the delivery brings no
        relayed message.
        """
        return self._find(_relay, OF_DELIVERY, {"b": bot, "d": key, "p": part})

    def list_of_side(self, case: int, side: str) -> Sequence[Relay]:
        """Return what one side of a case (customer, operator or note) has written, oldest first."""
        query = select(*COLUMNS).where(desk_relays.c.case_id == case, desk_relays.c.side == side)
        return [_relay(row) for row in self.connection.execute(query.order_by(desk_relays.c.id))]

    def store_translation(self, relay: Relay, for_team: str) -> None:
        """Store the words of a message in the operators' language."""
        self.connection.execute(update(desk_relays).where(desk_relays.c.id == relay.id).values(for_team=for_team))

    def move(self, relay: Relay, delivery: str, part: int) -> None:
        """Note that a message is now brought to the other side by another delivery."""
        moved = update(desk_relays).where(desk_relays.c.id == relay.id)
        self.connection.execute(moved.values(delivery=delivery, part=part))

    def last_written(self, case: int, side: str) -> float:
        """Return when one side of a case wrote last (Unix time), 0.0 for never."""
        found = select(func.max(desk_relays.c.at)).where(desk_relays.c.case_id == case, desk_relays.c.side == side)
        return self.connection.scalar(found) or 0.0


def _relay(row: Any) -> Relay:
    return made(Relay, row, case=row.case_id)
