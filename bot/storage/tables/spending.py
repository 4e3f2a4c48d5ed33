"""The ledger, spending by day, reservations, and what single users may spend."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Index, Named, TypedColumns

from bot.storage.schema import Id
from bot.storage.tables.base import declare_table


class UsageColumns(TypedColumns):
    """The ledger: one row for each paid request, in tokens and in millionths of the currency (`cost`).

    What is not sold by tokens has `units`: seconds of speech, characters of voice, searches.
    """

    id: Named[int] = Column(Id, primary_key=True)
    bot: Named[int] = Column(sa.BigInteger)
    chat: Named[int] = Column(sa.BigInteger)
    user: Named[int] = Column(sa.BigInteger)
    turn: Named[str] = Column(sa.String(64))
    model: Named[str] = Column(sa.String(200))
    mode: Named[str] = Column(sa.String(16))
    prompt: Named[int] = Column(sa.BigInteger)
    completion: Named[int] = Column(sa.BigInteger)
    reasoning: Named[int] = Column(sa.BigInteger)
    at: Named[float] = Column(sa.Float)
    cost: Named[int] = Column(sa.BigInteger, server_default="0")
    units: Named[int] = Column(sa.BigInteger, server_default="0")


usage = declare_table(
    "usage",
    UsageColumns,
    Index("ix_usage_chat", "bot", "chat", "at"),
    Index("ix_usage_day", "bot", "at"),
    Index("ix_usage_user", "bot", "user", "at"),
)


class SpendingColumns(TypedColumns):
    """What was spent on a day (days since 1970, UTC) in a scope: by a user, in a chat, by the bot.

    The spending of a bot is the sum of several rows, numbered by `subject`, so that chats seldom change one row at a
    time.
    """

    bot: Named[int] = Column(sa.BigInteger, primary_key=True)
    day: Named[int] = Column(sa.BigInteger, primary_key=True)
    kind: Named[str] = Column(sa.String(8), primary_key=True)  # tokens, images, money (millionths)
    scope: Named[str] = Column(sa.String(4), primary_key=True)
    subject: Named[int] = Column(sa.BigInteger, primary_key=True)
    amount: Named[int] = Column(sa.BigInteger)


spending = declare_table("spending", SpendingColumns)


class ReservationColumns(TypedColumns):
    """An amount reserved from a day's caps for the work of a `turn`, until its cost is known."""

    id: Named[int] = Column(Id, primary_key=True)
    bot: Named[int] = Column(sa.BigInteger)
    day: Named[int] = Column(sa.BigInteger)
    kind: Named[str] = Column(sa.String(8))
    user: Named[int] = Column(sa.BigInteger)
    chat: Named[int] = Column(sa.BigInteger)
    amount: Named[int] = Column(sa.BigInteger)
    at: Named[float] = Column(sa.Float)
    turn: Named[str] = Column(sa.String(80), server_default="")


reservations = declare_table("reservations", ReservationColumns, Index("ix_reservations_day", "bot", "day", "kind"))


class AllowanceColumns(TypedColumns):
    """What one user may spend a day and a month (millionths). 0 is no limit, NULL what everybody may spend."""

    bot: Named[int] = Column(sa.BigInteger, primary_key=True)
    user: Named[int] = Column(sa.BigInteger, primary_key=True)
    day: Named[int | None] = Column(sa.BigInteger)
    month: Named[int | None] = Column(sa.BigInteger)
    by: Named[int] = Column(sa.BigInteger)
    at: Named[float] = Column(sa.Float)


allowances = declare_table("allowances", AllowanceColumns)
