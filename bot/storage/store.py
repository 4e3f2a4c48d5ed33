"""The database as transactions. Begin with `Store.write` and `Store.read`: both take a function of a `Tx`.

The function runs in a thread that owns its connection. `Tx` lists the repositories with its queries. The URL decides
which engine is used, `storage/engines/sqlite.py` or `storage/engines/postgres.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
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
from bot.storage.engines.base import Engine, Work
from bot.storage.engines.decision_locks import DecisionLock
from bot.storage.engines.errors import meaning
from bot.storage.engines.job_notify import Queue
from bot.storage.engines.urls import is_sqlite
from bot.storage.maintenance import migrations
from bot.storage.repositories.batch import Batches, DatasetPeople, VendorRuns
from bot.storage.repositories.buttons import Buttons
from bot.storage.repositories.chats import Chats, Users
from bot.storage.repositories.conversations import Conversations, Memory
from bot.storage.repositories.desk import Accounts, Cases, Drafts, Relays, Seats
from bot.storage.repositories.evaluation import Evaluations
from bot.storage.repositories.files.blobs import Blobs
from bot.storage.repositories.files.documents import Documents
from bot.storage.repositories.inbox import Backlog, Inbox
from bot.storage.repositories.jobs import Jobs, Operations
from bot.storage.repositories.knowledge.articles import Articles
from bot.storage.repositories.knowledge.gaps import Gaps
from bot.storage.repositories.knowledge.gates import Gates
from bot.storage.repositories.knowledge.passages import Knowledge
from bot.storage.repositories.knowledge.quotes import Quotes
from bot.storage.repositories.knowledge.sources import Sources
from bot.storage.repositories.knowledge.topics import QuestionTopics
from bot.storage.repositories.members import AuditLog, Members
from bot.storage.repositories.messages import Messages
from bot.storage.repositories.money.budgets import Budgets
from bot.storage.repositories.money.ledger import Ledger
from bot.storage.repositories.outbox import Outbox
from bot.storage.repositories.personal_data import PersonalData
from bot.storage.repositories.program.keys import ProgramKeys
from bot.storage.repositories.program.router_states import RouterStates
from bot.storage.repositories.prompts import PersonaVersions
from bot.storage.rows import Rows
from bot.telemetry import tracing
from bot.telemetry.metrics import Metrics
from bot.telemetry.outage import Outage

T = TypeVar("T")
LOOK = 20.0  # seconds between looks at the files while nothing is written
BACKOFF = Backoff(1.0, 30.0)  # while the disk fails


def repository(kind: Callable[[Connection, Clock, Queue], T]) -> cached_property[T]:
    """Make an attribute of `Tx` that creates the repository when it is first used."""
    return cached_property(lambda tx: kind(tx.connection, tx.clock, tx.queue))


class Tx(Rows):
    """A transaction, with the repositories that read and write in it. None of their methods commits."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self.connection = connection
        self.clock = clock
        self.queue = Queue(connection, None)

    inbox = repository(Inbox)
    outbox = repository(Outbox)
    jobs = repository(Jobs)
    program_keys = repository(ProgramKeys)
    router_states = repository(RouterStates)
    operations = repository(Operations)
    buttons = repository(Buttons)
    backlog = repository(Backlog)
    conversations = repository(Conversations)
    messages = repository(Messages)
    memory = repository(Memory)
    blobs = repository(Blobs)
    documents = repository(Documents)
    sources = repository(Sources)
    knowledge = repository(Knowledge)
    articles = repository(Articles)
    gaps = repository(Gaps)
    gates = repository(Gates)
    quotes = repository(Quotes)
    question_topics = repository(QuestionTopics)
    personas = repository(PersonaVersions)
    chats = repository(Chats)
    users = repository(Users)
    members = repository(Members)
    audit = repository(AuditLog)
    ledger = repository(Ledger)
    budgets = repository(Budgets)
    cases = repository(Cases)
    seats = repository(Seats)
    relays = repository(Relays)
    drafts = repository(Drafts)
    accounts = repository(Accounts)
    batches = repository(Batches)
    dataset_people = repository(DatasetPeople)
    vendor_runs = repository(VendorRuns)
    evaluations = repository(Evaluations)
    personal_data = repository(PersonalData)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(Work):
    """A transaction in the queue. It may start only after the transactions in `before`, whose callers were cancelled
    while they waited.
    """

    done: asyncio.Future[Any]
    before: frozenset[asyncio.Future[Any]]


class Store:
    """Transactions on the database of a URL. Use it as `async with Store.open(url, clock) as store`."""

    def __init__(self, *, url: str, clock: Clock, engine: Engine, metrics: Metrics) -> None:
        self.clock = clock
        self.metrics = metrics
        self.engine = engine
        self._url = url
        self._alone: dict[str, asyncio.Lock] = {}
        self._lost: Lost | None = None
        self._outages = {True: Outage("writing to the database", clock), False: Outage("reading the database", clock)}
        self._queue: asyncio.Queue[Asked | None] = asyncio.Queue()
        self._abandoned: set[asyncio.Future[Any]] = set()
        self._task = asyncio.create_task(self._run(), name="storage writer")

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: str, clock: Clock, metrics: Metrics | None = None, *, writes: bool = True
    ) -> AsyncIterator[Store]:
        """Bring the schema up to date, then open. `writes` False leaves a SQLite file as it is, so that it can be read
        while another process writes: then `write` raises `StorageUnavailable`.

        Raises `ConfigError` for a database that belongs to another program, `StorageUnavailable` for one that can't be
        opened now.
        """
        await (migrations.upgrade if writes else migrations.insist)(url)
        async with _engine(url, clock, writes=writes) as engine:
            store = cls(url=url, clock=clock, engine=engine, metrics=metrics or Metrics())
            try:
                yield store
            finally:
                await asyncio.shield(store._close())

    @property
    def version(self) -> str:
        """The name and version of the database, like "PostgreSQL 18.4"."""
        return self.engine.version

    async def write(self, work: Callable[[Tx], T], guard: DecisionLock | None = None) -> T:
        """Run `work` in a transaction and return its result after the commit.

        `guard`: the decision lock that `work` is known to need; without it, a work that turns out to need one is run
        again under it.

        Cancelling the caller does not cancel the work. `work` runs in another thread, and more than once where the
        database undoes it because of another transaction: so it uses nothing but its transaction and values that can't
        change meanwhile. When it raises, only its own changes are undone. Raises `StorageUnavailable` when the disk is
        full, read-only or locked or the server is away, `Lost` when the database is gone or damaged, and `LeaseLost`
        when another process has taken over the chat: then nothing is written.
        """
        if self._lost is not None:
            raise Lost(str(self._lost))
        held = lease.current.get()
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        done.add_done_callback(_retrieve)
        bound = work if held is None else _under(held, work)
        self._queue.put_nowait(
            Asked(
                run=lambda connection: bound(Tx(connection, self.clock)), guards=frozenset(filter(None, (guard,))),
                done=done, before=frozenset(self._abandoned),
            )
        )  # fmt: skip
        try:
            with tracing.call("commit", tracing.INTERNAL):
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

        `question` runs in another thread, and may run twice. Raises `StorageUnavailable` and `Lost` as `write` does.
        """
        return await self._ask(question, one=False)

    async def read_one(self, question: Callable[[Tx], T]) -> T:
        """Run a `question` of one statement, without a transaction: on PostgreSQL that is a third of the round trips.

        Two statements could see two states of the database. Raises as `read`.
        """
        return await self._ask(question, one=True)

    async def _ask(self, question: Callable[[Tx], T], *, one: bool) -> T:
        with self._telling(writing=False):
            answer = await self.engine.read(lambda connection: question(Tx(connection, self.clock)), one=one)
        self._outages[False].over()
        return answer

    @contextmanager
    def _telling(self, *, writing: bool) -> Iterator[None]:
        """Raise the error of ours that an error of the database means."""
        try:
            yield
        except DBAPIError as error:
            if (told := self._told(error, writing=writing)) is error:
                raise
            raise told from error

    async def retry_until_stored(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Repeat a database call until it raises no `StorageUnavailable`, for what must not be forgotten.

        The pauses between the tries grow from 1 to 30 seconds. Each failure was logged where it happened.
        """
        return await Retry(self.clock, BACKOFF, on=StorageUnavailable).call(ask)

    async def write_until_stored(self, work: Callable[[Tx], T]) -> T:
        """Run `work` as `write` does, again and again until the database has committed it; returns its result."""
        return await self.retry_until_stored(lambda: self.write(work))

    async def ask_until_answered(self, question: Callable[[Tx], T]) -> T:
        """Ask a question of one statement, again and again until the database answers."""
        return await self.retry_until_stored(lambda: self.read_one(question))

    async def run_alone(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` while no other work of this name runs, in this process or another; wait until that has ended.

        If the connection that holds the lock breaks, `work` is cancelled, and run again with a new lock.
        """
        async with self._alone.setdefault(what, asyncio.Lock()):
            if is_sqlite(self._url):  # no other process writes
                await work()
                return
            from bot.storage.cluster.leader_election import Leader

            await Leader(url=self._url, what=what, clock=self.clock).run(work)

    async def check_writable(self) -> None:
        """Commit to the disk without changing a row. Raises `StorageUnavailable` when that does not work."""
        await self.write(lambda tx: tx.connection.exec_driver_sql(self.engine.touch).close())

    async def scrub_deleted(self) -> None:
        """Overwrite what was deleted, as far as the database can. Raises `StorageUnavailable`."""
        with self._telling(writing=True):
            await self.engine.scrub()

    async def watch_until_closed(self) -> None:
        """Return when the store is closed. Raises `Lost` when the database is gone, or what ended the writer."""
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
        """Run queued transactions in one lane until the store is closed or lost."""
        while batch := await self._gather():
            if self.engine.lanes > 1 and (before := batch[0].before):
                await asyncio.wait(before)
            begun = self.clock.monotonic()
            outcomes = await self.engine.commit(lane, batch)
            self.metrics.commit_seconds.observe(self.clock.monotonic() - begun)
            for asked, (result, failure) in zip(batch, outcomes, strict=True):
                if failure is None:
                    self._outages[True].over()
                    asked.done.set_result(result)
                else:
                    asked.done.set_exception(self._told(failure, writing=True))

    async def _gather(self) -> list[Asked]:
        """Wait for the next transactions, which share a commit; an empty list when there will be no more."""
        batch: list[Asked] = []
        while not batch or (len(batch) < self.engine.group and not self._queue.empty()):
            item = await self._queue.get()
            if item is None:
                self._queue.put_nowait(None)  # for the next turn, and for the other lanes
                break
            batch.append(item)
        return batch

    def _abandon(self, done: asyncio.Future[Any]) -> None:
        """Let the transactions that are queued from now on wait for this one, whose caller was cancelled."""
        if not done.done():
            self._abandoned.add(done)
            done.add_done_callback(self._abandoned.discard)

    def _told(self, error: BaseException, *, writing: bool) -> BaseException:
        told = meaning(error, writing=writing)
        if isinstance(told, StorageUnavailable):
            self.metrics.errors.labels("storage", type(told).__name__).inc()
            self._outages[writing].failed(str(told))
        elif isinstance(told, Lost):
            self._lose(told)
        return told

    def _lose(self, error: Lost) -> None:
        """Accept no transaction from now on; queued ones are refused by the database itself."""
        if self._lost is None:
            self._lost = error
            self._queue.put_nowait(None)

    async def _close(self) -> None:
        self._queue.put_nowait(None)
        await asyncio.wait({self._task})
        if not self._task.cancelled():
            self._task.exception()  # `watch` and whoever writes raise it


def _engine(url: str, clock: Clock, *, writes: bool) -> AbstractAsyncContextManager[Engine]:
    if is_sqlite(url):
        from bot.storage.engines.sqlite import Sqlite

        return Sqlite.open(url, writes=writes)
    from bot.storage.engines.postgres import Postgres

    return Postgres.open(url, clock)


def _under(held: Lease, work: Callable[[Tx], T]) -> Callable[[Tx], T]:
    """Wrap `work` so that it raises `FencedOut` when this process does not hold the lease any more."""

    def checked(tx: Tx) -> T:
        tx.queue = Queue(tx.connection, held)
        tx.queue.ensure_lease_held()
        return work(tx)

    return checked


def _retrieve(done: asyncio.Future[Any]) -> None:
    """Look at the outcome of a transaction whose caller was cancelled, so that asyncio does not warn of it."""
    if not done.cancelled():
        done.exception()
