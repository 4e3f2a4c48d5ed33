"""Jobs: work that is due at a time, by kind and key; operations of services that take minutes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, bindparam, delete, func, select, update

from bot.storage.engines.prepared import Prepared
from bot.storage.repositories.mapping import Repository, address, columns, made
from bot.storage.tables.work import OPEN_OPERATIONS, Operation, StoredJob
from bot.types import Address, Job

# PostgreSQL's driver counts no rows of an INSERT that met a conflict, so the inserted row is asked for.
ADD = Prepared(lambda insert: insert(StoredJob.table).on_conflict_do_nothing().returning(StoredJob.id))
DUE = Prepared(
    select(StoredJob.table)
    .where(StoredJob.address.bot == bindparam("b"), StoredJob.due <= bindparam("now"))
    .order_by(StoredJob.due, StoredJob.id)
    .limit(bindparam("most"))
)
NEXT_DUE = Prepared(
    select(func.min(StoredJob.due)).where(StoredJob.address.bot == bindparam("b"), StoredJob.due > bindparam("now"))
)
COUNT_SUBMIT = Prepared(
    update(Operation.table)
    .where(Operation.id == bindparam("row"))
    .values(state=bindparam("to"), submits=Operation.submits + bindparam("more"))
)


class Jobs(Repository):
    """Jobs: work that is due at a time."""

    def add_job(self, job: Job) -> None:
        """Add a job. One with its kind and key that is already there is left as it is."""
        row = {
            **columns(job.address), "kind": job.kind, "key": job.key, "payload": json.dumps(job.payload),
            "due": job.due, "attempts": job.attempts,
        }  # fmt: skip
        if self.execute(ADD, row).first() is not None:
            self.queue.schedule_job(job.address.bot, job.kind, job.key, job.due)

    def list_due(self, bot: int, now: float, most: int) -> Sequence[Job]:
        """Return the jobs that are due at `now` (Unix seconds), at most `most`, the earliest first."""
        return [_job(row) for row in self.execute(DUE, {"b": bot, "now": now, "most": most})]

    def list_of_chat(self, where: Address, kind: str) -> Sequence[Job]:
        """Return the jobs of a kind in a chat, the earliest first."""
        query = select(StoredJob.table).where(
            StoredJob.address.bot == where.bot, StoredJob.address.chat == where.chat, StoredJob.kind == kind
        )
        return [_job(row) for row in self.connection.execute(query.order_by(StoredJob.due, StoredJob.id))]

    def find_job(self, bot: int, kind: str, key: str) -> Job | None:
        """Return a job by its kind and key, None if there is none."""
        query = select(StoredJob.table).where(
            StoredJob.address.bot == bot, StoredJob.kind == kind, StoredJob.key == key
        )
        return self._find(_job, query)

    def list_of_kinds(self, bot: int, prefix: str) -> Sequence[Job]:
        """Return the jobs whose kinds begin with `prefix`, the earliest first."""
        query = select(StoredJob.table).where(
            StoredJob.address.bot == bot, StoredJob.kind.startswith(prefix, autoescape=True)
        )
        return [_job(row) for row in self.connection.execute(query.order_by(StoredJob.due, StoredJob.id))]

    def count_of_kind(self, bot: int, kind: str) -> int:
        """Return how many jobs of a kind there are."""
        query = (
            select(func.count())
            .select_from(StoredJob.table)
            .where(StoredJob.address.bot == bot, StoredJob.kind == kind)
        )
        return self.connection.execute(query).scalar_one()

    def next_due_time(self, bot: int, now: float) -> float | None:
        """Return when the next job becomes due after `now` (both Unix seconds), None if there is none."""
        found: float | None = self.execute(NEXT_DUE, {"b": bot, "now": now}).scalar()
        return found

    def reschedule(self, job: Job, due: float, *, failed: bool = False) -> None:
        """Let a job be due again later. `failed` counts an attempt; otherwise the count begins anew."""
        attempts = StoredJob.attempts + 1 if failed else 0
        self.connection.execute(update(StoredJob.table).where(_is(job)).values(due=due, attempts=attempts))
        self.queue.schedule_job(job.address.bot, job.kind, job.key, due)

    def store_payload(self, job: Job, payload: Mapping[str, Any]) -> None:
        """Replace the payload of a job: how far it has come."""
        here = (StoredJob.address.bot == job.address.bot, StoredJob.kind == job.kind, StoredJob.key == job.key)
        self.connection.execute(update(StoredJob.table).where(*here).values(payload=json.dumps(payload)))

    def delete_done(self, job: Job) -> None:
        """Delete a job that is done."""
        self.connection.execute(delete(StoredJob.table).where(_is(job)))


def _job(row: Row[Any]) -> Job:
    return made(Job, row, address=address(row), payload=json.loads(row.payload))


def _is(job: Job) -> ColumnElement[bool]:
    return and_(StoredJob.address.bot == job.address.bot, StoredJob.kind == job.kind, StoredJob.key == job.key)


class Operations(Repository):
    """Long-running operations of services, one for each turn at most."""

    def add_operation(self, kind: str, turn: str, where: Address, user: int, request: Mapping[str, Any]) -> None:
        """Add an operation in the state asked. If the turn has an operation already, nothing changes."""
        now = self.clock.time()
        self.add_missing(Operation(kind=kind, turn=turn, address=where, user=user, request=request, at=now))

    def open_money_reservations(self, bot: int) -> set[int]:
        """Return the reservations of money (`held_money`) that unfinished operations settle themselves."""
        return {one.request.get("held_money", 0) for one in self.all(OPEN_OPERATIONS, bot=bot)}

    def mark_submitting(self, id_: int) -> None:
        """Note that an operation is about to be submitted, and count it."""
        self.execute(COUNT_SUBMIT, {"row": id_, "to": "submitting", "more": 1})

    def mark_not_submitted(self, id_: int) -> None:
        """Note that the service refused an operation: it is asked again, and that submit does not count."""
        self.execute(COUNT_SUBMIT, {"row": id_, "to": "asked", "more": -1})

    def ask_again(self, operation: Operation, request: Mapping[str, Any]) -> None:
        """Have an operation submitted once more, with another request."""
        self.change(operation, state="asked", operation="", submits=0, at=self.clock.time(), request=request)
