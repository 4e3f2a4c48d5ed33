"""Who may do what: one table for messages, edits and button presses. Begin with `Access.authorize`; it is pure.

Closed by default: what no rule allows is refused. Whether somebody is a person at all is the transport's knowledge
(`User.id` 0 is nobody in person: a channel, the service itself; the id of the chat is the group itself, for which an
anonymous administrator speaks); programs never count. Whom the database knows stands in `access/directory.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Protocol

from bot.types import Incoming, Kind, Permission


class Role(IntEnum):
    """Each may do what those before it may."""

    NOBODY = 0
    BLOCKED = 1
    STRANGER = 2
    USER = 3
    OPERATOR = 4
    ADMIN = 5
    OWNER = 6

    @property
    def word(self) -> str:
        """As it stands in the database and in settings."""
        return self.name.lower()


class Decision(StrEnum):
    """The answer; everything but `ALLOWED` says what is missing."""

    ALLOWED = "allowed"
    NOT_IN_PERSON = "not in person"
    BLOCKED = "blocked"
    CLOSED = "closed"
    NOT_HERE = "not here"  # the group was not allowed
    NOT_HIGH_ENOUGH = "not high enough"
    NOT_PRIVATE = "not private"
    NOT_FIRSTHAND = "not firsthand"
    NOT_ADMINISTRATOR = "not administrator"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and how. `id` is the numeric id of a person, 0 for nobody; names count for nothing.

    `chat`: where. `firsthand`: written here and now by that person; not forwarded, not edited, not put in by another
    bot. `administers`: the messenger has just said that this person is an administrator of the chat.
    """

    id: int
    is_bot: bool = False
    private: bool = False
    firsthand: bool = False
    administers: bool = False
    chat: int = 0

    @classmethod
    def of(cls, incoming: Incoming, *, administers: bool = False) -> Actor:
        user, chat = incoming.user, incoming.address.chat
        firsthand = incoming.kind is not Kind.EDIT and not incoming.relayed
        return cls(user.id, user.is_bot, incoming.private, firsthand, administers, chat)

    @property
    def is_group(self) -> bool:
        """An anonymous administrator: the group itself speaks."""
        return self.id < 0 and self.id == self.chat


@dataclass(frozen=True, slots=True)
class Rule:
    """What an action takes. `chat_administrator`: in a group only its administrators."""

    role: Role
    private: bool = False
    firsthand: bool = False
    chat_administrator: bool = False


class Known(Protocol):
    """Whom and what the admins let in; asked for every message, so it answers from memory."""

    def role(self, user: int) -> Role | None: ...

    def allows(self, chat: int) -> bool: ...


class Unknown:
    """Nobody was let in yet."""

    def role(self, user: int) -> Role | None:
        return None

    def allows(self, chat: int) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class Access:
    """The operator's policy: `is_open` lets everybody in, `owners` may always, `known` are those who were let in."""

    is_open: bool = False
    owners: frozenset[int] = frozenset()
    known: Known = field(default_factory=Unknown)

    def authorize(self, actor: Actor, action: Permission) -> Decision:
        rule, role = RULES[action], self.role(actor)
        if role < Role.STRANGER < rule.role:
            return Decision.BLOCKED if role is Role.BLOCKED else Decision.NOT_IN_PERSON
        if rule.role > Role.STRANGER and not self.is_here(actor):
            return Decision.NOT_HERE
        if role >= rule.role:
            return _circumstances(actor, rule)
        return Decision.CLOSED if role is Role.STRANGER else Decision.NOT_HIGH_ENOUGH

    def role(self, actor: Actor) -> Role:
        if actor.is_bot or not (actor.id > 0 or actor.is_group):
            return Role.NOBODY
        if actor.is_group:
            return Role.USER if self.is_here(actor) else Role.STRANGER
        if actor.id in self.owners:
            return Role.OWNER
        let_in = self.is_open or (not actor.private and self.is_here(actor))
        known = self.known.role(actor.id)
        if known is not None:
            return known
        return Role.USER if let_in else Role.STRANGER

    def is_here(self, actor: Actor) -> bool:
        """Whether the bot may speak there at all: in private, or in a group that an admin allowed."""
        return actor.private or self.is_open or self.known.allows(actor.chat)


def may_set(actor: Role, target: Role, new: Role) -> bool:
    """Whether somebody may give `new` to somebody who is `target` now."""
    if actor is Role.OWNER:
        return True
    return actor is Role.ADMIN and target < Role.ADMIN and new < Role.ADMIN


def _circumstances(actor: Actor, rule: Rule) -> Decision:
    if rule.private and not actor.private:
        return Decision.NOT_PRIVATE
    if rule.firsthand and not actor.firsthand:
        return Decision.NOT_FIRSTHAND
    if rule.chat_administrator and not (actor.private or actor.administers):
        return Decision.NOT_ADMINISTRATOR
    return Decision.ALLOWED


RULES = {
    Permission.SIGNAL: Rule(Role.NOBODY),
    Permission.TALK: Rule(Role.USER),
    Permission.CHOOSE: Rule(Role.USER, chat_administrator=True),
    Permission.MANAGE: Rule(Role.ADMIN, private=True, firsthand=True),
    Permission.EXCEED: Rule(Role.OWNER),
    Permission.ADMINISTER: Rule(Role.OWNER, private=True, firsthand=True),
}
