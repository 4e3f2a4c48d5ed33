"""The dispatcher of many processes, on procrastinate and PostgreSQL. Begin with `ClusterDispatcher._hold`.

A procrastinate job with the lock of a chat makes one process the only one that works on this chat: it holds the chat's
lease (`concurrency/lease.py`) until nothing is left to do there. Within the lease everything is as in one process:
lanes, albums, Stop, live views, delivery. NOTIFY tells the holder of new updates of the chat. If a NOTIFY is lost, the
next job does, which waits for the lock.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

from procrastinate import App, JobContext, PsycopgConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.worker import Worker

from bot.clock import Clock
from bot.concurrency.lease import Lease, LeaseLost, current, lock_of
from bot.dispatch.conversation_queue import ConversationQueue
from bot.errors import StorageUnavailable
from bot.jobs.worker import AT_ONCE, JobWorker
from bot.ports import ChatHost
from bot.storage.cluster.leader_election import Leader
from bot.storage.cluster.procrastinate import BACKOFF, STALLED, Broker
from bot.storage.engines.job_notify import lock_of_job, queue_of
from bot.storage.store import Store, Tx
from bot.types import Address, Job

log = logging.getLogger(__name__)

BEAT = 1.0  # seconds between two heartbeats, and between two looks for jobs of silent workers
AT_A_TIME = 1000  # chats that one process works on
LOOK_FOR_JOBS = 1.0  # seconds between two looks: nobody announces that a job has become due
SHARE_EVERY = 0.25  # seconds between two messages about the newest message id
PRUNED = 60.0  # seconds without a heartbeat after which the row of a worker is deleted
RELEASING = 2.0  # seconds in which a stopping process returns its leases
EARLY = 2.0  # seconds before its due time from which a job is waited for, instead of given back


@dataclass(slots=True, kw_only=True)
class ClusterDispatcher:
    """Shares the chats and jobs of a bot among processes. Opens and closes `link`; calls `reload_access` when another
    process has let somebody in or out.
    """

    link: PsycopgConnector
    url: str
    store: Store
    queue: ConversationQueue
    jobs: JobWorker
    bot: int
    reload_access: Callable[[], Awaitable[None]]
    _chats: ChatHost | None = field(default=None, init=False)
    _broker: Broker | None = field(default=None, init=False)
    _leases: dict[int, Lease] = field(default_factory=dict, init=False)  # by the numbers of their jobs
    _strays: set[tuple[int, int]] = field(
        default_factory=set, init=False
    )  # jobs that the server gave this process and that it does not work on
    _begun: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _checking: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _checked_at: float = field(default=float("-inf"), init=False)
    _server_away_at: float = field(default=float("-inf"), init=False)  # when the server last did not answer
    _gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE), init=False)
    _worker: Worker | None = field(default=None, init=False)

    @property
    def at_once(self) -> bool:
        """False: the process that gets the chat's lease handles an update."""
        return False

    async def begin(self, chats: ChatHost) -> None:
        """Let `run` begin to take chats and jobs, and handle their updates with `chats`."""
        self._chats = chats
        self._begun.set()

    async def run(self) -> None:
        """Take chats and jobs, keep their leases, and listen to the other processes, until `drain` or cancellation."""
        await self._begun.wait()
        self._broker = broker = Broker(
            connector=self.link,
            url=self.url,
            queue=queue_of(self.bot),
            clock=self.clock,
            load=lambda: len(self._leases),
        )
        app = App(connector=self.link)
        app.job_manager = broker
        app.task(name="chat", pass_context=True)(self._chat)
        app.task(name="job", pass_context=True)(self._job)
        async with app.open_async():
            self._worker = Worker(
                app,
                queues=[queue_of(self.bot)],
                concurrency=AT_A_TIME,
                delete_jobs="always",
                fetch_job_polling_interval=LOOK_FOR_JOBS,
                abort_job_polling_interval=3600.0,
                update_heartbeat_interval=3600.0,
                stalled_worker_timeout=PRUNED,
                install_signal_handlers=False,
                shutdown_graceful_timeout=1.0,
            )
            async with asyncio.TaskGroup() as tasks:
                around = [
                    tasks.create_task(work) for work in (self._keep_alive(), self._listen(), self._share_newest_id())
                ]
                await self._worker.run()  # type: ignore[no-untyped-call]
                for task in around:
                    task.cancel()

    async def lead(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        """Wait until this process is the leader for `what`, then run `work`; lead again if the leadership was lost."""
        await Leader(url=self.url, what=f"{what} {self.bot}", clock=self.clock).run(work)

    @property
    def clock(self) -> Clock:
        """The clock of the store."""
        return self.store.clock

    @property
    def _is_draining(self) -> bool:
        return self._broker is not None and self._broker.is_draining

    async def drain(self, seconds: float) -> None:
        """Let running turns end for this many seconds; then return all leases, so that other processes take over."""
        if self._broker is None or self._worker is None:
            return
        self._broker.is_draining = True
        for lease in self._leases.values():
            lease.changed.set()
        await self.queue.drain(seconds)
        self._stopping.set()
        for lease in self._leases.values():
            lease.changed.set()
        end = self.clock.monotonic() + RELEASING
        while self._leases and self.clock.monotonic() < end:  # the rest is rescued, as after a crash
            await self.clock.sleep(0.02)
        self._worker.stop()  # type: ignore[no-untyped-call]

    # --- a chat -------------------------------------------------------------------------------------------------------

    async def _chat(self, context: JobContext, place: str) -> None:
        connection, chat = Address.of_chat_key(place)
        lock = lock_of(Address("", self.bot, chat, connection=connection))
        assert self._chats is not None and self._broker is not None  # noqa: S101, PT018  nothing is fetched before
        async with self._lease(context, lock) as lease:
            try:
                await self._hold(lease, place, self._chats, self._broker)
            finally:
                self._chats.leave(place)

    async def _hold(self, lease: Lease, place: str, chats: ChatHost, broker: Broker) -> None:
        """Work on a chat until there is nothing to do, or another process does it."""
        known: set[int] = set()
        if not self._is_draining:
            await chats.adopt(place, known, interrupted=lease.attempts > 0)
        while not lease.lost:
            # Nothing new is taken at a stop: it would overtake the messages of the lanes, which were put back.
            if self._stopping.is_set() or (self._is_draining and not lease.tasks):
                await self._release(lease, place)
                return
            lease.changed.clear()
            if self._is_draining:
                await lease.changed.wait()
                continue
            if lease.news:
                lease.news = False
                await broker.withdraw(lease)
                await chats.take(place, known)
            elif not lease.tasks:  # an update that was not announced has a job of its own
                return
            else:
                await lease.changed.wait()

    async def _release(self, lease: Lease, place: str) -> None:
        """At an orderly stop: put the updates of the chat back, so that its next holder counts no crash."""
        await _ended(lease)

        def work(tx: Tx) -> None:
            tx.inbox.requeue(self.bot, place)
            tx.queue.announce_chat(self.bot, place)

        try:
            await self.store.write(work)
        except StorageUnavailable:  # then the chat is rescued, as after a crash
            raise LeaseLost from None

    # --- what is done later -------------------------------------------------------------------------------------------

    async def _job(self, context: JobContext, kind: str, key: str) -> None:
        async with self._lease(context, lock_of_job(self.bot, kind, key)) as lease, self._gate:
            await self._do(lease, kind, key)

    async def _do(self, lease: Lease, kind: str, key: str) -> None:
        """Run a job until its row says that it is done, or due at another time."""
        while not lease.lost and (job := await self._due(kind, key)) is not None:
            doing = asyncio.create_task(self.jobs.do(job))
            lease.tasks.add(doing)
            stop = asyncio.create_task(self._stopping.wait())
            await asyncio.wait({doing, stop}, return_when=asyncio.FIRST_COMPLETED)
            stop.cancel()
            if not doing.done() or self._stopping.is_set():
                await _ended(lease)
                due = job.due
                await self.store.write(lambda tx, due=due: tx.queue.schedule_job(self.bot, kind, key, due))  # type: ignore[misc]
                return
            lease.tasks.discard(doing)

    async def _due(self, kind: str, key: str) -> Job | None:
        """Wait until the job is due, and return it; None if it is due much later, or does not exist any more.

        The clock of the server counts, which gave the job out: if ours is behind, nobody would run the job.
        """

        def find(tx: Tx) -> tuple[Job | None, float]:
            return tx.jobs.find_job(self.bot, kind, key), tx.queue.read_time(self.clock.time())

        job, now = await self.store.retry_until_stored(lambda: self.store.read(find))
        if job is None or job.due > now + EARLY:
            return None
        await self.clock.sleep(job.due - now)
        return job

    # --- leases -------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _lease(self, context: JobContext, lock: str) -> AsyncIterator[Lease]:
        """Hold the lease that the job names, until the block is left.

        Another process may have taken the lease and returned it before this process noticed: then the work under the
        earlier lease ends first. Updates that it had queued in memory are read again from the inbox.
        """
        job = context.job
        assert job.id is not None  # noqa: S101  it was fetched
        while earlier := [one for one in self._leases.values() if one.lock == lock]:
            earlier[0].lose()
            await earlier[0].over.wait()
        lease = Lease(
            lock=lock,
            job=job.id,
            worker=job.worker_id or 0,
            attempts=job.attempts,
            clock=self.clock,
            look=self._check_leases,
            seen=self.clock.monotonic(),
        )
        self._leases[job.id] = lease
        current.set(lease)
        try:
            yield lease
        finally:
            lease.lose()
            await _ended(lease)
            del self._leases[job.id]
            lease.over.set()

    async def _keep_alive(self) -> None:
        while True:
            await self._check_leases()
            await self.clock.sleep(BEAT)

    async def _check_leases(self) -> None:
        """Send a heartbeat, and ask which leases this process still holds. Without an answer nothing changes."""
        assert self._broker is not None  # noqa: S101  leases come from there
        asked = self.clock.monotonic()
        async with self._checking:
            if self._checked_at > asked:  # another task has asked meanwhile
                return
            at, leases = self.clock.monotonic(), dict(self._leases)
            if not self._broker.worker:
                return
            try:
                ours = await self._broker.beat()
                self._mark_leases(at, leases, ours)
                await self._return_strays(leases, ours)
            except ConnectorException:
                self._server_away_at = self.clock.monotonic()
                await self.clock.sleep(BACKOFF.first)

    def _mark_leases(self, at: float, leases: dict[int, Lease], ours: set[tuple[int, int]]) -> None:
        self._checked_at = at
        for lease in leases.values():
            if (lease.job, lease.attempts) in ours:
                lease.seen = at
            elif self._leases.get(lease.job) is lease:
                log.info("%s is another process's now", lease.lock)
                lease.lose()

    async def _return_strays(self, leases: dict[int, Lease], ours: set[tuple[int, int]]) -> None:
        """Give to other workers the jobs of dead workers, and those that this one got without learning of them."""
        assert self._broker is not None  # noqa: S101  see above
        strays = {job for job in ours if job[0] not in leases and job[0] not in self._leases}
        for job, attempts in strays & self._strays:
            await self._broker.put_back({"job": job, "worker": self._broker.worker, "attempts": attempts})
        self._strays = strays - self._strays
        if self.clock.monotonic() - self._server_away_at > STALLED and (found := await self._broker.rescue()):
            log.warning("%d jobs of a worker that is gone go on elsewhere", found)

    # --- other processes ----------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        assert self._broker is not None and self._chats is not None  # noqa: S101, PT018  see `run`
        saw, roll = f"saw:{self.bot}:", f"roll:{self.bot}"
        async with aclosing(self._broker.heard()) as words:
            async for word in words:
                if word in ("", roll):
                    await self.store.retry_until_stored(self.reload_access)
                if word.startswith(saw):
                    self._chats.saw(int(word.removeprefix(saw)))
                    continue
                for lease in self._leases.values():
                    if word in ("", lease.lock):
                        lease.news = True
                        lease.changed.set()

    async def _share_newest_id(self) -> None:
        """Tell other processes the newest message id of private chats, which share one sequence of ids.

        `telegram/sending/unconfirmed.py` says what for.
        """
        assert self._broker is not None and self._chats is not None  # noqa: S101, PT018  see `run`
        shared = 0
        while True:
            await self.clock.sleep(SHARE_EVERY)
            if (newest := self._chats.newest) > shared:
                try:
                    await self._broker.tell(f"saw:{self.bot}:{newest}")
                    shared = newest
                except ConnectorException:  # the next message tells more
                    continue


async def _ended(lease: Lease) -> None:
    """Cancel the tasks of a lease, and wait until they have ended."""
    tasks = set(lease.tasks)
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
