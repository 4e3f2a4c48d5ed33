"""Answers later, for less: submitted once, asked for until they are there, taken back, expired, failed. Both by HTTP
and by gRPC.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from bot.ai import Answered, Failed, Finish, Pending, Request, Usage
from bot.config.entries import ModelConfig
from bot.config.settings import Settings
from bot.errors import ModelDenied, ModelRefused, ModelUnavailable, OutcomeUnknown
from bot.http.client import Http
from bot.providers.yandex.async_completion import YandexAsyncModel
from bot.providers.yandex.service import YandexStudio
from bot.sandbox.ai_studio.server import Answer, Studio
from bot.types import Image, Message
from tests.support.raw_server import answer, before_the_head, serve
from tests.support.virtual import VirtualClock

ASK = Request((Message.of("user", "Show me a table"),))
RECORDED = json.loads((Path(__file__).parents[1] / "recordings" / "deferred.json").read_text())


class World:
    """The sandbox's server with a port of its own for operations, so that a wrong address is seen. gRPC has
    one for both.
    """

    def __init__(self, studio: Studio, http: Http, transport: str) -> None:
        self.studio = studio
        self.clock = VirtualClock()
        given = settings(**studio.settings(), model="yandexgpt", yc_transport=transport)
        self.service = YandexStudio(settings=given, http=http, clock=self.clock, random=Random(1))
        later = self.service.later()
        assert isinstance(later, YandexAsyncModel)
        self.later = later


def settings(**given: Any) -> Settings:
    return Settings(_env_file=None, **given)


@pytest.fixture(params=["rest", "grpc"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    studio = Studio()
    studio.access.serve("2025", "today")
    studio.operations.strict_hosts = request.param == "rest"
    await studio.start()
    await studio.start_grpc()
    try:
        async with Http() as http:
            yield World(studio, http, request.param)
    finally:
        await studio.close()


async def test_an_answer_is_there_after_a_while(world: World) -> None:
    world.studio.operations.polls["text"] = 2
    operation = await world.later.submit(ASK)
    assert [await world.later.poll(operation) for _ in range(2)] == [Pending(), Pending()]
    found = await world.later.poll(operation)
    assert isinstance(found, Answered)
    assert "| Planet |" in found.text
    assert found.finish is Finish.STOP
    assert found.usage
    assert found.usage.completion > 50
    assert len(world.studio.seen("completionAsync")) == 1
    assert world.studio.seen("completionAsync")[0].body["completionOptions"].get("stream", False) is False


async def test_the_recorded_operation_is_read() -> None:
    submitted, pending, done = (row["response"]["message"] for row in RECORDED)
    async with serve(answer(200, submitted), answer(200, pending), answer(200, done)) as server, Http() as http:
        given = {"yc_api_key": "AQVN", "yc_folder_id": "b1g", "yc_llm_url": server.url, "yc_operation_url": server.url}
        later = YandexStudio(settings=settings(**given), http=http, clock=VirtualClock(), random=Random(1)).later()
        assert later
        operation = await later.submit(ASK)
        assert operation == "d7qqr3frkl81js0udlr9"
        assert await later.poll(operation) == Pending()
        found = await later.poll(operation)
    assert isinstance(found, Answered)
    assert found.text.startswith("**Ping** — это утилита")
    assert found.usage == Usage(15, 107)
    assert [seen.path for seen in server.seen[1:]] == [f"/operations/{operation}"] * 2


async def test_a_reasoning_mode_and_a_schema_go_along(world: World) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    operation = await world.later.submit(Request(ASK.messages, schema=schema, reasoning="high"))
    found = await world.later.poll(operation)
    assert isinstance(found, Answered)
    assert json.loads(found.text) == {"n": 1}
    assert found.usage
    assert found.usage.reasoning > 0


async def test_an_answer_that_is_taken_back_is_not_given(world: World) -> None:
    world.studio.operations.polls["text"] = 5
    operation = await world.later.submit(ASK)
    assert await world.later.cancel(operation)
    assert await world.later.poll(operation) == Failed("operation was cancelled")


async def test_what_is_done_or_unknown_can_not_be_taken_back(world: World) -> None:
    operation = await world.later.submit(ASK)
    assert isinstance(await world.later.poll(operation), Answered)
    assert not await world.later.cancel(operation)
    assert not await world.later.cancel("d7qnobody")
    assert not await world.later.cancel("../secrets")


async def test_an_answer_that_has_expired_has_failed(world: World) -> None:
    operation = await world.later.submit(ASK)
    world.studio.operations.kept["text"] = 0
    found = await world.later.poll(operation)
    assert isinstance(found, Failed)
    assert "expired" in found.reason
    assert isinstance(await world.later.poll("../secrets"), Failed)


async def test_a_filtered_answer_says_so(world: World) -> None:
    found = await world.later.poll(await world.later.submit(Request((Message.of("user", "a forbidden topic"),))))
    assert isinstance(found, Answered)
    assert found.finish is Finish.FILTERED


@pytest.mark.parametrize("odd", [Answer(("",)), Answer(("half",), status="UNSPECIFIED")])
async def test_an_operation_without_a_whole_answer_has_failed(world: World, odd: Answer) -> None:
    world.studio.script(odd)
    assert isinstance(await world.later.poll(await world.later.submit(ASK)), Failed)


async def test_an_order_that_may_have_arrived_is_not_repeated(world: World) -> None:
    world.studio.fail_next("completionAsync", cut="reset", apply=True)
    with pytest.raises(OutcomeUnknown):
        await world.later.submit(ASK)
    assert len(world.studio.seen("completionAsync")) == 1


async def test_an_order_that_was_refused_for_now_is_repeated(world: World) -> None:
    world.studio.fail_next("completionAsync", status=429)
    assert isinstance(await world.later.poll(await world.later.submit(ASK)), Answered)


async def test_troubles_of_asking_say_nothing_about_the_answer(world: World) -> None:
    operation = await world.later.submit(ASK)
    for status, error in ((500, ModelUnavailable), (401, ModelDenied)):
        world.studio.fail_next("operation", status=status)
        with pytest.raises(error):
            await world.later.poll(operation)
    assert isinstance(await world.later.poll(operation), Answered)


async def test_a_failed_operation_says_why() -> None:
    failed = {"id": "d7q1", "done": True, "error": {"code": 13, "message": "internal error"}}
    refused = {"id": "d7q1", "done": True, "error": {"code": 3, "message": "bad request"}}
    async with serve(answer(200, failed), answer(200, refused), before_the_head("reset")) as server, Http() as http:
        given = {"yc_api_key": "AQVN", "yc_folder_id": "b1g", "yc_operation_url": server.url}
        later = YandexStudio(settings=settings(**given), http=http, clock=VirtualClock(), random=Random(1)).later()
        assert later
        assert await later.poll("d7q1") == Failed("internal error")
        assert await later.poll("d7q1") == Failed("bad request", refused=True)
        with pytest.raises(ModelUnavailable):
            await later.poll("d7q1")


async def test_pictures_are_refused_before_anything_is_bought(world: World) -> None:
    with pytest.raises(ModelRefused):
        await world.later.submit(Request((Message("user", (Image(b"\xff\xd8"),)),)))
    assert world.studio.seen("completionAsync") == []


async def test_a_model_of_another_server_has_no_such_mode(world: World) -> None:
    row = ModelConfig(name="llama", url="http://127.0.0.1:1/v1")
    async with Http() as http:
        service = YandexStudio(
            settings=settings(**world.studio.settings(), models=[row]), http=http, clock=world.clock, random=Random(1)
        )
        assert service.later("llama") is None
