"""A connection to PostgreSQL with a thread of its own. It is opened when it is needed, and again when it broke."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from bot.storage.engines.decision_locks import DecisionLock, take
from bot.storage.engines.errors import is_broken
from bot.storage.engines.job_notify import KNOWN

T = TypeVar("T")
XID = "SELECT pg_current_xact_id_if_assigned()::text"
SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
# A statement's plan is kept, also if it was made while its tables were empty: scanning them is best then, and takes a
# hundred times as long when they have grown, until the server gathers figures about them.
PLANS = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off"
FATE = "SELECT pg_terminate_backend(%s), pg_xact_status(%s::xid8)"


class Unsure(Exception):
    """The connection broke during the commit of transaction `xid`, whose work has returned `result`."""

    def __init__(self, xid: str, process: int, result: Any) -> None:
        super().__init__(xid)
        self.xid = xid
        self.process = process
        self.result = result

    def fate(self, connection: Connection) -> str | None:
        """Return committed, aborted or in progress; None if the server does not know the transaction any more.

        A server that has not noticed the break would go on waiting for the commit, so its process is ended first.
        """
        row = connection.exec_driver_sql(FATE, (self.process, self.xid)).one()
        return str(row[1]) if row[1] else None


class Session:
    """A connection with a thread, which runs one transaction after the other."""

    def __init__(self, engine: Engine, *, writer: bool) -> None:
        self._engine = engine
        self._writer = writer
        self._connection: Connection | None = None
        self._process = 0  # of the server, for this connection
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="storage")

    async def run(self, work: Callable[[Connection], T], guards: Collection[DecisionLock] = ()) -> T:
        """Run `work` under decision locks and commit. Raises `DBAPIError`, `Unsure`, and what `work` raises.

        After any of these but `Unsure`, nothing is kept.
        """
        if not self._writer:
            return await self._in_thread(self._read, work)
        return await self._in_thread(self._transact, work, guards)

    async def ask(self, question: Callable[[Connection], T]) -> T:
        """Ask a reader with one statement, without a transaction: a third of the round trips."""
        return await self._in_thread(self._asked, question)

    async def vacuum(self) -> None:
        """Free the space of deleted rows in all tables that the role owns."""
        await self._in_thread(self._vacuum)

    async def close(self) -> None:
        """Close the connection and end the thread."""
        await self._in_thread(self._drop)
        self._thread.shutdown(wait=False)

    async def _in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    # --- in the thread ------------------------------------------------------------------------------------------------

    def _transact(self, work: Callable[[Connection], T], guards: Collection[DecisionLock]) -> T:
        connection, xid, result = self._connected(), None, None
        connection.info.pop(KNOWN, None)
        try:
            with connection.begin():
                take(connection, guards)
                result = work(connection)
                xid = connection.info.get(KNOWN) or connection.exec_driver_sql(XID).scalar_one()
        except DBAPIError as error:
            if xid and is_broken(error):  # the transaction's id was known, so the connection broke in the commit
                raise Unsure(xid, self._process, result) from error
            raise
        finally:
            if connection.invalidated:
                self._drop()
        return result

    def _asked(self, question: Callable[[Connection], T]) -> T:
        connection = self._connected()
        try:
            with connection.begin():  # SQLAlchemy sends no BEGIN: the connection is in autocommit mode
                return question(connection)
        finally:
            if connection.invalidated:
                self._drop()

    def _read(self, question: Callable[[Connection], T]) -> T:
        """Run a question in one state of the database."""

        def asked(connection: Connection) -> T:
            connection.exec_driver_sql(SNAPSHOT)
            try:
                return question(connection)
            finally:
                if not connection.invalidated:
                    connection.exec_driver_sql("ROLLBACK")

        return self._asked(asked)

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = connection = self._engine.connect()
            # Set on the engine, SQLAlchemy would look the level up for each statement.
            connection.execution_options(isolation_level="REPEATABLE READ" if self._writer else "AUTOCOMMIT")
            with connection.begin():
                self._process = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
                connection.exec_driver_sql(PLANS)
                if not self._writer:
                    connection.exec_driver_sql("SET default_transaction_read_only = on")
        return self._connection

    def _vacuum(self) -> None:
        with self._engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.exec_driver_sql("VACUUM")

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(DBAPIError):  # an error means that it is closed already
                connection.close()
