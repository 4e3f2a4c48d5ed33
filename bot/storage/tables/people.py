"""Users, chats, members, invitations, requests to the admins, and the audit log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Index, bindparam

from bot.storage.rows import Col, Query, Row, column, dump_json
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
    is_gone: Col[bool] = column(sa.Boolean, default=False)
    language: Col[str] = column(sa.String(16), default="")
    model: Col[str] = column(sa.String(200), default="")
    streaming: Col[str] = column(sa.String(8), default="")
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


class Membership(Row, table="members"):
    """A member: admin, operator, user, or blocked. Owners stand in the settings or here.

    `expires` is None for good; `by` is who gave the role, 0 the first-run code.
    """

    bot: Col[int] = column(primary_key=True)
    user: Col[int] = column(primary_key=True)
    role: Col[str] = column(sa.String(16))
    expires: Col[float | None] = column(default=None)
    by: Col[int]
    at: Col[float]

    def is_over(self, now: float) -> bool:
        """Return whether the membership has expired at `now` (Unix seconds)."""
        return self.expires is not None and self.expires <= now


MEMBERS = Query(Membership, order=[Membership.at, Membership.user])


class Invitation(Row, table="invites", having=(sa.UniqueConstraint("bot", "code"),)):
    """A link that lets users in. Only the hash of its code is stored."""

    id: Col[int] = column(Id, primary_key=True, default=0)
    bot: Col[int]
    code: Col[str] = column(sa.String(64))  # SHA-256, hex
    role: Col[str] = column(sa.String(16))
    uses: Col[int] = column(sa.Integer)  # that are left
    expires: Col[float]
    member_seconds: Col[float | None] = column(default=None)  # how long those whom it let in may stay
    by: Col[int]
    at: Col[float]


GOOD_INVITATIONS = Query(Invitation, Invitation.uses > 0, Invitation.expires > bindparam("now"))


class Asked(Row, table="applications"):
    """A request to let a user or a group in, decided once by the admins. `subject` is the user's or chat's id."""

    bot: Col[int] = column(primary_key=True)
    subject: Col[int] = column(primary_key=True)
    name: Col[str] = column(sa.String(256))
    state: Col[str] = column(sa.String(10), default="open")  # open, allowed, refused
    by: Col[int] = column(default=0)
    at: Col[float]


class Entry(Row, table="audit", having=(Index("ix_audit_at", "bot", "at"),)):
    """An entry of the audit log: what an owner or an admin did. Rows are never changed, and stay when a user is
    deleted.
    """

    id: Col[int] = column(Id, primary_key=True, default=0)
    bot: Col[int]
    actor: Col[int]
    action: Col[str] = column(sa.String(40))
    subject: Col[str] = column(sa.String(80))  # whom or what it was about, "" for nothing
    details: Col[Mapping[str, Any]] = column(sa.Text, load=json.loads, dump=dump_json)
    at: Col[float]


NEWEST_ENTRIES = Query(Entry, order=[Entry.id.desc()])
ENTRIES_BEFORE = Query(Entry, Entry.id < bindparam("before"), order=[Entry.id.desc()])
