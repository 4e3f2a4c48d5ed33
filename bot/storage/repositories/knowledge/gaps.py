"""Gaps: questions that the knowledge base did not answer, one row for each message."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, delete, or_, select, update

from bot.storage.engines.prepared import Prepared
from bot.storage.repositories.knowledge.learned import ADDED
from bot.storage.repositories.mapping import Repository, address, columns, made
from bot.storage.tables.knowledge import GapRow, LearnedRow
from bot.types import Address

REFUSED, DISLIKED = "refused", "disliked"  # reasons: the sources had no answer, or somebody disliked it;
PERSON = "person"  # ... or a person was called
WANTED, TOLD = "wanted", "told"  # states of `tell`
MOST = 1_000  # gaps of one look
ANSWERS = select(LearnedRow.id).where(LearnedRow.state == ADDED)
ADD = Prepared(lambda insert: insert(GapRow.table).on_conflict_do_nothing(index_elements=["message_id"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A question without an answer, as it stands in the table `kb_gaps`. `message` is None once that was deleted."""

    address: Address
    user: int
    message: int | None
    question: str
    reason: str
    audience: str
    language: str
    topic: str = ""
    vector: bytes = b""
    at: float = 0.0
    tell: str = ""
    checked: int = 0
    seen: str = ""
    id: int = 0


class Gaps(Repository):
    """Questions that the knowledge base did not answer."""

    def add_gap(self, gap: Gap) -> None:
        """Store a gap, unless its message has one. Its `id` and `at` are set by the database and the clock."""
        row = {
            **columns(gap.address), "message_id": gap.message, "user": gap.user, "question": gap.question,
            "reason": gap.reason, "audience": gap.audience, "language": gap.language, "topic": gap.topic,
            "vector": gap.vector, "at": self.clock.time(), "checked": gap.checked,
            "seen": gap.seen,
        }  # fmt: skip
        self.execute(ADD, row)

    def remove_gap(self, message: int, reason: str) -> None:
        """Delete the gap of a message if `reason` is its reason: the question was answered after all, or a 👎 was taken
        back.
        """
        here = (GapRow.message_id == message, GapRow.reason == reason)
        self.connection.execute(delete(GapRow.table).where(*here))

    def list_open(self, bot: int, since: float, hidden: Collection[str] = ()) -> Sequence[Gap]:
        """Return the newest `MOST` gaps since a Unix time that no learned entry answers, oldest first.

        Gaps of people in the `hidden` audience groups are left out.
        """
        query = select(GapRow.table).where(
            GapRow.address.bot == bot, GapRow.at >= since,
            or_(GapRow.learned_id.is_(None), GapRow.learned_id.not_in(ANSWERS)),
            GapRow.audience.not_in(hidden),
        )  # fmt: skip
        found = self.connection.execute(query.order_by(GapRow.at.desc(), GapRow.id.desc()).limit(MOST))
        return [_gap(row) for row in found][::-1]

    def list_of_messages(self, messages: Collection[int]) -> Sequence[Gap]:
        """Return the gaps of these messages for which no answer was proposed yet, oldest first."""
        query = select(GapRow.table).where(GapRow.message_id.in_(messages), GapRow.learned_id.is_(None))
        return [_gap(row) for row in self.connection.execute(query.order_by(GapRow.id))]

    def read_gap(self, bot: int, id_: int) -> Gap | None:
        """Return a gap by its id, None if there is none."""
        return self._find(_gap, select(GapRow.table).where(GapRow.address.bot == bot, GapRow.id == id_))

    def want_answer(self, message: int) -> bool:
        """Note that the person wants to be told the answer to this message. Returns False if it has no gap, or one that
        was answered.
        """
        here = (GapRow.message_id == message, GapRow.tell != TOLD)
        return bool(self.connection.execute(update(GapRow.table).where(*here).values(tell=WANTED)).rowcount)

    def list_wanted(self, bot: int, generation: int) -> Sequence[Gap]:
        """Return the gaps whose people want to be told, and that were not tried again since the knowledge base got to
        this generation.
        """
        query = select(GapRow.table).where(
            GapRow.address.bot == bot, GapRow.tell == WANTED, GapRow.checked < generation
        )
        return [_gap(row) for row in self.connection.execute(query.order_by(GapRow.id))]

    def look_again(self, bot: int) -> None:
        """Let all gaps whose people want to be told be tried again, even if the knowledge base has not changed since
        the last time.
        """
        here = (GapRow.address.bot == bot, GapRow.tell == WANTED)
        self.connection.execute(update(GapRow.table).where(*here).values(checked=-1))

    def change_gap(self, id_: int, **values: Any) -> None:
        """Set columns of a gap."""
        self.connection.execute(update(GapRow.table).where(GapRow.id == id_).values(**values))

    def close(self, ids: Collection[int], learned: int) -> None:
        """Note that these gaps are answered by a learned entry."""
        self.connection.execute(update(GapRow.table).where(GapRow.id.in_(ids)).values(learned_id=learned))


def _gap(row: Row[Any]) -> Gap:
    return made(Gap, row, address=address(row), message=row.message_id, vector=bytes(row.vector))
