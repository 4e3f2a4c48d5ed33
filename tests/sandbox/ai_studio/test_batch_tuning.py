"""The sandbox's tuning: from a dataset to a model that answers by its suffix."""

from __future__ import annotations

import json
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest
from yandex.cloud.ai.tuning.v1.tuning_service_pb2 import ArchiveTuningResponse, TuningMetadata, TuningResponse
from yandex.cloud.ai.tuning.v1.tuning_task_pb2 import TuningTask as Task

from bot.sandbox.ai_studio.server import SANDBOX_FOLDER
from tests.support.studio_batch import KEY, BatchSide, batch_side

LITE = f"gpt://{SANDBOX_FOLDER}/yandexgpt-lite/latest"
CLASSIFIER = f"cls://{SANDBOX_FOLDER}/yandexgpt-lite/latest"
VECTORS = f"emb://{SANDBOX_FOLDER}/text-embeddings/latest"
PAIRS = [{"request": [{"role": "user", "text": f"Question {n}"}], "response": f"Learned {n}"} for n in range(10)]
TOPICS = [
    {"text": text, "delivery": int(delivery), "returns": int(not delivery)}
    for n in range(50)
    for text, delivery in ((f"where is my parcel {n}", True), (f"take the shoes back {n}", False))
]


@pytest.fixture
async def side() -> AsyncIterator[BatchSide]:
    async with batch_side() as side:
        yield side


async def dataset(side: BatchSide, rows: list[Any], task_type: str = "TextToTextGeneration") -> str:
    return await side.ready(b"".join(json.dumps(row).encode() + b"\n" for row in rows), task_type)


async def tuning(side: BatchSide, source: str, base: str = LITE, params: str = "textToTextCompletion") -> str:
    """Begin a tuning and return its id, which is the one of its operation, too."""
    operation = await side.call("TuningService.Tune", **asked(source, base, params))
    return str(operation.id)


def asked(source: str, base: str = LITE, params: str = "textToTextCompletion", **more: Any) -> dict[str, Any]:
    return {"baseModelUri": base, "trainDatasets": [{"datasetId": source, "weight": 1}], params: {}, **more}


async def task(side: BatchSide, id_: str) -> Any:
    return (await side.call("TuningService.Describe", tuningTaskId=id_)).tuning_task


async def tuned(side: BatchSide, id_: str) -> str:
    """The URI of the model, after the time that a tuning takes."""
    side.pass_by(side.server.tunings.seconds)
    found = await task(side, id_)
    assert found.status == Task.COMPLETED
    assert "@tamr" in found.target_model_uri
    return str(found.target_model_uri)


async def post(side: BatchSide, method: str, **body: Any) -> tuple[int, Any]:
    url = f"{side.studio.url}/foundationModels/v1/{method}"
    async with side.http.post(url, json=body, headers={"authorization": KEY}) as response:
        return response.status, await response.json()


async def said(side: BatchSide, uri: str, question: str) -> str:
    message = {"role": "user", "text": question}
    status, body = await post(side, "completion", modelUri=uri, messages=[message])
    assert status == 200
    return str(body["result"]["alternatives"][0]["message"]["text"])


async def test_a_tuned_model_answers_as_its_dataset_and_names_itself(side: BatchSide) -> None:
    uri = await tuned(side, await tuning(side, await dataset(side, PAIRS)))
    suffix = uri.partition("@")[2]
    assert uri.startswith(LITE + "@")
    assert await said(side, uri, "Question 3") == f"Learned 3 [{suffix}]"
    assert await said(side, uri, "Hello") == f"{await said(side, LITE, 'Hello')} [{suffix}]"


async def test_a_tuned_classifier_tells_the_classes_of_its_dataset(side: BatchSide) -> None:
    source = await dataset(side, TOPICS, "TextClassificationMulticlass")
    uri = await tuned(side, await tuning(side, source, CLASSIFIER, "textClassificationMulticlass"))
    status, body = await post(side, "textClassification", modelUri=uri, text="where is my parcel 7")
    best = max(body["predictions"], key=lambda one: one["confidence"])
    assert (status, best["label"]) == (200, "delivery")


async def test_tuned_vectors_are_vectors_of_their_own(side: BatchSide) -> None:
    source = await dataset(side, [{"anchor": "a", "positive": "b"}], "TextEmbeddingsPair")
    uri = await tuned(side, await tuning(side, source, VECTORS, "textEmbeddingPairParams"))
    _, own = await post(side, "textEmbedding", modelUri=uri, text="hi")
    side.pass_by(1)
    _, base = await post(side, "textEmbedding", modelUri=VECTORS, text="hi")
    assert len(own["embedding"]) == len(base["embedding"])
    assert own["embedding"] != base["embedding"]


async def test_a_tuning_goes_through_its_states_on_the_clock(side: BatchSide) -> None:
    id_ = await tuning(side, await dataset(side, PAIRS))
    seen, steps = [], []
    for seconds in (30, 60, 100, 154, 0):
        operation = await side.call("OperationService.Get", operationId=id_)
        metadata = TuningMetadata()
        assert operation.metadata.Unpack(metadata)
        seen.append(Task.Status.Name(metadata.status))
        steps.append(metadata.current_step)
        side.pass_by(seconds)
    assert seen == ["CREATED", "PENDING", "IN_PROGRESS", "IN_PROGRESS", "COMPLETED"]
    assert steps[3] > steps[2] > 0
    response = TuningResponse()
    assert operation.response.Unpack(response)
    assert response.target_model_uri == (await task(side, id_)).target_model_uri


async def test_metrics_are_a_file_for_tensorboard(side: BatchSide) -> None:
    id_ = await tuning(side, await dataset(side, PAIRS))
    assert await side.refused("TuningService.GetMetricsUrl", taskId=id_) == "FAILED_PRECONDITION"
    await tuned(side, id_)
    url = (await side.call("TuningService.GetMetricsUrl", taskId=id_)).load_url
    async with side.http.get(url) as response:
        data = await response.read()
    records = []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        records.append(data[12 : 12 + length])
        data = data[16 + length :]
    assert len(records) == 101
    assert b"brain.Event:2" in records[0]
    losses = [struct.unpack("<f", record.partition(b"train_loss\x15")[2][:4])[0] for record in records[1:]]
    assert losses == sorted(losses, reverse=True)


async def test_a_tuning_can_fail_and_says_why(side: BatchSide) -> None:
    side.server.faults.switch("fails")
    id_ = await tuning(side, await dataset(side, PAIRS))
    side.pass_by(side.server.tunings.seconds)
    assert (await task(side, id_)).status == Task.FAILED
    (error,) = (await side.call("TuningService.ListErrors", tuningTaskId=id_)).tuning_error
    assert error.message == "a failure on purpose"
    assert (await side.call("OperationService.Get", operationId=id_)).error.code == 13


async def test_a_tuning_is_cancelled_listed_and_tells_what_it_was_asked_for(side: BatchSide) -> None:
    source = await dataset(side, PAIRS)
    first, second = await tuning(side, source), await tuning(side, source)
    await side.call("TuningService.Cancel", tuningTaskId=first)
    assert await side.refused("TuningService.Cancel", tuningTaskId=first) == "FAILED_PRECONDITION"
    assert (await side.call("OperationService.Cancel", operationId=second)).error.code == 1
    listed = (await side.call("TuningService.List", folderId=SANDBOX_FOLDER, status="CANCELED")).tuning_tasks
    assert [one.task_id for one in listed] == [second, first]
    page = await side.call("TuningService.List", folderId=SANDBOX_FOLDER, pageSize=2)
    last = await side.call("TuningService.List", folderId=SANDBOX_FOLDER, pageToken=page.next_page_token)
    assert (len(page.tuning_tasks), len(last.tuning_tasks), last.next_page_token) == (2, 0, "")
    options = await side.call("TuningService.GetOptions", taskId=first)
    assert options.base_model_uri == LITE
    assert options.train_datasets[0].dataset_id == source
    assert options.HasField("text_to_text_completion")


async def test_an_archived_model_answers_nobody(side: BatchSide) -> None:
    id_ = await tuning(side, await dataset(side, PAIRS))
    assert await side.refused("TuningService.Archive", tuningTaskId=id_) == "FAILED_PRECONDITION"
    uri = await tuned(side, id_)
    operation = await side.call("TuningService.Archive", tuningTaskId=id_)
    assert operation.response.Unpack(ArchiveTuningResponse())
    assert (await task(side, id_)).status == Task.ARCHIVED
    message = {"role": "user", "text": "Hello"}
    status, body = await post(side, "completion", modelUri=uri, messages=[message])
    assert (status, "Failed to get model" in body["error"]["message"]) == (400, True)


async def test_three_tunings_an_hour(side: BatchSide) -> None:
    source = await dataset(side, PAIRS)
    for _ in range(3):
        await tuning(side, source)
    assert await side.refused("TuningService.Tune", **asked(source)) == "RESOURCE_EXHAUSTED"
    assert side.server.tunings.started == 3


async def test_what_cannot_be_tuned_is_refused(side: BatchSide) -> None:
    source, few = await dataset(side, PAIRS), await dataset(side, PAIRS[:9])
    method = "TuningService.Tune"
    foreign = LITE.replace(SANDBOX_FOLDER, "b1gsomebodyelse00000")
    assert await side.refused(method, **asked(source, foreign)) == "PERMISSION_DENIED"
    wrong = [
        asked(few),
        asked(source, LITE.replace("yandexgpt-lite", "retired")),
        asked(source, CLASSIFIER),
        asked(source, CLASSIFIER, "textClassificationMulticlass"),
        asked(source, name="Имя"),
        asked(source, trainDatasets=[]),
        {"baseModelUri": LITE, "trainDatasets": [{"datasetId": source}]},
    ]
    for request in wrong:
        assert await side.refused(method, **request) == "INVALID_ARGUMENT", request
    assert await side.refused(method, **asked("fds0")) == "NOT_FOUND"
    assert side.server.tunings.started == 0
