"""The support desk's questions that are more than the rows of one table. The rows are in `tables/desk.py`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, delete, func, or_, select, update

from bot.ports import DeliveryState
from bot.storage.engines import decision_locks
from bot.storage.engines.decision_locks import DecisionLock
from bot.storage.engines.dialects import whole_part
from bot.storage.engines.prepared import Prepared
from bot.storage.repositories.jobs import Jobs
from bot.storage.repositories.mapping import Repository, at, here, load_outgoing, one_of, spot
from bot.storage.rows import Query
from bot.storage.tables.desk import (
    CLOSED,
    DROPPED,
    EDITED,
    EVENTS,
    HELD,
    NEWEST_DECIDED,
    NEWEST_DRAFT,
    NEWEST_TOPICS,
    NOTE,
    OFFERED,
    RELAYS,
    SENT,
    SNOOZED,
    WAITING,
    AccountChat,
    AutomaticTopic,
    Case,
    Draft,
    Event,
    Group,
    Relay,
    Seat,
)
from bot.storage.tables.history import Conversation, StoredMessage
from bot.storage.tables.work import StoredDelivery
from bot.types import Address, Job

MAX_NEWEST_TOPICS = 200
TEN_MINUTES = 600.0  # seconds
BOARD = "desk.board"  # the job that writes the board of a group whose operators have seats of their own
ERASE = "desk.erase"  # the job that deletes the topic of a customer who wants to be forgotten
WITHDRAWN = "the account is not connected any more"
CURRENT = (  # the messages of the current conversation of an address
    StoredMessage.conversation_id
    == select(Conversation.id)
    .where(here(Conversation.table))
    .order_by(Conversation.chosen.desc(), Conversation.id.desc())
    .limit(1)
    .scalar_subquery()
)
LAST_SAID = Prepared(select(StoredMessage.at).where(CURRENT).order_by(StoredMessage.id.desc()).limit(1))
QUESTIONS = Prepared(
    select(func.count())
    .select_from(StoredMessage.table)
    .where(StoredMessage.role == "user", StoredMessage.at >= bindparam("since"), CURRENT)
)
NEWEST_NUMBER = Prepared(select(func.max(Case.number)).where(Case.address.bot == bindparam("bot")))
LAST_HELD = Query(
    Case,
    Case.last_holder != 0,
    or_(Case.closed >= bindparam("since"), Case.open == 1),
    order=[Case.id.desc()],
)
UNREACHED = Prepared(
    select(StoredDelivery.id, StoredDelivery.reason)
    .where(
        StoredDelivery.address.bot == bindparam("bot"),
        one_of(StoredDelivery.state, (DeliveryState.PENDING.value, DeliveryState.SENDING.value)),
        StoredDelivery.address.chat == bindparam("chat"),
        StoredDelivery.reason != "",
    )
    .order_by(StoredDelivery.id)
    .limit(1)
)
LAST_WRITTEN = Prepared(
    select(func.max(Relay.at)).where(Relay.case_id == bindparam("case_id"), Relay.side == bindparam("side"))
)
DECIDED = (
    select(Draft.table, Case.name.label("customer"), Case.user, Case.last_holder)
    .join(Case.table)
    .where(Draft.state.in_((SENT, EDITED)), Draft.automatic == 0)
    .order_by(Draft.id)
)


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a support desk for a time.

    Counted are the cases that were opened, of these the ones that the bot solved without a person (`alone`), cases for
    which a person was called, that were taken, and that were closed, and promised times that were missed (`late`).
    `stars` and `rated` say how many stars customers gave on average, and how many customers. `waits` are the seconds
    from each call to the take that followed. `reasons` counts calls by their reason and `operators` takes by user, the
    most frequent first.
    """

    opened: int
    alone: int
    called: int
    taken: int
    closed: int
    late: int
    rated: int
    stars: float
    waits: Sequence[float]
    reasons: Mapping[str, int]
    operators: Mapping[int, int]


class Cases(Repository):
    """Cases of the support desk, and what happened to them. At most one case of an address is open."""

    def open_case(self, where: Address, user: int, name: str, language: str) -> Case:
        """Open a case of a customer, which belongs to the bot, and return it."""
        now = self.clock.time()
        opened = self.add(Case(address=where, user=user, name=name[:256], language=language[:16], opened=now))
        self.add_event(opened, "opened", user)
        return opened

    def store_case(self, before: Case, after: Case) -> bool:
        """Store a case as it is `after` a change of state. Returns False, and stores nothing, if another transaction
        has changed it since `before` was read.
        """
        values = dict(vars(after)) | {"open": None if after.owner == CLOSED else 1}
        del values["id"], values["address"]
        return self.change_all(Case, values, id=before.id, version=before.version) == 1

    def numbered(self, one: Case) -> Case:
        """Return a case as it is, with the next number of its bot if it is the first time that people have it."""
        if one.number or not one.is_for_people:
            return one
        decision_locks.insist(self.connection, DecisionLock.CASES)
        newest = self.execute(NEWEST_NUMBER, {"bot": one.address.bot}).scalar()
        return replace(one, number=(newest or 0) + 1)

    def find_cases(self, bot: int, said: str, limit: int) -> Sequence[Case]:
        """Return the case with this number first, then the newest ones of this customer (id, or a part of the name), or
        with this tag.
        """
        number = int(said) if said.isdecimal() and len(said) < 19 else 0
        spellings = {said, said.lower(), said.capitalize(), said.title()}  # SQLite folds the case of ASCII only
        is_it = and_(Case.number == number, Case.number > 0)
        fits = or_(
            is_it,
            Case.user == number,
            Case.tags.contains(said.lower(), autoescape=True),
            *(Case.name.contains(one, autoescape=True) for one in sorted(spellings)),
        )
        return self.all(Query(Case, fits, order=[is_it.desc(), Case.id.desc()]), limit=limit, bot=bot)

    def was_noted_since(self, where: Address, what: str, since: float) -> bool:
        """Return whether an event of the kind `what` was stored for a case of this address since a Unix time."""
        ours = select(Case.id).where(at(Case.table, where))
        return self.count(Query(Event, Event.case_id.in_(ours), Event.at >= since), what=what) > 0

    def read_figures(self, bot: int, since: float) -> Figures:
        """Return what has happened at the desk since a Unix time."""
        events = self._counted(bot, since, Event.what)
        ended = (Case.address.bot == bot, Case.closed >= since, Case.owner == CLOSED)
        rated = select(func.count(), func.avg(Case.rating)).where(*ended, Case.rating > 0)
        count, mean = self.connection.execute(rated).one()
        alone = Query(Case, Case.opened >= since, Case.last_holder == 0, Case.reason == "")
        return Figures(
            opened=events.get("opened", 0),
            alone=self.count(alone, bot=bot),
            called=events.get("called", 0),
            taken=events.get("taken", 0),
            closed=events.get("closed", 0),
            late=events.get("late", 0),
            rated=count,
            stars=float(mean or 0.0),
            waits=self._waits(bot, Event.at >= since),
            reasons=self._counted(bot, since, Event.detail, Event.what == "called"),
            operators=self._counted(bot, since, Event.who, Event.what == "taken"),
        )

    def _counted(self, bot: int, since: float, by: ColumnElement[Any], *of: ColumnElement[bool]) -> dict[Any, int]:
        """How many events there were since a Unix time, by a column; the most frequent first."""
        counted = select(by, func.count()).where(Event.bot == bot, Event.at >= since, *of)
        rows = self.connection.execute(counted.group_by(by).order_by(func.count().desc(), by))
        return {row[0]: row[1] for row in rows}

    def count_opened(self, bot: int, since: float) -> dict[int, int]:
        """Return how many cases were opened on each day since a Unix time; a day is its number since 1970 (UTC)."""
        day = whole_part(self.connection, Case.opened / 86_400.0)
        new = select(day, func.count()).where(Case.address.bot == bot, Case.opened >= since)
        return {int(row[0]): row[1] for row in self.connection.execute(new.group_by(day))}

    def list_bots(self) -> Sequence[int]:
        """Return the ids of the bots that have cases in the hands of people."""
        waiting = Case.owner.in_((WAITING, HELD, SNOOZED))
        return list(self.connection.scalars(select(Case.address.bot).where(waiting).distinct()))

    def delete_old(self, bot: int, before: float, limit: int) -> bool:
        """Delete the words of cases that were closed before a Unix time, at most `limit` cases at once.

        Deleted are the pairs of relayed messages, names, summaries, comments and reasons in words. The rest of a case
        stays, because figures are computed from it. Returns False if nothing was left to delete.
        """
        bare = {"name": "", "summary": "", "comment": "", "lines": ""}
        spoken = or_(*(Case.table.c[name] != "" for name in bare))
        old = Query(Case, Case.closed < before, spoken, order=[Case.id])
        ids = [one.id for one in self.all(old, limit=limit, bot=bot, owner=CLOSED)]
        self.remove(Relay, case_id=ids)
        self.remove(Draft, case_id=ids)
        self.remove(Event, case_id=ids, what="why")
        self.change_all(Case, bare, id=ids)
        return bool(ids)

    def add_event(self, of: Case, what: str, who: int = 0, detail: str = "") -> None:
        """Store an event of a case: its kind `what`, the user who caused it (0: the bot), and a detail such as a reason
        or a tag.
        """
        now = self.clock.time()
        self.add(Event(bot=of.address.bot, case_id=of.id, who=who, what=what, detail=detail[:200], at=now))

    def note_once(self, of: Case, what: str, detail: str = "", who: int = 0) -> bool:
        """Store an event of a case unless the case has one like it. Returns False if it has."""
        if self.count(Event, case_id=of.id, what=what, detail=detail, who=who):
            return False
        self.add_event(of, what, who, detail)
        return True

    def last_holder(self, where: Address, since: float) -> int:
        """Return the operator of the newest case of an address that an operator had and that was still open at the Unix
        time `since`; 0 if there is none.
        """
        found = self.one(LAST_HELD, address=where, since=since)
        return found.last_holder if found is not None else 0

    def count_noted(self, of: Case, what: str) -> int:
        """Return how many different details the events of this kind of a case have."""
        return len({event.detail for event in self.all(EVENTS, case_id=of.id, what=what)})

    def count_events(self, of: Case, what: str, after: str) -> int:
        """Return the number of events of the kind `what` of a case since its last event of the kind `after`."""
        kinds = [event.what for event in self.all(EVENTS, case_id=of.id, what=(what, after))]
        return kinds[::-1].index(after) if after in kinds else len(kinds)

    def count_questions(self, of: Case) -> int:
        """Return how many messages the customer has written in the conversation since the case was opened."""
        return int(self.execute(QUESTIONS, {**spot(of.address), "since": of.opened}).scalar())

    def last_said(self, of: Case) -> float:
        """Return when the newest message of the conversation was stored; the opening of the case if there is none."""
        return max(self.execute(LAST_SAID, spot(of.address)).scalar() or 0.0, of.opened)

    def read_waits(self, bot: int, limit: int) -> Sequence[float]:
        """Return how long (seconds) each of the newest `limit` called cases waited until it was first taken, newest
        first.
        """
        again = Event.table.alias()
        first = (
            select(func.min(again.c.id)).where(again.c.bot == bot, again.c.what == "taken").group_by(again.c.case_id)
        )
        return self._waits(bot, Event.id.in_(first), limit=limit)

    def _waits(self, bot: int, *of: ColumnElement[bool], limit: int | None = None) -> Sequence[float]:
        called = Event.table.alias()
        before = and_(called.c.case_id == Event.case_id, called.c.what == "called", called.c.id < Event.id)
        wait = (
            select(Event.at - func.max(called.c.at))
            .join(called, before)
            .where(Event.bot == bot, Event.what == "taken", *of)
            .group_by(Event.id, Event.at)
            .order_by(Event.id.desc())
            .limit(limit)
        )
        return [float(seconds) for seconds in self.connection.scalars(wait)]


class Seats(Repository):
    """The topics in which operators see customers, and the groups that have them."""

    def find_unreached(self, bot: int, chat: int) -> tuple[int, str] | None:
        """Return the oldest delivery that waits because its group can't be reached, and why; None if none does."""
        row = self.execute(UNREACHED, {"bot": bot, "chat": chat}).first()
        return None if row is None else (row.id, row.reason)

    def seat_of(self, customer: Address, place: int, title: str) -> Seat:
        """Return the seat of a customer in a chat. If there is none, one is added; its topic is made with the first
        delivery.
        """
        if (found := self.one(Seat, customer=customer, place=place)) is not None:
            return found
        new = self.add(Seat(customer=customer, place=place, title=title[:128]))
        return self.change(new, topic=-new.id)

    def find_seat(self, where: Address) -> Seat | None:
        """Return the seat in a topic of a group; None if no customer is seen there."""
        return self.one(Seat, bot=where.bot, place=where.chat, topic=where.thread)

    def move_topic(self, where: Address, topic: int) -> Address:
        """Give a seat and everything that waits for it another topic; 0: the topic is gone and is to be made again.

        Returns the new address; the old one if it is no seat's.
        """
        seat = self.find_seat(where)
        if seat is None:
            return where
        new = self.change(seat, topic=topic or -seat.id).topic
        place = (StoredDelivery.address.bot == where.bot, StoredDelivery.address.chat == where.chat)
        moved = update(StoredDelivery.table).where(*place, StoredDelivery.address.thread == where.thread)
        self.connection.execute(moved.values(thread=new))
        begun = (StoredDelivery.state == DeliveryState.SENDING.value, StoredDelivery.message_ids == "[]")
        waits = update(StoredDelivery.table).where(*place, StoredDelivery.address.thread == new, *begun)
        self.connection.execute(waits.values(state=DeliveryState.PENDING.value))  # it was the topic that was begun
        return Address(where.transport, where.bot, where.chat, new)

    def list_newest_topics(self, bot: int, place: int) -> Sequence[int]:
        """Return the numbers of the newest topics of a group in which customers are seen."""
        return [seat.topic for seat in self.all(NEWEST_TOPICS, limit=MAX_NEWEST_TOPICS, bot=bot, place=place)]

    def busiest(self, bot: int, chat: int, since: float) -> float:
        """Return how many messages a minute the bot sent to a group in the busiest ten minutes since a Unix time."""
        slot = whole_part(self.connection, StoredDelivery.at / TEN_MINUTES)
        there = (StoredDelivery.address.bot == bot, StoredDelivery.address.chat == chat, StoredDelivery.at >= since)
        sent = (StoredDelivery.state == DeliveryState.SENT.value, StoredDelivery.reason.not_like("joined into %"))
        counts = select(func.count().label("messages")).where(*there, *sent).group_by(slot).subquery()
        return (self.connection.scalar(select(func.max(counts.c.messages))) or 0) / 10

    def change_group(self, bot: int, old: int, new: int) -> None:
        """Give a group and the seats in it the id of the supergroup that it became."""
        if self.count(Group, bot=bot, chat=old):
            self.remove(Group, bot=bot, chat=new)
        self.change_all(Group, {"chat": new}, bot=bot, chat=old)
        self.change_all(Seat, {"place": new}, bot=bot, place=old)

    def delete_of_customer(self, bot: int, user: int) -> None:
        """Delete the seats of a customer's private chat with all that waits for them, and add the jobs that clean up
        after them.

        One job deletes the topics in the chats of operators; another writes the boards again, without the customer.
        """
        jobs = Jobs(self.connection, self.clock, self.queue)
        for group in self.all(Group, bot=bot):
            where, due = Address("telegram", bot, group.chat), self.clock.time()
            jobs.add_job(Job(BOARD, f"{group.chat}.{due}", where, due=due))
        for seat in self.all(Seat, bot=bot, chat=user):
            waits = (
                StoredDelivery.address.bot == bot,
                StoredDelivery.address.chat == seat.place,
                StoredDelivery.address.thread == seat.topic,
            )
            shown = self.connection.scalars(select(StoredDelivery.message_ids).where(*waits)) if seat.flat else ()
            payload = {"messages": [id_ for ids in shown for id_ in json.loads(ids)]}
            self.connection.execute(delete(StoredDelivery.table).where(*waits))
            if seat.topic > 0 or seat.flat:
                jobs.add_job(Job(ERASE, seat.address.key, seat.address, payload))
        self.remove(Seat, bot=bot, chat=user)


class Relays(Repository):
    """Relayed messages: where a customer or an operator wrote each, and which delivery brings it to the other side."""

    def join(self, bot: int, keys: Sequence[str], into: str) -> None:
        """Note that the messages of the deliveries `keys` were appended, in this order, to the text of the delivery
        `into`.
        """
        first = max((one.part for one in self.all(Relay, bot=bot, delivery=into)), default=0)
        for part, key in enumerate(keys, first + 1):
            self.change_all(Relay, {"delivery": into, "part": part}, bot=bot, delivery=key)

    def forget_note(self, bot: int, chat: int, message: int) -> None:
        """Note that a message is no note any more, because it is sent to the customer after all."""
        self.remove(Relay, bot=bot, chat=chat, message=message, side=NOTE)

    def find_of_delivery(self, bot: int, key: str, part: int = 0) -> Relay | None:
        """Return the relayed message in a part of a delivery, or in its first part; None if the delivery brings no
        relayed message.
        """
        found = self.all(RELAYS, bot=bot, delivery=key)
        return next((one for one in found if one.part == part), found[0] if found else None)

    def last_written(self, case_id: int, side: str) -> float:
        """Return when one side of a case wrote last (Unix time), 0.0 for never."""
        return self.execute(LAST_WRITTEN, {"case_id": case_id, "side": side}).scalar() or 0.0


class Drafts(Repository):
    """Answers that a model has offered to operators, and the topics whose drafts are sent without a person."""

    def add_draft(self, draft: Draft) -> Draft:
        """Store a draft and return it with its number. If there is a draft with its key, that one is returned."""
        self.add_missing(replace(draft, at=self.clock.time()))
        found = self.one(Draft, bot=draft.bot, key=draft.key)
        assert found is not None  # noqa: S101  it was stored just now
        return found

    def drop_offered(self, of: Case) -> Sequence[Draft]:
        """Drop the drafts of a case about which nobody has decided, because the customer got another answer or the case
        was closed. Return them.
        """
        dropped = self.all(Draft, case_id=of.id, state=OFFERED)
        self.change_all(Draft, {"state": DROPPED}, case_id=of.id, state=OFFERED)
        return dropped

    def list_states(self, bot: int, label: str, limit: int) -> Sequence[str]:
        """Return what operators did with the newest `limit` drafts of a topic (`SENT`, `EDITED` or `DROPPED`), newest
        first.
        """
        return [one.state for one in self.all(NEWEST_DECIDED, limit=limit, bot=bot, label=label, automatic=False)]

    def read_label(self, case_id: int) -> str:
        """Return the topic of the newest draft of a case, "" if there is none, or it has no topic."""
        newest = self.one(NEWEST_DRAFT, case_id=case_id)
        return newest.label if newest is not None else ""

    def count_states(self, bot: int, since: float) -> dict[str, int]:
        """Return the number of drafts in each state, counting those since a Unix time."""
        counted = select(Draft.state, func.count()).where(Draft.bot == bot, Draft.at >= since)
        return {row[0]: row[1] for row in self.connection.execute(counted.group_by(Draft.state))}

    def list_bots(self) -> Sequence[int]:
        """Return the bots that have drafts."""
        return list(self.connection.scalars(select(Draft.bot).distinct().order_by(Draft.bot)))

    def list_decided(self, bot: int) -> Iterator[tuple[Draft, str, tuple[int, int]]]:
        """Return the drafts that people have sent, as they were or edited, the oldest first, each with the name of the
        customer and the ids of customer and operator.
        """
        for row in self.connection.execute(DECIDED.where(Draft.bot == bot)):
            yield Draft.load(row), row.customer, (row.user, row.last_holder)

    def read_automatic(self, bot: int, label: str) -> str:
        """Return `ON` if the drafts of a topic are sent without a person, `ASKED` if an administrator was asked whether
        they may; "" for neither.
        """
        found = self.one(AutomaticTopic, bot=bot, label=label)
        return found.state if found is not None else ""

    def store_automatic(self, bot: int, label: str, state: str) -> None:
        """Store whether the drafts of a topic are sent without a person; "" ends it."""
        if state:
            self.put(AutomaticTopic(bot=bot, label=label, state=state))
        else:
            self.remove(AutomaticTopic, bot=bot, label=label)


class Accounts(Repository):
    """The accounts of people in whose chats the bot answers (business connections), and their chats."""

    def list_quiet(self, bot: int, before: float, limit: int) -> Sequence[Address]:
        """Return at most so many chats in which nobody has written since a Unix time."""
        quiet = Query(AccountChat, AccountChat.heard < before, AccountChat.owned < before)
        return [chat.address for chat in self.all(quiet, limit=limit, bot=bot)]

    def find_chat(self, where: Address) -> AccountChat | None:
        """Return what is known of a chat of an account, None if nobody has written there."""
        return self.one(AccountChat, bot=where.bot, account=where.connection, user=where.chat)

    def store_chat(self, chat: AccountChat) -> AccountChat:
        """Store a chat with the next version number, and return it with that number."""
        after = replace(chat, version=chat.version + 1)
        self.put(after)
        return after

    def withdraw(self, where: Address, *, whole_account: bool = False) -> Sequence[tuple[str, Address, str]]:
        """Withdraw answers to a chat of an account (with `whole_account`, to all its chats) that wait and are not being
        sent.

        Returns the key, the address and the text of each, newest first.
        """
        there = [StoredDelivery.address.bot == where.bot, StoredDelivery.address.connection == where.connection]
        there += [] if whole_account else [StoredDelivery.address.chat == where.chat]
        query = select(StoredDelivery.id, StoredDelivery.key, StoredDelivery.address.chat, StoredDelivery.outgoing)
        waits = query.where(*there, StoredDelivery.state == DeliveryState.PENDING.value)
        found = self.connection.execute(waits.order_by(StoredDelivery.id.desc())).all()
        gone = update(StoredDelivery.table).where(StoredDelivery.id.in_([row.id for row in found]))
        self.connection.execute(gone.values(state=DeliveryState.DEAD.value, reason=WITHDRAWN))
        return [(row.key, replace(where, chat=row.chat), load_outgoing(row.outgoing, None).text) for row in found]
