"""AI Studio as one folder uses it: makes the models that share the key and the quota of the folder. Begin here."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random

from bot.ai import AsyncModel, ImageModel, Profile
from bot.clock import Clock
from bot.concurrency.retry import Backoff, Retry
from bot.config.entries import EmbeddingModelConfig, ModelConfig
from bot.config.settings import Settings
from bot.errors import ConfigError, ModelProtocolError, ModelUnavailable
from bot.http.client import Http
from bot.http.framing import mapping, objects
from bot.providers import catalog
from bot.providers.account import Account, Gauge, ServerNames
from bot.providers.openai.compatible_servers import Servers
from bot.providers.openai.embeddings import OpenAIEmbeddings
from bot.providers.openai.vector_stores import OpenAIVectorStores
from bot.providers.openai.wire import Dialect, OpenAIWire
from bot.providers.text_model import TextModel, Timeouts, Wire
from bot.providers.yandex import names
from bot.providers.yandex.art import ImagesApi, YandexArt
from bot.providers.yandex.async_completion import YandexAsyncModel
from bot.providers.yandex.auth import credentials
from bot.providers.yandex.classification import YandexClassifier
from bot.providers.yandex.embeddings import YandexEmbeddings
from bot.providers.yandex.grpc import is_installed
from bot.providers.yandex.responses import AsyncResponses, ResponsesTarget, ResponsesWire
from bot.providers.yandex.search import YandexSearch
from bot.providers.yandex.speech import YandexSpeechToText, YandexTextToSpeech
from bot.providers.yandex.tokenizer import Tokenizer
from bot.providers.yandex.wire import LONGEST_TEXT, NativeWire
from bot.telemetry.metrics import Metrics

AUTO = "auto"  # the value of IMAGE_MODEL for whatever the folder has
LISTING = 20.0  # seconds for the list of models
TRIES = 3  # of a request that was not answered
COMPATIBLE = Dialect(ask_usage=False, longest=LONGEST_TEXT, unreasoned="low")  # AI Studio's own OpenAI-compatible API


class YandexStudio:
    """Makes the models of one folder of AI Studio. Raises `ConfigError` if the settings name no usable key, or gRPC
    without its extra.

    The caller closes `http`. `gauge` holds the places of the folder's quota if several processes share it.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        http: Http,
        clock: Clock,
        random: Random,
        metrics: Metrics | None = None,
        gauge: Gauge | None = None,
    ) -> None:
        self._settings = settings
        retry = Retry(clock, Backoff(0.5, 10.0, random), on=ModelUnavailable, tries=TRIES)
        self._servers = Servers(settings=settings, http=http, retry=retry, metrics=metrics)
        self._account = Account(
            names=ServerNames(log="AI Studio", metrics="studio", traces="yandex"),
            http=_way(settings, http),
            retry=retry,
            credentials=credentials(settings, http, clock),
            headers=_headers(settings),
            metrics=metrics,
            gauge=gauge or asyncio.Semaphore(settings.yc_concurrency),
        )
        self.outage = self._account.outage
        self._instances: dict[str, Account] = {}

    def text(self, name: str = "") -> TextModel:
        """Return the model of this name or URI (MODEL if it is empty), over the API that serves it.

        A row of MODELS may name another server. Raises `ConfigError` for an unknown name.
        """
        settings = self._settings
        name = name or settings.model
        entry = catalog.entry(name, settings.models)
        if entry is not None and entry.url:
            return self._servers.text(entry)
        who = self._speaker(name)
        profile = self._profile(name, who)
        wire: Wire
        if who.agent or who.search:
            wire, url = ResponsesWire(who, profile), f"{settings.yc_openai_url}/responses"
        elif profile.native:
            wire, url = NativeWire(who.uri, profile), f"{settings.yc_llm_url}/foundationModels/v1/completion"
        else:
            wire, url = OpenAIWire(who.uri, profile, COMPATIBLE), f"{settings.yc_openai_url}/chat/completions"
        timeouts = Timeouts.from_settings(settings)
        account = self._account if entry is None or not entry.uri else self._account_of(entry)
        return TextModel(name=name, profile=profile, wire=wire, account=account, url=url, timeouts=timeouts)

    def _account_of(self, entry: ModelConfig) -> Account:
        """The account of an instance: it has no part in the folder's quota, but takes only so many requests at once."""
        if entry.uri not in self._instances:
            gauge = asyncio.Semaphore(entry.concurrency)
            self._instances[entry.uri] = self._account.beside(f"instance {entry.name}", gauge)
        return self._instances[entry.uri]

    def _speaker(self, name: str) -> ResponsesTarget:
        entry, folder = catalog.entry(name, self._settings.models), self._settings.yc_folder_id
        if entry is None:
            return ResponsesTarget(names.uri(name, folder))
        if entry.uri:
            return ResponsesTarget(entry.uri)
        if entry.agent:
            return ResponsesTarget(agent=entry.agent, search=entry.search)
        return ResponsesTarget(names.uri(entry.model or name, folder), search=entry.search)

    def _profile(self, name: str, who: ResponsesTarget) -> Profile:
        """Return what a model can do and costs. Models and agents that search the web by themselves also pay for the
        search.
        """
        profile = catalog.profile(name, self._settings.models)
        price = self._settings.model_search_price
        return replace(profile, price_search=price) if who.agent or who.search else profile

    async def list_models(self) -> Sequence[str]:
        """Return the URIs of the folder's models of texts and pictures, sorted. Raises `ModelError`s."""
        until = self._account.clock.monotonic() + LISTING
        answer = await self._account.ask("GET", f"{self._settings.yc_openai_url}/models", until=until)
        rows = mapping(answer.json()).get("data")
        if not isinstance(rows, list):
            raise ModelProtocolError("there are no models in the list of models")
        ids = (row.get("id") for row in objects(rows))
        return sorted(id for id in ids if isinstance(id, str) and id.startswith(("gpt://", "art://")))

    def tokenizer(self, name: str = "") -> Tokenizer | None:
        """Return the tokenizer of a model (MODEL if `name` is empty), None if the service can't count its tokens."""
        settings = self._settings
        name = name or settings.model
        entry, who = catalog.entry(name, settings.models), self._speaker(name)
        is_native = not (entry and entry.url) and not who.agent and not who.search
        if not is_native or not self._profile(name, who).native:
            return None
        return Tokenizer(who.uri, self._account, url=settings.yc_llm_url)

    def later(self, name: str = "") -> AsyncModel | None:
        """Return the asynchronous mode of a model, cheaper if `Profile.asynchronous`; None if it has no such mode."""
        settings = self._settings
        name = name or settings.model
        entry = catalog.entry(name, settings.models)
        if entry is not None and entry.url:
            return None
        who = self._speaker(name)
        profile = self._profile(name, who)
        if not profile.asynchronous or who.search:
            return AsyncResponses(who, profile, self._account, url=settings.yc_openai_url)
        return YandexAsyncModel(
            who.uri, profile, self._account, url=settings.yc_llm_url, operations=settings.yc_operation_url
        )

    def batch_uri(self, name: str = "") -> str:
        """Return the URI of an open model, which the service's batch runs can ask; "" for YandexGPT, which they do not
        know, for agents, and for models of other servers.
        """
        settings = self._settings
        name = name or settings.model
        entry, who = catalog.entry(name, settings.models), self._speaker(name)
        is_open = not (entry and entry.url) and not who.agent and not who.search
        return who.uri if is_open and not self._profile(name, who).asynchronous else ""

    def embeddings(self) -> YandexEmbeddings:
        """Return the model that makes vectors of texts."""
        return YandexEmbeddings(self._settings.yc_folder_id, self._account, url=self._settings.yc_llm_url)

    def server_embeddings(self, row: EmbeddingModelConfig) -> OpenAIEmbeddings:
        """Return the embedder of another server. Raises `ConfigError` if its key is in a variable that is not set."""
        return self._servers.embeddings(row)

    def classifier(self) -> YandexClassifier:
        """Return the service that says which labels a text has."""
        return YandexClassifier(self._settings.yc_folder_id, self._account, url=self._settings.yc_llm_url)

    def vector_stores(self) -> OpenAIVectorStores:
        """Return the client of the folder's vector stores."""
        return OpenAIVectorStores(self._account, url=self._settings.yc_openai_url)

    def listener(self) -> YandexSpeechToText | None:
        """Return the model that understands voice notes, None if SPEECH is off."""
        urls = {"url": self._settings.yc_stt_url, "operations": self._settings.yc_operation_url}
        return YandexSpeechToText(self._account, **urls) if self._settings.speech == "on" else None

    def speaker(self) -> YandexTextToSpeech | None:
        """Return the model that reads texts aloud, None if SPEECH is off."""
        given = {"url": self._settings.yc_tts_url, "voice": self._settings.speech_voice}
        return YandexTextToSpeech(self._account, **given) if self._settings.speech == "on" else None

    def image_models(self) -> Mapping[str, ImageModel]:
        """Return the models that draw, by name, in the order in which they are tried; none if IMAGE_MODEL is empty."""
        name = self._settings.image_model
        if name == AUTO:
            return {known: self._image_model(known) for known in catalog.PICTURES}
        return {name: self._image_model(name)} if name else {}

    def _image_model(self, name: str) -> ImageModel:
        settings = self._settings
        uri = names.uri(name, settings.yc_folder_id, "art")
        if catalog.PICTURES.get(catalog.parts(name)[0]) == "images":
            return ImagesApi(uri, self._account, url=settings.yc_openai_url)
        return YandexArt(uri, self._account, url=settings.yc_llm_url, operations=settings.yc_image_operation_url)

    def search(self) -> YandexSearch:
        """Return the Search API's client."""
        return YandexSearch(self._settings.yc_folder_id, self._account, url=self._settings.yc_search_url)


def _way(settings: Settings, http: Http) -> Http:
    """Return the client that asks AI Studio, by HTTP or by gRPC, as YC_TRANSPORT says."""
    if settings.yc_transport == "rest":
        return http
    if not is_installed():
        raise ConfigError("YC_TRANSPORT=grpc needs the extra `grpc`; pip install 'govorun[grpc]' installs it")
    from bot.providers.yandex.grpc.transport import GrpcTransport

    address = settings.yc_grpc_address
    return http.through(address, lambda otherwise: GrpcTransport(address, otherwise))


def _headers(settings: Settings) -> dict[str, str]:
    """Return the headers that name the folder that pays, and whether the service may log the data."""
    if not settings.yc_folder_id:
        return {}
    return {
        "x-folder-id": settings.yc_folder_id,
        "openai-project": settings.yc_folder_id,
        "x-data-logging-enabled": "true" if settings.yc_data_logging else "false",
    }
