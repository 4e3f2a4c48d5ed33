"""Requests of the native API as gRPC calls: `GrpcTransport`, beneath `Http` as the transport of HTTP is.

What asks AI Studio writes and reads the same JSON by both ways, so retries, quotas, deadlines, keys and errors are the
same, too. Which call a request is, the vendor's descriptors say (`google.api.http`).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from typing import Any

import grpc
import grpc.aio
import httpx
from google.api import annotations_pb2
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from yandex.cloud.ai.foundation_models.v1.embedding import embedding_service_pb2
from yandex.cloud.ai.foundation_models.v1.image_generation import image_generation_service_pb2
from yandex.cloud.ai.foundation_models.v1.text_classification import text_classification_service_pb2
from yandex.cloud.ai.foundation_models.v1.text_generation import text_generation_service_pb2
from yandex.cloud.endpoint import api_endpoint_service_pb2, api_endpoint_service_pb2_grpc
from yandex.cloud.operation import operation_service_pb2

from bot.errors import ModelProtocolError
from bot.http.framing import dump_json, mapping, parse_json
from bot.providers.error_mapping import HTTP_OF_GRPC
from bot.providers.yandex.grpc.channel import open_channel

DISCOVERING = 10.0  # seconds
UNAVAILABLE = 14
UNKNOWN_ADDRESS = 12  # UNIMPLEMENTED: no try more would help
# What grpcio says where it had no connection, so that nothing of the call was sent.
UNSENT = ("failed to connect", "dns resolution failed", "name resolution")


class GrpcTransport(httpx.AsyncBaseTransport):
    """Sends requests of the native API by gRPC, and all others by the transport `otherwise`.

    The service at `address` (host:port) tells where all others listen. Raises httpx's errors: `ConnectError` where
    nothing was sent, `ReadError` where the call may have been carried out. Any other status is an answer, in the form
    that the HTTP API gives it.
    """

    def __init__(self, address: str, otherwise: httpx.AsyncBaseTransport) -> None:
        self._address = address
        self._otherwise = otherwise
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._endpoints: Mapping[str, str] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the answer as soon as its first message is there. The others are lines of JSON, as those of HTTP."""
        found = _called(request.method, request.url.path)
        if found is None:
            return await self._otherwise.handle_async_request(request)
        method, fields = found
        message = _message(method, {**mapping(parse_json(await request.aread() or b"{}")), **fields})
        try:
            call = await self._call(method, message, request.headers)
        except grpc.aio.AioRpcError as error:
            return _refusal(error)
        except LookupError as error:
            return _answer(UNKNOWN_ADDRESS, str(error))
        try:
            first = await call.read()
            headers = _headers(await call.initial_metadata())
            if not method.server_streaming and first is not grpc.aio.EOF:
                with suppress(grpc.aio.AioRpcError):  # what was asked for is there
                    await call.read()
                return httpx.Response(200, headers=headers, stream=httpx.ByteStream(_json(first)))
        except grpc.aio.AioRpcError as error:
            return _refusal(error)
        except BaseException:
            call.cancel()
            raise
        return httpx.Response(200, headers=headers, stream=_Lines(call, first))

    async def aclose(self) -> None:
        """Close all connections but those of the other transport, which belong to who made it."""
        for channel in self._channels.values():
            await channel.close()
        self._channels.clear()

    async def _call(self, method: MethodDescriptor, message: Message, headers: httpx.Headers) -> Any:
        """Begin a call. Every method is asked as one with many answers, which is the same for the other side."""
        channel = self._channel(await self._address_of(method))
        kept = (name for name in headers if name == "authorization" or name.startswith("x-"))
        return channel.unary_stream(
            f"/{method.containing_service.full_name}/{method.name}",
            request_serializer=GetMessageClass(method.input_type).SerializeToString,
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )(message, metadata=tuple((name, headers[name]) for name in kept))

    async def _address_of(self, method: MethodDescriptor) -> str:
        if not self._endpoints:
            service: Any = api_endpoint_service_pb2_grpc.ApiEndpointServiceStub(self._channel(self._address))
            asked = api_endpoint_service_pb2.ListApiEndpointsRequest()
            try:
                found = await service.List(asked, timeout=DISCOVERING)
            except grpc.aio.AioRpcError as error:
                raise httpx.ConnectError(f"{self._address}: {error.code().name}") from None  # nothing was asked yet
            self._endpoints = {endpoint.id: endpoint.address for endpoint in found.endpoints}
        id_ = OPERATION if method.containing_service.name == "OperationService" else MODELS
        if id_ not in self._endpoints:
            raise LookupError(f"{self._address} does not know where {id_} listens")
        return self._endpoints[id_]

    def _channel(self, address: str) -> grpc.aio.Channel:
        if address not in self._channels:
            self._channels[address] = open_channel(address)
        return self._channels[address]


class _Lines(httpx.AsyncByteStream):
    """The messages of a call as lines of JSON. An error after the first is the last line, as in the HTTP API."""

    def __init__(self, call: Any, first: Any) -> None:
        self._call = call
        self._first = first

    async def __aiter__(self) -> AsyncIterator[bytes]:
        message = self._first
        while message is not grpc.aio.EOF:
            yield b'{"result":' + _json(message) + b"}\n"
            try:
                message = await self._call.read()
            except grpc.aio.AioRpcError as error:
                code, text = error.code().value[0], error.details() or ""
                told = {"grpcCode": code, "httpCode": HTTP_OF_GRPC.get(code, 500), "message": text, "details": []}
                yield dump_json({"error": told}) + b"\n"
                return

    async def aclose(self) -> None:
        self._call.cancel()


def _rules(*modules: Any) -> Iterator[tuple[str, re.Pattern[str], MethodDescriptor]]:
    """Verb and path of the HTTP request that each method is. A proxy before the API may have a path of its own."""
    for module in modules:
        for service in module.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                rule = method.GetOptions().Extensions[annotations_pb2.http]
                verb = rule.WhichOneof("pattern") or ""
                path = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/:]{1,200})", re.escape(getattr(rule, verb, "")))
                yield verb.upper(), re.compile(f"(?:/.{{0,200}})?{path}"), method


def _called(verb: str, path: str) -> tuple[MethodDescriptor, Mapping[str, str]] | None:
    """The method that a request is, and the fields that stand in its path; None for what is no native request."""
    for known, pattern, method in RULES:
        if verb == known and (match := pattern.fullmatch(path)):
            return method, match.groupdict()
    return None


def _message(method: MethodDescriptor, fields: Mapping[str, Any]) -> Message:
    try:
        return ParseDict(fields, GetMessageClass(method.input_type)())
    except ParseError:  # its words repeat what was to be sent
        raise ModelProtocolError(f"{method.name}: the request can't be written") from None


def _json(message: Message) -> bytes:
    try:
        return dump_json(MessageToDict(message, always_print_fields_with_no_presence=True))
    except TypeError:
        raise ModelProtocolError("an operation has a result of an unknown kind") from None


def _refusal(error: grpc.aio.AioRpcError) -> httpx.Response:
    """The answer that a status is. Raises httpx's error for one that comes from grpcio and not from the service.

    The service sends metadata with each status; grpcio has none to give where a connection fails.
    """
    code, text = error.code().value[0], error.details() or ""
    headers = _headers(error.initial_metadata(), error.trailing_metadata())
    if code == UNAVAILABLE and not headers:
        raise (httpx.ConnectError if text.lower().startswith(UNSENT) else httpx.ReadError)(text)
    return _answer(code, text, headers)


def _answer(code: int, text: str, headers: list[tuple[str, str]] | None = None) -> httpx.Response:
    body = {"error": text, "code": code, "message": text, "details": []}
    return httpx.Response(HTTP_OF_GRPC.get(code, 500), headers=headers, stream=httpx.ByteStream(dump_json(body)))


def _headers(*sources: Any) -> list[tuple[str, str]]:
    return [(str(name), value) for source in sources for name, value in source or () if isinstance(value, str)]


MODELS, OPERATION = "ai-foundation-models", "operation"  # the vendor's ids of where services listen
RULES = tuple(
    _rules(
        embedding_service_pb2,
        image_generation_service_pb2,
        text_classification_service_pb2,
        text_generation_service_pb2,
        operation_service_pb2,
    )
)
