"""Stores what operators decide about drafts, and whether the drafts of a topic may be sent without a person.

All functions work in the caller's transaction and return the addresses that have something to deliver.
"""

from __future__ import annotations

from bot.desk.assistance import automatic
from bot.desk.desk import Desk, Places
from bot.storage.store import Tx
from bot.storage.tables.desk import ASKED, EDITED, ON, SENT, Case, Draft
from bot.texts.catalog import say
from bot.types import Address, Outgoing


def sent(desk: Desk, tx: Tx, case: Case, draft: Draft, text: str) -> Places:
    """Store that an operator has sent a draft, unchanged or with another `text`."""
    tx.change(draft, state=SENT if text.strip() == draft.text.strip() else EDITED, sent=text)
    return judged(desk, tx, case, draft.label)


def judged(desk: Desk, tx: Tx, case: Case, label: str) -> Places:
    """Ask an administrator whether the drafts of a topic may be sent without a person, or end that, by the operators'
    newest decisions.

    The leads of the team are told in private when it ends.
    """
    before, states = tx.drafts.read_automatic(desk.bot, label), tx.drafts.list_states(desk.bot, label, automatic.LAST)
    after = automatic.verdict(states, before)
    if after == ASKED and desk.draft_mode(case) != "auto":
        return ()
    seat = desk.seat(tx, case) if label and after != before else None
    if seat is None:
        return ()
    tx.drafts.store_automatic(desk.bot, label, after)
    if before == ASKED:
        return ()
    where, count = Address("telegram", desk.bot, seat.place), tx.count(Draft, bot=desk.bot, label=label)
    sent, of = states.count(SENT), len(states)
    if after == ASKED:
        key, language = f"desk.auto.asked.{count}.{label}"[:80], desk.language(tx, seat.place)
        told, agree = say(language, "desk.auto.ask", label=label, sent=sent, of=of), say(language, "desk.auto.agree")
        row = tx.buttons.add_button(where, key, 0, agree, "desk.auto", topic=label)
        tx.outbox.add_answer(key, where, Outgoing(told, plain=True, keeps_place=True, buttons=((row,),)))
        return [where]
    key, places = f"desk.auto.ended.{count}.{label}"[:80], [where]
    told = say(desk.language(tx, seat.place), "desk.auto.ended", label=label, sent=sent, of=of)
    tx.outbox.add_answer(key, where, Outgoing(told, plain=True, keeps_place=True))
    for lead in desk.table.promise_of(desk.hours.team(case)).lead:
        private = Address("telegram", desk.bot, lead)
        told = say(tx.chats.read_language(desk.bot, lead), "desk.auto.ended", label=label, sent=sent, of=of)
        tx.outbox.add_answer(f"desk.auto.ended.{count}.{lead}.{label}"[:80], private, Outgoing(told, plain=True))
        places.append(private)
    return places


def agreed(desk: Desk, tx: Tx, label: str, language: str) -> tuple[bool, str]:
    """Handle the agreement of an administrator that the drafts of a topic are sent without a person.

    Returns whether they are from now on, and the reply: if too many of the topic's drafts were changed, operators go on
    deciding.
    """
    states = tx.drafts.list_states(desk.bot, label, automatic.LAST)
    if not automatic.is_proven(states):
        return False, say(language, "desk.auto.refused", label=label, sent=states.count(SENT), of=len(states))
    tx.drafts.store_automatic(desk.bot, label, ON)
    return True, say(language, "desk.auto.agreed", label=label)


def ended(desk: Desk, tx: Tx, label: str, language: str) -> str:
    """Handle the wish of an administrator that operators decide about the drafts of a topic again.
    Returns the reply.
    """
    tx.drafts.store_automatic(desk.bot, label, "")
    return say(language, "desk.auto.off", label=label)


def is_sent_alone(desk: Desk, tx: Tx, case: Case, draft: Draft) -> bool:
    """Whether a draft that was just stored is sent without a person: its topic is agreed, and it is not one of those
    about which a person decides anyway.
    """
    if desk.draft_mode(case) != "auto" or not draft.label:
        return False
    if tx.drafts.read_automatic(desk.bot, draft.label) != ON:
        return False
    return not automatic.goes_to_person(tx.count(Draft, bot=desk.bot, label=draft.label))
