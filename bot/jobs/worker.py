"""Runs jobs when they are due. A job is a row in the database, so a restart loses none."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bot.clock import Clock
from bot.concurrency.retry import Backoff
from bot.errors import BotError, StorageUnavailable
from bot.storage.store import Store, Tx
from bot.telemetry import tracing, turn_log
from bot.telemetry.tracing import NOTHING, TurnTracer
from bot.types import Job

log = logging.getLogger(__name__)

Work = Callable[[Job], Awaitable[None]]

AT_ONCE = 8  # jobs
TOLD_AFTER = 5  # failures in a row of which nobody but the log heard: about a minute
LONGEST_WAIT = 30.0  # seconds between two looks for due jobs: the wall clock may jump
BACKOFF = Backoff(2.0, 300.0)


@dataclass(slots=True, kw_only=True)
class JobWorker:
    """Runs due jobs with the function of their kind, from `kinds`. Code that adds a job sets the event `added`.

    `tell` is called once for a job that keeps failing by an error of ours, with that error.
    A function deletes its job or gives it a later `due` in a transaction of its own (`tx.jobs`). If the function raises
    an exception, the job is tried again after a growing wait.
    """

    store: Store
    bot: int
    kinds: Mapping[str, Work]
    added: asyncio.Event = field(default_factory=asyncio.Event)
    tracer: TurnTracer = NOTHING
    tell: Callable[[Job, Exception], Awaitable[None]] | None = None
    _running: set[tuple[str, str]] = field(default_factory=set)

    @property
    def clock(self) -> Clock:
        """The clock of the store."""
        return self.store.clock

    async def run(self) -> None:
        """Run due jobs until cancelled, `AT_ONCE` at the same time."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self.added.clear()
                busy = set(self._running)
                due, next_due = await self.store.retry_until_stored(lambda: self.store.read(self._due))
                for job in due:
                    # A job that ended while we were reading stands here as it was before.
                    if (name := (job.kind, job.key)) not in busy and len(self._running) < AT_ONCE:
                        self._running.add(name)
                        tasks.create_task(self.do(job))
                await self._rest(next_due)

    def _due(self, tx: Tx) -> tuple[Sequence[Job], float | None]:
        now = self.clock.time()
        return tx.jobs.list_due(self.bot, now, 4 * AT_ONCE), tx.jobs.next_due_time(self.bot, now)

    async def _rest(self, until: float | None) -> None:
        wait = LONGEST_WAIT if until is None else max(0.05, min(until - self.clock.time(), LONGEST_WAIT))
        async with asyncio.TaskGroup() as race:
            sleeper = race.create_task(self.clock.sleep(wait))
            await asyncio.wait({sleeper, waker := race.create_task(self.added.wait())}, return_when="FIRST_COMPLETED")
            sleeper.cancel()
            waker.cancel()

    async def do(self, job: Job) -> None:
        """Run one job that is due, and put it back if it fails."""
        try:
            turn = job.payload.get("turn") or turn_log.turn_of(job.key)
            with (
                turn_log.about(turn),
                tracing.joined(self.tracer.context(self.bot, turn)),
                tracing.span(f"job {job.kind}", tracing.CONSUMER, {"govorun.attempt": job.attempts}),
            ):
                if job.kind not in self.kinds:
                    raise BotError("no code of this bot does jobs of this kind")
                await self.kinds[job.kind](job)
        except StorageUnavailable:  # logged by the store; the row is unchanged, so the job is still due
            await self.clock.sleep(BACKOFF.first)
        except BotError as error:  # a service failed: the message names the service and the error
            log.warning("job %s %s is put back (attempt %d): %s", job.kind, job.key, job.attempts + 1, error)
            await self._put_back(job)
        except Exception as error:  # the worker's error boundary: one job must not end the others
            log.exception("job %s %s failed (attempt %d)", job.kind, job.key, job.attempts + 1)
            await self._put_back(job)
            if self.tell is not None and job.attempts + 1 == TOLD_AFTER:
                await self.tell(job, error)
        finally:
            self._running.discard((job.kind, job.key))
            self.added.set()

    async def _put_back(self, job: Job) -> None:
        due = self.clock.time() + BACKOFF.pause(job.attempts + 1)
        await self.store.write_until_stored(lambda tx: tx.jobs.reschedule(job, due, failed=True))
