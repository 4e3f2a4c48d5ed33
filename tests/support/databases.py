"""A bot's database seen as a file: numbers put into its inbox, and read from it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path


def insert(connection: sqlite3.Connection, number: int) -> None:
    connection.execute(
        "INSERT INTO updates (bot, update_id, raw, state, attempts, at, reason) VALUES (42, ?, '', 'new', 0, 0, '')",
        (number,),
    )
    connection.commit()


def stored(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as connection:
        return [number for (number,) in connection.execute("SELECT update_id FROM updates ORDER BY update_id")]
