"""Who was let in: members, links that let in, and what was asked of the admins; what each of them may spend.

Times are Unix seconds, money is millionths. Whoever changes something here does it after the others (`Guard.PEOPLE`):
there is one first owner, and so many questions at most wait for the admins.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, func, select, update

from bot.storage.engines import decision_locks
from bot.storage.engines.decision_locks import DecisionLock
from bot.storage.engines.dialects import insert
from bot.storage.repositories.mapping import Subject
from bot.storage.tables.people import Application, Invite, Member, User
from bot.storage.tables.people import Chat as ChatRow
from bot.storage.tables.spending import Allowance as AllowanceRow
from bot.types import Address

MEMBERS = select(Member.user, Member.role, Member.expires, Member.by, Member.at).order_by(Member.at, Member.user)
INVITATIONS = select(Invite.id, Invite.role, Invite.uses, Invite.expires, Invite.member_seconds, Invite.by)
ASKED = select(Application.subject, Application.name, Application.state, Application.at)


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
        wanted = (Member.bot == bot, Member.role.in_(roles)) if roles else (Member.bot == bot,)
        return [Membership(*row) for row in self.connection.execute(MEMBERS.where(*wanted))]

    def find(self, bot: int, user: int) -> Membership | None:
        row = self.connection.execute(MEMBERS.where(Member.bot == bot, Member.user == user)).one_or_none()
        return Membership(*row) if row else None

    def put(self, bot: int, user: int, role: str, by: int, expires: float | None = None) -> None:
        """Give somebody a role, whatever it was before."""
        self._alone()
        row = {"bot": bot, "user": user, "role": role, "expires": expires, "by": by, "at": self.clock.time()}
        change = {name: row[name] for name in ("role", "expires", "by", "at")}
        statement = insert(Member).on_conflict_do_update(index_elements=["bot", "user"], set_=change)
        self.connection.execute(statement, row)

    def remove(self, bot: int, user: int) -> None:
        """A stranger again, who may ask to be let in."""
        self._alone()
        self.connection.execute(delete(Member).where(Member.bot == bot, Member.user == user))
        self.withdraw_question(bot, user)

    def names(self, bot: int, users: Iterable[int]) -> dict[int, str]:
        """What they call themselves, as far as they ever wrote or asked."""
        wanted = list(users)
        here = (Application.bot == bot, Application.subject.in_(wanted))
        asked = select(Application.subject, Application.name).where(*here)
        wrote = select(User.id, User.name).where(User.bot == bot, User.id.in_(wanted))
        return {id_: name for query in (asked, wrote) for id_, name in self.connection.execute(query) if name}

    def named(self, bot: int, name: str) -> Sequence[int]:
        """The ids of those who call themselves so, in whatever case."""
        wrote = self.connection.execute(select(User.id, User.name).where(User.bot == bot).order_by(User.id))
        return [id_ for id_, known in wrote if known.casefold() == name.casefold()]

    # --- money --------------------------------------------------------------------------------------------------------

    def allowances(self, bot: int) -> dict[int, Allowance]:
        query = select(AllowanceRow.user, AllowanceRow.day, AllowanceRow.month).where(AllowanceRow.bot == bot)
        return {user: Allowance(day, month) for user, day, month in self.connection.execute(query)}

    def allow_spending(self, bot: int, user: int, allowance: Allowance, by: int) -> None:
        """Let somebody spend that much; as everybody where it says nothing."""
        self._alone()
        if allowance == Allowance():
            self.connection.execute(delete(AllowanceRow).where(AllowanceRow.bot == bot, AllowanceRow.user == user))
            return
        row = {
            "bot": bot, "user": user, "day": allowance.day, "month": allowance.month, "by": by, "at": self.clock.time(),
        }  # fmt: skip
        change = {name: row[name] for name in ("day", "month", "by", "at")}
        statement = insert(AllowanceRow).on_conflict_do_update(index_elements=["bot", "user"], set_=change)
        self.connection.execute(statement, row)

    # --- links --------------------------------------------------------------------------------------------------------

    def invite(self, bot: int, code: str, role: str, uses: int, expires: float, stay: float | None, by: int) -> int:
        """Keep a link by the hash of its code; its id."""
        self._alone()
        row = {
            "bot": bot, "code": code, "role": role, "uses": uses, "expires": expires, "member_seconds": stay, "by": by,
            "at": self.clock.time(),
        }  # fmt: skip
        return int(self.connection.execute(insert(Invite).returning(Invite.id), row).scalar_one())

    def invitation(self, bot: int, code: str) -> Invitation | None:
        """The link with that hash; None where it is used up, over or was taken back."""
        row = self.connection.execute(INVITATIONS.where(*self._good(bot), Invite.code == code)).one_or_none()
        return Invitation(*row) if row else None

    def invitations(self, bot: int) -> Sequence[Invitation]:
        """The links that still let somebody in."""
        return [Invitation(*row) for row in self.connection.execute(INVITATIONS.where(*self._good(bot)))]

    def use(self, invitation: int) -> None:
        self._alone()
        self.connection.execute(update(Invite).where(Invite.id == invitation).values(uses=Invite.uses - 1))

    def revoke(self, bot: int, invitation: int) -> None:
        self._alone()
        self.connection.execute(update(Invite).where(Invite.bot == bot, Invite.id == invitation).values(uses=0))

    def revoke_all_of(self, bot: int, user: int) -> int:
        """End the links that somebody has made; how many those were."""
        self._alone()
        ended = update(Invite).where(*self._good(bot), Invite.by == user).values(uses=0)
        return len(self.connection.execute(ended.returning(Invite.id)).all())

    def _good(self, bot: int) -> tuple[ColumnElement[bool], ...]:
        return (Invite.bot == bot, Invite.uses > 0, Invite.expires > self.clock.time())

    def sweep(self) -> None:
        """Forget the links that are over."""
        self.connection.execute(delete(Invite).where(Invite.expires < self.clock.time()))

    # --- what the admins are asked ------------------------------------------------------------------------------------

    def asked(self, bot: int, subject: int) -> Asked | None:
        here = (Application.bot == bot, Application.subject == subject)
        row = self.connection.execute(ASKED.where(*here)).one_or_none()
        return Asked(*row) if row else None

    def undecided(self, bot: int) -> Sequence[Asked]:
        """What the admins have not decided yet."""
        open_ = (Application.bot == bot, Application.state == "open")
        return [Asked(*row) for row in self.connection.execute(ASKED.where(*open_))]

    def open(self, bot: int) -> int:
        """How many the admins have not decided yet."""
        query = select(func.count()).where(Application.bot == bot, Application.state == "open")
        return int(self.connection.execute(query).scalar_one())

    def ask(self, bot: int, subject: int, name: str) -> None:
        self._alone()
        row = {"bot": bot, "subject": subject, "name": name[:256], "state": "open", "by": 0, "at": self.clock.time()}
        change = {key: row[key] for key in ("name", "state", "by", "at")}
        statement = insert(Application).on_conflict_do_update(index_elements=["bot", "subject"], set_=change)
        self.connection.execute(statement, row)

    def decide(self, bot: int, subject: int, state: str, by: int) -> bool:
        """Whether it was still open: the admins decide once."""
        self._alone()
        open_ = (Application.bot == bot, Application.subject == subject, Application.state == "open")
        changed = update(Application).where(*open_).values(state=state, by=by, at=self.clock.time())
        return self.connection.execute(changed.returning(Application.subject)).one_or_none() is not None

    def withdraw_question(self, bot: int, subject: int) -> None:
        """Nobody was asked: it may be asked anew."""
        self._alone()
        self.connection.execute(delete(Application).where(Application.bot == bot, Application.subject == subject))

    # --- groups -------------------------------------------------------------------------------------------------------

    def groups(self, bot: int) -> frozenset[int]:
        """The groups that were allowed."""
        query = select(ChatRow.id).where(ChatRow.bot == bot, ChatRow.is_allowed)
        return frozenset(self.connection.scalars(query))

    def allow(self, where: Address, *, allowed: bool) -> None:
        self._alone()
        row = {
            "bot": where.bot, "id": where.chat, "is_private": False, "is_gone": False, "language": "", "model": "",
            "streaming": "", "first_seen": self.clock.time(), "is_allowed": allowed,
        }  # fmt: skip
        statement = insert(ChatRow).on_conflict_do_update(index_elements=["bot", "id"], set_={"is_allowed": allowed})
        self.connection.execute(statement, row)

    def _alone(self) -> None:
        decision_locks.insist(self.connection, DecisionLock.PEOPLE)
