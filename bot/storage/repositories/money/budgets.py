"""What was spent on a day (UTC) by a user, in a chat and by the bot, and what is reserved for work under way.

Begin with `reserve` and `settle`. Amounts are whole numbers of what `kind` counts: tokens, images or millionths of the
currency. A month is the sum of its days.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Float,
    Row,
    Select,
    String,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningInsert

from bot.storage.engines import decision_locks
from bot.storage.engines.decision_locks import DecisionLock
from bot.storage.engines.prepared import Inserter, Prepared
from bot.storage.repositories.mapping import Repository
from bot.storage.tables.spending import DaySpending, Reservation
from bot.types import Address

DAY = 86_400
KEPT = 40  # days: a month and some more
USER, CHAT, BOT = "user", "chat", "bot"
MONTH = "_month"
OPEN_BEFORE = Prepared(
    select(Reservation.id, Reservation.kind, Reservation.turn).where(
        Reservation.bot == bindparam("b"), Reservation.at < bindparam("before")
    )
)
PARTS = 16  # rows in which the sum of a bot is kept, so that chats seldom meet at one


@dataclass(frozen=True, slots=True)
class Caps:
    """The most that a user, a chat and the bot may spend on a day and in a month; 0 is no limit."""

    user: int = 0
    chat: int = 0
    bot: int = 0
    user_month: int = 0
    chat_month: int = 0
    bot_month: int = 0

    def __bool__(self) -> bool:
        return any(astuple(self))

    def of_bot(self) -> Caps:
        """Return the limits of the whole bot alone."""
        return Caps(bot=self.bot, bot_month=self.bot_month)

    @property
    def monthly(self) -> bool:
        """Whether there is a limit for a month."""
        return bool(self.user_month or self.chat_month or self.bot_month)


def _number(name: str) -> ColumnElement[int]:
    return bindparam(name, type_=BigInteger)


def _sum(table: Any, period: str, *narrower: ColumnElement[bool]) -> ColumnElement[int]:
    """The amounts of a kind on a day, or in a month."""
    day = table.c.day
    when = day.in_(bindparam("days", expanding=True)) if period == MONTH else day == bindparam("day")
    here = (table.c.bot == bindparam("bot"), when, table.c.kind == bindparam("kind"), *narrower)
    return select(func.coalesce(func.sum(table.c.amount), 0)).where(*here).scalar_subquery()


# In a scope that is not the whole bot only the amounts of one subject are added up.
ALL = [(scope, period) for period in ("", MONTH) for scope in (USER, CHAT, BOT)]
SPENT = {
    (scope, period): _sum(
        DaySpending.table, period, DaySpending.scope == scope,
        *([] if scope == BOT else [DaySpending.subject == _number(scope)]),
    )
    for scope, period in ALL
}  # fmt: skip
HELD = {
    (scope, period): _sum(
        Reservation.table, period, *([] if scope == BOT else [Reservation.table.c[scope] == bindparam(scope)])
    )
    for scope, period in ALL
}


def _fits(scope: str, period: str = "") -> ColumnElement[bool]:
    """Within the cap; or, if nothing else is reserved, with something of the cap left, so that it can be used up."""
    cap, spent, held = _number(f"{scope}{period}_cap"), SPENT[scope, period], HELD[scope, period]
    return or_(cap == 0, spent + held + _number("amount") <= cap, and_(held == 0, spent < cap))


ROW: dict[str, Any] = {
    "bot": _number("bot"), "day": _number("day"), "kind": bindparam("kind", type_=String), "user": _number("user"),
    "chat": _number("chat"), "amount": _number("amount"), "at": bindparam("at", type_=Float),
    "turn": bindparam("turn", type_=String),
}  # fmt: skip


def _reserve(*periods: str) -> ReturningInsert[Any]:
    fits = [_fits(scope, period) for period in periods for scope in (USER, CHAT, BOT)]
    return (
        insert(Reservation.table).from_select(list(ROW), select(*ROW.values()).where(*fits)).returning(Reservation.id)
    )


RESERVE, RESERVE_MONTH = _reserve(""), _reserve("", MONTH)
SETTLE = Prepared(
    delete(Reservation.table).where(Reservation.id == bindparam("reservation")).returning(Reservation.table)
)


def _add(insert: Inserter) -> Any:
    new = insert(DaySpending.table)
    return new.on_conflict_do_update(
        index_elements=DaySpending.table.primary_key, set_={"amount": DaySpending.amount + new.excluded.amount}
    )


ADD = Prepared(_add)


def _over(scope: str, period: str) -> Select[tuple[bool]]:
    cap = _number(f"{scope}{period}_cap")
    return select(and_(cap > 0, SPENT[scope, period] >= cap))


# Months first: what is told is what ends last.
OVER = [(scope + period, _over(scope, period)) for period in (MONTH, "") for scope in (USER, CHAT, BOT)]


class Budgets(Repository):
    """Spending of a day, and reservations for work that is under way."""

    def reserve(self, kind: str, amount: int, where: Address, user: int, caps: Caps, turn: str = "") -> int | None:
        """Reserve `amount` for work that begins now. Returns the id of the reservation, None if a cap forbids it.

        `turn` is the turn that the work is for, "" for none: `settle_turn` finds the reservation by it. One statement
        decides and reserves. A cap is exceeded by at most one reservation: an amount that does not fit is reserved only
        if something is left of the cap and nothing else is under way.
        """
        decision_locks.insist(self.connection, DecisionLock.SPENDING)
        values = {**self._where(kind, where, user, caps), "amount": amount, "at": self.clock.time(), "turn": turn}
        return self.connection.execute(RESERVE_MONTH if caps.monthly else RESERVE, values).scalar_one_or_none()

    def settle_reservation(self, reservation: int, amount: int | None = None) -> None:
        """Replace a reservation by what the work has cost (None: all that was reserved), on the day it was made.

        A reservation that was settled before is left alone.
        """
        row = self.execute(SETTLE, {"reservation": reservation}).one_or_none()
        cost = row.amount if row is not None and amount is None else amount
        if row is None or not cost:
            return
        one = {"bot": row.bot, "day": row.day, "kind": row.kind, "amount": cost}
        subjects = {USER: row.user, CHAT: row.chat, BOT: row.chat % PARTS}
        self.execute_many(ADD, [{**one, "scope": s, "subject": id_} for s, id_ in subjects.items()])

    def draw(self, bot: int, reservation: int, amount: int) -> None:
        """Count a part of a long work's reservation of money as spent by the bot today; a negative amount goes back.

        The reservation counts as made now, so that it is not taken for abandoned.
        """
        here = Reservation.id == reservation
        left = update(Reservation.table).where(here)
        self.connection.execute(left.values(amount=Reservation.amount - amount, at=self.clock.time()))
        one = {"bot": bot, "day": self._today(), "kind": "money", "scope": BOT, "subject": 0, "amount": amount}
        self.execute(ADD, one)

    def release(self, bot: int, turn: str) -> None:
        """Give back what the reservations of a turn still hold."""
        left = select(Reservation.id).where(Reservation.bot == bot, Reservation.turn == turn)
        for id_ in set(self.connection.scalars(left)):
            self.settle_reservation(id_, 0)

    def settle_turn(self, bot: int, turn: str, *, spare: Collection[int] = ()) -> None:
        """Settle in full the reservations of a turn, except those with the ids in `spare`."""
        left = select(Reservation.id).where(Reservation.bot == bot, Reservation.turn == turn)
        for id_ in set(self.connection.scalars(left)) - set(spare):
            self.settle_reservation(id_)

    def list_open(self, bot: int, before: float) -> Sequence[Row[int, str, str]]:
        """Return id, kind and turn of the reservations that were made, or drawn from, before a time (Unix seconds)."""
        return self.execute(OPEN_BEFORE, {"b": bot, "before": before}).all()

    def find_exhausted_cap(self, kind: str, where: Address, user: int, caps: Caps) -> str:
        """Return whose cap is spent: "user", "chat" or "bot", with "_month" behind it for the cap of a month.

        "" if no cap is spent: then amounts are only reserved, and may become free again.
        """
        values = self._where(kind, where, user, caps)
        for scope, query in OVER:
            if (caps.monthly or not scope.endswith(MONTH)) and self.connection.execute(query, values).scalar_one():
                return scope
        return ""

    def read_spent(self, kind: str, bot: int, scope: str = BOT, subject: int = 0, *, month: bool = False) -> int:
        """Return how much of a kind was spent today (UTC), or with `month` in this month.

        `scope` says by whom: `USER` or `CHAT`, whose id is `subject`, or the whole bot.
        """
        query = select(func.coalesce(func.sum(DaySpending.amount), 0)).where(
            DaySpending.bot == bot, DaySpending.day.in_(self._days() if month else [self._today()]),
            DaySpending.kind == kind, DaySpending.scope == scope,
            *(() if scope == BOT else (DaySpending.subject == subject,)),
        )  # fmt: skip
        return int(self.connection.execute(query).scalar_one())

    def delete_old_days(self) -> None:
        """Delete the spending of days that no budget looks at any more."""
        self.connection.execute(delete(DaySpending.table).where(DaySpending.day < self._today() - KEPT))

    def _today(self) -> int:
        """The days (UTC) since 1970."""
        return int(self.clock.time() // DAY)

    def _days(self) -> Sequence[int]:
        """The days of this month until today, counted as `_today` does."""
        today = self._today()
        return range(today - datetime.fromtimestamp(self.clock.time(), UTC).day + 1, today + 1)

    def _where(self, kind: str, where: Address, user: int, caps: Caps) -> dict[str, Any]:
        values = {
            "bot": where.bot, "day": self._today(), "kind": kind, "user": user, "chat": where.chat,
            "user_cap": caps.user, "chat_cap": caps.chat, "bot_cap": caps.bot,
        }  # fmt: skip
        if caps.monthly:
            months = {"user": caps.user_month, "chat": caps.chat_month, "bot": caps.bot_month}
            values |= {f"{scope}{MONTH}_cap": cap for scope, cap in months.items()} | {"days": list(self._days())}
        return values
