"""Which models AI Studio offers a folder: `offered` asks for a command, which has no running bot."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from bot.clock import SystemClock
from bot.config.settings import Settings
from bot.errors import ConfigError
from bot.http.client import Http
from bot.providers.yandex.auth import credentials
from bot.providers.yandex.service import YandexStudio


async def offered(settings: Settings) -> Sequence[str] | None:
    """Return the URIs of the folder's models of texts and pictures, sorted; None if no key is set. Raises
    `ModelError`s.
    """
    clock = SystemClock()
    async with Http(direct=[settings.yc_metadata_addr]) as http:
        try:
            await credentials(settings, http, clock).headers()
        except ConfigError:
            if settings.yc_service_account_key_file:
                raise
            return None
        return await YandexStudio(settings=settings, http=http, clock=clock, random=Random()).list_models()  # noqa: S311
