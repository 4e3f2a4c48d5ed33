"""The source whose articles are the answers that people teach the bot (`knowledge.learning.learned`)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from bot.knowledge.sources.source import Event, Known, Unchanged


@dataclass(frozen=True, slots=True)
class LearnedReader:
    """Reads the source `learned`: what is stored of it is all there is."""

    async def articles(self, known: Known) -> AsyncIterator[Event]:
        """Every known article, unchanged."""
        for key, validators in known.items():
            yield Unchanged(key, validators)
