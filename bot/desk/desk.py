"""What both sides of the support desk share: who answers a customer, changing a case, its card, its topic.

All methods work in the caller's transaction. Those that return `Places` name what has something to deliver after its
commit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bot.conversation import branching
from bot.conversation.turn_state import TakenOver
from bot.desk import cards, cases, clocks, seating
from bot.desk.availability import usual_wait
from bot.desk.cases import Call, Close, Event, NotPossible, Release, Reopen, Return, Take
from bot.desk.policy.rules import decide
from bot.desk.seating import Seating
from bot.extension import Decision, OwnRule, Question
from bot.outbox import Choice, end_buttons
from bot.ports import Delivery
from bot.storage.repositories.desk import BOARD
from bot.storage.repositories.messages import Remembered
from bot.storage.repositories.outbox import Shown
from bot.storage.store import Tx
from bot.storage.tables.desk import (
    BOT,
    CASES_BY_WAIT,
    CLOSED,
    CUSTOMER,
    DROPPED,
    GROUPS,
    HELD,
    NEWEST_CASE,
    OPEN_CASE,
    SENT,
    SNOOZED,
    WAITING,
    Case,
    Draft,
    OperatorDuty,
    Relay,
    Seat,
)
from bot.texts.catalog import say
from bot.types import Address, Incoming, Job, Outgoing

NO_DECISION = Decision()
AWAY = "away"  # the event: its customer was told when people work again
ASSIGN = "desk.assign"  # the job that offers a waiting case to an operator
HOOK = "desk.hook"  # the job that tells a webhook of an event
LINES = "desk.lines"  # the job that puts a programmer's lines on the card
BOARD_EVERY = 5.0  # seconds between two edits of a board
SUMMARY = "desk.summary"  # the job that puts a summary on the card
OPENING = "desk.opening"  # the job that calls a person at the next opening
IN_ROW = 3  # buttons
Places = Sequence[Address]


class Escalated(TakenOver):
    """A rule of the desk wants a person to answer a question. The transaction that finds it changes nothing."""

    def __init__(self, reason: str, decision: Decision) -> None:
        super().__init__(reason)
        self.reason = reason
        self.decision = decision


@dataclass(frozen=True, slots=True)
class Desk(Seating):
    """Changes the cases of one bot. `served` are the keys of the conversations in which people answer, as far as this
    process has heard: no more than a hint, the database decides. A programmer's `rules` are asked after the file's.
    `at_call` and `at_close` are the jobs that follow when a person is called, and when a case is closed.
    """

    served: set[str] = field(default_factory=set)
    rules: Sequence[OwnRule] = ()
    at_call: Sequence[str] = (SUMMARY,)
    at_close: Sequence[str] = ()

    # --- who answers --------------------------------------------------------------------------------------------------

    def begin(self, tx: Tx, incoming: Incoming, labels: Sequence[str] | None = None, queue: str = "") -> int:
        """Return the version of the customer's open case, and open one if there is none. The version must be the same
        when the bot's answer is stored.

        `labels` are the topic and the flags of a new question, None for another version of an answer; `queue` is the
        team that gets the case when a person is called. Raises `TakenOver` if people answer this customer, `Escalated`
        if a rule of the desk calls a person to this question.
        """
        if not incoming.private:
            return 0
        case = tx.one(OPEN_CASE, address=incoming.address)
        if case is not None and case.owner == BOT and self._was_left(tx, case):
            self.change(tx, case, Close())
            case = None
        if case is None:
            case = self.open_case(tx, incoming)
        if case.is_for_people:
            raise TakenOver
        if labels is not None and tx.all(GROUPS, bot=self.bot):
            case = self._ruled(tx, case, incoming, labels, queue=queue)
        return case.version

    def _was_left(self, tx: Tx, case: Case) -> bool:
        """Whether a case of the bot has been quiet for so long that a new question begins a new case."""
        quiet_since = tx.clock.time() - self.table.close.bot
        return case.opened < quiet_since and tx.cases.last_said(case) < quiet_since

    def _ruled(self, tx: Tx, case: Case, incoming: Incoming, labels: Sequence[str], *, queue: str) -> Case:
        """Apply the rules to a new question, and return the case afterwards. Raises `Escalated`."""
        table = self.table
        earlier = tx.count(Case, address=case.address) - 1 if table.rule else 0
        opening = self.hours.next_opening(case, tx.clock.time())
        asked = Question(incoming.text, incoming.language, labels, earlier, is_open=opening is None)
        decision, turns = decide(table, asked, self.rules), table.person.turns
        if queue in table.teams:
            decision = replace(decision, team=decision.team or queue)
        reason = "rule" if decision.person else ""
        if not reason and turns and tx.cases.count_questions(case) >= turns:
            reason = "turns"
        if not reason:
            return self.applied(tx, case, decision)
        theirs = replace(case, team=decision.team or case.team)
        opening = self.hours.next_opening(theirs, tx.clock.time())
        if opening is None or self.hours.of(theirs).away != "bot":
            raise Escalated(reason, decision)
        case = self.applied(tx, case, decision)
        self._call_later(tx, case, opening, reason)
        return case

    def offer(self, tx: Tx, incoming: Incoming) -> str:
        """Return the label of the button "call a person" below the first answer of a case, with the expected wait; ""
        for later answers, without the setting `choice`, and while nobody works.
        """
        case = tx.one(OPEN_CASE, address=incoming.address) if self.table.person.choice else None
        if case is None or not tx.all(GROUPS, bot=self.bot) or tx.cases.count_questions(case):
            return ""
        if self.hours.next_opening(case, tx.clock.time()) is not None:
            return ""
        language, wait = incoming.language, usual_wait(tx, self.bot, incoming.language)
        return say(language, "desk.person.wait", minutes=wait) if wait else say(language, "desk.person")

    def still_owns(self, tx: Tx, where: Address, version: int) -> bool:
        """Whether nobody has taken the customer's case over since."""
        if not version:
            return True
        case = tx.one(OPEN_CASE, address=where)
        return case is not None and case.owner == BOT and case.version == version

    def draft_mode(self, case: Case) -> str:
        """When a model writes drafts in a case: off, ask, always or auto."""
        return case.drafts or self.table.draft_of(self.hours.team(case)).mode

    def refused(self, tx: Tx, delivery: Delivery, reason: str) -> Places:
        """Reply to an operator's message that Telegram did not deliver to the customer: say so, with the `reason`."""
        if delivery.address.connection:
            return seating.refused_in_account(self.bot, tx, delivery, reason)
        chat, message = delivery.outgoing.relays
        relay = tx.one(Relay, bot=self.bot, chat=chat, message=message)
        case = tx.one(Case, bot=self.bot, id=relay.case_id) if relay is not None else None
        seat = tx.one(Seat, customer=case.address, place=chat) if case is not None else None
        if seat is None:
            return ()
        key = next((key for words, key in seating.CAUSES.items() if words in reason.lower()), "desk.refused")
        words = say(self.language(tx, seat.place), key, reason=reason)
        told = Outgoing(words, plain=True, reply_to=message, keeps_place=True)
        tx.outbox.add_answer(f"{delivery.key}.refused", seat.address, told)
        return [seat.address]

    def left_out(self, tx: Tx, delivery: Delivery, *, whole: bool) -> Places:
        """Tell the writer of a message that the other side did not get it (`whole`), or a part of it."""
        relay = tx.relays.find_of_delivery(self.bot, delivery.key)
        case = tx.one(Case, bot=self.bot, id=relay.case_id) if relay is not None else None
        is_customers = relay is not None and relay.side == CUSTOMER
        seat = None
        if relay is not None and case is not None:
            seat = self.seat(tx, case) if is_customers else tx.one(Seat, customer=case.address, place=relay.chat)
        if relay is None or case is None or seat is None:
            return ()
        where = case.address if is_customers else seat.address
        language = case.language if is_customers else self.language(tx, seat.place)
        words = say(language, "desk.not_shown" if whole else "desk.left_out")
        told = Outgoing(words, plain=True, reply_to=relay.message, keeps_place=not is_customers)
        tx.outbox.add_answer(f"{delivery.key}.left_out", where, told)
        return [where]

    def blocked(self, tx: Tx, bot: int, chat: int) -> Places:
        """Close the case of a customer who has blocked the bot, and tell the operators once. The cases that an operator
        has who can't be reached in private wait for somebody else.
        """
        places = list(self._lost_operator(tx, chat)) if chat > 0 else []
        case = tx.one(OPEN_CASE, address=Address("telegram", bot, chat)) if chat > 0 else None
        if case is None:
            return places
        was_with_people = case.is_for_people
        places += self.change(tx, case, Close())
        if not was_with_people:
            return places
        return [*places, *self.tell_topic(tx, case, f"case.{case.id}.blocked.{case.version}", "desk.blocked")]

    def topic_lost(self, tx: Tx, where: Address) -> None:
        """Put the card of an open case into the topic that is made in place of one that was deleted, unless a card
        waits for it anyway.
        """
        seat = tx.seats.find_seat(where)
        case = tx.one(OPEN_CASE, address=seat.customer) if seat is not None else None
        if seat is None or case is None or not case.is_for_people or self.seat(tx, case) != seat:
            return
        card = tx.outbox.find_version(seat.address, cards.card_of(case))
        if card is None or not tx.outbox.is_unsent(seat.address, card.key):
            self.show_card(tx, case, again=True, cause=f"made.{tx.clock.time():.0f}")

    # --- cases --------------------------------------------------------------------------------------------------------

    def call(
        self, tx: Tx, incoming: Incoming, reason: str, decision: Decision = NO_DECISION
    ) -> tuple[Outgoing, Places]:  # fmt: skip
        """Call a person to the case of this customer, after a `decision` of the rules. Returns the answer to the
        customer, and the addresses of the operators' card. Nothing changes if no group is connected.
        """
        language = incoming.language
        case = tx.one(OPEN_CASE, address=incoming.address) or self.open_case(tx, incoming)
        if not tx.all(GROUPS, bot=self.bot):
            return Outgoing(say(language, "desk.nobody"), plain=True), ()
        case = self.applied(tx, case, decision)
        opening = self.hours.next_opening(case, tx.clock.time())
        if opening is not None and case.owner == BOT and self.hours.of(case).away == "bot":
            self._call_later(tx, case, opening, reason)
            return self.hours.away(case, opening, language), ()
        try:
            places = self.change(tx, case, Call(reason), who=incoming.user.id)
        except NotPossible as error:
            return Outgoing(say(language, error.key), plain=True), ()
        if opening is not None:
            tx.cases.note_once(case, AWAY, str(int(opening)))
            return self.hours.away(case, opening, language), places
        wait = usual_wait(tx, self.bot, language)
        told = say(language, "desk.called.wait", minutes=wait) if wait else say(language, "desk.called")
        return Outgoing(told, plain=True), places

    def note_unsolved(self, tx: Tx, id_: int, incoming: Incoming) -> Places:
        """Tell the operators that a customer, asked whether the case can be closed, has said that it is not solved."""
        case = tx.one(Case, bot=self.bot, id=id_)
        if case is None or not case.is_for_people:
            return ()
        tx.cases.store_case(case, clocks.customer_wrote(case, tx.clock.time()))
        return self.tell_topic(tx, case, f"{incoming.id}.desk", "desk.unsolved.told")

    def tell_topic(self, tx: Tx, case: Case, key: str, text: str, **values: object) -> Places:
        """Say something in the topic of a case: the sentence `text` of the catalog with its `values`, as the delivery
        `key`.
        """
        seat = self.seat(tx, case)
        where = seat.address if seat is not None else self.group_of(tx, case) if self.has_own_seats(case) else None
        if where is None:
            return ()
        language = self.language(tx, where.chat)
        words = say(language, text, **values)
        if seat is None:
            words = f"{say(language, 'desk.line', number=case.number, where='')} · {words}"
        tx.outbox.add_answer(key, where, Outgoing(words, plain=True, keeps_place=True))
        return [where]

    def _lost_operator(self, tx: Tx, who: int) -> Places:
        """Let the cases wait that an operator has in private, who has blocked the bot."""
        places: list[Address] = []
        for case in tx.all(CASES_BY_WAIT, bot=self.bot, owner=(HELD, SNOOZED)):
            if case.holder == who and self.has_own_seats(case):
                places += self.change(tx, case, Release(who))
                name, key = tx.users.read_name(self.bot, who) or str(who), f"{cards.card_of(case)}.lost.{case.version}"
                places += self.tell_topic(tx, case_after(tx, case), key, "desk.unreachable", name=name)
        return places

    def applied(self, tx: Tx, case: Case, decision: Decision) -> Case:
        """Give a case the team, the priority, the tags and the draft mode that rules have decided, and return it."""
        tags = " ".join(dict.fromkeys((*case.tags.split(), *decision.tags)))
        after = replace(
            case, team=decision.team or case.team, tags=tags, drafts=decision.drafts or case.drafts,
            priority=case.priority if decision.priority is None else decision.priority,
        )  # fmt: skip
        if after != case:
            tx.cases.store_case(case, after)
        return after

    def _call_later(self, tx: Tx, case: Case, opening: float, reason: str) -> None:
        """Call a person when the team works again; once for a case."""
        tx.jobs.add_job(Job(OPENING, str(case.id), case.address, {"case": case.id, "reason": reason}, due=opening))

    def call_at_opening(self, tx: Tx, job: Job) -> Places:
        """The job: call a person to a case that is still the bot's, and tell its customer."""
        tx.jobs.delete_done(job)
        case = tx.one(Case, bot=self.bot, id=int(job.payload["case"]))
        if case is None or case.owner != BOT:
            return ()
        opening = self.hours.next_opening(case, tx.clock.time())
        if opening is not None:  # the hours were changed, or the bot stood still until they were over
            self._call_later(tx, case, opening, str(job.payload["reason"]))
            return ()
        places = self.change(tx, case, Call(str(job.payload["reason"])))
        told = Outgoing(say(case.language, "desk.opened"), plain=True)
        tx.outbox.add_answer(f"case.{case.id}.opened.{case.version}", case.address, told)
        return [*places, case.address]

    # --- changes ------------------------------------------------------------------------------------------------------

    def change(self, tx: Tx, case: Case, event: Event, *, who: int = 0) -> Places:
        """Change a case by an event, and its card. Raises `NotPossible`."""
        now = tx.clock.time()
        hours = self.hours.of(case).hours
        after = tx.cases.numbered(clocks.turned(case, cases.step(case, event, now), hours, now))
        if not tx.cases.store_case(case, after):
            raise NotPossible("desk.changed")
        (self.served.add if after.is_for_people else self.served.discard)(after.address.key)
        word = cases.WORDS[type(event).__name__]
        tx.cases.add_event(after, word, who, after.reason if isinstance(event, Call) else "")
        self.tell_outside(tx, after, word, who=who)
        if case.owner == BOT and after.is_for_people:
            branching.withdraw_answers(tx, case.address)
        if case.owner == BOT and after.owner == WAITING:
            payload = {"case": case.id, "user": self.purse(case)}
            for job in self.at_call:
                tx.jobs.add_job(Job(job, f"{case.id}.{after.version}", case.address, payload, due=now))
        if after.owner == WAITING:
            self.assign(tx, after)
        places = list(self._leave(tx, case, after))
        again = case.owner == CLOSED or (after.owner == WAITING and case.owner == BOT)
        if isinstance(event, Take):
            places += self._withdraw_alone(tx, after)
        if after.owner == CLOSED:
            for draft in tx.drafts.drop_offered(after):
                if seat := self.seat(tx, after):
                    end_buttons(tx, seat.address, draft.key)
            for job in self.at_close:
                tx.jobs.add_job(Job(job, f"{case.id}.{after.version}", case.address, {"case": case.id}, due=now))
        places += self.show_card(tx, after, again=again or bool(places))
        places += self._bring(tx, case, after)
        self._note_board(tx, case, after)
        return places

    def _withdraw_alone(self, tx: Tx, case: Case) -> Places:
        """Withdraw the automatic drafts of a case that wait to be sent to its customer: a person answers now."""
        gone = [
            one
            for one in tx.all(Draft, case_id=case.id, state=SENT, automatic=True)
            if tx.outbox.withdraw(case.address, one.alone)
        ]
        for draft in gone:
            tx.change(draft, state=DROPPED, automatic=True)
            branching.take_back(tx, case.address, draft.key)
        key = f"case.{case.id}.withdrawn.{case.version}"
        return self.tell_topic(tx, case, key, "desk.auto.withdrawn") if gone else ()

    def tell_outside(self, tx: Tx, case: Case, event: str, **more: object) -> None:
        """Have the webhook of `[hook]` told of an event of a case, if there is one. No words of the case go out."""
        if not self.table.hook.url:
            return
        id_, now = f"{case.id}.{case.version}.{event}", tx.clock.time()
        told = {
            "id": id_, "event": event, "at": now, "bot": self.bot, "case": case.id, "number": case.number,
            "customer": case.user, "owner": case.owner, "operator": case.holder, "team": self.hours.team(case),
            "reason": case.reason, "priority": case.priority, "tags": case.tags.split(), **more,
        }  # fmt: skip
        tx.jobs.add_job(Job(HOOK, id_, case.address, told, due=now))

    def assign(self, tx: Tx, case: Case, *, due: float = 0.0, turn: str = "") -> None:
        """Have a waiting case offered to an operator at the Unix time `due` (0.0: now), if its team works so. `turn`
        asks for it once more.
        """
        if self.table.assign_of(self.hours.team(case)).how != "pull":
            key, payload = f"{case.id}.{case.version}{turn}", {"case": case.id, "version": case.version}
            tx.jobs.add_job(Job(ASSIGN, key, case.address, payload, due=due or tx.clock.time()))

    def _leave(self, tx: Tx, case: Case, after: Case) -> Places:
        """Say on the card in the former place who has the case now; nothing where it stays in its topic."""
        before, seat = self.seat(tx, case), self.seat(tx, after, make=after.is_for_people)
        if before is None or (seat is not None and before.place == seat.place):
            return ()
        if seat is None:  # it waits, and whoever has known it may take it again
            return self._put_card(tx, after, before, again=case.owner == CLOSED)
        language, of = self.language(tx, before.place), cards.card_of(case)
        told = say(language, "desk.given", number=after.number, team=self.table.title(after.team, language))
        if seat.place > 0:
            name = tx.users.read_name(self.bot, after.holder) or str(after.holder)
            told = say(language, "desk.given.to", number=after.number, name=name)
        key, shown = f"case.{case.id}.given.{after.version}", tx.outbox.find_version(before.address, of)
        self.put(tx, before.address, key, Outgoing(told, plain=True, keeps_place=True, of=of), over=shown)
        return [before.address]

    def show_card(
        self, tx: Tx, case: Case, *, again: bool = False, cause: str = "", choices: Sequence[Choice] = ()
    ) -> Places:  # fmt: skip
        """Put the card of a case into its topic, or edit the one that stands there. `again`: as a new message; `cause`
        is the id of the turn that changes the card but not the case; `choices` are its buttons, by default what can be
        done with the case.
        """
        seat = self.seat(tx, case, make=again or case.is_for_people)
        return self._put_card(tx, case, seat, again=again, cause=cause, choices=choices) if seat is not None else ()

    def _put_card(
        self, tx: Tx, case: Case, seat: Seat, *, again: bool, cause: str = "", choices: Sequence[Choice] = ()
    ) -> Places:  # fmt: skip
        language = self.language(tx, seat.place)
        newest = self.said(tx, case)
        key, of = f"case.{case.id}.card.{case.version}{f'.{cause}' * bool(cause)}", cards.card_of(case)
        shown = None if again else tx.outbox.find_version(seat.address, of)
        if not again and shown is None and case.owner in (BOT, CLOSED):
            return ()  # operators have never seen this case
        team = self.table.title(case.team, language) if case.team else ""
        card = cards.card(tx, case, language, team=team, said=newest)
        choices = choices or cards.choices(case, language, drafts=self.draft_mode(case) != "off")
        self.put(tx, seat.address, key, self.with_buttons(tx, seat, key, card, choices), over=shown)
        return [seat.address]

    def put(self, tx: Tx, where: Address, key: str, outgoing: Outgoing, *, over: Shown | None) -> None:
        """Put a message into the outbox as `key`: over an earlier version, or instead of one that nobody has begun to
        send.
        """
        if over is not None:
            if tx.outbox.rewrite_unsent(where, over.key, replace(outgoing, over=over.outgoing.over)):
                tx.buttons.move(where.bot, key, over.key)
                return
            outgoing = replace(outgoing, over=over.key)
        tx.outbox.add_answer(key, where, outgoing)

    def _bring(self, tx: Tx, case: Case, after: Case) -> Places:
        """Bring to the operator who has got a case in private what its customer has written before."""
        if after.owner != HELD or after.holder == case.holder or not self.has_own_seats(after):
            return ()
        seat = self.seat(tx, after)
        if seat is None:
            return ()
        tx.change(seat, flat=False)  # perhaps the chat has topics by now
        return seating.bring(tx, after, seat)

    def _note_board(self, tx: Tx, *changed: Case) -> None:
        """Have the boards written on which these cases stand, a few seconds later for all changes of that time."""
        turn = math.floor(tx.clock.time() / BOARD_EVERY) + 1
        for case in changed:
            where = self.group_of(tx, case) if self.has_own_seats(case) else None
            if where is not None:
                tx.jobs.add_job(Job(BOARD, f"{where.chat}.{turn}", where, due=turn * BOARD_EVERY))

    def with_buttons(
        self, tx: Tx, seat: Seat, key: str, outgoing: Outgoing, choices: Sequence[Choice]
    ) -> Outgoing:  # fmt: skip
        """A message in a topic with buttons, three in a row, which every operator may press."""
        where = seat.address
        made = [tx.buttons.add_button(where, key, 0, one.label, one.action, **one.payload) for one in choices]
        rows = tuple(tuple(made[first : first + IN_ROW]) for first in range(0, len(made), IN_ROW))
        return replace(outgoing, buttons=rows)

    def reopened(self, tx: Tx, incoming: Incoming) -> tuple[Case | None, Places]:
        """Open the customer's case again that was closed less than a day ago. Who had it has it again, unless nobody
        works now or that operator is off duty. Returns it, None if there is none.
        """
        case = tx.one(NEWEST_CASE, address=incoming.address)
        if case is None or not cases.was_just_closed(case, tx.clock.time()):
            return None, ()
        now, duty = tx.clock.time(), tx.one(OperatorDuty, bot=self.bot, user=case.last_holder)
        is_here = (duty is None or duty.works(now)) and self.hours.next_opening(case, now) is None
        places = self.change(tx, case, Reopen(case.last_holder if is_here else 0), who=incoming.user.id)
        return case_after(tx, case), places

    def give_all_back(self, tx: Tx) -> int:
        """Give all cases that people have back to the bot, and tell their customers. Returns how many there were."""
        found = tx.all(CASES_BY_WAIT, bot=self.bot, owner=(WAITING, HELD, SNOOZED))
        for case in found:
            self.give_back(tx, case)
        return len(found)

    def give_back(self, tx: Tx, case: Case, *, by: int = 0, who: int = 0) -> Places:
        """Give a case back to the bot, and tell its customer that the bot answers again. `by` is the operator who does
        it (0: anybody may), `who` whoever does it. Raises `NotPossible`.
        """
        places = self.change(tx, case, Return(by), who=who)
        told = Outgoing(say(case.language, "desk.returned"), plain=True)
        tx.outbox.add_answer(f"case.{case.id}.returned.{case.version}", case.address, told)
        return [*places, case.address]

    def take_over(self, tx: Tx, case: Case, operator: int) -> Places:
        """Give a case to an operator. Raises `NotPossible`."""
        return self.change(tx, case, Take(operator), who=operator)

    def open_case(self, tx: Tx, incoming: Incoming) -> Case:
        """Open a case. One that follows another begins a new conversation: nothing of the former is in its prompts."""
        if tx.one(NEWEST_CASE, address=incoming.address) is not None:
            tx.messages.begin_conversation(incoming.address)
        return tx.cases.open_case(incoming.address, incoming.user.id, incoming.user.name, incoming.language)

    def said(self, tx: Tx, case: Case) -> Sequence[Remembered]:
        """The newest messages of the conversation of a case, for its card."""
        conversation = tx.messages.find_current_conversation(case.address)
        return tx.messages.list_newest(conversation, cards.SAID) if conversation is not None else ()


def case_after(tx: Tx, case: Case) -> Case:
    """A case as it is stored after a change in this transaction."""
    return tx.one(Case, bot=case.address.bot, id=case.id) or case
