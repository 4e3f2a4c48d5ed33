"""The database: who writes waits for the commit, who reads sees one state, and the transaction that both give out.

Begin with `Store.write` and `Store.read`: both take a function of a transaction, and run it in a thread that owns its
connection. What can be asked inside is in the subject modules that `Tx` lists. Which database it is is the URL's
business: `storage/engines/sqlite.py` and `storage/engines/postgres.py` are the two `Engine`s.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from bot.clock import Clock
from bot.concurrency import lease
from bot.concurrency.lease import FencedOut, Lease, LeaseLost
from bot.concurrency.retry import Backoff, Retry
from bot.errors import Lost, StorageUnavailable
from bot.storage.engines.base import Engine
from bot.storage.engines.base import Work as Bound
from bot.storage.engines.decision_locks import DecisionLock
from bot.storage.engines.errors import meaning
from bot.storage.engines.job_notify import Queue
from bot.storage.engines.urls import is_sqlite
from bot.storage.maintenance import migrations
from bot.storage.repositories import (
    audit,
    backlog,
    blobs,
    budgets,
    buttons,
    chats,
    conversations,
    documents,
    feedback,
    inbox,
    jobs,
    ledger,
    members,
    memory,
    messages,
    operations,
    outbox,
    personal_data,
    user_profiles,
)
from bot.telemetry import tracing
from bot.telemetry.metrics import Metrics
from bot.telemetry.outage import Outage

T = TypeVar("T")
LOOK = 20.0  # seconds between looks at the files while nothing is written
BACKOFF = Backoff(1.0, 30.0)  # while the disk fails


class Tx:
    """A transaction. Questions and changes are methods of the subjects; none of them commits."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self.connection = connection
        self.clock = clock
        self.queue = Queue(connection, None)

    @cached_property
    def updates(self) -> inbox.Updates:
        return inbox.Updates(self.connection, self.clock, self.queue)

    @cached_property
    def chats(self) -> chats.Chats:
        return chats.Chats(self.connection, self.clock, self.queue)

    @cached_property
    def messages(self) -> messages.Messages:
        return messages.Messages(self.connection, self.clock, self.queue)

    @cached_property
    def conversations(self) -> conversations.Conversations:
        return conversations.Conversations(self.connection, self.clock, self.queue)

    @cached_property
    def memory(self) -> memory.Memory:
        return memory.Memory(self.connection, self.clock, self.queue)

    @cached_property
    def blobs(self) -> blobs.Blobs:
        return blobs.Blobs(self.connection, self.clock, self.queue)

    @cached_property
    def documents(self) -> documents.Documents:
        return documents.Documents(self.connection, self.clock, self.queue)

    @cached_property
    def deliveries(self) -> outbox.Deliveries:
        return outbox.Deliveries(self.connection, self.clock, self.queue)

    @cached_property
    def operations(self) -> operations.Operations:
        return operations.Operations(self.connection, self.clock, self.queue)

    @cached_property
    def feedback(self) -> feedback.Opinions:
        return feedback.Opinions(self.connection, self.clock, self.queue)

    @cached_property
    def belongings(self) -> personal_data.Belongings:
        return personal_data.Belongings(self.connection, self.clock, self.queue)

    @cached_property
    def people(self) -> user_profiles.People:
        return user_profiles.People(self.connection, self.clock, self.queue)

    @cached_property
    def jobs(self) -> jobs.Jobs:
        return jobs.Jobs(self.connection, self.clock, self.queue)

    @cached_property
    def usage(self) -> ledger.Ledger:
        return ledger.Ledger(self.connection, self.clock, self.queue)

    @cached_property
    def spending(self) -> budgets.Ledgers:
        return budgets.Ledgers(self.connection, self.clock, self.queue)

    @cached_property
    def members(self) -> members.Members:
        return members.Members(self.connection, self.clock, self.queue)

    @cached_property
    def audit(self) -> audit.Log:
        return audit.Log(self.connection, self.clock, self.queue)

    @cached_property
    def backlog(self) -> backlog.Backlog:
        return backlog.Backlog(self.connection, self.clock, self.queue)

    @cached_property
    def buttons(self) -> buttons.Buttons:
        return buttons.Buttons(self.connection, self.clock, self.queue)


Work = Callable[[Tx], Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """A work that waits for a lane. `before` are those whose callers have gone, and which it comes after."""

    work: Work
    guards: frozenset[DecisionLock]
    done: asyncio.Future[Any]
    before: frozenset[asyncio.Future[Any]]


class Store:
    """Use it as `async with Store.open(url, clock) as store`."""

    def __init__(self, clock: Clock, engine: Engine, metrics: Metrics) -> None:
        self.clock = clock
        self.metrics = metrics
        self.engine = engine
        self._lost: Lost | None = None
        self._outages = {True: Outage("writing to the database", clock), False: Outage("reading the database", clock)}
        self._queue: asyncio.Queue[Asked | None] = asyncio.Queue()
        self._abandoned: set[asyncio.Future[Any]] = set()
        self._task = asyncio.create_task(self._run(), name="storage writer")

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, clock: Clock, metrics: Metrics | None = None) -> AsyncIterator[Store]:
        """Bring the schema up to date, then open.

        Raises `ConfigError` for a database that is not ours, `StorageUnavailable` for one that can't be opened now.
        """
        await migrations.upgrade(url)
        async with _engine(url, clock) as engine:
            store = cls(clock, engine, metrics or Metrics())
            try:
                yield store
            finally:
                await asyncio.shield(store._close())

    @property
    def version(self) -> str:
        """What keeps the rows: "PostgreSQL 18.4"."""
        return self.engine.version

    async def write(self, work: Callable[[Tx], T], guard: DecisionLock | None = None) -> T:
        """Run `work` in a transaction and return its result after the commit. `guard`: it is known to need that.

        Cancelling the caller does not cancel the work. `work` runs in another thread, more than once where the database
        undoes what others did at the same time: it touches nothing but the transaction and what can't change
        meanwhile. When it raises, only its own changes are undone. Raises `StorageUnavailable` when the disk is full,
        read-only or locked or the server is away, `Lost` when the database is gone or damaged, `LeaseLost` when what
        is being worked on is another process's now: nothing is written then.
        """
        if self._lost is not None:
            raise Lost(str(self._lost))
        held = lease.current.get()
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        done.add_done_callback(_retrieve)
        bound = work if held is None else _under(held, work)
        self._queue.put_nowait(Asked(bound, frozenset(filter(None, (guard,))), done, frozenset(self._abandoned)))
        try:
            with tracing.call("commit", "internal"):
                return await asyncio.shield(done)
        except asyncio.CancelledError:
            self._abandon(done)
            raise
        except FencedOut:
            assert held is not None  # noqa: S101  nobody else is fenced
            held.lose()
            raise LeaseLost from None

    async def read(self, question: Callable[[Tx], T]) -> T:
        """Run `question` in a transaction that sees one state of the database and can't change it.

        The same holds for it as for `write`.
        """
        return await self._ask(self.engine.read, question)

    async def ask(self, question: Callable[[Tx], T]) -> T:
        """The same for what is asked with one statement: no transaction is needed, which on PostgreSQL is the most of
        it. Two statements may see two states of the database.
        """
        return await self._ask(self.engine.ask, question)

    async def _ask(self, ask: Callable[[Callable[[Connection], T]], Awaitable[T]], question: Callable[[Tx], T]) -> T:
        try:
            answer = await ask(lambda connection: question(Tx(connection, self.clock)))
        except DBAPIError as error:
            if (told := self._told(error, writing=False)) is error:
                raise
            raise told from error
        self._outages[False].over()
        return answer

    async def patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Repeat a database call until it raises no `StorageUnavailable`: what must not be forgotten."""
        return await Retry(self.clock, BACKOFF, on=StorageUnavailable).call(ask)

    async def check(self) -> None:
        """Commit something that changes nothing but the disk. Raises `StorageUnavailable` when that does not work."""
        await self.write(lambda tx: tx.connection.exec_driver_sql(self.engine.touch).close())

    async def scrub(self) -> None:
        """Leave no trace of what was deleted, as far as the engine can. Raises `StorageUnavailable`."""
        try:
            await self.engine.scrub()
        except DBAPIError as error:
            if (told := self._told(error, writing=True)) is error:
                raise
            raise told from error

    async def watch(self) -> None:
        """Return when the store was closed. Raises `Lost` when the database is, or what else ended the writer."""
        while not self._task.done():
            try:
                self.engine.look()
            except Lost as error:
                self._lose(error)
            sleeper = asyncio.create_task(self.clock.sleep(LOOK))
            try:
                await asyncio.wait({self._task, sleeper}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                sleeper.cancel()
        await self._task

    async def _run(self) -> None:
        await asyncio.gather(*(self._commit(lane) for lane in range(self.engine.lanes)))
        if self._lost is not None:
            await self.engine.rescue()
            raise self._lost

    async def _commit(self, lane: int) -> None:
        """Do what is asked, in this lane, until the store is closed or lost."""
        while batch := await self._gather():
            if self.engine.lanes > 1 and (before := batch[0].before):
                await asyncio.wait(before)
            works = [Bound(self._bound(asked.work), asked.guards) for asked in batch]
            begun = self.clock.monotonic()
            outcomes = await self.engine.commit(lane, works)
            self.metrics.commit_seconds.observe(self.clock.monotonic() - begun)
            for asked, (result, failure) in zip(batch, outcomes, strict=True):
                if failure is None:
                    self._outages[True].over()
                    asked.done.set_result(result)
                else:
                    asked.done.set_exception(self._told(failure, writing=True))

    async def _gather(self) -> list[Asked]:
        """The next works, which share a commit; none when there will be no more."""
        batch: list[Asked] = []
        while not batch or (len(batch) < self.engine.group and not self._queue.empty()):
            item = await self._queue.get()
            if item is None:
                self._queue.put_nowait(None)  # for the next turn, and for the other lanes
                break
            batch.append(item)
        return batch

    def _bound(self, work: Work) -> Callable[[Connection], Any]:
        return lambda connection: work(Tx(connection, self.clock))

    def _abandon(self, done: asyncio.Future[Any]) -> None:
        """Nobody waits for this work any more, but what is asked from now on must still come after it."""
        if not done.done():
            self._abandoned.add(done)
            done.add_done_callback(self._abandoned.discard)

    def _told(self, error: BaseException, *, writing: bool) -> BaseException:
        told = meaning(error, writing=writing)
        if isinstance(told, StorageUnavailable):
            self.metrics.errors.add("storage", type(told).__name__)
            self._outages[writing].failed(str(told))
        elif isinstance(told, Lost):
            self._lose(told)
        return told

    def _lose(self, error: Lost) -> None:
        """Nothing is taken from here on; what still waits is refused by the database itself."""
        if self._lost is None:
            self._lost = error
            self._queue.put_nowait(None)

    async def _close(self) -> None:
        self._queue.put_nowait(None)
        await asyncio.wait({self._task})
        if not self._task.cancelled():
            self._task.exception()  # `watch` and whoever writes raise it


def _engine(url: str, clock: Clock) -> AbstractAsyncContextManager[Engine]:
    if is_sqlite(url):
        from bot.storage.engines.sqlite import Sqlite

        return Sqlite.open(url)
    from bot.storage.engines.postgres import Postgres

    return Postgres.open(url, clock)


def _under(held: Lease, work: Callable[[Tx], T]) -> Callable[[Tx], T]:
    """The same as long as the lease is ours."""

    def checked(tx: Tx) -> T:
        tx.queue = Queue(tx.connection, held)
        tx.queue.insist()
        return work(tx)

    return checked


def _retrieve(done: asyncio.Future[Any]) -> None:
    """A caller that was cancelled no longer looks at the outcome; that is no reason for a warning."""
    if not done.cancelled():
        done.exception()
