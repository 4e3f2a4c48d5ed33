"""The Responses API of the sandbox's AI Studio: events of a stream, dialogues that the server keeps, conversations."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from bot.sandbox.ai_studio.server import SANDBOX_FOLDER, Answer, Studio

SECRET = "a-key-of-this-test"
MODEL = f"gpt://{SANDBOX_FOLDER}/yandexgpt/latest"
THINKER = f"gpt://{SANDBOX_FOLDER}/gpt-oss-120b/latest"
PATH = "/v1/responses"
Json = dict[str, Any]


@asynccontextmanager
async def running() -> AsyncIterator[tuple[Studio, aiohttp.ClientSession]]:
    studio = Studio(keys=(SECRET,))
    studio.access.serve("2025", "today")
    await studio.start()
    try:
        async with aiohttp.ClientSession(studio.url, headers={"authorization": f"Bearer {SECRET}"}) as session:
            yield studio, session
    finally:
        await studio.close()


async def call(session: aiohttp.ClientSession, method: str, path: str, body: Json | None = None) -> tuple[int, Json]:
    async with session.request(method, path, json=body) as response:
        return response.status, await response.json()


async def ask(session: aiohttp.ClientSession, text: Any, **rest: Any) -> tuple[int, Json]:
    return await call(session, "POST", PATH, {"model": MODEL, "input": text, **rest})


async def streamed(session: aiohttp.ClientSession, text: str, **rest: Any) -> list[Json]:
    body = {"model": MODEL, "input": text, "stream": True, **rest}
    async with session.post(PATH, json=body) as response:
        lines = (await response.text()).splitlines()
    found = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    assert [line.removeprefix("event: ") for line in lines if line.startswith("event: ")] == kinds(found)
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    return found


def kinds(events: list[Json]) -> list[str]:
    return [event["type"] for event in events]


def built(events: list[Json]) -> list[Json]:
    """The output as a client builds it from the events, without looking at the last one."""
    output: list[Json] = []
    for event in events:
        kind, index = event["type"].removeprefix("response."), int(event.get("output_index", -1))
        if kind == "output_item.added":
            assert index == len(output)
            output.append(json.loads(json.dumps(event["item"])))
        elif kind == "content_part.added":
            assert event["item_id"] == output[index]["id"]
            output[index]["content"].append(dict(event["part"]))
        elif kind in ("output_text.delta", "reasoning_text.delta"):
            output[index]["content"][event["content_index"]]["text"] += event["delta"]
        elif kind == "output_text.annotation.added":
            output[index]["content"][0]["annotations"].insert(event["annotation_index"], event["annotation"])
        elif kind == "function_call_arguments.delta":
            output[index]["arguments"] += event["delta"]
        elif kind == "output_item.done":
            output[index]["status"] = event["item"]["status"]
            assert output[index] == event["item"]
    return output


# --- streams


async def test_a_stream_has_the_events_of_a_message_and_they_build_the_response() -> None:
    async with running() as (studio, session):
        studio.script("Good day to you!")
        found = await streamed(session, "hi", instructions="be kind", temperature=0.1)
    message = ["output_item.added", "content_part.added", "output_text.delta", "output_text.delta", "output_text.done"]
    names = ["created", "in_progress", *message, "content_part.done", "output_item.done", "completed"]
    assert kinds(found) == [f"response.{name}" for name in names]
    response = found[-1]["response"]
    assert built(found) == response["output"]
    assert response["output_text"] == "Good day to you!"
    assert (response["instructions"], response["temperature"], response["store"]) == ("be kind", 0.1, True)
    assert response["usage"]["input_tokens_details"] == {"cached_tokens": 0}
    assert found[0]["response"]["output"] == []


async def test_a_search_and_thoughts_are_items_before_the_message() -> None:
    async with running() as (_, session):
        found = await streamed(session, "news?", model=THINKER, tools=[{"type": "web_search"}])
    output = found[-1]["response"]["output"]
    assert built(found) == output
    assert [item["type"] for item in output] == ["web_search_call", "reasoning", "message"]
    assert output[0]["action"]["query"] == "news?"
    assert output[1]["content"][0]["text"]
    assert [note["url"] for note in output[2]["content"][0]["annotations"]] == [
        "https://example.com/news", "https://ya.ru/"
    ]  # fmt: skip


async def test_the_arguments_of_a_call_are_streamed() -> None:
    async with running() as (studio, session):
        studio.script(Answer(calls=(("weather", {"city": "Владивосток"}), ("clock", {}))))
        found = await streamed(session, "hi")
    first, second = found[-1]["response"]["output"]
    assert built(found) == [first, second]
    assert (first["type"], first["name"], json.loads(first["arguments"])) == (
        "function_call", "weather", {"city": "Владивосток"}
    )  # fmt: skip
    assert second["arguments"] == "{}"
    assert first["id"] != second["id"]


async def test_an_answer_that_was_cut_is_incomplete() -> None:
    async with running() as (studio, session):
        studio.script("one two three four five six seven")
        found = await streamed(session, "hi", max_output_tokens=3)
    assert found[-1]["type"] == "response.incomplete"
    assert found[-1]["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert found[-1]["response"]["output"][0]["status"] == "incomplete"


# --- dialogues


async def test_a_response_goes_on_from_a_previous_one_without_its_instructions() -> None:
    async with running() as (studio, session):
        seen: list[list[dict[str, str]]] = []
        studio.answer(lambda messages: seen.append(messages) or f"answer {len(seen)}")  # type: ignore[func-returns-value]
        _, first = await ask(session, "I am Ann", instructions="be short")
        streamed_second = (await streamed(session, "And you?", previous_response_id=first["id"]))[-1]["response"]
        _, third = await ask(session, "Bye", previous_response_id=streamed_second["id"])
        _, items = await call(session, "GET", f"{PATH}/{third['id']}/input_items")
        _, tokens = await call(session, "POST", f"{PATH}/input_tokens", {"model": MODEL, "input": "hi"})
    assert [said["role"] for said in seen[2]] == ["user", "assistant"] * 2 + ["user"]
    assert [said["text"] for said in seen[2]] == ["I am Ann", "answer 1", "And you?", "answer 2", "Bye"]
    assert third["previous_response_id"] == streamed_second["id"]
    assert [item["content"][0]["text"] for item in items["data"]] == ["Bye"]
    assert tokens == {"object": "response.input_tokens", "input_tokens": 15}


async def test_the_result_of_a_tool_finds_its_call_in_the_previous_response() -> None:
    tool = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}}
    async with running() as (_, session):
        _, first = await ask(session, "what is the weather?", tools=[tool])
        result = {"type": "function_call_output", "call_id": first["output"][0]["call_id"], "output": "snow"}
        _, second = await ask(session, [result], tools=[tool], previous_response_id=first["id"])
        alone, _ = await ask(session, [result], tools=[tool])
    assert "snow" in second["output_text"]
    assert alone == 400


async def test_what_is_not_kept_cannot_be_gone_on_from() -> None:
    async with running() as (studio, session):
        _, unkept = await ask(session, "hi", store=False)
        _, kept = await ask(session, "hi")
        _, gone = await call(session, "DELETE", f"{PATH}/{kept['id']}")
        _, filtered = await ask(session, "a forbidden topic, please")
        studio.responses.polls = 9
        _, running_one = await ask(session, "hi", background=True)
        told = {
            name: await ask(session, "again", previous_response_id=id)
            for name, id in (
                ("never", "nothing"), ("store: false", unkept["id"]), ("deleted", kept["id"]),
                ("filtered", filtered["id"]), ("in progress", running_one["id"]),
            )
        }  # fmt: skip
        fetched, _ = await call(session, "GET", f"{PATH}/{unkept['id']}")
        both, _ = await ask(session, "hi", background=True, store=False)
    assert gone == {"id": kept["id"], "object": "response", "deleted": True}
    assert {name: status for name, (status, _) in told.items()} == dict.fromkeys(told, 400)
    assert told["never"][1]["error"]["message"] == "Previous response with id 'nothing' not found."
    assert (fetched, both) == (404, 400)


async def test_a_conversation_keeps_what_was_asked_and_answered() -> None:
    path = "/v1/conversations"
    async with running() as (studio, session):
        seen: list[list[dict[str, str]]] = []
        studio.answer(lambda messages: seen.append(messages) or f"answer {len(seen)}")  # type: ignore[func-returns-value]
        begun = {"items": [{"role": "user", "content": "I am Ann"}], "metadata": {"topic": "names"}}
        _, made = await call(session, "POST", path, begun)
        one = f"{path}/{made['id']}"
        _, first = await ask(session, "Who am I?", conversation=made["id"])
        await streamed(session, "Really?", conversation={"id": made["id"]})
        _, newest = await call(session, "GET", f"{one}/items?limit=2")
        _, rest = await call(session, "GET", f"{one}/items?after={newest['last_id']}")
        _, item = await call(session, "GET", f"{one}/items/{newest['first_id']}")
        await call(session, "DELETE", f"{one}/items/{newest['first_id']}")
        await call(session, "POST", f"{one}/items", {"items": [{"role": "user", "content": "Bye"}]})
        _, all_items = await call(session, "GET", f"{one}/items?order=asc")
        _, changed = await call(session, "POST", one, {"metadata": {}})
        _, found = await call(session, "GET", one)
        both, _ = await ask(session, "hi", conversation=made["id"], previous_response_id=first["id"])
        _, deleted = await call(session, "DELETE", one)
        unknown = [
            (await call(session, "GET", one))[0],
            (await call(session, "GET", f"{one}/items/x"))[0],
            (await ask(session, "hi", conversation=made["id"]))[0],
        ]
    assert first["conversation"] == {"id": made["id"]}
    assert [said["text"] for said in seen[1]] == ["I am Ann", "Who am I?", "answer 1", "Really?"]
    assert [row["content"][0]["text"] for row in newest["data"]] == ["answer 2", "Really?"]
    assert [row["content"][0]["text"] for row in rest["data"]] == ["answer 1", "Who am I?", "I am Ann"]
    assert (newest["has_more"], rest["has_more"]) == (True, False)
    assert item == newest["data"][0]
    assert [row["content"][0]["text"] for row in all_items["data"]][-2:] == ["Really?", "Bye"]
    assert (made["metadata"], changed["metadata"], found) == ({"topic": "names"}, {}, changed)
    assert (both, deleted["deleted"], unknown) == (400, True, [404] * 3)


async def test_an_item_may_be_named_by_its_id() -> None:
    async with running() as (studio, session):
        _, first = await ask(session, "I am Ann")
        studio.script("Ann")
        reference = {"type": "item_reference", "id": first["output"][0]["id"]}
        known, _ = await ask(session, [reference, {"role": "user", "content": "hi"}])
        unknown, _ = await ask(session, [{"type": "item_reference", "id": "nothing"}])
    assert (known, unknown) == (200, 400)


async def test_tools_that_the_sandbox_lacks_are_told_not_ignored() -> None:
    async with running() as (_, session):
        status, found = await ask(session, "hi", tools=[{"type": "code_interpreter"}])
        replayed, _ = await call(session, "GET", f"{PATH}/{(await ask(session, 'hi'))[1]['id']}?stream=true")
    assert (status, replayed) == (501, 501)
    assert (
        found["error"]["message"]
        == "the sandbox has no tool 'code_interpreter'; it has function, web_search and file_search"
    )
