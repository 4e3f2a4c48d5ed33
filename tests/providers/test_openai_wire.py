"""The words of the OpenAI-compatible API: recorded answers of two families, and what other servers make of it."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from bot.ai import Chunk, Finish, Profile, Request, ToolSpec, Usage
from bot.errors import ContextOverflow, ModelDenied, ModelProtocolError, ModelRefused, ModelUnavailable, StreamCut
from bot.http.framing import LineSplitter
from bot.providers.error_mapping import refusal
from bot.providers.openai.wire import ANY, OPENAI, EventReader, OpenAIWire
from bot.providers.text_model import LONGEST_ANSWER, joined
from bot.providers.yandex.service import COMPATIBLE
from bot.types import Image, Message, ToolCall, ToolResult
from tests.support.by_turns import everything, turn

RECORDINGS = Path(__file__).parents[1] / "recordings"
SEES = Profile(vision=True, tools=True, reasoning=True, native=False)
CALCULATOR = ToolSpec("calculator", "Counts", {"type": "object", "properties": {"expression": {"type": "string"}}})


def read(*events: Any, **given: Any) -> Chunk:
    """Everything that the events say, as one chunk."""
    reader, found = EventReader(**given), Chunk()
    for event in events:
        if chunk := reader.feed(event if isinstance(event, str) else json.dumps(event)):
            found = joined(found, chunk)
    return joined(found, reader.end())


def recorded(name: str) -> list[str]:
    lines = (RECORDINGS / name).read_text().splitlines()
    return [line.removeprefix("data: ") for line in lines if line]


def said(content: Any = None, finish: str | None = None, **delta: Any) -> dict[str, Any]:
    words = {"content": content} if content is not None else {}
    return {"choices": [{"index": 0, "delta": {**words, **delta}, **({"finish_reason": finish} if finish else {})}]}


def call(index: int | None, id: str, name: str, arguments: Any) -> dict[str, Any]:
    place = {} if index is None else {"index": index}
    return {**place, "id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


# --- recorded answers -------------------------------------------------------------------------------------------------


def test_single_tokens_with_trailing_numbers_become_one_answer() -> None:
    chunk = read(*recorded("chat_stream_qwen3.sse"))
    assert chunk.text.startswith("Hello! Of course! Platypuses are")
    assert (chunk.finish, chunk.usage) == (Finish.STOP, Usage(20, 741))


def test_large_pieces_without_numbers_become_one_answer() -> None:
    chunk = read(*recorded("chat_stream_call_yandexgpt_then.sse"))
    assert (chunk.text, chunk.finish, chunk.usage) == ("The result of 7@8 is -5.", Finish.STOP, None)


@pytest.mark.parametrize("name", ["chat_stream_call_qwen3.sse", "chat_stream_call_yandexgpt.sse"])
def test_a_recorded_call_is_put_together(name: str) -> None:
    chunk = read(*recorded(name))
    assert chunk.finish is Finish.TOOLS
    assert [(one.name, one.arguments) for one in chunk.tool_calls] == [("calculator", {"expression": "7@8"})]


def test_answers_that_were_not_streamed_are_read_too() -> None:
    first, then = ((RECORDINGS / name).read_text() for name in ("chat_call.json", "chat_call_then.json"))
    asked = read(first)
    assert asked.tool_calls == (ToolCall("something", "something", {"numbers": [5, 4, 1]}),)
    assert (asked.finish, asked.usage) == (Finish.TOOLS, Usage(100, 14))
    assert read(then).text.endswith("is +20.0.")
    assert read((RECORDINGS / "chat_whole.json").read_text()).usage == Usage(9, 12)


@pytest.mark.sweep
@pytest.mark.parametrize("name", sorted(path.name for path in RECORDINGS.glob("*.sse")))
def test_after_every_byte_the_reader_knows_whether_the_answer_is_whole(name: str) -> None:
    stream = (RECORDINGS / name).read_bytes()
    finished = stream.index(b'"finish_reason":"') + stream[stream.index(b'"finish_reason":"') :].index(b"\n")
    splitter, reader = LineSplitter(), EventReader()
    so_far = pickle.dumps(reader)  # changes with a line; `deepcopy` of it takes ten times as long
    for told, byte in enumerate(stream, 1):
        for line in splitter.feed(bytes([byte])):
            reader.feed(line.removeprefix("data: "))
            so_far = pickle.dumps(reader)
        if everything() or told % 3 == turn(3) or byte in b'\r\n"' or abs(told - finished) < 9:
            _cut_here(pickle.loads(pickle.dumps(splitter)), pickle.loads(so_far), whole=told >= finished)


def _cut_here(splitter: LineSplitter, reader: EventReader, *, whole: bool) -> None:
    for line in splitter.rest():
        reader.feed(line.removeprefix("data:").removeprefix(" "))
    try:
        finish = reader.end().finish
    except StreamCut:
        finish = None
    assert (finish is not None) == whole


@pytest.mark.parametrize("reason", ["insufficient_system_resource", "abort", "error"])
def test_an_answer_that_the_server_gave_up_is_no_whole_one(reason: str) -> None:
    reader = EventReader()
    for event in (said("Half an"), said(finish=reason)):
        reader.feed(json.dumps(event))
    reader.feed("[DONE]")
    assert not reader.whole
    with pytest.raises(StreamCut):
        reader.end()


# --- calls ------------------------------------------------------------------------------------------------------------


def test_parallel_calls_of_one_function_get_ids_of_their_own() -> None:
    calls = [call(0, "count", "count", '{"n": 3.0}'), call(1, "count", "count", '{"n": 2.5, "of": [1.0]}')]
    chunk = read(said(tool_calls=calls, finish="tool_calls"))
    assert [one.arguments for one in chunk.tool_calls] == [{"n": 3}, {"n": 2.5, "of": [1]}]
    assert isinstance(chunk.tool_calls[0].arguments["n"], int)
    assert len({one.id for one in chunk.tool_calls}) == 2


def test_an_id_that_the_conversation_had_before_is_not_used_again() -> None:
    chunk = read(said(tool_calls=[call(0, "count", "count", "{}")], finish="tool_calls"), taken={"count"})
    assert chunk.tool_calls == (ToolCall("count-1", "count", {}),)


@pytest.mark.parametrize("index", [None, 0])
def test_calls_that_share_an_index_are_told_apart(index: int | None) -> None:
    events = [said(tool_calls=[call(index, f"c{number}", "count", f'{{"n": {number}}}')]) for number in range(3)]
    chunk = read(*events, said(finish="tool_calls"))
    assert [(one.id, one.arguments) for one in chunk.tool_calls] == [(f"c{n}", {"n": n}) for n in range(3)]


def piece(index: int | None, id: str | None, name: str | None, arguments: str | None) -> Any:
    found = {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
    return found if index is None else {**found, "index": index}


PIECES: dict[str, list[list[Any]]] = {
    "vLLM: name and id once": [
        [piece(0, "a", "one", "")], [piece(0, None, None, '{"n"')], [piece(0, None, None, ": 1}")],
        [piece(1, "b", "two", '{"n": ')], [piece(1, None, None, "2}")],
    ],
    "empty texts for what was said": [
        [piece(0, "a", "one", '{"n"')], [piece(0, "", "", ": 1}")], [piece(1, "b", "two", '{"n": ')],
        [piece(1, "", "", "2}")], [piece(1, "", None, "")],
    ],
    "name and id in every piece": [
        [piece(0, "a", "one", '{"n"')], [piece(0, "a", "one", ": 1}")], [piece(1, "b", "two", '{"n": ')],
        [piece(1, "b", "two", "2}")], [piece(1, "b", "two", "")],
    ],
    "the name in every piece, the id once": [
        [piece(0, "a", "one", '{"n"')], [piece(0, None, "one", ": 1}")], [piece(1, "b", "two", '{"n": ')],
        [piece(1, "", "two", "2}")],
    ],
    "whole calls in one event": [[piece(0, "a", "one", '{"n": 1}'), piece(1, "b", "two", '{"n": 2}')]],
    "whole calls without a number": [[piece(None, "a", "one", '{"n": 1}')], [piece(None, "b", "two", '{"n": 2}')]],
    "pieces told apart by ids alone": [
        [piece(None, "a", "one", '{"n"'), piece(None, "b", "two", '{"n": ')], [piece(None, "b", None, "2}")],
        [piece(None, "a", None, ": 1}")],
    ],
    "two calls through each other": [
        [piece(0, "a", "one", '{"n"'), piece(1, "b", "two", '{"n": ')], [piece(1, None, None, "2}")],
        [piece(0, None, None, ": 1}")],
    ],
}  # fmt: skip


@pytest.mark.parametrize("finish", ["tool_calls", "stop"])
@pytest.mark.parametrize("events", PIECES.values(), ids=PIECES.keys())
def test_two_calls_are_put_together_however_a_server_cuts_them(events: list[list[Any]], finish: str) -> None:
    chunk = read(*(said(tool_calls=deltas) for deltas in events), said(finish=finish))
    assert [(one.id, one.name, one.arguments) for one in chunk.tool_calls] == [
        ("a", "one", {"n": 1}), ("b", "two", {"n": 2})
    ]  # fmt: skip
    assert chunk.finish is Finish.TOOLS


def test_a_call_with_an_object_and_one_without_arguments_are_taken() -> None:
    chunk = read(said(tool_calls=[call(0, "a", "one", {"n": 1.0}), call(1, "b", "two", "")], finish="stop"))
    assert [one.arguments for one in chunk.tool_calls] == [{"n": 1}, {}]
    assert chunk.finish is Finish.TOOLS


def test_arguments_that_are_no_object_reach_the_tool_as_what_it_will_refuse() -> None:
    chunk = read(said(tool_calls=[call(0, "a", "one", '{"n": ')], finish="tool_calls"))
    assert chunk.tool_calls[0].arguments == {"unreadable": '{"n": '}


@pytest.mark.parametrize("depth", [300, 600, 900, 100_000])
def test_arguments_that_are_nested_too_deeply_are_read_or_refused(depth: int) -> None:
    chunk = read(
        said(tool_calls=[call(0, "a", "one", '{"n": ' + "[" * depth + "]" * depth + "}")], finish="tool_calls")
    )
    assert set(chunk.tool_calls[0].arguments) <= {"n", "unreadable"}


def test_a_call_that_the_limit_cut_is_no_call() -> None:
    chunk = read(said(tool_calls=[call(0, "a", "one", '{"n": 1')], finish="length"))
    assert (chunk.tool_calls, chunk.finish) == ((), Finish.LENGTH)


def test_alice_may_leave_out_the_finish_reason_and_leak_a_mark() -> None:
    events = [said("Let me see. [TOOL_"), said("CALL_END]"), said(tool_calls=[call(0, "count", "count", "{}")])]
    chunk = read(*events, "[DONE]", tools=True)
    assert (chunk.text, chunk.finish, len(chunk.tool_calls)) == ("Let me see. ", Finish.TOOLS, 1)


# --- text and thought -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_in_a_field_is_thought(field: str) -> None:
    chunk = read(said(**{field: "I "}), said(**{field: "think"}), said("so", "stop"))
    assert (chunk.reasoning, chunk.text) == ("I think", "so")


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_reasoning_in_marks_is_thought_however_it_is_cut_up(size: int) -> None:
    raw = "\n<think>a < b</think>\n\nIt is <b> and [TOOL"
    pieces = [raw[start : start + size] for start in range(0, len(raw), size)]
    chunk = read(*[said(piece) for piece in pieces], said(finish="stop"), tools=True)
    assert (chunk.reasoning, chunk.text) == ("a < b", "It is <b> and [TOOL")


def test_marks_later_in_the_text_are_text() -> None:
    assert read(said("say <think>x</think>", "stop")).text == "say <think>x</think>"


@pytest.mark.parametrize("size", [1, 2, 5, 100])
@pytest.mark.parametrize("mark", ["think", "thinking", "reasoning"])
def test_reasoning_that_only_ends_with_a_mark_is_thought_and_takes_back_what_was_shown(size: int, mark: str) -> None:
    raw = f"The user wants a sum: a < b. That is 2.\n</{mark}>\n\n1 + 1 is 2 </"
    pieces = [raw[start : start + size] for start in range(0, len(raw), size)]
    chunk = read(*[said(piece) for piece in pieces], said(finish="stop"))
    assert (chunk.reasoning, chunk.text) == ("The user wants a sum: a < b. That is 2.\n", "1 + 1 is 2 </")


def test_a_mark_of_reasoning_that_is_named_in_code_is_text() -> None:
    text = "Such models end their thoughts with `</think>`."
    assert read(said(text, "stop")).text == text
    assert read(said("<think>never closed", "stop")).text == ""


def test_halves_of_a_character_in_two_pieces_are_joined() -> None:
    events = ['{"choices":[{"delta":{"content":"a\\ud83d"}}]}', '{"choices":[{"delta":{"content":"\\ude00b"}}]}']
    assert read(*events, said(finish="stop")).text == "a😀b"


def test_a_filtered_answer_is_replaced() -> None:
    chunk = read(said("bad "), said("Let us talk of something else", "content_filter"))
    assert (chunk.text, chunk.finish, chunk.replaces) == ("Let us talk of something else", Finish.FILTERED, True)


def test_reasoning_tokens_are_counted() -> None:
    numbers = {"prompt_tokens": 5, "completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 7}}
    assert read(said("hi", "stop"), {"choices": [], "usage": numbers}).usage == Usage(5, 9, 7)


def test_an_endless_answer_ends_at_our_limit() -> None:
    chunk = read(said("a" * (LONGEST_ANSWER + 5)))
    assert (len(chunk.text), chunk.finish) == (LONGEST_ANSWER, Finish.LENGTH)


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "error"),
    [
        ({"error": {"message": "gauge quota limit exceed", "code": "429"}}, ModelUnavailable),
        ({"error": {"message": "no such key", "code": 401}}, ModelDenied),
        ({"error": {"error": "upstream is gone"}}, ModelUnavailable),
        ({"error": "upstream is gone"}, ModelUnavailable),
        ({"object": "error", "message": "bad words", "code": 400}, ModelRefused),
        (
            {"error": {"message": "number of input tokens must be no more than 32768, got 56832", "code": 400}},
            ContextOverflow,
        ),
        ([], ModelProtocolError),
    ],
)
def test_an_error_in_the_middle_is_told_as_what_it_is(event: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        read(said("half "), event, said("more", "stop"))


def test_the_numbers_of_an_overflow_are_read_in_openais_words_too() -> None:
    words = (
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 10311 tokens. Please..."
    )
    error = refusal(400, json.dumps({"error": {"message": words, "code": "context_length_exceeded"}}).encode())
    assert isinstance(error, ContextOverflow)
    assert (error.limit, error.given) == (8192, 10311)


def test_words_that_are_no_json_are_a_fault_unless_they_are_the_last() -> None:
    with pytest.raises(ModelProtocolError):
        read("<html>", said("x"))
    with pytest.raises(StreamCut):
        read(said("x"), '{"choi')


# --- requests ---------------------------------------------------------------------------------------------------------


def test_a_round_with_a_tool_goes_out_as_the_api_has_it() -> None:
    request = Request(
        (
            Message.of("system", "be short"),
            Message.of("user", "7@8?"),
            Message("assistant", (ToolCall("c1", "calculator", {"expression": "7@8"}),)),
            Message("user", (ToolResult("c1", "calculator", "-5"), ToolResult("c2", "calculator", ""))),
        ),
        temperature=0.2,
        max_tokens=50,
        tools=(CALCULATOR,),
        choice="calculator",
    )
    body = OpenAIWire("gpt://b1g/m/latest", SEES, COMPATIBLE).body(request, stream=True)
    assert [row["role"] for row in body["messages"]] == ["system", "user", "assistant", "tool", "tool"]
    made = body["messages"][2]["tool_calls"][0]
    assert (made["id"], json.loads(made["function"]["arguments"])) == ("c1", {"expression": "7@8"})
    assert all(row["content"] for row in body["messages"][3:])
    assert body["tool_choice"] == {"type": "function", "function": {"name": "calculator"}}
    assert (body["max_tokens"], body["temperature"], "stream_options" in body) == (50, 0.2, False)


def test_each_server_is_asked_in_its_dialect() -> None:
    request = Request((Message.of("user", "hi"),), temperature=0.2, max_tokens=50, reasoning="none")
    openai = OpenAIWire("gpt-5", SEES, OPENAI).body(request, stream=True)
    assert openai["max_completion_tokens"] == 50
    assert "temperature" not in openai
    assert openai["stream_options"] == {"include_usage": True}
    assert openai["reasoning_effort"] == "none"
    assert OpenAIWire("m", SEES, COMPATIBLE).body(request, stream=True)["reasoning_effort"] == "low"
    assert "reasoning_effort" not in OpenAIWire("m", Profile(), ANY).body(request, stream=False)


def test_pictures_go_only_to_a_model_that_sees() -> None:
    request = Request((Message("user", (Image(b"\xff\xd8", "image/jpeg"), *Message.of("user", "what is it?").parts)),))
    seen = OpenAIWire("m", SEES, ANY).body(request, stream=False)["messages"][0]["content"]
    assert seen[0]["image_url"]["url"] == "data:image/jpeg;base64,/9g="
    assert seen[1] == {"type": "text", "text": "what is it?"}
    blind = OpenAIWire("m", Profile(), ANY).body(request, stream=False)["messages"][0]["content"]
    assert blind == "what is it?"


def test_a_schema_goes_out_with_a_name() -> None:
    request = Request((Message.of("user", "hi"),), schema={"type": "object"})
    form = OpenAIWire("m", SEES, ANY).body(request, stream=False)["response_format"]
    assert form == {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}}}


def test_nothing_to_ask_is_refused() -> None:
    with pytest.raises(ModelRefused):
        OpenAIWire("m", SEES, ANY).body(Request((Message.of("user", "  "),)), stream=True)
