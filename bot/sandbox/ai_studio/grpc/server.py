"""The gRPC server of the sandbox's AI Studio. Begin with `GrpcServer.start`.

Datasets, batch runs and tuning are answered here: each method is a function of a request. Everything else the
sandbox's HTTP side answers (`gateway`). The types of requests and responses come from the vendor's descriptors. A
method without a function is answered with UNIMPLEMENTED.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
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
from yandex.cloud.operation.operation_pb2 import Operation
from yandex.cloud.searchapi.v2 import gen_search_service_pb2, img_search_service_pb2, search_service_pb2

from bot.sandbox.ai_studio.core import Core, Part
from bot.sandbox.ai_studio.grpc.datasets import Datasets
from bot.sandbox.ai_studio.grpc.gateway import Context, Gateway, Unary, handlers_of, name_of, refuse
from bot.sandbox.ai_studio.grpc.models import BatchModels
from bot.sandbox.ai_studio.grpc.runs import Runs
from bot.sandbox.ai_studio.grpc.tuning import Tunings
from bot.sandbox.ai_studio.services.object_storage import ObjectStorage
from bot.sandbox.ai_studio.wire import GRPC_OF, HTTP_OF, Json, Problem, ReceivedRequest, reply_headers, shown_headers
from bot.sandbox.event_stream import Hub
from bot.sandbox.faults import Fault, Faults

Method = Callable[[Any], Json | Awaitable[Json]]

MAX_MESSAGE = 64 * 2**20
REMEMBERED = 5_000
GRACE = 0.05  # seconds that calls in progress get when the server stops


class GrpcServer(Part):
    """The gRPC server, on 127.0.0.1, with its parts `datasets`, `runs` and `tunings`. The HTTP server beside it must
    run: `storage` knows its address.

    `faults` are those of the HTTP side, too. `calls` are the calls that arrived, oldest first, with routes like
    "DatasetService.Create".
    """

    def __init__(
        self, core: Core, *, storage: ObjectStorage, models: BatchModels, faults: Faults, hub: Hub | None = None
    ) -> None:
        super().__init__(core)
        self.faults = faults
        self.operations = core.operations
        self.datasets = Datasets(core, storage, faults)
        self.runs = Runs(core, self.datasets, models, faults)
        self.tunings = Tunings(core, self.datasets, models, faults)
        self.calls: list[ReceivedRequest] = []
        self.address = ""
        self._gateway = Gateway(storage.base, self._pass_on)
        self._hub = hub
        self._server: grpc.aio.Server | None = None

    async def start(self, port: int = 0) -> str:
        """Start listening without TLS and return the address, host and port. Port 0 takes a free port."""
        limits = [("grpc.max_receive_message_length", MAX_MESSAGE), ("grpc.so_reuseport", 0)]
        self._server = grpc.aio.server(options=limits)
        ours = {
            "DatasetService": self.datasets,
            "TextGenerationBatchService": self.runs,
            "BatchInferenceService": self.runs,
            "TuningService": self.tunings,
            "ApiEndpointService": self,
        }
        services = [service for module in MODULES for service in module.DESCRIPTOR.services_by_name.values()]
        self._server.add_generic_rpc_handlers(
            [self._service(one, ours[one.name]) for one in services if one.name in ours]
            + [self._gateway.service(one) for one in services if one.name not in ours]
        )
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
        await self.tunings.close()

    def seen(self, method: str) -> list[ReceivedRequest]:
        """The calls of a method ("DatasetService.Create"), oldest first."""
        return [call for call in self.calls if call.route == method]

    # --- endpoints

    def list(self, _request: Message) -> Json:
        """All services are at this server."""
        return {"endpoints": [ApiEndpoint(id=id_, address=self.address) for id_ in ENDPOINTS.split()]}

    def get(self, request: api_endpoint_service_pb2.GetApiEndpointRequest) -> Json:
        """Raises `Problem` 5 for an unknown id."""
        if request.api_endpoint_id not in ENDPOINTS.split():
            raise Problem(5, f"endpoint {request.api_endpoint_id!r} not found")
        return {"id": request.api_endpoint_id, "address": self.address}

    # --- one call

    def _service(self, service: ServiceDescriptor, part: object) -> grpc.GenericRpcHandler:
        """What answers the methods of a service with the functions of a part that have their names."""
        methods: dict[str, Unary] = {}
        for name, described in service.methods_by_name.items():
            if function := getattr(part, _snake(name), None):
                methods[name] = self._handler(described, function)
        return handlers_of(service, methods)

    def _handler(self, described: MethodDescriptor, method: Method) -> Unary:
        async def handle(request: Message, context: Context) -> Message:
            seen = self._receive(described, request, context)
            authorization = dict(context.invocation_metadata() or ()).get("authorization", "")
            client = seen.headers.get("x-client-request-id", "")
            await context.send_initial_metadata(tuple(reply_headers(client).items()))
            try:
                response = await self._answer(described, method, request, str(authorization))
            except Problem as problem:
                seen.status, seen.note = problem.code, problem.message
                await refuse(context, problem)
            finally:
                self._write_down(seen)
            return response

        return handle

    async def _pass_on(self, method: MethodDescriptor, request: Message, context: Context) -> None:
        """Remember a call that the HTTP side answers, and let it fail if that was planned."""
        self._receive(method, request, context)
        if fault := self.faults.take(name_of(method), chance=False):
            await _fail(fault)

    def _receive(self, method: MethodDescriptor, request: Message, context: Context) -> ReceivedRequest:
        name = name_of(method)
        headers = shown_headers(context.invocation_metadata() or ())
        seen = ReceivedRequest(name, MessageToDict(request), headers, self._clock.monotonic(), path=name)
        self.calls.append(seen)
        del self.calls[:-REMEMBERED]
        return seen

    async def _answer(self, described: MethodDescriptor, method: Method, request: Any, authorization: str) -> Message:
        fault = self.faults.take(name_of(described))
        if fault is not None and not (fault.apply or fault.cut):
            await _fail(fault)
        if described.containing_service.name != "ApiEndpointService":
            self._access.admit_call(authorization)
            if "folder_id" in described.input_type.fields_by_name:
                self._access.admit_folder(request.folder_id)
        await self.runs.advance()
        await self.tunings.advance()
        found = method(request)
        fields = await found if inspect.isawaitable(found) else found
        response = GetMessageClass(described.output_type)
        answer = ParseDict(fields, response()) if response is Operation else response(**fields)
        if fault is not None:
            await _fail(fault)
        return answer

    def _write_down(self, seen: ReceivedRequest) -> None:
        if self._hub is not None:
            detail = {"request": seen.body, "headers": seen.headers}
            status = HTTP_OF.get(seen.status, 500) if seen.status else 200
            self._hub.journal("model", seen.route, status=status, summary=seen.note, detail=detail)


async def _fail(fault: Fault) -> None:
    if fault.hang:
        await asyncio.Event().wait()
    raise Problem(GRPC_OF.get(fault.status, 14), fault.description or "a failure on purpose")


def _snake(name: str) -> str:
    """The name of a function for a method: get_preview for GetPreview."""
    return re.sub("(?<!^)(?=[A-Z])", "_", name).lower()


MODULES = (
    api_endpoint_service_pb2,
    batch_inference_service_pb2,
    dataset_service_pb2,
    tuning_service_pb2,
    operation_service_pb2,
    file_service_pb2,
    embedding_service_pb2,
    image_generation_service_pb2,
    text_classification_service_pb2,
    text_generation_service_pb2,
    search_service_pb2,
    gen_search_service_pb2,
    img_search_service_pb2,
    stt_service_pb2,
    tts_service_pb2,
)
# Ids as `ApiEndpointService.List` of the service has them (recorded in 2025), those that a client of AI Studio needs.
# `ai-tts-v3` it has not: the official SDK knows its address by heart, but only beside the real list.
ENDPOINTS = """
    ai-assistants ai-files ai-foundation-models ai-llm ai-speechkit ai-stt ai-stt-v3 ai-translate ai-tts-v3 ai-vision
    ai-vision-ocr endpoint fomo-dataset fomo-tuning iam operation resource-manager searchapi storage storage-api
"""
