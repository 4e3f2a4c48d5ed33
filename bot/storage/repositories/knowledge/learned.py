"""Learned answers: answers that people gave to questions, as proposals and then as entries of the knowledge base."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, insert, select, update

from bot.storage.repositories.mapping import Repository, made
from bot.storage.tables.knowledge import LearnedRow

PROPOSED, ADDED, DROPPED, WITHDRAWN = "proposed", "added", "dropped", "removed"  # states


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedEntry:
    """A question with its answer, as it stands in the table `kb_learned`."""

    bot: int
    question: str
    answer: str
    author: int
    audience: str
    state: str = PROPOSED
    at: float = 0.0
    review: float = 0.0
    id: int = 0


class Learned(Repository):
    """Answers that people gave to questions: proposals, and entries that the bot answers from."""

    def add_entry(self, entry: LearnedEntry) -> int:
        """Store an entry and return its id. The `id` and the time `at` of the argument are ignored: the database and
        the clock set them.
        """
        row = {
            "bot": entry.bot, "question": entry.question, "answer": entry.answer, "author": entry.author,
            "audience": entry.audience, "state": entry.state, "at": self.clock.time(), "review": entry.review,
        }  # fmt: skip
        return int(self.connection.execute(insert(LearnedRow.table).returning(LearnedRow.id), row).scalar_one())

    def read_entry(self, bot: int, id_: int) -> LearnedEntry | None:
        """Return an entry by its id, None if there is none."""
        query = select(LearnedRow.table).where(LearnedRow.bot == bot, LearnedRow.id == id_)
        return self._find(lambda row: made(LearnedEntry, row), query)

    def change_entry(self, id_: int, **values: Any) -> None:
        """Set columns of an entry."""
        self.connection.execute(update(LearnedRow.table).where(LearnedRow.id == id_).values(**values))

    def list_due(self, bot: int, now: float, most: int) -> Sequence[LearnedEntry]:
        """Return entries whose review is due at `now` (Unix seconds), at most `most`, the longest due first."""
        here = (LearnedRow.bot == bot, LearnedRow.state == ADDED, LearnedRow.review <= now)
        query = select(LearnedRow.table).where(*here).order_by(LearnedRow.review, LearnedRow.id).limit(most)
        return [made(LearnedEntry, row) for row in self.connection.execute(query)]

    def list_added(self, bot: int) -> Sequence[LearnedEntry]:
        """Return all entries that the bot answers from."""
        query = select(LearnedRow.table).where(LearnedRow.bot == bot, LearnedRow.state == ADDED)
        return [made(LearnedEntry, row) for row in self.connection.execute(query.order_by(LearnedRow.id))]

    def next_review(self, bot: int) -> float | None:
        """Return when the next review is due (Unix seconds), None without an entry."""
        query = select(func.min(LearnedRow.review)).where(LearnedRow.bot == bot, LearnedRow.state == ADDED)
        return self.connection.scalar(query)
