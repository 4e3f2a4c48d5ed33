"""Models of the other servers that rows of MODELS and EMBEDDING_MODELS name: Ollama, vLLM, OpenAI and other compatible
ones. Begin at `Servers`.
"""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from bot.concurrency.retry import Retry
from bot.config.entries import EmbeddingModelConfig, ModelConfig
from bot.config.settings import Settings
from bot.errors import ConfigError
from bot.http.client import Http
from bot.providers import catalog
from bot.providers.account import Account, FixedKey, ServerNames
from bot.providers.openai.embeddings import OpenAIEmbeddings
from bot.providers.openai.wire import ANY, OPENAI, OpenAIWire
from bot.providers.text_model import TextModel, Timeouts
from bot.telemetry.metrics import Metrics

AT_ONCE = 10  # requests in flight to one server


class Servers:
    """Makes the models of servers that rows of MODELS name. Models with one server and one key share an `Account`, and
    so its outages.
    """

    def __init__(self, *, settings: Settings, http: Http, retry: Retry, metrics: Metrics | None) -> None:
        self._settings = settings
        self._http = http
        self._retry = retry
        self._metrics = metrics
        self._accounts: dict[tuple[str, str], Account] = {}

    def text(self, entry: ModelConfig) -> TextModel:
        """Return the model of a row of MODELS. Raises `ConfigError` if its key is in a variable that is not set."""
        account = self._account("MODELS", entry)
        profile = catalog.profile(entry.name, self._settings.models)
        dialect = OPENAI if urlsplit(entry.url).hostname == "api.openai.com" else ANY
        return TextModel(
            name=entry.name,
            profile=profile,
            wire=OpenAIWire(entry.model or entry.name, profile, dialect),
            account=account,
            url=f"{entry.url}/chat/completions",
            timeouts=Timeouts.from_settings(self._settings),
        )

    def embeddings(self, entry: EmbeddingModelConfig) -> OpenAIEmbeddings:
        """Return the embedder of a row of EMBEDDING_MODELS. Raises `ConfigError` as `text` does."""
        return OpenAIEmbeddings(entry, self._account("EMBEDDING_MODELS", entry))

    def _account(self, setting: str, entry: ModelConfig | EmbeddingModelConfig) -> Account:
        if entry.variable and not entry.secret:
            raise ConfigError(
                f"{setting} ({entry.name}): the variable {entry.variable}, which should hold its key, is empty"
            )
        key = (entry.url, entry.secret)
        if key not in self._accounts:
            names = ServerNames(log=urlsplit(entry.url).netloc, metrics="server", traces="openai_compatible")
            self._accounts[key] = Account(
                names=names,
                http=self._http,
                credentials=FixedKey("Bearer", entry.secret),
                gauge=asyncio.Semaphore(AT_ONCE),
                retry=self._retry,
                metrics=self._metrics,
            )
        return self._accounts[key]
