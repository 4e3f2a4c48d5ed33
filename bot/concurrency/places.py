"""A limited number of places, of which a caller may take several at once: `Places.take`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Places:
    """A semaphore of which a caller may take several `places` at once. Nobody overtakes a caller who waits for them."""

    def __init__(self, places: int) -> None:
        self._free = asyncio.Semaphore(places)
        self._entry = asyncio.Lock()

    @asynccontextmanager
    async def take(self, count: int = 1) -> AsyncIterator[None]:
        """Wait for so many places, and hold them inside the context."""
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
