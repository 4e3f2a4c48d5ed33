"""Vectors of texts from a server with an OpenAI-compatible API: `OpenAIEmbeddings.embed`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from bot.ai import Vector
from bot.config.entries import EmbeddingModelConfig
from bot.errors import ContextOverflow, ModelError, ModelProtocolError, ModelRefused
from bot.http.framing import mapping, number
from bot.providers.account import Account
from bot.providers.error_mapping import stream_error
from bot.providers.vectors import numbers_of

AT_ONCE = 5  # requests
ANSWERING = 60.0  # seconds for one request: a server without a graphics card takes some for twenty texts


class OpenAIEmbeddings:
    """An `Embedder` over `POST /embeddings` of the server that a row of EMBEDDING_MODELS names."""

    pace = 0.0

    def __init__(self, row: EmbeddingModelConfig, account: Account) -> None:
        self.name = row.vectors
        self.longest = row.window
        self._row = row
        self._account = account
        self._size = row.dimensions or 0  # numbers of a vector; 0: not known before the first one
        self._at_once = asyncio.Semaphore(AT_ONCE)

    async def embed(self, texts: Sequence[str], *, question: bool = False) -> Sequence[Vector | ModelError]:
        """Return a vector or an error for each text."""
        batch = self._row.batch
        async with asyncio.TaskGroup() as tasks:
            asked = [
                tasks.create_task(self._outcomes(texts[first : first + batch], question))
                for first in range(0, len(texts), batch)
            ]
        return [one for task in asked for one in task.result()]

    async def _outcomes(self, texts: Sequence[str], question: bool) -> Sequence[Vector | ModelError]:
        """The outcomes of one request. If that was refused for one of its texts, each of them is asked for alone."""
        try:
            async with self._at_once:
                return await self._request(texts, question)
        except (ModelRefused, ContextOverflow) as error:
            if len(texts) == 1:
                return [error]
        except ModelError as error:
            return [error] * len(texts)
        return [one for text in texts for one in await self._outcomes([text], question)]

    async def _request(self, texts: Sequence[str], question: bool) -> Sequence[Vector]:
        row = self._row
        prefix = row.question_prefix if question else row.passage_prefix
        model = (row.question_model if question else "") or row.model or row.name
        # No `encoding_format`: without it all give numbers, and some servers do not know it.
        body: dict[str, Any] = {"model": model, "input": [prefix + text for text in texts]}
        if row.dimensions:
            body["dimensions"] = row.dimensions
        value = mapping((await self._account.post(f"{row.url}/embeddings", body, within=ANSWERING)).json())
        if error := stream_error(value):
            raise error
        found = [numbers_of(one.get("embedding")) for one in _in_order(value.get("data"), len(texts))]
        self._check_sizes({len(numbers) for numbers in found})
        usage = mapping(value.get("usage"))
        tokens = number(usage.get("prompt_tokens")) or number(usage.get("total_tokens")) or 0
        return [Vector(numbers, share) for numbers, share in zip(found, _shares(tokens, texts), strict=True)]

    def _check_sizes(self, sizes: set[int]) -> None:
        """Take vectors of one dimension only: that of the setting, else of the first answer."""
        self._size = self._size or min(sizes)
        if others := sizes - {self._size}:
            raise ModelProtocolError(f"embeddings of {self._size} numbers were expected, and {min(others)} came")


def _in_order(rows: Any, count: int) -> Sequence[Mapping[str, Any]]:
    """The rows of an answer by the texts that they belong to, which `index` says where a server tells it."""
    if not isinstance(rows, list):
        raise ModelProtocolError("the server gave no list of embeddings")
    if len(rows) != count:
        raise ModelProtocolError(f"{count} embeddings were asked for, and {len(rows)} came")
    found = [mapping(row) for row in rows]
    if all("index" not in row for row in found):
        return found
    by_index = {row["index"]: row for row in found if type(row.get("index")) is int}
    if by_index.keys() != set(range(count)):
        raise ModelProtocolError("the embeddings are not numbered as the texts are")
    return [by_index[place] for place in range(count)]


def _shares(tokens: int, texts: Sequence[str]) -> Sequence[int]:
    """The tokens of a request, shared out by the lengths of its texts; their sum is exact."""
    whole, until, shares = sum(map(len, texts)) or 1, 0, list[int]()
    for text in texts:
        until += len(text)
        shares.append(tokens * until // whole - sum(shares))
    return shares
