"""Models of the other servers that rows of MODELS name: Ollama, vLLM, OpenAI and other compatible ones. Begin at
`Servers`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import urlsplit

from bot.concurrency.retry import Retry
from bot.config.entries import ModelConfig
from bot.config.settings import Settings
from bot.errors import ConfigError
from bot.http.client import Http
from bot.providers import catalog
from bot.providers.account import Account, ServerNames
from bot.providers.openai.model import OpenAIText
from bot.providers.openai.wire import ANY, OPENAI
from bot.providers.text_model import Timeouts
from bot.telemetry.metrics import Metrics

AT_ONCE = 10  # requests in flight to one server


class Servers:
    """Makes the models of other servers. Models of one server and one key share an `Account` and its outage."""

    def __init__(self, *, settings: Settings, http: Http, retry: Retry, metrics: Metrics | None) -> None:
        self._settings = settings
        self._http = http
        self._retry = retry
        self._metrics = metrics
        self._accounts: dict[tuple[str, str], Account] = {}

    def text(self, entry: ModelConfig) -> OpenAIText:
        """Return the model of a row of MODELS. Raises `ConfigError` where its key is in a variable that is not set."""
        if entry.variable and not entry.secret:
            raise ConfigError(
                f"MODELS ({entry.name}): the variable {entry.variable}, which should hold its key, is empty"
            )
        return OpenAIText(
            name=entry.name,
            model=entry.model or entry.name,
            profile=catalog.profile(entry.name, self._settings.models),
            account=self._account(entry),
            url=entry.url,
            timeouts=Timeouts.from_settings(self._settings),
            dialect=OPENAI if urlsplit(entry.url).hostname == "api.openai.com" else ANY,
        )

    def _account(self, entry: ModelConfig) -> Account:
        key = (entry.url, entry.secret)
        if key not in self._accounts:
            self._accounts[key] = Account(
                names=ServerNames(log=urlsplit(entry.url).netloc, metrics="server", traces="openai_compatible"),
                http=self._http,
                credentials=Bearer(entry.secret),
                gauge=asyncio.Semaphore(AT_ONCE),
                retry=self._retry,
                metrics=self._metrics,
            )
        return self._accounts[key]


class Bearer:
    """The key of a server as the header Authorization, or no header where the server needs no key."""

    def __init__(self, secret: str) -> None:
        self._headers = {"authorization": f"Bearer {secret}"} if secret else {}

    async def headers(self) -> dict[str, str]:
        """Return the header with the key."""
        return dict(self._headers)

    async def renew(self, refused: Mapping[str, str]) -> bool:
        """Return False: a fixed key can't be renewed."""
        return False
