"""A database of the oldest schema that goes on, as its steps had made it, with nothing in it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

REVISION = "0032"


def schema(dialect: str) -> str:
    """The statements that make it, for `sqlite` or `postgresql`."""
    return Path(__file__).with_name(f"schema_{REVISION}_{dialect}.sql").read_text()


def make(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"BEGIN; {schema('sqlite')} COMMIT")
    return path
