"""The index of words: stems in SQLite's FTS5, without the texts. It is derived from the passages, so it may be lost."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence

from bot.knowledge.stems import stems

COMMON = 0.2  # words in a larger share of the passages tell nothing (measured: 5 % would cost 1.9 points of nDCG)
ALWAYS_KEPT = 20  # passages: in a small knowledge base a word may well be in a fifth of them
MOST_WORDS = 24  # of a question
MOST_FOUND = 100


class WordIndex:
    """Finds passages by the stems of their words. `path` is a file, "" for a temporary one. Use it in one thread."""

    def __init__(self, path: str = "") -> None:
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.executescript(
            """
            PRAGMA journal_mode = OFF;
            PRAGMA synchronous = OFF;
            PRAGMA cache_size = -16384;
            CREATE VIRTUAL TABLE words USING fts5(stems, content='', tokenize="unicode61 remove_diacritics 0");
            CREATE VIRTUAL TABLE terms USING fts5vocab(words, 'row');
            CREATE TABLE owners (passage INTEGER PRIMARY KEY, source INTEGER NOT NULL);
            """
        )

    def __len__(self) -> int:
        """How many passages are indexed."""
        return int(self._database.execute("SELECT count(*) FROM owners").fetchone()[0])

    def add(self, passages: Iterable[tuple[int, int, str]]) -> None:
        """Add passages as (id, source, text); one that is there already is left as it is."""
        rows = [(id_, source, _indexed(text)) for id_, source, text in passages]
        self._database.execute("BEGIN")
        for id_, source, indexed in rows:
            if self._database.execute("INSERT OR IGNORE INTO owners VALUES (?, ?)", (id_, source)).rowcount:
                self._database.execute("INSERT INTO words (rowid, stems) VALUES (?, ?)", (id_, indexed))
        self._database.execute("COMMIT")

    def remove(self, passages: Mapping[int, str]) -> None:
        """Remove passages by id; each text must be the one that was added."""
        rows = [(id_, _indexed(text)) for id_, text in passages.items()]
        self._database.execute("BEGIN")
        for id_, indexed in rows:
            if self._database.execute("DELETE FROM owners WHERE passage = ?", (id_,)).rowcount:
                delete = "INSERT INTO words (words, rowid, stems) VALUES ('delete', ?, ?)"
                self._database.execute(delete, (id_, indexed))
        self._database.execute("COMMIT")

    def frequencies(self, terms: Collection[str]) -> Mapping[str, int]:
        """In how many passages each stem stands."""
        query = "SELECT doc FROM terms WHERE term = ?"
        found = {term: self._database.execute(query, (term,)).fetchone() for term in terms}
        return {term: row[0] if row else 0 for term, row in found.items()}

    def search(
        self, frequencies: Mapping[str, int], sources: Collection[int] | None = None, most: int = MOST_FOUND
    ) -> Sequence[tuple[int, float]]:
        """Passages with these stems (given with their `frequencies`) as (id, BM25 score), best first.

        `sources` None: of all sources.
        """
        terms = self._telling(frequencies)
        if not terms or (sources is not None and not sources):
            return []
        asked = " OR ".join(f'"{term}"' for term in terms)
        if sources is None:
            query = "SELECT rowid, -rank FROM words WHERE words MATCH ? ORDER BY rank LIMIT ?"
            return self._database.execute(query, (asked, most)).fetchall()
        query = (
            "SELECT words.rowid, -rank FROM words JOIN owners ON owners.passage = words.rowid WHERE words MATCH ? "
            "AND owners.source IN (SELECT value FROM json_each(?)) ORDER BY rank LIMIT ?"
        )
        return self._database.execute(query, (asked, json.dumps(list(sources)), most)).fetchall()

    def close(self) -> None:
        """Close the file; a temporary one is deleted."""
        self._database.close()

    def _telling(self, frequencies: Mapping[str, int]) -> Sequence[str]:
        """The stems without those that stand in too many passages; all of them if none would be left."""
        asked = list(frequencies)[:MOST_WORDS]
        most = max(COMMON * len(self), ALWAYS_KEPT)
        return [term for term in asked if frequencies[term] <= most] or asked


def _indexed(text: str) -> str:
    return " ".join(stems(text))
