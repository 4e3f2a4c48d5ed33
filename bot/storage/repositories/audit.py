"""What was done by somebody with rights: written in the transaction that does it, never changed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, insert, select

from bot.storage.repositories.mapping import Subject
from bot.storage.tables.people import audit

ADD = insert(audit)


@dataclass(frozen=True, slots=True)
class Entry:
    """`subject` is whom or what it was done to, "" for nothing in particular."""

    actor: int
    action: str
    subject: str
    details: Mapping[str, Any]
    at: float


class Log(Subject):
    def add(self, bot: int, actor: int, action: str, subject: int | str = "", **details: Any) -> None:
        row = {
            "bot": bot, "actor": actor, "action": action, "subject": str(subject)[:80],
            "details": json.dumps(details, ensure_ascii=False), "at": self.clock.time(),
        }  # fmt: skip
        self.connection.execute(ADD, row)

    def count(self, bot: int, action: str) -> int:
        """How often that was done."""
        query = select(func.count()).where(audit.c.bot == bot, audit.c.action == action)
        return int(self.connection.execute(query).scalar_one())

    def newest(self, bot: int, most: int) -> Sequence[Entry]:
        """The newest first."""
        query = select(audit.c.actor, audit.c.action, audit.c.subject, audit.c.details, audit.c.at)
        rows = self.connection.execute(query.where(audit.c.bot == bot).order_by(audit.c.id.desc()).limit(most))
        return [Entry(actor, action, subject, json.loads(details), at) for actor, action, subject, details, at in rows]
