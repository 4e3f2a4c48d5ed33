"""YC_TRANSPORT=grpc: what is asked that way, what is not, and what only gRPC can do wrong.

That answers and errors are those of HTTP, the suites of models, pictures, labels and later answers try by both ways.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from random import Random
from typing import Any

import pytest

from bot.ai import Answered, Request, Vector
from bot.config.settings import Settings
from bot.errors import ConfigError, ModelDenied, ModelError, ModelRefused, ModelUnavailable
from bot.http.client import Http
from bot.providers.yandex.grpc.transport import MODELS
from bot.providers.yandex.service import YandexStudio
from bot.sandbox.ai_studio.grpc.server import GrpcServer
from bot.sandbox.ai_studio.server import SANDBOX_FOLDER, Studio
from bot.types import Message
from tests.support.grpc_front import grpc_front
from tests.support.loaded import Loaded, among
from tests.support.raw_server import closed_port
from tests.support.virtual import VirtualClock

ASK = Request((Message.of("user", "hello"),))
TALE = "One word after another makes an answer. " * 200


class World:
    """The sandbox's AI Studio, and a client that asks it by gRPC."""

    def __init__(self, studio: Studio, server: GrpcServer, http: Http, **given: Any) -> None:
        self.studio = studio
        self.server = server
        self.clock = VirtualClock()
        settings: dict[str, Any] = {**studio.settings(), "yc_transport": "grpc", **given}
        self.service = YandexStudio(
            settings=Settings(_env_file=None, **settings), http=http, clock=self.clock, random=Random(1)
        )

    async def ask(self, name: str = "") -> str:
        async with aclosing(self.service.text(name).stream(ASK)) as chunks:
            return "".join([chunk.text async for chunk in chunks])


@asynccontextmanager
async def opened(**given: Any) -> AsyncIterator[World]:
    studio = Studio()
    await studio.start()
    try:
        async with Http() as http:
            yield World(studio, await studio.start_grpc(), http, **given)
    finally:
        await studio.close()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with opened() as world:
        yield world


# --- which way --------------------------------------------------------------------------------------------------------


async def test_the_native_api_is_asked_by_grpc(world: World) -> None:
    service = world.service
    later, tokenizer, art = service.later(), service.tokenizer(), service.image_models()["yandex-art"]
    assert later
    assert tokenizer
    assert art
    assert "scripted model" in await world.ask()
    assert isinstance(await later.poll(await later.submit(ASK)), Answered)
    assert await tokenizer.count("hello") == 2
    [vector] = await service.embeddings().embed(["hello"])
    assert isinstance(vector, Vector)
    assert (len(vector.numbers), vector.tokens) == (256, 3)
    assert (await service.classifier().by_samples("a", ["b", "c"], task="which", within=1)).tokens > 0
    names = [call.route.partition(".")[0] for call in world.server.calls]
    assert names == [
        "ApiEndpointService", "TextGenerationService", "TextGenerationAsyncService", "OperationService",
        "TokenizerService", "EmbeddingsService", "TextClassificationService",
    ]  # fmt: skip


async def test_open_models_search_and_speech_are_asked_by_http() -> None:
    async with opened(speech="on") as world:
        assert await world.ask(f"gpt://{SANDBOX_FOLDER}/qwen3.6-35b-a3b/latest")
        assert await world.service.search().pages("lamps")
        speaker = world.service.speaker()
        assert speaker
        assert await speaker.speak("hello", "en")
        assert world.server.calls == []


async def test_the_folder_the_key_and_the_choice_about_logs_go_along(world: World) -> None:
    await world.ask()
    [seen] = world.studio.seen("completion")
    assert (seen.headers["authorization"], seen.headers["x-data-logging-enabled"]) == ("Api-Key", "false")
    assert seen.headers["x-folder-id"] == SANDBOX_FOLDER
    assert len(seen.headers["x-client-request-id"]) == 36


async def test_vectors_of_texts_keep_their_order_and_one_that_is_refused_takes_no_other_along(world: World) -> None:
    found = await world.service.embeddings().embed(["one", "", "three \ud83d"])
    assert [isinstance(one, Vector) for one in found] == [True, False, True]
    assert isinstance(found[1], ModelRefused)


@pytest.mark.process
def test_nothing_of_grpc_is_loaded_unless_it_is_chosen(loaded: Loaded) -> None:
    assert among(loaded.bot, ("grpc", "google.protobuf", "yandex")) == []


async def test_without_the_extra_a_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grpc", None)
    async with Http() as http:
        given = Settings(_env_file=None, yc_api_key="AQVN", yc_folder_id="b1g", yc_transport="grpc")
        with pytest.raises(ConfigError, match=r"YC_TRANSPORT=grpc .* pip install 'govorun\[grpc\]'"):
            YandexStudio(settings=given, http=http, clock=VirtualClock(), random=Random(1))


# --- tokens, places, addresses ----------------------------------------------------------------------------------------


async def test_an_expired_token_is_renewed_once() -> None:
    async with opened(yc_api_key="", yc_oauth_token="y0_of-this-test") as world:
        await world.ask()
        world.studio.access.tokens.clear()
        await world.ask()
        assert [seen.status for seen in world.studio.seen("completion")] == [200, 401, 200]


async def test_never_more_requests_are_in_flight_than_the_quota_allows() -> None:
    async with opened(yc_concurrency=2) as world:
        world.studio.quotas.sessions = 2
        world.studio.speed = 200
        world.studio.answer(lambda _: "word " * 20)
        answers = await asyncio.gather(*(world.ask() for _ in range(6)))
        assert answers == ["word " * 20] * 6
        assert len(world.studio.seen("completion")) == 6


async def test_stop_ends_the_call_and_gives_its_place_back() -> None:
    async with opened(yc_concurrency=1) as world:
        world.studio.speed = 5
        world.studio.script(TALE, "Good day!")
        async with aclosing(world.service.text().stream(ASK)) as chunks:
            async for chunk in chunks:
                if chunk.text:
                    break
        assert await world.ask() == "Good day!"
        first = world.studio.seen("completion")[0]
        async with asyncio.timeout(60):
            while not first.gone:
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("given", [{"answer_deadline": 0.3}, {"idle_deadline": 0.3}])
async def test_a_service_that_never_answers_is_given_up(given: dict[str, float]) -> None:
    async with opened(**given) as world:
        world.studio.fail_next("completion", hang=True, times=3)
        with pytest.raises(ModelUnavailable):
            await world.ask()


async def test_nobody_listening_is_unavailable() -> None:
    async with opened(yc_grpc_address=closed_port().removeprefix("http://")) as world:
        with pytest.raises(ModelUnavailable, match="no connection"):
            await world.ask()


async def test_the_service_is_found_again_when_it_is_back() -> None:
    async with opened() as world:
        assert await world.ask()
        await world.server.close()
        with pytest.raises(ModelError):
            await world.ask()
        port = int(world.server.address.rpartition(":")[2])
        await world.studio.start_grpc(port)
        async with asyncio.timeout(60):
            while True:
                try:
                    assert await world.ask()
                except ModelUnavailable:
                    await asyncio.sleep(0.05)
                else:
                    break


async def test_a_list_without_the_service_says_so() -> None:
    async with opened() as world, grpc_front(world.studio.url, known=[MODELS]) as address, Http() as http:
        asked = World(world.studio, world.server, http, yc_grpc_address=address)
        assert await asked.ask()
        later = asked.service.later()
        assert later
        with pytest.raises(ModelDenied, match="does not know where operation listens"):
            await later.poll("d7q1")
