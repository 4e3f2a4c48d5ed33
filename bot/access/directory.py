"""Whom the admins let in and what each may spend, in memory: every message asks, and none may wait for the database.

Begin with `MemberDirectory.change`: what changes any of it does it through here, so that the memory is what the
database says. Where another process has changed something, the memory is older for a moment. So what is done by
somebody's rights asks `stored_access` inside its transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from bot.access.policy import Access, Role
from bot.storage.repositories.members import Allowance, Membership
from bot.storage.store import Store, Tx

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class MemberDirectory:
    """The members of one bot and the groups it may speak in. Nobody is known before `load`."""

    store: Store
    bot: int
    _members: dict[int, Membership] = field(default_factory=dict)
    _groups: frozenset[int] = frozenset()
    _allowances: Mapping[int, Allowance] = field(default_factory=dict)
    _changing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def load(self) -> None:
        async with self._changing:
            await self._read()

    async def _read(self) -> None:
        members, groups, allowances = await self.store.read(
            lambda tx: (
                tx.members.list_members(self.bot),
                tx.members.list_allowed_groups(self.bot),
                tx.members.list_allowances(self.bot),
            )
        )
        self._members, self._groups = {member.user: member for member in members}, groups
        self._allowances = allowances

    async def write(self, work: Callable[[Tx], T]) -> T:
        """Run a transaction that changes who is let in; what it did counts when this returns.

        Other processes are told in the same commit.
        """

        def told(tx: Tx) -> T:
            tx.queue.notify_processes(f"roll:{self.bot}")
            return work(tx)

        async with self._changing:
            done = await self.store.write(told)
            await self.store.retry_until_stored(self._read)
            return done

    def role(self, user: int) -> Role | None:
        """None for whom the database does not know, or whose time is over."""
        return _role(self._members.get(user), self.store.clock.time())

    def allows(self, chat: int) -> bool:
        return chat in self._groups

    def allowance(self, user: int) -> Allowance | None:
        """None: as everybody."""
        return self._allowances.get(user)

    @property
    def has_allowances(self) -> bool:
        return bool(self._allowances)

    def find(self, user: int) -> Membership | None:
        return self._members.get(user)

    def members(self) -> Sequence[Membership]:
        """Those whose time is not over, the highest first."""
        now = self.store.clock.time()
        members = [member for member in self._members.values() if not member.is_over(now)]
        return sorted(members, key=lambda member: (-Role[member.role.upper()], member.at))

    def with_role(self, least: Role) -> Iterator[int]:
        """The ids of members with at least that role."""
        return (member.user for member in self.members() if Role[member.role.upper()] >= least)


@dataclass(frozen=True, slots=True)
class StoredMembers:
    """The members as a transaction sees them (`access.Known`)."""

    tx: Tx
    bot: int

    def role(self, user: int) -> Role | None:
        return _role(self.tx.members.find_member(self.bot, user), self.tx.clock.time())

    def allows(self, chat: int) -> bool:
        return chat in self.tx.members.list_allowed_groups(self.bot)


def stored_access(access: Access, tx: Tx, bot: int) -> Access:
    """The policy `access` over the members as this transaction sees them."""
    return replace(access, known=StoredMembers(tx, bot))


def _role(member: Membership | None, now: float) -> Role | None:
    return Role[member.role.upper()] if member is not None and not member.is_over(now) else None
