"""Cases of the support desk, and what happened to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, delete, func, insert, or_, select, update

from bot.storage.engines import decision_locks
from bot.storage.engines.decision_locks import DecisionLock
from bot.storage.engines.dialects import whole_part
from bot.storage.repositories.mapping import Repository, address, at, columns, here, made, spot
from bot.storage.tables.desk import desk_cases, desk_drafts, desk_events, desk_relays
from bot.storage.tables.history import conversations, messages
from bot.types import Address

BOT, WAITING, HELD, SNOOZED, CLOSED = "bot", "waiting", "held", "snoozed", "closed"  # the owners of a case
OPEN = (
    select(desk_cases)
    .where(desk_cases.c.bot == bindparam("b"), here(desk_cases), desk_cases.c.owner != CLOSED)
    .limit(1)
)
NEWEST = select(desk_cases).where(here(desk_cases)).order_by(desk_cases.c.id.desc()).limit(1)
OWNED = (
    select(desk_cases)
    .where(desk_cases.c.bot == bindparam("b"), desk_cases.c.owner.in_(bindparam("owners", expanding=True)))
    .order_by(desk_cases.c.priority.desc(), desk_cases.c.waiting_since, desk_cases.c.id)
)
CURRENT = (  # the messages of the current conversation of an address
    messages.c.conversation_id
    == select(conversations.c.id)
    .where(here(conversations))
    .order_by(conversations.c.chosen.desc(), conversations.c.id.desc())
    .limit(1)
    .scalar_subquery()
)
LAST_SAID = select(messages.c.at).where(CURRENT).order_by(messages.c.id.desc()).limit(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A case of the support desk: an episode of a customer's conversation that begins with a message and ends when the
    case is closed.

    It belongs to the bot, or to people once a person was called. The fields are the columns of
    `tables.desk.CaseColumns`. Times are Unix seconds, 0.0 for none; users are ids, 0 for none.
    """

    id: int
    address: Address
    user: int
    name: str
    language: str
    number: int = 0  # what people see; 0 until a person is first called
    owner: str = BOT
    holder: int = 0
    last_holder: int = 0  # who held it last: the next message after the close goes there
    version: int = 1
    team: str = ""
    reason: str = ""  # why a person was asked for: a key of `desk.reason.*`
    opened: float = 0.0
    waiting_since: float = 0.0
    snoozed_until: float = 0.0
    closed: float = 0.0
    rating: int = 0  # stars that the customer has given, 0 for none
    comment: str = ""
    priority: int = 0  # -1 low, 0 normal, 1 high
    tags: str = ""  # words with a space between them
    summary: str = ""  # of the conversation before the hand-over
    lines: str = ""  # what a programmer's functions know of the customer
    asked: float = 0.0  # the customer's oldest message that waits for an answer
    answered: float = 0.0  # the first answer of a person
    touched: float = 0.0  # the newest message of either side while people have the case
    spent: float = 0.0  # working seconds that the desk has let its customer wait before `asked`
    told: int = 0  # the reminders that were given: bits of `desk/clocks.py`
    drafts: str = ""  # when drafts are written: off, ask, always, auto; "": as its team has it
    translate: str = ""  # on, off or the operators' language; "": as its team has it

    @property
    def is_for_people(self) -> bool:
        """Whether operators, not the bot, answer the customer now."""
        return self.owner in (WAITING, HELD, SNOOZED)


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
    """Cases of the support desk. At most one case of an address is open."""

    def find_open(self, where: Address) -> Case | None:
        """Return the open case of a customer's address, None if there is none."""
        return self._find(_case, OPEN, {**spot(where), "b": where.bot})

    def find_newest(self, where: Address) -> Case | None:
        """Return the newest case of a customer's address, open or closed; None if there is none."""
        return self._find(_case, NEWEST, spot(where))

    def find_case(self, bot: int, id_: int) -> Case | None:
        """Return a case by its id, None if there is none."""
        return self._find(_case, select(desk_cases).where(desk_cases.c.bot == bot, desk_cases.c.id == id_))

    def open_case(self, where: Address, user: int, name: str, language: str) -> Case:
        """Open a case of a customer, which belongs to the bot, and return it."""
        now = self.clock.time()
        row = {
            **columns(where), "user": user, "name": name[:256], "language": language[:16], "owner": BOT, "holder": 0,
            "last_holder": 0, "version": 1, "team": "", "reason": "", "opened": now, "waiting_since": 0.0,
            "snoozed_until": 0.0, "closed": 0.0, "open": 1,
        }  # fmt: skip
        found = self.connection.execute(insert(desk_cases).returning(desk_cases), row).one()
        case = _case(found)
        self.add_event(case, "opened", user)
        return case

    def store_case(self, before: Case, after: Case) -> bool:
        """Store a case as it is `after` a change of state. Returns False, and stores nothing, if another transaction
        has changed it since `before` was read.
        """
        values = {
            name: getattr(after, name)
            for name in (
                "owner", "holder", "last_holder", "version", "team", "reason", "waiting_since", "snoozed_until",
                "closed", "name", "language", "priority", "tags", "summary", "lines", "asked", "answered",
                "touched", "spent", "told", "drafts", "translate", "number",
            )
        }  # fmt: skip
        values["open"] = None if after.owner == CLOSED else 1
        here = (desk_cases.c.id == before.id, desk_cases.c.version == before.version)
        return self.connection.execute(update(desk_cases).where(*here).values(**values)).rowcount == 1

    def numbered(self, case: Case) -> Case:
        """Return a case as it is, with the next number of its bot if it is the first time that people have it."""
        if case.number or not case.is_for_people:
            return case
        decision_locks.insist(self.connection, DecisionLock.CASES)
        newest = select(func.max(desk_cases.c.number)).where(desk_cases.c.bot == case.address.bot)
        return replace(case, number=(self.connection.scalar(newest) or 0) + 1)

    def list_owned(self, bot: int, *owners: str) -> Sequence[Case]:
        """Return the cases of a bot that belong to one of these owners (see `HELD`, `WAITING`, `SNOOZED`): by priority,
        then the longest waiting first.
        """
        return [_case(row) for row in self.connection.execute(OWNED, {"b": bot, "owners": owners})]

    def find_cases(self, bot: int, said: str, most: int) -> Sequence[Case]:
        """Return the case with this number first, then the newest ones of this customer (id, or a part of the name), or
        with this tag.
        """
        column, number = desk_cases.c, int(said) if said.isdecimal() and len(said) < 19 else 0
        spellings = {said, said.lower(), said.capitalize(), said.title()}  # SQLite folds the case of ASCII only
        is_it = and_(column.number == number, column.number > 0)
        fits = or_(
            is_it, column.user == number, column.tags.contains(said.lower(), autoescape=True),
            *(column.name.contains(one, autoescape=True) for one in sorted(spellings)),
        )  # fmt: skip
        rows = self.connection.execute(
            select(desk_cases).where(column.bot == bot, fits).order_by(is_it.desc(), column.id.desc()).limit(most)
        )
        return [_case(row) for row in rows]

    def count_of_customer(self, where: Address) -> int:
        """Return how many cases the customer at an address has had, the open one included."""
        return (
            self.connection.scalar(select(func.count()).select_from(desk_cases).where(here(desk_cases)), spot(where))
            or 0
        )

    def store_rating(self, case: Case, stars: int, comment: str = "") -> None:
        """Store the stars that a customer has given for a case, or the comment that the customer has
        written about it.
        """
        values = {"comment": comment[:2000]} if comment else {"rating": stars}
        self.connection.execute(update(desk_cases).where(desk_cases.c.id == case.id).values(**values))

    def was_noted_since(self, where: Address, what: str, since: float) -> bool:
        """Return whether an event of the kind `what` was stored for a case of this address since a Unix time."""
        ours = select(desk_cases.c.id).where(desk_cases.c.bot == where.bot, at(desk_cases, where))
        event = (desk_events.c.case_id.in_(ours), desk_events.c.what == what, desk_events.c.at >= since)
        return self.connection.execute(select(desk_events.c.id).where(*event).limit(1)).first() is not None

    def read_figures(self, bot: int, since: float) -> Figures:
        """Return what has happened at the desk since a Unix time."""
        counted = select(desk_events.c.what, func.count()).where(desk_events.c.bot == bot, desk_events.c.at >= since)
        events = {row[0]: row[1] for row in self.connection.execute(counted.group_by(desk_events.c.what))}
        ended = (desk_cases.c.bot == bot, desk_cases.c.closed >= since, desk_cases.c.owner == CLOSED)
        rated = select(func.count(), func.avg(desk_cases.c.rating)).where(*ended, desk_cases.c.rating > 0)
        count, mean = self.connection.execute(rated).one()
        new = (desk_cases.c.bot == bot, desk_cases.c.opened >= since)
        unaided = (desk_cases.c.last_holder == 0, desk_cases.c.reason == "")
        alone = select(func.count()).select_from(desk_cases).where(*new, *unaided)
        return Figures(
            opened=events.get("opened", 0), alone=self.connection.scalar(alone) or 0, called=events.get("called", 0),
            taken=events.get("taken", 0), closed=events.get("closed", 0), late=events.get("late", 0), rated=count,
            stars=float(mean or 0.0), waits=self._waits(bot, desk_events.c.at >= since),
            reasons=self._counted(bot, since, "called", desk_events.c.detail),
            operators=self._counted(bot, since, "taken", desk_events.c.who),
        )  # fmt: skip

    def _counted(self, bot: int, since: float, what: str, by: ColumnElement[Any]) -> dict[Any, int]:
        """How often an event has happened since a Unix time, by a column; the most frequent first."""
        events = (desk_events.c.bot == bot, desk_events.c.at >= since, desk_events.c.what == what)
        counted = select(by, func.count()).where(*events).group_by(by).order_by(func.count().desc(), by)
        return {row[0]: row[1] for row in self.connection.execute(counted)}

    def count_opened(self, bot: int, since: float) -> dict[int, int]:
        """Return how many cases were opened on each day since a Unix time; a day is its number since 1970 (UTC)."""
        day = whole_part(self.connection, desk_cases.c.opened / 86_400.0)
        new = (desk_cases.c.bot == bot, desk_cases.c.opened >= since)
        return {
            int(row[0]): row[1] for row in self.connection.execute(select(day, func.count()).where(*new).group_by(day))
        }

    def list_bots(self) -> Sequence[int]:
        """Return the ids of the bots that have cases in the hands of people."""
        waiting = desk_cases.c.owner.in_((WAITING, HELD, SNOOZED))
        return list(self.connection.scalars(select(desk_cases.c.bot).where(waiting).distinct()))

    def list_since(self, bot: int, since: float) -> Sequence[Case]:
        """Return the cases that were opened since a Unix time, the oldest first."""
        query = select(desk_cases).where(desk_cases.c.bot == bot, desk_cases.c.opened >= since)
        return [_case(row) for row in self.connection.execute(query.order_by(desk_cases.c.id))]

    def delete_old(self, bot: int, before: float, most: int) -> bool:
        """Delete the words of cases that were closed before a Unix time, at most `most` cases at once.

        Deleted are the pairs of relayed messages, names, summaries, comments and reasons in words. The rest of a case
        stays, because figures are computed from it. Returns False if nothing was left to delete.
        """
        bare = {"name": "", "summary": "", "comment": "", "lines": ""}
        spoken = or_(*(desk_cases.c[name] != "" for name in bare))
        old = (desk_cases.c.bot == bot, desk_cases.c.owner == CLOSED, desk_cases.c.closed < before, spoken)
        ids = list(self.connection.scalars(select(desk_cases.c.id).where(*old).order_by(desk_cases.c.id).limit(most)))
        for table in (desk_relays, desk_drafts, desk_events):
            words = (desk_events.c.what == "why",) if table is desk_events else ()
            self.connection.execute(delete(table).where(table.c.case_id.in_(ids), *words))
        self.connection.execute(update(desk_cases).where(desk_cases.c.id.in_(ids)).values(**bare))
        return bool(ids)

    def add_event(self, case: Case, what: str, who: int = 0, detail: str = "") -> None:
        """Store an event of a case: its kind `what`, the user who caused it (0: the bot), and a detail such as a reason
        or a tag.
        """
        row = {
            "bot": case.address.bot, "case_id": case.id, "who": who, "what": what, "detail": detail[:200],
            "at": self.clock.time(),
        }  # fmt: skip
        self.connection.execute(insert(desk_events), row)

    def note_once(self, case: Case, what: str, detail: str) -> bool:
        """Store an event of a case unless the case has one of this kind with this `detail`. Returns False if it has."""
        event = (desk_events.c.case_id == case.id, desk_events.c.what == what, desk_events.c.detail == detail)
        if self.connection.execute(select(desk_events.c.id).where(*event).limit(1)).first() is not None:
            return False
        self.add_event(case, what, detail=detail)
        return True

    def last_detail(self, case: Case, what: str) -> str:
        """Return the detail of the newest event of this kind of a case, "" if there is none."""
        event = (desk_events.c.case_id == case.id, desk_events.c.what == what)
        newest = select(desk_events.c.detail).where(*event).order_by(desk_events.c.id.desc()).limit(1)
        return self.connection.scalar(newest) or ""

    def list_noted(self, case: Case, what: str, since: float) -> Sequence[int]:
        """Return the users of the events of this kind of a case, from the Unix time `since` on."""
        column = desk_events.c
        fits = (column.case_id == case.id, column.what == what, column.at >= since)
        return list(self.connection.scalars(select(column.who).where(*fits).order_by(column.id)))

    def last_holder(self, where: Address, since: float) -> int:
        """Return the operator of the newest case of an address that an operator had and that was still open at the Unix
        time `since`; 0 if there is none.
        """
        column = desk_cases.c
        fits = (here(desk_cases), column.last_holder != 0, or_(column.closed >= since, column.open == 1))
        query = select(column.last_holder).where(*fits).order_by(column.id.desc()).limit(1)
        return self.connection.scalar(query, spot(where)) or 0

    def count_noted(self, case: Case, what: str) -> int:
        """Return how many different details the events of this kind of a case have."""
        counted = select(func.count(func.distinct(desk_events.c.detail)))
        return self.connection.scalar(counted.where(desk_events.c.case_id == case.id, desk_events.c.what == what)) or 0

    def count_questions(self, case: Case) -> int:
        """Return how many messages the customer has written in the conversation since the case was opened."""
        mine = (messages.c.role == "user", messages.c.at >= case.opened)
        counted = select(func.count()).select_from(messages).where(*mine, CURRENT)
        return self.connection.scalar(counted, spot(case.address)) or 0

    def last_said(self, case: Case) -> float:
        """Return when the newest message of the conversation was stored; the opening of the case if there is none."""
        return max(self.connection.scalar(LAST_SAID, spot(case.address)) or 0.0, case.opened)

    def note_told(self, case: Case, who: int) -> bool:
        """Note that a member of the group was told how to become an operator. Returns False if this member was told
        before.
        """
        told = (desk_events.c.case_id == case.id, desk_events.c.who == who, desk_events.c.what == "told")
        if self.connection.execute(select(desk_events.c.id).where(*told).limit(1)).first() is not None:
            return False
        self.add_event(case, "told", who)
        return True

    def count_events(self, case: Case, what: str, after: str) -> int:
        """Return the number of events of the kind `what` of a case since its last event of the kind `after`."""
        mine = desk_events.c.case_id == case.id
        last = select(func.coalesce(func.max(desk_events.c.id), 0)).where(mine, desk_events.c.what == after)
        found = (mine, desk_events.c.what == what, desk_events.c.id > last.scalar_subquery())
        return self.connection.scalar(select(func.count()).select_from(desk_events).where(*found)) or 0

    def last_event(self, case: Case, what: str) -> float:
        """Return the Unix time of the newest event of this kind of a case, 0.0 if there is none."""
        found = select(func.max(desk_events.c.at)).where(desk_events.c.case_id == case.id, desk_events.c.what == what)
        return self.connection.scalar(found) or 0.0

    def read_waits(self, bot: int, most: int) -> Sequence[float]:
        """Return how long (seconds) each of the newest `most` called cases waited until it was first taken, newest
        first.
        """
        again = desk_events.alias()
        first = (
            select(func.min(again.c.id)).where(again.c.bot == bot, again.c.what == "taken").group_by(again.c.case_id)
        )
        return self._waits(bot, desk_events.c.id.in_(first), most=most)

    def _waits(self, bot: int, *of: ColumnElement[bool], most: int | None = None) -> Sequence[float]:
        taken, called = desk_events, desk_events.alias()
        wait = (
            select(taken.c.at - func.max(called.c.at))
            .join(
                called, (called.c.case_id == taken.c.case_id) & (called.c.what == "called") & (called.c.id < taken.c.id)
            )
            .where(taken.c.bot == bot, taken.c.what == "taken", *of)
            .group_by(taken.c.id, taken.c.at)
            .order_by(taken.c.id.desc())
            .limit(most)
        )
        return [float(seconds) for seconds in self.connection.scalars(wait)]


def _case(row: Any) -> Case:
    return made(Case, row, address=address(row))
