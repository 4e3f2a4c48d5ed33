"""Users, chats, members, invitations, requests to the admins, and the audit log."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Index

from bot.storage.rows import Col, Row, column
from bot.storage.schema import Id


class KnownUser(Row, table="users"):
    """A user who has written to a bot."""

    bot: Col[int] = column(primary_key=True)
    id: Col[int] = column(primary_key=True)
    name: Col[str] = column(sa.String(256))
    language: Col[str] = column(sa.String(16))  # as Telegram tells it
    first_seen: Col[float]
    model: Col[str] = column(sa.String(200), default="", is_younger=True)
    timezone: Col[str] = column(sa.String(64), default="", is_younger=True)  # IANA name, as the user told


class KnownChat(Row, table="chats"):
    """A chat and its settings; "" means the default of the operator."""

    bot: Col[int] = column(primary_key=True)
    id: Col[int] = column(primary_key=True)
    is_private: Col[bool] = column(sa.Boolean)
    is_gone: Col[bool] = column(sa.Boolean)
    language: Col[str] = column(sa.String(16))
    model: Col[str] = column(sa.String(200))
    streaming: Col[str] = column(sa.String(8))
    first_seen: Col[float]
    persona: Col[str] = column(sa.String(64), default="", is_younger=True)
    reasoning: Col[str] = column(sa.String(8), default="", is_younger=True)
    temperature: Col[str] = column(sa.String(8), default="", is_younger=True)
    mirrors: Col[bool] = column(sa.Boolean, default=False, is_younger=True)  # voice is answered with voice
    is_allowed: Col[bool] = column(sa.Boolean, default=False, is_younger=True)  # a group that an admin let in
    notices: Col[str] = column(sa.String(8), default="", is_younger=True)  # alone: only who asked sees them


class ChatTopic(Row, table="topics"):
    """Settings of one topic of a chat. A column is NULL where the topic follows the chat."""

    bot: Col[int] = column(primary_key=True)
    chat: Col[int] = column(primary_key=True)
    thread: Col[int] = column(primary_key=True)
    model: Col[str | None] = column(sa.String(200))
    persona: Col[str | None] = column(sa.String(64))
    reasoning: Col[str | None] = column(sa.String(8))
    temperature: Col[str | None] = column(sa.String(8))
    answers: Col[str] = column(
        sa.String(8), default="", is_younger=True
    )  # all: the bot answers every message, not mentions only


class MembershipRow(Row, table="members"):
    """A member: admin, operator, user, or blocked. Owners stand in the settings or here."""

    bot: Col[int] = column(primary_key=True)
    user: Col[int] = column(primary_key=True)
    role: Col[str] = column(sa.String(16))
    expires: Col[float | None]
    by: Col[int]
    at: Col[float]


class InvitationRow(Row, table="invites", having=(sa.UniqueConstraint("bot", "code"),)):
    """A link that lets users in. Only the hash of its code is stored."""

    id: Col[int] = column(Id, primary_key=True, default=0)
    bot: Col[int]
    code: Col[str] = column(sa.String(64))  # SHA-256, hex
    role: Col[str] = column(sa.String(16))
    uses: Col[int] = column(sa.Integer)  # that are left
    expires: Col[float]
    member_seconds: Col[float | None]  # how long those whom it let in may stay
    by: Col[int]
    at: Col[float]


class AskedRow(Row, table="applications"):
    """A request to let a user or a group in, decided once by the admins. `subject` is the user's or chat's id."""

    bot: Col[int] = column(primary_key=True)
    subject: Col[int] = column(primary_key=True)
    name: Col[str] = column(sa.String(256))
    state: Col[str] = column(sa.String(10))  # open, allowed, refused
    by: Col[int]
    at: Col[float]


class EntryRow(Row, table="audit", having=(Index("ix_audit_at", "bot", "at"),)):
    """An entry of the audit log: what an owner or an admin did. Rows are never changed, and stay when a user is
    deleted.
    """

    id: Col[int] = column(Id, primary_key=True, default=0)
    bot: Col[int]
    actor: Col[int]
    action: Col[str] = column(sa.String(40))
    subject: Col[str] = column(sa.String(80))
    details: Col[str]
    at: Col[float]
