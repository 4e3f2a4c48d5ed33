"""/find: cases by their number, by the customer's id or name, or by a tag."""

from __future__ import annotations

from dataclasses import replace

from bot.desk import cards
from bot.desk.desk import Desk, Places
from bot.desk.formatting import harmless
from bot.storage.store import Tx
from bot.storage.tables.desk import BOT, WAITING, Case
from bot.texts.catalog import say
from bot.types import Incoming, Outgoing

MOST = 10  # cases in one message


def find(desk: Desk, tx: Tx, incoming: Incoming) -> Places:
    """Answer /find in a group of operators: one case as its card, with **Take** if nobody has it; several as a list."""
    language, said = desk.language(tx, incoming.address.chat), incoming.rest.lstrip("#№").strip()
    found = tx.cases.find_cases(desk.bot, said, MOST + 1) if said else ()
    exact = [case for case in found if case.number and str(case.number) == said]
    if len(found) == 1 or exact:
        return _show(desk, tx, incoming, (exact or list(found))[0], language)
    lines = [f"{line_of(desk, tx, case, language)} · {harmless(case.name)[0]}" for case in found[:MOST]]
    if len(found) > MOST:
        lines.append(say(language, "desk.find.more"))
    key = "desk.find" if found else "desk.find.none" if said else "desk.find.how"
    return _tell(tx, incoming, Outgoing("\n".join([say(language, key), *lines]), plain=True))


def line_of(desk: Desk, tx: Tx, case: Case, language: str) -> str:
    """Return one line about a case: its number (its state if it has none), with the address of its topic to tap on."""
    seat = desk.seat(tx, case)
    where = (
        f" https://t.me/c/{str(seat.place)[4:]}/{seat.topic}"
        if seat is not None and seat.topic > 0 > seat.place
        else ""
    )
    if not case.number:
        return cards.state_of(tx, case, language) + where
    return say(language, "desk.line", number=case.number, where=where)


def _show(desk: Desk, tx: Tx, incoming: Incoming, case: Case, language: str) -> Places:
    card = replace(cards.card(tx, case, language, team=case.team, said=desk.said(tx, case)), of="")
    if case.owner in (BOT, WAITING):
        label, key = say(language, "desk.take"), f"{incoming.id}.told"
        button = tx.buttons.add_button(incoming.address, key, 0, label, "desk.take", case=case.id)
        card = replace(card, buttons=((button,),))
    return _tell(tx, incoming, card)


def _tell(tx: Tx, incoming: Incoming, told: Outgoing) -> Places:
    told = replace(told, reply_to=incoming.message_id, keeps_place=True)
    tx.outbox.add_answer(f"{incoming.id}.told", incoming.address, told)
    return [incoming.address]
