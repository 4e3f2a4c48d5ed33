"""EMBEDDINGS is changed: which embedder the bot has, and which it may have had before, with their prices."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from bot.ai import Embedder
from bot.config.entries import EmbeddingModelConfig
from bot.config.settings import Settings
from bot.errors import ConfigError
from bot.http.client import Http
from bot.providers.yandex.service import YandexStudio
from bot.runtime.models import Embedders
from tests.support.virtual import VirtualClock

YANDEX = "yandex/text-search"


def row(name: str, **given: Any) -> EmbeddingModelConfig:
    return EmbeddingModelConfig.model_validate({"name": name, "url": "http://127.0.0.1:1/v1", **given})


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    async with Http() as http:
        yield http


def embedders(http: Http, *, is_keyed: bool = True, **given: Any) -> Embedders:
    settings = Settings(_env_file=None, yc_api_key="AQVN", yc_folder_id="b1g", **given)
    studio = YandexStudio(settings=settings, http=http, clock=VirtualClock(), random=Random(1))
    return Embedders(settings=settings, studio=studio, is_keyed=is_keyed)


def named(embedder: Embedder | None) -> str:
    return embedder.name if embedder is not None else ""


async def test_the_former_embedder_is_that_of_ai_studio_with_its_prices_where_there_is_a_key(http: Http) -> None:
    embedder, prices = embedders(http, embeddings="yandex").chosen()
    now = embedders(http, embeddings="offline")
    former = now.others()[YANDEX]()
    assert former is not None
    assert (former[0].name, former[1]) == (named(embedder), prices)
    assert YANDEX not in embedders(http, embeddings="offline", is_keyed=False).others()


async def test_an_embedder_of_another_server_has_its_own_price_and_needs_no_key_of_ai_studio(http: Http) -> None:
    rows = [row("bge", price="0.5"), row("e5", model="intfloat/e5", dimensions=256, passage_prefix="passage: ")]
    mine = embedders(http, is_keyed=False, embedding_models=rows, embeddings="bge", embedding_price=Decimal(7))
    embedder, prices = mine.chosen()
    assert named(embedder) == "openai/bge"
    assert {prices.documents.cost(1_000), prices.questions.cost(1_000)} == {500_000}
    assert prices.documents.name == "bge"
    assert rows[1].vectors.startswith("openai/e5/intfloat/e5/256/")
    assert {rows[1].vectors, "openai/bge"} <= mine.others().keys()
    other = mine.others()[rows[1].vectors]()
    assert other is not None
    assert (other[0].name, other[1].documents.cost(1_000)) == (rows[1].vectors, 0)


async def test_an_embedder_whose_key_is_gone_is_not_at_hand_and_the_chosen_one_says_so(http: Http) -> None:
    rows = [row("old", key="$NOWHERE_KEY")]
    mine = embedders(http, embedding_models=rows, embeddings="yandex")
    assert mine.others()["openai/old"]() is None
    with pytest.raises(ConfigError, match=r"EMBEDDING_MODELS \(old\): the variable NOWHERE_KEY"):
        embedders(http, embedding_models=rows, embeddings="old").chosen()


async def test_without_a_key_ai_studio_embeds_nothing(http: Http) -> None:
    assert embedders(http, is_keyed=False, embeddings="yandex").chosen()[0] is None
    assert embedders(http, embeddings="off").chosen()[0] is None
