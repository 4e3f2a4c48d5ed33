"""What a conversation never forgets: facts that were pinned, and the summary of what is too old to be sent whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, func, insert, select

from bot.storage.repositories.mapping import Subject
from bot.storage.tables.history import facts, summaries

FACTS = (
    select(facts.c.id, facts.c.text).where(facts.c.conversation_id == bindparam("conversation")).order_by(facts.c.id)
)
NEWEST = (
    select(summaries.c.version, summaries.c.text, summaries.c.upto, summaries.c.author)
    .where(summaries.c.conversation_id == bindparam("conversation"))
    .order_by(summaries.c.version.desc())
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Fact:
    id: int
    text: str


@dataclass(frozen=True, slots=True)
class Summary:
    """`upto` is the id of the last message that it tells of, `author` model or user."""

    version: int
    text: str
    upto: int
    author: str


class Memory(Subject):
    def facts(self, conversation: int) -> Sequence[Fact]:
        return [Fact(*row) for row in self.connection.execute(FACTS, {"conversation": conversation})]

    def pin(self, conversation: int, user: int, text: str) -> None:
        row = {"conversation_id": conversation, "user": user, "text": text, "at": self.clock.time()}
        self.connection.execute(insert(facts), row)

    def unpin(self, conversation: int, fact: int) -> None:
        self.connection.execute(delete(facts).where(facts.c.conversation_id == conversation, facts.c.id == fact))

    def summary(self, conversation: int) -> Summary | None:
        """The newest version."""
        row = self.connection.execute(NEWEST, {"conversation": conversation}).one_or_none()
        return Summary(*row) if row else None

    def summarise(self, conversation: int, text: str, upto: int, author: str) -> None:
        """Add a version; the others stay."""
        last = select(func.coalesce(func.max(summaries.c.version), 0)).where(
            summaries.c.conversation_id == conversation
        )
        version = (self.connection.scalar(last) or 0) + 1
        row = {"conversation_id": conversation, "version": version, "text": text, "upto": upto, "author": author}
        self.connection.execute(insert(summaries), {**row, "at": self.clock.time()})

    def undo(self, conversation: int) -> bool:
        """Go back to the version before; False where there is none."""
        rows = self.connection.execute(
            select(summaries.c.text, summaries.c.upto, summaries.c.author)
            .where(summaries.c.conversation_id == conversation)
            .order_by(summaries.c.version.desc())
            .limit(2)
        ).all()
        if len(rows) < 2:
            return False
        self.summarise(conversation, rows[1].text, rows[1].upto, rows[1].author)
        return True
