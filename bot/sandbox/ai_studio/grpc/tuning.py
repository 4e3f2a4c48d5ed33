"""TuningService: from datasets to a model with a suffix of its own. Begin with `Tunings.tune`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from google.protobuf.message import Message
from yandex.cloud.ai.tuning.v1 import tuning_service_pb2 as pb
from yandex.cloud.ai.tuning.v1.tuning_error_pb2 import TuningError
from yandex.cloud.ai.tuning.v1.tuning_task_pb2 import TuningTask as Task

from bot.sandbox.ai_studio.core import Core, new_id
from bot.sandbox.ai_studio.grpc import line_checks, models
from bot.sandbox.ai_studio.grpc.datasets import Dataset, Datasets, packed
from bot.sandbox.ai_studio.grpc.models import BatchModels
from bot.sandbox.ai_studio.grpc.runs import Job, Jobs
from bot.sandbox.ai_studio.validation import CLASSIFIERS, EMBEDDINGS, V2_EMBEDDINGS, Uri
from bot.sandbox.ai_studio.wire import BadRequest, Json, Problem
from bot.sandbox.faults import Faults

NAME = re.compile(r"[A-Za-z0-9 _-]{3,100}")
STEPS = 100


@dataclass(frozen=True, slots=True)
class TuningKind:
    """What one kind of tuning parameters tunes: models with this URI scheme, with datasets of this type that have at
    least so many rows.
    """

    scheme: str
    task_type: str
    bases: frozenset[str]
    fewest: int = 1


@dataclass(slots=True, kw_only=True)
class Tuning(Job):
    """A tuning. `rows` are the rows it learns from, as the dataset had them when the tuning began."""

    request: pb.TuningRequest
    base: Uri
    kind: TuningKind
    rows: list[Json]
    errors: list[str] = field(default_factory=list)


class Tunings(Jobs[Tuning]):
    """The tunings of a folder. `started` counts those that were accepted."""

    title = "Tuning"
    begins, works = 0.01, 0.2  # as recorded
    reads_until_empty = True

    def __init__(self, core: Core, datasets: Datasets, models: BatchModels, faults: Faults) -> None:
        super().__init__(core, datasets, models, faults)
        self.seconds = 344.0
        self.started = 0

    # --- the service

    def tune(self, request: pb.TuningRequest) -> Json:
        """Begin a tuning."""
        kind, base = self._kind(request)
        if request.name and not NAME.fullmatch(request.name):
            raise BadRequest(f"name: must match {NAME.pattern}")
        parts = [*request.train_datasets, *request.validation_datasets]
        sources = [self._datasets.ready(part.dataset_id, [kind.task_type]) for part in parts]
        if not request.train_datasets:
            raise BadRequest("train_datasets: at least one dataset is needed")
        rows = [row for source in sources[: len(request.train_datasets)] for row in _rows(source)]
        if len(rows) < kind.fewest:
            raise BadRequest(f"the train datasets have {len(rows)} rows, at least {kind.fewest} are needed")
        self._quotas.take("tuning")
        id_, model = new_id("ftn"), f"{base.scheme}://{base.name}/{base.version}"
        task = Task(task_id=id_, operation_id=id_, source_model_uri=model, name=request.name, labels=request.labels)
        task.description = request.description
        self.started += 1
        now = self._clock.time()
        return self.begin(Tuning(task=task, created=now, request=request, base=base, kind=kind, rows=rows), request)

    def describe(self, request: pb.DescribeTuningRequest) -> Json:
        """The tuning as it is now. Raises `Problem` 5."""
        return {"tuning_task": self.find(request.tuning_task_id).task}

    def list(self, request: pb.ListTuningsRequest) -> Json:
        """Newest first."""
        tasks, token = self.newest(request)
        return {"tuning_tasks": tasks, "next_page_token": token}

    def cancel(self, request: pb.CancelTuningRequest) -> Json:
        """Raises `Problem` 9 if the tuning is over."""
        self.stop(request.tuning_task_id)
        return {"tuning_task_id": request.tuning_task_id}

    def get_metrics_url(self, request: pb.GetMetricsUrlRequest) -> Json:
        """The address of a TensorBoard file with the loss of the steps so far."""
        tuning = self.find(request.task_id)
        if not tuning.task.HasField("started_at"):
            raise Problem(9, f"tuning {request.task_id} has no metrics yet")
        return {"load_url": self._datasets.keep_metrics(request.task_id, models.tensorboard(self._losses(tuning)))}

    def get_options(self, request: pb.GetOptionsRequest) -> Json:
        """Return the parameters with which the tuning was started."""
        asked = self.find(request.task_id).request
        names = ("base_model_uri", "train_datasets", "validation_datasets", asked.WhichOneof("tuning_params"))
        return {"task_id": request.task_id, **{name: getattr(asked, name) for name in names if name}}

    def list_errors(self, request: pb.ListErrorsRequest) -> Json:
        """Why a tuning has failed."""
        id_ = request.tuning_task_id
        errors = self.find(id_).errors
        return {
            "tuning_error": [TuningError(tuning_task_id=id_, message=one, type=TuningError.PUBLIC) for one in errors]
        }

    def archive(self, request: pb.ArchiveTuningRequest) -> Json:
        """The tuned model can't be used any more. The operation is done at once."""
        task = self.find(request.tuning_task_id).task
        if task.status != Task.COMPLETED:
            raise Problem(9, f"tuning {request.tuning_task_id} is {Task.Status.Name(task.status)}, not COMPLETED")
        task.status = Task.ARCHIVED
        self._access.archived.add(task.target_model_uri.partition("@")[2])
        id_ = new_id("ftn")
        self._operations.begin(id_, packed(pb.ArchiveTuningMetadata()), self.advance)
        response = pb.ArchiveTuningResponse(tuning_task_id=task.task_id)
        return self._operations.finish(id_, self._clock.time(), response=packed(response))

    # --- states

    def goes_on(self, job: Tuning) -> None:
        """Tell the steps."""
        self.set(job, Task.IN_PROGRESS, min(self._clock.time(), job.created + self.seconds))

    async def finish(self, job: Tuning, at: float) -> None:
        """Learn the rows, unless it should fail."""
        if "fails" in self._faults.lasting:
            job.errors.append("a failure on purpose")
            self.end(job, Task.FAILED, at)
            return
        suffix, base = new_id("tamr"), job.base
        job.task.target_model_uri = f"{base.scheme}://{base.folder}/{base.name}/{base.version}@{suffix}"
        self._models.learn(suffix, job.kind.task_type, job.rows)
        self.end(job, Task.COMPLETED, at)

    def metadata(self, job: Tuning, status: int) -> Message:
        """Only while it works the steps are told."""
        steps = {"total_steps": STEPS, "current_step": self._step(job)} if status == Task.IN_PROGRESS else {}
        told: Json = {"status": status, **steps}
        return pb.TuningMetadata(tuning_task_id=job.task.task_id, **told)

    def response(self, job: Tuning) -> Message:
        """Which model came of it."""
        task = job.task
        return pb.TuningResponse(
            tuning_task_id=task.task_id, status=task.status, target_model_uri=task.target_model_uri
        )

    def _kind(self, request: pb.TuningRequest) -> tuple[TuningKind, Uri]:
        params = request.WhichOneof("tuning_params")
        if params is None:
            raise BadRequest("tuning_params: exactly one kind of parameters is needed")
        kind = KINDS[params]
        base = Uri.parse(request.base_model_uri, kind.scheme)
        self._access.admit_folder(base.folder)
        if base.name not in kind.bases or base.tuned:
            raise BadRequest(f"Failed to get model: {base} can't be tuned by {params}")
        return kind, base

    def _step(self, tuning: Tuning) -> int:
        passed = min((self._clock.time() - tuning.created) / self.seconds, 1.0)
        return max(int(STEPS * (passed - self.works) / (1 - self.works)), 0)

    def _losses(self, tuning: Tuning) -> Iterator[tuple[float, int, dict[str, float]]]:
        began = tuning.task.started_at.ToMicroseconds() / 1_000_000
        for step in range(1, self._step(tuning) + 1):
            loss = 0.4 + 1.8 * math.exp(-step / 25)
            figures = {"train_loss": loss, **({"validation_loss": loss * 1.1} if step % 10 == 0 else {})}
            yield began + step, step, figures


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
