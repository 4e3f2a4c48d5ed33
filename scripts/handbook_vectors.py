"""Make the embeddings of the sandbox's handbook, and of the questions that tests ask it (the extra `offline`). Run
it after each change of a page or question.
"""

from __future__ import annotations

import asyncio
import tomllib
from pathlib import Path

from bot.ai import Vector
from bot.knowledge.passages import cut
from bot.knowledge.search.matrix import pack
from bot.knowledge.sources.files import found_in
from bot.knowledge.sources.reading import Articles, read_file
from bot.knowledge.sources.source import Found, Seen, SourceLimits
from bot.providers.local.embeddings import OfflineEmbeddings
from bot.providers.local.kept_vectors import packed
from bot.sandbox.page_tabs import SHIPPED, VECTORS

QUESTIONS = Path(__file__).parents[1] / "tests/sandbox/handbook_questions.vectors"


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


def questions() -> list[str]:
    """What tests ask the handbook, in both languages."""
    rows = tomllib.loads(QUESTIONS.with_suffix(".toml").read_text("utf-8"))["question"]
    return [row[language] for row in rows for language in ("en", "ru")]


async def vectors(wanted: list[str], *, question: bool = False) -> dict[str, bytes]:
    """The embeddings of texts, packed."""
    made = await OfflineEmbeddings(Path("none")).embed(wanted, question=question)
    return {text: pack(one.numbers) for text, one in zip(wanted, made, strict=True) if isinstance(one, Vector)}


if __name__ == "__main__":
    VECTORS.write_bytes(packed(asyncio.run(vectors(texts()))))
    QUESTIONS.write_bytes(packed(asyncio.run(vectors(questions(), question=True))))
    print(*(f"{file}: {file.stat().st_size:,} bytes" for file in (VECTORS, QUESTIONS)), sep="\n")
