"""YandexGPT and its kin answer: `YandexText.stream`, with tries again until the first word was given out."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from bot.errors import ModelProtocolError, ModelUnavailable, StreamCut
from bot.models.yandex import wire
from bot.models.yandex.account import Account
from bot.types import Chunk, Finish, Profile, Request, Usage

TRIES = 3
LAST_WORDS = 0.25  # seconds for the end of a complete answer to come, so that its connection can be used again
COUNTING = 10.0


class YandexText:
    """A `Model` of the native API. `deadline` is for everything, `idle` for silence, in seconds."""

    def __init__(
        self, name: str, uri: str, profile: Profile, account: Account, *, url: str, deadline: float, idle: float
    ) -> None:
        self._name = name
        self._uri = uri
        self._profile = profile
        self._account = account
        self._url = f"{url}/foundationModels/v1"
        self._deadline = deadline
        self._idle = idle

    @property
    def name(self) -> str:
        return self._name

    @property
    def profile(self) -> Profile:
        return self._profile

    async def stream(self, request: Request) -> AsyncGenerator[Chunk]:
        """The answer as it grows; see `Model.stream`. What was given out is never asked for again: then `StreamCut`."""
        until = self._account.clock.monotonic() + self._deadline
        body = wire.completion(self._uri, request, stream=True)
        given, attempt = False, 1
        while True:
            try:
                async with aclosing(self._answer(body, until)) as chunks:
                    async for chunk in chunks:
                        given = given or bool(chunk.text) or chunk.replaces
                        yield chunk
                return
            except ModelUnavailable as error:
                if given:
                    raise _cut(error) from error
                if attempt >= TRIES or not await self._account.retry.pause(attempt, error, until):
                    raise _whole(error) from None
            attempt += 1

    async def complete(self, request: Request) -> tuple[str, Usage | None, Finish]:
        """The whole answer at once, not streamed by the server. Raises as `stream` does."""
        until = self._account.clock.monotonic() + self._deadline
        body = wire.completion(self._uri, request, stream=False)

        async def ask() -> Chunk:
            async with self._account.place(until):
                answer = await self._account.post(f"{self._url}/completion", body, until=until)
            reader = wire.StreamReader(trace=answer.headers.get("x-server-trace-id", ""))
            chunk = reader.feed(answer.body.decode("utf-8", "replace"))
            reader.end()
            return chunk or Chunk()

        try:
            chunk = await self._account.retry.call(ask, until=until, tries=TRIES)
        except StreamCut as error:
            raise _whole(error) from None
        return chunk.text, chunk.usage, chunk.finish or Finish.STOP

    async def count(self, text: str) -> int:
        """The tokens of `text` by the server's own tokenizer, which is free."""
        if not text:
            return 0
        until = self._account.clock.monotonic() + COUNTING
        body = {"modelUri": self._uri, "text": text[: wire.LONGEST_TEXT]}
        value = (await self._account.post(f"{self._url}/tokenize", body, until=until)).json()
        tokens = value.get("tokens") if isinstance(value, dict) else None
        if not isinstance(tokens, list):
            raise ModelProtocolError("the tokenizer gave no tokens")
        return len(tokens)

    async def _answer(self, body: dict[str, Any], until: float) -> AsyncGenerator[Chunk]:
        """One try."""
        account = self._account
        async with (
            account.place(until),
            account.stream(f"{self._url}/completion", body, until=until, idle=self._idle) as stream,
        ):
            reader = wire.StreamReader(trace=stream.headers.get("x-server-trace-id", ""))
            async with aclosing(stream.lines()) as lines:
                async for line in lines:
                    if chunk := reader.feed(line):
                        yield chunk
                    if reader.done:
                        break
            reader.end()
            await stream.drain(LAST_WORDS)


def _cut(error: ModelUnavailable) -> StreamCut:
    return StreamCut(str(error), retry_after=error.retry_after, trace=error.trace)


def _whole(error: ModelUnavailable) -> ModelUnavailable:
    """Nothing was given out, so nothing was cut."""
    return ModelUnavailable(str(error), retry_after=error.retry_after, trace=error.trace)
