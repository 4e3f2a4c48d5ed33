"""Gaps: questions that the knowledge base did not answer, one row for each message."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import bindparam, or_, select

from bot.storage.repositories.mapping import Repository
from bot.storage.rows import Query
from bot.storage.tables.knowledge import ADDED, Gap, LearnedEntry

MOST = 1_000  # gaps of one look
ANSWERS = select(LearnedEntry.id).where(LearnedEntry.state == ADDED)
OPEN = Query(
    Gap,
    Gap.at >= bindparam("since"),
    or_(Gap.learned_id.is_(None), Gap.learned_id.not_in(ANSWERS)),
    Gap.audience.not_in(bindparam("hidden", expanding=True)),
    order=[Gap.at.desc(), Gap.id.desc()],
)


class Gaps(Repository):
    """Questions that the knowledge base did not answer."""

    def list_open(self, bot: int, since: float, hidden: Collection[str] = ()) -> Sequence[Gap]:
        """Return the newest `MOST` gaps since a Unix time that no learned entry answers, oldest first.

        Gaps of people in the `hidden` audience groups are left out.
        """
        return self.all(OPEN, limit=MOST, bot=bot, since=since, hidden=list(hidden))[::-1]
