"""Offers a waiting case to one operator after another, with `[assign]` of desk.toml. Who takes it first has it.

`choose` is pure; the job `ASSIGN` offers a case, comes back after `patience`, and offers it to the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from bot.desk.cards import card_of
from bot.desk.desk import ASSIGN, Desk, Places
from bot.desk.formatting import Piece, formatted
from bot.feature import Again, Feature, job
from bot.storage.store import Store, Tx
from bot.storage.tables.desk import CASES_BY_WAIT, EVENTS, HELD, ON_DUTY, WAITING, Case, OperatorDuty
from bot.texts.catalog import say
from bot.types import Address, Job, Outgoing

OFFERED = "offered"  # the event: a case was offered to the operator `who`
KNOWS = 7 * 86_400.0  # seconds in which an operator knows a customer


def choose(
    duties: Sequence[OperatorDuty], held: Sequence[int], *, capacity: int, tried: Collection[int], known: int = 0
) -> int:
    """Return the operator to whom a case is offered, 0 if there is none.

    `duties` are the operators who work now, the longest idle first; `held` has the holder of each held case. Those who
    were `tried`, or have `capacity` cases, are left out; `known` is the one who knows the customer, and comes first.
    """
    free = [one.user for one in duties if one.user not in tried and held.count(one.user) < capacity]
    return known if known in free else next(iter(free), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment(Feature):
    """Offers waiting cases. `serves` says whether a user may answer customers."""

    store: Store
    desk: Desk
    serves: Callable[[int], bool]
    deliver: Callable[[str, Places], None]
    wake_jobs: Callable[[], None]

    @job(ASSIGN)
    def offer(self, tx: Tx, due: Job) -> Again | None:
        """Offer a case to the next operator, unless it was taken meanwhile."""
        desk, now = self.desk, tx.clock.time()
        case = tx.one(Case, bot=desk.bot, id=int(due.payload["case"]))
        if case is None or case.owner != WAITING or case.version != int(due.payload["version"]):
            return None
        rules = desk.table.assign_of(desk.hours.team(case))
        if rules.how == "pull":
            return None
        opening = desk.hours.next_opening(case, now)
        if opening is not None:
            return Again(opening)
        tried = {event.who for event in tx.all(EVENTS, case_id=case.id, what=OFFERED) if event.at >= case.waiting_since}
        user = self._chosen(tx, case, tried)
        if not user:
            self._unassigned(tx, case, len(tried))
            return None
        tx.cases.add_event(case, OFFERED, user)
        tx.change_all(OperatorDuty, {"assigned": tx.clock.time()}, bot=desk.bot, user=user)
        self._tell(tx, case, user, len(tried))
        return Again(now + rules.patience)

    def _chosen(self, tx: Tx, case: Case, tried: Collection[int]) -> int:
        desk, now, team = self.desk, tx.clock.time(), self.desk.hours.team(case)
        rules = desk.table.assign_of(team)
        duties = [
            one
            for one in tx.all(ON_DUTY, bot=desk.bot)
            if one.team == team and one.works(now) and self.serves(one.user)
        ]
        held = [one.holder for one in tx.all(CASES_BY_WAIT, bot=desk.bot, owner=HELD)]
        known = tx.cases.last_holder(case.address, now - KNOWS) if rules.how == "same" else 0
        return choose(duties, held, capacity=rules.capacity, tried=tried, known=known)

    def _tell(self, tx: Tx, case: Case, user: int, number: int) -> Places:
        """Mention an operator in the topic of a case, so that the messenger notifies that person. With a seat of the
        own the operator is asked in private.
        """
        if self.desk.has_own_seats(case):
            return self._ask(tx, case, user, number)
        seat = self.desk.seat(tx, case, make=True)
        if seat is None:
            return ()
        language, name = self.desk.language(tx, seat.place), tx.users.read_name(self.desk.bot, user) or str(user)
        before, _, after = say(language, "desk.offered", name="\0").partition("\0")
        mentioned = {"user": {"id": user, "is_bot": False, "first_name": name}}
        pieces = [Piece(before), Piece(name, "text_mention", mentioned), Piece(after)]
        told = formatted(pieces, keeps_place=True)
        tx.outbox.add_answer(f"case.{case.id}.offer.{case.version}.{number}", seat.address, told)
        return [seat.address]

    def _ask(self, tx: Tx, case: Case, user: int, number: int) -> Places:
        where, language = Address("telegram", self.desk.bot, user), self.desk.language(tx, user)
        key = f"{card_of(case)}.offer.{case.version}.{number}"
        button = tx.buttons.add_button(where, key, user, say(language, "desk.take"), "desk.take", case=case.id)
        told = Outgoing(say(language, "desk.offered.own", number=case.number), plain=True, buttons=((button,),))
        tx.outbox.add_answer(key, where, told)
        return [where]

    def _unassigned(self, tx: Tx, case: Case, tried: int) -> Places:
        """Say that nobody has taken a case, in its topic and to the leads of its team."""
        desk, key = self.desk, f"case.{case.id}.unassigned.{case.version}.{tried}"
        places: list[Address] = list(desk.tell_topic(tx, case, key, "desk.unassigned"))
        for lead in desk.table.promise_of(desk.hours.team(case)).lead:
            where, language = Address("telegram", desk.bot, lead), tx.chats.read_language(desk.bot, lead)
            told = Outgoing(say(language, "desk.unassigned.lead", number=case.number), plain=True)
            tx.outbox.add_answer(f"{key}.{lead}", where, told)
            places.append(where)
        return places
