"""The sandbox's batch runs: from an upload to a Parquet file, by gRPC as the vendor's clients speak it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
from yandex.cloud.ai.batch_inference.v1.batch_inference_task_pb2 import BatchInferenceTask as Task
from yandex.cloud.ai.foundation_models.v1.text_generation.text_generation_service_pb2 import BatchCompletionResponse

from bot.sandbox.ai_studio.grpc.runs import MINIMUM
from bot.sandbox.ai_studio.server import SANDBOX_FOLDER
from tests.support.studio_batch import GEMMA, BatchSide, batch_side


@pytest.fixture
async def side() -> AsyncIterator[BatchSide]:
    async with batch_side() as side:
        yield side


def lines(*questions: str) -> bytes:
    rows = [{"request": [{"role": "user", "text": question}]} for question in questions]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def questions(rows: list[dict[str, Any]]) -> list[str]:
    return [row["request"][-1]["text"] for row in rows]


SIX = [f"Question {number}" for number in range(6)]


async def test_a_run_answers_each_question_with_the_model_of_the_sandbox(side: BatchSide) -> None:
    side.studio.answer(lambda messages: "Answer to " + messages[-1]["text"])
    task = await side.run(await side.ready(lines("Один", "Two")))
    assert task.status == Task.CREATED
    done = await side.finished(task.task_id)
    assert done.status == Task.COMPLETED
    assert await side.rows(done.result_dataset_id) == [
        {"request": [{"role": "user", "text": "Один"}], "response": "Answer to Один"},
        {"request": [{"role": "user", "text": "Two"}], "response": "Answer to Two"},
    ]


async def test_a_run_goes_through_its_states_on_the_clock_and_its_operation_tells_them(side: BatchSide) -> None:
    task = await side.run(await side.ready(lines(*SIX)))
    seen = []
    for _ in range(5):
        seen.append(Task.Status.Name((await side.task(task.task_id)).status))
        side.pass_by(65)
    assert seen == ["CREATED", "PENDING", "IN_PROGRESS", "IN_PROGRESS", "COMPLETED"]
    operation = await side.call("OperationService.Get", operationId=task.operation_id)
    response = BatchCompletionResponse()
    assert operation.done
    assert operation.response.Unpack(response)
    assert response.result_dataset_id == (await side.task(task.task_id)).result_dataset_id


async def test_each_accepted_call_is_paid_and_a_run_is_billed_the_minimum_at_least(side: BatchSide) -> None:
    dataset = await side.ready(lines("Hello"))
    first, second = await side.run(dataset), await side.run(dataset)
    assert side.server.runs.paid == {dataset: 2}
    await side.finished(first.task_id)
    assert side.server.runs.billed == {first.task_id: MINIMUM, second.task_id: MINIMUM}
    side.studio.answer(lambda _messages: "long " * 150_000)
    third = await side.run(dataset)
    await side.finished(third.task_id)
    assert side.server.runs.billed[third.task_id] > 2 * MINIMUM / 3


async def test_an_answer_is_cut_at_the_limit_and_json_where_it_is_wanted(side: BatchSide) -> None:
    dataset = await side.ready(lines("Write a long essay"))
    short = await side.run(dataset, completionOptions={"maxTokens": "5"})
    schema = {"type": "object", "properties": {"mood": {"type": "string"}}, "required": ["mood"]}
    formed = await side.run(dataset, jsonSchema={"schema": schema})
    assert formed.completion_request.json_schema.schema["type"] == "object"
    await side.finished(short.task_id)
    (row,) = await side.rows((await side.task(short.task_id)).result_dataset_id)
    assert len(row["response"].split()) <= 5
    (row,) = await side.rows((await side.task(formed.task_id)).result_dataset_id)
    assert set(json.loads(row["response"])) == {"mood"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("missing", ["Question 0", "Question 1", "Question 3", "Question 4"]),
        ("doubled", [*SIX, "Question 2", "Question 5"]),
        ("unknown", [*SIX, "nobody asked this"]),
        ("shuffled", ["Question 1", "Question 3", "Question 5", "Question 0", "Question 2", "Question 4"]),
        ("column", SIX),
    ],
)
async def test_a_result_can_be_damaged(side: BatchSide, name: Any, expected: list[str]) -> None:
    side.server.faults.switch(name)
    task = await side.run(await side.ready(lines(*SIX)))
    done = await side.finished(task.task_id)
    rows = await side.rows(done.result_dataset_id)
    assert questions(rows) == expected
    assert ("answer" in rows[0]) == (name == "column")


async def test_rows_that_fail_are_told_and_left_out(side: BatchSide) -> None:
    side.server.faults.switch("failed_rows")
    task = await side.run(await side.ready(lines(*SIX)))
    done = await side.finished(task.task_id)
    assert done.status == Task.COMPLETED
    assert [error.line_number for error in done.errors.line_errors] == [3, 6]
    assert len(await side.rows(done.result_dataset_id)) == 4


async def test_a_run_can_stay_pending_and_goes_on_when_the_failure_ends(side: BatchSide) -> None:
    side.server.faults.switch("stays_pending")
    task = await side.run(await side.ready(lines("Hello")))
    side.pass_by(3 * 86_400)
    assert (await side.task(task.task_id)).status == Task.PENDING
    side.server.faults.switch("stays_pending", on=False)
    assert (await side.task(task.task_id)).status == Task.COMPLETED


async def test_a_run_can_have_a_status_that_nobody_knows_yet(side: BatchSide) -> None:
    side.server.faults.switch("new_status")
    task = await side.run(await side.ready(lines("Hello")))
    side.pass_by(20)
    shown = (await side.task(task.task_id)).status
    assert shown not in Task.Status.values()
    assert (await side.finished(task.task_id)).status == Task.COMPLETED


async def test_a_run_fails_on_purpose_or_when_its_dataset_is_gone(side: BatchSide) -> None:
    dataset = await side.ready(lines("Hello"))
    task = await side.run(dataset)
    await side.call("DatasetService.Delete", datasetId=dataset)
    done = await side.finished(task.task_id)
    assert done.status == Task.FAILED
    assert done.errors.status.code == 5
    assert (await side.call("OperationService.Get", operationId=task.operation_id)).error.code == 13


async def test_a_slow_model_keeps_a_run_at_work_and_nobody_waiting(side: BatchSide) -> None:
    side.server.runs.patience = 0.0
    written = asyncio.Event()

    async def slowly() -> AsyncIterator[str]:
        await written.wait()
        yield "at last"

    side.studio.answer(lambda _messages: slowly())
    dataset = await side.ready(lines("Hello"))
    task, unfinished = await side.run(dataset), await side.run(dataset)
    assert (await side.finished(task.task_id)).status == Task.IN_PROGRESS
    await side.call("BatchInferenceService.Cancel", taskId=unfinished.task_id)
    written.set()
    while (done := await side.task(task.task_id)).status == Task.IN_PROGRESS:
        await asyncio.sleep(0)
    assert (await side.rows(done.result_dataset_id))[0]["response"] == "at last"
    assert (await side.task(unfinished.task_id)).status == Task.CANCELED


async def test_the_server_stops_while_a_run_is_answered() -> None:
    async def never() -> AsyncIterator[str]:
        await asyncio.Event().wait()
        yield "never"

    async with batch_side() as side:
        side.server.runs.patience = 0.0
        side.studio.answer(lambda _messages: never())
        task = await side.run(await side.ready(lines("Hello")))
        assert (await side.finished(task.task_id)).status == Task.IN_PROGRESS
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_run_is_cancelled_once_and_deleted_only_when_it_is_over(side: BatchSide) -> None:
    dataset = await side.ready(lines("Hello"))
    early, late = await side.run(dataset), await side.run(dataset)
    assert await side.refused("BatchInferenceService.Delete", taskId=early.task_id) == "FAILED_PRECONDITION"
    await side.call("BatchInferenceService.Cancel", taskId=early.task_id)
    assert await side.refused("BatchInferenceService.Cancel", taskId=early.task_id) == "FAILED_PRECONDITION"
    side.pass_by(100)
    operation = await side.call("OperationService.Cancel", operationId=late.operation_id)
    assert operation.done
    assert operation.error.code == 1
    assert (await side.task(late.task_id)).status == Task.CANCELED
    assert side.server.runs.billed == {late.task_id: MINIMUM}
    await side.call("BatchInferenceService.Delete", taskId=late.task_id)
    assert await side.refused("BatchInferenceService.Describe", taskId=late.task_id) == "NOT_FOUND"


async def test_runs_are_listed_by_pages_and_by_status(side: BatchSide) -> None:
    dataset = await side.ready(lines("Hello"))
    tasks = [(await side.run(dataset)).task_id for _ in range(3)]
    await side.call("BatchInferenceService.Cancel", taskId=tasks[0])
    page = await side.call("BatchInferenceService.List", folderId=SANDBOX_FOLDER, pageSize=2)
    assert [task.task_id for task in page.tasks] == [tasks[2], tasks[1]]
    page = await side.call("BatchInferenceService.List", folderId=SANDBOX_FOLDER, pageToken=page.next_page_token)
    assert ([task.task_id for task in page.tasks], page.next_page_token) == ([tasks[0]], "")
    page = await side.call("BatchInferenceService.List", folderId=SANDBOX_FOLDER, status="CANCELED")
    assert [task.task_id for task in page.tasks] == [tasks[0]]


async def test_lists_can_lag(side: BatchSide) -> None:
    side.server.faults.list_lag = 30.0
    dataset = await side.ready(lines("Hello"))
    task = await side.run(dataset)
    assert not (await side.call("BatchInferenceService.List", folderId=SANDBOX_FOLDER)).tasks
    side.pass_by(30)
    (found,) = (await side.call("BatchInferenceService.List", folderId=SANDBOX_FOLDER)).tasks
    assert found.task_id == task.task_id


async def test_ten_runs_an_hour_and_a_hundred_a_day(side: BatchSide) -> None:
    dataset = await side.ready(lines("Hello"))
    asked = {"modelUri": GEMMA, "sourceDatasetId": dataset}
    for hour in range(10):
        for _ in range(10):
            await side.run(dataset)
        refused = await side.refused("TextGenerationBatchService.Completion", **asked)
        assert refused == "RESOURCE_EXHAUSTED", hour
        side.pass_by(3_600)
    assert await side.refused("TextGenerationBatchService.Completion", **asked) == "RESOURCE_EXHAUSTED"
    side.pass_by(15 * 3_600)
    await side.run(dataset)
    assert side.server.runs.paid[dataset] == 101


async def test_what_cannot_be_run_is_refused_and_not_paid(side: BatchSide) -> None:
    dataset, draft = await side.ready(lines("Hello")), await side.draft()
    method = "TextGenerationBatchService.Completion"
    lite = f"gpt://{SANDBOX_FOLDER}/yandexgpt-lite/latest"
    assert await side.refused(method, modelUri=lite, sourceDatasetId=dataset) == "INVALID_ARGUMENT"
    assert await side.refused(method, modelUri="gemma", sourceDatasetId=dataset) == "INVALID_ARGUMENT"
    assert await side.refused(method, modelUri=GEMMA, sourceDatasetId="fds0") == "NOT_FOUND"
    assert await side.refused(method, modelUri=GEMMA, sourceDatasetId=draft) == "FAILED_PRECONDITION"
    foreign = GEMMA.replace(SANDBOX_FOLDER, "b1gsomebodyelse00000")
    assert await side.refused(method, modelUri=foreign, sourceDatasetId=dataset) == "PERMISSION_DENIED"
    assert side.server.runs.paid == {}


@pytest.mark.parametrize("status", ["UNAVAILABLE", "DEADLINE_EXCEEDED"])
@pytest.mark.parametrize("applied", [False, True])
async def test_a_call_can_fail_before_and_after_its_effect(side: BatchSide, status: Any, applied: bool) -> None:
    dataset = await side.ready(lines("Hello"))
    method = "TextGenerationBatchService.Completion"
    side.server.faults.fail_next(method, status, applied=applied)
    assert await side.refused(method, modelUri=GEMMA, sourceDatasetId=dataset) == status
    listed = (await side.call("BatchInferenceService.List", folderId=SANDBOX_FOLDER)).tasks
    assert len(listed) == side.server.runs.paid[dataset] == int(applied)
    assert side.server.faults.planned == 0


@pytest.mark.parametrize(
    ("slider", "status"), [("quota429", "RESOURCE_EXHAUSTED"), ("error500", "INTERNAL"), ("cut", "UNAVAILABLE")]
)
async def test_the_sliders_of_the_page_hurt_these_calls_too(side: BatchSide, slider: str, status: str) -> None:
    side.studio.set_faults({slider: 1.0})
    assert await side.refused("DatasetService.List", folderId=SANDBOX_FOLDER) == status
    side.studio.set_faults({slider: 0.0})
    await side.call("DatasetService.List", folderId=SANDBOX_FOLDER)


async def test_a_call_can_be_left_without_an_answer(side: BatchSide) -> None:
    side.server.faults.fail_next("*", "HANG")
    call: Any = side.channel.unary_unary("/yandex.cloud.ai.dataset.v1.DatasetService/ListTypes")
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call(b"", metadata=(("authorization", side.authorization),), timeout=0.2)
    assert error.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
