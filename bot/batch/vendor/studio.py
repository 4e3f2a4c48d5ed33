"""What AI Studio offers by gRPC alone: datasets, batch runs, tunings. Begin with `VendorStudio`.

All methods raise `ModelError`s. Those that create something (`create_dataset`, `start_run`, `start_tuning`) are called
once and raise `OutcomeUnknown` where that may have been done: who calls them looks (`list_…`) before he calls again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from yandex.cloud.ai.batch_inference.v1 import batch_inference_service_pb2 as inference
from yandex.cloud.ai.batch_inference.v1.batch_inference_task_pb2 import BatchInferenceTask
from yandex.cloud.ai.dataset.v1 import dataset_service_pb2 as datasets
from yandex.cloud.ai.dataset.v1.dataset_pb2 import DatasetInfo, ValidationError
from yandex.cloud.ai.foundation_models.v1.text_generation import text_generation_service_pb2 as generation
from yandex.cloud.ai.tuning.v1 import tuning_service_pb2 as tunings
from yandex.cloud.ai.tuning.v1.tuning_task_pb2 import TuningTask
from yandex.cloud.operation.operation_service_pb2 import GetOperationRequest

from bot.batch.vendor.calls import GrpcCalls
from bot.batch.vendor.values import UNKNOWN, Dataset, LineError, NotFound, Tuning, VendorRun
from bot.errors import ModelProtocolError

PAGE = 100  # rows of a list
MOST_PAGES = 1_000
JOINING = 300.0  # seconds in which the service joins the parts of an upload
FORMAT = "jsonlines"


class VendorStudio:
    """Datasets, batch runs and tunings of one `folder`."""

    def __init__(self, calls: GrpcCalls, folder: str) -> None:
        self._calls = calls
        self.folder = folder

    async def close(self) -> None:
        """Close all connections."""
        await self._calls.close()

    # --- datasets -----------------------------------------------------------------------------------------------------

    async def create_dataset(self, name: str, task_type: str, labels: Mapping[str, str]) -> Dataset:
        """Create an empty dataset, a draft. `name` has 63 characters at most."""
        request = datasets.CreateDatasetRequest(
            name=name, folder_id=self.folder, task_type=task_type, upload_format=FORMAT, labels=labels
        )
        found = await self._calls.call("DatasetService.Create", request, repeatable=False)
        return _dataset(found.dataset)

    async def list_datasets(self, name: str = "") -> Sequence[Dataset]:
        """Return the datasets of the folder whose names have `name` in them. A list may lag behind by minutes."""
        request = datasets.ListDatasetsRequest(folder_id=self.folder, dataset_name_pattern=name, page_size=PAGE)
        return [_dataset(info) for info in await self._pages("DatasetService.List", request, "datasets")]

    async def describe_dataset(self, dataset: str) -> Dataset:
        """Return a dataset."""
        request = datasets.DescribeDatasetRequest(dataset_id=dataset)
        return _dataset((await self._calls.call("DatasetService.Describe", request)).dataset)

    async def delete_dataset(self, dataset: str) -> None:
        """Delete a dataset; one that is gone already is fine."""
        try:
            await self._calls.call("DatasetService.Delete", datasets.DeleteDatasetRequest(dataset_id=dataset))
        except NotFound:
            return

    async def upload_url(self, dataset: str, size: int) -> str:
        """Return the address that takes the file of a draft, of exactly `size` bytes, for a day."""
        request = datasets.GetUploadDraftUrlRequest(dataset_id=dataset, size_bytes=size)
        return str((await self._calls.call("DatasetService.GetUploadDraftUrl", request)).upload_url)

    async def start_parts(self, dataset: str, size: int, parts: int) -> Sequence[str]:
        """Begin an upload in parts, which forgets an earlier one; return the address of each part."""
        request = datasets.StartMultipartUploadDraftRequest(dataset_id=dataset, size_bytes=size, parts=parts)
        found = await self._calls.call("DatasetService.StartMultipartUploadDraft", request)
        if len(found.multipart_upload_urls) != parts:
            raise ModelProtocolError(f"{len(found.multipart_upload_urls)} addresses for {parts} parts")
        return list(found.multipart_upload_urls)

    async def finish_parts(self, dataset: str, etags: Sequence[str]) -> None:
        """End an upload in parts; `etags` are those of the parts in their order."""
        parts = [datasets.UploadedPartInfo(part_num=number, etag=etag) for number, etag in enumerate(etags, 1)]
        request = datasets.FinishMultipartUploadDraftRequest(dataset_id=dataset, uploaded_parts=parts)
        await self._calls.call("DatasetService.FinishMultipartUploadDraft", request, within=JOINING)

    async def validate(self, dataset: str) -> None:
        """Let the service check what was uploaded; `describe_dataset` tells the end, minutes later."""
        await self._calls.call("DatasetService.Validate", datasets.ValidateDatasetRequest(dataset_id=dataset))

    async def validation_errors(self, dataset: str) -> Sequence[LineError]:
        """Return the errors that the last validation of a dataset has found, which stand in the response of its
        operation; () once the service has forgotten the operation.
        """
        request = datasets.ListOperationsIdsRequest(dataset_id=[dataset])
        found = await self._calls.call("DatasetService.ListOperationsIds", request)
        operation, response = found.dataset_id_to_operation_id.get(dataset, ""), datasets.ValidateDatasetResponse()
        if not operation:
            return ()
        try:
            done = await self._calls.call("OperationService.Get", GetOperationRequest(operation_id=operation))
        except NotFound:
            return ()
        return _errors(response.errors) if done.response.Unpack(response) else ()

    async def download_urls(self, dataset: str) -> Sequence[str]:
        """Return the addresses of a dataset's Parquet files in their order, each good for a day."""
        request = datasets.GetDownloadUrlsRequest(dataset_id=dataset)
        found = (await self._calls.call("DatasetService.GetDownloadUrls", request)).download_urls
        ordered = sorted(found, key=lambda one: (not one.key.isdecimal(), int(one.key) if one.key.isdecimal() else 0))
        return [one.url for one in ordered]

    async def upload_schema(self, task_type: str) -> Mapping[str, Any] | None:
        """Return the JSON schema of a line of such datasets, None if the service has none."""
        request = datasets.ListUploadSchemasRequest(task_type=task_type, folder_id=self.folder)
        found = (await self._calls.call("DatasetService.ListUploadSchemas", request)).schemas
        texts = [one.schema for one in found if one.upload_format == FORMAT and one.schema]
        try:
            return cast("Mapping[str, Any]", json.loads(texts[0])) if texts else None
        except ValueError:
            return None

    # --- batch runs ---------------------------------------------------------------------------------------------------

    async def start_run(self, model: str, dataset: str, options: Mapping[str, Any]) -> str:
        """Let the model with this URI answer all rows of a dataset, which costs money each time. Return the run's id.

        `options` may have temperature, max_tokens and schema.
        """
        values: dict[str, Any] = {
            "completionOptions": {
                **({"temperature": options["temperature"]} if options.get("temperature") is not None else {}),
                **({"maxTokens": options["max_tokens"]} if options.get("max_tokens") else {}),
            },
            **({"jsonSchema": {"schema": options["schema"]}} if options.get("schema") else {}),
        }
        request = generation.BatchCompletionRequest(model_uri=model, source_dataset_id=dataset)
        ParseDict(values, request)
        operation = await self._calls.call("TextGenerationBatchService.Completion", request, repeatable=False)
        told = generation.BatchCompletionMetadata()
        operation.metadata.Unpack(told)
        return str(told.task_id)

    async def describe_run(self, run: str) -> VendorRun:
        """Return a run."""
        request = inference.DescribeBatchInferenceRequest(task_id=run)
        return _run((await self._calls.call("BatchInferenceService.Describe", request)).task)

    async def list_runs(self) -> Sequence[VendorRun]:
        """Return the runs of the folder, newest first. The list may lag behind by minutes."""
        request = inference.ListBatchInferencesRequest(folder_id=self.folder, page_size=PAGE)
        return [_run(task) for task in await self._pages("BatchInferenceService.List", request, "tasks")]

    async def cancel_run(self, run: str) -> None:
        """End a run. Raises `ModelRefused` if it is over, which its status tells."""
        await self._calls.call("BatchInferenceService.Cancel", inference.CancelBatchInferenceRequest(task_id=run))

    # --- tuning -------------------------------------------------------------------------------------------------------

    async def start_tuning(self, values: Mapping[str, Any]) -> str:
        """Begin a tuning, and return its id.

        `values` are the fields of the vendor's TuningRequest in JSON: baseModelUri, trainDatasets, name, and one of the
        kinds of parameters. Raises `ModelProtocolError` for a field that there is not.
        """
        request = tunings.TuningRequest()
        try:
            ParseDict(dict(values), request)
        except ParseError as error:
            raise ModelProtocolError(f"the parameters of the tuning are wrong: {error}") from None
        operation = await self._calls.call("TuningService.Tune", request, repeatable=False)
        told = tunings.TuningMetadata()
        operation.metadata.Unpack(told)
        return str(told.tuning_task_id)

    async def describe_tuning(self, tuning: str) -> Tuning:
        """Return a tuning."""
        request = tunings.DescribeTuningRequest(tuning_task_id=tuning)
        return _tuning((await self._calls.call("TuningService.Describe", request)).tuning_task)

    async def list_tunings(self) -> Sequence[Tuning]:
        """Return the tunings of the folder, newest first. The list may lag behind by minutes."""
        request = tunings.ListTuningsRequest(folder_id=self.folder, page_size=PAGE)
        return [_tuning(task) for task in await self._pages("TuningService.List", request, "tuning_tasks")]

    async def tuning_errors(self, tuning: str) -> Sequence[str]:
        """Return why a tuning has failed, in the vendor's words."""
        request = tunings.ListErrorsRequest(tuning_task_id=tuning)
        return [one.message for one in (await self._calls.call("TuningService.ListErrors", request)).tuning_error]

    async def cancel_tuning(self, tuning: str) -> None:
        """End a tuning. Raises `ModelRefused` if it is over."""
        await self._calls.call("TuningService.Cancel", tunings.CancelTuningRequest(tuning_task_id=tuning))

    async def archive_tuning(self, tuning: str) -> None:
        """Put a tuned model away for good: nobody can use it any more. Raises `ModelRefused` if it is not completed."""
        await self._calls.call("TuningService.Archive", tunings.ArchiveTuningRequest(tuning_task_id=tuning))

    async def metrics_url(self, tuning: str) -> str:
        """Return the address of the TensorBoard file with the losses of a tuning."""
        request = tunings.GetMetricsUrlRequest(task_id=tuning)
        return str((await self._calls.call("TuningService.GetMetricsUrl", request)).load_url)

    async def _pages(self, method: str, request: Any, rows: str) -> Sequence[Any]:
        """All rows of a list. It ends with the page without a token, or without rows."""
        found: list[Any] = []
        for _ in range(MOST_PAGES):
            page = await self._calls.call(method, request)
            found += getattr(page, rows)
            if not page.next_page_token or not getattr(page, rows):
                return found
            request.page_token = page.next_page_token
        raise ModelProtocolError(f"{method} has no end")


def _dataset(info: DatasetInfo) -> Dataset:
    return Dataset(
        id=info.dataset_id, name=info.name, status=_status(info), task_type=info.task_type, rows=info.rows,
        size=info.size_bytes, created=_time(info.created_at), labels=dict(info.labels),
        errors=_errors(info.validation_error),
    )  # fmt: skip


def _errors(found: Sequence[ValidationError]) -> tuple[LineError, ...]:
    return tuple(LineError(one.error, one.error_description, tuple(one.row_numbers)) for one in found)


def _run(task: BatchInferenceTask) -> VendorRun:
    told = task.errors
    ranges = [(batch.first_line, batch.last_line, batch.message) for batch in told.batch_errors if batch.first_line > 0]
    whole = [told.status.message or f"code {told.status.code}"] if told.status.code else []
    return VendorRun(
        id=task.task_id, operation=task.operation_id, status=_status(task), dataset=task.source_dataset_id,
        result=task.result_dataset_id, created=_time(task.created_at), started=_time(task.started_at),
        line_errors=(*((one.line_number, one.line_number, one.message) for one in told.line_errors), *ranges),
        errors=tuple(whole) or tuple(batch.message for batch in told.batch_errors),
    )  # fmt: skip


def _tuning(task: TuningTask) -> Tuning:
    return Tuning(
        id=task.task_id, name=task.name, status=_status(task), base=task.source_model_uri, target=task.target_model_uri,
        created=_time(task.created_at), started=_time(task.started_at), finished=_time(task.finished_at),
        labels=dict(task.labels),
    )  # fmt: skip


def _status(message: Message) -> str:
    """The name of the message's status in lower case; a newer service may have one that these stubs do not know."""
    names = message.DESCRIPTOR.fields_by_name["status"].enum_type.values_by_number
    found = names.get(cast("Any", message).status)
    return UNKNOWN if found is None or found.number == 0 else re.sub(r"^STATUS_", "", found.name).lower()


def _time(stamp: Timestamp) -> float:
    return stamp.ToMicroseconds() / 1_000_000
