"""After a case is closed its customer is asked for stars, once; a reply to that question is a comment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.desk.desk import Desk, Places
from bot.desk.formatting import Piece, formatted, harmless
from bot.feature import Feature, Turn, press
from bot.outbox import Answer, finish_turn
from bot.storage.store import Store, Tx
from bot.storage.tables.desk import NEWEST_CASE, Case
from bot.texts.catalog import say
from bot.types import Address, Button, Incoming, Outgoing

STARS = 5
SELDOM = 7 * 86_400.0  # seconds in which a customer is asked once
ASKED = "rate"  # the event


def ask_stars(tx: Tx, case: Case) -> Sequence[Address]:
    """Ask the customer of a case that an operator has closed, unless the customer was asked in the last days."""
    if not case.last_holder or tx.cases.was_noted_since(case.address, ASKED, tx.clock.time() - SELDOM):
        return ()
    key = question_of(case)
    row = tuple(
        tx.buttons.add_button(case.address, key, case.user, "★" * stars, "desk.rate", case=case.id, stars=stars)
        for stars in range(1, STARS + 1)
    )
    rows: tuple[tuple[Button, ...], ...] = (row[:3], row[3:])
    tx.outbox.add_answer(key, case.address, Outgoing(say(case.language, "desk.rate.ask"), plain=True, buttons=rows))
    tx.cases.add_event(case, ASKED)
    return [case.address]


def question_of(case: Case) -> str:
    """The key of the delivery that asks for stars."""
    return f"case.{case.id}.rate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating(Feature):
    """Stores the stars and comments that customers give after a case."""

    store: Store
    desk: Desk
    deliver: Callable[[str, Places], None]
    wake_jobs: Callable[[], None]

    @press("desk.rate")
    def rate(self, tx: Tx, turn: Turn, case: int, stars: int) -> Answer | None:
        """Store the stars; the message says thanks, and how a comment is added."""
        found = tx.one(Case, bot=self.desk.bot, id=case)
        if found is None:
            return None
        rated = tx.change(found, rating=stars)
        tx.cases.add_event(rated, "rated", turn.user.id, str(stars))
        self.desk.tell_outside(tx, rated, "rated", stars=stars)
        self._tell(tx, rated, turn, "★" * stars)
        self.desk.show_card(tx, rated, cause=turn.id)
        thanks = turn.say("desk.rate.thanks", stars="★" * stars)
        return Answer(Outgoing(thanks, plain=True, of=question_of(rated)), over=True)

    def comment(self, tx: Tx, incoming: Incoming) -> Places | None:
        """Store a reply to the question for stars, or to the thanks for them, as the customer's comment.

        Returns None if the message is not such a reply.
        """
        shown = tx.outbox.find_shown(incoming.address, incoming.reply_to) if incoming.reply_to else None
        case = tx.one(NEWEST_CASE, address=incoming.address) if shown is not None else None
        if shown is None or case is None or shown.of != question_of(case) or not incoming.text.strip():
            return None
        tx.change(case, comment=incoming.text[:2000])
        finish_turn(tx, incoming, say(incoming.language, "desk.rate.noted"))
        return self._tell(tx, case, incoming, harmless(incoming.text)[0])

    def _tell(self, tx: Tx, case: Case, incoming: Incoming, words: str) -> Places:
        seat = self.desk.seat(tx, case)
        if seat is None:
            return ()
        head = say(self.desk.language(tx, seat.place), "desk.rate.told")
        told = formatted([Piece(head, "bold"), Piece(f" {words}")], keeps_place=True)
        tx.outbox.add_answer(f"{incoming.id}.rated", seat.address, told)
        return [seat.address]
