"""The jobs of a programmer's code, as rows: `Planner` adds them, `OwnJobs` runs them.

A job with a schedule has one row, whose key is `SCHEDULE`; done, the row is due at its next time. So a time that was
missed while the bot was down is caught up once. For a schedule of each person's zone that row runs nothing: it adds a
row for each person whose time has come.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from bot.access.onboarding import Onboarding
from bot.access.policy import Access, Actor, Role
from bot.errors import Lost, ProgramError, StorageUnavailable
from bot.extension import Answer, JobRun, OwnJob, Running, Schedule
from bot.extension.mistakes import blaming, messages
from bot.extension.running import current
from bot.features.program.messages import Messages, Said, delivery_key, ensure_known, hashed
from bot.features.times import zones
from bot.handlers import Handlers
from bot.storage.store import Store, Tx
from bot.telemetry.incidents import IncidentLog
from bot.texts.catalog import say
from bot.types import Address, Job, Outgoing, User

log = logging.getLogger(__name__)

KIND = "own."  # begins the kind of each job; its name follows
SCHEDULE = "schedule"
MOST_TRIES = 5  # of one run
MOST_OPEN = 40  # runs for people that are open at once: the jobs of the bot itself must not wait for thousands
PAGE = 200  # people in one transaction
QUARTER = 900.0  # seconds: zones differ by quarters of an hour
ADDED = 1.0  # seconds until more people are looked at, while many runs are open


@dataclass(slots=True, kw_only=True)
class Planner:
    """Adds the rows of jobs. `wake_jobs` is called after a row was added."""

    store: Store
    bot: int
    jobs: Mapping[str, OwnJob]
    wake_jobs: Callable[[], None]

    async def begin(self) -> None:
        """At a start, add the rows of new schedules, plan changed ones anew, and delete those that are gone."""

        def work(tx: Tx) -> None:
            now, rows = tx.clock.time(), {job.kind: job for job in tx.jobs.list_of_kinds(self.bot, KIND)
                                          if job.key == SCHEDULE}  # fmt: skip
            for job in self.jobs.values():
                row, schedule = rows.pop(KIND + job.name, None), job.schedule
                if row is not None and (schedule is None or row.payload.get("schedule") != schedule.text):
                    tx.jobs.delete_done(row)
                    row = None
                if row is None and schedule is not None:
                    tx.jobs.add_job(planned(job, schedule, self.bot, now))
            for row in rows.values():
                tx.jobs.delete_done(row)

        await self.store.write_until_stored(work)
        self.wake_jobs()

    async def later(
        self, name: str, key: str, at: datetime | timedelta, to: int | User | None, data: Mapping[str, Any]
    ) -> bool:
        """See `Running.later`."""
        if not isinstance(name, str):
            raise TypeError(f"later takes the name of a job: {getattr(name, '__name__', name)!r:.80}")
        if name not in self.jobs:
            raise ValueError(f"there is no job {name!r}: the App has {', '.join(self.jobs) or 'none'}")
        check_json(data)
        if isinstance(at, datetime) and at.tzinfo is None:
            raise ValueError(f"{at} has no time zone: use an aware datetime, or a timedelta from now")
        hash_, user = hashed(f"job {name}", key), to.id if isinstance(to, User) else to
        where = Address("telegram", self.bot, user or 0)

        def work(tx: Tx) -> bool:
            if tx.program_keys.is_used(self.bot, hash_):
                return False
            if user is not None:
                ensure_known(tx, where)
            if not tx.program_keys.use(self.bot, hash_):
                return False
            due = at.timestamp() if isinstance(at, datetime) else tx.clock.time() + at.total_seconds()
            payload = {"at": due, "data": dict(data), **({} if user is None else {"user": user})}
            tx.jobs.add_job(Job(KIND + name, hash_[:48], where, payload, due=due))
            return True

        added = await self.store.write(work)
        self.wake_jobs()
        return added

    async def withdraw(self, name: str, key: str) -> bool:
        """See `Running.withdraw`."""
        row = hashed(f"job {name}", key)[:48]

        def work(tx: Tx) -> bool:
            planned = tx.jobs.find_job(self.bot, KIND + name, row)
            if planned is not None:
                tx.jobs.delete_done(planned)
            return planned is not None

        return await self.store.write(work)


@dataclass(slots=True, kw_only=True)
class OwnJobs:
    """Runs jobs. What a function returns is sent to the person it ran for, in the commit that ends the run.

    A run that fails is tried again, `MOST_TRIES` times in all; then the log and the owners are told, and a schedule
    goes on with its next time. People who may not use the bot any more are left out of schedules.
    """

    store: Store
    jobs: Mapping[str, OwnJob]
    running: Running[Any]
    messages: Messages
    access: Access
    joining: Onboarding
    incidents: IncidentLog

    def feature(self) -> Handlers:
        """A kind of job for each function."""
        return Handlers(jobs={KIND + name: self.run for name in self.jobs})

    async def run(self, job: Job) -> None:
        """The job: run the function, or plan its runs for people."""
        current.set(self.running)  # each job is a task of its own
        own = self.jobs[job.kind.removeprefix(KIND)]
        if job.key == SCHEDULE and own.schedule is not None and own.schedule.per_user:
            await self.store.write(lambda tx: self._plan_people(tx, own, own.schedule, job))  # type: ignore[arg-type]
            return
        due, user = float(job.payload["at"]), job.payload.get("user")
        where = zones.zone(str(job.payload.get("zone", own.schedule.zone if own.schedule is not None else ""))) or UTC
        run = JobRun(
            name=own.name, key=f"{own.name} {job.key} {due:.3f}", at=datetime.fromtimestamp(due, where),
            running=self.running, user=user, data=job.payload.get("data", {}), language=await self._language(job),
        )  # fmt: skip
        try:
            async with asyncio.timeout(own.deadline):
                returned = await own.run(run)
            with blaming(own.run):
                answer = _answer(own, returned, user)
        except (StorageUnavailable, Lost):
            raise
        except Exception as error:
            if job.attempts + 1 < MOST_TRIES:
                raise  # the worker puts it back
            await self._give_up(job, own, error)
            return
        await self._end(job, own, answer, delivery_key(hashed("run", run.key)))

    async def _language(self, job: Job) -> str:
        """Return the language of the person for whom a job runs, as it is now; "" if it runs for nobody."""
        if "user" not in job.payload:
            return ""
        return await self.store.read(lambda tx: tx.chats.read_language(job.address.bot, job.address.chat))

    async def _end(self, job: Job, own: OwnJob, answer: Said | None, key: str) -> None:
        def work(tx: Tx) -> None:
            if answer is not None:
                self.messages.store_message(tx, key, job.address, answer)
            _done(tx, job, own)

        await self.store.write_until_stored(work)
        if answer is not None:
            self.joining.deliver(key, (job.address,))

    async def _give_up(self, job: Job, own: OwnJob, error: Exception) -> None:
        """Tell the log and the owners that a run has failed for good."""
        code = self.incidents.record(error, job.key)
        log.exception("job %s is given up after %d tries: code %s", own.name, MOST_TRIES, code)
        owners = [Address(job.address.transport, job.address.bot, one) for one in self.joining.admins(Role.OWNER)]

        def work(tx: Tx) -> None:
            for where in owners:
                language = tx.chats.read_language(where.bot, where.chat)
                text = say(language, "job.failed", name=own.name, count=MOST_TRIES, code=code)
                tx.outbox.add_answer(f"{code}-{where.chat}", where, Outgoing(text, plain=True))
            _done(tx, job, own)

        await self.store.write_until_stored(work)
        self.joining.deliver(code, owners)

    def _plan_people(self, tx: Tx, own: OwnJob, schedule: Schedule, job: Job) -> None:
        """Add a run for each person whose time has come since the last look, some at once; then wait for the next."""
        row, bot, now = tx.jobs.find_job(job.address.bot, job.kind, SCHEDULE), job.address.bot, tx.clock.time()
        if row is None:
            return
        since, until = float(row.payload["since"]), float(row.payload.get("until", now))
        where = {name: _zone(name, schedule) for name in tx.chats.list_zones(bot)}
        times = {name: schedule.last_until(until, zone) for name, zone in where.items()}
        times = {name: time for name, time in times.items() if time > since}
        room = MOST_OPEN - tx.jobs.count_of_kind(bot, job.kind)
        after, most = int(row.payload.get("after", 0)), min(room, PAGE) if times else 0
        people = tx.chats.list_people_of_zones(bot, times.keys(), after, most) if most > 0 else ()
        for person in people:
            if person.first_seen <= (due := times[person.timezone]):
                self._plan_one(tx, job, person.id, due, zones.name_of(where[person.timezone]))
        if times and (room <= 0 or people):
            after = people[-1].id if people else after
            tx.jobs.store_payload(row, {**row.payload, "until": until, "after": after})
            tx.jobs.reschedule(row, now + (0.0 if room > len(people) else ADDED))
            return
        tx.jobs.store_payload(row, {"schedule": schedule.text, "since": until})
        soonest = min((schedule.next_after(until, zone) for zone in where.values()), default=until + QUARTER)
        tx.jobs.reschedule(row, min(soonest, (until // QUARTER + 1) * QUARTER))

    def _plan_one(self, tx: Tx, job: Job, user: int, due: float, zone: str) -> None:
        if self.access.role(Actor(user, private=True)) >= Role.USER:
            where, payload = replace(job.address, chat=user), {"at": due, "user": user, "zone": zone}
            tx.jobs.add_job(Job(job.kind, f"{user}-{due:.0f}", where, payload, due=tx.clock.time()))


def check_json(data: Mapping[str, Any]) -> None:
    """Raise `TypeError` that names the first key whose value JSON can't hold."""
    for key, value in data.items():
        try:
            json.dumps(value)
        except (TypeError, ValueError) as error:
            raise TypeError(f"data[{key!r}] can't be kept: JSON can't hold {value!r:.80} ({error})") from None


def planned(job: OwnJob, schedule: Schedule, bot: int, now: float) -> Job:
    """Return the row of a schedule that begins now."""
    payload: dict[str, Any] = {"schedule": schedule.text}
    if schedule.per_user:
        payload, due = {**payload, "since": now}, now
    else:
        due = schedule.next_after(now)
        payload["at"] = due
    return Job(KIND + job.name, SCHEDULE, Address("telegram", bot, 0), payload, due=due)


def _done(tx: Tx, job: Job, own: OwnJob) -> None:
    """Delete the row of a run, or let that of a schedule be due at its next time."""
    if job.key != SCHEDULE or own.schedule is None:
        tx.jobs.delete_done(job)
        return
    due = own.schedule.next_after(tx.clock.time(), since=float(job.payload["at"]))
    tx.jobs.store_payload(job, {**job.payload, "at": due})
    tx.jobs.reschedule(job, due)


def _answer(own: OwnJob, answer: Answer, user: int | None) -> Said | None:
    """Return the message that a job has returned for its person, None if it has returned None.

    Raises `ProgramError` for a value that can't be sent, and for a message of a job that runs for nobody.
    """
    if not messages(answer, "", f"job {own.name} returned"):
        return None
    if user is None:
        raise ProgramError(f"job {own.name} returned a message but runs for nobody: use running.send")
    return answer


def _zone(name: str, schedule: Schedule) -> tzinfo:
    return zones.zone(name) or ZoneInfo(schedule.otherwise)
