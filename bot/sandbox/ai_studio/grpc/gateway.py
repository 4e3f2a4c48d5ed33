"""Calls that the sandbox's HTTP side answers: each becomes one HTTP request to it. Begin with `Gateway.service`.

The vendor's descriptors say which request a method is (`google.api.http`), as for the service itself, whose HTTP is a
gateway before its gRPC. So there is one model, one table of faults and one journal, and keys and quotas are looked at
once, whichever way a question comes.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any
from urllib.parse import quote

import aiohttp
import grpc
import grpc.aio
from google.api import annotations_pb2
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.json_format import ParseError as NotThisMessage
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from bot.sandbox.ai_studio.wire import GRPC_OF, HTTP_OF, Json, Problem, mapping, reply_headers

Context = grpc.aio.ServicerContext[Any, Any]
Unary = Callable[[Message, Context], Awaitable[Message]]
Streaming = Callable[[Message, Context], AsyncIterator[Message]]

MAX_LINE = 64 * 2**20
STATUSES = {status.value[0]: status for status in grpc.StatusCode}
CUT = "Socket closed"  # what grpcio says of a connection that breaks


class Gateway:
    """Asks the HTTP server at `url`; `received` gets each call, and may refuse it by a `Problem`. Close it."""

    def __init__(self, url: str, received: Callable[[MethodDescriptor, Message, Context], Awaitable[None]]) -> None:
        self._url = url
        self._received = received
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    def service(self, service: ServiceDescriptor) -> grpc.GenericRpcHandler:
        """Return what answers the methods of a service that are HTTP requests, too."""
        methods = [method for method in service.methods if rule(method)[1]]
        return handlers_of(
            service,
            {one.name: self._streaming(one) if one.server_streaming else self.unary(one) for one in methods},
        )

    def unary(self, method: MethodDescriptor) -> Unary:
        """Return the function that answers a method with one message."""

        async def handle(request: Message, context: Context) -> Message:
            async with aclosing(self._answers(method, request, context)) as answers:
                return await anext(answers)

        return handle

    def _streaming(self, method: MethodDescriptor) -> Streaming:
        async def handle(request: Message, context: Context) -> AsyncIterator[Message]:
            async with aclosing(self._answers(method, request, context)) as answers:
                async for answer in answers:
                    yield answer

        return handle

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(), read_bufsize=MAX_LINE)
        return self._session

    async def _answers(self, method: MethodDescriptor, request: Message, context: Context) -> AsyncGenerator[Message]:
        """Yield the messages of an answer. A status, and a connection that broke, become the status of the call."""
        verb, path, fields = _request(method, request)
        given: Json = {"json": fields} if verb in ("POST", "PATCH") else {"params": fields}
        told = False
        try:
            await self._received(method, request, context)
            async with self._http().request(verb, self._url + path, headers=_headers(context), **given) as response:
                if response.status != 200:
                    problem = _problem(await response.read(), response.status)
                    await context.send_initial_metadata(_metadata(response))
                    await refuse(context, problem)
                async for line in response.content if method.server_streaming else _whole(response):
                    message = _message(method, line)
                    if not told:  # a connection that breaks before has told nothing, as a broken one of gRPC
                        await context.send_initial_metadata(_metadata(response))
                        told = True
                    yield message
        except Problem as problem:
            await refuse(context, problem)
        except (aiohttp.ClientError, ConnectionError):
            await refuse(context, Problem(14, CUT))


async def _whole(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    yield await response.read()


async def refuse(context: Context, problem: Problem) -> None:
    """End a call with the status of an error."""
    await context.abort(STATUSES.get(problem.code, grpc.StatusCode.UNKNOWN), problem.message)


def handlers_of(service: ServiceDescriptor, methods: Mapping[str, Unary | Streaming]) -> grpc.GenericRpcHandler:
    """The functions that answer the methods of a service, as grpcio wants them."""
    found = {}
    for name, method in methods.items():
        described = service.methods_by_name[name]
        streams = described.server_streaming
        found[name] = (grpc.unary_stream_rpc_method_handler if streams else grpc.unary_unary_rpc_method_handler)(
            method,
            request_deserializer=GetMessageClass(described.input_type).FromString,
            response_serializer=GetMessageClass(described.output_type).SerializeToString,
        )
    return grpc.method_handlers_generic_handler(service.full_name, found)


def name_of(method: MethodDescriptor) -> str:
    """The name of a method with that of its service: DatasetService.Create."""
    return f"{method.containing_service.name}.{method.name}"


def rule(method: MethodDescriptor) -> tuple[str, str]:
    """The HTTP request that a method is: its verb and its path, "" for a method that has none."""
    found = method.GetOptions().Extensions[annotations_pb2.http]
    verb = found.WhichOneof("pattern") or ""
    return verb.upper(), getattr(found, verb) if verb else ""


def _request(method: MethodDescriptor, request: Message) -> tuple[str, str, Json]:
    """Verb, path and remaining fields of the HTTP request for a call."""
    verb, path = rule(method)
    fields = MessageToDict(request)
    for name in PLACE.findall(path):
        value = fields.pop(method.input_type.fields_by_name[name].json_name, "")
        path = path.replace(f"{{{name}}}", quote(str(value), safe=""))
    return verb, path, fields


def _headers(context: Context) -> dict[str, str]:
    """The metadata of a call that are headers of its HTTP request."""
    found = {str(name): str(value) for name, value in context.invocation_metadata() or ()}
    return {name: value for name, value in found.items() if name == "authorization" or name.startswith("x-")}


def _metadata(response: aiohttp.ClientResponse) -> tuple[tuple[str, str], ...]:
    """The metadata of an answer: a wait, and what the service sends with every reply."""
    named = {name.lower(): value for name, value in response.headers.items()}
    told = {name: value for name, value in named.items() if name.startswith("x-") or name == "retry-after"}
    return tuple({**reply_headers(""), **told}.items())


def _message(method: MethodDescriptor, line: bytes) -> Message:
    """The message of a line of a stream, or of a whole body. Raises `Problem` for an error, and for half a line."""
    try:
        value = json.loads(line)
    except ValueError:
        raise Problem(14, CUT) from None
    if method.server_streaming:
        if "error" in value:
            raise _problem(line, 500)
        value = value.get("result", value)
    try:
        return ParseDict(value, GetMessageClass(method.output_type)(), ignore_unknown_fields=True)
    except NotThisMessage as error:
        raise Problem(13, f"this answer has no form in gRPC: {error}"[:300]) from None


def _problem(body: bytes, status: int) -> Problem:
    """The error of a body, in whichever form. Raises `Problem` for one of a balancer, which knows no form."""
    try:
        value = mapping(json.loads(body))
    except ValueError:
        raise Problem(GRPC_OF.get(status, 13), CUT) from None
    error = value.get("error")
    inner: Json = error if isinstance(error, dict) else dict(value)
    status, code = inner.get("httpCode", status), inner.get("grpcCode") or inner.get("code") or 0
    return Problem(code if HTTP_OF.get(code) == status else GRPC_OF.get(status, 13), str(inner.get("message") or CUT))


PLACE = re.compile(r"\{(\w+)\}")
