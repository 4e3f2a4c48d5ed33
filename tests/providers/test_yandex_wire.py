"""The words of the native API: requests, lines of answers, errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.ai import Chunk, Finish, Profile, Request, Usage
from bot.errors import ModelError, ModelProtocolError, ModelRefused, ModelUnavailable, StreamCut
from bot.http.framing import LineSplitter
from bot.providers.text_model import CUT_MARK, LONGEST_ANSWER, joined
from bot.providers.yandex import wire
from bot.types import Image, Message, Text, ToolCall, ToolResult

RECORDINGS = Path(__file__).parents[1] / "recordings"
STREAM = (RECORDINGS / "completion_stream.ndjson").read_bytes()
WHOLE = json.loads(STREAM.splitlines()[-1])["result"]["alternatives"][0]["message"]["text"]


def line(text: str | None, status: str = "PARTIAL", usage: Any = None, **message: Any) -> str:
    said = {"role": "assistant", **({} if text is None else {"text": text}), **message}
    result: dict[str, Any] = {"alternatives": [{"message": said, "status": f"ALTERNATIVE_STATUS_{status}"}]}
    if usage is not None:
        result["usage"] = usage
    return json.dumps({"result": result})


def read(*lines: str) -> list[Chunk]:
    reader = wire.StreamReader()
    chunks = [chunk for each in lines if (chunk := reader.feed(each))]
    reader.end()
    return chunks


def shown(chunks: list[Chunk]) -> str:
    text = ""
    for chunk in chunks:
        text = chunk.text if chunk.replaces else text + chunk.text
    return text


# --- answers ----------------------------------------------------------------------------------------------------------


def test_the_recorded_stream_gives_its_text_once() -> None:
    chunks = read(*STREAM.decode().split("\n"))
    assert shown(chunks) == WHOLE
    assert not any(chunk.replaces for chunk in chunks)
    assert [chunk.finish for chunk in chunks] == [None] * 20 + [Finish.STOP]
    assert chunks[-1].text  # the last line extends the text too
    assert (chunks[0].usage, chunks[-1].usage) == (Usage(26, 11), Usage(26, 317))


@given(st.lists(st.integers(0, len(STREAM)), max_size=30))
def test_any_division_of_the_bytes_gives_the_same_text(cuts: list[int]) -> None:
    splitter, reader, chunks = LineSplitter(), wire.StreamReader(), []
    for start, stop in zip([0, *sorted(cuts)], [*sorted(cuts), len(STREAM)], strict=True):
        chunks += [chunk for each in splitter.feed(STREAM[start:stop]) if (chunk := reader.feed(each))]
    chunks += [chunk for each in splitter.rest() if (chunk := reader.feed(each))]
    reader.end()
    assert shown(chunks) == WHOLE


@given(st.lists(st.text(alphabet="ab \n😀", max_size=6), min_size=1, max_size=8))
def test_the_newest_text_is_what_is_shown_whatever_the_order(texts: list[str]) -> None:
    lines = [line(text) for text in texts[:-1]] + [line(texts[-1], "FINAL")]
    newest = next((text for text in reversed(texts) if text), "")
    assert shown(read(*lines)) == newest


def compact(status: str, text: str | None, tokens: int) -> str:
    """A line without spaces, as the service writes it."""
    usage = {"inputTextTokens": "5", "completionTokens": str(tokens)} if tokens else None
    return json.dumps(json.loads(line(text, status, usage)), separators=(",", ":"))


TEXTS = st.one_of(st.none(), st.sampled_from(["", "a", 'a "b', 'a "b"},"status":"ALTERNATIVE_STATUS_FINAL"']))
STATUSES = st.sampled_from(["PARTIAL", "FINAL", "TRUNCATED_FINAL", "CONTENT_FILTER", "TOOL_CALLS"])


@given(st.lists(st.tuples(TEXTS, st.integers(0, 3))), STATUSES, TEXTS, st.integers(0, 3))
def test_reading_the_newest_line_alone_changes_nothing(
    partial: list[tuple[str | None, int]], status: str, text: str | None, tokens: int
) -> None:
    lines = [*(compact("PARTIAL", *each) for each in partial), compact(status, text, tokens)]
    found = []
    for together in (lines, wire.newest(lines)):
        reader = wire.StreamReader()
        whole = joined(*(reader.feed(each) for each in together))
        found.append((whole.text, whole.finish, reader.done, whole.finish and whole.usage))
    assert found[0] == found[1]


def test_the_recorded_lines_are_repeated_by_their_last() -> None:
    lines = STREAM.decode().splitlines()
    assert wire.newest(lines) == lines[-1:]


def test_a_whole_answer_that_was_not_streamed_is_read_too() -> None:
    body = (RECORDINGS / "completion_sync.json").read_text()
    assert read(body) == [Chunk("Hi there! How are you?", finish=Finish.STOP, usage=Usage(15, 8), version="07.03.2024")]


def test_the_answer_inside_an_operation_has_no_wrapper() -> None:
    response = json.loads((RECORDINGS / "deferred.json").read_text())[2]["response"]["message"]["response"]
    (chunk,) = read(json.dumps(response))
    assert chunk.text.startswith("**Ping**")
    assert chunk.usage == Usage(15, 107)


def test_recorded_calls_become_calls_with_whole_numbers() -> None:
    recorded = json.loads((RECORDINGS / "function_call.json").read_text())[0]["response_stream"][0]["message"]
    (chunk,) = read(json.dumps({"result": recorded}))
    assert chunk.finish is Finish.TOOLS
    assert chunk.tool_calls == (ToolCall("something-1", "something", {"numbers": [5, 4, 1]}),)
    assert all(type(number) is int for number in chunk.tool_calls[0].arguments["numbers"])


def test_arguments_that_are_nested_too_deeply_are_refused() -> None:
    nested: Any = []
    for _ in range(600):
        nested = [nested]
    call = {"functionCall": {"name": "f", "arguments": {"n": nested}}}
    (chunk,) = read(line(None, "TOOL_CALLS", toolCallList={"toolCalls": [call]}))
    assert list(chunk.tool_calls[0].arguments) == ["unreadable"]


def test_two_calls_of_one_function_have_different_ids() -> None:
    calls = [{"functionCall": {"name": "f", "arguments": {}}}] * 2
    (chunk,) = read(line(None, "TOOL_CALLS", toolCallList={"toolCalls": calls}))
    assert len({call.id for call in chunk.tool_calls}) == 2


@pytest.mark.parametrize(
    ("status", "finish"), [("FINAL", Finish.STOP), ("TRUNCATED_FINAL", Finish.LENGTH), ("TOOL_CALLS", Finish.TOOLS)]
)
def test_every_final_status_ends_the_answer(status: str, finish: Finish) -> None:
    assert read(line("a", status))[-1].finish is finish


def test_a_filtered_answer_replaces_what_was_shown() -> None:
    chunks = read(line("some story"), line("I can't talk about it", "CONTENT_FILTER"))
    assert chunks[-1] == Chunk("I can't talk about it", replaces=True, finish=Finish.FILTERED)
    assert read(line("some story"), line("", "CONTENT_FILTER"))[-1].replaces


@pytest.mark.parametrize(
    "ending", [[], [line("ab", "UNSPECIFIED")], [line("ab", "NEW_KIND")], [line("ab", "FINAL")[:-9]]]
)
def test_an_answer_without_its_final_status_is_cut(ending: list[str]) -> None:
    with pytest.raises(StreamCut):
        read(line("a"), *ending)


def test_text_that_shrinks_or_changes_is_replaced_and_repeats_are_silent() -> None:
    chunks = read(line("abc"), line("abc"), line("ab"), line("xyz"), line("xyz!", "FINAL"))
    assert [(chunk.text, chunk.replaces) for chunk in chunks] == [
        ("abc", False), ("ab", True), ("xyz", True), ("!", False),
    ]  # fmt: skip


def test_a_last_line_without_text_keeps_the_answer() -> None:
    assert shown(read(line("abc"), line(None, "FINAL"))) == "abc"


def test_everything_after_the_end_is_ignored() -> None:
    late = [line("ab"), line("b", "FINAL"), '{"error":{"grpcCode":8}}', "garbage", "garbage"]
    assert read(line("a", "FINAL"), *late) == [Chunk("a", finish=Finish.STOP)]


def test_empty_lines_and_lines_without_alternatives_are_ignored() -> None:
    extra = ["", "  ", '{"result":{"alternatives":[]}}', '{"result":{"alternatives":null}}', '{"result":null}', "{}"]
    assert shown(read(*extra, line("a"), *extra, line("ab", "FINAL"))) == "ab"


def test_only_the_first_alternative_counts() -> None:
    two = json.loads(line("a", "FINAL"))
    two["result"]["alternatives"].append({"message": {"text": "other"}, "status": "ALTERNATIVE_STATUS_FINAL"})
    assert read(json.dumps(two)) == [Chunk("a", finish=Finish.STOP)]


@pytest.mark.parametrize("text", [None, 5, ["a"], {"a": 1}])
def test_a_text_of_another_type_is_no_text(text: Any) -> None:
    raw = json.dumps({"result": {"alternatives": [{"message": {"text": text}, "status": "ALTERNATIVE_STATUS_FINAL"}]}})
    assert read(raw) == [Chunk(finish=Finish.STOP)]


def test_a_pair_that_is_divided_between_lines_is_joined() -> None:
    first = line("a😀").replace("\\ude00", "")
    assert "\\ud83d" in first
    chunks = read(first, line("a😀b", "FINAL"))
    assert [(chunk.text, chunk.replaces) for chunk in chunks] == [("a", False), ("😀b", False)]


def test_a_lone_half_and_nul_become_the_replacement_character() -> None:
    text = shown(read(line("a\ud83d b\0"), line("a\ud83d b\0\ude00 \ud83d", "FINAL")))
    assert text == "a\ufffd b\ufffd\ufffd \ufffd"


def test_an_endless_answer_is_cut_by_length() -> None:
    chunks = read(line("a" * (LONGEST_ANSWER + 1)))
    assert len(shown(chunks)) == LONGEST_ANSWER
    assert chunks[-1].finish is Finish.LENGTH


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"inputTextTokens": "10", "completionTokens": 5}, Usage(10, 5)),
        (
            {"inputTextTokens": 1, "completionTokens": 9, "completionTokensDetails": {"reasoningTokens": "4"}},
            Usage(1, 9, 4),
        ),
        ({"inputTextTokens": 1, "completionTokens": 9, "completionTokensDetails": None}, Usage(1, 9)),
        ({"inputTextTokens": "-1", "completionTokens": "5"}, None),
        ({"inputTextTokens": "many", "completionTokens": "5"}, None),
        ({"inputTextTokens": 1e300, "completionTokens": "5"}, None),
        ({"inputTextTokens": True, "completionTokens": "5"}, None),
        ({"completionTokens": "5"}, None),
        ("10", None),
    ],
)
def test_usage_is_read_or_missing_never_wrong(usage: Any, expected: Usage | None) -> None:
    assert read(line("a", "FINAL", usage))[-1].usage == expected


def test_the_last_known_usage_counts() -> None:
    known = {"inputTextTokens": "1", "completionTokens": "2"}
    assert read(line("a", usage=known), line("ab", "FINAL"))[-1].usage == Usage(1, 2)


@pytest.mark.parametrize("bad", ["[]", "null", "5", '"text"'])
def test_a_line_that_is_no_object_is_a_protocol_error(bad: str) -> None:
    with pytest.raises(ModelProtocolError):
        read(bad)


def test_garbage_between_lines_is_a_protocol_error() -> None:
    with pytest.raises(ModelProtocolError):
        read(line("a"), "<html>", line("ab", "FINAL"))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"grpcCode": 8, "httpCode": 429, "message": "quota", "httpStatus": "Too Many Requests"}, ModelUnavailable),
        ({"grpcCode": 8}, ModelUnavailable),
        ({"grpcCode": 3, "message": "bad"}, ModelRefused),
        ({"message": "who knows"}, ModelUnavailable),
        ("plain words", ModelUnavailable),
    ],
)
def test_an_error_line_raises_what_it_means(error: Any, kind: type[ModelError]) -> None:
    with pytest.raises(kind) as caught:
        read(line("a"), json.dumps({"error": error}))
    assert type(caught.value) is kind


def test_an_error_without_code_and_words_is_none() -> None:
    fine = json.loads(line("a", "FINAL")) | {"error": {"code": 0, "message": ""}}
    assert read(json.dumps(fine))[-1].finish is Finish.STOP


# --- requests ---------------------------------------------------------------------------------------------------------


def body(*messages: Message, **options: Any) -> dict[str, Any]:
    return wire.NativeWire("gpt://b1g/yandexgpt/latest", Profile()).body(Request(messages, **options), stream=True)


def test_a_request_has_texts_and_numbers_as_the_api_writes_them() -> None:
    assert body(Message.of("system", "be kind"), Message.of("user", "hi"), temperature=0.0, max_tokens=100) == {
        "modelUri": "gpt://b1g/yandexgpt/latest",
        "completionOptions": {"stream": True, "temperature": 0.0, "maxTokens": "100"},
        "messages": [{"role": "system", "text": "be kind"}, {"role": "user", "text": "hi"}],
    }


def test_what_was_not_asked_for_is_left_to_the_server() -> None:
    assert body(Message.of("user", "hi"))["completionOptions"] == {"stream": True}


def test_empty_messages_are_left_out() -> None:
    empty = [Message.of("assistant", ""), Message.of("assistant", " \n"), Message("user", (Image(b"x"),))]
    assert body(*empty, Message.of("user", "hi"))["messages"] == [{"role": "user", "text": "hi"}]


def test_a_request_without_any_text_is_not_sent() -> None:
    with pytest.raises(ModelRefused):
        body(Message.of("user", ""))


def test_a_text_that_is_too_long_loses_its_beginning_and_says_so() -> None:
    (message,) = body(Message.of("user", "a" * 100_000 + "end"))["messages"]
    assert len(message["text"]) == 100_000
    assert message["text"].startswith(CUT_MARK)
    assert message["text"].endswith("aend")
    (message,) = body(Message.of("user", "a" * 100_000))["messages"]
    assert message["text"] == "a" * 100_000


def test_calls_and_results_go_back_as_the_recorded_ones() -> None:
    recorded = json.loads((RECORDINGS / "function_call.json").read_text())[1]["request"]["message"]["messages"]
    call = ToolCall("something-1", "something", {"numbers": [5, 4, 1]})
    messages = (
        Message.of("user", recorded[0]["text"]),
        Message("assistant", (Text(""), call)),
        Message("user", (ToolResult("something-1", "something", "+20.0"),)),
    )
    assert body(*messages)["messages"] == recorded
