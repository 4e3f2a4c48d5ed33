"""Users, chats, members, invitations, requests to the admins, and the audit log."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Index, Named, TypedColumns

from bot.storage.schema import Id
from bot.storage.tables.base import declare_table


class UserColumns(TypedColumns):
    """A user who has written to a bot."""

    bot: Named[int] = Column(sa.BigInteger, primary_key=True)
    id: Named[int] = Column(sa.BigInteger, primary_key=True)
    name: Named[str] = Column(sa.String(256))
    language: Named[str] = Column(sa.String(16))  # as Telegram tells it
    first_seen: Named[float] = Column(sa.Float)
    model: Named[str] = Column(sa.String(200), server_default="")
    timezone: Named[str] = Column(sa.String(64), server_default="")  # IANA name, as the user told


users = declare_table("users", UserColumns)


class ChatColumns(TypedColumns):
    """A chat and its settings; "" means the default of the operator."""

    bot: Named[int] = Column(sa.BigInteger, primary_key=True)
    id: Named[int] = Column(sa.BigInteger, primary_key=True)
    is_private: Named[bool] = Column(sa.Boolean)
    is_gone: Named[bool] = Column(sa.Boolean)
    language: Named[str] = Column(sa.String(16))
    model: Named[str] = Column(sa.String(200))
    streaming: Named[str] = Column(sa.String(8))
    first_seen: Named[float] = Column(sa.Float)
    persona: Named[str] = Column(sa.String(64), server_default="")
    reasoning: Named[str] = Column(sa.String(8), server_default="")
    temperature: Named[str] = Column(sa.String(8), server_default="")
    mirrors: Named[bool] = Column(sa.Boolean, server_default=sa.false())  # voice is answered with voice
    is_allowed: Named[bool] = Column(sa.Boolean, server_default=sa.false())  # a group that an admin let in
    notices: Named[str] = Column(sa.String(8), server_default="")  # alone: only who asked sees them


chats = declare_table("chats", ChatColumns)


class TopicColumns(TypedColumns):
    """Settings of one topic of a chat. A column is NULL where the topic follows the chat."""

    bot: Named[int] = Column(sa.BigInteger, primary_key=True)
    chat: Named[int] = Column(sa.BigInteger, primary_key=True)
    thread: Named[int] = Column(sa.BigInteger, primary_key=True)
    model: Named[str | None] = Column(sa.String(200))
    persona: Named[str | None] = Column(sa.String(64))
    reasoning: Named[str | None] = Column(sa.String(8))
    temperature: Named[str | None] = Column(sa.String(8))
    answers: Named[str] = Column(
        sa.String(8), server_default=""
    )  # all: the bot answers every message, not mentions only


topics = declare_table("topics", TopicColumns)


class MemberColumns(TypedColumns):
    """A member: admin, operator, user, or blocked. Owners stand in the settings or here."""

    bot: Named[int] = Column(sa.BigInteger, primary_key=True)
    user: Named[int] = Column(sa.BigInteger, primary_key=True)
    role: Named[str] = Column(sa.String(16))
    expires: Named[float | None] = Column(sa.Float)
    by: Named[int] = Column(sa.BigInteger)
    at: Named[float] = Column(sa.Float)


members = declare_table("members", MemberColumns)


class InviteColumns(TypedColumns):
    """A link that lets users in. Only the hash of its code is stored."""

    id: Named[int] = Column(Id, primary_key=True)
    bot: Named[int] = Column(sa.BigInteger)
    code: Named[str] = Column(sa.String(64))  # SHA-256, hex
    role: Named[str] = Column(sa.String(16))
    uses: Named[int] = Column(sa.Integer)  # that are left
    expires: Named[float] = Column(sa.Float)
    member_seconds: Named[float | None] = Column(sa.Float)  # how long those whom it let in may stay
    by: Named[int] = Column(sa.BigInteger)
    at: Named[float] = Column(sa.Float)


invites = declare_table("invites", InviteColumns, sa.UniqueConstraint("bot", "code"))


class ApplicationColumns(TypedColumns):
    """A request to let a user or a group in, decided once by the admins. `subject` is the user's or chat's id."""

    bot: Named[int] = Column(sa.BigInteger, primary_key=True)
    subject: Named[int] = Column(sa.BigInteger, primary_key=True)
    name: Named[str] = Column(sa.String(256))
    state: Named[str] = Column(sa.String(10))  # open, allowed, refused
    by: Named[int] = Column(sa.BigInteger)
    at: Named[float] = Column(sa.Float)


applications = declare_table("applications", ApplicationColumns)


class AuditColumns(TypedColumns):
    """An entry of the audit log: what an owner or an admin did. Rows are never changed, and stay when a user is
    deleted.
    """

    id: Named[int] = Column(Id, primary_key=True)
    bot: Named[int] = Column(sa.BigInteger)
    actor: Named[int] = Column(sa.BigInteger)
    action: Named[str] = Column(sa.String(40))
    subject: Named[str] = Column(sa.String(80))
    details: Named[str] = Column(sa.Text)
    at: Named[float] = Column(sa.Float)


audit = declare_table("audit", AuditColumns, Index("ix_audit_at", "bot", "at"))
