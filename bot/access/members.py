"""The commands of admins: /members and /invite. Begin with `Members.members`.

An admin changes the roles of users and operators, and gives no higher role than operator. An owner changes everybody
except the owners whom the settings name (`policy.may_set`). Each change is an entry in the audit log. What a person
loses with a role is decided in `access/rights.py`.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bot.access.directory import MemberDirectory, stored_access
from bot.access.onboarding import hashed
from bot.access.policy import Access, Actor, Role, may_set
from bot.access.rights import ROLES, Rights, may_change, named, refusal
from bot.errors import BadInput
from bot.feature import ButtonHandler, Command, Handlers
from bot.outbox import Choice, finish, finish_turn, finish_with
from bot.ports import Reply
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.repositories.money.budgets import DAY
from bot.storage.store import Store, Tx
from bot.storage.tables.people import Invitation, Membership
from bot.texts.catalog import say
from bot.types import Address, Incoming, Permission

PAGE = 8  # members on one page
LINK_DAYS, MOST_DAYS, MOST_USES = 7, 365, 1000


@dataclass(frozen=True, slots=True)
class InviteTerms:
    """The terms of an invitation link.

    The link works `uses` times within `days` days and gives `role`. `stay` is the length of the membership in days, 0
    for a membership without an end.
    """

    role: Role = Role.USER
    uses: int = 1
    days: int = LINK_DAYS
    stay: int = 0

    @classmethod
    def of(cls, words: str) -> InviteTerms | None:
        """Parse the words after `/invite`, such as `operator 5x 30d stay 90d`, all optional. None for other words."""
        found = TERMS.fullmatch(words.strip().lower())
        if found is None:
            return None
        role, uses, days, stay = found.groups()
        terms = cls(Role[(role or "user").upper()], int(uses or 1), int(days or LINK_DAYS), int(stay or 0))
        fits = 0 < terms.uses <= MOST_USES and 0 < terms.days <= MOST_DAYS and terms.stay <= 10 * MOST_DAYS
        return terms if fits else None


TERMS = re.compile(
    r"(user|operator|admin)?(?:(?:^|\s+)(\d{1,5})x)?(?:(?:^|\s+)(\d{1,5})d)?(?:(?:^|\s+)stay\s+(\d{1,5})d)?"
)


@dataclass(slots=True, kw_only=True)
class Members:
    """The commands and buttons with which admins manage members, groups and invitation links.

    `link` makes the address of an invitation from its code. `deliver` sends the messages that a turn has stored for
    other chats.
    """

    store: Store
    access: Access
    directory: MemberDirectory
    rights: Rights
    link: Callable[[str], str]
    deliver: Callable[[str, Sequence[Address]], None]

    def feature(self) -> Handlers:
        """The commands and buttons for admins."""
        return Handlers(
            commands={
                "/members": Command(self.members, requires=Permission.MANAGE),
                "/invite": Command(self.invite, requires=Permission.MANAGE),
            },
            presses={
                "members.show": ButtonHandler(self.press_show, Permission.MANAGE),
                "members.page": ButtonHandler(self.press_page, Permission.MANAGE),
                "members.set": ButtonHandler(self.press_set, Permission.MANAGE),
                "group.withdraw": ButtonHandler(self.press_withdraw, Permission.MANAGE),
                "invite.revoke": ButtonHandler(self.press_revoke, Permission.MANAGE),
            },
        )

    # --- the list -----------------------------------------------------------------------------------------------------

    async def members(self, incoming: Incoming, reply: Reply, rest: str) -> None:
        """`/members` lists the members; `/members NUMBER` shows the person with that id."""
        if rest:
            if not re.fullmatch(r"[1-9]\d{0,17}", rest):
                raise BadInput(say(incoming.language, "members.usage"))
            await self._show(incoming, reply, int(rest))
        else:
            await self._list(incoming, reply, 0)

    async def press_page(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Show the next page of the list of members."""
        await self._list(incoming, reply, int(action.payload["page"]))

    async def _list(self, incoming: Incoming, reply: Reply, page: int) -> None:
        bot, members = incoming.address.bot, self.directory.members()
        rows = members[page * PAGE : (page + 1) * PAGE]

        def question(tx: Tx) -> tuple[Mapping[int, str], Mapping[int, str]]:
            groups = tx.members.list_allowed_groups(bot) if not page else frozenset[int]()
            names = tx.members.read_names(bot, [member.user for member in rows])
            return names, dict.fromkeys(sorted(groups), "") | tx.members.read_names(bot, groups)

        language = incoming.language
        names, groups = await self.store.read(question)
        choices = [Choice(_label(language, one, names), "members.show", {"whom": str(one.user)}) for one in rows]
        choices += [
            Choice(say(language, "group.withdraw", name=name or group), "group.withdraw", {"chat": str(group)})
            for group, name in groups.items()
        ]
        if len(members) > (page + 1) * PAGE:
            choices.append(Choice(say(language, "members.more"), "members.page", {"page": str(page + 1)}))
        lines = [say(language, "members", count=len(members)), say(language, "members.other")]
        if self.access.owners:
            lines.insert(1, say(language, "members.owners", owners=", ".join(map(str, sorted(self.access.owners)))))
        await finish_with(self.store, incoming, reply, "\n".join(lines), choices=choices)

    # --- one of them --------------------------------------------------------------------------------------------------

    async def press_show(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Show one member, with buttons for the roles that the admin may give."""
        await self._show(incoming, reply, int(action.payload["whom"]))

    async def _show(self, incoming: Incoming, reply: Reply, user: int) -> None:
        language = incoming.language
        role, member = self.access.role(Actor(user, private=True)), self.directory.find(user)
        people = [user, member.by] if member is not None else [user]
        names = await self.store.read(lambda tx: tx.members.read_names(incoming.address.bot, people))
        choices = [
            Choice(say(language, key), "members.set", {"whom": str(user), "role": new.word})
            for new, key in SET.items()
            if new is not role and may_change(self.access, incoming, user, new)
        ]
        if member is not None and may_change(self.access, incoming, user, Role.STRANGER):
            payload = {"whom": str(user), "role": "stranger"}
            choices.append(Choice(say(language, "members.remove"), "members.set", payload))
        if role is not Role.OWNER and may_set(self.access.role(Actor.of(incoming)), role, Role.USER):
            choices.append(Choice(say(language, "members.allowance"), "allowance.of", {"whom": str(user)}))
        lines = [say(language, "members.card", name=named(user, names), role=say(language, ROLES[role]))]
        if member is not None:
            until = _date(member.expires) if member.expires else say(language, "members.forever")
            lines.append(say(language, "members.until", until=until))
        if member is not None and member.by:
            lines.append(say(language, "members.by", by=named(member.by, names)))
        await finish_with(self.store, incoming, reply, "\n".join(lines), choices=choices)

    async def press_set(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Give a person the role of the button. Raises `NotAllowed`."""
        user, new = int(action.payload["whom"]), Role[action.payload["role"].upper()]
        language = incoming.language

        def work(tx: Tx) -> Sequence[Address]:
            chats = self.rights.change_role(tx, incoming, user, new)
            text = say(language, "members.changed", id=user, role=say(language, ROLES[new]))
            finish_turn(tx, incoming, text, over=True)
            return chats

        self.deliver(incoming.id, await finish(self.directory, reply, work))

    async def press_withdraw(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Forbid the bot to speak in a group. Raises `NotAllowed`."""
        chat = int(action.payload["chat"])

        def work(tx: Tx) -> None:
            self.rights.ensure_admin(tx, incoming)
            bot = incoming.address.bot
            tx.members.set_group_allowed(Address(incoming.address.transport, bot, chat), allowed=False)
            tx.audit.add_entry(bot, incoming.user.id, "withdrawn", chat)
            finish_turn(tx, incoming, say(incoming.language, "group.withdrawn"))

        await finish(self.directory, reply, work)

    # --- links --------------------------------------------------------------------------------------------------------

    async def invite(self, incoming: Incoming, reply: Reply, rest: str) -> None:
        """Make an invitation link and show it. Raises `BadInput` for terms that it can't parse, and `NotAllowed`."""
        language, terms = incoming.language, InviteTerms.of(rest)
        if terms is None:
            raise BadInput(say(language, "invite.usage", uses=MOST_USES, days=MOST_DAYS))
        code, bot, admin = secrets.token_urlsafe(16), incoming.address.bot, incoming.user.id

        def work(tx: Tx) -> None:
            if not may_set(stored_access(self.access, tx, bot).role(Actor.of(incoming)), Role.STRANGER, terms.role):
                raise refusal(tx, incoming)
            now = self.store.clock.time()
            expires = now + terms.days * DAY
            new = Invitation(
                bot=bot, code=hashed(code), role=terms.role.word, uses=terms.uses, expires=expires, by=admin, at=now
            )
            stored = tx.members.add_invitation(replace(new, member_seconds=terms.stay * DAY or None))
            tx.audit.add_entry(bot, admin, "invite", stored.id, role=terms.role.word, uses=terms.uses, days=terms.days)
            text = say(
                language, "invite", link=self.link(code), role=say(language, ROLES[terms.role]), uses=terms.uses,
                until=_date(expires),
            )  # fmt: skip
            finish_turn(
                tx, incoming, text, choices=[Choice(say(language, "invite.revoke"), "invite.revoke", {"id": stored.id})]
            )

        await finish(self.store, reply, work)
        # The admin has the code now; the database keeps only its hash.
        await self.store.write(lambda tx: tx.outbox.delete_text(bot, incoming.id))

    async def press_revoke(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Revoke an invitation link. Raises `NotAllowed`."""
        bot, id_ = incoming.address.bot, action.payload["id"]

        def work(tx: Tx) -> None:
            self.rights.ensure_admin(tx, incoming)
            tx.members.revoke_invitation(bot, id_)
            tx.audit.add_entry(bot, incoming.user.id, "revoked", id_)
            finish_turn(tx, incoming, say(incoming.language, "invite.revoked"), over=True)

        await finish(self.store, reply, work)


def _label(language: str, member: Membership, names: Mapping[int, str]) -> str:
    name = names.get(member.user, "") or str(member.user)
    return f"{name[:40]} · {say(language, ROLES[Role[member.role.upper()]])}"


def _date(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"


SET = {  # the roles that are given by a button, and its text
    Role.USER: "members.user",
    Role.OPERATOR: "members.operator",
    Role.ADMIN: "members.admin",
    Role.OWNER: "members.owner",
    Role.BLOCKED: "members.block",
}
