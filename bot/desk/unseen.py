"""What a customer writes while nobody sees it: with own seats a waiting case stands in no chat.

The messages are kept as deliveries that nobody sends, and are brought to the operator who takes the case. So is what a
colleague, who had the case before, has not answered, with all files; former texts stand on the card.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.storage.repositories.desk.cases import Case
from bot.storage.repositories.desk.relays import CUSTOMER, OPERATOR, Relay
from bot.storage.repositories.desk.seats import NOWHERE, Seat
from bot.storage.store import Tx
from bot.types import Address, Outgoing


def keep(tx: Tx, case: Case, key: str, outgoing: Outgoing) -> None:
    """Keep a customer's message as the delivery `key` until somebody takes the case."""
    tx.outbox.keep_unsent(key, tx.seats.seat_of(case.address, NOWHERE, case.name).address, outgoing)


def rewrite(tx: Tx, where: Address, relay: Relay, outgoing: Outgoing) -> bool:
    """Change a message that is kept. False: it is not, somebody sees it at `where`."""
    if where.chat == NOWHERE:
        tx.outbox.rewrite_kept(where, relay.delivery, outgoing)
    return where.chat == NOWHERE


def bring(tx: Tx, case: Case, seat: Seat) -> Sequence[Address]:
    """Bring to a seat what the customer of a case has written, as far as it was not brought there before and is not an
    answered text.
    """
    bot, answered = case.address.bot, tx.relays.last_written(case.id, OPERATOR)
    brought = dict[str, str]()  # files: the key of each delivery, and that of the new one
    for relay in tx.relays.list_of_side(case.id, CUSTOMER):
        where = tx.outbox.find_address(bot, relay.delivery)
        if where is None or where.chat == seat.place:
            continue
        edited, sent = tx.outbox.find_version(where, relay.delivery), tx.outbox.find_outgoing(where, relay.delivery)
        outgoing = sent if edited is None or sent is None or sent.copy[1] else edited.outgoing
        if outgoing is None or (relay.at <= answered and not outgoing.copy[1] and where.chat != NOWHERE):
            continue
        key = f"{relay.delivery}.{case.version}"
        if outgoing.copy[1]:  # an album is one delivery
            tx.relays.move(relay, brought.setdefault(relay.delivery, key), relay.part)
        else:
            key = f"{relay.delivery}.{relay.part}.{case.version}"
            text = outgoing.joins[relay.part] if len(outgoing.joins) > 1 else outgoing.text
            outgoing = replace(outgoing, text=text, joins=(text,) if outgoing.joins else ())
            tx.relays.move(relay, key, 0)
        tx.outbox.add_answer(key, seat.address, replace(outgoing, reply_to=0, of="", over="", keeps_place=True))
    return [seat.address]
