"""AI Studio as one folder uses it: makes the models that share the key and the quota of the folder. Begin here."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from random import Random

from bot.ai import AsyncModel, Profile
from bot.clock import Clock
from bot.concurrency.retry import Backoff, Retry
from bot.config.settings import Settings
from bot.errors import ModelUnavailable
from bot.http.client import Http
from bot.providers import catalog
from bot.providers.account import Account, Gauge, ServerNames
from bot.providers.openai.compatible_servers import Servers
from bot.providers.openai.model import OpenAIText
from bot.providers.openai.wire import Dialect
from bot.providers.text_model import TextModel, Timeouts
from bot.providers.yandex import names
from bot.providers.yandex.art import YandexArt
from bot.providers.yandex.async_completion import YandexAsyncModel
from bot.providers.yandex.auth import credentials
from bot.providers.yandex.embeddings import YandexEmbeddings
from bot.providers.yandex.responses import AsyncResponses, ResponsesTarget, ResponsesText
from bot.providers.yandex.search import YandexSearch
from bot.providers.yandex.speech import YandexSpeechToText, YandexTextToSpeech
from bot.providers.yandex.text import YandexText
from bot.providers.yandex.wire import LONGEST_TEXT
from bot.telemetry.metrics import Metrics

TRIES = 3  # of a request that was not answered
COMPATIBLE = Dialect(ask_usage=False, longest=LONGEST_TEXT, unreasoned="low")  # AI Studio's own OpenAI-compatible API


class YandexStudio:
    """Makes the models of one folder of AI Studio. Raises `ConfigError` where the settings name no usable key.

    The caller closes `http`. `gauge` holds the places of the folder's quota where several processes share it.
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
            http=http,
            credentials=credentials(settings, http, clock),
            gauge=gauge or asyncio.Semaphore(settings.yc_concurrency),
            retry=retry,
            headers=_headers(settings),
            metrics=metrics,
        )
        self.outage = self._account.outage

    def text(self, name: str = "") -> TextModel:
        """Return the model of this name or URI (MODEL where it is empty), over the API that serves it.

        A row of MODELS may name another server. Raises `ConfigError` for an unknown name.
        """
        settings = self._settings
        name = name or settings.model
        entry = catalog.entry(name, settings.models)
        if entry is not None and entry.url:
            return self._servers.text(entry)
        who = self._speaker(name)
        profile = self._profile(name, who)
        if who.agent or who.search:
            return self._responses_text(name, who)
        timeouts = Timeouts.from_settings(settings)
        if profile.native:
            return YandexText(
                name=name,
                uri=who.uri,
                profile=profile,
                account=self._account,
                url=settings.yc_llm_url,
                timeouts=timeouts,
            )
        return OpenAIText(
            name=name,
            model=who.uri,
            profile=profile,
            account=self._account,
            url=settings.yc_openai_url,
            timeouts=timeouts,
            dialect=COMPATIBLE,
        )

    def _speaker(self, name: str) -> ResponsesTarget:
        entry, folder = catalog.entry(name, self._settings.models), self._settings.yc_folder_id
        if entry is None:
            return ResponsesTarget(names.uri(name, folder))
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

    def _responses_text(self, name: str, who: ResponsesTarget) -> ResponsesText:
        return ResponsesText(
            name=name,
            who=who,
            profile=self._profile(name, who),
            account=self._account,
            url=self._settings.yc_openai_url,
            timeouts=Timeouts.from_settings(self._settings),
        )

    def tokenizer(self) -> YandexText | None:
        """Return the model MODEL where the service counts its tokens, which it does for its own models; else None."""
        model = self.text()
        return model if isinstance(model, YandexText) else None

    def later(self, name: str = "") -> AsyncModel | None:
        """Return the model as one that answers later, for less where `Profile.asynchronous`; None where it can't."""
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

    def embeddings(self) -> YandexEmbeddings:
        """Return the model that makes vectors of texts."""
        return YandexEmbeddings(self._settings.yc_folder_id, self._account, url=self._settings.yc_llm_url)

    def listener(self) -> YandexSpeechToText | None:
        """Return the model that understands voice notes, None where SPEECH is off."""
        settings = self._settings
        if settings.speech == "off":
            return None
        return YandexSpeechToText(self._account, url=settings.yc_stt_url, operations=settings.yc_operation_url)

    def speaker(self) -> YandexTextToSpeech | None:
        """Return the model that reads texts aloud, None where SPEECH is off."""
        settings = self._settings
        if settings.speech == "off":
            return None
        return YandexTextToSpeech(self._account, url=settings.yc_tts_url, voice=settings.speech_voice)

    def art(self) -> YandexArt | None:
        """Return the model that draws, None where IMAGE_MODEL is empty."""
        settings = self._settings
        if not settings.image_model:
            return None
        uri = names.uri(settings.image_model, settings.yc_folder_id, "art")
        return YandexArt(uri, self._account, url=settings.yc_llm_url, operations=settings.yc_image_operation_url)

    def search(self) -> YandexSearch:
        """Return the Search API's client."""
        return YandexSearch(self._settings.yc_folder_id, self._account, url=self._settings.yc_search_url)


def _headers(settings: Settings) -> dict[str, str]:
    """Return the headers that name the folder that pays, and whether the service may log the data."""
    if not settings.yc_folder_id:
        return {}
    return {
        "x-folder-id": settings.yc_folder_id,
        "x-data-logging-enabled": "true" if settings.yc_data_logging else "false",
    }
