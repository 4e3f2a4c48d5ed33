"""TuningService: from datasets to a model with a suffix of its own. Begin with `Tunings.tune`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from yandex.cloud.ai.tuning.v1 import tuning_service_pb2 as pb
from yandex.cloud.ai.tuning.v1.tuning_error_pb2 import TuningError
from yandex.cloud.ai.tuning.v1.tuning_task_pb2 import TuningTask as Task
from yandex.cloud.operation.operation_pb2 import Operation

from bot.clock import Clock
from bot.sandbox.ai_studio.batch import line_checks, tensorboard
from bot.sandbox.ai_studio.batch.caller import Caller
from bot.sandbox.ai_studio.batch.datasets import Dataset, Datasets
from bot.sandbox.ai_studio.batch.models import BatchModels
from bot.sandbox.ai_studio.batch.operations import CANCELED, Operations, moment, new_id
from bot.sandbox.ai_studio.core import CREATOR
from bot.sandbox.ai_studio.validation import CLASSIFIERS, EMBEDDINGS, V2_EMBEDDINGS, Uri
from bot.sandbox.ai_studio.wire import Json, Problem, page
from bot.sandbox.faults import Faults

NAME = re.compile(r"[A-Za-z0-9 _-]{3,100}")
STEPS = 100
BEGINS, WORKS = 0.01, 0.2  # as recorded: the parts of a tuning's time after which it is PENDING and IN_PROGRESS
OVER = (Task.COMPLETED, Task.FAILED, Task.CANCELED, Task.ARCHIVED)


@dataclass(frozen=True, slots=True)
class TuningKind:
    """What one kind of tuning parameters tunes: models with this URI scheme, with datasets of this type that have at
    least so many rows.
    """

    scheme: str
    task_type: str
    bases: frozenset[str]
    fewest: int = 1


@dataclass(slots=True)
class Tuning:
    """A tuning, created at a Unix time. `rows` are the rows it learns from, as the dataset had them when the tuning
    began.
    """

    task: Task
    created: float
    request: pb.TuningRequest
    kind: TuningKind
    rows: list[Json]
    errors: list[str] = field(default_factory=list)


class Tunings:
    """The tunings of a folder. One takes `seconds`; `started` counts those that were accepted."""

    def __init__(
        self, *, clock: Clock, datasets: Datasets, operations: Operations, models: BatchModels, faults: Faults
    ) -> None:
        self.seconds = 344.0
        self.started = 0
        self.all: dict[str, Tuning] = {}
        self._clock = clock
        self._datasets = datasets
        self._operations = operations
        self._models = models
        self._faults = faults

    # --- the service

    async def tune(self, request: pb.TuningRequest, caller: Caller) -> Operation:
        """Handle `Tune`: begin a tuning."""
        kind = self._kind(request, caller)
        if request.name and not NAME.fullmatch(request.name):
            raise Problem(3, f"name: must match {NAME.pattern}")
        sources = [self._datasets.ready(part.dataset_id, [kind.task_type]) for part in request.train_datasets]
        for part in request.validation_datasets:
            self._datasets.ready(part.dataset_id, [kind.task_type])
        if not sources:
            raise Problem(3, "train_datasets: at least one dataset is needed")
        rows = [row for source in sources for row in _rows(source)]
        if len(rows) < kind.fewest:
            raise Problem(3, f"the train datasets have {len(rows)} rows, at least {kind.fewest} are needed")
        self._operations.take_quota("tuning")
        now, id_ = self._clock.time(), new_id("ftn")
        base = Uri.parse(request.base_model_uri, kind.scheme)
        task = Task(
            task_id=id_, operation_id=id_, status=Task.CREATED, folder_id=caller.folder, created_by=CREATOR,
            created_at=moment(now, fine=True), source_model_uri=f"{base.scheme}://{base.name}/{base.version}",
            name=request.name, description=request.description, labels=request.labels,
        )  # fmt: skip
        kept = pb.TuningRequest()
        kept.CopyFrom(request)
        tuning = self.all[id_] = Tuning(task=task, created=now, request=kept, kind=kind, rows=rows)
        self.started += 1
        metadata = pb.TuningMetadata(tuning_task_id=id_, status=Task.CREATED)
        return self._operations.open(id_, metadata, cancel=lambda: self._cancel(tuning))

    async def describe(self, request: pb.DescribeTuningRequest, _caller: Caller) -> pb.DescribeTuningResponse:
        """Handle `Describe`."""
        return pb.DescribeTuningResponse(tuning_task=self._find(request.tuning_task_id).task)

    async def list(self, request: pb.ListTuningsRequest, caller: Caller) -> pb.ListTuningsResponse:
        """Handle `List`, newest first. Clients of the vendor's go on until a page is empty."""
        caller.check_folder(request.folder_id)
        latest = self._clock.time() - self._faults.list_lag
        found = [tuning.task for tuning in reversed(self.all.values()) if tuning.created <= latest]
        rows, token = page(
            [task for task in found if request.status in (Task.STATUS_UNSPECIFIED, task.status)],
            request.page_size,
            request.page_token,
            empty_last=True,
        )
        return pb.ListTuningsResponse(tuning_tasks=rows, next_page_token=token)

    async def cancel(self, request: pb.CancelTuningRequest, _caller: Caller) -> pb.CancelTuningResponse:
        """Handle `Cancel`. Raises `Problem` 9 if the tuning is over."""
        tuning = self._find(request.tuning_task_id)
        if tuning.task.status in OVER:
            raise Problem(9, f"tuning {request.tuning_task_id} is already {Task.Status.Name(tuning.task.status)}")
        self._cancel(tuning)
        return pb.CancelTuningResponse(tuning_task_id=request.tuning_task_id)

    async def get_metrics_url(self, request: pb.GetMetricsUrlRequest, _caller: Caller) -> pb.GetMetricsUrlResponse:
        """Handle `GetMetricsUrl`: the address of a TensorBoard file with the loss of the steps so far."""
        tuning = self._find(request.task_id)
        if not tuning.task.HasField("started_at"):
            raise Problem(9, f"tuning {request.task_id} has no metrics yet")
        url = self._datasets.keep_metrics(request.task_id, tensorboard.events(self._losses(tuning)))
        return pb.GetMetricsUrlResponse(load_url=url)

    async def get_options(self, request: pb.GetOptionsRequest, _caller: Caller) -> pb.GetOptionsResponse:
        """Handle `GetOptions`: return the parameters with which the tuning was started."""
        asked = self._find(request.task_id).request
        found = pb.GetOptionsResponse(
            task_id=request.task_id,
            base_model_uri=asked.base_model_uri,
            train_datasets=asked.train_datasets,
            validation_datasets=asked.validation_datasets,
        )
        if name := asked.WhichOneof("tuning_params"):
            getattr(found, name).CopyFrom(getattr(asked, name))
        return found

    async def list_errors(self, request: pb.ListErrorsRequest, _caller: Caller) -> pb.ListErrorsResponse:
        """Handle `ListErrors`."""
        errors = [
            TuningError(tuning_task_id=request.tuning_task_id, message=message, type=TuningError.PUBLIC)
            for message in self._find(request.tuning_task_id).errors
        ]
        return pb.ListErrorsResponse(tuning_error=errors)

    async def archive(self, request: pb.ArchiveTuningRequest, _caller: Caller) -> Operation:
        """Handle `Archive`: the tuned model can't be used any more. The operation is done at once."""
        task = self._find(request.tuning_task_id).task
        if task.status != Task.COMPLETED:
            raise Problem(9, f"tuning {request.tuning_task_id} is {Task.Status.Name(task.status)}, not COMPLETED")
        task.status = Task.ARCHIVED
        self._models.archive(task.target_model_uri.partition("@")[2])
        id_ = self._operations.open(new_id("ftn"), pb.ArchiveTuningMetadata()).id
        response = pb.ArchiveTuningResponse(tuning_task_id=task.task_id)
        return self._operations.finish(id_, self._clock.time(), response)

    # --- states

    def advance(self) -> None:
        """Let all tunings go on as far as the time has come."""
        for tuning in self.all.values():
            if tuning.task.status not in OVER:
                self._advance(tuning)

    def _advance(self, tuning: Tuning) -> None:
        task, passed = tuning.task, self._clock.time() - tuning.created
        if task.status == Task.CREATED and passed >= self.seconds * BEGINS:
            self._set(tuning, Task.PENDING, tuning.created + self.seconds * BEGINS)
        if task.status == Task.PENDING and passed >= self.seconds * WORKS:
            if "stays_pending" in self._faults.lasting:
                return
            task.started_at.CopyFrom(moment(tuning.created + self.seconds * WORKS, fine=True))
            self._set(tuning, Task.IN_PROGRESS, tuning.created + self.seconds * WORKS)
        if task.status == Task.IN_PROGRESS and passed >= self.seconds:
            self._finish(tuning, tuning.created + self.seconds)
        elif task.status == Task.IN_PROGRESS:
            self._set(tuning, Task.IN_PROGRESS, self._clock.time(), self._step(tuning))

    def _finish(self, tuning: Tuning, at: float) -> None:
        task, base = tuning.task, Uri.parse(tuning.request.base_model_uri, tuning.kind.scheme)
        if "fails" in self._faults.lasting:
            tuning.errors.append("a failure on purpose")
            self._end(tuning, Task.FAILED, at)
            return
        suffix = new_id("tamr")
        task.target_model_uri = f"{base.scheme}://{base.folder}/{base.name}/{base.version}@{suffix}"
        self._models.learn(suffix, tuning.kind.task_type, tuning.rows)
        self._end(tuning, Task.COMPLETED, at)

    def _cancel(self, tuning: Tuning) -> None:
        self._end(tuning, Task.CANCELED, self._clock.time())

    def _end(self, tuning: Tuning, status: Task.Status.ValueType, at: float) -> None:
        task = tuning.task
        task.finished_at.CopyFrom(moment(at, fine=True))
        self._set(tuning, status, at)
        if status == Task.COMPLETED:
            response = pb.TuningResponse(
                tuning_task_id=task.task_id, status=status, target_model_uri=task.target_model_uri
            )
            self._operations.finish(task.operation_id, at, response)
        elif status == Task.CANCELED:
            self._operations.finish(task.operation_id, at, error=(CANCELED, "operation was cancelled"))
        else:
            self._operations.finish(task.operation_id, at, error=(13, "tuning failed"))

    def _set(self, tuning: Tuning, status: Task.Status.ValueType, at: float, step: int = 0) -> None:
        """Change the status, in the metadata of the operation, too. Only while it works its steps are told."""
        tuning.task.status = status
        steps = {"total_steps": STEPS, "current_step": step} if status == Task.IN_PROGRESS else {}
        metadata = pb.TuningMetadata(tuning_task_id=tuning.task.task_id, status=status, **steps)
        self._operations.change(tuning.task.operation_id, metadata, at)

    def _kind(self, request: pb.TuningRequest, caller: Caller) -> TuningKind:
        params = request.WhichOneof("tuning_params")
        if params is None:
            raise Problem(3, "tuning_params: exactly one kind of parameters is needed")
        kind = KINDS[params]
        base = Uri.parse(request.base_model_uri, kind.scheme)
        caller.check_folder(base.folder)
        if base.name not in kind.bases or base.tuned:
            raise Problem(3, f"Failed to get model: {base} can't be tuned by {params}")
        return kind

    def _step(self, tuning: Tuning) -> int:
        """How many steps a tuning has done."""
        begin, end = tuning.created + self.seconds * WORKS, tuning.created + self.seconds
        now = min(self._clock.time(), end)
        return int(STEPS * (now - begin) / (end - begin))

    def _losses(self, tuning: Tuning) -> Iterator[tuple[float, int, dict[str, float]]]:
        began = tuning.task.started_at.ToMicroseconds() / 1_000_000
        for step in range(1, self._step(tuning) + 1):
            loss = 0.4 + 1.8 * math.exp(-step / 25)
            figures = {"train_loss": loss, **({"validation_loss": loss * 1.1} if step % 10 == 0 else {})}
            yield began + step, step, figures

    def _find(self, id_: str) -> Tuning:
        found = self.all.get(id_)
        if found is None:
            raise Problem(5, f"Tuning task {id_!r} not found")
        return found


def _rows(source: Dataset) -> list[Json]:
    if source.rows is None:
        return []
    with source.rows.open("rb") as lines:
        return list(line_checks.rows(lines))


TEXTS = frozenset({"yandexgpt-lite", "yandexgpt-5-lite"})
VECTORS = EMBEDDINGS | V2_EMBEDDINGS
KINDS = {
    "text_to_text_completion": TuningKind("gpt", "TextToTextGeneration", TEXTS, fewest=10),
    "text_classification_multiclass": TuningKind("cls", "TextClassificationMulticlass", CLASSIFIERS, fewest=100),
    "text_classification_multilabel": TuningKind("cls", "TextClassificationMultilabel", CLASSIFIERS, fewest=100),
    "text_embedding_pair_params": TuningKind("emb", "TextEmbeddingsPair", VECTORS),
    "text_embedding_triplet_params": TuningKind("emb", "TextEmbeddingsTriplet", VECTORS),
}
