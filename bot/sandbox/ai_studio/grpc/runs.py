"""Batch runs: TextGenerationBatchService and BatchInferenceService; and what they have in common with tunings (`Jobs`).
Begin with `Runs.completion`.

`paid` counts the calls that cost money and `billed` their tokens, as the vendor's bill would.
"""

from __future__ import annotations

import asyncio
import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from yandex.cloud.ai.batch_inference.v1 import batch_inference_service_pb2 as pb
from yandex.cloud.ai.batch_inference.v1.batch_inference_task_pb2 import BatchInferenceTask as Task
from yandex.cloud.ai.foundation_models.v1.batch_inference_task_status_pb2 import BatchInferenceTaskStatus
from yandex.cloud.ai.foundation_models.v1.text_generation.text_generation_service_pb2 import (
    BatchCompletionMetadata,
    BatchCompletionRequest,
    BatchCompletionResponse,
)

from bot.sandbox.ai_studio.core import CANCELLED, CREATOR, Core, Part, new_id
from bot.sandbox.ai_studio.grpc.datasets import Datasets, moment, packed
from bot.sandbox.ai_studio.grpc.models import BatchModels, damage
from bot.sandbox.ai_studio.validation import Uri
from bot.sandbox.ai_studio.wire import BadRequest, Json, Problem, find, page
from bot.sandbox.faults import Faults


@dataclass(slots=True, kw_only=True)
class Job:
    """A run or a tuning, created at a Unix time. `work` finishes it."""

    task: Any
    created: float
    work: asyncio.Task[None] | None = None


One = TypeVar("One", bound=Job)


class Jobs(Part, ABC, Generic[One]):
    """The jobs of a folder. A job takes `seconds`; `begins` and `works` are the parts of them after which it is PENDING
    and IN_PROGRESS. A call waits up to `patience` real seconds for work that is due; if it takes longer, the job stays
    IN_PROGRESS.
    """

    title = ""
    begins = works = 0.0
    reads_until_empty = False  # clients of the vendor's go on until a page is empty

    def __init__(self, core: Core, datasets: Datasets, models: BatchModels, faults: Faults) -> None:
        super().__init__(core)
        self.seconds = 0.0
        self.patience = 1.0
        self.all: dict[str, One] = {}
        self._datasets = datasets
        self._models = models
        self._faults = faults

    async def advance(self) -> None:
        """Let all jobs go on as far as the time has come, and wait a little for the work of those that end."""
        for job in self.all.values():
            if not self._is_over(job):
                self._advance(job)
        if works := self._open_work():
            await asyncio.wait(works, timeout=self.patience)

    async def close(self) -> None:
        """Stop all work."""
        works = self._open_work()
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)

    def find(self, id_: str) -> One:
        """The job with this id. Raises `Problem` 5."""
        return find(self.all, id_, self.title + " task {!r} not found")

    def begin(self, job: One, request: Any) -> Json:
        """Begin a job, and return the JSON of its operation."""
        task = job.task
        task.status, task.folder_id, task.created_by = task.CREATED, self._access.folder, CREATOR
        task.created_at.CopyFrom(moment(job.created, fine=True))
        self.all[task.task_id] = job
        metadata = packed(self.metadata(job, task.CREATED))
        return self._operations.begin(task.operation_id, metadata, self.advance, lambda: self._stop(job))

    def newest(self, request: Any) -> tuple[list[Message], str]:
        """The page of a list with the tasks that a request asks for, newest first, and the token of the next one."""
        latest = self._clock.time() - self._faults.list_lag
        shown = [self.shown(job) for job in reversed(self.all.values()) if job.created <= latest]
        found: Sequence[Any] = [task for task in shown if request.status in (0, task.status)]
        return page(found, request.page_size, request.page_token, empty_last=self.reads_until_empty)

    def stop(self, id_: str) -> None:
        """Cancel a job. Raises `Problem` 9 if it is over."""
        job = self.find(id_)
        if self._is_over(job):
            raise Problem(9, f"task {id_} is already {job.task.Status.Name(job.task.status)}")
        self._stop(job)

    def shown(self, job: One) -> Any:
        """The task of a job as answers show it."""
        return job.task

    def end(self, job: One, status: int, at: float) -> None:
        """End a job and its operation."""
        task = job.task
        task.finished_at.CopyFrom(moment(at, fine=True))
        self.set(job, status, at)
        if status == task.COMPLETED:
            self._operations.finish(task.operation_id, at, response=packed(self.response(job)))
        elif status == task.CANCELED:
            self._operations.finish(task.operation_id, at, error=CANCELLED)
        else:
            self._operations.finish(task.operation_id, at, error={"code": 13, "message": f"{self.title} failed"})

    def set(self, job: One, status: int, at: float) -> None:
        """Change the status, in the metadata of the operation, too."""
        job.task.status = status
        self._operations.change(job.task.operation_id, packed(self.metadata(job, status)), at)

    @abstractmethod
    def metadata(self, job: One, status: int) -> Message:
        """What the operation of a job tells while its status is this one."""

    @abstractmethod
    def response(self, job: One) -> Message:
        """What the operation of a job tells in the end."""

    @abstractmethod
    async def finish(self, job: One, at: float) -> None:
        """Do the work of a job, and end it."""

    def goes_on(self, job: One) -> None:
        """Hook: a job is in progress."""

    def is_pending(self, job: One, at: float) -> None:
        """Hook: a job has become pending."""

    def _advance(self, job: One) -> None:
        task, passed = job.task, (self._clock.time() - job.created) / self.seconds
        if task.status == task.CREATED and passed >= self.begins:
            self.is_pending(job, job.created + self.seconds * self.begins)
            self.set(job, task.PENDING, job.created + self.seconds * self.begins)
        if task.status == task.PENDING and passed >= self.works:
            if "stays_pending" in self._faults.lasting:
                return
            task.started_at.CopyFrom(moment(job.created + self.seconds * self.works, fine=True))
            self.set(job, task.IN_PROGRESS, job.created + self.seconds * self.works)
        if task.status == task.IN_PROGRESS:
            self.goes_on(job)
            if passed >= 1:
                if job.work is not None and job.work.done():
                    job.work.result()  # what went wrong is told to who asks
                job.work = job.work or asyncio.create_task(self.finish(job, job.created + self.seconds))

    def _open_work(self) -> list[asyncio.Task[None]]:
        return [job.work for job in self.all.values() if job.work is not None and not job.work.done()]

    def _is_over(self, job: One) -> bool:
        return job.task.status not in (job.task.CREATED, job.task.PENDING, job.task.IN_PROGRESS)

    def _stop(self, job: One) -> None:
        if job.work is not None:
            job.work.cancel()
        self.end(job, job.task.CANCELED, self._clock.time())


MINIMUM = 200_000  # tokens that each run is billed at least
BATCH_ROWS = 100  # rows of one of the batches that the metadata counts
TELLS = 0.93  # as recorded: the part of a run's time after which it shows its (empty) errors
NEW_STATUS = 42
SOURCES = ("TextToTextGenerationRequest", "TextToTextGeneration", "ImageTextToTextGenerationRequest")
# Recorded is gemma-3-12b-it; the rest by the vendor's list of families.
BATCH_MODELS = """
    gemma-3-1b-it gemma-3-4b-it gemma-3-12b-it gemma-3-27b-it qwen2.5-7b-instruct qwen2.5-72b-instruct
    qwen2.5-vl-7b-instruct qwen2.5-vl-32b-instruct qwen3-0.6b qwen3-1.7b qwen3-4b qwen3-8b qwen3-14b qwen3-30b-a3b
    qwen3-32b qwen3-235b-a22b qwen3-235b-a22b-fp8 llama-3.1-8b-instruct llama-3.1-70b-instruct llama-3.3-70b-instruct
    phi-4 deepseek-r1-distill-llama-70b deepseek-r1-distill-qwen-32b gpt-oss-20b gpt-oss-120b
"""


class Runs(Jobs[Job]):
    """The batch runs of a folder. `models` are the names of the models that can run batches.

    `paid` counts runs by the id of their source dataset. `billed` has the tokens to pay by the id of the run, `minimum`
    of them at least: for a run that was cancelled or failed while it worked as well, and nothing if it had not begun to
    work.
    """

    title = "Batch inference"
    begins, works = 0.03, 0.27  # as recorded

    def __init__(self, core: Core, datasets: Datasets, models: BatchModels, faults: Faults) -> None:
        super().__init__(core, datasets, models, faults)
        self.seconds = 258.0
        self.minimum = MINIMUM
        self.models = {*BATCH_MODELS.split()}
        self.paid: Counter[str] = Counter()
        self.billed: dict[str, int] = {}

    # --- the services

    def completion(self, request: BatchCompletionRequest) -> Json:
        """Begin a run, which costs money each time."""
        uri = Uri.parse(request.model_uri, "gpt")
        self._access.admit_folder(uri.folder)
        if uri.name not in self.models:
            raise BadRequest(f"Failed to get model: {uri} does not support batch inference")
        if not 0 <= request.completion_options.temperature.value <= 1:
            raise BadRequest("temperature must be in the range [0, 1]")
        source = request.source_dataset_id
        self._datasets.ready(source, SOURCES)
        self._quotas.take("batch")
        task = Task(
            task_id=new_id("fbi"), operation_id=new_id("fbi"), model_uri=request.model_uri, source_dataset_id=source
        )
        # Both messages of this name have fields of equal names, whose numbers differ.
        ParseDict(MessageToDict(request), task.completion_request)
        self.paid[source] += 1
        return self.begin(Job(task=task, created=self._clock.time()), request)

    def describe(self, request: pb.DescribeBatchInferenceRequest) -> Json:
        """The run as it is now. Raises `Problem` 5."""
        return {"task": self.shown(self.find(request.task_id))}

    def list(self, request: pb.ListBatchInferencesRequest) -> Json:
        """Newest first."""
        tasks, token = self.newest(request)
        return {"tasks": tasks, "next_page_token": token}

    def cancel(self, request: pb.CancelBatchInferenceRequest) -> Json:
        """Raises `Problem` 9 if the run is over."""
        self.stop(request.task_id)
        return {"task_id": request.task_id}

    def delete(self, request: pb.DeleteBatchInferenceRequest) -> Json:
        """Raises `Problem` 9 while the run goes on."""
        if not self._is_over(self.find(request.task_id)):
            raise Problem(9, f"task {request.task_id} is still running")
        del self.all[request.task_id]
        return {"task_id": request.task_id}

    # --- states

    def is_pending(self, job: Job, at: float) -> None:
        """Reserve the dataset of the result."""
        task = job.task
        labels = {LABEL_TASK: task.task_id, LABEL_SOURCE: task.source_dataset_id}
        name = f"Batch inference {task.task_id} result"
        task.result_dataset_id = self._datasets.reserve(name, "TextToTextGeneration", labels, at)

    def goes_on(self, job: Job) -> None:
        """Show the errors, of which there are none yet."""
        if self._clock.time() >= job.created + self.seconds * TELLS:
            job.task.errors.status.SetInParent()

    async def finish(self, job: Job, at: float) -> None:
        """Write the answers, with the failures that are switched on."""
        task, faults = job.task, self._faults.lasting
        try:
            source = self._datasets.find(task.source_dataset_id)
            if "fails" in faults or source.rows is None:
                raise Problem(13, "a failure on purpose")
        except Problem as problem:
            task.errors.status.code, task.errors.status.message = problem.code, problem.message
            self.end(job, Task.FAILED, at)
            return
        asked = task.completion_request
        schema = {"type": "object"} if asked.json_object else MessageToDict(asked.json_schema.schema) or None
        rows, uri, limit = (
            self._datasets.new_path(),
            Uri.parse(task.model_uri, "gpt"),
            asked.completion_options.max_tokens,
        )
        tokens = await self._models.write(source.rows, rows, uri, limit.value, schema)
        await asyncio.to_thread(damage, rows, faults)
        if "failed_rows" in faults:
            for number in range(3, source.info.rows + 1, 3):
                task.errors.line_errors.add(line_number=number, message="the model has given no answer")
        await self._datasets.fill(task.result_dataset_id, rows, at)
        self.billed[task.task_id] = max(tokens, self.minimum)
        self.end(job, Task.COMPLETED, at)

    def end(self, job: Job, status: int, at: float) -> None:
        """End a run, which is billed if it has begun to work."""
        if job.task.status == Task.IN_PROGRESS:
            self.billed.setdefault(job.task.task_id, self.minimum)
        super().end(job, status, at)

    def metadata(self, job: Job, status: int) -> Message:
        """How many batches are done."""
        source = self._datasets.all.get(job.task.source_dataset_id)
        batches = math.ceil(source.info.rows / BATCH_ROWS) if source else 0
        done = {"completed_batches": batches if status == Task.COMPLETED else 0, "total_batches": batches}
        told: Json = {"task_status": _general(status), **done} if status != Task.CREATED else {}
        return BatchCompletionMetadata(task_id=job.task.task_id, **told)

    def response(self, job: Job) -> Message:
        """Where the result is."""
        task = job.task
        return BatchCompletionResponse(
            task_id=task.task_id, task_status=_general(task.status), result_dataset_id=task.result_dataset_id
        )

    def shown(self, job: Job) -> Task:
        """The task, or one with a status that no stub of today knows."""
        shown = Task()
        shown.CopyFrom(job.task)
        if shown.status == Task.PENDING and "new_status" in self._faults.lasting:
            # A number that no stub knows passes through protobuf.
            shown.MergeFromString(bytes([Task.STATUS_FIELD_NUMBER << 3, NEW_STATUS]))
        return shown


def _general(status: int) -> BatchInferenceTaskStatus.ValueType:
    """A status of a run as operations name it."""
    return BatchInferenceTaskStatus.Value(Task.Status.Name(status))  # type: ignore[arg-type]


LABEL_TASK, LABEL_SOURCE = "foundation_models_batch_task_id", "foundation_models_source_dataset"
