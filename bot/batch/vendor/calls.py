"""Calls of AI Studio's gRPC services: addresses, the key, deadlines, retries, log. Begin with `GrpcCalls`.

Only this module and `studio` know grpc and the vendor's stubs.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import Message
from yandex.cloud.ai.batch_inference.v1 import batch_inference_service_pb2_grpc
from yandex.cloud.ai.dataset.v1 import dataset_service_pb2_grpc
from yandex.cloud.ai.foundation_models.v1.text_generation import text_generation_service_pb2_grpc
from yandex.cloud.ai.tuning.v1 import tuning_service_pb2_grpc
from yandex.cloud.endpoint import api_endpoint_service_pb2, api_endpoint_service_pb2_grpc
from yandex.cloud.operation import operation_service_pb2_grpc

from bot.batch.vendor.values import NotFound
from bot.concurrency.retry import Retry
from bot.errors import ModelDenied, ModelError, ModelUnavailable, OutcomeUnknown
from bot.providers import error_mapping
from bot.providers.account import Credentials
from bot.providers.error_mapping import Unauthenticated
from bot.providers.yandex.grpc.channel import host_of, open_channel
from bot.telemetry import tracing

log = logging.getLogger(__name__)

WITHIN = 20.0  # seconds that one try of a call may take
DISCOVERY = "ApiEndpointService"
QUOTA = 429  # HTTP's word for a quota that is used up: the call was certainly not carried out
SHOWN = 200  # characters of what the service says


class GrpcCalls:
    """Calls methods of AI Studio's services, by names like "DatasetService.Create". Close it.

    The service at `address` (host:port) tells where all others listen. `headers` go with each call, beside the key. One
    try takes `within` seconds at most.
    """

    def __init__(
        self, *, address: str, credentials: Credentials, retry: Retry, headers: Mapping[str, str] | None = None,
        within: float = WITHIN,
    ) -> None:  # fmt: skip
        self._address = address
        self._credentials = credentials
        self._retry = retry
        self._standing = dict(headers or {})
        self._within = within
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._endpoints: dict[str, str] = {}

    async def close(self) -> None:
        """Close all connections."""
        for channel in self._channels.values():
            await channel.close()
        self._channels.clear()

    async def call(self, method: str, request: Message, *, repeatable: bool = True, within: float = 0.0) -> Any:
        """Call a method and return its answer; again while the service is unavailable, if it is `repeatable`.

        `within` is for calls that take longer than others. Raises `NotFound`, and the `ModelError` that another status
        means. A method that is not `repeatable` raises `OutcomeUnknown` wherever the service may have carried it out.
        """
        service = method.partition(".")[0]
        address = await self._retry.call(lambda: self._address_of(service))
        if repeatable:
            return await self._retry.call(lambda: self._once(method, request, address, within=within))
        try:
            return await self._once(method, request, address, renews=False)
        except ModelUnavailable as error:
            if str(error).startswith(f"{QUOTA}:"):
                raise
            raise OutcomeUnknown(str(error), trace=error.trace) from None

    async def _address_of(self, service: str) -> str:
        if not self._endpoints:
            found = await self._once(f"{DISCOVERY}.List", api_endpoint_service_pb2.ListApiEndpointsRequest(), "")
            self._endpoints = {endpoint.id: endpoint.address for endpoint in found.endpoints}
        address = self._endpoints.get(ENDPOINTS[service], "")
        if not address:
            raise ModelDenied(f"{self._address} does not know where {ENDPOINTS[service]} listens")
        return address

    async def _once(
        self, method: str, request: Message, address: str, *, renews: bool = True, within: float = 0.0
    ) -> Any:
        """One call, and one more with a new token where the token was refused.

        Without `renews` the token is renewed, but the call is left to who looks first: `OutcomeUnknown`.
        """
        service, _, name = method.partition(".")
        send = getattr(STUBS[service](self._channel(address or self._address)), name)
        renewed = False
        while True:
            headers = {**await self._credentials.headers(), **self._standing, "x-client-request-id": str(uuid.uuid4())}
            try:
                with tracing.call(method, attributes={"rpc.system": "grpc", "server.address": host_of(address)}):
                    return await send(request, metadata=tuple(headers.items()), timeout=within or self._within)
            except grpc.aio.AioRpcError as error:
                told = _error(method, error, headers["x-client-request-id"])
            if renewed or not isinstance(told, Unauthenticated) or not await self._credentials.renew(headers):
                raise told
            if not renews:
                raise OutcomeUnknown(str(told), trace=told.trace)
            renewed = True

    def _channel(self, address: str) -> grpc.aio.Channel:
        if address not in self._channels:
            self._channels[address] = open_channel(address)
        return self._channels[address]


def _error(method: str, error: grpc.aio.AioRpcError, asked: str) -> ModelError:
    code, details = error.code(), error.details() or ""
    sent = {str(name): str(value) for source in (error.initial_metadata(), error.trailing_metadata())
            for name, value in source or ()}  # fmt: skip
    trace = sent.get("x-server-trace-id", "")
    # A service that is away is told once, by who gives up, and what is gone by who wanted it; each refusal is one line.
    is_usual = code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.NOT_FOUND)
    level = logging.INFO if is_usual else logging.WARNING
    words = (method, asked, trace or "-", code.name, details[:SHOWN])
    log.log(level, "AI Studio refused %s, request %s (trace %s): %s %s", *words)
    text = f"{method}: {code.name} {details[:SHOWN]}"
    if code is grpc.StatusCode.NOT_FOUND:
        return NotFound(text[:300], trace=trace)
    return error_mapping.failure(0, code.value[0], text, trace=trace)


STUBS: Mapping[str, Callable[[grpc.aio.Channel], Any]] = {
    DISCOVERY: api_endpoint_service_pb2_grpc.ApiEndpointServiceStub,
    "DatasetService": dataset_service_pb2_grpc.DatasetServiceStub,
    "TextGenerationBatchService": text_generation_service_pb2_grpc.TextGenerationBatchServiceStub,
    "BatchInferenceService": batch_inference_service_pb2_grpc.BatchInferenceServiceStub,
    "TuningService": tuning_service_pb2_grpc.TuningServiceStub,
    "OperationService": operation_service_pb2_grpc.OperationServiceStub,
}
ENDPOINTS = {  # the vendor's ids of where each service listens
    "DatasetService": "fomo-dataset",
    "TextGenerationBatchService": "ai-foundation-models",
    "BatchInferenceService": "ai-foundation-models",
    "TuningService": "fomo-tuning",
    "OperationService": "operation",
}
