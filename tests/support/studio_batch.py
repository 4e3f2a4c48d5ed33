"""A plain gRPC client of the sandbox's AI Studio, for datasets, batch runs and tuning. Begin with `batch_side`."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import grpc
import grpc.aio
import pyarrow.parquet as pq
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from yandex.cloud.ai.batch_inference.v1 import batch_inference_service_pb2, batch_inference_service_pb2_grpc
from yandex.cloud.ai.dataset.v1 import dataset_service_pb2, dataset_service_pb2_grpc
from yandex.cloud.ai.foundation_models.v1.text_generation import (
    text_generation_service_pb2,
    text_generation_service_pb2_grpc,
)
from yandex.cloud.ai.tuning.v1 import tuning_service_pb2, tuning_service_pb2_grpc
from yandex.cloud.endpoint import api_endpoint_service_pb2, api_endpoint_service_pb2_grpc
from yandex.cloud.operation import operation_service_pb2, operation_service_pb2_grpc

from bot.sandbox.ai_studio.grpc.server import GrpcServer
from bot.sandbox.ai_studio.server import SANDBOX_FOLDER, Studio
from tests.support.virtual import VirtualClock

SECRET = "a-key-of-this-test"
KEY = f"Api-Key {SECRET}"
GEMMA = f"gpt://{SANDBOX_FOLDER}/gemma-3-12b-it/latest"
SERVICES: Mapping[str, tuple[Any, Any]] = {
    "ApiEndpointService": (api_endpoint_service_pb2, api_endpoint_service_pb2_grpc.ApiEndpointServiceStub),
    "BatchInferenceService": (batch_inference_service_pb2, batch_inference_service_pb2_grpc.BatchInferenceServiceStub),
    "DatasetService": (dataset_service_pb2, dataset_service_pb2_grpc.DatasetServiceStub),
    "OperationService": (operation_service_pb2, operation_service_pb2_grpc.OperationServiceStub),
    "TextGenerationBatchService": (
        text_generation_service_pb2,
        text_generation_service_pb2_grpc.TextGenerationBatchServiceStub,
    ),
    "TuningService": (tuning_service_pb2, tuning_service_pb2_grpc.TuningServiceStub),
}


class BatchSide:
    """The sandbox's studio with its gRPC server, and a client of both. Nothing waits: the clock is moved by hand."""

    def __init__(self, studio: Studio, server: GrpcServer, clock: VirtualClock) -> None:
        self.studio = studio
        self.server = server
        self.clock = clock
        self.authorization = KEY
        self.http = aiohttp.ClientSession()
        self.channel = grpc.aio.insecure_channel(server.address)

    async def close(self) -> None:
        await self.channel.close()
        await self.http.close()

    async def send(self, method: str, request: Message) -> Any:
        """Call a method ("DatasetService.Create") with a message of its own."""
        service, _, name = method.partition(".")
        stub = SERVICES[service][1](self.channel)
        metadata = (("authorization", self.authorization),) if self.authorization else ()
        return await getattr(stub, name)(request, metadata=metadata, timeout=20)

    async def call(self, method: str, **fields: Any) -> Any:
        """Call a method with the fields of its request."""
        service, _, name = method.partition(".")
        described = SERVICES[service][0].DESCRIPTOR.services_by_name[service].methods_by_name[name]
        return await self.send(method, ParseDict(fields, GetMessageClass(described.input_type)()))

    async def refused(self, method: str, **fields: Any) -> str:
        """The status of a call that must fail."""
        try:
            answer = await self.call(method, **fields)
        except grpc.aio.AioRpcError as error:
            return str(error.code().name)
        raise AssertionError(f"{method} was not refused: {answer}")

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.now += seconds

    # --- steps that many tests take

    async def draft(self, task_type: str = "TextToTextGenerationRequest", name: str = "mine") -> str:
        created = await self.call(
            "DatasetService.Create", name=name, folderId=SANDBOX_FOLDER, taskType=task_type, uploadFormat="jsonlines"
        )
        return str(created.dataset_id)

    async def upload(self, dataset: str, data: bytes) -> aiohttp.ClientResponse:
        given = await self.call("DatasetService.GetUploadDraftUrl", datasetId=dataset, sizeBytes=str(len(data)))
        async with self.http.put(given.upload_url, data=data) as response:
            await response.read()
            return response

    async def validated(self, dataset: str) -> Any:
        """The response of the validation, which takes its time."""
        operation = await self.call("DatasetService.Validate", datasetId=dataset)
        self.pass_by(self.server.datasets.seconds)
        done = await self.call("OperationService.Get", operationId=operation.id)
        assert done.done
        response = dataset_service_pb2.ValidateDatasetResponse()
        assert done.response.Unpack(response)
        return response

    async def ready(self, data: bytes, task_type: str = "TextToTextGenerationRequest", name: str = "mine") -> str:
        """A dataset that can be used."""
        dataset = await self.draft(task_type, name)
        assert (await self.upload(dataset, data)).status == 200
        checked = await self.validated(dataset)
        assert checked.is_valid, checked
        return dataset

    async def rows(self, dataset: str) -> list[dict[str, Any]]:
        """The rows of the Parquet file of a dataset."""
        given = await self.call("DatasetService.GetDownloadUrls", datasetId=dataset)
        (file,) = given.download_urls
        assert file.key == "main"
        async with self.http.get(file.url) as response:
            assert response.status == 200
            found: list[dict[str, Any]] = pq.read_table(io.BytesIO(await response.read())).to_pylist()
            return found

    async def run(self, dataset: str, **fields: Any) -> Any:
        """Begin a batch run; return its task."""
        fields = {"modelUri": GEMMA, "sourceDatasetId": dataset, "completionOptions": {}, **fields}
        operation = await self.call("TextGenerationBatchService.Completion", **fields)
        metadata = text_generation_service_pb2.BatchCompletionMetadata()
        assert operation.metadata.Unpack(metadata)
        return (await self.call("BatchInferenceService.Describe", taskId=metadata.task_id)).task

    async def task(self, task_id: str) -> Any:
        return (await self.call("BatchInferenceService.Describe", taskId=task_id)).task

    async def finished(self, task_id: str) -> Any:
        """The task after the time that a run takes."""
        self.pass_by(self.server.runs.seconds)
        return await self.task(task_id)


@asynccontextmanager
async def batch_side(**options: Any) -> AsyncIterator[BatchSide]:
    clock = VirtualClock()
    studio = Studio(clock=clock, keys=(SECRET,), **options)
    await studio.start()
    side = BatchSide(studio, await studio.start_grpc(), clock)
    try:
        yield side
    finally:
        await side.close()
        await studio.close()
