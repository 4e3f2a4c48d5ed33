"""The Responses API: searching the web with sources, agents of the console, answers in the background."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest

from bot.ai import Answered, Chunk, Failed, Finish, Pending, Profile, Request, Source, ToolSpec, Usage
from bot.config.entries import ModelConfig
from bot.config.settings import Settings
from bot.errors import (
    AnswerForgotten,
    ContextOverflow,
    ModelDenied,
    ModelError,
    ModelProtocolError,
    ModelUnavailable,
    OutcomeUnknown,
    StreamCut,
)
from bot.http.client import Http
from bot.providers.text_model import joined
from bot.providers.yandex.responses import AsyncResponses, ResponseReader, ResponsesTarget, ResponsesWire
from bot.providers.yandex.service import YandexStudio
from bot.sandbox.ai_studio.server import Answer, Studio
from bot.types import Image, Message, ToolCall, ToolResult
from tests.support.chunks import whole
from tests.support.virtual import VirtualClock

AGENT = "fvtsandboxagent000000"
ASK = Request((Message.of("user", "What is new?"),))


class World:
    def __init__(self, studio: Studio, http: Http) -> None:
        self.studio = studio
        rows = [
            ModelConfig(name="helper", agent=AGENT),
            ModelConfig(name="nobody", agent="fvtnobody"),
            ModelConfig(name="news", model="yandexgpt", search=True),
        ]
        given: dict[str, Any] = {**studio.settings(), "models": rows}
        self.service = YandexStudio(
            settings=Settings(_env_file=None, **given), http=http, clock=VirtualClock(), random=Random(1)
        )

    def later(self, name: str = "gpt-oss-120b") -> AsyncResponses:
        found = self.service.later(name)
        assert isinstance(found, AsyncResponses)
        return found


@pytest.fixture
async def world() -> AsyncIterator[World]:
    studio = Studio()
    studio.access.serve("2025", "today")
    await studio.start()
    try:
        async with Http() as http:
            yield World(studio, http)
    finally:
        await studio.close()


def read(*events: dict[str, Any], taken: frozenset[str] = frozenset()) -> Chunk:
    reader, found = ResponseReader(taken=taken), Chunk()
    for event in events:
        if chunk := reader.feed(json.dumps(event)):
            found = joined(found, chunk)
    return joined(found, reader.end())


def completed(*output: dict[str, Any], **rest: Any) -> dict[str, Any]:
    response = {"object": "response", "status": "completed", "error": None, "output": list(output), **rest}
    return {"type": "response.completed", "response": response}


def message(text: str, *urls: str) -> dict[str, Any]:
    notes = [{"type": "url_citation", "url": url, "title": ""} for url in urls]
    return {"type": "message", "content": [{"type": "output_text", "text": text, "annotations": notes}]}


# --- from the web -----------------------------------------------------------------------------------------------------


async def test_a_search_says_what_it_does_and_on_what_it_rests(world: World) -> None:
    chunks = [chunk async for chunk in world.service.text("news").stream(ASK)]
    assert chunks[0].activity == "web_search"
    assert chunks[-1].sources == (Source("", "https://example.com/news"), Source("", "https://ya.ru/"))
    assert chunks[-1].finish is Finish.STOP
    assert "What is new?" in "".join(chunk.text for chunk in chunks)
    assert world.studio.seen("responses")[0].body["tools"] == [{"type": "web_search"}]


def test_a_page_that_is_cited_twice_is_one_source() -> None:
    found = read(completed(message("a", "https://a.example", "https://a.example"), message("b", "https://b.example")))
    assert [source.url for source in found.sources] == ["https://a.example", "https://b.example"]


# --- agents -----------------------------------------------------------------------------------------------------------


async def test_an_agent_is_asked_by_its_id_and_keeps_its_model(world: World) -> None:
    await whole(world.service.text("helper").stream(Request((Message.of("system", "be short"), *ASK.messages))))
    body = world.studio.seen("responses")[0].body
    assert body["prompt"] == {"id": AGENT}
    assert "model" not in body
    assert body["instructions"] == "be short"


async def test_an_agent_that_is_gone_is_told(world: World) -> None:
    with pytest.raises(ModelDenied):
        await whole(world.service.text("nobody").stream(ASK))


# --- what the service remembers ---------------------------------------------------------------------------------------


async def test_a_request_that_follows_an_answer_has_only_what_came_after_it(world: World) -> None:
    agent = world.service.text("helper")
    first = await whole(agent.stream(ASK))
    said = (*ASK.messages, Message.of("assistant", first.text), Message.of("user", "And then?"))
    await whole(agent.stream(Request((Message.of("system", "be short"), *said), previous=first.response, known=2)))
    body = world.studio.seen("responses")[1].body
    assert body["previous_response_id"] == first.response
    assert body["input"] == [{"role": "user", "content": "And then?"}]
    assert body["instructions"] == "be short"


@pytest.mark.parametrize("previous", ["gone", ""])
async def test_only_a_request_that_follows_an_answer_can_find_it_forgotten(world: World, previous: str) -> None:
    world.studio.fail_next("responses", status=404, body={"error": {"message": "not found"}})
    with pytest.raises(AnswerForgotten if previous else ModelDenied):
        await whole(world.service.text("helper").stream(Request(ASK.messages, previous=previous)))
    assert len(world.studio.seen("responses")) == 1


def test_what_waits_for_results_or_was_filtered_can_not_be_followed() -> None:
    call = {"type": "function_call", "call_id": "c1", "name": "clock", "arguments": "{}"}
    assert read(completed(message("a"), id="r1")).response == "r1"
    assert read(completed(message("a"), call, id="r1")).response == ""
    for reason, id_ in (("max_output_tokens", "r1"), ("content_filter", "")):
        ended = completed(message("a"), id="r1", status="incomplete", incomplete_details={"reason": reason})
        assert read(ended).response == id_


# --- in the background ------------------------------------------------------------------------------------------------


async def test_a_model_without_an_async_mode_answers_in_the_background(world: World) -> None:
    world.studio.responses.polls = 2
    later = world.later()
    operation = await later.submit(ASK)
    assert [await later.poll(operation) for _ in range(2)] == [Pending(), Pending()]
    found = await later.poll(operation)
    assert isinstance(found, Answered)
    assert "What is new?" in found.text
    assert found.usage
    assert found.usage.reasoning > 0
    assert world.studio.seen("responses")[0].body["background"] is True


async def test_an_answer_of_the_background_can_be_taken_back_until_it_is_there(world: World) -> None:
    world.studio.responses.polls = 5
    later = world.later()
    operation = await later.submit(ASK)
    assert await later.cancel(operation)
    assert await later.poll(operation) == Failed("the response has cancelled")
    world.studio.responses.polls = 0
    done = await later.submit(ASK)
    assert isinstance(await later.poll(done), Answered)
    assert not await later.cancel(done)
    assert not await later.cancel("../secrets")


async def test_a_response_that_is_not_known_has_failed(world: World) -> None:
    assert isinstance(await world.later().poll("0b0"), Failed)
    assert isinstance(await world.later().poll("../secrets"), Failed)


async def test_an_order_that_may_have_arrived_is_not_repeated(world: World) -> None:
    world.studio.fail_next("responses", cut="reset")
    with pytest.raises(OutcomeUnknown):
        await world.later().submit(ASK)
    assert len(world.studio.seen("responses")) == 1


async def test_an_agent_answers_in_the_background_too(world: World) -> None:
    later = world.later("helper")
    assert isinstance(await later.poll(await later.submit(ASK)), Answered)


async def test_a_filtered_or_empty_answer_of_the_background_says_so(world: World) -> None:
    later = world.later()
    found = await later.poll(await later.submit(Request((Message.of("user", "a forbidden topic"),))))
    assert isinstance(found, Answered)
    assert found.finish is Finish.FILTERED
    world.studio.script(Answer(("",)))
    assert isinstance(await later.poll(await later.submit(ASK)), Failed)


# --- the reader -------------------------------------------------------------------------------------------------------


def test_what_the_events_left_out_comes_with_the_whole_response() -> None:
    events = [{"type": "response.output_text.delta", "delta": "one "}, completed(message("one two"))]
    assert read(*events).text == "one two"
    assert read(events[0], completed(message("other"))).text == "other"
    assert read(events[0], completed()).text == "one "


def test_thoughts_numbers_and_calls_are_read() -> None:
    call = {"type": "function_call", "call_id": "add", "name": "add", "arguments": '{"n": 2.0}'}
    numbers = {"input_tokens": 5, "output_tokens": 9, "output_tokens_details": {"reasoning_tokens": 4}}
    thought = {"type": "response.reasoning_summary_text.delta", "delta": "hm"}
    found = read(thought, completed(call, call, usage=numbers), taken=frozenset({"add"}))
    assert found.tool_calls == (ToolCall("add-1", "add", {"n": 2}), ToolCall("add-2", "add", {"n": 2}))
    assert (found.reasoning, found.usage, found.finish) == ("hm", Usage(5, 9, 4), Finish.TOOLS)


@pytest.mark.parametrize(
    ("reason", "finish"), [("max_output_tokens", Finish.LENGTH), ("content_filter", Finish.FILTERED)]
)
def test_an_incomplete_response_says_why(reason: str, finish: Finish) -> None:
    response = completed(message("half"), incomplete_details={"reason": reason})["response"]
    assert read({"type": "response.incomplete", "response": response | {"status": "incomplete"}}).finish is finish


OVERFLOW = {"code": "model_call_error", "message": "number of input tokens must be no more than 32768, got 56832"}


@pytest.mark.parametrize(
    ("event", "error"),
    [
        ({"error": OVERFLOW, "output": []}, ContextOverflow),  # as seen, with status 200
        ({"type": "response.failed", "response": {"status": "failed", "error": OVERFLOW}}, ContextOverflow),
        ({"type": "response.failed", "response": {"status": "failed", "error": None}}, ModelUnavailable),
        ({"type": "error", "code": "server_error", "message": "oh no"}, ModelUnavailable),
        ({"type": "error", "error": {"code": 403, "message": "no role"}}, ModelDenied),
    ],
)
def test_errors_mean_what_they_say(event: dict[str, Any], error: type[ModelError]) -> None:
    with pytest.raises(error):
        read(event)


def test_half_a_response_is_cut() -> None:
    reader = ResponseReader()
    reader.feed('{"type":"response.output_text.delta","delta":"a"}')
    reader.feed('{"type":"response.comp')
    with pytest.raises(StreamCut):
        reader.end()
    with pytest.raises(ModelProtocolError):
        reader.feed("{}")
    with pytest.raises(ModelProtocolError):
        ResponseReader().feed("[]")


# --- requests ---------------------------------------------------------------------------------------------------------


def test_a_round_with_a_tool_a_picture_and_a_schema_goes_out_as_items() -> None:
    request = Request(
        (
            Message.of("system", "be short"),
            Message("user", (Image(b"\xff\xd8"), *Message.of("user", "add").parts)),
            Message("assistant", (ToolCall("c1", "add", {"n": 2}),)),
            Message("user", (ToolResult("c1", "add", ""),)),
        ),
        temperature=0.1,
        max_tokens=9,
        tools=(ToolSpec("add", "Adds", {"type": "object"}),),
        choice="add",
        schema={"type": "object"},
        reasoning="none",
    )
    wire = ResponsesWire(ResponsesTarget("gpt://b/m/latest"), Profile(vision=True, reasoning=True))
    body = wire.body(request, stream=True)
    assert [item.get("type", item.get("role")) for item in body["input"]] == [
        "user", "function_call", "function_call_output"
    ]  # fmt: skip
    assert body["input"][0]["content"][0]["image_url"].startswith("data:image/jpeg;base64,")
    assert body["input"][2]["output"]
    assert body["tool_choice"] == {"type": "function", "name": "add"}
    assert body["tools"][0]["name"] == "add"
    assert body["text"]["format"]["schema"] == {"type": "object"}
    assert (body["max_output_tokens"], body["reasoning"]) == (9, {"effort": "low"})
