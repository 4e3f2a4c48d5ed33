"""What becomes of drafts, and of the topics whose drafts may be sent without a person.

All functions work in the caller's transaction and return where something waits to be delivered.
"""

from __future__ import annotations

from bot.desk.assistance import automatic
from bot.desk.desk import Desk, Places
from bot.outbox import Choice
from bot.storage.repositories.desk.cases import Case
from bot.storage.repositories.desk.drafts import ASKED, EDITED, ON, SENT, Draft
from bot.storage.store import Tx
from bot.texts.catalog import say
from bot.types import Address, Outgoing


def sent(desk: Desk, tx: Tx, case: Case, draft: Draft, text: str) -> Places:
    """An operator has sent a draft, as it was or with another text."""
    tx.drafts.end_draft(draft, SENT if text.strip() == draft.text.strip() else EDITED, text)
    return _judged(desk, tx, case, draft.label)


def _judged(desk: Desk, tx: Tx, case: Case, label: str) -> Places:
    """Ask for an administrator's agreement, or end it, as the decisions on the newest drafts of a topic say."""
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
    where, language = Address("telegram", desk.bot, seat.place), desk.language(tx, seat.place)
    key = f"desk.auto.{after or 'ended'}.{tx.drafts.count_of_label(desk.bot, label)}.{label}"[:80]
    if after == ASKED:
        told = say(language, "desk.auto.ask", label=label, sent=states.count(SENT), of=len(states))
        choice = Choice(say(language, "desk.auto.agree"), "desk.auto", {"topic": label})
        row = tx.buttons.add_button(where, key, 0, choice.label, choice.action, **choice.payload)
        outgoing = Outgoing(told, plain=True, keeps_place=True, buttons=((row,),))
    else:
        told = say(language, "desk.auto.ended", label=label, sent=states.count(SENT), of=len(states))
        outgoing = Outgoing(told, plain=True, keeps_place=True)
    tx.outbox.add_answer(key, where, outgoing)
    return [where]


def agreed(desk: Desk, tx: Tx, label: str) -> bool:
    """An administrator agrees that drafts about a topic are sent without a person. False: they are not good enough any
    more.
    """
    if not automatic.is_proven(tx.drafts.list_states(desk.bot, label, automatic.LAST)):
        return False
    tx.drafts.store_automatic(desk.bot, label, ON)
    return True


def is_sent_alone(desk: Desk, tx: Tx, case: Case, draft: Draft) -> bool:
    """Whether a draft, just stored, is sent without a person: its topic is agreed, and it is not one of the few that
    people look at all the same.
    """
    if desk.draft_mode(case) != "auto" or not draft.label:
        return False
    states = tx.drafts.list_states(desk.bot, draft.label, automatic.LAST)
    if automatic.verdict(states, tx.drafts.read_automatic(desk.bot, draft.label)) != ON:
        return False
    return not automatic.goes_to_person(tx.drafts.count_of_label(desk.bot, draft.label))
