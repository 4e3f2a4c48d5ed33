"""Who was let in: members, invitations, requests to the admins, allowances; and the audit log.

Times are Unix seconds, money is millionths. Changes of rights are made one transaction after the other
(`DecisionLock.PEOPLE`), so there is one first owner, and a limit of open requests holds.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
    Executable,
    and_,
    delete,
    func,
    insert,
    select,
    update,
)

from bot.storage.engines import decision_locks
from bot.storage.engines.decision_locks import DecisionLock
from bot.storage.engines.dialects import connector
from bot.storage.engines.prepared import Prepared, insert_or_update
from bot.storage.repositories.mapping import Repository, made
from bot.storage.tables.people import AskedRow, EntryRow, InvitationRow, KnownChat, KnownUser, MembershipRow
from bot.storage.tables.spending import AllowanceRow
from bot.types import Address

MEMBERS = select(*MembershipRow.table.c["user", "role", "expires", "by", "at"]).order_by(
    MembershipRow.at, MembershipRow.user
)
INVITATIONS = select(*InvitationRow.table.c["id", "role", "uses", "expires", "member_seconds", "by"])
PUT_MEMBER = insert_or_update(MembershipRow.table, ("bot", "user"), ("role", "expires", "by", "at"))
PUT_ALLOWANCE = insert_or_update(AllowanceRow.table, ("bot", "user"), ("day", "month", "by", "at"))
PUT_APPLICATION = insert_or_update(AskedRow.table, ("bot", "subject"), ("name", "state", "by", "at"))
PUT_GROUP = insert_or_update(KnownChat.table, ("bot", "id"), ("is_allowed",))
ASKED = select(*AskedRow.table.c["subject", "name", "state", "at"])


@dataclass(frozen=True, slots=True)
class Membership:
    """The role of a member until `expires` (Unix seconds; None: for good). `by`: who gave it, 0 the first-run code."""

    user: int
    role: str
    expires: float | None
    by: int
    at: float

    def is_over(self, now: float) -> bool:
        """Return whether the membership has expired at `now` (Unix seconds)."""
        return self.expires is not None and self.expires <= now


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one user may spend in millionths; 0 is no limit, None what everybody may."""

    day: int | None = None
    month: int | None = None


@dataclass(frozen=True, slots=True)
class Invitation:
    """A link with `uses` left; its users become members for `member_seconds` (None: for good)."""

    id: int
    role: str
    uses: int
    expires: float
    member_seconds: float | None
    by: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to the admins. `subject`: a user, or a group (below 0). `state`: open, allowed or refused."""

    subject: int
    name: str
    state: str
    at: float


class Members(Repository):
    """Members and their allowances, invitations, requests to be let in, and allowed groups."""

    def list_members(self, bot: int, *roles: str) -> Sequence[Membership]:
        """Return the members of a bot, with `roles` only those that have one of these."""
        wanted = (MembershipRow.bot == bot, MembershipRow.role.in_(roles)) if roles else (MembershipRow.bot == bot,)
        return [Membership(*row) for row in self.connection.execute(MEMBERS.where(*wanted))]

    def find_member(self, bot: int, user: int) -> Membership | None:
        """Return the membership of a user, None if there is none."""
        return self._find(
            lambda row: Membership(*row), MEMBERS.where(MembershipRow.bot == bot, MembershipRow.user == user)
        )

    def store_member(self, bot: int, user: int, role: str, by: int, expires: float | None = None) -> None:
        """Give a user a role, whatever it was before."""
        row = {"bot": bot, "user": user, "role": role, "expires": expires, "by": by, "at": self.clock.time()}
        self._put(PUT_MEMBER, row)

    def remove_member(self, bot: int, user: int) -> None:
        """Delete a membership; the user may ask to be let in again."""
        self._change(delete(MembershipRow.table).where(MembershipRow.bot == bot, MembershipRow.user == user))
        self.delete_request(bot, user)

    def read_names(self, bot: int, ids: Iterable[int]) -> dict[int, str]:
        """Return the names of users by their ids, as far as they ever wrote or asked."""
        wanted = list(ids)
        here = (AskedRow.bot == bot, AskedRow.subject.in_(wanted))
        asked = select(AskedRow.subject, AskedRow.name).where(*here)
        wrote = select(KnownUser.id, KnownUser.name).where(KnownUser.bot == bot, KnownUser.id.in_(wanted))
        return {id_: name for query in (asked, wrote) for id_, name in self.connection.execute(query) if name}

    def find_by_name(self, bot: int, name: str) -> Sequence[int]:
        """Return the ids of the users with a name, in upper or lower case."""
        wrote = self.connection.execute(
            select(KnownUser.id, KnownUser.name).where(KnownUser.bot == bot).order_by(KnownUser.id)
        )
        return [id_ for id_, known in wrote if known.casefold() == name.casefold()]

    # --- money --------------------------------------------------------------------------------------------------------

    def list_allowances(self, bot: int) -> dict[int, Allowance]:
        """Return the allowances of all users that have one."""
        query = select(AllowanceRow.user, AllowanceRow.day, AllowanceRow.month).where(AllowanceRow.bot == bot)
        return {user: Allowance(day, month) for user, day, month in self.connection.execute(query)}

    def store_allowance(self, bot: int, user: int, allowance: Allowance, by: int) -> None:
        """Store the allowance of a user; an empty one is deleted."""
        if allowance == Allowance():
            self._change(delete(AllowanceRow.table).where(AllowanceRow.bot == bot, AllowanceRow.user == user))
            return
        row = {
            "bot": bot, "user": user, "day": allowance.day, "month": allowance.month, "by": by, "at": self.clock.time(),
        }  # fmt: skip
        self._put(PUT_ALLOWANCE, row)

    # --- links --------------------------------------------------------------------------------------------------------

    def add_invitation(
        self, bot: int, code: str, role: str, uses: int, expires: float, stay: float | None, by: int
    ) -> int:
        """Store an invitation by the hash of its code and return its id."""
        row = {
            "bot": bot, "code": code, "role": role, "uses": uses, "expires": expires, "member_seconds": stay, "by": by,
            "at": self.clock.time(),
        }  # fmt: skip
        return int(self._change(insert(InvitationRow.table).returning(InvitationRow.id), row).scalar_one())

    def find_invitation(self, bot: int, code: str) -> Invitation | None:
        """Return the invitation with that hash, None if it is used up, expired or revoked."""
        return self._find(lambda row: Invitation(*row), INVITATIONS.where(*self._good(bot), InvitationRow.code == code))

    def list_invitations(self, bot: int) -> Sequence[Invitation]:
        """Return the invitations that still let somebody in."""
        return [Invitation(*row) for row in self.connection.execute(INVITATIONS.where(*self._good(bot)))]

    def use_invitation(self, invitation: int) -> None:
        """Count one use of an invitation."""
        self._change(
            update(InvitationRow.table).where(InvitationRow.id == invitation).values(uses=InvitationRow.uses - 1)
        )

    def revoke_invitation(self, bot: int, invitation: int) -> None:
        """End an invitation."""
        self._change(
            update(InvitationRow.table).where(InvitationRow.bot == bot, InvitationRow.id == invitation).values(uses=0)
        )

    def revoke_invitations_of(self, bot: int, user: int) -> int:
        """End the invitations that a user has made. Returns how many."""
        ended = update(InvitationRow.table).where(*self._good(bot), InvitationRow.by == user).values(uses=0)
        return len(self._change(ended.returning(InvitationRow.id)).all())

    def _good(self, bot: int) -> tuple[ColumnElement[bool], ...]:
        return (InvitationRow.bot == bot, InvitationRow.uses > 0, InvitationRow.expires > self.clock.time())

    def delete_expired_invitations(self) -> None:
        """Delete expired invitations."""
        self.connection.execute(delete(InvitationRow.table).where(InvitationRow.expires < self.clock.time()))

    # --- what the admins are asked ------------------------------------------------------------------------------------

    def find_request(self, bot: int, subject: int) -> Asked | None:
        """Return the request about a user or a group, None if there is none."""
        here = (AskedRow.bot == bot, AskedRow.subject == subject)
        return self._find(lambda row: Asked(*row), ASKED.where(*here))

    def list_open_requests(self, bot: int) -> Sequence[Asked]:
        """Return the requests that the admins have not decided yet."""
        open_ = (AskedRow.bot == bot, AskedRow.state == "open")
        return [Asked(*row) for row in self.connection.execute(ASKED.where(*open_))]

    def count_open_requests(self, bot: int) -> int:
        """Return how many requests the admins have not decided yet."""
        query = select(func.count()).where(AskedRow.bot == bot, AskedRow.state == "open")
        return int(self.connection.execute(query).scalar_one())

    def store_request(self, bot: int, subject: int, name: str) -> None:
        """Store a request to the admins about a user or a group."""
        row = {"bot": bot, "subject": subject, "name": name[:256], "state": "open", "by": 0, "at": self.clock.time()}
        self._put(PUT_APPLICATION, row)

    def decide_request(self, bot: int, subject: int, state: str, by: int) -> bool:
        """Decide an open request. Returns False if it was decided before."""
        open_ = (AskedRow.bot == bot, AskedRow.subject == subject, AskedRow.state == "open")
        changed = update(AskedRow.table).where(*open_).values(state=state, by=by, at=self.clock.time())
        return self._change(changed.returning(AskedRow.subject)).one_or_none() is not None

    def delete_request(self, bot: int, subject: int) -> None:
        """Delete a request, so that it may be made again."""
        self._change(delete(AskedRow.table).where(AskedRow.bot == bot, AskedRow.subject == subject))

    # --- groups -------------------------------------------------------------------------------------------------------

    def list_allowed_groups(self, bot: int) -> frozenset[int]:
        """Return the ids of the allowed groups."""
        query = select(KnownChat.id).where(KnownChat.bot == bot, KnownChat.is_allowed)
        return frozenset(self.connection.scalars(query))

    def set_group_allowed(self, where: Address, *, allowed: bool) -> None:
        """Allow a group or take that back."""
        row = {
            "bot": where.bot, "id": where.chat, "is_private": False, "is_gone": False, "language": "", "model": "",
            "streaming": "", "first_seen": self.clock.time(), "is_allowed": allowed,
        }  # fmt: skip
        self._put(PUT_GROUP, row)

    def _put(self, statement: Prepared, row: Mapping[str, Any]) -> None:
        """Store rights, after the changes of others."""
        decision_locks.insist(self.connection, DecisionLock.PEOPLE)
        self.execute(statement, row)

    def _change(self, statement: Executable, row: Mapping[str, Any] | None = None) -> CursorResult[Any]:
        """Execute a change of rights, which is made after the changes of others."""
        decision_locks.insist(self.connection, DecisionLock.PEOPLE)
        return self.connection.execute(statement, row)


# --- what was done with rights ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the audit log. `subject` is whom or what the action was about, "" for nothing."""

    id: int
    actor: int
    action: str
    subject: str
    details: Mapping[str, Any]
    at: float


class AuditLog(Repository):
    """The audit log: what people with rights did. An entry is added in the transaction of its action."""

    def add_entry(self, bot: int, actor: int, action: str, subject: int | str = "", **details: Any) -> None:
        """Add an entry, with its details as JSON."""
        row = {
            "bot": bot, "actor": actor, "action": action, "subject": str(subject)[:80],
            "details": json.dumps(details, ensure_ascii=False), "at": self.clock.time(),
        }  # fmt: skip
        self.connection.execute(insert(EntryRow.table), row)

    def count_action(self, bot: int, action: str) -> int:
        """Return how often an action was done."""
        query = select(func.count()).where(EntryRow.bot == bot, EntryRow.action == action)
        return int(self.connection.execute(query).scalar_one())

    def list_newest(self, bot: int, most: int, *, before: int | None = None) -> Sequence[Entry]:
        """Return at most `most` entries, the newest first; `before`: only those older than the entry with this id."""
        query = select(EntryRow.table).where(EntryRow.bot == bot)
        if before is not None:
            query = query.where(EntryRow.id < before)
        rows = self.connection.execute(query.order_by(EntryRow.id.desc()).limit(most))
        return [made(Entry, row, details=json.loads(row.details)) for row in rows]

    def list_all(self, bot: int) -> Iterator[dict[str, Any]]:
        """Return all entries, oldest first, as JSON objects with the names of those who acted."""
        return _entries(self.connection, {bot})


def exported(url: str, bots: Collection[int]) -> Iterator[dict[str, Any]]:
    """Read the audit logs of these bots, the oldest entry first, with the names of those who acted.

    The bots may be running meanwhile.
    """
    with connector(url, writer=False).connect() as connection:
        yield from _entries(connection, bots)


def _entries(connection: Connection, bots: Collection[int]) -> Iterator[dict[str, Any]]:
    named = EntryRow.table.outerjoin(
        KnownUser.table, and_(KnownUser.bot == EntryRow.bot, KnownUser.id == EntryRow.actor)
    )
    query = (
        select(EntryRow.table, KnownUser.name).select_from(named).where(EntryRow.bot.in_(bots)).order_by(EntryRow.id)
    )
    for row in connection.execute(query):
        yield {
            "at": datetime.fromtimestamp(row.at, UTC).isoformat(timespec="seconds"), "bot": row.bot,
            "actor": row.actor, "name": row.name or "", "action": row.action, "subject": row.subject,
            "details": json.loads(row.details),
        }  # fmt: skip
