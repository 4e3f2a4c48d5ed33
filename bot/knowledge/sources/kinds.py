"""Which kind of source an address names, and the reader of a source. Begin with `kind_of` and `opened`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bot.clock import Clock
from bot.concurrency.child_pool import ChildPool
from bot.errors import BadInput
from bot.knowledge.sources.files import FileReader
from bot.knowledge.sources.folder import Folder
from bot.knowledge.sources.source import Reader, SourceLimits
from bot.storage.repositories.knowledge.sources import KnowledgeSource


def kind_of(address: str) -> tuple[str, str]:
    """The kind of a source, and its address in full. Raises `BadInput` for one that can't be read."""
    path = Path(address).expanduser()
    if not path.exists():
        raise BadInput(
            f"There is no file or folder {address}. A source is a folder, a file, or an address (https://...)."
        )
    return ("folder" if path.is_dir() else "file"), str(path.resolve())


@asynccontextmanager
async def opened(source: KnowledgeSource, files: ChildPool, cache: Path, clock: Clock) -> AsyncIterator[Reader]:
    """The reader of a source. `cache` is the folder where repositories are kept."""
    limits = SourceLimits()
    yield Folder(Path(source.address), FileReader(files, limits), limits)
