"""Who was let in: members, invitations, requests to the admins, allowances; and the audit log.

Times are Unix seconds, money is millionths. Changes of rights are made one transaction after the other
(`DecisionLock.PEOPLE`), so there is one first owner, and a limit of open requests holds.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, and_, bindparam, select, update

from bot.storage.engines import decision_locks
from bot.storage.engines.decision_locks import DecisionLock
from bot.storage.engines.dialects import connector
from bot.storage.engines.prepared import Prepared, insert_or_update
from bot.storage.repositories.mapping import Repository
from bot.storage.rows import Query
from bot.storage.tables.people import (
    ENTRIES_BEFORE,
    GOOD_INVITATIONS,
    MEMBERS,
    NEWEST_ENTRIES,
    Asked,
    Entry,
    Invitation,
    KnownChat,
    KnownUser,
    Membership,
)
from bot.storage.tables.spending import PersonalAllowance
from bot.types import Address

PUT_GROUP = insert_or_update(KnownChat.table, ("bot", "id"), ("is_allowed",))
USE_INVITATION = Prepared(
    update(Invitation.table).where(Invitation.id == bindparam("row")).values(uses=Invitation.uses - 1)
)
EXPIRED_INVITATIONS = Query(Invitation, Invitation.expires < bindparam("now"))


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one user may spend in millionths; 0 is no limit, None what everybody may."""

    day: int | None = None
    month: int | None = None


class Members(Repository):
    """Members and their allowances, invitations, requests to be let in, and allowed groups."""

    def list_members(self, bot: int, *roles: str) -> Sequence[Membership]:
        """Return the members of a bot, with `roles` only those that have one of these."""
        return self.all(MEMBERS, bot=bot, role=roles) if roles else self.all(MEMBERS, bot=bot)

    def store_member(self, bot: int, user: int, role: str, by: int, expires: float | None = None) -> None:
        """Give a user a role, whatever it was before."""
        self._insist()
        self.put(Membership(bot=bot, user=user, role=role, expires=expires, by=by, at=self.clock.time()))

    def remove_member(self, bot: int, user: int) -> None:
        """Delete a membership; the user may ask to be let in again."""
        self._insist()
        self.remove(Membership, bot=bot, user=user)
        self.delete_request(bot, user)

    def read_names(self, bot: int, ids: Iterable[int]) -> dict[int, str]:
        """Return the names of users by their ids, as far as they ever wrote or asked."""
        wanted = list(ids)
        here = (Asked.bot == bot, Asked.subject.in_(wanted))
        asked = select(Asked.subject, Asked.name).where(*here)
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
        return {one.user: Allowance(one.day, one.month) for one in self.all(PersonalAllowance, bot=bot)}

    def store_allowance(self, bot: int, user: int, allowance: Allowance, by: int) -> None:
        """Store the allowance of a user; an empty one is deleted."""
        self._insist()
        if allowance == Allowance():
            self.remove(PersonalAllowance, bot=bot, user=user)
            return
        now = self.clock.time()
        self.put(PersonalAllowance(bot=bot, user=user, day=allowance.day, month=allowance.month, by=by, at=now))

    # --- links --------------------------------------------------------------------------------------------------------

    def add_invitation(self, invitation: Invitation) -> Invitation:
        """Store an invitation, whose code is a hash, and return it with its number."""
        self._insist()
        return self.add(invitation)

    def use_invitation(self, invitation: int) -> None:
        """Count one use of an invitation."""
        self._insist()
        self.execute(USE_INVITATION, {"row": invitation})

    def revoke_invitation(self, bot: int, invitation: int) -> None:
        """End an invitation."""
        self._insist()
        self.change_all(Invitation, {"uses": 0}, bot=bot, id=invitation)

    def revoke_invitations_of(self, bot: int, user: int) -> int:
        """End the invitations that a user has made. Returns how many."""
        self._insist()
        return self.change_all(GOOD_INVITATIONS, {"uses": 0}, bot=bot, by=user, now=self.clock.time())

    def delete_expired_invitations(self) -> None:
        """Delete expired invitations."""
        self.remove(EXPIRED_INVITATIONS, now=self.clock.time())

    # --- what the admins are asked ------------------------------------------------------------------------------------

    def store_request(self, bot: int, subject: int, name: str) -> None:
        """Store a request to the admins about a user or a group."""
        self._insist()
        self.put(Asked(bot=bot, subject=subject, name=name[:256], at=self.clock.time()))

    def decide_request(self, bot: int, subject: int, state: str, by: int) -> bool:
        """Decide an open request. Returns False if it was decided before."""
        self._insist()
        decided = {"state": state, "by": by, "at": self.clock.time()}
        return self.change_all(Asked, decided, bot=bot, subject=subject, state="open") == 1

    def delete_request(self, bot: int, subject: int) -> None:
        """Delete a request, so that it may be made again."""
        self._insist()
        self.remove(Asked, bot=bot, subject=subject)

    # --- groups -------------------------------------------------------------------------------------------------------

    def list_allowed_groups(self, bot: int) -> frozenset[int]:
        """Return the ids of the allowed groups."""
        return frozenset(chat.id for chat in self.all(KnownChat, bot=bot, is_allowed=True))

    def set_group_allowed(self, where: Address, *, allowed: bool) -> None:
        """Allow a group or take that back."""
        self._insist()
        new = KnownChat(
            bot=where.bot, id=where.chat, is_private=False, first_seen=self.clock.time(), is_allowed=allowed
        )
        self.execute(PUT_GROUP, new.stored())

    def _insist(self) -> None:
        """Have rights changed after the changes of others."""
        decision_locks.insist(self.connection, DecisionLock.PEOPLE)


# --- what was done with rights ----------------------------------------------------------------------------------------


class AuditLog(Repository):
    """The audit log: what people with rights did. An entry is added in the transaction of its action."""

    def add_entry(self, bot: int, actor: int, action: str, subject: int | str = "", **details: Any) -> None:
        """Add an entry with its details."""
        about, now = str(subject)[:80], self.clock.time()
        self.add(Entry(bot=bot, actor=actor, action=action, subject=about, details=details, at=now))

    def list_newest(self, bot: int, most: int, *, before: int | None = None) -> Sequence[Entry]:
        """Return at most `most` entries, the newest first; `before`: only those older than the entry with this id."""
        if before is None:
            return self.all(NEWEST_ENTRIES, limit=most, bot=bot)
        return self.all(ENTRIES_BEFORE, limit=most, bot=bot, before=before)

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
    named = Entry.table.outerjoin(KnownUser.table, and_(KnownUser.bot == Entry.bot, KnownUser.id == Entry.actor))
    query = select(Entry.table, KnownUser.name).select_from(named).where(Entry.bot.in_(bots)).order_by(Entry.id)
    for row in connection.execute(query):
        yield {
            "at": datetime.fromtimestamp(row.at, UTC).isoformat(timespec="seconds"), "bot": row.bot,
            "actor": row.actor, "name": row.name or "", "action": row.action, "subject": row.subject,
            "details": json.loads(row.details),
        }  # fmt: skip
