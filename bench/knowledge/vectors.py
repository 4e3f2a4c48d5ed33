"""An embedder that buys each vector once: the others come from a file beside the results."""

from __future__ import annotations

import hashlib
import sqlite3
from array import array
from collections.abc import Sequence
from pathlib import Path

from bot.ai import Embedder, Vector
from bot.errors import ModelError

BATCH = 20


class KeptVectors:
    """An `Embedder` whose vectors are kept in a file of SQLite."""

    def __init__(self, embedder: Embedder, file: Path) -> None:
        self._embedder = embedder
        self.name = embedder.name
        self.longest = embedder.longest
        self.pace = embedder.pace
        file.parent.mkdir(parents=True, exist_ok=True)
        self._kept = sqlite3.connect(file, isolation_level=None)
        self._kept.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, numbers BLOB)")

    async def embed(self, texts: Sequence[str], *, question: bool = False) -> Sequence[Vector | ModelError]:
        """Return a vector for each text; those that the file does not have are made in batches and kept."""
        missing = [text for text in texts if self._find(text, question=question) is None]
        for first in range(0, len(missing), BATCH):
            batch = missing[first : first + BATCH]
            for text, vector in zip(batch, await self._embedder.embed(batch, question=question), strict=True):
                if isinstance(vector, ModelError):
                    raise vector
                self.keep(text, vector.numbers, question=question)
        return [Vector(self._find(text, question=question) or ()) for text in texts]

    def keep(self, text: str, numbers: Sequence[float], *, question: bool) -> None:
        """Keep the vector of a text."""
        row = (self._key(text, question=question), array("f", numbers).tobytes())
        self._kept.execute("INSERT OR REPLACE INTO vectors VALUES (?, ?)", row)

    def _find(self, text: str, *, question: bool) -> Sequence[float] | None:
        key = self._key(text, question=question)
        row = self._kept.execute("SELECT numbers FROM vectors WHERE key = ?", (key,)).fetchone()
        return array("f", row[0]) if row else None

    def _key(self, text: str, *, question: bool) -> bytes:
        return hashlib.sha256(f"{self.name}\n{question}\n{text}".encode()).digest()
