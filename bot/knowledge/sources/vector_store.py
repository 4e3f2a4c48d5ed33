"""A vector store as a source: `VectorStore` knows which files it has.

The service keeps the texts and searches them, so a sync only learns which files there are. What a search has found is
stored as passages of its file (`knowledge/search/stores.py`): from then on it is quoted, checked and withdrawn as the
text of any other source. A file never changes in a store: one that is loaded up again has another id.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from bot.ai import VectorStores
from bot.errors import ModelDenied, ModelError
from bot.knowledge.sources.reading import title_of
from bot.knowledge.sources.source import Event, Found, Known, SourceLimits, Trouble, Unchanged, failure

UNREADY = {"in_progress": "indexing", "failed": "broken", "cancelled": "broken"}  # states of a file


def store_id(address: str) -> str:
    """The id of a store out of the address of a source, "vector-store:ID"."""
    return address.partition(":")[2].strip()


@dataclass(frozen=True, slots=True)
class VectorStore:
    """Reads which files a store has; each is an article without passages until a search finds some."""

    address: str
    stores: VectorStores | None
    limits: SourceLimits

    async def articles(self, known: Known) -> AsyncIterator[Event]:
        """The files of the store. Raises `SourceFailed`."""
        if self.stores is None:
            raise failure("vector_store_key")
        try:
            files = await self.stores.list_files(store_id(self.address))
            for file in files[: self.limits.articles]:
                if file.id in known:
                    yield Unchanged(file.id, known[file.id])
                elif reason := UNREADY.get(file.status):
                    yield Trouble(file.id, reason)
                else:
                    name = await self.stores.file_name(file.id) or file.id
                    yield file_found(file.id, name, file.added or None)
        except ModelDenied as error:
            raise failure("vector_store_denied", address=self.address, reason=str(error)) from None
        except ModelError as error:
            raise failure("vector_store_failed", address=self.address, reason=str(error)) from None
        if (more := len(files) - self.limits.articles) > 0:
            yield Trouble(self.address, f"too_many:{more}")


def file_found(file: str, name: str, added: float | None = None) -> Found:
    """A file of a store as an article without passages; `added` is when it was put there."""
    return Found(key=file, title=title_of(name), blocks=(), validators={"file": file}, changed=added)
