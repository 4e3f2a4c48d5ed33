"""Models behind an OpenAI-compatible API: AI Studio's, Ollama, vLLM, OpenAI and any other. Begin at `OpenAIText`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from bot.ai import Profile, Request
from bot.http.client import Stream
from bot.providers.account import Account
from bot.providers.openai import wire
from bot.providers.openai.wire import ANY, Dialect, EventReader
from bot.providers.text_model import TextModel, Timeouts
from bot.providers.tool_calls import taken_ids


class OpenAIText(TextModel):
    """A `Model` over chat completions. `url` is the base, which usually ends with /v1; `model` is its name there."""

    def __init__(
        self,
        *,
        name: str,
        model: str,
        profile: Profile,
        account: Account,
        url: str,
        timeouts: Timeouts,
        dialect: Dialect = ANY,
    ) -> None:
        super().__init__(
            name=name,
            profile=profile,
            wire=OpenAIWire(model, profile, dialect),
            account=account,
            url=f"{url}/chat/completions",
            timeouts=timeouts,
        )


class OpenAIWire:
    """The wire of chat completions: server-sent events, each with the text that is new."""

    def __init__(self, model: str, profile: Profile, dialect: Dialect) -> None:
        self._model = model
        self._profile = profile
        self._dialect = dialect

    def body(self, request: Request, *, stream: bool) -> dict[str, Any]:
        """Return the JSON body of a request. Raises `ModelRefused` where nothing is left to ask."""
        return wire.completion(self._model, request, self._profile, self._dialect, stream=stream)

    def reader(self, request: Request, *, trace: str) -> EventReader:
        """Return a new reader for one answer."""
        return EventReader(trace=trace, taken=taken_ids(request), tools=bool(request.tools))

    async def pieces(self, stream: Stream) -> AsyncGenerator[list[str]]:
        """Give the data of server-sent events, in lists of those that came together."""
        if "json" in stream.headers.get("content-type", ""):  # not streamed after all, or an error with status 200
            yield [(await stream.body()).decode("utf-8", "replace")]
            return
        async with aclosing(stream.events()) as events:
            async for together in events:
                yield [event.data for event in together]
