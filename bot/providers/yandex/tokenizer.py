"""The service's own tokenizer, which only the models of the native API have: `Tokenizer.count`."""

from __future__ import annotations

from bot.errors import ModelProtocolError
from bot.http.framing import mapping
from bot.providers.account import Account
from bot.providers.yandex.wire import LONGEST_TEXT

COUNTING = 10.0


class Tokenizer:
    """Counts tokens as the model with this URI does, which is free."""

    def __init__(self, uri: str, account: Account, *, url: str) -> None:
        self._uri = uri
        self._account = account
        self._url = f"{url}/foundationModels/v1/tokenize"

    async def count(self, text: str) -> int:
        """Return the number of tokens of `text`."""
        if not text:
            return 0
        body = {"modelUri": self._uri, "text": text[:LONGEST_TEXT]}
        until = self._account.clock.monotonic() + COUNTING
        answer = await self._account.ask("POST", self._url, body, until=until)
        tokens = mapping(answer.json()).get("tokens")
        if not isinstance(tokens, list):
            raise ModelProtocolError("the tokenizer gave no tokens")
        return len(tokens)
