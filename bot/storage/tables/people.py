"""Who speaks, where, and who may: users, chats, roles, invitations, and what was done with rights."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, ColumnClause, Float, Index, Integer, String, Text, UniqueConstraint, false

from bot.storage.tables.base import Base, Id, column


class User(Base):
    __tablename__ = "users"
    bot: ColumnClause[int] = column(BigInteger, primary_key=True)
    id: ColumnClause[int] = column(BigInteger, primary_key=True)
    name: ColumnClause[str] = column(String(256))
    language: ColumnClause[str] = column(String(16))  # as Telegram tells it
    first_seen: ColumnClause[float] = column(Float)
    model: ColumnClause[str] = column(String(200), server_default="")
    timezone: ColumnClause[str] = column(String(64), server_default="")  # IANA name, as the user told


class Chat(Base):
    """A chat and what was chosen in it; an empty choice means the operator's default."""

    __tablename__ = "chats"
    bot: ColumnClause[int] = column(BigInteger, primary_key=True)
    id: ColumnClause[int] = column(BigInteger, primary_key=True)
    is_private: ColumnClause[bool] = column(Boolean)
    is_gone: ColumnClause[bool] = column(Boolean)
    language: ColumnClause[str] = column(String(16))
    model: ColumnClause[str] = column(String(200))
    streaming: ColumnClause[str] = column(String(8))
    first_seen: ColumnClause[float] = column(Float)
    persona: ColumnClause[str] = column(String(64), server_default="")
    reasoning: ColumnClause[str] = column(String(8), server_default="")
    mirrors: ColumnClause[bool] = column(Boolean, server_default=false())  # voice is answered with voice
    is_allowed: ColumnClause[bool] = column(Boolean, server_default=false())  # a group that an admin let in
    notices: ColumnClause[str] = column(String(8), server_default="")  # alone: only who asked sees them


class Member(Base):
    """Whom the bot knows with a role: admin, operator, user, or blocked. Owners stand in the settings or here."""

    __tablename__ = "members"
    bot: ColumnClause[int] = column(BigInteger, primary_key=True)
    user: ColumnClause[int] = column(BigInteger, primary_key=True)
    role: ColumnClause[str] = column(String(16))
    expires: ColumnClause[float | None] = column(Float, nullable=True)
    by: ColumnClause[int] = column(BigInteger)
    at: ColumnClause[float] = column(Float)


class Invite(Base):
    """A link that lets people in. Only the hash of its code is kept."""

    __tablename__ = "invites"
    __table_args__ = (UniqueConstraint("bot", "code"),)
    id: ColumnClause[int] = column(Id, primary_key=True)
    bot: ColumnClause[int] = column(BigInteger)
    code: ColumnClause[str] = column(String(64))  # SHA-256, hex
    role: ColumnClause[str] = column(String(16))
    uses: ColumnClause[int] = column(Integer)  # that are left
    expires: ColumnClause[float] = column(Float)
    member_seconds: ColumnClause[float | None] = column(Float, nullable=True)  # how long those whom it let in may stay
    by: ColumnClause[int] = column(BigInteger)
    at: ColumnClause[float] = column(Float)


class Application(Base):
    """Somebody asked to be let in, or a group was: the admins decide once. `subject` is a user's or a chat's id."""

    __tablename__ = "applications"
    bot: ColumnClause[int] = column(BigInteger, primary_key=True)
    subject: ColumnClause[int] = column(BigInteger, primary_key=True)
    name: ColumnClause[str] = column(String(256))
    state: ColumnClause[str] = column(String(10))  # open, allowed, refused
    by: ColumnClause[int] = column(BigInteger)
    at: ColumnClause[float] = column(Float)


class Audit(Base):
    """What was done by somebody with rights: never changed, never deleted with a user."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_at", "bot", "at"),)
    id: ColumnClause[int] = column(Id, primary_key=True)
    bot: ColumnClause[int] = column(BigInteger)
    actor: ColumnClause[int] = column(BigInteger)
    action: ColumnClause[str] = column(String(40))
    subject: ColumnClause[str] = column(String(80))
    details: ColumnClause[str] = column(Text)
    at: ColumnClause[float] = column(Float)
