"""The worker for what is done later. A job is a row; nobody sleeps in a loop for it, so a restart costs nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from bot.clock import Clock
from bot.concurrency.retry import Backoff
from bot.errors import BotError, StorageUnavailable
from bot.storage.store import Store, Tx
from bot.telemetry import tracing, turn_log
from bot.telemetry.tracing import NOTHING, Tracer
from bot.types import Job

log = logging.getLogger(__name__)

Work = Callable[[Job], Awaitable[None]]

AT_ONCE = 8
LONGEST_WAIT = 30.0  # seconds: the wall clock may jump
BACKOFF = Backoff(2.0, 300.0)


class Jobs:
    """Runs due jobs. `kinds` says who does which kind of job; it may still grow until `run`.

    A kind ends its job, or gives it a later `due`, in its own transaction (`tx.jobs`). When it raises, the job is
    tried again after a growing wait.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        bot: int,
        kinds: Mapping[str, Work] | None = None,
        tracer: Tracer = NOTHING,
    ) -> None:
        self.store = store
        self.clock = clock
        self.bot = bot
        self.kinds = dict(kinds or {})
        self.tracer = tracer
        self._wake = asyncio.Event()
        self._running: set[tuple[str, str]] = set()

    async def do(self, job: Job) -> None:
        """Do one job, whoever has found it due."""
        await self._do(job)

    def wake(self) -> None:
        """A job was added: look now."""
        self._wake.set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._wake.clear()
                busy = set(self._running)
                due, next_due = await self.store.patiently(lambda: self.store.read(self._due))
                for job in due:
                    # A job that ended while we were reading stands here as it was before.
                    if (name := (job.kind, job.key)) not in busy and len(self._running) < AT_ONCE:
                        self._running.add(name)
                        tasks.create_task(self._do(job))
                await self._rest(next_due)

    def _due(self, tx: Tx) -> tuple[Sequence[Job], float | None]:
        now = self.clock.time()
        return tx.jobs.due(self.bot, now, 4 * AT_ONCE), tx.jobs.next_due(self.bot, now)

    async def _rest(self, until: float | None) -> None:
        wait = LONGEST_WAIT if until is None else max(0.05, min(until - self.clock.time(), LONGEST_WAIT))
        async with asyncio.TaskGroup() as race:
            sleeper = race.create_task(self.clock.sleep(wait))
            await asyncio.wait({sleeper, waker := race.create_task(self._wake.wait())}, return_when="FIRST_COMPLETED")
            sleeper.cancel()
            waker.cancel()

    async def _do(self, job: Job) -> None:
        try:
            turn = job.payload.get("turn") or turn_log.of(job.key)
            origin = self.tracer.origin(self.bot, turn)
            with (
                turn_log.about(turn),
                tracing.of(origin, f"job {job.kind}", "consumer", {"govorun.attempt": job.attempts}),
            ):
                await self.kinds[job.kind](job)
        except StorageUnavailable:  # it was said when it was met; the row says what it said before: due
            await self.clock.sleep(BACKOFF.first)
        except BotError as error:  # a service that fails: which one and how is in the words
            log.warning("job %s %s is put back (attempt %d): %s", job.kind, job.key, job.attempts + 1, error)
            await self._put_back(job)
        except Exception:  # the worker's error boundary: one job must not end the others
            log.exception("job %s %s failed (attempt %d)", job.kind, job.key, job.attempts + 1)
            await self._put_back(job)
        finally:
            self._running.discard((job.kind, job.key))
            self.wake()

    async def _put_back(self, job: Job) -> None:
        due = self.clock.time() + BACKOFF.pause(job.attempts + 1)
        await self.store.patiently(lambda: self.store.write(lambda tx: tx.jobs.again(job, due, failed=True)))
