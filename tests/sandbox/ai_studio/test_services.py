"""The sandbox's AI Studio beside native text: the OpenAI-compatible API, pictures, operations, embeddings, tokens."""

from __future__ import annotations

import base64
import io
import json
import math
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from mutagen.oggopus import OggOpus

from bot.sandbox import media
from bot.sandbox.ai_studio.server import SANDBOX_FOLDER, Answer, Studio
from bot.sandbox.ai_studio.services.art import REFUSAL
from tests.support.virtual import VirtualClock

SECRET = "a-key-of-this-test"
KEY = {"authorization": f"Api-Key {SECRET}"}
YANDEX = f"gpt://{SANDBOX_FOLDER}/yandexgpt/rc"
QWEN = f"gpt://{SANDBOX_FOLDER}/qwen3-235b-a22b-fp8/latest"
ART = "/foundationModels/v1/imageGenerationAsync"
Json = dict[str, Any]

# Recorded in September 2025, shortened; ids and times replaced by X and 0.
RECORDED_YANDEX = [
    {"id": "X", "object": "chat.completion.chunk", "created": 0, "model": YANDEX, "choices": [
        {"index": 0, "delta": {"role": "assistant", "content": "The"}}]},
    {"id": "X", "object": "chat.completion.chunk", "created": 0, "model": YANDEX, "choices": [
        {"index": 0, "delta": {"content": " result of 7@8 is -5."}, "finish_reason": "stop"}]},
]  # fmt: skip
OPEN: Json = {
    "id": "X", "object": "chat.completion.chunk", "created": 0, "model": "gpt://qwen3-235b-a22b-fp8/latest"
}  # fmt: skip
RECORDED_QWEN = [
    {**OPEN, "choices": [{"index": 0, "delta": {"role": "assistant"}}]},
    {**OPEN, "choices": [{"index": 0, "delta": {"content": "Hello"}}]},
    {**OPEN, "choices": [{"index": 0, "delta": {"content": "!"}}]},
    {**OPEN, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    {**OPEN, "choices": [], "usage": {"prompt_tokens": 20, "total_tokens": 22, "completion_tokens": 2}},
]
RECORDED_WHOLE = (
    '{"id":"chatcmpl-b4","object":"chat.completion","created":1758047016,"model":"gpt://qwen3-235b-a22b-fp8/latest",'
    '"choices":[{"index":0,"message":{"role":"assistant","content":"Hello!"},"finish_reason":"stop"}],'
    '"usage":{"prompt_tokens":9,"total_tokens":21,"completion_tokens":12}}\n'
)


@asynccontextmanager
async def running(*, strict_hosts: bool = False, **options: Any) -> AsyncIterator[tuple[Studio, aiohttp.ClientSession]]:
    studio = Studio(keys=(SECRET,), **options)
    studio.access.serve("2025", "today")
    studio.operations.strict_hosts = strict_hosts
    await studio.start()
    try:
        async with aiohttp.ClientSession(studio.url, headers=KEY) as session:
            yield studio, session
    finally:
        await studio.close()


async def post(session: aiohttp.ClientSession, path: str, body: Any) -> tuple[int, Json]:
    async with session.post(path, json=body) as response:
        return response.status, await response.json()


async def get(session: aiohttp.ClientSession, path: str, **headers: str) -> tuple[int, Json]:
    async with session.get(path, headers=headers) as response:
        return response.status, await response.json()


async def events(session: aiohttp.ClientSession, model: str) -> tuple[list[Json], bool]:
    """The events of a chat stream with ids and times made equal, and whether `[DONE]` came."""
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}], "stream": True}
    async with session.post("/v1/chat/completions", json=body) as response:
        assert response.content_type == "text/event-stream"
        lines = [line.strip().removeprefix(b"data: ") async for line in response.content if line.strip()]
    found = [json.loads(line) for line in lines if line != b"[DONE]"]
    return [{**event, "id": "X", "created": 0} for event in found], lines[-1:] == [b"[DONE]"]


def art(text: str = "a fox", **options: Any) -> Json:
    uri = f"art://{SANDBOX_FOLDER}/yandex-art/latest"
    return {"modelUri": uri, "messages": [{"text": text, "weight": "1"}], "generationOptions": options}


# --- the OpenAI-compatible API


async def test_yandex_models_stream_in_their_recorded_dialect() -> None:
    async with running() as (studio, session):
        studio.script("The result of 7@8 is -5.")
        assert await events(session, YANDEX) == (RECORDED_YANDEX, True)


async def test_open_models_stream_in_their_recorded_dialect() -> None:
    async with running() as (studio, session):
        studio.script("Hello!")
        found, done = await events(session, QWEN)
    found[-1]["usage"] = RECORDED_QWEN[-1]["usage"]
    assert found == RECORDED_QWEN
    assert done


async def test_the_quirks_of_a_stream_can_be_asked_for() -> None:
    async with running() as (studio, session):
        studio.script(Answer(("a", "b"), quirks=frozenset({"no_done", "no_usage", "no_finish"})))
        found, done = await events(session, QWEN)
    assert [event["choices"][0]["delta"].get("content") for event in found] == [None, "a", "b"]
    assert not done


async def test_a_whole_chat_answer_has_the_recorded_shape() -> None:
    body = {"model": QWEN, "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]}
    async with running() as (studio, session):
        studio.script("Hello!")
        async with session.post("/v1/chat/completions", json=body) as response:
            raw = await response.text()
            assert response.headers["access-control-allow-origin"] == "*"
    recorded, found = json.loads(RECORDED_WHOLE), json.loads(raw)
    assert raw.endswith("}\n")
    assert found["choices"] == recorded["choices"]
    assert list(found) == list(recorded)
    assert found["usage"].keys() == recorded["usage"].keys()


async def test_bare_model_names_and_foreign_parts_are_refused() -> None:
    message = [{"role": "user", "content": "hi"}]
    async with running() as (_, session):
        status, found = await post(session, "/v1/chat/completions", {"model": "yandexgpt", "messages": message})
        assert (status, "Failed to parse model URI" in found["error"]["message"]) == (400, True)
        schema = {"type": "json_schema", "json_schema": {"schema": {}}}
        body = {"model": YANDEX, "messages": message, "response_format": schema}
        assert (await post(session, "/v1/chat/completions", body))[0] == 400


async def test_models_are_listed_for_the_folder() -> None:
    async with running() as (_, session):
        _, found = await get(session, "/v1/models", **{"OpenAI-Project": SANDBOX_FOLDER})
        status, _ = await get(session, "/v1/models", **{"OpenAI-Project": "b1gother"})
    row = {"id": f"gpt://{SANDBOX_FOLDER}/gpt-oss-20b/latest", "object": "model", "owned_by": "OpenAI", "created": 0}
    assert row in found["data"]
    assert {entry["id"].partition(":")[0] for entry in found["data"]} == {"gpt", "emb", "art"}
    assert status == 400


async def test_an_answer_in_json_fits_the_schema_that_stands_in_the_prompt() -> None:
    schema = {"type": "object", "properties": {"people": {"type": "integer"}}, "required": ["people"]}
    told = {"role": "system", "content": "Answer by {this} schema:\n" + json.dumps(schema)}
    asked = {"role": "user", "content": "Omsk has 1104000"}
    form = {"response_format": {"type": "json_object"}}
    async with running() as (_, session):
        _, one = await post(session, "/v1/chat/completions", {"model": YANDEX, "messages": [told, asked], **form})
        _, two = await post(session, "/v1/chat/completions", {"model": YANDEX, "messages": [asked], **form})
        body = {"model": YANDEX, "input": [told, asked], "text": {"format": {"type": "json_object"}}}
        _, three = await post(session, "/v1/responses", body)
        native = {"modelUri": YANDEX, "messages": [{"role": "user", "text": "Omsk"}], "jsonObject": True}
        _, four = await post(session, "/foundationModels/v1/completion", native)
    assert [json.loads(found["choices"][0]["message"]["content"]) for found in (one, two)] == [
        {"people": 1104000}, {"answer": "Omsk has 1104000"}
    ]  # fmt: skip
    assert json.loads(three["output_text"]) == {"people": 1104000}
    assert json.loads(four["result"]["alternatives"][0]["message"]["text"]) == {"answer": "Omsk"}


# --- operations and pictures


async def test_an_asynchronous_text_is_an_operation() -> None:
    async with running() as (studio, session):
        studio.operations.polls["text"] = 1
        studio.script("done at last")
        body = {
            "modelUri": f"gpt://{SANDBOX_FOLDER}/yandexgpt", "messages": [{"role": "user", "text": "ping"}]
        }  # fmt: skip
        _, opened = await post(session, "/foundationModels/v1/completionAsync", body)
        _, pending = await get(session, f"/operations/{opened['id']}")
        _, done = await get(session, f"/operations/{opened['id']}")
    assert opened["id"].startswith("d7q")
    assert len(opened["id"]) == 20
    assert opened["metadata"] is None
    assert opened["description"] == "Async GPT Completion"
    assert (pending["done"], "response" in pending, "error" in pending) == (False, False, False)
    assert done["done"] is True
    assert done["response"]["@type"].endswith("foundation_models.v1.CompletionResponse")
    assert done["response"]["alternatives"][0]["message"]["text"] == "done at last"
    assert done["createdAt"].endswith("Z")


async def test_a_picture_waits_its_time_and_is_a_jpeg() -> None:
    clock = VirtualClock(start=1_000_000.0)
    async with running(clock=clock) as (studio, session):
        studio.operations.seconds["art"] = 3.0
        _, opened = await post(session, ART, art(seed="7", aspectRatio={"widthRatio": "1", "heightRatio": "1"}))
        _, pending = await get(session, f"/operations/{opened['id']}")
        clock.now += 3
        _, done = await get(session, f"/operations/{opened['id']}")
        clock.now += 12 * 3_600
        gone, _ = await get(session, f"/operations/{opened['id']}")
    assert (opened["id"][:3], opened["createdAt"], opened["description"]) == ("fbv", None, "")
    assert pending["done"] is False
    assert done["response"]["@type"].endswith("image_generation.ImageGenerationResponse")
    assert done["response"]["modelVersion"] == ""
    assert done["response"]["image"].startswith("/9j/4AAQ")
    assert base64.b64decode(done["response"]["image"], validate=True).endswith(b"\xff\xd9")
    assert gone == 404
    assert studio.bought == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"messages": [{"text": "a" * 501}]}, "Prompt positive size 501 exceeds limit 500"),
        ({"messages": [{"text": "a" * 300}, {"text": "b" * 300}]}, "exceeds limit"),
        ({"messages": [{"text": "a", "weight": -1}]}, "negative weights"),
        ({"messages": [{"text": "сцена насилия"}]}, REFUSAL),
        ({"generationOptions": {"mimeType": "image/png"}}, "image/jpeg"),
        ({"generationOptions": {"aspectRatio": {"widthRatio": "-1"}}}, "aspect ratio"),
        ({"modelUri": f"gpt://{SANDBOX_FOLDER}/yandex-art"}, "invalid model_uri"),
    ],
)
async def test_pictures_that_are_refused_cost_nothing(change: Json, words: str) -> None:
    async with running() as (studio, session):
        status, found = await post(session, ART, {**art(), **change})
    assert (status, found["code"]) == (400, 3)
    assert words in found["error"]
    assert studio.bought == 0


async def test_pictures_may_come_to_a_bad_end() -> None:
    async with running() as (studio, session):
        studio.paint("never", "refused", "no_image", "not_base64", b"GIF89a")
        found = []
        for _ in range(5):
            _, opened = await post(session, ART, art())
            found.append((await get(session, f"/operations/{opened['id']}"))[1])
    assert [operation["done"] for operation in found] == [False, True, True, True, True]
    assert found[1]["error"] == {"code": 3, "message": REFUSAL, "details": []}
    assert "image" not in found[2]["response"]
    assert found[3]["response"]["image"].startswith("&")
    assert base64.b64decode(found[4]["response"]["image"]) == b"GIF89a"


async def test_cancelling_is_a_get_and_ends_the_operation() -> None:
    async with running() as (studio, session):
        studio.paint("never")
        _, opened = await post(session, ART, art())
        _, cancelled = await get(session, f"/operations/{opened['id']}:cancel")
        _, after = await get(session, f"/operations/{opened['id']}")
    assert (cancelled["done"], cancelled["error"]["code"]) == (True, 1)
    assert after["error"] == cancelled["error"]


async def test_strict_hosts_know_only_their_own_operations() -> None:
    async with running(strict_hosts=True) as (studio, session):
        _, opened = await post(session, ART, art())
        right, _ = await get(session, f"{studio.url}/operations/{opened['id']}")
        wrong, _ = await get(session, f"{studio.operation_url}/operations/{opened['id']}")
    assert (right, wrong) == (200, 404)


# --- quotas


async def test_rates_refuse_what_is_too_much_and_forget_with_time() -> None:
    clock = VirtualClock(start=1_000_000.0)
    uri = f"emb://{SANDBOX_FOLDER}/text-search-doc/latest"
    async with running(clock=clock) as (studio, session):
        path, body = "/foundationModels/v1/textEmbedding", {"modelUri": uri, "text": "hello"}
        found = [(await post(session, path, body))[0] for _ in range(11)]
        clock.now += 1
        found.append((await post(session, path, body))[0])
        studio.quotas.enabled = False
        found += [(await post(session, path, body))[0] for _ in range(11)]
    assert found == [200] * 10 + [429] + [200] * 12


async def test_a_stream_takes_its_time_by_the_clock() -> None:
    clock = VirtualClock(start=1_000_000.0)
    async with running(clock=clock) as (studio, session):
        studio.speed, studio.ttft = 10.0, 0.5
        studio.script(["a", "b", "c"])
        await events(session, YANDEX)
        studio.set_faults({"slow": 2.0})
        studio.script(["a", "b"])
        await events(session, YANDEX)
        taken = [round(seconds, 3) for seconds in clock.slept]
        before = len(taken)
        body = {"model": YANDEX, "messages": [{"role": "user", "content": "instant, please"}]}
        await post(session, "/v1/chat/completions", body)
    assert taken == [0.5, 0.1, 0.1, 1.0, 0.2]
    assert len(clock.slept) == before


# --- small services


async def test_embeddings_are_unit_vectors_and_likeness_counts() -> None:
    doc, query = (f"emb://{SANDBOX_FOLDER}/text-search-{kind}/latest" for kind in ("doc", "query"))
    path = "/foundationModels/v1/textEmbedding"
    async with running() as (_, session):
        _, found = await post(session, path, {"modelUri": doc, "text": "как кормить утконоса"})
        _, near = await post(session, path, {"modelUri": query, "text": "чем кормить утконосов"})
        _, far = await post(session, path, {"modelUri": query, "text": "stock exchange"})
        _, openai = await post(session, "/v1/embeddings", {"model": doc, "input": ["как кормить утконоса"]})
    vector = found["embedding"]
    assert len(vector) == 256
    assert math.isclose(sum(value * value for value in vector), 1.0)
    assert found["numTokens"].isdigit()
    likeness = [sum(a * b for a, b in zip(vector, other["embedding"], strict=True)) for other in (near, far)]
    assert likeness[0] > 0.4 > likeness[1]
    assert openai["data"][0]["embedding"] == vector
    assert openai["data"][0].keys() == {"index", "embedding", "object"}


async def test_openai_embeddings_take_lists_of_texts_and_tokens_and_answer_in_base64() -> None:
    model, path = f"emb://{SANDBOX_FOLDER}/text-search-doc/latest", "/v1/embeddings"
    async with running() as (_, session):
        _, texts = await post(session, path, {"model": model, "input": ["one", "two"]})
        _, packed = await post(session, path, {"model": model, "input": "one", "encoding_format": "base64"})
        _, tokens = await post(session, path, {"model": model, "input": [[1, 2], [3]]})
        _, ids = await post(session, path, {"model": model, "input": [1, 2]})
        wrong: list[Json] = [{"input": [None]}, {"input": []}, {"input": "a", "encoding_format": "int8"}, {}]
        refused = [(await post(session, path, {"model": model, **body}))[0] for body in wrong]
    assert [row["index"] for row in texts["data"]] == [0, 1]
    numbers = struct.unpack("<256f", base64.b64decode(packed["data"][0]["embedding"]))
    assert numbers == pytest.approx(texts["data"][0]["embedding"])
    assert len(tokens["data"]) == 2
    assert ids["data"][0]["embedding"] == tokens["data"][0]["embedding"]
    assert texts["usage"] == {"prompt_tokens": 6, "total_tokens": 6}
    assert refused == [400] * 4


async def test_a_recording_without_words_is_heard_in_the_language_of_the_request() -> None:
    recording = io.BytesIO(media.note("words", seconds=2))
    file = OggOpus(recording)
    del file["words"]
    file.save(recording)
    found = []
    async with running() as (_, session):
        for language in ("ru-RU", "en-US"):
            path = f"/speech/v1/stt:recognize?lang={language}&format=oggopus"
            async with session.post(path, data=recording.getvalue()) as response:
                found.append((await response.json())["result"])
    assert found == ["Голосовое сообщение, 2 с.", "A voice note of 2 s."]


async def test_long_speech_comes_as_lines_of_audio() -> None:
    spec = {"containerAudio": {"containerAudioType": "OGG_OPUS"}}
    body = {"text": "A ship is sailing. " * 40, "hints": [{"voice": "alena"}], "outputAudioSpec": spec}
    async with running() as (studio, session):
        async with session.post("/tts/v3/utteranceSynthesis", json=body) as response:
            lines = [json.loads(line) for line in (await response.text()).splitlines()]
        wav, told = await post(session, "/tts/v3/utteranceSynthesis", {"text": "hello"})
        empty, _ = await post(session, "/tts/v3/utteranceSynthesis", {**body, "text": " "})
    note = b"".join(base64.b64decode(line["result"]["audioChunk"]["data"]) for line in lines)
    assert media.words(note) == body["text"]
    assert studio.speech.spoken == [body["text"]]
    assert (wav, empty) == (501, 400)
    assert "OGG_OPUS only" in told["error"]["message"]


async def test_pages_may_be_searched_for_later_and_pictures_at_once() -> None:
    body = {"query": {"searchType": "SEARCH_TYPE_RU", "queryText": "утконос"}, "folderId": SANDBOX_FOLDER}
    async with running() as (_, session):
        _, opened = await post(session, "/v2/web/searchAsync", body)
        _, done = await get(session, f"/operations/{opened['id']}")
        _, pages = await post(session, "/v2/web/search", body)
        _, pictures = await post(session, "/v2/image/search", body)
        refused, _ = await post(session, "/v2/image/search", {**body, "query": {}})
    assert opened["done"] is False
    assert done["response"]["rawData"] == pages["rawData"]
    assert "утконос" in base64.b64decode(pages["rawData"]).decode()
    assert (
        "<image-link>https://encyclopedia.example/articlepicture.jpg</image-link>"
        in base64.b64decode(pictures["rawData"]).decode()
    )
    assert refused == 400


async def test_a_path_that_does_not_exist_is_never_200_and_names_what_there_is() -> None:
    async with running() as (_, session):
        for method, path in (
            ("GET", "/"), ("GET", "/v1/responses"), ("POST", "/v1/batches"), ("DELETE", "/v1/models"), ("PUT", "/v1/x"),
            ("POST", "/v1/chat/complettions"), ("GET", "/speech/v1/x"), ("POST", "/foundationModels/v1/x"),
        ):  # fmt: skip
            async with session.request(method, path, data=b"no json", headers={"authorization": ""}) as response:
                assert response.status == 501, path
                assert f"the sandbox has no {method} {path}; among others it has " in await response.text()
        _, near = await post(session, "/v1/chat/complettions", {})
    assert near["error"]["message"].partition("among others it has ")[2].startswith("POST /v1/chat/completions, ")


async def test_a_classifier_gives_labels_in_order_with_confidences() -> None:
    body = {"modelUri": f"cls://{SANDBOX_FOLDER}/yandexgpt/latest", "labels": ["bar", "foo"], "text": "foo"}
    async with running() as (_, session):
        _, found = await post(session, "/foundationModels/v1/fewShotTextClassification", body)
        status, told = await post(session, "/foundationModels/v1/fewShotTextClassification", body)
    first, second = found["predictions"]
    assert (first["label"], second["label"]) == ("bar", "foo")
    assert second["confidence"] > 0.9
    assert found["modelVersion"] == "23.10.2024"
    assert found["inputTokens"].isdigit()
    assert (status, told["code"]) == (429, 8)


def proof(key: RSAKey, now: float, **change: Any) -> str:
    claims: Json = {"iss": "ajeservice", "aud": "https://iam.api.cloud.yandex.net/iam/v1/tokens"}
    claims |= {"iat": int(now), "exp": int(now) + 3_600, **change}
    return jwt.encode({"typ": "JWT", "alg": "PS256", "kid": "aje1"}, claims, key, algorithms=["PS256"])


async def test_a_signed_jwt_buys_a_token_that_opens_the_door_for_half_a_day() -> None:
    key, other = (RSAKey.generate_key() for _ in range(2))
    clock = VirtualClock(start=1_000_000.0)
    async with running(clock=clock) as (studio, session):
        studio.iam.public_keys["aje1"] = RSAKey.import_key(key.public_key)
        _, found = await post(session, "/iam/v1/tokens", {"jwt": proof(key, clock.time())})
        bearer = {"authorization": f"Bearer {found['iamToken']}"}
        opened, _ = await get(session, "/v1/models", **bearer)
        clock.now += 12 * 3_600
        closed, _ = await get(session, "/v1/models", **bearer)
        bad = [
            proof(other, clock.time()),
            proof(key, clock.time(), exp=int(clock.time()) + 3_601),
            proof(key, clock.time(), aud="https://elsewhere"),
            proof(key, clock.time() - 7_200),
        ]
        statuses = [(await post(session, "/iam/v1/tokens", {"jwt": text}))[0] for text in bad]
        broken, _ = await post(session, "/iam/v1/tokens", {"jwt": "a.b"})
    assert found["iamToken"].startswith("t1.")
    assert found["expiresAt"] == "1970-01-13T01:46:40.000Z"
    assert (opened, closed) == (200, 401)
    assert statuses == [401] * 4
    assert broken == 400


async def test_the_metadata_service_wants_its_header() -> None:
    path = "/computeMetadata/v1/instance/service-accounts/default/token"
    async with running() as (_, session):
        status, found = await get(session, path, **{"Metadata-Flavor": "Google"})
        refused, _ = await get(session, path)
    assert (status, refused) == (200, 403)
    assert found["token_type"] == "Bearer"
    assert found["expires_in"] > 3_600
