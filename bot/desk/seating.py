"""Seats: where operators see a case, in a topic of their group or in the private chat of the operator who has it.

With seats in private chats (`seats = "own"`), a waiting case is in no chat. The customer's messages are kept as
deliveries that are not sent, and are brought to the operator who takes the case. If a colleague had the case before,
that operator also gets the messages without an answer and all files; the other texts are on the card.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.desk.availability import Availability
from bot.desk.policy.desk_file import DeskTable
from bot.ports import Delivery
from bot.storage.repositories.money.ledger import PURSE
from bot.storage.store import Tx
from bot.storage.tables.desk import (
    CUSTOMER,
    GROUPS,
    NEWEST_SEATS,
    NOWHERE,
    OPERATOR,
    RELAYS,
    WAITING,
    Account,
    Case,
    Group,
    Relay,
    Seat,
)
from bot.texts.catalog import say
from bot.types import Address, Outgoing

CAUSES = {  # why Telegram refuses a message, and what the operator is told
    "voice_messages_forbidden": "desk.refused.voice",
    "can't be copied": "desk.refused.kind",
    "messages can't be forwarded": "desk.refused.kind",
}


@dataclass(frozen=True, slots=True)
class Seating:
    """The seats of one bot's operators, and the `hours` in which its teams work."""

    bot: int
    hours: Availability

    @property
    def table(self) -> DeskTable:
        """The rules of the desk as they are now."""
        return self.hours.file.table

    def seat(self, tx: Tx, case: Case, *, make: bool = False) -> Seat | None:
        """The topic in which operators see a customer, None if there is none; `make`: give the customer one.

        With own seats it is in the private chat of the operator who has the case, or had it last; a case that waits has
        none.
        """
        seats = {seat.place: seat for seat in tx.all(NEWEST_SEATS, customer=case.address)}
        if self.has_own_seats(case):
            make = make and bool(case.holder)
            places = [case.holder or (case.last_holder if case.owner != WAITING else 0)]
        else:
            places = self._groups(tx, case)
        found = next((seats[place] for place in places if place and place in seats), None)
        if found is not None or not make or not places:
            return found
        return tx.seats.seat_of(case.address, places[0], case.name or str(case.user))

    def _groups(self, tx: Tx, case: Case) -> list[int]:
        """The groups of the team of a case. A team without a group sits with the others."""
        groups, team = tx.all(GROUPS, bot=self.bot), self.hours.team(case)
        return [one.chat for one in groups if one.team == team] or [one.chat for one in groups]

    def has_own_seats(self, case: Case) -> bool:
        """Whether the operators of a case see it in their own private chats."""
        return self.table.seats_of(self.hours.team(case)) == "own"

    def group_of(self, tx: Tx, case: Case) -> Address | None:
        """The group of the team of a case, None if none is connected."""
        groups = self._groups(tx, case)
        return Address("telegram", self.bot, groups[0]) if groups else None

    def language(self, tx: Tx, place: int) -> str:
        """The language of a place of operators: that of the private chat; in a group the one that was chosen there,
        else that of the administrator who has connected it.
        """
        if place > 0:
            return tx.chats.read_language(self.bot, place)
        chosen = tx.chats.read_choices(Address("telegram", self.bot, place)).language
        group = tx.one(Group, bot=self.bot, chat=place)
        return chosen or tx.chats.read_language(self.bot, group.by if group is not None else 0)

    def purse(self, case: Case) -> int:
        """Return the id of the ledger's user that pays for the use of models in a case."""
        return purse_of(self.table, self.hours.team(case))


def purse_of(table: DeskTable, team: str) -> int:
    """The user of the ledger that pays for the cases of a team: one of its own if the team has limits of its own."""
    return PURSE - 1 - zlib.crc32(team.encode()) if team and team in table.purses() else PURSE


def keep(tx: Tx, case: Case, key: str, outgoing: Outgoing) -> None:
    """Keep a customer's message as the delivery `key` until somebody takes the case."""
    tx.outbox.keep_unsent(key, tx.seats.seat_of(case.address, NOWHERE, case.name).address, outgoing)


def rewrite(tx: Tx, where: Address, relay: Relay, text: str) -> None:
    """Give a message that is kept another text."""
    kept = tx.outbox.find_outgoing(where, relay.delivery)
    if kept is not None and not kept.copy[1]:  # a copy of a file has the caption of the moment in which it is made
        kept = Outgoing(text, plain=True, keeps_place=True, joins=(text,))
    if kept is not None:
        tx.outbox.rewrite_kept(where, relay.delivery, replace(kept, text=text))


def bring(tx: Tx, case: Case, seat: Seat) -> Sequence[Address]:
    """Bring the messages of a case's customer to a seat, except those that were brought there before, and texts that
    have an answer.
    """
    bot, answered = case.address.bot, tx.relays.last_written(case.id, OPERATOR)
    brought = dict[str, str]()  # files: the key of each delivery, and that of the new one
    for relay in tx.all(RELAYS, case_id=case.id, side=CUSTOMER):
        where = tx.outbox.find_address(bot, relay.delivery)
        if where is None or where.chat == seat.place:
            continue
        edited, sent = tx.outbox.find_version(where, relay.delivery), tx.outbox.find_outgoing(where, relay.delivery)
        outgoing = sent if edited is None or sent is None or sent.copy[1] else edited.outgoing
        if outgoing is None or (relay.at <= answered and not outgoing.copy[1] and where.chat != NOWHERE):
            continue
        key = f"{relay.delivery}.{case.version}"
        if outgoing.copy[1]:  # an album is one delivery
            tx.change(relay, delivery=brought.setdefault(relay.delivery, key), part=relay.part)
        else:
            key = f"{relay.delivery}.{relay.part}.{case.version}"
            text = outgoing.joins[relay.part] if len(outgoing.joins) > 1 else outgoing.text
            outgoing = replace(outgoing, text=text, joins=(text,) if outgoing.joins else ())
            tx.change(relay, delivery=key, part=0)
        tx.outbox.add_answer(key, seat.address, replace(outgoing, reply_to=0, of="", over="", keeps_place=True))
    return [seat.address]


def refused_in_account(bot: int, tx: Tx, delivery: Delivery, reason: str) -> Sequence[Address]:
    """Put what was not delivered, and the `reason`, into the owner's chat with the bot. Returns that place."""
    account, chat = tx.one(Account, bot=bot, id=delivery.address.connection), delivery.address.chat
    if account is None:
        return ()
    known = tx.accounts.find_chat(delivery.address)
    told = say(
        tx.chats.read_language(bot, account.user),
        "business.refused",
        name=known.name if known is not None else chat,
        reason=reason,
        text=delivery.outgoing.text,
    )
    tx.outbox.add_answer(f"{delivery.key}.refused"[-80:], account.address, Outgoing(told, plain=True))
    return [account.address]
