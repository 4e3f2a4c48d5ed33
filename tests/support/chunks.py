"""The chunks of an answer as one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from bot.ai import Chunk
from bot.providers.text_model import joined


async def whole(chunks: AsyncGenerator[Chunk]) -> Chunk:
    """A streamed answer as one chunk."""
    found = Chunk()
    async with aclosing(chunks) as pieces:
        async for chunk in pieces:
            found = joined(found, chunk)
    return found
