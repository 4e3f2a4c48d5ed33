"""The database: one writer that is never cancelled, readers that can't write, and the transaction that both give out.

Begin with `Store.write` and `Store.read`: both take a function of a transaction, and run it in a thread that owns its
connection (`thread.py`). What can be asked inside is in the subject modules that `Tx` lists.

Why one writer: SQLite has one anyway; a cancelled `BEGIN` leaves a connection inside a transaction; and before 3.51.3
two connections of which one checkpoints while the other commits can corrupt the file. The writer groups the commits
that wait for it, so a crowd pays for one fsync.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cached_property
from itertools import cycle
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from bot.clock import Clock
from bot.errors import Lost, StorageUnavailable
from bot.metrics import Metrics
from bot.outage import Outage
from bot.storage import (
    audit,
    backlog,
    belongings,
    blobs,
    buttons,
    chats,
    conversations,
    copies,
    deliveries,
    documents,
    feedback,
    jobs,
    members,
    memory,
    messages,
    operations,
    people,
    said,
    schema,
    spending,
    updates,
    usage,
)
from bot.storage.faults import meaning
from bot.storage.files import Watch, path_of
from bot.storage.thread import Thread

T = TypeVar("T")
GROUP = 64  # works that share a commit: more would make the first of them wait
READERS = 2  # an answer to a question takes well under a millisecond
LOOK = 20.0  # seconds between looks at the files while nothing is written
FIRST_BACKOFF, LAST_BACKOFF = 1.0, 30.0  # seconds between tries while the disk fails


class Tx:
    """A transaction. Questions and changes are methods of the subjects; none of them commits."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
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
    def conversations(self) -> conversations.Conversations:
        return conversations.Conversations(self.connection, self.clock)

    @cached_property
    def memory(self) -> memory.Memory:
        return memory.Memory(self.connection, self.clock)

    @cached_property
    def blobs(self) -> blobs.Blobs:
        return blobs.Blobs(self.connection, self.clock)

    @cached_property
    def documents(self) -> documents.Documents:
        return documents.Documents(self.connection, self.clock)

    @cached_property
    def deliveries(self) -> deliveries.Deliveries:
        return deliveries.Deliveries(self.connection, self.clock)

    @cached_property
    def operations(self) -> operations.Operations:
        return operations.Operations(self.connection, self.clock)

    @cached_property
    def said(self) -> said.History:
        return said.History(self.connection, self.clock)

    @cached_property
    def feedback(self) -> feedback.Opinions:
        return feedback.Opinions(self.connection, self.clock)

    @cached_property
    def belongings(self) -> belongings.Belongings:
        return belongings.Belongings(self.connection, self.clock)

    @cached_property
    def people(self) -> people.People:
        return people.People(self.connection, self.clock)

    @cached_property
    def jobs(self) -> jobs.Jobs:
        return jobs.Jobs(self.connection, self.clock)

    @cached_property
    def usage(self) -> usage.Ledger:
        return usage.Ledger(self.connection, self.clock)

    @cached_property
    def spending(self) -> spending.Ledgers:
        return spending.Ledgers(self.connection, self.clock)

    @cached_property
    def members(self) -> members.Members:
        return members.Members(self.connection, self.clock)

    @cached_property
    def audit(self) -> audit.Log:
        return audit.Log(self.connection, self.clock)

    @cached_property
    def backlog(self) -> backlog.Backlog:
        return backlog.Backlog(self.connection, self.clock)

    @cached_property
    def buttons(self) -> buttons.Buttons:
        return buttons.Buttons(self.connection, self.clock)


Work = Callable[[Tx], Any]
Batch = list[tuple[Work, asyncio.Future[Any]]]
Outcome = tuple[Any, BaseException | None]


class Store:
    """Use it as `async with Store.open(url, clock) as store`."""

    def __init__(
        self, clock: Clock, writer: Thread, readers: list[Thread], metrics: Metrics, path: Path | None = None
    ) -> None:
        self.clock = clock
        self.metrics = metrics
        self._path = path
        self._files = Watch(path)
        self._lost: Lost | None = None
        self._outages = {True: Outage("writing to the database", clock), False: Outage("reading the database", clock)}
        self._queue: asyncio.Queue[tuple[Work, asyncio.Future[Any]] | None] = asyncio.Queue()
        self._writer = writer
        self._readers = cycle(readers)
        self._task = asyncio.create_task(self._run(), name="storage writer")

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, clock: Clock, metrics: Metrics | None = None) -> AsyncIterator[Store]:
        """Bring the schema up to date, then open.

        Raises `ConfigError` for a database that is not ours, `StorageUnavailable` for one that can't be opened now.
        """
        await schema.upgrade(url)
        async with AsyncExitStack() as threads:
            writer, *readers = [await _opened(url, threads, writer=number == 0) for number in range(1 + READERS)]
            store = cls(clock, writer, readers, metrics or Metrics(), path_of(url))
            try:
                yield store
            finally:
                await asyncio.shield(store._close())

    async def write(self, work: Callable[[Tx], T]) -> T:
        """Run `work` in a transaction and return its result after the commit.

        Cancelling the caller does not cancel the work. `work` runs in another thread: it touches nothing but the
        transaction and what can't change meanwhile. When it raises, only its own changes are undone. Raises
        `StorageUnavailable` when the disk is full, read-only or locked, `Lost` when the database is gone or damaged.
        """
        if self._lost is not None:
            raise Lost(str(self._lost))
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        done.add_done_callback(_retrieve)
        self._queue.put_nowait((work, done))
        return await asyncio.shield(done)

    async def read(self, question: Callable[[Tx], T]) -> T:
        """Run `question` in a transaction that sees one state of the database and can't change it.

        The same holds for it as for `write`.
        """
        reader = next(self._readers)
        try:
            answer: T = await reader.run(_asked, reader.connection, question, self.clock)
        except DBAPIError as error:
            if (told := self._told(error, writing=False)) is error:
                raise
            raise told from error
        self._outages[False].over()
        return answer

    async def patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Do what fails with `StorageUnavailable` again until it is done: what is forgotten would be done twice."""
        wait = FIRST_BACKOFF
        while True:
            try:
                return await ask()
            except StorageUnavailable:  # it was said when it was met
                await self.clock.sleep(wait)
                wait = min(wait * 2, LAST_BACKOFF)

    async def check(self) -> None:
        """Commit something that changes nothing but the disk. Raises `StorageUnavailable` when that does not work."""
        await self.write(lambda tx: tx.connection.exec_driver_sql("PRAGMA user_version=1"))

    async def scrub(self) -> None:
        """Leave no trace of what was deleted in the files: what was moved inside them leaves its old bytes behind.

        Writes the whole database anew, so nothing else is written meanwhile: about a second for 200 MB. Raises
        `StorageUnavailable`.
        """
        try:
            await self._writer.run(_scrubbed, self._writer.connection)
        except DBAPIError as error:
            if (told := self._told(error, writing=True)) is error:
                raise
            raise told from error

    async def watch(self) -> None:
        """Return when the store was closed. Raises `Lost` when the database is, or what else ended the writer."""
        while not self._task.done():
            try:
                self._files.look()
            except Lost as error:
                self._lose(error)
            sleeper = asyncio.create_task(self.clock.sleep(LOOK))
            try:
                await asyncio.wait({self._task, sleeper}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                sleeper.cancel()
        await self._task

    async def _run(self) -> None:
        while (batch := await self._gather()) is not None:
            works = [work for work, _ in batch]
            begun = self.clock.monotonic()
            outcomes = await self._writer.run(_committed, self._writer.connection, works, self.clock, self._files)
            self.metrics.commit_seconds.observe(self.clock.monotonic() - begun)
            for (_, done), (result, failure) in zip(batch, outcomes, strict=True):
                if failure is None:
                    self._outages[True].over()
                    done.set_result(result)
                else:
                    done.set_exception(self._told(failure, writing=True))
        if self._lost is not None:
            await self._rescue()
            raise self._lost

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

    def _told(self, error: BaseException, *, writing: bool) -> BaseException:
        told = meaning(error, writing=writing)
        if isinstance(told, StorageUnavailable):
            self.metrics.errors.add("storage", type(told).__name__)
            self._outages[writing].failed(str(told))
        elif isinstance(told, Lost):
            self._lose(told)
        return told

    def _lose(self, error: Lost) -> None:
        """Nothing is taken from here on; what still waits is refused by the files themselves."""
        if self._lost is None:
            self._lost = error
            self._queue.put_nowait(None)

    async def _rescue(self) -> None:
        """What we have open is whole, even when its name is gone: keep a copy of it under another one."""
        if self._path is not None and self._files.moved():
            await self._writer.run(copies.rescue, self._writer.connection, self._path)

    async def _close(self) -> None:
        self._queue.put_nowait(None)
        await asyncio.wait({self._task})
        if not self._task.cancelled():
            self._task.exception()  # `watch` and whoever writes raise it


async def _opened(url: str, threads: AsyncExitStack, *, writer: bool) -> Thread:
    try:
        thread = await Thread(url, writer=writer).open()
    except (DBAPIError, sqlite3.Error) as error:
        raise meaning(error) from error
    threads.push_async_callback(thread.close)
    return thread


# --- in the thread ----------------------------------------------------------------------------------------------------


def _asked(connection: Connection, question: Callable[[Tx], T], clock: Clock) -> T:
    with connection.begin():
        return question(Tx(connection, clock))


def _scrubbed(connection: Connection) -> None:
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)  # noqa: S101  the only one that there is
    for statement in ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
        try:
            busy = raw.execute(statement).fetchone()
        except sqlite3.Error as error:
            raise DBAPIError.instance(statement, None, error, sqlite3.Error) from error
        if busy is not None and busy[0]:
            raise StorageUnavailable("a reader keeps old pages of the database alive")


def _committed(connection: Connection, works: list[Work], clock: Clock, files: Watch) -> list[Outcome]:
    """What became of each work, all of them in one commit."""
    try:
        with connection.begin():
            tx = Tx(connection, clock)
            outcomes: list[Outcome]
            outcomes = [(works[0](tx), None)] if len(works) == 1 else [_apart(tx, work) for work in works]
        files.look()
    except _Undone:
        return [outcome for work in works for outcome in _committed(connection, [work], clock, files)]
    except Exception as error:  # the commit, or the only work: nobody's changes are on disk
        return [(None, error) for _ in works]
    return outcomes


class _Undone(Exception):
    """SQLite has undone a whole group because of one work in it (a full disk): each has to be done by itself."""


def _apart(tx: Tx, work: Work) -> Outcome:
    """Run one work of a group in a savepoint, so that its failure undoes only its own changes. Raises `_Undone`."""
    run = tx.connection.exec_driver_sql  # SQLAlchemy's savepoints have a name and a compilation each: a tenth of a turn
    run("SAVEPOINT work")
    try:
        result = work(tx)
        run("RELEASE work")
    except Exception as error:  # it goes to the caller who waits for it
        if not getattr(tx.connection.connection.driver_connection, "in_transaction", True):
            raise _Undone from error
        run("ROLLBACK TO work")
        run("RELEASE work")
        return None, error
    return result, None


def _retrieve(done: asyncio.Future[Any]) -> None:
    """A caller that was cancelled no longer looks at the outcome; that is no reason for a warning."""
    if not done.cancelled():
        done.exception()
