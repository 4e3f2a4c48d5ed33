"""EMBEDDINGS is changed: which embedder the bot had before."""

from __future__ import annotations

from random import Random

from bot.config.settings import Settings
from bot.http.client import Http
from bot.providers.yandex.service import YandexStudio
from bot.runtime.knowledge import embedder_of, former_embedder
from tests.support.virtual import VirtualClock


async def test_the_former_embedder_is_that_of_ai_studio_with_its_prices_where_there_is_a_key() -> None:
    before = Settings(_env_file=None, yc_api_key="AQVN", yc_folder_id="b1g", embeddings="yandex")
    now = before.model_copy(update={"embeddings": "offline"})
    async with Http() as http:
        studio = YandexStudio(settings=now, http=http, clock=VirtualClock(), random=Random(1))
        embedder, prices = embedder_of(before, studio)
        former = former_embedder(now, studio)
        assert embedder is not None
        assert former is not None
        assert (former[0].name, former[1]) == (embedder.name, prices)
        assert former_embedder(now, None) is None
        assert former_embedder(now.model_copy(update={"embeddings": "off"}), studio) is None
