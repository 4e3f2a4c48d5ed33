"""Batch runs: TextGenerationBatchService and BatchInferenceService. Begin with `Runs.completion`.

`paid` counts the calls that cost money and `billed` their tokens, as the vendor's bill would.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from dataclasses import dataclass

from google.protobuf.json_format import MessageToDict, ParseDict
from yandex.cloud.ai.batch_inference.v1 import batch_inference_service_pb2 as pb
from yandex.cloud.ai.batch_inference.v1.batch_inference_task_pb2 import BatchInferenceTask as Task
from yandex.cloud.ai.foundation_models.v1.batch_inference_task_status_pb2 import BatchInferenceTaskStatus
from yandex.cloud.ai.foundation_models.v1.text_generation.text_generation_service_pb2 import (
    BatchCompletionMetadata,
    BatchCompletionRequest,
    BatchCompletionResponse,
)
from yandex.cloud.operation.operation_pb2 import Operation

from bot.clock import Clock
from bot.sandbox.ai_studio.batch.caller import Caller
from bot.sandbox.ai_studio.batch.datasets import Datasets
from bot.sandbox.ai_studio.batch.models import BatchModels, damage
from bot.sandbox.ai_studio.batch.operations import CANCELED, Operations, moment, new_id
from bot.sandbox.ai_studio.core import CREATOR
from bot.sandbox.ai_studio.validation import Uri
from bot.sandbox.ai_studio.wire import Problem, page
from bot.sandbox.faults import Faults

MINIMUM = 200_000  # tokens that each run is billed at least
BATCH_ROWS = 100  # rows of one of the batches that the metadata counts
SOURCES = ("TextToTextGenerationRequest", "TextToTextGeneration", "ImageTextToTextGenerationRequest")
# As recorded: the parts of a run's time after which it is PENDING, is IN_PROGRESS, and shows its (empty) errors.
BEGINS, WORKS, TELLS = 0.03, 0.27, 0.93
NEW_STATUS = 42
OVER = (Task.COMPLETED, Task.FAILED, Task.CANCELED)


@dataclass(slots=True)
class Run:
    """A batch run, created at a Unix time. `work` writes its answers."""

    task: Task
    created: float
    work: asyncio.Task[None] | None = None


class Runs:
    """The batch runs of a folder. A run takes `seconds`; `models` are the names of the models that can run batches.

    `paid` counts runs by the id of their source dataset. `billed` has the tokens to pay by the id of the run, `minimum`
    of them at least: for a run that was cancelled or failed while it worked as well, and nothing if it had not begun to
    work. A call waits up to
    `patience` real seconds for answers that are due; if they take longer, the run stays IN_PROGRESS.
    """

    def __init__(
        self, *, clock: Clock, datasets: Datasets, operations: Operations, models: BatchModels, faults: Faults
    ) -> None:  # fmt: skip
        self.seconds = 258.0
        self.minimum = MINIMUM
        self.patience = 1.0
        self.models = set(BATCH_MODELS)
        self.paid: Counter[str] = Counter()
        self.billed: dict[str, int] = {}
        self.all: dict[str, Run] = {}
        self._clock = clock
        self._datasets = datasets
        self._operations = operations
        self._models = models
        self._faults = faults

    # --- the services

    async def completion(self, request: BatchCompletionRequest, caller: Caller) -> Operation:
        """Handle `TextGenerationBatchService.Completion`: begin a run, which costs money each time."""
        uri = Uri.parse(request.model_uri, "gpt")
        caller.check_folder(uri.folder)
        if uri.name not in self.models:
            raise Problem(3, f"Failed to get model: {uri} does not support batch inference")
        if not 0 <= request.completion_options.temperature.value <= 1:
            raise Problem(3, "temperature must be in the range [0, 1]")
        self._datasets.ready(request.source_dataset_id, SOURCES)
        self._operations.take_quota("batch")
        now = self._clock.time()
        task = Task(
            task_id=new_id("fbi"), operation_id=new_id("fbi"), folder_id=caller.folder, model_uri=request.model_uri,
            source_dataset_id=request.source_dataset_id, status=Task.CREATED, created_by=CREATOR,
            created_at=moment(now, fine=True),
        )  # fmt: skip
        # Both messages of this name have fields of equal names, whose numbers differ.
        ParseDict(MessageToDict(request), task.completion_request)
        run = self.all[task.task_id] = Run(task, now)
        self.paid[request.source_dataset_id] += 1
        return self._operations.open(
            task.operation_id, BatchCompletionMetadata(task_id=task.task_id), cancel=lambda: self._cancel(run)
        )

    async def describe(
        self, request: pb.DescribeBatchInferenceRequest, _caller: Caller
    ) -> pb.DescribeBatchInferenceResponse:
        """Handle `Describe`."""
        return pb.DescribeBatchInferenceResponse(task=self._shown(self._find(request.task_id)))

    async def list(self, request: pb.ListBatchInferencesRequest, caller: Caller) -> pb.ListBatchInferencesResponse:
        """Handle `List`, newest first."""
        caller.check_folder(request.folder_id)
        latest = self._clock.time() - self._faults.list_lag
        found = [self._shown(run) for run in reversed(self.all.values()) if run.created <= latest]
        rows, token = page(
            [task for task in found if request.status in (Task.STATUS_UNSPECIFIED, task.status)],
            request.page_size,
            request.page_token,
        )
        return pb.ListBatchInferencesResponse(tasks=rows, next_page_token=token)

    async def cancel(self, request: pb.CancelBatchInferenceRequest, _caller: Caller) -> pb.CancelBatchInferenceResponse:
        """Handle `Cancel`. Raises `Problem` 9 if the run is over."""
        run = self._find(request.task_id)
        if run.task.status in OVER:
            raise Problem(9, f"task {request.task_id} is already {Task.Status.Name(run.task.status)}")
        self._cancel(run)
        return pb.CancelBatchInferenceResponse(task_id=request.task_id)

    async def delete(self, request: pb.DeleteBatchInferenceRequest, _caller: Caller) -> pb.DeleteBatchInferenceResponse:
        """Handle `Delete`. Raises `Problem` 9 while the run goes on."""
        if self._find(request.task_id).task.status not in OVER:
            raise Problem(9, f"task {request.task_id} is still running")
        del self.all[request.task_id]
        return pb.DeleteBatchInferenceResponse(task_id=request.task_id)

    # --- states

    async def advance(self) -> None:
        """Let all runs go on as far as the time has come, and wait a little for the answers of those that end."""
        for run in self.all.values():
            if run.task.status not in OVER:
                self._advance(run)
        works = [run.work for run in self.all.values() if run.work is not None and not run.work.done()]
        if works:
            await asyncio.wait(works, timeout=self.patience)

    async def close(self) -> None:
        """Stop writing answers."""
        works = [run.work for run in self.all.values() if run.work is not None and not run.work.done()]
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)

    def _advance(self, run: Run) -> None:
        task, passed = run.task, self._clock.time() - run.created
        if task.status == Task.CREATED and passed >= self.seconds * BEGINS:
            labels = {LABEL_TASK: task.task_id, LABEL_SOURCE: task.source_dataset_id}
            began, name = run.created + self.seconds * BEGINS, f"Batch inference {task.task_id} result"
            task.result_dataset_id = self._datasets.reserve(name, "TextToTextGeneration", labels, began)
            self._set(run, Task.PENDING, began)
        if task.status == Task.PENDING and passed >= self.seconds * WORKS:
            if "stays_pending" in self._faults.lasting:
                return
            started = run.created + self.seconds * WORKS
            task.started_at.CopyFrom(moment(started, fine=True))
            self._set(run, Task.IN_PROGRESS, started)
        if task.status == Task.IN_PROGRESS and passed >= self.seconds * TELLS:
            task.errors.status.SetInParent()
        if task.status == Task.IN_PROGRESS and passed >= self.seconds:
            if run.work is not None and run.work.done():
                run.work.result()  # what went wrong is told to who asks
            run.work = run.work or asyncio.create_task(self._finish(run))

    async def _finish(self, run: Run) -> None:
        task, end = run.task, run.created + self.seconds
        try:
            source = self._datasets.find(task.source_dataset_id)
            if "fails" in self._faults.lasting or source.rows is None:
                raise Problem(13, "a failure on purpose")
        except Problem as problem:
            task.errors.status.code, task.errors.status.message = problem.code, problem.message
            self._end(run, Task.FAILED, end)
            return
        asked = task.completion_request
        schema = {"type": "object"} if asked.json_object else MessageToDict(asked.json_schema.schema) or None
        rows, uri = self._datasets.new_path(), Uri.parse(task.model_uri, "gpt")
        tokens = await self._models.write(
            source.rows, rows, uri, limit=asked.completion_options.max_tokens.value, schema=schema
        )
        await asyncio.to_thread(damage, rows, self._faults.lasting)
        file = await self._datasets.as_parquet(rows)
        if "failed_rows" in self._faults.lasting:
            for number in range(3, source.info.rows + 1, 3):
                task.errors.line_errors.add(line_number=number, message="the model has given no answer")
        self._datasets.fill(task.result_dataset_id, rows, file, end)
        self.billed[task.task_id] = max(tokens, self.minimum)
        self._end(run, Task.COMPLETED, end)

    def _cancel(self, run: Run) -> None:
        if run.work is not None:
            run.work.cancel()
        self._end(run, Task.CANCELED, self._clock.time())

    def _end(self, run: Run, status: Task.Status.ValueType, at: float) -> None:
        if run.task.status == Task.IN_PROGRESS:
            self.billed.setdefault(run.task.task_id, self.minimum)
        run.task.finished_at.CopyFrom(moment(at, fine=True))
        self._set(run, status, at)
        task = run.task
        if status == Task.COMPLETED:
            response = BatchCompletionResponse(
                task_id=task.task_id, task_status=_general(status), result_dataset_id=task.result_dataset_id
            )
            self._operations.finish(task.operation_id, at, response)
        elif status == Task.CANCELED:
            self._operations.finish(task.operation_id, at, error=(CANCELED, "operation was cancelled"))
        else:
            self._operations.finish(task.operation_id, at, error=(13, "batch inference failed"))

    def _set(self, run: Run, status: Task.Status.ValueType, at: float) -> None:
        """Change the status, in the metadata of the operation, too."""
        run.task.status = status
        source = self._datasets.all.get(run.task.source_dataset_id)
        batches = math.ceil(source.info.rows / BATCH_ROWS) if source else 0
        metadata = BatchCompletionMetadata(
            task_id=run.task.task_id,
            task_status=_general(status),
            total_batches=batches,
            completed_batches=batches if status == Task.COMPLETED else 0,
        )
        self._operations.change(run.task.operation_id, metadata, at)

    def _shown(self, run: Run) -> Task:
        shown = Task()
        shown.CopyFrom(run.task)
        if shown.status == Task.PENDING and "new_status" in self._faults.lasting:
            # A number that no stub knows passes through protobuf.
            shown.MergeFromString(bytes([Task.STATUS_FIELD_NUMBER << 3, NEW_STATUS]))
        return shown

    def _find(self, id_: str) -> Run:
        found = self.all.get(id_)
        if found is None:
            raise Problem(5, f"Batch inference task {id_!r} not found")
        return found


def _general(status: Task.Status.ValueType) -> BatchInferenceTaskStatus.ValueType:
    """A status of a run as operations name it."""
    return BatchInferenceTaskStatus.Value(Task.Status.Name(status))


LABEL_TASK, LABEL_SOURCE = "foundation_models_batch_task_id", "foundation_models_source_dataset"
# Recorded is gemma-3-12b-it; the rest by the vendor's list of families.
BATCH_MODELS = frozenset(
    {
        "gemma-3-1b-it", "gemma-3-4b-it", "gemma-3-12b-it", "gemma-3-27b-it", "qwen2.5-7b-instruct",
        "qwen2.5-72b-instruct", "qwen2.5-vl-7b-instruct", "qwen2.5-vl-32b-instruct", "qwen3-0.6b", "qwen3-1.7b",
        "qwen3-4b", "qwen3-8b", "qwen3-14b", "qwen3-30b-a3b", "qwen3-32b", "qwen3-235b-a22b", "qwen3-235b-a22b-fp8",
        "llama-3.1-8b-instruct", "llama-3.1-70b-instruct", "llama-3.3-70b-instruct", "phi-4",
        "deepseek-r1-distill-llama-70b", "deepseek-r1-distill-qwen-32b", "gpt-oss-20b", "gpt-oss-120b",
    }
)  # fmt: skip
