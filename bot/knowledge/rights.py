"""Who may read which source. Begin with `groups_of` and `readable`. Pure.

A source is read by groups of people, its audience: `everyone`, those with a role (`members`, `operators`, `admins`,
`owners`), one person (`user:1001`), or the members of a group chat (`chat:-100123`). An empty audience is nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from bot.errors import BadInput
from bot.storage.tables.knowledge import EVERYONE, KnowledgeSource
from bot.types import Address

ROLES = ("user", "operator", "admin", "owner")  # each may read what those before it may
NAMES = dict(zip(ROLES, ("members", "operators", "admins", "owners"), strict=True))
NAMED = re.compile(r"user:[1-9]\d*|chat:-?[1-9]\d*")


def groups_of(role: str, user: int, address: Address, *, private: bool) -> frozenset[str]:
    """Return the audience groups to which an answer at an address is visible. `role` is the sender's, "" for a
    stranger.

    In a group chat everybody reads the answer, so only `everyone` and the chat itself count. An answer that one person
    alone sees (`Address.visible_to`) may tell what this person may read.
    """
    found = {EVERYONE}
    if not private:
        found.add(f"chat:{address.chat}")
    if private or address.visible_to:
        found.add(f"user:{user}")
        found |= {NAMES[one] for one in ROLES[: ROLES.index(role) + 1]} if role in ROLES else set()
    return frozenset(found)


def narrowest(groups: Iterable[str]) -> str:
    """The smallest of the groups that hear a question: whom an answer is meant for.

    It is that of the person's role, in a group chat that chat, and `everyone` for a stranger.
    """
    heard = set(groups)
    roles = [NAMES[role] for role in reversed(ROLES) if NAMES[role] in heard]
    return next(iter([*roles, *(group for group in sorted(heard) if group.startswith("chat:"))]), EVERYONE)


def widest(groups: Iterable[str]) -> str:
    """The largest of these groups; without one that holds all others, the first."""
    found = list(groups)
    return next((one for one in (EVERYONE, *NAMES.values()) if one in found), found[0])


def above(role: str) -> frozenset[str]:
    """Return the audience groups of all roles above this one. What is meant for them is not shown to somebody with this
    role.
    """
    return frozenset(NAMES[one] for one in ROLES[ROLES.index(role) + 1 :])


def readable(sources: Iterable[KnowledgeSource], groups: frozenset[str]) -> frozenset[int]:
    """The ids of the sources that these groups may read."""
    return frozenset(source.id for source in sources if not groups.isdisjoint(source.audience))


def is_group(name: str) -> bool:
    """Whether a name is that of an audience group to which somebody can belong."""
    return name in (EVERYONE, *NAMES.values()) or NAMED.fullmatch(name) is not None


def check_audience(names: Iterable[str]) -> tuple[str, ...]:
    """The names of groups, each once. Raises `BadInput` for one that nobody could ever belong to."""
    found = tuple(dict.fromkeys(name.strip() for name in names if name.strip()))
    for name in found:
        if not is_group(name):
            raise BadInput(
                f"There is no group {name}. An audience is everyone, members, operators, admins, owners, user:ID or "
                "chat:ID, several with commas between them."
            )
    return found
