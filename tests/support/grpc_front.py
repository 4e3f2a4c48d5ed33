"""gRPC in front of any HTTP server of AI Studio, as the sandbox has it: `grpc_front`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
from yandex.cloud.endpoint import api_endpoint_service_pb2, api_endpoint_service_pb2_grpc
from yandex.cloud.endpoint.api_endpoint_pb2 import ApiEndpoint

from bot.providers.yandex.grpc.transport import MODELS, OPERATION
from bot.sandbox.ai_studio.grpc.gateway import Gateway
from bot.sandbox.ai_studio.grpc.server import MODULES


@asynccontextmanager
async def grpc_front(url: str, known: Sequence[str] = (MODELS, OPERATION)) -> AsyncIterator[str]:
    """A gRPC server before the HTTP server at `url`; its address. `known` are the services that it tells of."""

    class Endpoints(api_endpoint_service_pb2_grpc.ApiEndpointServiceServicer):
        async def List(self, request: Any, context: Any) -> Any:
            found = [ApiEndpoint(id=id_, address=address) for id_ in known]
            return api_endpoint_service_pb2.ListApiEndpointsResponse(endpoints=found)

        async def Get(self, request: Any, context: Any) -> Any:
            raise NotImplementedError

    async def received(*_: Any) -> None:
        """Calls are not remembered here."""

    server, gateway = grpc.aio.server(), Gateway(url, received)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    services = [service for module in MODULES for service in module.DESCRIPTOR.services_by_name.values()]
    server.add_generic_rpc_handlers([gateway.service(one) for one in services if one.name != "ApiEndpointService"])
    api_endpoint_service_pb2_grpc.add_ApiEndpointServiceServicer_to_server(Endpoints(), server)
    await server.start()
    try:
        yield address
    finally:
        await server.stop(None)
        await gateway.close()
