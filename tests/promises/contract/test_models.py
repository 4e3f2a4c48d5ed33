"""What the core may expect of every model: one suite over three APIs, both transports of the native one, four families,
and a server that is not Yandex's.

Each test runs over the sandbox's real server. What differs between them is data: see `KINDS`.
"""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from random import Random
from typing import Any

import pytest
from pydantic import BaseModel, Field

from bot.ai import Chunk, Finish, Request, ToolSpec
from bot.config.settings import Settings
from bot.errors import ContextOverflow, ModelDenied, ModelError, ModelRefused, ModelUnavailable, StreamCut
from bot.http.client import Http
from bot.providers.text_model import TextModel, joined
from bot.providers.yandex.service import YandexStudio
from bot.sandbox.ai_studio.server import SANDBOX_FOLDER, Answer, Studio
from bot.types import Image, Message, ToolCall, ToolResult
from tests.support.virtual import VirtualClock

SECRET = "a-key-of-this-test"
QWEN = f"gpt://{SANDBOX_FOLDER}/qwen3-235b-a22b-fp8/latest"
KINDS: dict[str, dict[str, Any]] = {
    "native": {"name": "yandexgpt"},
    "native lite": {"name": "yandexgpt-lite"},
    "native grpc": {"name": "yandexgpt"},
    "compatible": {"name": "yandexgpt", "native": False},
    "alice": {"name": "aliceai-llm", "native": False},
    "qwen": {"name": "qwen3-235b-a22b-fp8"},
    "gpt-oss": {"name": "gpt-oss-120b"},
    "gemma": {"name": "gemma-3-27b-it"},
    "deepseek": {"name": "deepseek-v4.1-flash"},
    "searching": {"name": "pro-web", "model": "yandexgpt", "search": True},
    "agent": {"name": "helper", "agent": "fvtsandboxagent000000"},
    "foreign": {"name": "llama", "model": QWEN, "key": SECRET, "tools": True},
}
SEES, SHOWS, HIDES = {"gemma", "deepseek"}, {"gpt-oss", "deepseek"}, {"native", "native grpc"}
TELLS = {
    "native",
    "native lite",
    "native grpc",
    "searching",
    "agent",
    "qwen",
    "gpt-oss",
    "gemma",
    "deepseek",
    "foreign",
}  # what a stream costs
ASK = Request((Message.of("user", "Show me a table"),))
CALCULATOR = ToolSpec(
    "calculator",
    "Counts",
    {"type": "object", "properties": {"expression": {"type": "string"}}, "required": ["expression"]},
)
ADD = ToolSpec(
    "add",
    "Adds",
    {
        "type": "object",
        "properties": {"numbers": {"type": "array", "items": {"type": "integer"}}},
        "required": ["numbers"],
    },
)


class World:
    """One kind of model, and the server that it asks."""

    def __init__(self, kind: str, studio: Studio, http: Http) -> None:
        self.kind = kind
        self.studio = studio
        self.row = KINDS[kind] | ({"url": f"{studio.url}/v1"} if kind == "foreign" else {})
        self.http = http
        transport = "grpc" if kind == "native grpc" else "rest"
        given: dict[str, Any] = {**studio.settings(), "models": [self.row], "yc_transport": transport}
        self.settings = Settings(_env_file=None, **given)
        self.service = self.asking(self.settings)
        self.model: TextModel = self.service.text(self.row["name"])
        chat = "completion" if self.model.profile.native else "chat/completions"
        self.route = "responses" if kind in ("searching", "agent") else chat
        # events after which there is text, and more to come
        self.begun = {"searching": 11, "agent": 6}.get(kind, 3)
        self.chunks: list[Chunk] = []

    def asking(self, settings: Settings) -> YandexStudio:
        return YandexStudio(settings=settings, http=self.http, clock=VirtualClock(), random=Random(1))

    async def ask(self, request: Request = ASK) -> Chunk:
        """The whole answer, joined. The stream has ended as it must."""
        self.chunks = []
        async with aclosing(self.model.stream(request)) as chunks:
            async for chunk in chunks:
                self.chunks.append(chunk)
        assert [chunk.finish is None for chunk in self.chunks] == [True] * (len(self.chunks) - 1) + [False]
        return self.so_far

    @property
    def so_far(self) -> Chunk:
        found = Chunk()
        for chunk in self.chunks:
            found = joined(found, chunk)
        return found

    @property
    def asked(self) -> int:
        return len(self.studio.seen(self.route))


@pytest.fixture(params=KINDS)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    studio = Studio(keys=(SECRET,))
    studio.access.serve("2025", "today")
    await studio.start()
    if request.param == "native grpc":
        await studio.start_grpc()
    try:
        async with Http() as http:
            yield World(request.param, studio, http)
    finally:
        await studio.close()


# --- answers ----------------------------------------------------------------------------------------------------------


async def test_an_answer_comes_whole(world: World) -> None:
    streamed = await world.ask()
    assert "| Planet |" in streamed.text
    assert streamed.finish is Finish.STOP


async def test_what_it_costs_is_told_where_the_server_tells_it(world: World) -> None:
    streamed = await world.ask()
    assert (streamed.usage is not None) == (world.kind in TELLS)
    assert streamed.usage is None or streamed.usage.total > 50


@pytest.mark.parametrize("split", [1, 7])
async def test_it_does_not_matter_how_the_bytes_are_divided(world: World, split: int) -> None:
    world.studio.source.split = split
    world.studio.script("Привет 😀, мир — ой!")
    assert (await world.ask()).text == "Привет 😀, мир — ой!"


async def test_the_limit_ends_an_answer(world: World) -> None:
    answer = await world.ask(Request(ASK.messages, max_tokens=20))
    assert answer.finish is Finish.LENGTH


async def test_a_filtered_answer_says_so(world: World) -> None:
    answer = await world.ask(Request((Message.of("user", "a forbidden topic"),)))
    assert answer.finish is Finish.FILTERED
    assert world.chunks[-1].replaces
    assert world.asked == 1


async def test_the_conversation_arrives_as_it_was(world: World) -> None:
    said = [Message.of("system", "be kind"), Message.of("user", "I am Ann"), Message.of("assistant", "Hello Ann")]
    answer = await world.ask(Request((*said, Message.of("user", "what do you remember?"))))
    assert "I am Ann" in answer.text
    assert "Hello Ann" in answer.text


# --- failures ---------------------------------------------------------------------------------------------------------


OVERFLOW = {"error": {"message": "folder_id=b: number of input tokens must be no more than 8, got 9", "httpCode": 400}}


@pytest.mark.parametrize(
    ("status", "error", "tries"),
    [
        (429, ModelUnavailable, 3), (500, ModelUnavailable, 3), (502, ModelUnavailable, 3), (503, ModelUnavailable, 3),
        (401, ModelDenied, 1), (403, ModelDenied, 1), (404, ModelDenied, 1), (400, ModelRefused, 1),
    ],
)  # fmt: skip
async def test_statuses_mean_the_same(world: World, status: int, error: type[ModelError], tries: int) -> None:
    world.studio.fail_next(world.route, status=status, times=3)
    with pytest.raises(error) as caught:
        await world.ask()
    assert type(caught.value) is not StreamCut
    assert world.asked == tries
    assert SECRET not in str(caught.value)


async def test_too_long_a_question_is_told_with_its_numbers(world: World) -> None:
    world.studio.fail_next(world.route, status=400, body=OVERFLOW)
    with pytest.raises(ContextOverflow) as caught:
        await world.ask()
    assert (caught.value.limit, caught.value.given) == (8, 9)


async def test_a_passing_failure_costs_a_try(world: World) -> None:
    world.studio.fail_next(world.route, status=429)
    world.studio.fail_next(world.route, cut="reset")
    assert (await world.ask()).finish is Finish.STOP
    assert world.asked == 3


@pytest.mark.parametrize("cut", ["reset", "fin", "clean", "short"])
async def test_a_cut_answer_is_never_passed_off_as_whole(world: World, cut: Any) -> None:
    world.studio.fail_next(world.route, cut=cut, after_chunks=world.begun)
    world.studio.script("One word after another makes an answer. " * 20)
    with pytest.raises(StreamCut):
        await world.ask()
    assert world.so_far.text
    assert ("One word after another makes an answer. " * 20).startswith(world.so_far.text)
    assert world.asked == 1


@pytest.mark.parametrize("cut", ["reset", "fin", "short"])
async def test_what_broke_before_its_first_word_is_asked_again(world: World, cut: Any) -> None:
    world.studio.fail_next(world.route, cut=cut, after_chunks=0)
    assert "| Planet |" in (await world.ask()).text
    assert world.asked == 2


async def test_an_error_in_the_middle_cuts_the_answer(world: World) -> None:
    world.studio.fail_next(world.route, status=500, after_chunks=world.begun)
    world.studio.script("One word after another makes an answer. " * 20)
    with pytest.raises(StreamCut):
        await world.ask()
    assert world.so_far.text


async def test_a_model_that_falls_silent_cuts_the_answer(world: World) -> None:
    """It may also have been silent before its first word, where the machine stands still for a moment."""
    world.studio.fail_next(world.route, hang=True, after_chunks=world.begun, times=3)
    hurried = world.asking(world.settings.model_copy(update={"idle_deadline": 0.5}))
    world.model = hurried.text(world.row["name"])
    world.studio.script("One word after another makes an answer. " * 20)
    with pytest.raises(StreamCut, match="time"):
        await world.ask()


async def test_stop_closes_the_connection(world: World) -> None:
    world.studio.speed = 5
    world.studio.script("One word after another makes an answer. " * 200)
    async with aclosing(world.model.stream(ASK)) as chunks:
        async for chunk in chunks:
            if chunk.text:  # it is shown before the answer is complete, which would take minutes
                break
    seen = world.studio.seen(world.route)[0]
    async with asyncio.timeout(60):
        while not seen.gone:
            await asyncio.sleep(0.01)


# --- tools ------------------------------------------------------------------------------------------------------------


def after(request: Request, answer: Chunk, *results: str) -> Request:
    """The same question with the calls and what came of them."""
    found = tuple(ToolResult(call.id, call.name, text) for call, text in zip(answer.tool_calls, results, strict=True))
    messages = (*request.messages, Message("assistant", answer.tool_calls), Message("user", found))
    return Request(messages, tools=request.tools)


async def test_a_tool_is_called_and_its_result_used(world: World) -> None:
    request = Request((Message.of("user", "How much is 7 * 8?"),), tools=(CALCULATOR, ADD))
    called = await world.ask(request)
    assert (called.finish, called.text) == (Finish.TOOLS, "")
    assert [(call.name, call.arguments) for call in called.tool_calls] == [("calculator", {"expression": "7 * 8"})]
    answer = await world.ask(after(request, called, "56"))
    assert answer.finish is Finish.STOP
    assert "**calculator:** 56" in answer.text


async def test_whole_numbers_arrive_whole(world: World) -> None:
    called = await world.ask(Request((Message.of("user", "add 5, 4 and 1"),), tools=(ADD,)))
    assert called.tool_calls[0].arguments == {"numbers": [5, 4, 1]}
    assert all(type(number) is int for number in called.tool_calls[0].arguments["numbers"])


async def test_parallel_calls_of_one_function_are_told_apart(world: World) -> None:
    request = Request((Message.of("user", "twice: add 2 and 3"),), tools=(ADD,))
    called = await world.ask(request)
    assert [call.name for call in called.tool_calls] == ["add", "add"]
    assert len({call.id for call in called.tool_calls}) == 2
    answer = await world.ask(after(request, called, "five", "cinq"))
    assert "five" in answer.text
    assert "cinq" in answer.text


async def test_no_id_is_given_out_twice_in_a_conversation(world: World) -> None:
    request = Request((Message.of("user", "add 2 and 3"),), tools=(ADD,))
    first = await world.ask(request)
    done = after(request, first, "5")
    again = Request((*done.messages, Message.of("assistant", "5"), Message.of("user", "add 7")), tools=(ADD,))
    second = await world.ask(again)
    assert second.tool_calls[0].id != first.tool_calls[0].id


@pytest.mark.parametrize(("choice", "names"), [("none", []), ("required", ["calculator"]), ("add", ["add"]), ("", [])])
async def test_the_choice_of_a_tool_is_obeyed(world: World, choice: str, names: list[str]) -> None:
    request = Request((Message.of("user", "Hello 5"),), tools=(CALCULATOR, ADD), choice=choice)
    answer = await world.ask(request)
    assert [call.name for call in answer.tool_calls] == names
    assert "TOOL_CALL" not in answer.text


async def test_a_stream_that_is_cut_in_a_call_calls_nothing(world: World) -> None:
    world.studio.fail_next(world.route, cut="clean", after_chunks=-1, times=3)
    with pytest.raises(ModelUnavailable):
        await world.ask(Request((Message.of("user", "add 5 and 4"),), tools=(ADD,)))
    assert not world.so_far.tool_calls


# --- schemas, thoughts, pictures --------------------------------------------------------------------------------------


class Size(BaseModel):
    width: int = Field(ge=1)
    unit: str


class Thing(BaseModel):
    name: str
    colour: str = Field(json_schema_extra={"enum": ["red", "green"]})
    sizes: list[Size]
    price: float | None


async def test_an_answer_follows_the_schema(world: World) -> None:
    request = Request((Message.of("user", "A green chair, 40 cm, 99.5"),), schema=Thing.model_json_schema())
    thing = Thing.model_validate_json((await world.ask(request)).text)
    assert (thing.colour, thing.sizes[0].width) == ("green", 40)


async def test_reasoning_is_counted_and_shown_only_by_models_that_show_it(world: World) -> None:
    answer = await world.ask(Request(ASK.messages, reasoning="high"))
    assert bool(answer.reasoning) == (world.kind in SHOWS)
    assert "I look for the rule" not in answer.text
    if world.kind in SHOWS | HIDES:
        assert answer.usage
        assert 0 < answer.usage.reasoning < answer.usage.completion


async def test_reasoning_can_be_left_out(world: World) -> None:
    answer = await world.ask(Request(ASK.messages, reasoning="none"))
    assert answer.finish is Finish.STOP
    if world.kind in HIDES:
        assert answer.usage
        assert answer.usage.reasoning == 0


async def test_a_picture_is_seen_or_refused(world: World) -> None:
    request = Request((Message("user", (Image(png(64, 48), "image/png"), *Message.of("user", "What is it?").parts)),))
    if world.kind in SEES:
        assert "64 × 48" in (await world.ask(request)).text
    else:
        with pytest.raises(ModelRefused, match="pictures"):
            await world.ask(request)
        assert world.asked == 0


async def test_a_picture_of_an_earlier_turn_is_in_nobodys_way(world: World) -> None:
    earlier = Message("user", (Image(png(64, 48), "image/png"),))
    answer = await world.ask(Request((earlier, Message.of("assistant", "A line"), Message.of("user", "Thanks"))))
    assert answer.finish is Finish.STOP


def png(width: int, height: int) -> bytes:
    def block(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = block(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    rows = zlib.compress((b"\0" + b"\x80" * width) * height)
    return b"\x89PNG\r\n\x1a\n" + head + block(b"IDAT", rows) + block(b"IEND", b"")


# --- what is sent -----------------------------------------------------------------------------------------------------


async def test_only_ai_studio_is_told_the_folder(world: World) -> None:
    await world.ask()
    headers = world.studio.seen(world.route)[0].headers
    assert ("x-folder-id" in headers) == (world.kind != "foreign")
    assert headers.get("x-data-logging-enabled", "false") == "false"


ODD: list[Callable[[], Answer]] = [
    lambda: Answer(("fine",), quirks=frozenset({"no_done"})),
    lambda: Answer(("fine",), quirks=frozenset({"no_finish"})),
    lambda: Answer(("fine",), quirks=frozenset({"no_usage"})),
    lambda: Answer(("fine",), usage={}),
]


@pytest.mark.parametrize("odd", ODD)
async def test_an_answer_that_lacks_something_else_than_its_end_is_whole(
    world: World, odd: Callable[[], Answer]
) -> None:
    world.studio.script(odd())
    answer = await world.ask()
    assert (answer.text, answer.finish) == ("fine", Finish.STOP)


async def test_calls_without_an_end_or_with_an_odd_one_are_calls(world: World) -> None:
    world.studio.script(Answer(calls=[("add", {"numbers": [1]})], quirks=frozenset({"no_finish"}), status="TOOL_CALLS"))
    answer = await world.ask(Request(ASK.messages, tools=(ADD,)))
    assert [type(call) for call in answer.tool_calls] == [ToolCall]
