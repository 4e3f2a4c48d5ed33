"""What a prompt has besides messages: pinned facts, and the summary of messages that are too old to be sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, func, insert, select

from bot.storage.engines.prepared import Prepared
from bot.storage.repositories.mapping import Repository
from bot.storage.tables.history import facts, summaries

FACTS = Prepared(
    select(facts.c.id, facts.c.text).where(facts.c.conversation_id == bindparam("conversation")).order_by(facts.c.id)
)
OF_CONVERSATION = select(summaries.c.version, summaries.c.text, summaries.c.upto, summaries.c.author).where(
    summaries.c.conversation_id == bindparam("conversation")
)
NEWEST = Prepared(OF_CONVERSATION.order_by(summaries.c.version.desc()).limit(1))
VERSIONS = Prepared(OF_CONVERSATION.order_by(summaries.c.version))


@dataclass(frozen=True, slots=True)
class Fact:
    """A pinned fact of a conversation."""

    id: int
    text: str


@dataclass(frozen=True, slots=True)
class Summary:
    """A version of the summary. `upto` is the id of the last message in it, `author` model or user."""

    version: int
    text: str
    upto: int
    author: str


class Memory(Repository):
    """Facts that were pinned to a conversation, and the versions of its summary."""

    def list_facts(self, conversation: int) -> Sequence[Fact]:
        """Return the facts of a conversation, oldest first."""
        return [Fact(*row) for row in self.execute(FACTS, {"conversation": conversation})]

    def pin_fact(self, conversation: int, user: int, text: str) -> None:
        """Add a fact to a conversation."""
        row = {"conversation_id": conversation, "user": user, "text": text, "at": self.clock.time()}
        self.connection.execute(insert(facts), row)

    def unpin_fact(self, conversation: int, fact: int) -> None:
        """Delete a fact of a conversation."""
        self.connection.execute(delete(facts).where(facts.c.conversation_id == conversation, facts.c.id == fact))

    def newest_summary(self, conversation: int) -> Summary | None:
        """Return the newest version of the summary, None if there is none."""
        return self._find(lambda row: Summary(*row), NEWEST, {"conversation": conversation})

    def add_summary(self, conversation: int, text: str, upto: int, author: str) -> None:
        """Add a version of the summary; older ones stay."""
        last = select(func.coalesce(func.max(summaries.c.version), 0)).where(
            summaries.c.conversation_id == conversation
        )
        version = (self.connection.scalar(last) or 0) + 1
        row = {"conversation_id": conversation, "version": version, "text": text, "upto": upto, "author": author}
        self.connection.execute(insert(summaries), {**row, "at": self.clock.time()})

    def list_summaries(self, conversation: int) -> Sequence[Summary]:
        """Return the versions of the summary, oldest first, each once: a version that was shown again is no new one."""
        rows = self.execute(VERSIONS, {"conversation": conversation})
        found: dict[tuple[str, int, str], Summary] = {}
        for row in rows:
            found.setdefault((row.text, row.upto, row.author), Summary(*row))
        return list(found.values())

    def place_of_summary(self, conversation: int) -> tuple[int, int]:
        """Return which version of the summary counts, from 1, and how many there are; (0, 0) without a summary."""
        versions, newest = self.list_summaries(conversation), self.newest_summary(conversation)
        places = [place for place, one in enumerate(versions, 1) if newest is not None and _is_same(one, newest)]
        return (places[0], len(versions)) if places else (0, 0)

    def step_summary(self, conversation: int, step: int) -> None:
        """Make the next older (`step` -1) or newer (1) version of the summary the valid one, if there is one."""
        (place, count), versions = self.place_of_summary(conversation), self.list_summaries(conversation)
        if 1 <= place + step <= count:
            one = versions[place + step - 1]
            self.add_summary(conversation, one.text, one.upto, one.author)


def _is_same(one: Summary, other: Summary) -> bool:
    return (one.text, one.upto, one.author) == (other.text, other.upto, other.author)
