"""Who may do what: one table for messages, edits and button presses. Begin with `Access.authorize`; it is pure.

Closed by default: what no rule allows is refused. Whether somebody is a person at all is the transport's knowledge
(`User.id` 0 is nobody in person: an anonymous administrator, a channel, the service itself); programs never count.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from bot.types import Incoming, Kind


class Role(IntEnum):
    """Each may do what those before it may."""

    NOBODY = 0
    STRANGER = 1
    USER = 2
    OWNER = 3


class Action(StrEnum):
    SIGNAL = "signal"  # what the messenger tells of itself: a chat moved, a draft was stopped
    TALK = "talk"  # ask, order, press what is one's own
    CHOOSE = "choose"  # settings of the chat
    EXCEED = "exceed"  # go beyond the limits of a user
    ADMINISTER = "administer"  # the bot itself


class Decision(StrEnum):
    """The answer; everything but `ALLOWED` says what is missing."""

    ALLOWED = "allowed"
    NOT_IN_PERSON = "not in person"
    CLOSED = "closed"
    NOT_OWNER = "not owner"
    NOT_PRIVATE = "not private"
    NOT_FIRSTHAND = "not firsthand"
    NOT_ADMINISTRATOR = "not administrator"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and how. `id` is the numeric id of a person, 0 for nobody; names count for nothing.

    `firsthand`: written here and now by that person; not forwarded, not edited, not put in by another bot.
    `administers`: the messenger has just said that this person is an administrator of the chat.
    """

    id: int
    is_bot: bool = False
    private: bool = False
    firsthand: bool = False
    administers: bool = False

    @classmethod
    def of(cls, incoming: Incoming, *, administers: bool = False) -> Actor:
        user = incoming.user
        firsthand = incoming.kind is not Kind.EDIT and not incoming.relayed
        return cls(user.id, user.is_bot, incoming.private, firsthand, administers)


@dataclass(frozen=True, slots=True)
class Rule:
    """What an action takes. `chat_administrator`: in a group only its administrators."""

    role: Role
    private: bool = False
    firsthand: bool = False
    chat_administrator: bool = False


@dataclass(frozen=True, slots=True)
class Access:
    """The operator's policy: `is_open` lets everybody in, `owners` may always."""

    is_open: bool = False
    owners: frozenset[int] = frozenset()

    def authorize(self, actor: Actor, action: Action) -> Decision:
        rule, role = RULES[action], self.role(actor)
        if role >= rule.role:
            return _circumstances(actor, rule)
        if role is Role.NOBODY:
            return Decision.NOT_IN_PERSON
        return Decision.NOT_OWNER if role is Role.USER else Decision.CLOSED

    def role(self, actor: Actor) -> Role:
        if actor.id <= 0 or actor.is_bot:
            return Role.NOBODY
        if actor.id in self.owners:
            return Role.OWNER
        return Role.USER if self.is_open else Role.STRANGER


def _circumstances(actor: Actor, rule: Rule) -> Decision:
    if rule.private and not actor.private:
        return Decision.NOT_PRIVATE
    if rule.firsthand and not actor.firsthand:
        return Decision.NOT_FIRSTHAND
    if rule.chat_administrator and not (actor.private or actor.administers):
        return Decision.NOT_ADMINISTRATOR
    return Decision.ALLOWED


RULES = {
    Action.SIGNAL: Rule(Role.NOBODY),
    Action.TALK: Rule(Role.USER),
    Action.CHOOSE: Rule(Role.USER, chat_administrator=True),
    Action.EXCEED: Rule(Role.OWNER),
    Action.ADMINISTER: Rule(Role.OWNER, private=True, firsthand=True),
}
