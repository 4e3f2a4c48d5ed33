"""AI Studio as one folder sees it: begin here. Makes the models that share the folder's key and quota."""

from __future__ import annotations

import asyncio
from random import Random

from bot.clock import Clock
from bot.http import Http, Retry
from bot.metrics import Metrics
from bot.models import catalog
from bot.models.yandex import names
from bot.models.yandex.account import Account
from bot.models.yandex.art import YandexArt
from bot.models.yandex.auth import credentials
from bot.models.yandex.embeddings import YandexEmbeddings
from bot.models.yandex.speech import YandexListener, YandexSpeaker
from bot.models.yandex.text import YandexText
from bot.settings import Settings


class YandexStudio:
    """Raises `ConfigError` where the settings name no usable key. `http` stays the caller's to close."""

    def __init__(
        self, settings: Settings, http: Http, clock: Clock, random: Random, metrics: Metrics | None = None
    ) -> None:
        self._settings = settings
        self._account = Account(
            settings.yc_folder_id,
            http=http,
            credentials=credentials(settings, http, clock),
            gauge=asyncio.Semaphore(settings.yc_concurrency),
            retry=Retry(clock, random),
            data_logging=settings.yc_data_logging,
            metrics=metrics,
        )
        self.outage = self._account.outage

    def text(self, name: str = "") -> YandexText:
        """The model of that name or URI, MODEL where it is empty. Raises `ConfigError` for a name that is none."""
        settings = self._settings
        name = name or settings.model
        return YandexText(
            name,
            names.uri(name, settings.yc_folder_id),
            catalog.profile(name, settings.models),
            self._account,
            url=settings.yc_llm_url,
            deadline=settings.answer_deadline,
            idle=settings.idle_deadline,
        )

    def embeddings(self) -> YandexEmbeddings:
        return YandexEmbeddings(self._account, url=self._settings.yc_llm_url)

    def listener(self) -> YandexListener | None:
        """None where SPEECH is off."""
        settings = self._settings
        if settings.speech == "off":
            return None
        return YandexListener(self._account, url=settings.yc_stt_url, operations=settings.yc_operation_url)

    def speaker(self) -> YandexSpeaker | None:
        settings = self._settings
        if settings.speech == "off":
            return None
        return YandexSpeaker(self._account, url=settings.yc_tts_url, voice=settings.speech_voice)

    def art(self) -> YandexArt | None:
        """The model that draws, None where IMAGE_MODEL is empty."""
        settings = self._settings
        if not settings.image_model:
            return None
        uri = names.uri(settings.image_model, settings.yc_folder_id, "art")
        return YandexArt(uri, self._account, url=settings.yc_llm_url, operations=settings.yc_image_operation_url)
