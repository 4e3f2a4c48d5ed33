"""The sandbox's AI Studio, asked over loopback: native text, errors, quotas, faults."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from bot.sandbox.ai_studio.server import SANDBOX_FOLDER, Answer, Fault, Studio
from bot.sandbox.event_stream import Hub

URI = f"gpt://{SANDBOX_FOLDER}/yandexgpt/latest"
SECRET = "a-key-of-this-test"
KEY = {"authorization": f"Api-Key {SECRET}"}
Json = dict[str, Any]

# Recorded: the last line of a native stream, and the same model's whole answer.
RECORDED_LINE: Json = {
    "result": {
        "alternatives": [
            {"message": {"role": "assistant", "text": "Hi there! How are you?"}, "status": "ALTERNATIVE_STATUS_FINAL"}
        ],
        "usage": {"inputTextTokens": "15", "completionTokens": "8", "totalTokens": "23"},
        "modelVersion": "07.03.2024",
    }
}
# Recorded: the tokens of a prompt that is the one message "ping".
RECORDED_TOKENS = ["<s>", "▁Пользователь", ":", "▁ping", "[NL]", "[NL]"]
RECORDED_TOKENS += ["А", "сси", "стент", ":", "▁[", "EDIT", "ORS", "]", "[SEP]"]


@asynccontextmanager
async def running(**options: Any) -> AsyncIterator[tuple[Studio, aiohttp.ClientSession]]:
    studio = Studio(keys=(SECRET,), **options)
    studio.access.serve("2025", "today")
    await studio.start()
    try:
        async with aiohttp.ClientSession(studio.url) as session:
            yield studio, session
    finally:
        await studio.close()


def ask(text: str = "ping", *, stream: bool = False, **options: Any) -> Json:
    messages = [{"role": "user", "text": text}]
    return {"modelUri": URI, "completionOptions": {"stream": stream, **options}, "messages": messages}


async def completion(
    session: aiohttp.ClientSession, body: Json, headers: dict[str, str] = KEY
) -> tuple[int, list[Json]]:
    async with session.post("/foundationModels/v1/completion", json=body, headers=headers) as response:
        return response.status, [json.loads(line) async for line in response.content if line.strip()]


async def post(session: aiohttp.ClientSession, path: str, body: Any, headers: dict[str, str] = KEY) -> tuple[int, Json]:
    async with session.post(path, json=body, headers=headers) as response:
        return response.status, await response.json()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


def spoken(lines: list[Json]) -> list[str]:
    return [line["result"]["alternatives"][0]["message"]["text"] for line in lines]


def keys(value: Any) -> Any:
    """The shape of a JSON value: names and types, not the values."""
    if isinstance(value, dict):
        return {name: keys(item) for name, item in value.items() if name != "completionTokensDetails"}
    return [keys(item) for item in value] if isinstance(value, list) else type(value).__name__


async def test_a_whole_answer_has_the_recorded_shape() -> None:
    async with running() as (studio, session):
        studio.script("Hi there! How are you?")
        status, [found] = await completion(session, ask())
    assert status == 200
    assert keys(found) == keys(RECORDED_LINE)
    assert spoken([found]) == ["Hi there! How are you?"]
    assert found["result"]["usage"]["inputTextTokens"] == "15"


async def test_a_stream_is_cumulative_and_only_its_last_line_is_final() -> None:
    async with running() as (studio, session):
        studio.script(["Plat", "ypuses", " are", " unique."])
        _, lines = await completion(session, ask(stream=True))
    assert spoken(lines) == ["Plat", "Platypuses", "Platypuses are", "Platypuses are unique."]
    states = [line["result"]["alternatives"][0]["status"] for line in lines]
    assert states == ["ALTERNATIVE_STATUS_PARTIAL"] * 3 + ["ALTERNATIVE_STATUS_FINAL"]
    counts = [int(line["result"]["usage"]["completionTokens"]) for line in lines]
    assert counts == sorted(counts)
    assert all(keys(line) == keys(RECORDED_LINE) for line in lines)


async def test_the_prompt_is_counted_as_the_recorded_tokenizer_does() -> None:
    async with running() as (_, session):
        _, found = await post(session, "/foundationModels/v1/tokenizeCompletion", ask())
        _, plain = await post(session, "/foundationModels/v1/tokenize", {"modelUri": URI, "text": "ping pong"})
    assert [token["text"] for token in found["tokens"]] == RECORDED_TOKENS
    assert found["tokens"][0] == {"id": "1", "text": "<s>", "special": True}
    assert found["tokens"][3] == {"id": "45533", "text": "▁ping"}
    assert [token["text"] for token in plain["tokens"]] == ["<s>", "▁ping", "▁pong"]


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"modelUri": "yandexgpt"}, 3, "Failed to parse model URI"),
        ({"modelUri": "emb://" + SANDBOX_FOLDER + "/text-search-doc"}, 3, "invalid model_uri"),
        ({"modelUri": f"gpt://{SANDBOX_FOLDER}/gpt-oss-20b/latest"}, 3, "Failed to get model"),
        ({"modelUri": "gpt://b1gother/yandexgpt"}, 3, f"service account folder ID '{SANDBOX_FOLDER}'"),
        ({"messages": []}, 3, "empty messages"),
        ({"messages": [{"role": "user", "text": ""}]}, 3, "empty message text"),
        ({"messages": [{"role": "user", "text": "a" * 100_001}]}, 3, "text length is 100001, which is outside"),
        ({"messages": [{"role": "tool", "text": "a"}]}, 3, "role"),
        ({"messages": [{"role": "user", "text": "a", "toolCallList": {}}]}, 3, "oneof"),
        ({"completionOptions": {"temperature": 1.5}}, 3, "temperature"),
        ({"completionOptions": {"maxTokens": "0"}}, 3, "max_tokens"),
        ({"completionOptions": {"maxTokens": "many"}}, 3, "maxTokens"),
        ({"messages": [{"role": "user", "text": "a " * 40_000}]}, 3, "must be no more than 32768, got"),
    ],
)
async def test_what_the_service_refuses_is_refused_in_its_words(change: Json, code: int, words: str) -> None:
    async with running() as (_, session):
        status, found = await post(session, "/foundationModels/v1/completion", {**ask(), **change})
    assert status == 400
    assert found["error"]["grpcCode"] == code
    assert found["error"]["httpStatus"] == "Bad Request"
    assert words in found["error"]["message"]


async def test_streaming_and_unary_methods_have_different_error_shapes() -> None:
    headers = {"authorization": "Api-Key wrong"}
    async with running() as (_, session):
        status, stream = await post(session, "/foundationModels/v1/completion", ask(), headers)
        _, unary = await post(session, "/foundationModels/v1/completionAsync", ask(), headers)
        _, openai = await post(session, "/v1/chat/completions", {"model": URI}, headers)
    assert status == 401
    message = "Unknown api key"
    assert stream == {
        "error": {"grpcCode": 16, "httpCode": 401, "message": message, "httpStatus": "Unauthorized", "details": []}
    }
    assert unary == {"error": message, "code": 16, "message": message, "details": []}
    assert openai["error"]["message"] == message


async def test_expired_keys_missing_roles_and_unknown_tokens_are_told_apart() -> None:
    async with running() as (studio, session):
        studio.access.expired.add(SECRET)
        expired = await completion(session, ask())
        unknown = await completion(session, ask(), {"authorization": "Bearer t1.nothing"})
        studio.access.expired.clear()
        studio.access.roles.clear()
        denied = await completion(session, ask())
    assert (expired[0], expired[1][0]["error"]["message"]) == (401, "The apikey has expired")
    assert (unknown[0], unknown[1][0]["error"]["message"]) == (401, "The token is invalid")
    assert (denied[0], denied[1][0]["error"]["grpcCode"]) == (403, 7)


async def test_a_dedicated_instance_answers_only_while_it_is_on() -> None:
    uri = f"gpt://{SANDBOX_FOLDER}/my-instance/latest"
    async with running() as (studio, session):
        unknown = await completion(session, {**ask(), "modelUri": uri})
        found = []
        for state in ("off", "starting", "on"):
            studio.access.instances["my-instance"] = state
            found.append((await completion(session, {**ask(), "modelUri": uri}))[0])
    assert (unknown[0], found) == (400, [503, 503, 200])


async def test_a_broken_body_is_refused() -> None:
    async with (
        running() as (_, session),
        session.post("/foundationModels/v1/completion", data=b"{no json", headers=KEY) as response,
    ):
        assert response.status == 400
        assert (await response.json())["error"]["grpcCode"] == 3


async def test_more_texts_at_once_than_the_quota_get_the_gauge_message() -> None:
    async with running() as (studio, session):
        studio.quotas.sessions = 2
        for _ in range(2):
            studio.fail_next("completion", hang=True, after_chunks=0)
        hanging = [asyncio.create_task(completion(session, ask(stream=True))) for _ in range(2)]
        await until(lambda: studio.quotas.in_flight == 2)
        status, [found] = await completion(session, ask())
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)
        await until(lambda: studio.quotas.in_flight == 0)
        again, _ = await completion(session, ask())
    assert status == 429
    name = "ai.textGenerationCompletionSessionsCount.count gauge quota limit exceed: allowed 2 requests"
    assert found["error"]["message"] == name
    assert again == 200
    assert [seen.gone for seen in studio.requests] == [True, True, False, False]


async def test_the_answer_is_cut_at_the_limit_of_tokens() -> None:
    async with running() as (studio, session):
        studio.script("one two three four five six seven", "one two")
        _, lines = await completion(session, ask(stream=True, maxTokens="3"))
        _, whole = await completion(session, ask(maxTokens=2))
    last = lines[-1]["result"]["alternatives"][0]
    assert last["status"] == "ALTERNATIVE_STATUS_TRUNCATED_FINAL"
    assert last["message"]["text"] == "one two three"
    assert whole[0]["result"]["alternatives"][0]["status"] == "ALTERNATIVE_STATUS_FINAL"


async def test_planned_faults_come_once_and_in_order() -> None:
    async with running() as (studio, session):
        studio.fail_next("completion", status=429, headers={"retry-after": "3"})
        studio.fail_next("completion", status=502)
        studio.script(Fault(status=500, body={"odd": 1}), "fine")
        async with session.post("/foundationModels/v1/completion", json=ask(), headers=KEY) as first:
            assert (first.status, first.headers["retry-after"]) == (429, "3")
            assert (await first.json())["error"]["grpcCode"] == 8
        async with session.post("/foundationModels/v1/completion", json=ask(), headers=KEY) as second:
            assert (second.status, second.content_type) == (502, "text/html")
        assert await completion(session, ask()) == (500, [{"odd": 1}])
        assert spoken((await completion(session, ask()))[1]) == ["fine"]


async def raw_answer(studio: Studio, body: Json) -> tuple[bytes, bool]:
    """Everything the server sent, and whether the connection was reset."""
    host, port = studio.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    data = json.dumps(body).encode()
    head = f"POST /foundationModels/v1/completion HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n"
    head += f"authorization: Api-Key {SECRET}\r\ncontent-length: {len(data)}\r\n\r\n"
    writer.write(head.encode() + data)
    got, was_reset = b"", False
    try:
        while piece := await reader.read(65_536):
            got += piece
    except ConnectionResetError:
        was_reset = True
    writer.close()
    return got, was_reset


@pytest.mark.parametrize(("after", "sent"), [(0, 0), (2, 2), (-1, 3), (9, 4)])
@pytest.mark.parametrize("cut", ["reset", "fin", "short", "clean"])
async def test_a_stream_breaks_off_where_it_should(cut: Any, after: int, sent: int) -> None:
    async with running() as (studio, _):
        studio.script(["a", "b", "c", "d"])
        studio.fail_next("completion", cut=cut, after_chunks=after)
        got, was_reset = await raw_answer(studio, ask(stream=True))
    assert was_reset is (cut == "reset")
    if not was_reset:
        assert got.count(b'{"result"') == sent
    assert got.endswith(b"0\r\n\r\n") is (cut == "clean")
    assert (b"Content-Length: 50000000" in got) is (cut == "short")


async def test_a_whole_answer_may_end_short() -> None:
    async with running() as (studio, session):
        studio.fail_next("completion", status=200, cut="short", body='{"result":')
        with pytest.raises(aiohttp.ClientError):
            await completion(session, ask())


async def test_a_connection_may_break_before_any_answer() -> None:
    async with running() as (studio, session):
        studio.fail_next("*", cut="reset")
        with pytest.raises(aiohttp.ClientError):
            await completion(session, ask())
        assert (await completion(session, ask()))[0] == 200


async def test_an_error_may_come_inside_a_stream() -> None:
    async with running() as (studio, session):
        studio.script(["a", "b"])
        studio.fail_next("completion", status=429, after_chunks=1)
        status, lines = await completion(session, ask(stream=True))
    assert status == 200
    assert spoken(lines[:1]) == ["a"]
    assert lines[1]["error"]["grpcCode"] == 8


async def test_lines_and_letters_may_be_torn_apart_without_being_changed() -> None:
    async with running() as (studio, session):
        studio.source.split, studio.texts.blank_lines = 3, True
        studio.script("Утконос — зверь 🦆, да.")
        pieces = 0
        async with session.post("/foundationModels/v1/completion", json=ask(stream=True), headers=KEY) as response:
            raw = b""
            async for data, _ in response.content.iter_chunks():
                raw += data
                pieces += 1
    lines = [json.loads(line) for line in raw.split(b"\n") if line]
    assert spoken(lines)[-1] == "Утконос — зверь 🦆, да."
    assert pieces > 20
    assert b"\n\n" in raw


async def test_the_content_filter_is_a_status_and_replaces_the_text() -> None:
    async with running() as (studio, session):
        studio.set_faults({"filter": 1.0})
        studio.answer(lambda messages: "word " * 60)
        status, lines = await completion(session, ask(stream=True))
        studio.set_faults({"filter": 0.0})
        _, asked = await completion(session, ask("a forbidden topic, please"))
    assert status == 200
    last = lines[-1]["result"]["alternatives"][0]
    assert last["status"] == "ALTERNATIVE_STATUS_CONTENT_FILTER"
    assert not last["message"]["text"].startswith("word")
    assert len(lines) > 1
    assert asked[0]["result"]["alternatives"][0]["status"] == "ALTERNATIVE_STATUS_CONTENT_FILTER"


async def test_answers_may_be_given_to_the_last_byte() -> None:
    async with running() as (studio, session):
        studio.script(
            Answer(("abc", "ab", "xyz"), cumulative=True, usage={"totalTokens": "-1"}),
            Answer(("tail",), status="UNSPECIFIED", usage={}),
            Answer(raw=(b'{"result":', b"{}}\n")),
        )
        _, first = await completion(session, ask(stream=True))
        _, second = await completion(session, ask(stream=True))
        _, third = await completion(session, ask(stream=True))
    assert spoken(first) == ["abc", "ab", "xyz"]
    assert first[0]["result"]["usage"] == {"totalTokens": "-1"}
    assert "usage" not in second[0]["result"]
    assert third == [{"result": {}}]


async def test_requests_are_kept_without_the_key() -> None:
    async with running() as (studio, session):
        headers = {**KEY, "x-data-logging-enabled": "false", "x-client-request-id": "abc"}
        async with session.post("/foundationModels/v1/completion", json=ask(), headers=headers) as response:
            assert response.headers["server"] == "ycalb"
            assert response.headers["x-client-request-id"] == "abc"
            assert len(response.headers["x-server-trace-id"].split(":")) == 4
    [seen] = studio.seen("completion")
    assert seen.headers["authorization"] == "Api-Key"
    assert seen.headers["x-data-logging-enabled"] == "false"
    assert seen.body == ask()
    assert seen.status == 200


async def test_every_call_is_in_the_journal_without_secrets() -> None:
    hub = Hub()
    async with running(hub=hub) as (_, session):
        await completion(session, ask("a" * 5_000))
        await completion(session, ask(), {"authorization": "Api-Key wrong-secret"})
    assert [(row["lane"], row["name"], row["status"]) for row in hub.entries()] == [
        ("model", "completion", 200),
        ("model", "completion", 401),
    ]
    text = json.dumps(hub.entries())
    assert SECRET not in text
    assert "wrong-secret" not in text
    assert "(5000 characters)" in hub.entries()[0]["detail"]["request"]["messages"][0]["text"]


async def test_sliders_take_only_what_they_know() -> None:
    studio = Studio()
    assert studio.set_faults({"quota429": 0.5})["quota429"] == 0.5
    with pytest.raises(ValueError, match="no fault 'flood'"):
        studio.set_faults({"flood": 0.5})
    with pytest.raises(ValueError, match="from 0 to 1"):
        studio.set_faults({"cut": 2.0})
    assert studio.faults["cut"] == 0.0


async def test_a_slider_spoils_its_share_of_calls() -> None:
    async with running() as (studio, session):
        studio.set_faults({"error500": 1.0})
        assert (await completion(session, ask()))[0] == 500
        studio.set_faults({"error500": 0.0, "quota429": 0.5})
        found = {(await completion(session, ask()))[0] for _ in range(30)}
    assert found == {200, 429}


async def test_what_is_not_built_says_so_in_the_right_shape() -> None:
    async with running() as (_, session):
        status, found = await post(session, "/v1/batches", {})
        assert (status, found["error"]["code"]) == (501, "501")
