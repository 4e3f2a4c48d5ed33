"""Who may do what: the table `RULES` decides for messages, edits and button presses. Pure.

Begin with `Access.authorize`. Everything that no rule allows is refused. The transport says who the sender is: a
`User.id` of 0 is no person (a channel, or Telegram itself); a `User.id` equal to the id of the chat is a group, for
which an anonymous administrator speaks. Other bots have no rights. The members stand in `access/directory.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Protocol

from bot.types import Incoming, Kind, Permission


class Role(IntEnum):
    """The roles of people in ascending order: each role includes the rights of the roles before it."""

    NOBODY = 0
    BLOCKED = 1
    STRANGER = 2
    USER = 3
    OPERATOR = 4
    ADMIN = 5
    OWNER = 6

    @property
    def word(self) -> str:
        """The name of the role in the database and in the settings."""
        return self.name.lower()


class Decision(StrEnum):
    """The result of `Access.authorize`: allowed, or the reason for the refusal."""

    ALLOWED = "allowed"
    NOT_IN_PERSON = "not in person"
    BLOCKED = "blocked"
    CLOSED = "closed"
    NOT_HERE = "not here"  # no admin has allowed the bot in this group
    NOT_HIGH_ENOUGH = "not high enough"
    NOT_PRIVATE = "not private"
    NOT_FIRSTHAND = "not firsthand"
    NOT_ADMINISTRATOR = "not administrator"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who sends a message or presses a button. `id` is the numeric id of a person, 0 for no person.

    `chat` is the id of the chat. `firsthand` means that the person wrote this message now: it was not forwarded, edited
    or sent through another bot. `administers` means that the messenger has just confirmed that this person is an
    administrator of the chat.
    """

    id: int
    is_bot: bool = False
    private: bool = False
    firsthand: bool = False
    administers: bool = False
    chat: int = 0

    @classmethod
    def of(cls, incoming: Incoming, *, administers: bool = False) -> Actor:
        """The sender of an incoming event."""
        user, chat = incoming.user, incoming.address.chat
        firsthand = incoming.kind is not Kind.EDIT and not incoming.relayed
        return cls(user.id, user.is_bot, incoming.private, firsthand, administers, chat)

    @property
    def is_group(self) -> bool:
        """Whether the group itself speaks: Telegram hides which of its administrators has written."""
        return self.id < 0 and self.id == self.chat


@dataclass(frozen=True, slots=True)
class Rule:
    """What a permission requires. `chat_administrator`: in a group, only its administrators have the permission."""

    role: Role
    private: bool = False
    firsthand: bool = False
    chat_administrator: bool = False


class Directory(Protocol):
    """The members and groups that the admins have let in. Asked for each message, so it answers without waiting."""

    def role(self, user: int) -> Role | None:
        """The role of a member, None for a stranger."""

    def allows(self, chat: int) -> bool:
        """Whether the bot may speak in this group."""


class EmptyDirectory:
    """A directory without members and groups."""

    def role(self, user: int) -> Role | None:
        """Return None: everybody is a stranger."""
        return None

    def allows(self, chat: int) -> bool:
        """Return False: no group is allowed."""
        return False


@dataclass(frozen=True, slots=True)
class Access:
    """The access policy of one bot.

    `is_open` makes everybody a user. `owners` are the ids of the owners in the settings. `directory` answers for the
    members and the groups that admins have let in.
    """

    is_open: bool = False
    owners: frozenset[int] = frozenset()
    directory: Directory = field(default_factory=EmptyDirectory)

    def authorize(self, actor: Actor, action: Permission) -> Decision:
        """Whether this actor has a permission, and if not, why."""
        rule, role = RULES[action], self.role(actor)
        if role < Role.STRANGER < rule.role:
            return Decision.BLOCKED if role is Role.BLOCKED else Decision.NOT_IN_PERSON
        if rule.role > Role.STRANGER and not self.is_here(actor):
            return Decision.NOT_HERE
        if role >= rule.role:
            return _circumstances(actor, rule)
        return Decision.CLOSED if role is Role.STRANGER else Decision.NOT_HIGH_ENOUGH

    def role(self, actor: Actor) -> Role:
        """The role of an actor in the chat where the actor has written."""
        if actor.is_bot or not (actor.id > 0 or actor.is_group):
            return Role.NOBODY
        if actor.is_group:
            return Role.USER if self.is_here(actor) else Role.STRANGER
        if actor.id in self.owners:
            return Role.OWNER
        let_in = self.is_open or (not actor.private and self.is_here(actor))
        member = self.directory.role(actor.id)
        if member is not None:
            return member
        return Role.USER if let_in else Role.STRANGER

    def is_here(self, actor: Actor) -> bool:
        """Whether the bot may speak in the chat of this actor: a private chat, or a group that an admin has allowed."""
        return actor.private or self.is_open or self.directory.allows(actor.chat)


def may_set(actor: Role, target: Role, new: Role) -> bool:
    """Whether a person with the role `actor` may give the role `new` to a person who has the role `target`."""
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
    Permission.CORRECT: Rule(Role.OPERATOR),
    Permission.SERVE: Rule(Role.OPERATOR, firsthand=True),
    Permission.CONNECT: Rule(Role.ADMIN, firsthand=True),
    Permission.MANAGE: Rule(Role.ADMIN, private=True, firsthand=True),
    Permission.EXCEED: Rule(Role.OWNER),
    Permission.ADMINISTER: Rule(Role.OWNER, private=True, firsthand=True),
}
