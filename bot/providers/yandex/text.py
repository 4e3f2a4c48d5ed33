"""YandexGPT and its relatives over the native API: `YandexText`, and the tokenizer that only they have."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from bot.ai import Profile, Request
from bot.errors import ModelProtocolError
from bot.http.client import Stream
from bot.providers.account import Account
from bot.providers.text_model import TextModel, Timeouts
from bot.providers.tool_calls import taken_ids
from bot.providers.yandex import wire

COUNTING = 10.0


class YandexText(TextModel):
    """A `Model` of the native API, with the service's own tokenizer."""

    def __init__(
        self, *, name: str, uri: str, profile: Profile, account: Account, url: str, timeouts: Timeouts
    ) -> None:
        self._uri = uri
        self._base = f"{url}/foundationModels/v1"
        super().__init__(
            name=name,
            profile=profile,
            wire=NativeWire(uri, profile),
            account=account,
            url=f"{self._base}/completion",
            timeouts=timeouts,
        )

    async def count(self, text: str) -> int:
        """Return the number of tokens of `text` by the service's own tokenizer, which is free."""
        if not text:
            return 0
        until = self._account.clock.monotonic() + COUNTING
        body = {"modelUri": self._uri, "text": text[: wire.LONGEST_TEXT]}
        value = (await self._account.post(f"{self._base}/tokenize", body, until=until)).json()
        tokens = value.get("tokens") if isinstance(value, dict) else None
        if not isinstance(tokens, list):
            raise ModelProtocolError("the tokenizer gave no tokens")
        return len(tokens)


class NativeWire:
    """The wire of the native API: a line of JSON for each step, with the whole text so far."""

    def __init__(self, uri: str, profile: Profile) -> None:
        self._uri = uri
        self._profile = profile

    def body(self, request: Request, *, stream: bool) -> dict[str, Any]:
        """Return the JSON body of a request. Raises `ModelRefused` where nothing is left to ask."""
        return wire.completion(self._uri, request, stream=stream, reasons=self._profile.reasoning)

    def reader(self, request: Request, *, trace: str) -> wire.StreamReader:
        """Return a new reader for one answer."""
        return wire.StreamReader(trace=trace, taken=taken_ids(request))

    async def pieces(self, stream: Stream) -> AsyncGenerator[list[str]]:
        """Give the lines of an open answer, of those that came together only the last where it repeats the others."""
        async with aclosing(stream.lines()) as lines:
            async for together in lines:
                yield wire.newest(together)
