"""Jobs: work that is due at a time, by kind and key; the idempotency keys of a programmer's code, and the
states of dialogues of its aiogram routers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, func, insert, select, update

from bot.ports import NO_STATE, RouterKey, RouterRows
from bot.storage.engines.dialects import upsert
from bot.storage.repositories.mapping import Repository, address, columns, made
from bot.storage.tables.work import deliveries, jobs, program_keys, router_states
from bot.types import Address, Job

# PostgreSQL's driver counts no rows of an INSERT that met a conflict, so the inserted row is asked for.
ADD = upsert(lambda insert: insert(jobs).on_conflict_do_nothing().returning(jobs.c.id))
STATE_KEY = ("bot", "chat", "user", "thread", "connection", "destiny")  # of a `RouterKey`
USE = upsert(lambda insert: insert(program_keys).on_conflict_do_nothing().returning(program_keys.c.at))


class Jobs(Repository):
    """Jobs: work that is due at a time."""

    def add_job(self, job: Job) -> None:
        """Add a job. One with its kind and key that is already there is left as it is."""
        row = {
            **columns(job.address), "kind": job.kind, "key": job.key, "payload": json.dumps(job.payload),
            "due": job.due, "attempts": job.attempts,
        }  # fmt: skip
        if self.connection.execute(ADD(self.connection), row).first() is not None:
            self.queue.schedule_job(job.address.bot, job.kind, job.key, job.due)

    def list_due(self, bot: int, now: float, most: int) -> Sequence[Job]:
        """Return the jobs that are due at `now` (Unix seconds), at most `most`, the earliest first."""
        query = select(jobs).where(jobs.c.bot == bot, jobs.c.due <= now).order_by(jobs.c.due, jobs.c.id).limit(most)
        return [_job(row) for row in self.connection.execute(query)]

    def list_of_chat(self, where: Address, kind: str) -> Sequence[Job]:
        """Return the jobs of a kind in a chat, the earliest first."""
        query = select(jobs).where(jobs.c.bot == where.bot, jobs.c.chat == where.chat, jobs.c.kind == kind)
        return [_job(row) for row in self.connection.execute(query.order_by(jobs.c.due, jobs.c.id))]

    def find_job(self, bot: int, kind: str, key: str) -> Job | None:
        """Return a job by its kind and key, None if there is none."""
        query = select(jobs).where(jobs.c.bot == bot, jobs.c.kind == kind, jobs.c.key == key)
        return self._find(_job, query)

    def list_of_kinds(self, bot: int, prefix: str) -> Sequence[Job]:
        """Return the jobs whose kinds begin with `prefix`, the earliest first."""
        query = select(jobs).where(jobs.c.bot == bot, jobs.c.kind.startswith(prefix, autoescape=True))
        return [_job(row) for row in self.connection.execute(query.order_by(jobs.c.due, jobs.c.id))]

    def count_of_kind(self, bot: int, kind: str) -> int:
        """Return how many jobs of a kind there are."""
        query = select(func.count()).select_from(jobs).where(jobs.c.bot == bot, jobs.c.kind == kind)
        return self.connection.execute(query).scalar_one()

    def next_due_time(self, bot: int, now: float) -> float | None:
        """Return when the next job becomes due after `now` (both Unix seconds), None if there is none."""
        query = select(func.min(jobs.c.due)).where(jobs.c.bot == bot, jobs.c.due > now)
        return self.connection.execute(query).scalar_one()

    def reschedule(self, job: Job, due: float, *, failed: bool = False) -> None:
        """Let a job be due again later. `failed` counts an attempt; otherwise the count begins anew."""
        attempts = jobs.c.attempts + 1 if failed else 0
        self.connection.execute(update(jobs).where(_is(job)).values(due=due, attempts=attempts))
        self.queue.schedule_job(job.address.bot, job.kind, job.key, due)

    def store_payload(self, job: Job, payload: Mapping[str, Any]) -> None:
        """Replace the payload of a job: how far it has come."""
        here = (jobs.c.bot == job.address.bot, jobs.c.kind == job.kind, jobs.c.key == job.key)
        self.connection.execute(update(jobs).where(*here).values(payload=json.dumps(payload)))

    def delete_done(self, job: Job) -> None:
        """Delete a job that is done."""
        self.connection.execute(delete(jobs).where(_is(job)))


class ProgramKeys(Repository):
    """The idempotency keys that a programmer's code has used, each stored once, for ever; what became of messages."""

    def use(self, bot: int, hash_: str) -> bool:
        """Store the hash of a key. Returns False if it was there already."""
        row = {"bot": bot, "hash": hash_, "at": self.clock.time()}
        return self.connection.execute(USE(self.connection), row).first() is not None

    def is_used(self, bot: int, hash_: str) -> bool:
        """Return whether the hash of a key is stored."""
        here = (program_keys.c.bot == bot, program_keys.c.hash == hash_)
        return self.connection.execute(select(program_keys.c.at).where(*here)).first() is not None

    def find_outcome(self, bot: int, key: str) -> tuple[str, str] | None:
        """Return the state of a delivery, and why it was given up; None for one that is not there (any more)."""
        query = select(deliveries.c.state, deliveries.c.reason).where(deliveries.c.bot == bot, deliveries.c.key == key)
        row = self.connection.execute(query).one_or_none()
        return None if row is None else (row.state, row.reason)


class RouterStates(Repository):
    """Reads and writes the states of dialogues, each with its data as JSON."""

    def read(self, key: RouterKey) -> tuple[str | None, str]:
        """Return the state of a dialogue and its data; `NO_STATE` where nothing is stored."""
        row = self.connection.execute(select(*router_states.c["state", "data"]).where(*_of(key))).one_or_none()
        return NO_STATE if row is None else (row.state, row.data)

    def write(self, rows: RouterRows) -> None:
        """Replace what is stored of dialogues. One without state and data has no row."""
        for key, (state, data) in rows.items():
            self.connection.execute(delete(router_states).where(*_of(key)))
            if (state, data) != NO_STATE:
                row = dict(zip(STATE_KEY, key, strict=True)) | {"state": state, "data": data, "at": self.clock.time()}
                self.connection.execute(insert(router_states), row)


def _of(key: RouterKey) -> list[ColumnElement[bool]]:
    return [router_states.c[name] == value for name, value in zip(STATE_KEY, key, strict=True)]


def _job(row: Row[Any]) -> Job:
    return made(Job, row, address=address(row), payload=json.loads(row.payload))


def _is(job: Job) -> ColumnElement[bool]:
    return and_(jobs.c.bot == job.address.bot, jobs.c.kind == job.kind, jobs.c.key == job.key)
