"""Changes of roles: who may change whom, and what a person loses with a role. Begin with `Rights.change_role`.

A person whose role is lowered from owner or admin loses the invitation links they made; below admin also the buttons
for admins, and the requests that only they could decide. A message is admitted by the cached members. A transaction
that uses somebody's rights decides again by the stored members (`directory.stored_access`), because another process may
have lowered that role meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bot.access.directory import stored_access
from bot.access.policy import Access, Actor, Decision, Role, may_set
from bot.errors import NotAllowed
from bot.jobs import menus
from bot.outbox import with_choices
from bot.storage.store import Tx
from bot.storage.tables.people import GOOD_INVITATIONS, Asked, Invitation, Membership
from bot.texts.catalog import say
from bot.types import Address, Incoming, Outgoing, Permission


@dataclass(frozen=True, slots=True)
class Rights:
    """The steps of transactions that check or change roles.

    Some steps store messages for owners and return the chats of these; the caller delivers them after the commit.
    """

    access: Access

    # --- who may, as the transaction sees it --------------------------------------------------------------------------

    def ensure_admin(self, tx: Tx, incoming: Incoming) -> Access:
        """Return the access policy as the database has it now. Raises `NotAllowed` if the sender is not an admin any
        more.
        """
        now = stored_access(self.access, tx, incoming.address.bot)
        if now.authorize(Actor.of(incoming), Permission.MANAGE) is not Decision.ALLOWED:
            raise refusal(tx, incoming)
        return now

    def with_role(self, tx: Tx, bot: int, least: Role = Role.ADMIN) -> set[int]:
        """The ids of all people with the role `least` or a higher one: owners in the settings, and members."""
        now = tx.clock.time()
        found = tx.members.list_members(bot, *(role.word for role in Role if role >= least))
        return {*self.access.owners, *(member.user for member in found if not member.is_over(now))}

    def tell(self, tx: Tx, bot: int, key: str, text: Callable[[str], str], least: Role = Role.ADMIN) -> list[Address]:
        """Store a message for everybody with the role `least` or a higher one, once under this `key`; `text` makes it
        in a language. Returns the chats, to which it is delivered after the commit.
        """
        chats = []
        for person in sorted(self.with_role(tx, bot, least)):
            where, language = Address("telegram", bot, person), tx.chats.read_language(bot, person)
            tx.outbox.add_answer(f"{key}.o{person}", where, Outgoing(text(language), plain=True))
            chats.append(where)
        return chats

    # --- a role changes -----------------------------------------------------------------------------------------------

    def change_role(self, tx: Tx, incoming: Incoming, user: int, new: Role) -> None:
        """Let the sender, an admin, give `user` a role; `STRANGER` removes the membership. Raises `NotAllowed`."""
        where, admin = incoming.address, incoming.user.id
        now = stored_access(self.access, tx, where.bot)
        had = now.role(Actor(user, private=True))
        if not may_change(now, incoming, user, new):
            raise refusal(tx, incoming)
        links = self.set_role(tx, where.bot, user, new, admin)
        tx.members.decide_request(where.bot, user, "refused" if new is Role.BLOCKED else "allowed", admin)
        tx.audit.add_entry(where.bot, admin, "role", user, role=new.word, **_ended(links))
        if links or new < had > Role.USER:
            self._tell_owners(tx, incoming.id, where, user, "rights.lowered", links, by=admin)

    def set_role(self, tx: Tx, bot: int, user: int, new: Role, by: int, expires: float | None = None) -> int:
        """Store the role of a member, and revoke what only a higher role allowed.

        `by` is the admin, `expires` the end of the membership in Unix seconds. Returns the number of revoked links.
        """
        had, before = (
            stored_access(self.access, tx, bot).role(Actor(user, private=True)),
            tx.one(Membership, bot=bot, user=user),
        )
        is_over = before is not None and before.is_over(tx.clock.time())
        managed = had >= Role.ADMIN or (before is not None and Role[before.role.upper()] >= Role.ADMIN)
        if new is Role.STRANGER:
            tx.members.remove_member(bot, user)
        else:
            tx.members.store_member(bot, user, new.word, by, expires)
        if max(had, new) >= Role.ADMIN:
            menus.request(tx, Address("telegram", bot, user))
        if not managed or (new >= had and not is_over):
            return 0
        if is_over or new < Role.ADMIN:
            tx.buttons.expire_actions(bot, user, MANAGING)
            self._withdraw_undecidable(tx, bot)
        return tx.members.revoke_invitations_of(bot, user)

    def _withdraw_undecidable(self, tx: Tx, bot: int) -> None:
        """Delete open requests that were sent only to people who are no admins now, so that they can be made again."""
        admins = self.with_role(tx, bot)
        for asked in tx.all(Asked, bot=bot, state="open"):
            buttons = tx.buttons.list_made_at(bot, "join.allow", asked.at)
            if not any(user in admins and int(payload["subject"]) == asked.subject for user, payload in buttons):
                tx.members.delete_request(bot, asked.subject)

    # --- links --------------------------------------------------------------------------------------------------------

    def use_link(self, tx: Tx, bot: int, user: int, code: str) -> Role | None:
        """Let a user in by an invitation link; `code` is the hash of the link's code.

        Returns the new role, or None if the link is not valid, gives no higher role than the user has, or was made by
        somebody who may not give that role now.
        """
        found, now = (
            tx.one(GOOD_INVITATIONS, bot=bot, code=code, now=tx.clock.time()),
            stored_access(self.access, tx, bot),
        )
        had = _had(now, user)
        if found is None or had is Role.BLOCKED or (role := _role_of(found)) <= had or not _may_give(now, found, had):
            return None
        expires = tx.clock.time() + found.member_seconds if found.member_seconds else None
        tx.members.use_invitation(found.id)
        links = self.set_role(tx, bot, user, role, found.by, expires)
        tx.members.decide_request(bot, user, "allowed", found.by)
        tx.audit.add_entry(bot, user, "joined", user, role=found.role, by=found.by, **_ended(links))
        return role

    def end_lapsed(self, tx: Tx, where: Address) -> Sequence[Address]:
        """Revoke the links and requests of people whose role has expired. `where` is any address of the bot.

        A role expires with its membership, or when the settings name other owners. Returns the chats of the owners for
        whom a message was stored.
        """
        now, ended = stored_access(self.access, tx, where.bot), Counter[int]()
        for link in tx.all(GOOD_INVITATIONS, bot=where.bot, now=tx.clock.time()):
            if not _may_give(now, link, Role.STRANGER):
                tx.members.revoke_invitation(where.bot, link.id)
                ended[link.by] += 1
        self._withdraw_undecidable(tx, where.bot)
        chats: list[Address] = []
        for user, links in ended.items():
            tx.audit.add_entry(where.bot, user, "ended", user, **_ended(links))
            turn = f"ended{int(tx.clock.time())}-{user}"
            chats += self._tell_owners(tx, turn, where, user, "rights.ended", links)
        return chats

    # --- messages to owners -------------------------------------------------------------------------------------------

    def _tell_owners(
        self, tx: Tx, turn: str, where: Address, user: int, sentence: str, links: int, by: int = 0
    ) -> Sequence[Address]:
        """Store a message for each owner except `user` and `by`, who made the change. Returns their chats."""
        bot, chats = where.bot, []
        names = tx.members.read_names(bot, (user, by))
        role = stored_access(self.access, tx, bot).role(Actor(user, private=True))
        for owner in sorted(self.with_role(tx, bot, Role.OWNER) - {user, by}):
            language, chat = tx.chats.read_language(bot, owner), Address(where.transport, bot, owner)
            text = say(
                language, sentence, whom=named(user, names), by=named(by, names), role=say(language, ROLES[role]),
                links=links,
            )  # fmt: skip
            tx.outbox.add_answer(f"{turn}.o{owner}", chat, Outgoing(text, plain=True))
            chats.append(chat)
        return chats


def may_change(now: Access, incoming: Incoming, user: int, new: Role) -> bool:
    """Whether the sender may give `user` the role `new`.

    Nobody changes their own role, or the role of an owner whom the settings name.
    """
    actor, target = now.role(Actor.of(incoming)), now.role(Actor(user, private=True))
    return user not in now.owners and user != incoming.user.id and may_set(actor, target, new)


def refusal(tx: Tx, incoming: Incoming) -> NotAllowed:
    """The error for a sender who lacks the right, in the sender's language."""
    return NotAllowed(say(with_choices(tx, incoming).language, "members.not"))


def named(id_: int, names: Mapping[int, str]) -> str:
    """A person or a group with its id, as administrators see it: "Anna (1001)"."""
    return f"{names[id_]} ({id_})" if names.get(id_) else str(id_)


def _had(now: Access, user: int) -> Role:
    """The role of a member or owner, else `STRANGER`, also in an open bot.

    So in an open bot a link can still make somebody a member, who stays a user when the bot is closed.
    """
    role = now.role(Actor(user, private=True))
    return role if now.directory.role(user) is not None or role is Role.OWNER else Role.STRANGER


def _may_give(now: Access, link: Invitation, had: Role) -> bool:
    return may_set(now.role(Actor(link.by, private=True)), had, _role_of(link))


def _role_of(link: Invitation) -> Role:
    return Role[link.role.upper()]


def _ended(links: int) -> dict[str, int]:
    """The number of revoked links, as details of an entry in the audit log."""
    return {"links": links} if links else {}


# The actions of buttons that only admins may press, and of answers that the bot awaits only from admins.
MANAGING = (
    "join.allow", "join.refuse", "members.show", "members.page", "members.set", "group.withdraw", "invite.revoke",
    "allowance.of", "allowance.change", "audit.page", "kb.open", "kb.sync", "kb.pause", "kb.resume", "kb.readers",
    "kb.read", "kb.remove", "kb.removed", "kb.buy", "kb.later", "kb.drop", "kb.leave",
    "gap.list", "gap.open", "gap.file", "gap.answer", "learned.add", "learned.readers", "learned.drop", "learned.edit",
    "learned.keep", "learned.remove", "stale.tell", "stale.leave",
)  # fmt: skip
ROLES = {role: f"role.{role.word}" for role in Role} | {Role.NOBODY: "role.stranger"}
