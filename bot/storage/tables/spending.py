"""The ledger, spending by day, reservations, and what single users may spend."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Named, String, Table, TypedColumns

from bot.storage.tables.base import METADATA, Id


class UsageColumns(TypedColumns):
    """The ledger: one row for each paid request, in tokens and in millionths of the currency (`cost`).

    What is not sold by tokens has `units`: seconds of speech, characters of voice, searches.
    """

    id: Named[int] = Column(Id, primary_key=True)
    bot: Named[int] = Column(BigInteger)
    chat: Named[int] = Column(BigInteger)
    user: Named[int] = Column(BigInteger)
    turn: Named[str] = Column(String(64))
    model: Named[str] = Column(String(200))
    mode: Named[str] = Column(String(16))
    prompt: Named[int] = Column(BigInteger)
    completion: Named[int] = Column(BigInteger)
    reasoning: Named[int] = Column(BigInteger)
    at: Named[float] = Column(Float)
    cost: Named[int] = Column(BigInteger, server_default="0")
    units: Named[int] = Column(BigInteger, server_default="0")


usage = Table(
    "usage",
    METADATA,
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

    bot: Named[int] = Column(BigInteger, primary_key=True)
    day: Named[int] = Column(BigInteger, primary_key=True)
    kind: Named[str] = Column(String(8), primary_key=True)  # tokens, images, money (millionths)
    scope: Named[str] = Column(String(4), primary_key=True)
    subject: Named[int] = Column(BigInteger, primary_key=True)
    amount: Named[int] = Column(BigInteger)


spending = Table("spending", METADATA, SpendingColumns)


class ReservationColumns(TypedColumns):
    """An amount reserved from a day's caps for the work of a `turn`, until its cost is known."""

    id: Named[int] = Column(Id, primary_key=True)
    bot: Named[int] = Column(BigInteger)
    day: Named[int] = Column(BigInteger)
    kind: Named[str] = Column(String(8))
    user: Named[int] = Column(BigInteger)
    chat: Named[int] = Column(BigInteger)
    amount: Named[int] = Column(BigInteger)
    at: Named[float] = Column(Float)
    turn: Named[str] = Column(String(80), server_default="")


reservations = Table("reservations", METADATA, ReservationColumns, Index("ix_reservations_day", "bot", "day", "kind"))


class AllowanceColumns(TypedColumns):
    """What one user may spend a day and a month (millionths). 0 is no limit, NULL what everybody may spend."""

    bot: Named[int] = Column(BigInteger, primary_key=True)
    user: Named[int] = Column(BigInteger, primary_key=True)
    day: Named[int | None] = Column(BigInteger)
    month: Named[int | None] = Column(BigInteger)
    by: Named[int] = Column(BigInteger)
    at: Named[float] = Column(Float)


allowances = Table("allowances", METADATA, AllowanceColumns)
