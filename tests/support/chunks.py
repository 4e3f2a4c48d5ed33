"""The chunks of an answer as one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from bot.ai import Chunk


def joined(first: Chunk | None, last: Chunk | None) -> Chunk:
    """Two chunks of one answer as one chunk."""
    if first is None or last is None:
        return first or last or Chunk()
    return Chunk(
        last.text if last.replaces else first.text + last.text,
        finish=last.finish or first.finish,
        usage=last.usage or first.usage,
        tool_calls=first.tool_calls + last.tool_calls,
        reasoning=first.reasoning + last.reasoning,
        sources=first.sources + last.sources,
    )


async def whole(chunks: AsyncGenerator[Chunk]) -> Chunk:
    """A streamed answer as one chunk."""
    found = Chunk()
    async with aclosing(chunks) as pieces:
        async for chunk in pieces:
            found = joined(found, chunk)
    return found
