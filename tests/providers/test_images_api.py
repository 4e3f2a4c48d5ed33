"""The Images API: what is sent, and what each answer of the service means."""

from __future__ import annotations

import base64
from random import Random
from typing import Any

import pytest

from bot.ai import Failed, Finished, ImageRequest
from bot.config.settings import Settings
from bot.errors import BadInput, ModelDenied, ModelRefused, OutcomeUnknown
from bot.http.client import Http
from bot.providers.yandex.service import YandexStudio
from tests.support.raw_server import Play, RawServer, answer, serve
from tests.support.virtual import VirtualClock

JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 400 + b"\xff\xd9"
DENIED = {"error": {"message": "Access to model art://b1g/aliceai-image-art-3.0 denied", "code": 7}}


async def drawn(play: Play, drawing: ImageRequest | None = None) -> tuple[Any, RawServer]:
    """What the model of the Images API returns or raises for an answer of the service."""
    async with serve(*[play] * 3) as server, Http() as http:
        settings = Settings(_env_file=None, yc_api_key="AQVN", yc_folder_id="b1g", yc_openai_url=f"{server.url}/v1")
        studio = YandexStudio(settings=settings, http=http, clock=VirtualClock(), random=Random(1))
        model = studio.image_models()["aliceai-image-art-3.0"]
        return await model.submit(drawing or ImageRequest("a cat", seed=7)), server


def picture(data: bytes) -> Play:
    return answer(200, {"created": 1, "data": [{"b64_json": base64.b64encode(data).decode()}]})


async def test_a_request_is_what_the_vendors_page_shows() -> None:
    found, server = await drawn(picture(JPEG), ImageRequest(" a cat ", seed=7, width=3, height=4))
    assert found == Finished(JPEG)
    (seen,) = server.seen
    assert seen.path == "/v1/images/generations"
    assert seen.json == {"model": "art://b1g/aliceai-image-art-3.0", "prompt": "a cat", "size": "1024x1344"}
    assert seen.headers["openai-project"] == "b1g"


@pytest.mark.parametrize(("reply", "error"), [
    (answer(403, DENIED), ModelDenied),
    (answer(400, {"error": {"message": "model aliceai-image-art-3.0 is not allowed", "code": 9}}), ModelDenied),
    (answer(404, {"error": {"message": "no such route"}}), ModelDenied),
    (answer(400, {"error": {"message": "it is not possible to generate an image from this request"}}), ModelRefused),
    (answer(500, {"error": {"message": "internal error"}}), OutcomeUnknown),
    (answer(200, b"<html>"), OutcomeUnknown),
])  # fmt: skip
async def test_a_refusal_is_told_apart_from_an_unknown_outcome(reply: Play, error: type[Exception]) -> None:
    with pytest.raises(error):
        await drawn(reply)


@pytest.mark.parametrize(
    "reply", [answer(200, {"data": []}), answer(200, {}), picture(b"GIF89a"), answer(200, {"data": [{"b64_json": 1}]})]
)
async def test_what_is_no_jpeg_is_no_picture(reply: Play) -> None:
    found, server = await drawn(reply)
    assert isinstance(found, Failed)
    assert len(server.seen) == 1  # it is paid for: never ordered again


async def test_a_description_that_is_too_long_is_refused_before_it_is_sent() -> None:
    with pytest.raises(BadInput, match="500"):
        await drawn(picture(JPEG), ImageRequest("я" * 501, seed=1))
