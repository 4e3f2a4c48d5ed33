"""Make the embeddings of the sandbox's handbook (needs the extra `offline`); run it after each change of a page."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bot.ai import Vector
from bot.knowledge.passages import cut
from bot.knowledge.search.matrix import pack
from bot.knowledge.sources.files import found_in
from bot.knowledge.sources.reading import Articles, read_file
from bot.knowledge.sources.source import Found, Seen, SourceLimits
from bot.providers.local.embeddings import OfflineEmbeddings
from bot.providers.local.kept_vectors import packed
from bot.sandbox.shop import SHIPPED, VECTORS


def texts() -> list[str]:
    """What a bot embeds that has read the handbook, in both languages."""
    found = []
    for path in sorted(SHIPPED.glob("*/*.md")):
        for event in found_in(
            Articles.of(read_file(path.read_bytes(), path.name)), path.name, Seen(SourceLimits()), {}
        ):
            if isinstance(event, Found):
                found += [piece.indexed for piece in cut(event.title, event.blocks)]
    return found


async def vectors(wanted: list[str]) -> dict[str, bytes]:
    """The embeddings of texts, packed."""
    made = await OfflineEmbeddings(Path("none")).embed(wanted)
    return {text: pack(one.numbers) for text, one in zip(wanted, made, strict=True) if isinstance(one, Vector)}


if __name__ == "__main__":
    VECTORS.write_bytes(packed(asyncio.run(vectors(texts()))))
    print(f"{VECTORS}: {VECTORS.stat().st_size:,} bytes")
