"""The gRPC service DatasetService: a dataset from its draft and upload to its Parquet file. Begin with `Datasets`.

A method returns the fields of its response.
"""

from __future__ import annotations

import asyncio
import fnmatch
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from yandex.cloud.ai.dataset.v1 import dataset_service_pb2 as pb
from yandex.cloud.ai.dataset.v1.dataset_pb2 import (
    DatasetFileDownloadUrl,
    DatasetInfo,
    DatasetUploadSchema,
    ValidationError,
)

from bot.sandbox.ai_studio.core import CREATOR, Core, Part, new_id
from bot.sandbox.ai_studio.grpc import line_checks, models
from bot.sandbox.ai_studio.services.object_storage import DATASETS, DRAFTS, METRICS, ObjectStorage
from bot.sandbox.ai_studio.wire import BadRequest, Json, Problem, find, page
from bot.sandbox.faults import Faults

MAX_NAME = 63
MAX_SIZE = 5 * 2**30
MAX_PARTS = 10_000
PREVIEW_LINES = 10
FORMAT = "jsonlines"


@dataclass(slots=True)
class Dataset:
    """A dataset, created at a Unix time.

    `rows` is the path of its file with JSON lines, `file` that of a Parquet file with the same rows; `checked` is the
    result of the validation.
    """

    info: DatasetInfo
    created: float
    rows: Path | None = None
    file: Path | None = None
    operation: str = ""
    validated: float = 0.0
    checked: line_checks.Checked = field(default_factory=line_checks.Checked)


class Datasets(Part):
    """The datasets of a folder, of which at most `most` may exist.

    Validation takes `seconds`. After half of them the dataset is ready or invalid and the operation shows how many rows
    there are; after all of them the operation is done. `fewest` maps a task type to the number of rows that a dataset
    needs at least.
    """

    def __init__(self, core: Core, storage: ObjectStorage, faults: Faults) -> None:
        super().__init__(core)
        self.seconds = 130.0
        self.most = 100
        self.fewest: dict[str, int] = {}
        self.all: dict[str, Dataset] = {}
        self._storage = storage
        self._faults = faults

    # --- what runs and tunings ask for

    def find(self, id_: str) -> Dataset:
        """Return a dataset in its present state. Raises `Problem` 5 if there is none with this id."""
        found = find(self.all, id_, "Dataset {!r} not found")
        self._look(found)
        return found

    def ready(self, id_: str, types: Iterable[str] = ()) -> Dataset:
        """Return a dataset that can be used. Raises `Problem` 9 if it is not ready, and 3 if its type is not among
        `types`, if there are some.
        """
        found = self.find(id_)
        if found.info.status != DatasetInfo.READY:
            state = DatasetInfo.Status.Name(found.info.status)
            raise Problem(9, f"Dataset {id_!r} is not ready: its status is {state}")
        if (known := list(types)) and found.info.task_type not in known:
            raise BadRequest(f"Dataset {id_!r} has the task type {found.info.task_type}, not {' or '.join(known)}")
        return found

    def reserve(self, name: str, task_type: str, labels: dict[str, str], at: float) -> str:
        """Create an empty dataset for the result of a run, and return its id."""
        info = self._new(name, task_type, at)
        info.labels.update(labels)
        return info.dataset_id

    def new_path(self) -> Path:
        """The path for a file with rows."""
        return self._storage.new_path()

    async def fill(self, id_: str, rows: Path, at: float) -> None:
        """Give a dataset that was made by `reserve` its rows; after that it is ready."""
        file = await self._write_parquet(rows)
        if (dataset := self.all.get(id_)) is not None:  # nobody has deleted it meanwhile
            dataset.rows, dataset.file = rows, file
            self._make_ready(dataset, at)

    def keep_metrics(self, name: str, data: bytes) -> str:
        """Store a file with the metrics of a tuning, and return an address from which it can be read."""
        path = self._storage.new_path()
        path.write_bytes(data)
        self._storage.keep(self._key(METRICS, name), path)
        return self._storage.download_url(self._key(METRICS, name))

    # --- the service

    def create(self, request: pb.CreateDatasetRequest) -> Json:
        """Raises `Problem` 3 for a wrong name, type or format, and 8 if there are `most` datasets."""
        if not 1 <= len(request.name) <= MAX_NAME:
            raise BadRequest(f"name: the length must be from 1 to {MAX_NAME}")
        _check_type(request.task_type)
        if request.upload_format != FORMAT:
            raise BadRequest(f"unknown upload format: {request.upload_format!r}")
        if len(self.all) >= self.most:
            raise Problem(8, f"ai.datasetsCount.count gauge quota limit exceed: allowed {self.most} datasets")
        info = self._new(request.name, request.task_type, self._clock.time())
        info.description, info.metadata = request.description, request.metadata
        info.allow_data_log = request.allow_data_log
        info.labels.update(request.labels)
        return {"dataset_id": info.dataset_id, "dataset": info}

    def update(self, request: pb.UpdateDatasetRequest) -> Json:
        """Change the name, description or labels that the field mask names."""
        info = self.find(request.dataset_id).info
        for name in request.update_mask.paths:
            if name == "labels":
                info.labels.clear()
                info.labels.update(request.labels)
            elif name in ("name", "description"):
                setattr(info, name, getattr(request, name))
            else:
                raise BadRequest(f"update_mask: {name!r} can't be changed")
        info.updated_at.CopyFrom(moment(self._clock.time()))
        return {"dataset": info}

    def describe(self, request: pb.DescribeDatasetRequest) -> Json:
        """The dataset as it is now. Raises `Problem` 5."""
        return {"dataset": self.find(request.dataset_id).info}

    def delete(self, request: pb.DeleteDatasetRequest) -> Json:
        """Its files go, too. Raises `Problem` 5."""
        self.find(request.dataset_id)
        del self.all[request.dataset_id]
        self._storage.remove(self._key(DRAFTS, request.dataset_id))
        self._storage.remove(self._key(DATASETS, request.dataset_id))
        return {}

    def list(self, request: pb.ListDatasetsRequest) -> Json:
        """Newest first. A pattern of names may have asterisks; without them it is a part of the name."""
        pattern = request.dataset_name_pattern
        pattern = pattern if "*" in pattern else f"*{pattern}*"
        latest = self._clock.time() - self._faults.list_lag
        found = []
        for dataset in reversed(self.all.values()):
            self._look(dataset)
            info = dataset.info
            if (
                dataset.created <= latest
                and fnmatch.fnmatchcase(info.name, pattern)
                and info.status in (request.status or [info.status])
                and info.task_type in (request.task_type_filter or [info.task_type])
                and info.dataset_id in (request.dataset_ids or [info.dataset_id])
            ):
                found.append(info)
        rows, token = page(found, request.page_size, request.page_token)
        return {"datasets": rows, "next_page_token": token}

    def get_upload_draft_url(self, request: pb.GetUploadDraftUrlRequest) -> Json:
        """An address for one upload of exactly `size_bytes`. Raises `Problem` 9 for what is no draft."""
        key = self._draft(request.dataset_id, request.size_bytes)
        return {"dataset_id": request.dataset_id, "upload_url": self._storage.upload_url(key, request.size_bytes)}

    def start_multipart_upload_draft(self, request: pb.StartMultipartUploadDraftRequest) -> Json:
        """An address for each part; an upload in parts that was begun earlier is forgotten."""
        key = self._draft(request.dataset_id, request.size_bytes)
        if not 1 <= request.parts <= MAX_PARTS:
            raise BadRequest(f"parts: the value must be from 1 to {MAX_PARTS}")
        urls = self._storage.start_multipart(key, request.size_bytes, request.parts)
        return {"dataset_id": request.dataset_id, "multipart_upload_urls": urls}

    async def finish_multipart_upload_draft(self, request: pb.FinishMultipartUploadDraftRequest) -> Json:
        """Join the parts. Raises `Problem` 3 for parts that do not fit."""
        self.find(request.dataset_id)
        etags = {part.part_num: part.etag for part in request.uploaded_parts}
        await asyncio.to_thread(self._storage.finish_multipart, self._key(DRAFTS, request.dataset_id), etags)
        return {"dataset_id": request.dataset_id}

    async def validate(self, request: pb.ValidateDatasetRequest) -> Json:
        """Lines that are wrong make a successful operation with `is_valid` false."""
        dataset = self._drafted(request.dataset_id)
        draft = self._storage.find(self._key(DRAFTS, request.dataset_id))
        if draft is None:
            raise Problem(9, f"nothing was uploaded to the dataset {request.dataset_id!r}")
        task_type = dataset.info.task_type
        dataset.operation = ""
        dataset.rows, dataset.validated = self._storage.new_path(), self._clock.time()
        os.link(draft.path, dataset.rows)  # another upload to the same address changes nothing
        dataset.info.status = DatasetInfo.VALIDATING
        fewest = self.fewest.get(task_type, 1)
        dataset.checked = await asyncio.to_thread(line_checks.check_file, task_type, dataset.rows, fewest)
        dataset.file = await self._write_parquet(dataset.rows) if not dataset.checked.errors else None
        dataset.operation = new_id("fds")

        async def look() -> None:
            self._look(dataset)

        return self._operations.begin(dataset.operation, None, look)

    def get_download_urls(self, request: pb.GetDownloadUrlsRequest) -> Json:
        """One Parquet file, called "main"."""
        self.ready(request.dataset_id)
        key = self._key(DATASETS, request.dataset_id)
        if self._storage.find(key) is None:
            raise Problem(9, models.NO_PARQUET)
        url = DatasetFileDownloadUrl(key="main", url=self._storage.download_url(key))
        return {"dataset_id": request.dataset_id, "download_urls": [url]}

    def list_upload_formats(self, request: pb.ListUploadFormatsRequest) -> Json:
        """The only format. Raises `Problem` 3 for an unknown task type."""
        _check_type(request.task_type)
        return {"formats": [FORMAT]}

    def list_upload_schemas(self, request: pb.ListUploadSchemasRequest) -> Json:
        """JSON schemas of a line."""
        _check_type(request.task_type)
        schema = json.dumps(line_checks.SCHEMAS[request.task_type])
        return {"schemas": [DatasetUploadSchema(task_type=request.task_type, upload_format=FORMAT, schema=schema)]}

    def list_types(self, _request: pb.ListTypesRequest) -> Json:
        """The task types whose lines are checked."""
        return {"types": list(line_checks.SCHEMAS)}

    def get_preview(self, request: pb.GetDatasetPreviewRequest) -> Json:
        """The first lines."""
        dataset = self.ready(request.dataset_id)
        with (dataset.rows or Path(os.devnull)).open("rb") as lines:
            first = [line.decode().rstrip("\r\n") for line, _ in zip(lines, range(PREVIEW_LINES), strict=False)]
        return {"dataset_id": request.dataset_id, "preview_lines": first}

    def list_operations_ids(self, request: pb.ListOperationsIdsRequest) -> Json:
        """The last validation of each dataset that has one."""
        wanted = {id_: self.all[id_].operation for id_ in request.dataset_id if id_ in self.all}
        return {"dataset_id_to_operation_id": {id_: operation for id_, operation in wanted.items() if operation}}

    # --- states

    def _new(self, name: str, task_type: str, at: float) -> DatasetInfo:
        made: Json = {
            "created_by": CREATOR,
            "created_by_id": CREATOR,
            "created_at": moment(at),
            "updated_at": moment(at),
        }
        info = DatasetInfo(
            dataset_id=new_id("fds"),
            folder_id=self._access.folder,
            name=name,
            status=DatasetInfo.DRAFT,
            task_type=task_type,
            **made,
        )
        self.all[info.dataset_id] = Dataset(info, at)
        return info

    def _drafted(self, id_: str) -> Dataset:
        """A dataset that takes uploads. Raises `Problem` 9 for another."""
        found = self.find(id_)
        if found.info.status not in (DatasetInfo.DRAFT, DatasetInfo.INVALID):
            raise Problem(9, f"Dataset {id_!r} is no draft")
        return found

    def _draft(self, id_: str, size: int) -> str:
        """The key of what is uploaded for a dataset. Raises `Problem` if it takes no upload of this size."""
        self._drafted(id_)
        if not 1 <= size <= MAX_SIZE:
            raise BadRequest(f"size_bytes: the value must be from 1 to {MAX_SIZE}")
        return self._key(DRAFTS, id_)

    def _key(self, bucket: str, id_: str) -> str:
        return f"{bucket}/{self._access.folder}/{id_}"

    async def _write_parquet(self, rows: Path) -> Path | None:
        """Write rows as a Parquet file and return its path; None if the extra `parquet` is not installed."""
        if not models.writes_parquet():
            return None
        path = self._storage.new_path()
        await asyncio.to_thread(models.write_parquet, rows, path)
        return path

    def _look(self, dataset: Dataset) -> None:
        """Let a validation go on as far as the time has come."""
        now, checked, info = self._clock.time(), dataset.checked, dataset.info
        half, end = dataset.validated + self.seconds / 2, dataset.validated + self.seconds
        operation = self._operations.all.get(dataset.operation)
        if operation is None or operation.finished or now < half:
            return
        if info.status == DatasetInfo.VALIDATING:
            counts = {"valid_rows": checked.valid, "processed_rows": checked.total, "total_rows": checked.total}
            metadata = pb.ValidateDatasetMetadata(dataset_id=info.dataset_id, **counts)
            self._operations.change(dataset.operation, packed(metadata), half)
            self._decide(dataset, half)
        if now >= end:
            errors = list(info.validation_error)
            response = pb.ValidateDatasetResponse(dataset_id=info.dataset_id, is_valid=not errors, errors=errors)
            self._operations.finish(dataset.operation, end, response=packed(response))

    def _decide(self, dataset: Dataset, at: float) -> None:
        info, errors = dataset.info, dataset.checked.errors.values()
        del info.validation_error[:]
        info.validation_error.extend(
            ValidationError(error=found.error, error_description=found.description, row_numbers=found.rows)
            for found in errors
        )
        info.updated_at.CopyFrom(moment(at))
        if errors:
            info.status = DatasetInfo.INVALID
        else:
            info.rows = dataset.checked.total
            self._make_ready(dataset, at)

    def _make_ready(self, dataset: Dataset, at: float) -> None:
        info = dataset.info
        info.status = DatasetInfo.READY
        info.updated_at.CopyFrom(moment(at))
        if dataset.file is not None:
            info.size_bytes = self._storage.keep(self._key(DATASETS, info.dataset_id), dataset.file).size
        elif dataset.rows is not None:
            info.size_bytes = dataset.rows.stat().st_size


def moment(at: float, *, fine: bool = False) -> Timestamp:
    """Return a Unix time as a Timestamp, cut to whole seconds unless it should be `fine`."""
    stamp = Timestamp()
    stamp.FromMicroseconds(int(at * 1_000_000) if fine else int(at) * 1_000_000)
    return stamp


def packed(message: Message) -> Json:
    """A message as the JSON of a field that may have any type."""
    return {"@type": f"type.googleapis.com/{message.DESCRIPTOR.full_name}", **MessageToDict(message)}


def _check_type(task_type: str) -> None:
    if task_type not in line_checks.SCHEMAS:
        raise BadRequest(f"unknown task type: {task_type!r}")
