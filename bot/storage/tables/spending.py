"""What it costs: the ledger, sums of a day, what is held back, what one user may spend."""

from __future__ import annotations

from sqlalchemy import BigInteger, ColumnClause, Float, Index, String

from bot.storage.tables.base import Base, Id, column


class UsageRow(Base):
    """The ledger: one row for each request that was paid for, in tokens, and in millionths of the currency (`cost`).

    What is not sold by the tokens of an answer has `units`: seconds of speech, characters of voice, searches, ...
    """

    __tablename__ = "usage"
    __table_args__ = (
        Index("ix_usage_chat", "bot", "chat", "at"),
        Index("ix_usage_day", "bot", "at"),
        Index("ix_usage_user", "bot", "user", "at"),
    )
    id: ColumnClause[int] = column(Id, primary_key=True)
    bot: ColumnClause[int] = column(BigInteger)
    chat: ColumnClause[int] = column(BigInteger)
    user: ColumnClause[int] = column(BigInteger)
    turn: ColumnClause[str] = column(String(64))
    model: ColumnClause[str] = column(String(200))
    mode: ColumnClause[str] = column(String(16))
    prompt: ColumnClause[int] = column(BigInteger)
    completion: ColumnClause[int] = column(BigInteger)
    reasoning: ColumnClause[int] = column(BigInteger)
    at: ColumnClause[float] = column(Float)
    cost: ColumnClause[int] = column(BigInteger, server_default="0")
    units: ColumnClause[int] = column(BigInteger, server_default="0")


class Spending(Base):
    """What was spent on a day (days since 1970, UTC) in a scope: by a user, in a chat, by the bot.

    What the bot has spent is the sum of several rows, numbered by `subject`.
    """

    __tablename__ = "spending"
    bot: ColumnClause[int] = column(BigInteger, primary_key=True)
    day: ColumnClause[int] = column(BigInteger, primary_key=True)
    kind: ColumnClause[str] = column(String(8), primary_key=True)  # tokens, images, money (millionths)
    scope: ColumnClause[str] = column(String(4), primary_key=True)
    subject: ColumnClause[int] = column(BigInteger, primary_key=True)
    amount: ColumnClause[int] = column(BigInteger)


class Reservation(Base):
    """Held back from a day's caps for what is under way, in a `turn`; what it really costs is settled when it ends."""

    __tablename__ = "reservations"
    __table_args__ = (Index("ix_reservations_day", "bot", "day", "kind"),)
    id: ColumnClause[int] = column(Id, primary_key=True)
    bot: ColumnClause[int] = column(BigInteger)
    day: ColumnClause[int] = column(BigInteger)
    kind: ColumnClause[str] = column(String(8))
    user: ColumnClause[int] = column(BigInteger)
    chat: ColumnClause[int] = column(BigInteger)
    amount: ColumnClause[int] = column(BigInteger)
    at: ColumnClause[float] = column(Float)
    turn: ColumnClause[str] = column(String(80), server_default="")


class Allowance(Base):
    """What an admin lets one user spend a day and a month (millionths) instead of what everybody may.

    0 is no limit, NULL as everybody.
    """

    __tablename__ = "allowances"
    bot: ColumnClause[int] = column(BigInteger, primary_key=True)
    user: ColumnClause[int] = column(BigInteger, primary_key=True)
    day: ColumnClause[int | None] = column(BigInteger, nullable=True)
    month: ColumnClause[int | None] = column(BigInteger, nullable=True)
    by: ColumnClause[int] = column(BigInteger)
    at: ColumnClause[float] = column(Float)
