"""The vendor's own client, unchanged, against the sandbox's AI Studio: what it can do there, ours can as well.

Only its address is another: `endpoint=YC_GRPC_ADDRESS, verify=False`. Its chat completions it sends by HTTP to an
address that it knows by heart, unless `service_map` names another.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from bot.sandbox import media
from bot.sandbox.ai_studio.grpc.server import GrpcServer
from bot.sandbox.ai_studio.server import SANDBOX_FOLDER, Studio
from bot.sandbox.ai_studio.services.embeddings import TunedClassifier

pytestmark = [
    pytest.mark.disk,
    pytest.mark.filterwarnings("ignore"),  # the client's own, not ours to mend
]
sdks = pytest.importorskip("yandex_ai_studio_sdk")
KEY = "a-key-of-this-test"
SOON = 0.3  # seconds that a validation, a run and a tuning take
POLL = 0.1  # seconds between two looks of the client
TALE = "One word after another makes an answer. " * 5
CLASSES = {"task_description": "What is it about?", "labels": ["Returns", "Delivery"]}
SAMPLES = [{"text": "money back", "label": "Returns"}, {"text": "where is my parcel", "label": "Delivery"}]


class Client:
    """The vendor's client, and the sandbox that it asks."""

    def __init__(self, studio: Studio, server: GrpcServer) -> None:
        self.studio = studio
        self.server = server
        self.sdk = self.with_key(KEY)

    def with_key(self, key: str, **given: Any) -> Any:
        from yandex_ai_studio_sdk.auth import APIKeyAuth

        return sdks.AsyncAIStudio(
            folder_id=SANDBOX_FOLDER, auth=APIKeyAuth(key), endpoint=self.server.address, verify=False, **given
        )

    @property
    def text(self) -> Any:
        return self.sdk.models.completions("yandexgpt")


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    studio = Studio(keys=(KEY,), quotas=False)
    await studio.start()
    try:
        async with asyncio.timeout(60):
            yield Client(studio, await studio.start_grpc())
    finally:
        await studio.close()


# --- texts ------------------------------------------------------------------------------------------------------------


async def test_it_gets_an_answer_whole(client: Client) -> None:
    client.studio.script("Good day!")
    answer = await client.text.configure(temperature=0.2, max_tokens=50).run("hello")
    assert (answer.text, answer.status.name) == ("Good day!", "FINAL")
    assert answer.usage.total_tokens > 10
    [seen] = client.studio.seen("completion")
    assert seen.body["completionOptions"] == {"temperature": 0.2, "maxTokens": "50"}


async def test_it_gets_an_answer_piece_by_piece(client: Client) -> None:
    client.studio.script(TALE)
    texts = [answer.text async for answer in client.text.run_stream("hello")]
    assert texts[-1] == TALE
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(texts))
    assert len(texts) > 5


async def test_it_gets_an_answer_later(client: Client) -> None:
    client.studio.operations.polls["text"] = 1
    client.studio.script("Good day!")
    operation = await client.text.run_deferred("hello")
    assert (await operation.wait(poll_interval=POLL)).text == "Good day!"
    assert len(client.studio.seen("operation")) == 2


async def test_it_takes_an_operation_back(client: Client) -> None:
    client.studio.operations.polls["text"] = 100
    operation = await client.text.run_deferred("hello")
    await operation.cancel()
    status = await operation.get_status()
    assert status.is_failed


async def test_it_has_a_tool_called_and_an_object_of_a_schema_written(client: Client) -> None:
    function = client.sdk.tools.function(
        name="calculator", description="Counts",
        parameters={"type": "object", "properties": {"expression": {"type": "string"}}, "required": ["expression"]},
    )  # fmt: skip
    called = await client.text.configure(tools=[function]).run("How much is 7 * 8?")
    [call] = called.tool_calls
    assert (call.function.name, call.function.arguments) == ("calculator", {"expression": "7 * 8"})
    schema = {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]}
    form = {"name": "sum", "json_schema": schema}
    assert "sum" in json.loads((await client.text.configure(response_format=form).run("7 and 8")).text)


async def test_it_counts_tokens(client: Client) -> None:
    tokens = await client.text.tokenize("ping")
    assert [token.text for token in tokens][:4] == ["<s>", "▁Пользователь", ":", "▁ping"]


async def test_it_speaks_the_openai_compatible_api(client: Client) -> None:
    client.studio.script("Good day!", TALE)
    chat = client.with_key(KEY, service_map={"http_completions": f"{client.studio.url}/v1/"}).chat
    assert (await chat.completions("yandexgpt").run("hello")).text == "Good day!"
    deltas = [answer.text async for answer in chat.completions("qwen3.6-35b-a3b").run_stream("hello")]
    assert deltas[-1] == TALE
    names = {model.uri for model in await chat.completions.list()}
    assert f"gpt://{SANDBOX_FOLDER}/yandexgpt/latest" in names


# --- pictures, vectors, labels ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "given"),
    [
        (("yandex-art",), {}),
        ((), {"model_name": "yandex-art", "model_version": "latest"}),
        ((f"art://{SANDBOX_FOLDER}/yandex-art/latest",), {}),
    ],
    ids=["name", "name and version", "uri"],
)
async def test_it_draws(client: Client, names: tuple[str, ...], given: dict[str, str]) -> None:
    client.studio.operations.polls["art"] = 1
    model = client.sdk.models.image_generation(*names, **given).configure(seed=7, width_ratio=2, height_ratio=1)
    operation = await model.run_deferred(["a cat", "a hat"])
    picture = await operation.wait(poll_interval=POLL)
    assert picture.image_bytes.startswith(b"\xff\xd8\xff")
    assert client.studio.bought == 1
    [seen] = client.studio.seen("imageGenerationAsync")
    assert [message["text"] for message in seen.body["messages"]] == ["a cat", "a hat"]


async def test_it_turns_texts_into_vectors(client: Client) -> None:
    vector = await client.sdk.models.text_embeddings("query").run("hello")
    assert (len(vector.embedding), vector.num_tokens) == (256, 3)


async def test_it_finds_labels_with_and_without_samples_and_by_a_tuned_model(client: Client) -> None:
    client.studio.embeddings.tuned["suffix"] = TunedClassifier(
        ("good", "bad"), [{"text": "well done", "label": "good"}]
    )
    model = client.sdk.models.text_classifiers("yandexgpt").configure(**CLASSES)
    zero, few = await model.run("money back"), await model.configure(samples=SAMPLES).run("money back please")
    tuned = client.sdk.models.text_classifiers(f"cls://{SANDBOX_FOLDER}/yandexgpt-lite/latest@suffix")
    found = [await tuned.run("well done"), zero, few]
    assert [answer.predictions[0].label for answer in found] == ["good", "Returns", "Returns"]
    assert few.predictions[0].confidence > 0.9
    assert sum(row.confidence for row in zero.predictions) == pytest.approx(1)


# --- files, search, speech --------------------------------------------------------------------------------------------


async def test_it_keeps_files(client: Client) -> None:
    files = client.sdk.files
    file = await files.upload_bytes(
        b"Lamps \xff", name="lamps.bin", mime_type="application/octet-stream", labels={"a": "b"}
    )
    assert (await files.get(file.id)).name == "lamps.bin"
    assert await file.download_as_bytes() == b"Lamps \xff"
    await file.update(name="light.bin", ttl_days=3, expiration_policy="since_last_active")
    assert (file.name, file.labels, file.expiration_config.ttl_days) == ("light.bin", {"a": "b"}, 3)
    assert file.id in client.studio.vector_stores.files
    assert [one.name async for one in files.list(page_size=1)] == ["light.bin"]
    await file.delete()
    assert [one async for one in files.list()] == []


async def test_it_searches_the_web(client: Client) -> None:
    search = client.sdk.search_api
    found = await search.web("RU").run("lamps")
    assert next(page.url for page in found.docs) == "https://encyclopedia.example/article"
    assert len((await (await search.web("RU").run_deferred("lamps")).wait(poll_interval=POLL)).docs) == 3
    assert (await search.generative(site=["ya.ru"]).run("lamps")).sources[0].used
    assert (await search.image("RU").run("lamps")).docs[0].width == 1024


async def test_it_speaks_and_hears(client: Client) -> None:
    kit = client.sdk.speechkit
    said = await kit.text_to_speech(audio_format="OGG_OPUS").run("good day")
    assert media.words(said.data) == "good day"
    operation = await kit.speech_to_text(audio_format="OGG_OPUS", language_codes="en-US").run_deferred(said.data)
    assert (await operation.wait(poll_interval=POLL)).text == "good day"


# --- refusals ---------------------------------------------------------------------------------------------------------


async def status_of(call: Any) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return f"{caught.value.code().name}: {caught.value.details()}"


async def test_it_is_refused_as_by_http(client: Client) -> None:
    stranger = client.with_key("a-wrong-key").models.completions("yandexgpt")
    assert await status_of(stranger.run("hello")) == "UNAUTHENTICATED: Unknown api key"
    unknown = client.sdk.models.completions("no-such-model")
    assert (await status_of(unknown.run("hello"))).startswith("INVALID_ARGUMENT: Failed to get model")
    client.studio.access.roles.discard("ai.imageGeneration.user")
    assert "ai.imageGeneration.user" in await status_of(
        client.sdk.models.image_generation("yandex-art").run_deferred("a cat")
    )
    refused = client.studio.requests[-1]
    assert (refused.route, refused.status) == ("imageGenerationAsync", 403)


async def test_it_meets_the_failures_that_are_planned_for_http(client: Client) -> None:
    client.studio.fail_next("completion", status=429)
    client.studio.fail_next("completion", cut="reset")
    client.studio.script("Good day!")
    assert (await client.text.run("hello")).text == "Good day!"
    assert [seen.status for seen in client.studio.seen("completion")] == [429, 0, 200]
    client.studio.fail_next("textEmbedding", status=500)
    assert (await status_of(client.sdk.models.text_embeddings("doc").run("hello"))).startswith("INTERNAL")


# --- datasets, runs, tuning -------------------------------------------------------------------------------------------


async def test_it_runs_a_batch_and_uses_a_tuned_model(client: Client, tmp_path: Path) -> None:
    sdk, server = client.sdk, client.server
    server.datasets.seconds = server.runs.seconds = server.tunings.seconds = SOON
    questions, pairs = tmp_path / "questions.jsonl", tmp_path / "pairs.jsonl"
    asked = [{"request": [{"role": "user", "text": f"Question {number}?"}]} for number in range(10)]
    questions.write_text("".join(json.dumps(row) + "\n" for row in asked))
    pairs.write_text("".join(json.dumps({**row, "response": f"Answer {n}"}) + "\n" for n, row in enumerate(asked)))
    draft = sdk.datasets.draft_from_path(
        task_type="TextToTextGenerationRequest", path=str(questions), upload_format="jsonlines", name="asked"
    )
    dataset = await draft.upload(poll_interval=POLL)
    task = await sdk.models.completions("gemma-3-12b-it").batch.run_deferred(dataset)
    result = await task.wait(poll_interval=POLL)
    rows = [row async for row in result.read()]
    assert all(row["request"][0]["text"] in row["response"] for row in rows)
    assert (len(rows), server.runs.paid.total()) == (10, 1)
    draft = sdk.datasets.draft_from_path(
        task_type="TextToTextGeneration", path=str(pairs), upload_format="jsonlines", name="learned"
    )
    learned = await draft.upload(poll_interval=POLL)
    tuning = await sdk.models.completions("yandexgpt-lite").tune_deferred(learned, name="mine")
    tuned = await tuning.wait(poll_interval=POLL)
    assert "@tamr" in tuned.uri
    assert server.tunings.started == 1
    assert (await tuned.run("Question 3?")).text.startswith("Answer 3")
