"""What was spent on a day (UTC), and what is held back for work that is under way: for a user, a chat and the bot.

Begin with `reserve` and `settle`. Amounts are whole numbers of what `kind` counts: tokens or images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Float,
    String,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
)
from sqlalchemy.dialects import sqlite

from bot.storage.rows import Subject
from bot.storage.tables import Reservation, Spending
from bot.types import Address

DAY = 86_400
KEPT = 40  # days
USER, CHAT, BOT = "user", "chat", "bot"


@dataclass(frozen=True, slots=True)
class Caps:
    """The most that may be spent on a day by a user, in a chat and by the bot; 0 is no limit."""

    user: int = 0
    chat: int = 0
    bot: int = 0

    def __bool__(self) -> bool:
        return bool(self.user or self.chat or self.bot)


def _spent(scope: str, subject: ColumnElement[int]) -> ColumnElement[int]:
    return (
        select(func.coalesce(func.sum(Spending.amount), 0))
        .where(
            Spending.bot == bindparam("bot"), Spending.day == bindparam("day"), Spending.kind == bindparam("kind"),
            Spending.scope == scope, Spending.subject == subject,
        )
        .scalar_subquery()
    )  # fmt: skip


def _held(*narrower: ColumnElement[bool]) -> ColumnElement[int]:
    here = (
        Reservation.bot == bindparam("bot"),
        Reservation.day == bindparam("day"),
        Reservation.kind == bindparam("kind"),
    )
    return select(func.coalesce(func.sum(Reservation.amount), 0)).where(*here, *narrower).scalar_subquery()


def _number(name: str) -> ColumnElement[int]:
    return bindparam(name, type_=BigInteger)


SPENT = {
    USER: _spent(USER, _number("user")),
    CHAT: _spent(CHAT, _number("chat")),
    BOT: _spent(BOT, literal(0)),
}
HELD = {
    USER: _held(Reservation.user == bindparam("user")),
    CHAT: _held(Reservation.chat == bindparam("chat")),
    BOT: _held(),
}


def _fits(scope: str) -> ColumnElement[bool]:
    """Within the cap; or alone on what is left of it, so that the last of a day's share can be used."""
    cap, spent, held = _number(f"{scope}_cap"), SPENT[scope], HELD[scope]
    return or_(cap == 0, spent + held + _number("amount") <= cap, and_(held == 0, spent < cap))


ROW: dict[str, Any] = {
    "bot": _number("bot"), "day": _number("day"), "kind": bindparam("kind", type_=String), "user": _number("user"),
    "chat": _number("chat"), "amount": _number("amount"), "at": bindparam("at", type_=Float),
}  # fmt: skip
RESERVE = (
    insert(Reservation)
    .from_select(list(ROW), select(*ROW.values()).where(_fits(USER), _fits(CHAT), _fits(BOT)))
    .returning(Reservation.id)
)
SETTLE = delete(Reservation).where(Reservation.id == bindparam("reservation")).returning(Reservation)
ADD = sqlite.insert(Spending)
ADD = ADD.on_conflict_do_update(
    index_elements=["bot", "day", "kind", "scope", "subject"], set_={"amount": Spending.amount + ADD.excluded.amount}
)
OVER = [(scope, select(and_(_number(f"{scope}_cap") > 0, SPENT[scope] >= _number(f"{scope}_cap")))) for scope in SPENT]


class Ledgers(Subject):
    def reserve(self, kind: str, amount: int, where: Address, user: int, caps: Caps) -> int | None:
        """Hold `amount` back for something that begins now: the id of the reservation, None when a cap forbids it.

        One statement decides and holds. A cap is never exceeded by more than one reservation: what does not fit is
        let in only where something is left and nothing else is under way.
        """
        values = {**self._where(kind, where, user, caps), "amount": amount, "at": self.clock.time()}
        return self.connection.execute(RESERVE, values).scalar_one_or_none()

    def settle(self, reservation: int, amount: int | None = None) -> None:
        """It cost `amount` (None: all that was held). A reservation is settled once, on the day it was made."""
        row = self.connection.execute(SETTLE, {"reservation": reservation}).one_or_none()
        cost = row.amount if row is not None and amount is None else amount
        if row is None or not cost:
            return
        one = {"bot": row.bot, "day": row.day, "kind": row.kind, "amount": cost}
        subjects = {USER: row.user, CHAT: row.chat, BOT: 0}
        self.connection.execute(ADD, [{**one, "scope": s, "subject": id_} for s, id_ in subjects.items()])

    def settle_dead(self, bot: int, kind: str, *, before: float | None = None) -> None:
        """Settle in full what nobody can settle any more: what an earlier process, or a turn of long ago, held back."""
        left = select(Reservation.id).where(Reservation.bot == bot, Reservation.kind == kind)
        if before is not None:
            left = left.where(Reservation.at < before)
        for id_ in self.connection.scalars(left).all():
            self.settle(id_)

    def used_up(self, kind: str, where: Address, user: int, caps: Caps) -> str:
        """Whose cap of today is spent: "user", "chat" or "bot"; "" for none (then the rest is only held back)."""
        values = self._where(kind, where, user, caps)
        for scope, query in OVER:
            if self.connection.execute(query, values).scalar_one():
                return scope
        return ""

    def spent(self, kind: str, bot: int, scope: str = BOT, subject: int = 0) -> int:
        """What was spent today."""
        query = select(func.coalesce(func.sum(Spending.amount), 0)).where(
            Spending.bot == bot, Spending.day == self._today(), Spending.kind == kind, Spending.scope == scope,
            Spending.subject == subject,
        )  # fmt: skip
        return int(self.connection.execute(query).scalar_one())

    def sweep(self) -> None:
        """Forget the days that are long past."""
        self.connection.execute(delete(Spending).where(Spending.day < self._today() - KEPT))

    def _today(self) -> int:
        return int(self.clock.time() // DAY)

    def _where(self, kind: str, where: Address, user: int, caps: Caps) -> dict[str, Any]:
        return {
            "bot": where.bot, "day": self._today(), "kind": kind, "user": user, "chat": where.chat,
            "user_cap": caps.user, "chat_cap": caps.chat, "bot_cap": caps.bot,
        }  # fmt: skip
