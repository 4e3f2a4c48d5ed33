"""A limited number of places, of which a caller may take several at once: `Places.take`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Places:
    """A semaphore with so many `places`, of which one caller may take several at once.

    Callers get their places in the order in which they asked, so one that wants many is not overtaken by others.
    """

    def __init__(self, places: int) -> None:
        self._free = asyncio.Semaphore(places)
        self._entry = asyncio.Lock()

    @asynccontextmanager
    async def take(self, count: int = 1) -> AsyncIterator[None]:
        """Wait until `count` places are free, and hold them while the `async with` block runs."""
        held = 0
        try:
            async with self._entry:
                while held < count:
                    await self._free.acquire()
                    held += 1
            yield
        finally:
            for _ in range(held):
                self._free.release()
