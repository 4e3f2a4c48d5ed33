"""The PostgreSQL server of the tests. Begin with `started`."""

from __future__ import annotations

from contextlib import AbstractContextManager

from bench import postgres
from bench.postgres import TEMPLATE, Server

__all__ = ["TEMPLATE", "Server", "started"]

# What a power cut would do is PostgreSQL's business: without waiting for the disk a database is made in 0.02 s.
CONFIGURATION = """
fsync = off
synchronous_commit = off
full_page_writes = off
shared_buffers = 32MB
max_connections = 300
max_pred_locks_per_transaction = 256
"""


def started() -> AbstractContextManager[Server]:
    """Raises `ImportError` where the wheel is not installed."""
    return postgres.started(CONFIGURATION)
