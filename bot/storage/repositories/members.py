"""Who was let in: members, links that let in, and what was asked of the admins; what each of them may spend.

Times are Unix seconds, money is millionths. Whoever changes something here does it after the others (`Guard.PEOPLE`):
there is one first owner, and so many questions at most wait for the admins.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, select, update

from bot.storage.engines import decision_locks
from bot.storage.engines.decision_locks import DecisionLock
from bot.storage.engines.dialects import insert_or_update
from bot.storage.repositories.mapping import Subject
from bot.storage.tables.people import applications, audit, chats, invites, members, users
from bot.storage.tables.spending import allowances
from bot.types import Address

MEMBERS = select(members.c.user, members.c.role, members.c.expires, members.c.by, members.c.at).order_by(
    members.c.at, members.c.user
)
INVITATIONS = select(
    invites.c.id, invites.c.role, invites.c.uses, invites.c.expires, invites.c.member_seconds, invites.c.by
)
PUT_MEMBER = insert_or_update(members, ("bot", "user"), ("role", "expires", "by", "at"))
PUT_ALLOWANCE = insert_or_update(allowances, ("bot", "user"), ("day", "month", "by", "at"))
PUT_APPLICATION = insert_or_update(applications, ("bot", "subject"), ("name", "state", "by", "at"))
PUT_GROUP = insert_or_update(chats, ("bot", "id"), ("is_allowed",))
ASKED = select(applications.c.subject, applications.c.name, applications.c.state, applications.c.at)


@dataclass(frozen=True, slots=True)
class Membership:
    """`expires` None: for good. `by` let them in: 0 for the first-run code."""

    user: int
    role: str
    expires: float | None
    by: int
    at: float

    def is_over(self, now: float) -> bool:
        return self.expires is not None and self.expires <= now


@dataclass(frozen=True, slots=True)
class Allowance:
    """What somebody may spend instead of what everybody may; 0 is no limit, None as everybody."""

    day: int | None = None
    month: int | None = None


@dataclass(frozen=True, slots=True)
class Invitation:
    """`uses` are left; whom it lets in may stay for `member_seconds` (None: for good)."""

    id: int
    role: str
    uses: int
    expires: float
    member_seconds: float | None
    by: int


@dataclass(frozen=True, slots=True)
class Asked:
    """What the admins are asked. `subject` is a person, or a group (below 0). `state`: open, allowed, refused."""

    subject: int
    name: str
    state: str
    at: float


class Members(Subject):
    def all(self, bot: int, *roles: str) -> Sequence[Membership]:
        """`roles`: only members with one of these."""
        wanted = (members.c.bot == bot, members.c.role.in_(roles)) if roles else (members.c.bot == bot,)
        return [Membership(*row) for row in self.connection.execute(MEMBERS.where(*wanted))]

    def find(self, bot: int, user: int) -> Membership | None:
        row = self.connection.execute(MEMBERS.where(members.c.bot == bot, members.c.user == user)).one_or_none()
        return Membership(*row) if row else None

    def put(self, bot: int, user: int, role: str, by: int, expires: float | None = None) -> None:
        """Give somebody a role, whatever it was before."""
        self._alone()
        row = {"bot": bot, "user": user, "role": role, "expires": expires, "by": by, "at": self.clock.time()}
        self.connection.execute(PUT_MEMBER(self.connection), row)

    def remove(self, bot: int, user: int) -> None:
        """A stranger again, who may ask to be let in."""
        self._alone()
        self.connection.execute(delete(members).where(members.c.bot == bot, members.c.user == user))
        self.withdraw_question(bot, user)

    def names(self, bot: int, ids: Iterable[int]) -> dict[int, str]:
        """What they call themselves, as far as they ever wrote or asked."""
        wanted = list(ids)
        here = (applications.c.bot == bot, applications.c.subject.in_(wanted))
        asked = select(applications.c.subject, applications.c.name).where(*here)
        wrote = select(users.c.id, users.c.name).where(users.c.bot == bot, users.c.id.in_(wanted))
        return {id_: name for query in (asked, wrote) for id_, name in self.connection.execute(query) if name}

    def named(self, bot: int, name: str) -> Sequence[int]:
        """The ids of those who call themselves so, in whatever case."""
        wrote = self.connection.execute(select(users.c.id, users.c.name).where(users.c.bot == bot).order_by(users.c.id))
        return [id_ for id_, known in wrote if known.casefold() == name.casefold()]

    # --- money --------------------------------------------------------------------------------------------------------

    def allowances(self, bot: int) -> dict[int, Allowance]:
        query = select(allowances.c.user, allowances.c.day, allowances.c.month).where(allowances.c.bot == bot)
        return {user: Allowance(day, month) for user, day, month in self.connection.execute(query)}

    def allow_spending(self, bot: int, user: int, allowance: Allowance, by: int) -> None:
        """Let somebody spend that much; as everybody where it says nothing."""
        self._alone()
        if allowance == Allowance():
            self.connection.execute(delete(allowances).where(allowances.c.bot == bot, allowances.c.user == user))
            return
        row = {
            "bot": bot, "user": user, "day": allowance.day, "month": allowance.month, "by": by, "at": self.clock.time(),
        }  # fmt: skip
        self.connection.execute(PUT_ALLOWANCE(self.connection), row)

    # --- links --------------------------------------------------------------------------------------------------------

    def invite(self, bot: int, code: str, role: str, uses: int, expires: float, stay: float | None, by: int) -> int:
        """Keep a link by the hash of its code; its id."""
        self._alone()
        row = {
            "bot": bot, "code": code, "role": role, "uses": uses, "expires": expires, "member_seconds": stay, "by": by,
            "at": self.clock.time(),
        }  # fmt: skip
        return int(self.connection.execute(insert(invites).returning(invites.c.id), row).scalar_one())

    def invitation(self, bot: int, code: str) -> Invitation | None:
        """The link with that hash; None where it is used up, over or was taken back."""
        row = self.connection.execute(INVITATIONS.where(*self._good(bot), invites.c.code == code)).one_or_none()
        return Invitation(*row) if row else None

    def invitations(self, bot: int) -> Sequence[Invitation]:
        """The links that still let somebody in."""
        return [Invitation(*row) for row in self.connection.execute(INVITATIONS.where(*self._good(bot)))]

    def use(self, invitation: int) -> None:
        self._alone()
        self.connection.execute(update(invites).where(invites.c.id == invitation).values(uses=invites.c.uses - 1))

    def revoke(self, bot: int, invitation: int) -> None:
        self._alone()
        self.connection.execute(update(invites).where(invites.c.bot == bot, invites.c.id == invitation).values(uses=0))

    def revoke_all_of(self, bot: int, user: int) -> int:
        """End the links that somebody has made; how many those were."""
        self._alone()
        ended = update(invites).where(*self._good(bot), invites.c.by == user).values(uses=0)
        return len(self.connection.execute(ended.returning(invites.c.id)).all())

    def _good(self, bot: int) -> tuple[ColumnElement[bool], ...]:
        return (invites.c.bot == bot, invites.c.uses > 0, invites.c.expires > self.clock.time())

    def sweep(self) -> None:
        """Forget the links that are over."""
        self.connection.execute(delete(invites).where(invites.c.expires < self.clock.time()))

    # --- what the admins are asked ------------------------------------------------------------------------------------

    def asked(self, bot: int, subject: int) -> Asked | None:
        here = (applications.c.bot == bot, applications.c.subject == subject)
        row = self.connection.execute(ASKED.where(*here)).one_or_none()
        return Asked(*row) if row else None

    def undecided(self, bot: int) -> Sequence[Asked]:
        """What the admins have not decided yet."""
        open_ = (applications.c.bot == bot, applications.c.state == "open")
        return [Asked(*row) for row in self.connection.execute(ASKED.where(*open_))]

    def open(self, bot: int) -> int:
        """How many the admins have not decided yet."""
        query = select(func.count()).where(applications.c.bot == bot, applications.c.state == "open")
        return int(self.connection.execute(query).scalar_one())

    def ask(self, bot: int, subject: int, name: str) -> None:
        self._alone()
        row = {"bot": bot, "subject": subject, "name": name[:256], "state": "open", "by": 0, "at": self.clock.time()}
        self.connection.execute(PUT_APPLICATION(self.connection), row)

    def decide(self, bot: int, subject: int, state: str, by: int) -> bool:
        """Whether it was still open: the admins decide once."""
        self._alone()
        open_ = (applications.c.bot == bot, applications.c.subject == subject, applications.c.state == "open")
        changed = update(applications).where(*open_).values(state=state, by=by, at=self.clock.time())
        return self.connection.execute(changed.returning(applications.c.subject)).one_or_none() is not None

    def withdraw_question(self, bot: int, subject: int) -> None:
        """Nobody was asked: it may be asked anew."""
        self._alone()
        self.connection.execute(
            delete(applications).where(applications.c.bot == bot, applications.c.subject == subject)
        )

    # --- groups -------------------------------------------------------------------------------------------------------

    def groups(self, bot: int) -> frozenset[int]:
        """The groups that were allowed."""
        query = select(chats.c.id).where(chats.c.bot == bot, chats.c.is_allowed)
        return frozenset(self.connection.scalars(query))

    def allow(self, where: Address, *, allowed: bool) -> None:
        self._alone()
        row = {
            "bot": where.bot, "id": where.chat, "is_private": False, "is_gone": False, "language": "", "model": "",
            "streaming": "", "first_seen": self.clock.time(), "is_allowed": allowed,
        }  # fmt: skip
        self.connection.execute(PUT_GROUP(self.connection), row)

    def _alone(self) -> None:
        decision_locks.insist(self.connection, DecisionLock.PEOPLE)


# --- what was done with rights ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entry:
    """`subject` is whom or what it was done to, "" for nothing in particular."""

    actor: int
    action: str
    subject: str
    details: Mapping[str, Any]
    at: float


class Log(Subject):
    def add(self, bot: int, actor: int, action: str, subject: int | str = "", **details: Any) -> None:
        row = {
            "bot": bot, "actor": actor, "action": action, "subject": str(subject)[:80],
            "details": json.dumps(details, ensure_ascii=False), "at": self.clock.time(),
        }  # fmt: skip
        self.connection.execute(insert(audit), row)

    def count(self, bot: int, action: str) -> int:
        """How often that was done."""
        query = select(func.count()).where(audit.c.bot == bot, audit.c.action == action)
        return int(self.connection.execute(query).scalar_one())

    def newest(self, bot: int, most: int) -> Sequence[Entry]:
        """The newest first."""
        query = select(audit.c.actor, audit.c.action, audit.c.subject, audit.c.details, audit.c.at)
        rows = self.connection.execute(query.where(audit.c.bot == bot).order_by(audit.c.id.desc()).limit(most))
        return [Entry(actor, action, subject, json.loads(details), at) for actor, action, subject, details, at in rows]
