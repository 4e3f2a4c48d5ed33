"""A job manager for procrastinate that waits for its server and never ends another worker's job. Begin with `Broker`.

A worker of procrastinate stops at the first statement that fails, leaves the jobs of dead workers alone, and ends a job
by its id, whoever has it by now. `Broker` mends all three.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any, LiteralString, TypeVar

import psycopg
from procrastinate import PsycopgConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job, JobInserted, Notification, Status
from procrastinate.manager import JobManager, NotificationCallback
from procrastinate.types import JobToDefer  # noqa: F401  its adapters are registered when it is loaded
from psycopg_pool import AsyncConnectionPool

from bot.clock import Clock
from bot.concurrency.lease import Lease
from bot.concurrency.retry import Backoff, Retry
from bot.storage.cluster.clock_skew import Clocks
from bot.storage.engines.job_notify import CHANNEL
from bot.storage.engines.postgres_server import REACH
from bot.storage.engines.urls import synchronous
from bot.telemetry.outage import Outage

log = logging.getLogger(__name__)
T = TypeVar("T")

STALLED = 4.0  # seconds without a beat after which a worker's jobs are given to others
PER_JOB, LONGEST_PAUSE = 0.001, 0.05  # seconds before a fetch, for each job that is being done
QUIET = 0.25  # seconds after a look for jobs in which the next one waits for news
MANY = 1_000  # jobs that are remembered one by one
BACKOFF = Backoff(0.5, 0.5)  # while the server is away
CONNECTIONS = 4

BEAT = (
    "INSERT INTO procrastinate_workers (id, last_heartbeat) OVERRIDING SYSTEM VALUE VALUES (%(worker)s, now())"
    " ON CONFLICT (id) DO UPDATE SET last_heartbeat = now()"
    " RETURNING EXTRACT(epoch FROM clock_timestamp())::float8 AS now"
)
MINE = "SELECT id, attempts FROM procrastinate_jobs WHERE status = 'doing' AND worker_id = %(worker)s"
ALIVE = (
    "SELECT count(*) AS alive FROM procrastinate_workers"
    " WHERE last_heartbeat > now() - make_interval(secs => %(seconds)s)"
)
# In one statement that holds the rows of the workers, so that a beat comes before it or after it. What a suspended
# process has locked is left for the next time. After a restart of the server everybody has time to beat first.
RESCUE = """
WITH stalled AS (
  SELECT job.id FROM procrastinate_jobs AS job JOIN procrastinate_workers AS worker ON worker.id = job.worker_id
  WHERE job.status = 'doing' AND job.queue_name = %(queue)s
    AND worker.last_heartbeat < now() - make_interval(secs => %(seconds)s)
    AND pg_postmaster_start_time() < now() - make_interval(secs => %(seconds)s)
  FOR UPDATE SKIP LOCKED
), unowned AS (
  SELECT id FROM procrastinate_jobs WHERE status = 'doing' AND queue_name = %(queue)s AND worker_id IS NULL
  FOR UPDATE SKIP LOCKED
)
UPDATE procrastinate_jobs SET status = 'todo', attempts = attempts + 1
WHERE id IN (SELECT id FROM stalled UNION SELECT id FROM unowned) RETURNING id
"""
PUT_BACK = (
    "UPDATE procrastinate_jobs SET status = 'todo', attempts = attempts + 1"
    " WHERE id = %(job)s AND status = 'doing' AND worker_id = %(worker)s AND attempts = %(attempts)s RETURNING id"
)
# Who waits for the lock is told: procrastinate itself tells only of jobs that are new.
FINISH = """
WITH ended AS (
  DELETE FROM procrastinate_jobs
  WHERE id = %(job)s AND status = 'doing' AND worker_id = %(worker)s AND attempts = %(attempts)s
  RETURNING id, lock, queue_name
)
SELECT pg_notify('procrastinate_queue_v1#' || ended.queue_name, %(news)s) FROM ended WHERE EXISTS (
  SELECT 1 FROM procrastinate_jobs AS next WHERE next.lock = ended.lock AND next.status = 'todo')
"""
# Whoever has the job of a chat looks at all that is open there: what waits for its lock would find nothing to do.
WITHDRAW = (
    "DELETE FROM procrastinate_jobs WHERE lock = %(lock)s AND status = 'todo' AND EXISTS ("
    " SELECT 1 FROM procrastinate_jobs"
    " WHERE id = %(job)s AND status = 'doing' AND worker_id = %(worker)s AND attempts = %(attempts)s)"
)
TELL = "SELECT pg_notify(%(channel)s, %(payload)s)"
NEWS = json.dumps({"type": "job_inserted", "job_id": 0})


def conninfo(url: str) -> str:
    """Return the address of a database in libpq's form."""
    place = synchronous(url).set(drivername="postgresql")
    given = {name: value for name, value in REACH.items() if name not in place.query}
    return place.update_query_dict(given).render_as_string(hide_password=False)


def connector(url: str) -> PsycopgConnector:
    """Return a connector whose statements are transactions of their own.

    A statement that fails because its connection was cut is repeated.
    """
    return Connector(
        conninfo=conninfo(url), pool_factory=_pool, configure=_configure,
        min_size=1, max_size=CONNECTIONS, timeout=5.0, reconnect_timeout=1.0,
    )  # fmt: skip


def _pool(**given: Any) -> AsyncConnectionPool[Any]:
    """Return a pool that does not test a connection before each use, which takes as long as the use."""
    return AsyncConnectionPool(**{**given, "check": None})


async def _configure(connection: psycopg.AsyncConnection[Any]) -> None:
    await connection.set_autocommit(True)
    # Nothing waits for the disk: what a crash of the server takes back is the state of a job, which every lease is
    # compared with. Whoever has lost it so hears of it at the next commit.
    await connection.execute("SET synchronous_commit = off")


class Connector(PsycopgConnector):
    """Raises a cancellation that its pool has swallowed, so that a loop that runs until it is cancelled ends.

    The pool waits with `asyncio.wait_for`, which on Python 3.11 drops a cancellation that comes with the connection.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name in ("execute_query_async", "execute_query_one_async", "execute_query_all_async"):
            setattr(self, name, _heeding(getattr(self, name)))


def _heeding(execute: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
    async def executed(query: LiteralString, **arguments: Any) -> T:
        result = await execute(query, **arguments)
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise asyncio.CancelledError
        return result

    return executed


class Broker(JobManager):
    """The jobs of one worker. `worker` is its id once it has one; `is_draining`: it takes no new jobs."""

    connector: PsycopgConnector

    def __init__(
        self, *, connector: PsycopgConnector, url: str, queue: str, clock: Clock, load: Callable[[], int]
    ) -> None:
        super().__init__(connector)
        self.worker = 0
        self.is_draining = False
        self._load = load
        self._url = url
        self._queue = queue
        self._clock = clock
        self._outage = Outage("the queue", clock)
        self._news = 0  # how often we were told of a job
        self._told: set[int] = set()  # the jobs that we were told of by their numbers, and have not asked for
        self._more = True  # there may be others
        self._asked = float("-inf")  # when we last asked
        self._look: Callable[[], Awaitable[None]] | None = None  # makes the worker look for one
        self._clocks = Clocks(clock)

    async def retry_until_answered(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Repeat a call until the server answers it."""
        retry = Retry(self._clock, BACKOFF, on=ConnectorException)
        answer = await retry.call(ask, failed=lambda error, _: self._outage.failed(_reason(error)))
        self._outage.over()
        return answer

    # --- what a worker of procrastinate asks for ----------------------------------------------------------------------

    async def register_worker(self) -> int:
        """Get an id for this worker, and remember it as `worker`. Its first heartbeat comes before its first job.

        So a clock that is wrong is logged before anything is done by it.
        """
        self.worker = await self.retry_until_answered(super().register_worker)
        await self.retry_until_answered(self.beat)
        return self.worker

    async def unregister_worker(self, worker_id: int) -> None:
        """Delete the row of this worker. If the server is away, other workers delete the row later."""
        try:
            await super().unregister_worker(worker_id)
        except ConnectorException as error:  # its row is found stale
            self._outage.failed(_reason(error))

    async def prune_stalled_workers(self, seconds_since_heartbeat: float) -> list[int]:
        """Delete the rows of workers without a heartbeat for so many seconds; returns their ids."""
        prune = super().prune_stalled_workers
        return await self.retry_until_answered(lambda: prune(seconds_since_heartbeat))

    async def update_heartbeat(self, worker_id: int) -> None:
        """Do nothing: `beat` does that, also while a worker is being stopped."""

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        """Fetch the next job. Busy workers ask later, so that a dead worker's jobs spread over all others.

        Returns None only if no job was announced meanwhile, because the worker forgets announcements then. A worker
        asks after each job until there is none; the server is not asked if there can't be another.
        """
        if not (self._told or self._more) and self._clock.monotonic() - self._asked < QUIET:
            return None
        await self._clock.sleep(min(self._load() * PER_JOB, LONGEST_PAUSE))
        while not self.is_draining:
            news, self._asked = self._news, self._clock.monotonic()
            try:
                job = await super().fetch_job(queues, worker_id)
            except ConnectorException as error:  # it is asked for again
                self._outage.failed(_reason(error))
                return None
            self._outage.over()
            if job is not None:
                self._more = self._more or job.id not in self._told
                self._told.discard(job.id or 0)
                return job
            if news == self._news:
                self._told.clear()
                self._more = False
                return None
        return None

    async def listen_for_jobs(
        self, *, on_notification: NotificationCallback, queues: Iterable[str] | None = None
    ) -> None:
        """Call `on_notification` for each job that the server announces, until cancelled."""
        listen = super().listen_for_jobs

        async def told(*, channel: str, notification: Notification) -> None:
            self._news += 1
            job = notification["job_id"]
            if job and len(self._told) < MANY:
                self._told.add(job)
            else:  # the announcement names no job, or too many are remembered
                self._more = True
            await on_notification(channel=channel, notification=notification)

        async def look() -> None:
            self._more = True
            await on_notification(channel="", notification=JobInserted(type="job_inserted", job_id=0))

        self._look = look
        while True:
            await self.retry_until_answered(lambda: listen(on_notification=told, queues=queues))

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:
        """End a job, if this worker still has it. An interrupted job is left to be rescued."""
        given, news = {**_identity(job), "news": NEWS}, self._news
        if status is Status.ABORTED:
            return
        if not self.is_draining:
            await self.retry_until_answered(lambda: self.connector.execute_query_async(FINISH, **given))
            if news != self._news and self._look is not None:
                await self._look()  # a job announced meanwhile may have waited for this one to end
            return
        try:
            await self.connector.execute_query_async(FINISH, **given)
        except ConnectorException as error:  # a stop does not wait for a server that is away
            self._outage.failed(_reason(error))

    async def retry_job(
        self, job: Job, retry_at: datetime | None = None, priority: int | None = None, queue: str | None = None,
        lock: str | None = None,
    ) -> None:  # fmt: skip
        """Give the job back at once, for any worker: our rows, not procrastinate, say when a job is due again."""
        await self.put_back(_identity(job))

    # --- what procrastinate leaves to us ------------------------------------------------------------------------------

    async def beat(self) -> set[tuple[int, int]]:
        """Store a sign of life of the worker. Returns its jobs as (id, attempts). Raises `ConnectorException`.

        First the sign of life is stored, then the jobs are read: so a process that takes jobs away either sees the
        sign, or has taken them before they are read.
        """
        asked = self._clock.time()
        row = await self.connector.execute_query_one_async(BEAT, worker=self.worker)
        self._clocks.compare(asked, float(row["now"]))
        rows = await self.connector.execute_query_all_async(MINE, worker=self.worker)
        self._outage.over()
        return {(row["id"], row["attempts"]) for row in rows}

    async def rescue(self) -> int:
        """Give the jobs of silent workers to others. Returns how many. Raises `ConnectorException`."""
        rows = await self.connector.execute_query_all_async(RESCUE, queue=self._queue, seconds=STALLED)
        if rows:
            await self._announce()
        return len(rows)

    async def put_back(self, job: dict[str, Any]) -> None:
        """Give a job of this worker to another one. Raises `ConnectorException`."""
        await self.connector.execute_query_all_async(PUT_BACK, **job)
        await self._announce()

    async def withdraw(self, lease: Lease) -> None:
        """Delete the waiting jobs of a chat whose holder is about to look for all that is open there.

        Nothing is deleted if this worker does not hold the chat any more.
        """
        given = {"lock": lease.lock, "job": lease.job, "worker": lease.worker, "attempts": lease.attempts}
        await self.retry_until_answered(lambda: self.connector.execute_query_async(WITHDRAW, **given))

    async def alive(self) -> int:
        """Return how many workers there are. Raises `ConnectorException`."""
        row = await self.connector.execute_query_one_async(ALIVE, seconds=STALLED)
        return int(row["alive"])

    async def tell(self, payload: str) -> None:
        """Send a message to all processes of the bot. Raises `ConnectorException`."""
        await self.connector.execute_query_async(TELL, channel=CHANNEL, payload=payload)

    async def heard(self) -> AsyncGenerator[str]:
        """Yield the messages that processes send with `tell`; "" after a break in which some may have been missed."""
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(conninfo(self._url), autocommit=True) as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    yield ""
                    async for notification in connection.notifies():
                        yield notification.payload
            except psycopg.OperationalError as error:
                self._outage.failed(_reason(error))
                await self._clock.sleep(BACKOFF.first)

    async def _announce(self) -> None:
        await self.connector.execute_query_async(TELL, channel=f"procrastinate_queue_v1#{self._queue}", payload=NEWS)


def _identity(job: Job) -> dict[str, Any]:
    return {"job": job.id, "worker": job.worker_id, "attempts": job.attempts}


def _reason(error: BaseException) -> str:
    return " ".join(str(error.__cause__ or error).split())[:200] or type(error).__name__
