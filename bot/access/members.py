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
from bot.feature import After, Feature, Turn, command, press
from bot.outbox import Answer, Choice
from bot.storage.repositories.money.budgets import DAY
from bot.storage.store import Store, Tx
from bot.storage.tables.people import Invitation, Membership
from bot.texts.catalog import say
from bot.types import Address, Permission

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
class Members(Feature):
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
    wake_jobs: Callable[[], None]

    # --- the list -----------------------------------------------------------------------------------------------------

    @command("/members", requires=Permission.MANAGE)
    def members(self, tx: Tx, turn: Turn) -> Answer:
        """`/members` lists the members; `/members NUMBER` shows the person with that id."""
        if not turn.rest:
            return self.show_page(tx, turn, 0)
        if not re.fullmatch(r"[1-9]\d{0,17}", turn.rest):
            raise BadInput(turn.say("members.usage"))
        return self.show(tx, turn, int(turn.rest))

    @press("members.page", requires=Permission.MANAGE)
    def show_page(self, tx: Tx, turn: Turn, page: int) -> Answer:
        """Show a page of the list of members."""
        bot, language, members = turn.address.bot, turn.language, self.directory.members()
        rows = members[page * PAGE : (page + 1) * PAGE]
        names = tx.members.read_names(bot, [member.user for member in rows])
        allowed = tx.members.list_allowed_groups(bot) if not page else frozenset[int]()
        groups = dict.fromkeys(sorted(allowed), "") | tx.members.read_names(bot, allowed)
        choices = [Choice(_label(language, one, names), "members.show", {"whom": str(one.user)}) for one in rows]
        choices += [
            Choice(turn.say("group.withdraw", name=name or group), "group.withdraw", {"chat": str(group)})
            for group, name in groups.items()
        ]
        if len(members) > (page + 1) * PAGE:
            choices.append(Choice(turn.say("members.more"), "members.page", {"page": str(page + 1)}))
        lines = [turn.say("members", count=len(members)), turn.say("members.other")]
        if self.access.owners:
            lines.insert(1, turn.say("members.owners", owners=", ".join(map(str, sorted(self.access.owners)))))
        return Answer("\n".join(lines), choices=choices)

    # --- one of them --------------------------------------------------------------------------------------------------

    @press("members.show", requires=Permission.MANAGE)
    def show(self, tx: Tx, turn: Turn, whom: int) -> Answer:
        """Show one member, with buttons for the roles that the admin may give."""
        role, member = self.access.role(Actor(whom, private=True)), self.directory.find(whom)
        names = tx.members.read_names(turn.address.bot, [whom, member.by] if member is not None else [whom])
        choices = [
            Choice(turn.say(key), "members.set", {"whom": str(whom), "role": new.word})
            for new, key in SET.items()
            if new is not role and may_change(self.access, turn, whom, new)
        ]
        if member is not None and may_change(self.access, turn, whom, Role.STRANGER):
            payload = {"whom": str(whom), "role": "stranger"}
            choices.append(Choice(turn.say("members.remove"), "members.set", payload))
        if role is not Role.OWNER and may_set(self.access.role(Actor.of(turn)), role, Role.USER):
            choices.append(Choice(turn.say("members.allowance"), "allowance.of", {"whom": str(whom)}))
        lines = [turn.say("members.card", name=named(whom, names), role=turn.say(ROLES[role]))]
        if member is not None:
            until = _date(member.expires) if member.expires else turn.say("members.forever")
            lines.append(turn.say("members.until", until=until))
        if member is not None and member.by:
            lines.append(turn.say("members.by", by=named(member.by, names)))
        return Answer("\n".join(lines), choices=choices)

    @press("members.set", requires=Permission.MANAGE, changes_members=True)
    def change_role(self, tx: Tx, turn: Turn, whom: int, role: str) -> Answer:
        """Give a person the role of the button. Raises `NotAllowed`."""
        new = Role[role.upper()]
        self.rights.change_role(tx, turn, whom, new)
        text = turn.say("members.changed", id=whom, role=turn.say(ROLES[new]))
        return Answer(text, over=True)

    @press("group.withdraw", requires=Permission.MANAGE, changes_members=True)
    def withdraw(self, tx: Tx, turn: Turn, chat: int) -> str:
        """Forbid the bot to speak in a group. Raises `NotAllowed`."""
        self.rights.ensure_admin(tx, turn)
        bot = turn.address.bot
        tx.members.set_group_allowed(Address(turn.address.transport, bot, chat), allowed=False)
        tx.audit.add_entry(bot, turn.user.id, "withdrawn", chat)
        return turn.say("group.withdrawn")

    # --- links --------------------------------------------------------------------------------------------------------

    @command("/invite", requires=Permission.MANAGE)
    def invite(self, tx: Tx, turn: Turn) -> After:
        """Make an invitation link and show it. Raises `BadInput` for terms that it can't parse, and `NotAllowed`."""
        terms, bot, admin = InviteTerms.of(turn.rest), turn.address.bot, turn.user.id
        if terms is None:
            raise BadInput(turn.say("invite.usage", uses=MOST_USES, days=MOST_DAYS))
        if not may_set(stored_access(self.access, tx, bot).role(Actor.of(turn)), Role.STRANGER, terms.role):
            raise refusal(tx, turn)
        code = secrets.token_urlsafe(16)
        now = tx.clock.time()
        expires = now + terms.days * DAY
        new = Invitation(
            bot=bot, code=hashed(code), role=terms.role.word, uses=terms.uses, expires=expires, by=admin, at=now
        )
        stored = tx.members.add_invitation(replace(new, member_seconds=terms.stay * DAY or None))
        tx.audit.add_entry(bot, admin, "invite", stored.id, role=terms.role.word, uses=terms.uses, days=terms.days)
        role, until = turn.say(ROLES[terms.role]), _date(expires)
        text = turn.say("invite", link=self.link(code), role=role, uses=terms.uses, until=until)
        revoke = Choice(turn.say("invite.revoke"), "invite.revoke", {"id": stored.id})
        # The admin has the code then; the database keeps only its hash.
        return After(
            Answer(text, choices=[revoke]), lambda: self.store.write(lambda tx: tx.outbox.delete_text(bot, turn.id))
        )

    @press("invite.revoke", requires=Permission.MANAGE)
    def revoke(self, tx: Tx, turn: Turn, id: int) -> Answer:
        """Revoke an invitation link. Raises `NotAllowed`."""
        self.rights.ensure_admin(tx, turn)
        tx.members.revoke_invitation(turn.address.bot, id)
        tx.audit.add_entry(turn.address.bot, turn.user.id, "revoked", id)
        return Answer(turn.say("invite.revoked"), over=True)


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
