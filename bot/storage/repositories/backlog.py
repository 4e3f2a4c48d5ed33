"""Counts for health checks and metrics: how much waits in the inbox and the outbox, and how much was given up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, func, select

from bot.storage.engines.prepared import Prepared
from bot.storage.repositories.mapping import Repository
from bot.storage.tables.work import deliveries, jobs, updates

MOST = 1000  # overdue rows that are looked at: what is behind them waits for the same reason

OPEN_UPDATE = (updates.c.bot == bindparam("b"), updates.c.state.in_(("new", "begun")))
OPEN_DELIVERY = (deliveries.c.bot == bindparam("b"), deliveries.c.state.in_(("pending", "sending")))
UPDATES = select(func.count(), func.min(updates.c.at)).where(*OPEN_UPDATE)
DELIVERIES = select(func.count(), func.min(deliveries.c.at)).where(*OPEN_DELIVERY)
JOBS = select(func.count(), func.min(jobs.c.due)).where(jobs.c.bot == bindparam("b"), jobs.c.due <= bindparam("now"))
OPEN_FOR_LONG = (*OPEN_UPDATE, updates.c.at < bindparam("before"))
OVERDUE = Prepared(select(updates.c.id, updates.c.chat).where(*OPEN_FOR_LONG).order_by(updates.c.id).limit(MOST))
DEAD_UPDATES = Prepared(
    select(func.count()).where(
        updates.c.bot == bindparam("b"), updates.c.state == "dead", updates.c.at >= bindparam("since")
    )
)
DEAD_DELIVERIES = Prepared(select(func.count()).where(
    deliveries.c.bot == bindparam("b"), deliveries.c.state == "dead", deliveries.c.at >= bindparam("since"),
    deliveries.c.reason != bindparam("gone"),
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many rows wait, and for how many seconds the oldest of them has."""

    count: int
    oldest: float


class Backlog(Repository):
    """How much waits in the inbox, the outbox and the jobs, and what was given up: for health checks and metrics."""

    def count_waiting(self, bot: int) -> tuple[Waiting, Waiting, Waiting]:
        """Return the updates that are not answered, the finished answers that are not sent, and the jobs that are due.

        `oldest` of the jobs is for how many seconds the first of them has been due.
        """
        now = self.clock.time()
        rows = [self.connection.execute(query, {"b": bot, "now": now}).one() for query in (UPDATES, DELIVERIES, JOBS)]
        updates, deliveries, jobs = (
            Waiting(count, max(now - first, 0.0) if first is not None else 0.0) for count, first in rows
        )
        return updates, deliveries, jobs

    def list_overdue_updates(self, bot: int, seconds: float) -> Sequence[int]:
        """Return the ids of updates that have been open for more than `seconds`, except in chats that a process is
        working on.
        """
        rows = self.execute(OVERDUE, {"b": bot, "before": self.clock.time() - seconds})
        taken = self.queue.list_held_chats(bot)
        return [row for row, place in rows if place not in taken]

    def count_dead(self, bot: int, seconds: float, gone: str) -> int:
        """Return how many updates and deliveries of the last `seconds` were given up.

        Deliveries with the reason `gone`, to chats that can't be reached, are left out.
        """
        values = {"b": bot, "since": self.clock.time() - seconds}
        dead = self.execute(DEAD_UPDATES, values).scalar() or 0
        return dead + (self.execute(DEAD_DELIVERIES, {**values, "gone": gone}).scalar() or 0)
