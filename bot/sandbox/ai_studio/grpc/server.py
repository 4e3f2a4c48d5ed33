"""The gRPC server of the sandbox's AI Studio. Begin with `GrpcServer.start`.

Datasets, batch runs and tuning are answered here: each method is a function of a request and its `Caller`. Everything
else the sandbox's HTTP side answers (`gateway`). The types of requests and responses come from the vendor's
descriptors. A method without a function is answered with UNIMPLEMENTED.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import grpc
import grpc.aio
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from yandex.cloud.ai.batch_inference.v1 import batch_inference_service_pb2
from yandex.cloud.ai.dataset.v1 import dataset_service_pb2
from yandex.cloud.ai.files.v1 import file_service_pb2
from yandex.cloud.ai.foundation_models.v1.embedding import embedding_service_pb2
from yandex.cloud.ai.foundation_models.v1.image_generation import image_generation_service_pb2
from yandex.cloud.ai.foundation_models.v1.text_classification import text_classification_service_pb2
from yandex.cloud.ai.foundation_models.v1.text_generation import text_generation_service_pb2
from yandex.cloud.ai.stt.v3 import stt_service_pb2
from yandex.cloud.ai.tts.v3 import tts_service_pb2
from yandex.cloud.ai.tuning.v1 import tuning_service_pb2
from yandex.cloud.endpoint import api_endpoint_service_pb2
from yandex.cloud.endpoint.api_endpoint_pb2 import ApiEndpoint
from yandex.cloud.operation import operation_service_pb2
from yandex.cloud.searchapi.v2 import gen_search_service_pb2, img_search_service_pb2, search_service_pb2

from bot.clock import Clock
from bot.sandbox.ai_studio.batch.caller import Caller
from bot.sandbox.ai_studio.batch.datasets import Datasets
from bot.sandbox.ai_studio.batch.models import BatchModels
from bot.sandbox.ai_studio.batch.operations import Operations
from bot.sandbox.ai_studio.batch.runs import Runs
from bot.sandbox.ai_studio.batch.tuning import Tunings
from bot.sandbox.ai_studio.core import Quotas
from bot.sandbox.ai_studio.grpc.gateway import STATUSES, Context, Gateway, Unary, handlers_of, name_of
from bot.sandbox.ai_studio.services.object_storage import ObjectStorage
from bot.sandbox.ai_studio.validation import Access
from bot.sandbox.ai_studio.wire import GRPC_OF, HTTP_OF, Problem, ReceivedRequest, reply_headers
from bot.sandbox.event_stream import Hub
from bot.sandbox.faults import Fault, Faults

Method = Callable[[Any, Caller], Awaitable[Message]]

LARGEST_MESSAGE = 64 * 2**20
REMEMBERED = 5_000
GRACE = 0.05  # seconds that calls in progress get when the server stops


class GrpcServer:
    """The gRPC server, on 127.0.0.1, with its parts `datasets`, `runs`, `tunings` and `operations`. The HTTP
    server beside it must run: `storage` knows its address.

    `faults` are those of the HTTP side, too. `calls` are the calls that arrived, oldest first, with routes like
    "DatasetService.Create".
    """

    def __init__(
        self, *, clock: Clock, access: Access, quotas: Quotas, storage: ObjectStorage, models: BatchModels,
        faults: Faults, hub: Hub | None = None,
    ) -> None:  # fmt: skip
        self.faults = faults
        self.operations = Operations(clock, quotas)
        self.datasets = Datasets(clock, storage, self.operations, self.faults)
        self.tunings = Tunings(
            clock=clock,
            datasets=self.datasets,
            operations=self.operations,
            models=models,
            faults=self.faults,
        )
        self.runs = Runs(
            clock=clock,
            datasets=self.datasets,
            operations=self.operations,
            models=models,
            faults=self.faults,
        )
        self.calls: list[ReceivedRequest] = []
        self.address = ""
        self._gateway = Gateway(storage.base, self._received)
        self._clock = clock
        self._access = access
        self._hub = hub
        self._server: grpc.aio.Server | None = None

    async def start(self, port: int = 0) -> str:
        """Start listening without TLS and return the address, host and port. Port 0 takes a free port."""
        limits = [("grpc.max_receive_message_length", LARGEST_MESSAGE), ("grpc.so_reuseport", 0)]
        self._server = grpc.aio.server(options=limits)
        self._server.add_generic_rpc_handlers([self._service(*service) for service in self._services()])
        self._server.add_generic_rpc_handlers([self._gateway.service(service) for service in passed_on()])
        self.address = f"127.0.0.1:{self._server.add_insecure_port(f'127.0.0.1:{port}')}"
        await self._server.start()
        return self.address

    async def close(self) -> None:
        """Stop the server, and runs that are being answered."""
        if self._server is not None:
            await self._server.stop(GRACE)
            self._server = None
        await self._gateway.close()
        await self.runs.close()

    def seen(self, method: str) -> list[ReceivedRequest]:
        """The calls of a method ("DatasetService.Create"), oldest first."""
        return [call for call in self.calls if call.route == method]

    # --- endpoints

    async def list_endpoints(self, _request: Message, _caller: Caller) -> Message:
        """Handle `ApiEndpointService.List`: all services are at this server."""
        found = [ApiEndpoint(id=id_, address=self.address) for id_ in ENDPOINTS]
        return api_endpoint_service_pb2.ListApiEndpointsResponse(endpoints=found)

    async def get_endpoint(self, request: api_endpoint_service_pb2.GetApiEndpointRequest, _caller: Caller) -> Message:
        """Handle `ApiEndpointService.Get`."""
        if request.api_endpoint_id not in ENDPOINTS:
            raise Problem(5, f"endpoint {request.api_endpoint_id!r} not found")
        return ApiEndpoint(id=request.api_endpoint_id, address=self.address)

    # --- one call

    def _services(self) -> Iterable[tuple[ServiceDescriptor, Mapping[str, Method]]]:
        datasets, runs = self.datasets, self.runs
        names = dataset_service_pb2.DESCRIPTOR.services_by_name["DatasetService"]
        yield names, {name: getattr(datasets, _snake(name)) for name in names.methods_by_name}
        yield (
            text_generation_service_pb2.DESCRIPTOR.services_by_name["TextGenerationBatchService"],
            {"Completion": runs.completion},
        )
        yield (
            batch_inference_service_pb2.DESCRIPTOR.services_by_name["BatchInferenceService"],
            {"Describe": runs.describe, "List": runs.list, "Cancel": runs.cancel, "Delete": runs.delete},
        )
        tuning = tuning_service_pb2.DESCRIPTOR.services_by_name["TuningService"]
        yield tuning, {name: getattr(self.tunings, _snake(name)) for name in TUNING}
        yield (
            operation_service_pb2.DESCRIPTOR.services_by_name[OPERATIONS],
            {"Get": self.operations.get, "Cancel": self.operations.cancel},
        )
        yield (
            api_endpoint_service_pb2.DESCRIPTOR.services_by_name["ApiEndpointService"],
            {"List": self.list_endpoints, "Get": self.get_endpoint},
        )

    def _service(self, service: ServiceDescriptor, methods: Mapping[str, Method]) -> grpc.GenericRpcHandler:
        return handlers_of(
            service, {name: self._handler(service.methods_by_name[name], method) for name, method in methods.items()}
        )

    def _handler(self, described: MethodDescriptor, method: Method) -> Unary:
        """The function that answers a method with one of ours. Operations that are not ours the HTTP side has."""
        name = name_of(described)
        elsewhere = self._gateway.unary(described) if described.containing_service.name == OPERATIONS else None

        async def handle(request: Message, context: Context) -> Message:
            if elsewhere is not None and request.operation_id not in self.operations.all:  # type: ignore[attr-defined]
                return await elsewhere(request, context)
            seen = self._received(described, request, context)
            authorization = dict(context.invocation_metadata() or ()).get("authorization", "")
            client = seen.headers.get("x-client-request-id", "")
            await context.send_initial_metadata(tuple(reply_headers(client).items()))
            try:
                response = await self._answer(name, method, request, str(authorization))
            except Problem as problem:
                seen.status, seen.note = problem.code, problem.message
                await context.abort(STATUSES.get(problem.code, grpc.StatusCode.UNKNOWN), problem.message)
            finally:
                self._write_down(seen)
            return response

        return handle

    def _received(self, method: MethodDescriptor, request: Message, context: Context) -> ReceivedRequest:
        """Remember a call."""
        name = name_of(method)
        seen = ReceivedRequest(name, MessageToDict(request), _headers(context), self._clock.monotonic(), path=name)
        self.calls.append(seen)
        del self.calls[:-REMEMBERED]
        return seen

    async def _answer(self, name: str, method: Method, request: Message, authorization: str) -> Message:
        fault = self.faults.take(name)
        if fault is not None and not (fault.apply or fault.cut):
            await _fail(fault)
        if not name.startswith("ApiEndpointService."):
            self._access.admit_call(authorization)
        await self.runs.advance()
        self.tunings.advance()
        response = await method(request, Caller(self._access.folder))
        if fault is not None:
            await _fail(fault)
        return response

    def _write_down(self, seen: ReceivedRequest) -> None:
        if self._hub is not None:
            detail = {"request": seen.body, "headers": seen.headers}
            status = HTTP_OF.get(seen.status, 500) if seen.status else 200
            self._hub.journal("model", seen.route, status=status, summary=seen.note, detail=detail)


def passed_on() -> Iterable[ServiceDescriptor]:
    """The services that the HTTP side answers."""
    for module in (
        file_service_pb2, embedding_service_pb2, image_generation_service_pb2, text_classification_service_pb2,
        text_generation_service_pb2, search_service_pb2, gen_search_service_pb2, img_search_service_pb2,
        stt_service_pb2, tts_service_pb2,
    ):  # fmt: skip
        yield from (one for one in module.DESCRIPTOR.services_by_name.values() if one.name not in OURS)


async def _fail(fault: Fault) -> None:
    if fault.hang:
        await asyncio.Event().wait()
    raise Problem(GRPC_OF.get(fault.status, 14), fault.description or "a failure on purpose")


def _headers(context: Context) -> dict[str, str]:
    """The metadata of a call; of `authorization` only the scheme."""
    found = {str(name): str(value) for name, value in context.invocation_metadata() or ()}
    if "authorization" in found:
        found["authorization"] = found["authorization"].partition(" ")[0]
    return found


def _snake(name: str) -> str:
    """The name of a function for a method: get_preview for GetPreview."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


OPERATIONS = "OperationService"
OURS = frozenset({"TextGenerationBatchService"})
TUNING = ("Tune", "List", "Describe", "Cancel", "GetMetricsUrl", "GetOptions", "ListErrors", "Archive")
# Ids as `ApiEndpointService.List` of the service has them (recorded in 2025), those that a client of AI Studio needs.
# `ai-tts-v3` it has not: the official SDK knows its address by heart, but only beside the real list.
ENDPOINTS = (
    "ai-assistants",
    "ai-files",
    "ai-foundation-models",
    "ai-llm",
    "ai-speechkit",
    "ai-stt",
    "ai-stt-v3",
    "ai-translate",
    "ai-tts-v3",
    "ai-vision",
    "ai-vision-ocr",
    "endpoint",
    "fomo-dataset",
    "fomo-tuning",
    "iam",
    "operation",
    "resource-manager",
    "searchapi",
    "storage",
    "storage-api",
)
