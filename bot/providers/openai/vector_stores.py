"""Vector stores of an OpenAI-compatible API, such as AI Studio's: `OpenAIVectorStores`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from bot.ai import StoreChunk, StoreFile
from bot.errors import ModelDenied, ModelProtocolError
from bot.http.client import Answer
from bot.http.framing import mapping, number
from bot.providers.account import Account

LISTING = 60.0  # seconds for all files of a store
NAMING = 10.0
ON_PAGE = 100
MOST_PAGES = 100  # a store has at most 10,000 files
LONGEST_CHUNK = 20_000  # characters


class OpenAIVectorStores:
    """`VectorStores` of one account. `url` is the base of the API, as https://ai.api.cloud.yandex.net/v1."""

    def __init__(self, account: Account, *, url: str) -> None:
        self._account = account
        self._url = url

    async def search(self, store: str, question: str, *, within: float) -> Sequence[StoreChunk]:
        """Return the pieces that fit a question, best first. A piece without a text or a file is left out."""
        url = f"{self._url}/vector_stores/{quote(store, safe='')}/search"
        answer = await self._account.post(url, {"query": question}, within=within)
        found = [chunk for row in _rows(answer) if (chunk := _chunk(row)) is not None]
        return sorted(found, key=lambda one: -one.score)

    async def list_files(self, store: str) -> Sequence[StoreFile]:
        """Return the files of a store. Raises `ModelDenied` where there is no such store."""
        found: dict[str, StoreFile] = {}
        until = self._account.clock.monotonic() + LISTING
        after = ""
        for _ in range(MOST_PAGES):
            asked = urlencode({"limit": ON_PAGE, **({"after": after} if after else {})})
            answer = await self._get(f"/vector_stores/{quote(store, safe='')}/files?{asked}", until)
            if answer.status == 404:
                raise ModelDenied(f"404: there is no vector store {store}")
            page = {file.id: file for row in _rows(answer) if (file := _file(row)) is not None}
            if not page.keys() - found.keys():
                break
            found |= page
            after = next(reversed(page))
            if mapping(answer.json()).get("has_more") is not True:
                break
        return list(found.values())

    async def file_name(self, file: str) -> str:
        """Return the name of a file, "" where the service does not know it."""
        answer = await self._get(f"/files/{quote(file, safe='')}", self._account.clock.monotonic() + NAMING)
        name = mapping(answer.json()).get("filename") if answer.status == 200 else ""
        return name if isinstance(name, str) else ""

    async def _get(self, path: str, until: float) -> Answer:
        return await self._account.retry.call(
            lambda: self._account.ask("GET", self._url + path, until=until), until=until
        )


def _rows(answer: Answer) -> Iterator[Mapping[str, Any]]:
    rows = mapping(answer.json()).get("data")
    if not isinstance(rows, list):
        raise ModelProtocolError("the vector store gave no list")
    return map(mapping, rows)


def _chunk(row: Mapping[str, Any]) -> StoreChunk | None:
    file, parts = row.get("file_id"), row.get("content")
    if not isinstance(file, str) or not file or not isinstance(parts, list):
        return None
    texts = [text for part in map(mapping, parts) if isinstance(text := part.get("text"), str)]
    text = "\n\n".join(texts)[:LONGEST_CHUNK]
    if not text.strip():
        return None
    name, score = row.get("filename"), row.get("score", 0)
    is_number = isinstance(score, int | float) and not isinstance(score, bool) and score > 0
    return StoreChunk(file, name if isinstance(name, str) else "", text, float(score) if is_number else 0.0)


def _file(row: Mapping[str, Any]) -> StoreFile | None:
    id_ = row.get("id")
    if not isinstance(id_, str) or not id_:
        return None
    added = number(row.get("created_at"))
    return StoreFile(id_, str(row.get("status") or "completed"), float(added or 0))
