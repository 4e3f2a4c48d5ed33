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
from bot.feature import Feature, Turn, command, press
from bot.outbox import Answer, Choice
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
class AuditReport(Feature):
    """The command /audit for admins, and the file with all entries for owners.

    `in_words` maps an action to a function that says what was changed, given the language and the details of an entry.
    The details of other actions are shown as they are stored.
    """

    store: Store
    access: Access
    in_words: Mapping[str, InWords]

    @command("/audit", requires=Permission.MANAGE)
    @press("audit.page", requires=Permission.MANAGE)
    def audit(self, tx: Tx, turn: Turn, before: int | None = None) -> Answer:
        """Show the newest entries, or those `before` one, with a button to the older ones and, for owners, a button
        that sends the whole log as a file.
        """
        found = tx.audit.list_newest(turn.address.bot, PAGE + 1, before=before)
        entries = found[:PAGE]
        subjects = {int(entry.subject) for entry in entries if ID.fullmatch(entry.subject)}
        names = tx.members.read_names(turn.address.bot, subjects | {entry.actor for entry in entries})
        row = [Choice(turn.say("audit.newest"), "audit.page")] if before else []
        if len(found) > PAGE:
            row.append(Choice(turn.say("audit.older"), "audit.page", {"before": entries[-1].id}))
        choices: list[Choice | Sequence[Choice]] = [row] if row else []
        if entries and self.access.authorize(Actor.of(turn), Permission.ADMINISTER) is Decision.ALLOWED:
            choices.append(Choice(turn.say("audit.export"), "audit.export"))
        text = "\n".join(self._line(turn.language, entry, names) for entry in entries) or turn.say("audit.empty")
        return Answer(text, choices=choices, over=True)

    @press("audit.export", requires=Permission.ADMINISTER)
    def export(self, tx: Tx, turn: Turn) -> Outgoing:
        """Send an owner all entries as a file, one JSON object a line, the oldest first."""
        lines = (json.dumps(row, ensure_ascii=False) for row in tx.audit.list_all(turn.address.bot))
        file = File("".join(f"{line}\n" for line in lines).encode(), "document", "govorun-audit.jsonl")
        return Outgoing(turn.say("audit.file"), plain=True, file=file, instead=turn.say("export.failed"))

    def _line(self, language: str, entry: Entry, names: Mapping[int, str]) -> str:
        role = entry.details.get("role")
        done = (
            say(
                language,
                f"audit.{entry.action}",
                subject=named(int(entry.subject), names) if ID.fullmatch(entry.subject) else entry.subject,
                role=say(language, ROLES[Role[role.upper()]]) if role else "",
                uses=entry.details.get("uses", ""),
                days=entry.details.get("days", ""),
                changes=self.in_words.get(entry.action, _as_stored)(language, entry.details),
            )
            if entry.action in DONE
            else entry.action
        )
        if links := entry.details.get("links"):
            done = say(language, "audit.links", done=done, links=links)
        return f"{datetime.fromtimestamp(entry.at, UTC):%Y-%m-%d %H:%M} UTC · {named(entry.actor, names)}: {done}"


def _as_stored(_language: str, details: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {value or '-'}" for name, value in details.items())


DONE = (
    "allowed",
    "refused",
    "joined",
    "owner",
    "role",
    "ended",
    "withdrawn",
    "invite",
    "revoked",
    "settings",
    "allowance",
    "broadcast",
    "stopped",
    "kb_add",
    "kb_sync",
    "kb_pause",
    "kb_resume",
    "kb_readers",
    "kb_remove",
    "kb_drop",
    "kb_leave",
    "kb_buy",
    "kb_learned",
    "kb_unlearned",
    "kb_corrected",
)
