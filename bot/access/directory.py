"""A write-through cache of the members, the allowed groups and the personal allowances of one bot.

Each message is checked against this cache, without waiting for the database. Begin with `MemberDirectory.write`: all
changes go through it, so that the cache follows the database. After a change by another process the cache is stale for
a moment. A transaction that uses somebody's rights therefore checks them again with `stored_access`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from bot.access.policy import Access, Role
from bot.storage.repositories.members import Allowance
from bot.storage.store import Store, Tx
from bot.storage.tables.people import Membership

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class MemberDirectory:
    """The members of one bot, their allowances, and the groups where the bot may speak. Empty before `load`."""

    store: Store
    bot: int
    _members: dict[int, Membership] = field(default_factory=dict)
    _groups: frozenset[int] = frozenset()
    _allowances: Mapping[int, Allowance] = field(default_factory=dict)
    _changing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def load(self) -> None:
        """Read everything from the database, once no change is under way."""
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
        """Run a transaction that changes members, groups or allowances, then reload the cache.

        The commit also notifies the other processes, which reload theirs.
        """

        def notify_and_work(tx: Tx) -> T:
            tx.queue.notify_processes(f"roll:{self.bot}")
            return work(tx)

        async with self._changing:
            result = await self.store.write(notify_and_work)
            await self.store.retry_until_stored(self._read)
            return result

    def role(self, user: int) -> Role | None:
        """The role of a member; None for strangers and for members whose membership has expired."""
        return _role(self._members.get(user), self.store.clock.time())

    def allows(self, chat: int) -> bool:
        """Whether an admin has allowed the bot to speak in this group."""
        return chat in self._groups

    def allowance(self, user: int) -> Allowance | None:
        """What an admin lets this user spend; None for a user with the limits of everybody."""
        return self._allowances.get(user)

    @property
    def has_allowances(self) -> bool:
        """Whether any user has a personal allowance."""
        return bool(self._allowances)

    def find(self, user: int) -> Membership | None:
        """The membership of a user, also an expired one; None for a stranger."""
        return self._members.get(user)

    def members(self) -> Sequence[Membership]:
        """The members whose membership has not expired, the highest role first."""
        now = self.store.clock.time()
        members = [member for member in self._members.values() if not member.is_over(now)]
        return sorted(members, key=lambda member: (-Role[member.role.upper()], member.at))

    def with_role(self, least: Role) -> Iterator[int]:
        """The ids of the members who have the role `least` or a higher one."""
        return (member.user for member in self.members() if Role[member.role.upper()] >= least)


@dataclass(frozen=True, slots=True)
class StoredMembers:
    """The members and groups as a transaction reads them from the database (`policy.Directory`)."""

    tx: Tx
    bot: int

    def role(self, user: int) -> Role | None:
        """The stored role of a member; None for strangers and for members whose membership has expired."""
        return _role(self.tx.one(Membership, bot=self.bot, user=user), self.tx.clock.time())

    def allows(self, chat: int) -> bool:
        """Whether the database says that the bot may speak in this group."""
        return chat in self.tx.members.list_allowed_groups(self.bot)


def stored_access(access: Access, tx: Tx, bot: int) -> Access:
    """A copy of the policy `access` that asks the database, through this transaction, instead of the cache."""
    return replace(access, directory=StoredMembers(tx, bot))


def _role(member: Membership | None, now: float) -> Role | None:
    return Role[member.role.upper()] if member is not None and not member.is_over(now) else None
