"""The audit log: what people with rights did. /audit shows it page by page, and owners get it as a file.

Begin with `AuditReport.audit`. The entries are added by the transactions of the acts themselves; for the settings of a
group this is done by `store_choices`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bot.access.policy import Access, Actor, Decision, Role
from bot.access.rights import ROLES, named
from bot.feature import ButtonHandler, Command, Handlers
from bot.outbox import Choice, finish, finish_turn
from bot.ports import Reply
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.store import Store, Tx
from bot.storage.tables.people import Entry
from bot.texts.catalog import say
from bot.types import File, Incoming, Outgoing, Permission

InWords = Callable[[str, Mapping[str, Any]], str]
PAGE = 20  # entries on one page
ID = re.compile(r"-?\d{1,18}")


def record_settings(tx: Tx, incoming: Incoming, **changes: str) -> None:
    """Add an entry about settings of a group that the sender has changed; a private chat has none."""
    if not incoming.private:
        where = incoming.address
        tx.audit.add_entry(where.bot, incoming.user.id, "settings", where.chat, **changes)


def store_choices(tx: Tx, incoming: Incoming, choices: Mapping[str, str]) -> None:
    """Store settings of the chat, given by the names of their columns. In a group, the audit log gets an entry about
    it.
    """
    tx.chats.store_choices(incoming.address, **choices)
    record_settings(tx, incoming, **choices)


@dataclass(slots=True, kw_only=True)
class AuditReport:
    """The command /audit for admins, and the file with all entries for owners.

    `in_words` maps an action to a function that says what was changed, given the language and the details of an entry.
    The details of other actions are shown as they are stored.
    """

    store: Store
    access: Access
    in_words: Mapping[str, InWords]

    def feature(self) -> Handlers:
        """The command /audit, the buttons of its pages, and the button that sends all entries as a file."""
        return Handlers(
            commands={"/audit": Command(self.audit, requires=Permission.MANAGE)},
            presses={
                "audit.page": ButtonHandler(self.press_page, Permission.MANAGE),
                "audit.export": ButtonHandler(self.press_export, Permission.ADMINISTER),
            },
        )

    async def audit(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        """Show the newest entries, with a button to the older ones and, for owners, a button that sends the whole log
        as a file.
        """
        await self._show(incoming, reply, None)

    async def press_page(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """Show the entries before the one that the button names, or the newest, in the message of the button."""
        await self._show(incoming, reply, action.payload.get("before"))

    async def _show(self, incoming: Incoming, reply: Reply, before: int | None) -> None:
        bot, language = incoming.address.bot, incoming.language

        def work(tx: Tx) -> None:
            found = tx.audit.list_newest(bot, PAGE + 1, before=before)
            entries = found[:PAGE]
            subjects = {int(entry.subject) for entry in entries if ID.fullmatch(entry.subject)}
            names = tx.members.read_names(bot, subjects | {entry.actor for entry in entries})
            row = [Choice(say(language, "audit.newest"), "audit.page")] if before else []
            if len(found) > PAGE:
                row.append(Choice(say(language, "audit.older"), "audit.page", {"before": entries[-1].id}))
            choices: list[Choice | Sequence[Choice]] = [row] if row else []
            if entries and self.access.authorize(Actor.of(incoming), Permission.ADMINISTER) is Decision.ALLOWED:
                choices.append(Choice(say(language, "audit.export"), "audit.export"))
            text = "\n".join(self._line(language, entry, names) for entry in entries) or say(language, "audit.empty")
            finish_turn(tx, incoming, text, choices=choices, over=True)

        await finish(self.store, reply, work)

    async def press_export(self, incoming: Incoming, reply: Reply, _action: ButtonPress) -> None:
        """Send an owner all entries as a file, one JSON object a line, the oldest first."""
        bot, language = incoming.address.bot, incoming.language

        def work(tx: Tx) -> None:
            lines = (json.dumps(row, ensure_ascii=False) for row in tx.audit.list_all(bot))
            file = File("".join(f"{line}\n" for line in lines).encode(), "document", "govorun-audit.jsonl")
            caption = say(language, "audit.file")
            finish_turn(tx, incoming, Outgoing(caption, plain=True, file=file, instead=say(language, "export.failed")))

        await finish(self.store, reply, work)

    def _line(self, language: str, entry: Entry, names: Mapping[int, str]) -> str:
        role = entry.details.get("role")
        done = say(
            language, f"audit.{entry.action}",
            subject=named(int(entry.subject), names) if ID.fullmatch(entry.subject) else entry.subject,
            role=say(language, ROLES[Role[role.upper()]]) if role else "",
            uses=entry.details.get("uses", ""), days=entry.details.get("days", ""),
            changes=self.in_words.get(entry.action, _as_stored)(language, entry.details),
        ) if entry.action in DONE else entry.action  # fmt: skip
        if links := entry.details.get("links"):
            done = say(language, "audit.links", done=done, links=links)
        return f"{datetime.fromtimestamp(entry.at, UTC):%Y-%m-%d %H:%M} UTC · {named(entry.actor, names)}: {done}"


def _as_stored(_language: str, details: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {value or '-'}" for name, value in details.items())


DONE = (
    "allowed", "refused", "joined", "owner", "role", "ended", "withdrawn", "invite", "revoked", "settings", "allowance",
    "broadcast", "stopped", "kb_add", "kb_sync", "kb_pause", "kb_resume", "kb_readers", "kb_remove", "kb_drop",
    "kb_leave", "kb_buy", "kb_learned", "kb_unlearned", "kb_corrected",
)  # fmt: skip
