"""Jobs: what is done later."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, delete, func, select, update

from bot.storage.engines.dialects import insert
from bot.storage.repositories.mapping import Subject, address, columns
from bot.storage.tables.work import Job as Table
from bot.types import Address, Job

ADD = insert(Table).on_conflict_do_nothing()


class Jobs(Subject):
    def add(self, job: Job) -> None:
        """Add a job; one with the same kind and key is already there or nothing happens."""
        row = {
            **columns(job.address), "kind": job.kind, "key": job.key, "payload": json.dumps(job.payload),
            "due": job.due, "attempts": job.attempts,
        }  # fmt: skip
        if self.connection.execute(ADD, row).rowcount:
            self.queue.job(job.address.bot, job.kind, job.key, job.due)

    def due(self, bot: int, now: float, most: int) -> Sequence[Job]:
        query = select(Table).where(Table.bot == bot, Table.due <= now).order_by(Table.due, Table.id).limit(most)
        return [_job(row) for row in self.connection.execute(query)]

    def of(self, where: Address, kind: str) -> Sequence[Job]:
        """The jobs of a kind in a chat, the next one first."""
        query = select(Table).where(Table.bot == where.bot, Table.chat == where.chat, Table.kind == kind)
        return [_job(row) for row in self.connection.execute(query.order_by(Table.due, Table.id))]

    def find(self, bot: int, kind: str, key: str) -> Job | None:
        query = select(Table).where(Table.bot == bot, Table.kind == kind, Table.key == key)
        row = self.connection.execute(query).one_or_none()
        return _job(row) if row else None

    def next_due(self, bot: int, now: float) -> float | None:
        """When the next job becomes due that is not yet."""
        query = select(func.min(Table.due)).where(Table.bot == bot, Table.due > now)
        return self.connection.execute(query).scalar_one()

    def again(self, job: Job, due: float, *, failed: bool = False) -> None:
        """Put a job back. `attempts` counts how often it failed since it last went on."""
        self.connection.execute(
            update(Table)
            .where(Table.bot == job.address.bot, Table.kind == job.kind, Table.key == job.key)
            .values(due=due, attempts=Table.attempts + 1 if failed else 0)
        )
        self.queue.job(job.address.bot, job.kind, job.key, due)

    def done(self, job: Job) -> None:
        self.connection.execute(
            delete(Table).where(Table.bot == job.address.bot, Table.kind == job.kind, Table.key == job.key)
        )


def _job(row: Row[Any]) -> Job:
    return Job(row.kind, row.key, address(row), json.loads(row.payload), row.due, row.attempts)
