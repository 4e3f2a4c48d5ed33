"""Vectors of texts: `YandexEmbeddings.embed`. One model for stored texts and one for questions, in one vector space."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from bot.ai import Vector
from bot.errors import ModelError
from bot.http.framing import mapping, number
from bot.providers.account import Account
from bot.providers.vectors import numbers_of

AT_ONCE = 5
EVERY = 0.11  # seconds between two requests: the folder's quota is ten a second
ANSWERING = 30.0
LONGEST = 2_048
DOCUMENT, QUESTION = "text-search-doc", "text-search-query"


class YandexEmbeddings:
    """An `Embedder` over the native API of AI Studio."""

    name = "yandex/text-search"
    longest = LONGEST
    pace = 1 / EVERY

    def __init__(self, folder: str, account: Account, *, url: str) -> None:
        self._folder = folder
        self._account = account
        self._url = f"{url}/foundationModels/v1/textEmbedding"
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._next = 0.0  # when the next request may go out, monotonic

    async def embed(self, texts: Sequence[str], *, question: bool = False) -> Sequence[Vector | ModelError]:
        """Return a vector for each text. Raises `ModelError`s."""
        uri = f"emb://{self._folder}/{QUESTION if question else DOCUMENT}/latest"
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(self._outcome({"modelUri": uri, "text": text})) for text in texts]
        return [task.result() for task in asked]

    async def _outcome(self, body: Mapping[str, Any]) -> Vector | ModelError:
        async with self._at_once:
            await self._turn()
            try:
                return _vector((await self._account.post(self._url, body, within=ANSWERING)).json())
            except ModelError as error:
                return error

    async def _turn(self) -> None:
        now = self._account.clock.monotonic()
        wait = max(self._next - now, 0.0)
        self._next = now + wait + EVERY
        if wait:
            await self._account.clock.sleep(wait)


def _vector(value: Any) -> Vector:
    return Vector(numbers_of(mapping(value).get("embedding")), number(value.get("numTokens")) or 0)
