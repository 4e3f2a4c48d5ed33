"""Jobs and messages that a transaction leaves for other processes, on PostgreSQL; on SQLite nothing happens.

The queue is procrastinate's: its tables and its function `procrastinate_defer_jobs_v1`, called on the connection of the
transaction. A job only says where to look: the work itself is in our rows.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, text

from bot.concurrency.lease import FencedOut, Lease
from bot.storage.engines.prepared import Prepared
from bot.types import Address

CHANNEL = "govorun"
BESIDE = ("procrastinate_", "govorun_")  # how the tables are called that stand beside ours on PostgreSQL
ADD = (
    "SELECT procrastinate_defer_jobs_v1(ARRAY[ROW(:queue, :task, 0, :lock, NULL, CAST(:args AS jsonb),"
    " to_timestamp(CAST(:due AS double precision)))::procrastinate_job_to_defer_v1])"
)
DEFER = Prepared(text(ADD))
DEFER_AND_TELL = Prepared(text(f"{ADD}, pg_notify(:channel, :lock), pg_current_xact_id()::text AS xid"))
TELL = Prepared(text("SELECT pg_notify(:channel, :word)"))
WITHDRAW = Prepared(text("DELETE FROM procrastinate_jobs WHERE lock = :lock AND status = 'todo'"))
# Locks the job's row, so that a process that takes the lease away waits for our commit; finds no row if it was taken
# already. Returns the transaction's id too, which is needed before each commit (`storage/engines/postgres_session.py`).
KNOWN = "xid"  # the key in `Connection.info`
OURS = Prepared(
    text(
        "SELECT pg_current_xact_id()::text FROM procrastinate_jobs"
        " WHERE id = :job AND status = 'doing' AND worker_id = :worker AND attempts = :attempts FOR SHARE"
    )
)
NOW = text("SELECT EXTRACT(epoch FROM clock_timestamp())::float8")
TAKEN = text("SELECT lock FROM procrastinate_jobs WHERE status = 'doing' AND lock LIKE :lock")
# What is open and has no job: it came from a copy, or from SQLite.
CHATS = text(
    "SELECT DISTINCT place FROM ("
    " SELECT chat AS place FROM updates WHERE bot = :bot AND state IN ('new', 'begun')"
    " UNION SELECT connection || '/' || chat FROM deliveries WHERE bot = :bot AND state IN ('pending', 'sending')"
    ") AS open WHERE NOT EXISTS (SELECT 1 FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"
    " AND lock = 'chat:' || CAST(:bot AS text) || ':' || place)"
)
JOBS = text(
    "SELECT kind, key, due FROM jobs WHERE bot = :bot AND NOT EXISTS (SELECT 1 FROM procrastinate_jobs"
    " WHERE status IN ('todo', 'doing') AND lock = 'job:' || CAST(:bot AS text) || ':' || kind || ':' || key)"
)


def queue_of(bot: int) -> str:
    """The name of a bot's queue of jobs."""
    return f"bot{bot}"


def lock_of_job(bot: int, kind: str, key: str) -> str:
    """The name of the lock under which a job of a bot runs."""
    return f"job:{bot}:{kind}:{key}"


class Queue:
    """Jobs and messages for other processes, in a transaction. `lease`: the lease it works under, None for none."""

    def __init__(self, connection: Connection, lease: Lease | None) -> None:
        self.connection = connection
        self.lease = lease
        self.has_jobs = False  # whether the transaction has added or moved one
        self.answered: dict[Address, None] = {}  # where the transaction has put an answer, in order
        self._is_shared = connection.dialect.name == "postgresql"

    def ensure_lease_held(self) -> None:
        """Raise `FencedOut` when the lease was given to another process."""
        lease = self.lease
        if lease is not None and self._is_shared:
            given = {"job": lease.job, "worker": lease.worker, "attempts": lease.attempts}
            number = OURS.execute(self.connection, given).scalar()
            if number is None:
                raise FencedOut
            self.connection.info[KNOWN] = number

    def delivers_here(self, address: Address) -> bool:
        """True if this process holds the chat's lease and will deliver the message itself."""
        return not self._is_shared or (self.lease is not None and self.lease.covers(address))

    def announce_chat(self, bot: int, place: str) -> None:
        """Announce that there is work in a chat, to the process that holds the chat's lease or will get it."""
        if self._is_shared:
            lock = f"chat:{bot}:{place}"
            given = _job(bot, "chat", lock, None, place=place)
            told = DEFER_AND_TELL.execute(self.connection, {**given, "channel": CHANNEL}).one()
            self.connection.info[KNOWN] = told.xid

    def notify_processes(self, word: str) -> None:
        """Send the message `word` to the other processes, which get it when this transaction is committed."""
        if self._is_shared:
            TELL.execute(self.connection, {"channel": CHANNEL, "word": word})

    def schedule_job(self, bot: int, kind: str, key: str, due: float) -> None:
        """Schedule a job for a time (Unix seconds), in place of an earlier entry: entries with one lock run in their
        order, so that one would delay this.
        """
        self.has_jobs = True
        if self._is_shared:
            lock = lock_of_job(bot, kind, key)
            WITHDRAW.execute(self.connection, {"lock": lock})
            DEFER.execute(self.connection, _job(bot, "job", lock, due, kind=kind, key=key))

    def read_time(self, ours: float) -> float:
        """Return the time by which jobs are scheduled: the server's on PostgreSQL, on SQLite `ours` (Unix seconds)."""
        return float(self.connection.scalar(NOW)) if self._is_shared else ours

    def list_held_chats(self, bot: int) -> frozenset[str]:
        """Return the keys (`Address.chat_key`) of the chats that some process is working on."""
        if not self._is_shared:
            return frozenset()
        lock = f"chat:{bot}:"
        found = self.connection.execute(TAKEN, {"lock": f"{lock}%"}).scalars()
        return frozenset(name.removeprefix(lock) for name in found)

    def add_missing_jobs(self, bot: int) -> int:
        """Add the jobs that are missing for open rows. Returns how many."""
        if not self._is_shared:
            return 0
        places = self.connection.execute(CHATS, {"bot": bot}).scalars().all()
        jobs = self.connection.execute(JOBS, {"bot": bot}).all()
        for place in places:
            self.announce_chat(bot, place)
        for kind, key, due in jobs:
            self.schedule_job(bot, kind, key, due)
        return len(places) + len(jobs)


def _job(bot: int, task: str, lock: str, due: float | None, **args: Any) -> dict[str, Any]:
    return {"queue": queue_of(bot), "task": task, "lock": lock, "args": json.dumps(args), "due": due}


def create(connection: Connection) -> None:
    """Make the tables that processes share on PostgreSQL (schema of procrastinate 3.10); nothing on SQLite."""
    if connection.dialect.name != "postgresql":
        return
    from procrastinate.schema import SchemaManager

    driver: Any = connection.connection.driver_connection
    driver.execute(SchemaManager.get_schema())
    for statement in SHARED:
        driver.execute(statement)


SHARED = (
    # Without it each look for a job compares all that wait with all others.
    "CREATE INDEX govorun_jobs_lock ON procrastinate_jobs (lock) WHERE status IN ('todo', 'doing')",
    "CREATE TABLE govorun_rates (bot bigint PRIMARY KEY, until timestamptz NOT NULL)",
    """
    CREATE TABLE govorun_places (
      name text, holder text, taken int NOT NULL, wanted int NOT NULL, expires timestamptz NOT NULL,
      PRIMARY KEY (name, holder))
    """,
)
