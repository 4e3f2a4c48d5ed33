"""YandexART over a real connection, by HTTP and by gRPC: orders that are paid for once, pictures that are whole."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from bot.ai import Failed, Finished, ImageModel, ImageRequest, Pending
from bot.config.settings import Settings
from bot.errors import (
    BadInput,
    ModelDenied,
    ModelError,
    ModelProtocolError,
    ModelRefused,
    ModelUnavailable,
    OutcomeUnknown,
)
from bot.http.client import Http
from bot.providers.yandex.service import YandexStudio
from bot.sandbox.ai_studio.core import PICTURE
from tests.support.grpc_front import grpc_front
from tests.support.raw_server import Play, RawServer, answer, before_the_head, closed_port, serve, until_close
from tests.support.virtual import VirtualClock

RECORDED = json.loads((Path(__file__).parents[1] / "recordings" / "image_generation.json").read_text())
CAT = ImageRequest("a cat", seed=7, width=2)
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 8000 + b"\xff\xd9"
TAKEN = answer(200, {"id": "fbv1", "description": "", "createdAt": None, "done": False, "metadata": None})
NO_PICTURE = "it is not possible to generate an image from this request because it may violate the terms of use"

Painters = Callable[..., AbstractAsyncContextManager[tuple[ImageModel, RawServer]]]


@pytest.fixture(params=["rest", "grpc"])
def painter(request: pytest.FixtureRequest) -> Painters:
    return painters(request.param)


@pytest.fixture
def by_http() -> Painters:
    """For what only JSON can say wrongly."""
    return painters("rest")


def painters(transport: str) -> Painters:
    @asynccontextmanager
    async def make(*script: Play, **given: Any) -> AsyncIterator[tuple[ImageModel, RawServer]]:
        async with serve(*script) as server, grpc_front(server.url) as address, Http() as http:
            urls = {"yc_llm_url": server.url, "yc_image_operation_url": server.url}
            urls |= {"yc_transport": transport, "yc_grpc_address": address}
            named = {"yc_api_key": "AQVN", "yc_folder_id": "b1g", "image_model": "yandex-art"}
            settings = Settings(_env_file=None, **{**named, **urls, **given})
            studio = YandexStudio(settings=settings, http=http, clock=VirtualClock(), random=Random(1))
            (art,) = studio.image_models().values()
            yield art, server

    return make


def operation(**fields: Any) -> Play:
    return answer(200, {"id": "fbv1", "createdAt": None, "metadata": None, **fields})


def done(image: Any, **fields: Any) -> Play:
    return operation(done=True, response={"@type": PICTURE, "image": image, "modelVersion": ""}, **fields)


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


# --- orders -----------------------------------------------------------------------------------------------------------


async def test_an_order_has_its_numbers_as_strings(painter: Painters) -> None:
    async with painter(TAKEN) as (art, server):
        assert await art.submit(CAT) == "fbv1"
    (seen,) = server.seen
    assert seen.path == "/foundationModels/v1/imageGenerationAsync"
    body = seen.json
    [message] = body.pop("messages")
    assert (message["text"], float(message["weight"])) == ("a cat", 1)
    assert body == {
        "modelUri": "art://b1g/yandex-art/latest",
        "generationOptions": {
            "mimeType": "image/jpeg",
            "seed": "7",
            "aspectRatio": {"widthRatio": "2", "heightRatio": "1"},
        },
    }


async def test_the_recorded_order_is_understood(painter: Painters) -> None:
    async with painter(answer(200, RECORDED[0]["response"]["message"])) as (art, _):
        assert await art.submit(CAT) == "fbvt38u3kmbosuqp10bg"


@pytest.mark.parametrize("prompt", ["", "  \n", "я" * 501])
async def test_a_prompt_that_is_empty_or_too_long_is_not_sent(painter: Painters, prompt: str) -> None:
    async with painter(TAKEN) as (art, server):
        with pytest.raises(BadInput):
            await art.submit(ImageRequest(prompt, seed=1))
        assert server.seen == []
        assert await art.submit(ImageRequest("я" * 500, seed=1))


@pytest.mark.parametrize("seed", [0, -1, 2**63 - 1, 2**70])
async def test_every_seed_fits_into_64_bits(painter: Painters, seed: int) -> None:
    async with painter(TAKEN) as (art, server):
        await art.submit(ImageRequest("a cat", seed=seed))
    assert 0 <= int(server.seen[0].json["generationOptions"].get("seed", 0)) < 2**63


@pytest.mark.parametrize(
    "failing",
    [
        before_the_head("reset"),
        before_the_head("fin"),
        answer(500, {"error": "internal", "code": 13, "message": "internal"}),
        answer(504, b"<html>"),
        answer(200, b"<html>"),
        answer(200, {"done": False}),
        until_close(b'{"id":"fb', length=50),
    ],
    ids=["reset", "fin", "500", "504", "html", "no id", "short"],
)
async def test_an_order_that_may_have_been_taken_is_never_repeated(painter: Painters, failing: Play) -> None:
    async with painter(failing, TAKEN) as (art, server):
        with pytest.raises(OutcomeUnknown):
            await art.submit(CAT)
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    "failing", [answer(429, {"error": "rate", "code": 8}), answer(503, {"error": "unavailable", "code": 14})]
)
async def test_an_order_that_was_not_taken_is_repeated(painter: Painters, failing: Play) -> None:
    async with painter(failing, failing, TAKEN) as (art, server):
        assert await art.submit(CAT) == "fbv1"
    assert len(server.seen) == 3


async def test_nobody_listening_took_no_order(painter: Painters) -> None:
    nobody = closed_port()
    async with painter(TAKEN, yc_llm_url=nobody, yc_grpc_address=nobody.removeprefix("http://")) as (art, _):
        with pytest.raises(ModelUnavailable):
            await art.submit(CAT)


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [(400, NO_PICTURE, ModelRefused), (400, "Prompt positive size 600 exceeds limit", ModelRefused),
     (403, "Permission denied", ModelDenied), (401, "Unknown api key", ModelDenied)],
)  # fmt: skip
async def test_a_refused_order_is_not_repeated(
    painter: Painters, status: int, message: str, kind: type[ModelError]
) -> None:
    async with painter(answer(status, {"error": message, "code": 3, "message": message, "details": []})) as (
        art,
        server,
    ):
        with pytest.raises(kind):
            await art.submit(CAT)
    assert len(server.seen) == 1


# --- pictures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fields", [{"done": False}, {}, {"done": None}, {"done": False, "error": {"code": 0}}])
async def test_an_operation_that_is_not_done_is_pending(painter: Painters, fields: dict[str, Any]) -> None:
    async with painter(operation(**fields)) as (art, server):
        assert await art.poll("fbv1") == Pending()
    assert (server.seen[0].method, server.seen[0].path) == ("GET", "/operations/fbv1")
    assert server.seen[0].headers["authorization"] == "Api-Key AQVN"


async def test_the_recorded_pending_operation_is_pending(painter: Painters) -> None:
    async with painter(answer(200, RECORDED[1]["response"]["message"])) as (art, _):
        assert await art.poll("fbvt38u3kmbosuqp10bg") == Pending()


async def test_a_picture_of_two_megabytes_arrives_whole(painter: Painters) -> None:
    async with painter(done(encoded(JPEG))) as (art, _):
        assert await art.poll("fbv1") == Finished(JPEG)


@pytest.mark.parametrize("error", [None, {"code": 0, "message": ""}])
async def test_an_error_without_a_code_beside_a_picture_is_none(by_http: Painters, error: Any) -> None:
    async with by_http(done(encoded(JPEG), error=error)) as (art, _):
        assert await art.poll("fbv1") == Finished(JPEG)


@pytest.mark.parametrize(
    "image",
    [None, "", encoded(b"<html>"), encoded(JPEG[:-2]), encoded(JPEG[1:]), encoded(b"\x89PNG\r\n")],
)
async def test_what_is_no_whole_picture_is_a_failure(painter: Painters, image: Any) -> None:
    async with painter(done(image)) as (art, _):
        found = await art.poll("fbv1")
    assert isinstance(found, Failed)
    assert not found.refused


@pytest.mark.parametrize("image", [5, "%%%", encoded(JPEG)[:-5], encoded(JPEG) + "\n"])
async def test_what_is_no_base64_is_a_failure(by_http: Painters, image: Any) -> None:
    async with by_http(done(image)) as (art, _):
        found = await art.poll("fbv1")
    assert isinstance(found, Failed)
    assert not found.refused


async def test_an_operation_that_is_done_without_anything_has_failed(painter: Painters) -> None:
    async with painter(operation(done=True)) as (art, _):
        assert isinstance(await art.poll("fbv1"), Failed)


@pytest.mark.parametrize(
    ("error", "refused"),
    [({"code": 3, "message": "bad"}, True), ({"code": 13, "message": NO_PICTURE}, True),
     ({"code": 13, "message": "internal"}, False), ({"code": 8}, False)],
)  # fmt: skip
async def test_an_operation_that_failed_says_whether_it_was_refused(
    painter: Painters, error: dict[str, Any], refused: bool
) -> None:
    async with painter(operation(done=True, error=error)) as (art, _):
        found = await art.poll("fbv1")
    assert isinstance(found, Failed)
    assert found.refused is refused
    assert found.reason


async def test_an_unknown_operation_has_failed(painter: Painters) -> None:
    async with painter(answer(404, {"error": "not found", "code": 5})) as (art, _):
        assert isinstance(await art.poll("fbv1"), Failed)


@pytest.mark.parametrize("id", ["", "../tokens", "a b", "x" * 65])
async def test_what_is_no_operation_id_is_not_sent(painter: Painters, id: str) -> None:
    async with painter(TAKEN) as (art, server):
        assert isinstance(await art.poll(id), Failed)
    assert server.seen == []


@pytest.mark.parametrize("failing", [answer(500, b""), answer(429, b"{}"), before_the_head("reset")])
async def test_a_poll_that_fails_says_nothing_about_the_picture(painter: Painters, failing: Play) -> None:
    async with painter(failing) as (art, _):
        with pytest.raises(ModelUnavailable):
            await art.poll("fbv1")


@pytest.mark.parametrize("body", [b"<html>", b"[]"])
async def test_an_operation_that_is_nonsense_is_a_protocol_error(by_http: Painters, body: bytes) -> None:
    async with by_http(answer(200, body)) as (art, _):
        with pytest.raises(ModelProtocolError):
            await art.poll("fbv1")


async def test_without_an_image_model_nobody_draws() -> None:
    async with Http() as http:
        given = Settings(_env_file=None, yc_api_key="AQVN", yc_folder_id="b1g", image_model="")
        assert YandexStudio(settings=given, http=http, clock=VirtualClock(), random=Random(1)).image_models() == {}
