"""The ledger, spending by day, reservations, and what single users may spend."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Index

from bot.storage.rows import Col, Row, column
from bot.storage.schema import Id


class Expense(
    Row,
    table="usage",
    having=(
        Index("ix_usage_chat", "bot", "chat", "at"),
        Index("ix_usage_day", "bot", "at"),
        Index("ix_usage_user", "bot", "user", "at"),
    ),
):
    """The ledger: one row for each paid request, in tokens and in millionths of the currency (`cost`).

    What is not sold by tokens has `units`: seconds of speech, characters of voice, searches.
    """

    id: Col[int] = column(Id, primary_key=True, default=0)
    bot: Col[int]
    chat: Col[int]
    user: Col[int]
    turn: Col[str] = column(sa.String(64))
    model: Col[str] = column(sa.String(200))
    mode: Col[str] = column(sa.String(16))
    prompt: Col[int]
    completion: Col[int]
    reasoning: Col[int]
    at: Col[float]
    cost: Col[int] = column(default=0, is_younger=True)
    units: Col[int] = column(default=0, is_younger=True)


class DaySpending(Row, table="spending"):
    """What was spent on a day (days since 1970, UTC) in a scope: by a user, in a chat, by the bot.

    The spending of a bot is the sum of several rows, numbered by `subject`, so that chats seldom change one row at a
    time.
    """

    bot: Col[int] = column(primary_key=True)
    day: Col[int] = column(primary_key=True)
    kind: Col[str] = column(sa.String(8), primary_key=True)  # tokens, images, money (millionths)
    scope: Col[str] = column(sa.String(4), primary_key=True)
    subject: Col[int] = column(primary_key=True)
    amount: Col[int]


class Reservation(Row, table="reservations", having=(Index("ix_reservations_day", "bot", "day", "kind"),)):
    """An amount reserved from a day's caps for the work of a `turn`, until its cost is known."""

    id: Col[int] = column(Id, primary_key=True, default=0)
    bot: Col[int]
    day: Col[int]
    kind: Col[str] = column(sa.String(8))
    user: Col[int]
    chat: Col[int]
    amount: Col[int]
    at: Col[float]
    turn: Col[str] = column(sa.String(80), default="", is_younger=True)


class PersonalAllowance(Row, table="allowances"):
    """What one user may spend a day and a month (millionths). 0 is no limit, NULL what everybody may spend."""

    bot: Col[int] = column(primary_key=True)
    user: Col[int] = column(primary_key=True)
    day: Col[int | None]
    month: Col[int | None]
    by: Col[int]
    at: Col[float]
