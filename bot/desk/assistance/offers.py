"""Texts for a customer that operators see in the topic, and may send."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.desk.desk import Desk, Places
from bot.desk.formatting import Piece, formatted, units
from bot.outbox import Choice
from bot.storage.store import Tx
from bot.storage.tables.desk import OPEN_CASE, Seat
from bot.texts.catalog import say
from bot.types import Address


def keep_draft(desk: Desk, tx: Tx, where: Address, turn: str, text: str) -> Places:
    """Show the operators what the bot had begun to answer in a turn, with a button that sends it."""
    case = tx.one(OPEN_CASE, address=where)
    seat = desk.seat(tx, case) if case is not None else None
    if case is None or seat is None or not text.strip():
        return ()
    payload = {"case": case.id, "text": text, "seen": tx.clock.time()}
    choice = Choice(say(desk.language(tx, seat.place), "desk.send.draft"), "desk.send", payload)
    return show(desk, tx, seat, f"{turn}.draft", "desk.draft.begun", text, choices=[choice])


def show(
    desk: Desk,
    tx: Tx,
    seat: Seat,
    key: str,
    head: str,
    text: str,
    *,
    below: Sequence[Piece] = (),
    marked: Sequence[str] = (),
    choices: Sequence[Choice] = (),
) -> Places:
    """Show operators a text for a customer as the delivery `key`: `head` is a key of the catalog, `below` stands behind
    the text, and the sentences `marked` are underlined.
    """
    title = Piece(say(desk.language(tx, seat.place), head), "bold")
    outgoing = formatted([title, Piece("\n"), Piece(text, "expandable_blockquote"), *below], keeps_place=True)
    lines = [(units(outgoing.text[: outgoing.text.find(one)]), units(one)) for one in marked]
    under = tuple({"type": "underline", "offset": at, "length": length} for at, length in lines)
    outgoing = replace(outgoing, entities=(*outgoing.entities, *under))
    tx.outbox.add_answer(key, seat.address, desk.with_buttons(tx, seat, key, outgoing, choices))
    return [seat.address]
