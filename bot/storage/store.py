"""The database: one writer that is never cancelled, readers that can't write, and the transaction that both give out.

Begin with `Store.write` and `Store.read`; what can be asked inside is in the subject modules that `Tx` lists.

Why one writer: SQLite has one anyway; a cancelled `BEGIN` leaves a connection inside a transaction; and before 3.51.3
two connections of which one checkpoints while the other commits can corrupt the file. The writer groups the commits
that wait for it, so a crowd pays for one fsync.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from functools import cached_property
from typing import Any, TypeVar

from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, StaticPool

from bot.clock import Clock
from bot.errors import StorageUnavailable
from bot.storage import buttons, chats, deliveries, jobs, messages, operations, schema, updates, usage

T = TypeVar("T")
GROUP = 64  # works that share a commit: more would make the first of them wait


class Tx:
    """A transaction. Questions and changes are methods of the subjects; none of them commits."""

    def __init__(self, connection: AsyncConnection, clock: Clock) -> None:
        self.connection = connection
        self.clock = clock

    @cached_property
    def updates(self) -> updates.Updates:
        return updates.Updates(self.connection, self.clock)

    @cached_property
    def chats(self) -> chats.Chats:
        return chats.Chats(self.connection, self.clock)

    @cached_property
    def messages(self) -> messages.Messages:
        return messages.Messages(self.connection, self.clock)

    @cached_property
    def deliveries(self) -> deliveries.Deliveries:
        return deliveries.Deliveries(self.connection, self.clock)

    @cached_property
    def operations(self) -> operations.Operations:
        return operations.Operations(self.connection, self.clock)

    @cached_property
    def jobs(self) -> jobs.Jobs:
        return jobs.Jobs(self.connection, self.clock)

    @cached_property
    def usage(self) -> usage.Ledger:
        return usage.Ledger(self.connection, self.clock)

    @cached_property
    def buttons(self) -> buttons.Buttons:
        return buttons.Buttons(self.connection, self.clock)


Work = Callable[[Tx], Awaitable[Any]]
Batch = list[tuple[Work, asyncio.Future[Any]]]


class Store:
    """Use it as `async with Store.open(url, clock) as store`."""

    def __init__(self, url: str, clock: Clock) -> None:
        self.url = url
        self.clock = clock
        self._queue: asyncio.Queue[tuple[Work, asyncio.Future[Any]] | None] = asyncio.Queue()
        self._writing = _engine(url, writer=True)
        self._reading = _engine(url, writer=False)
        self._task: asyncio.Task[None] | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, clock: Clock) -> AsyncIterator[Store]:
        """Bring the schema up to date, then open.

        Raises `ConfigError` for a database that is not ours, `StorageUnavailable` for one that can't be opened now.
        """
        await schema.upgrade(url)
        store = cls(url, clock)
        try:
            connection = await store._writing.connect()
        except DBAPIError as error:
            raise _mapped(error) from error
        store._task = asyncio.create_task(store._run(connection), name="storage writer")
        try:
            yield store
        finally:
            await asyncio.shield(store._close())

    async def write(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        """Run `work` in a transaction and return its result after the commit.

        Cancelling the caller does not cancel the work. `work` awaits nothing but the transaction, and may be run by
        the side of other works: when it raises, only its own changes are undone. Raises `StorageUnavailable` when the
        disk is full, read-only or locked.
        """
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        done.add_done_callback(_retrieve)
        self._queue.put_nowait((work, done))
        return await asyncio.shield(done)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Tx]:
        """A transaction that sees one state of the database and can't change it."""
        async with self._reading.connect() as connection, connection.begin():
            yield Tx(connection, self.clock)

    async def _run(self, connection: AsyncConnection) -> None:
        async with aclosing(connection):
            while (batch := await self._gather()) is not None:
                await self._commit(connection, batch)

    async def _gather(self) -> Batch | None:
        first = await self._queue.get()
        if first is None:
            return None
        batch = [first]
        while len(batch) < GROUP and not self._queue.empty():
            item = self._queue.get_nowait()
            if item is None:
                self._queue.put_nowait(None)
                break
            batch.append(item)
        return batch

    async def _commit(self, connection: AsyncConnection, batch: Batch) -> None:
        outcomes: list[tuple[asyncio.Future[Any], Any, Exception | None]] = []
        try:
            async with connection.begin():
                tx = Tx(connection, self.clock)
                for work, done in batch:
                    outcomes.append((done, *(await _apart(tx, work) if len(batch) > 1 else (await work(tx), None))))
        except _Undone:
            for one in batch:
                await self._commit(connection, [one])
            return
        except Exception as error:  # the commit, or the only work: nobody's changes are on disk
            outcomes = [(done, None, error) for _, done in batch]
        for done, result, failure in outcomes:
            if failure is None:
                done.set_result(result)
            else:
                done.set_exception(_mapped(failure))

    async def _close(self) -> None:
        self._queue.put_nowait(None)
        if self._task is not None:
            await self._task
        await self._reading.dispose()
        await self._writing.dispose()


class _Undone(Exception):
    """SQLite has undone a whole group because of one work in it (a full disk): each has to be done by itself."""


async def _apart(tx: Tx, work: Work) -> tuple[Any, Exception | None]:
    """Run one work of a group in a savepoint, so that its failure undoes only its own changes. Raises `_Undone`."""
    try:
        async with tx.connection.begin_nested():
            return await work(tx), None
    except Exception as error:  # it goes to the caller who waits for it
        raw = (await tx.connection.get_raw_connection()).driver_connection
        if not getattr(raw, "in_transaction", True):
            raise _Undone from error
        return None, error


def _retrieve(done: asyncio.Future[Any]) -> None:
    """A caller that was cancelled no longer looks at the outcome; that is no reason for a warning."""
    if not done.cancelled():
        done.exception()


def _mapped(error: BaseException) -> BaseException:
    if isinstance(error, DBAPIError) and error.orig is not None and "Operational" in type(error.orig).__name__:
        return StorageUnavailable(f"the database can't be written: {error.orig}")
    return error


def _engine(url: str, *, writer: bool) -> AsyncEngine:
    engine = (
        create_async_engine(url, poolclass=StaticPool)
        if writer
        else create_async_engine(url, poolclass=AsyncAdaptedQueuePool, pool_size=4, max_overflow=0)
    )
    if engine.dialect.name == "sqlite":
        prepare_sqlite(engine, writer=writer)
    return engine


def prepare_sqlite(engine: AsyncEngine, *, writer: bool) -> None:
    """What every connection to SQLite is told first; a connection that only reads is told so too."""

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we begin transactions ourselves, below
        cursor = connection.cursor()
        cursor.execute("PRAGMA busy_timeout=5000")
        cursor.execute("PRAGMA foreign_keys=ON")
        if writer:
            cursor.execute("PRAGMA journal_mode=WAL")
            # With NORMAL a power cut loses acknowledged commits; FULL costs about 0.1 ms.
            cursor.execute("PRAGMA synchronous=FULL")
        else:
            cursor.execute("PRAGMA query_only=ON")
            cursor.execute("PRAGMA wal_autocheckpoint=0")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Any) -> None:
        connection.execute(BEGIN_WRITE if writer else BEGIN_READ)


BEGIN_WRITE = text("BEGIN IMMEDIATE")
BEGIN_READ = text("BEGIN")
