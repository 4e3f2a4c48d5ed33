"""How calls of AI Studio fail: an error, a connection that breaks, half an answer. Begin with `fail`.

`Stream` writes a body piece by piece and breaks off where the fault says.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Mapping
from contextlib import suppress

from aiohttp import web

from bot.sandbox import faults
from bot.sandbox.ai_studio.core import LIMITS, rate_quota, session_quota
from bot.sandbox.ai_studio.wire import GRPC_OF, Call, Fields, Problem, encode, problem_json
from bot.sandbox.faults import Fault


class Broken(Exception):
    """Raised after a fault was carried out: nothing more may be sent on this response."""

    def __init__(self, response: web.StreamResponse | None) -> None:
        super().__init__("broken on purpose")
        self.response = response


class Stream:
    """A body that is sent in pieces. With `split` every write has at most so many bytes, across lines and
    characters.
    """

    def __init__(self, call: Call, content_type: str, *, split: int = 0) -> None:
        self._sent = 0
        self._is_open = False
        self._call = call
        self._split = split
        self._fault = call.fault if call.fault and call.fault.after_chunks is not None else None
        self._response = web.StreamResponse(headers={**call.headers, "content-type": content_type})
        if call.route.shape == "openai":
            self._response.headers["cache-control"] = "no-cache"
        if self._fault and self._fault.cut == "short":
            self._response.content_length = 50_000_000

    async def write(self, pieces: AsyncIterable[tuple[bytes, bool]], closing: bytes = b"") -> web.StreamResponse:
        """Send the pieces, each with whether it is the last, and the `closing` one, and end the body.

        A `Problem` among the pieces becomes a line with an error, since the status was sent already; before the first
        piece it is raised. Raises `Broken` if the fault is due.
        """
        try:
            async for data, last in pieces:
                await self._send(data, last=last)
        except Problem as problem:
            if not self._is_open:
                raise
            self._fault, closing = None, self._line(problem_json(self._call.route.shape, problem))
        if self._fault:
            await self._break()
        if closing:
            await self._write(closing)
        with suppress(ConnectionResetError):  # the client has read all and closed the connection
            await self._response.write_eof()
        return self._response

    async def _send(self, data: bytes, *, last: bool) -> None:
        if not self._is_open:
            await self._response.prepare(self._call.request)
            self._is_open = True
        if self._fault and (self._fault.after_chunks == self._sent or (last and self._fault.after_chunks == -1)):
            await self._break()
        await self._write(data)
        self._sent += 1

    async def _break(self) -> None:
        fault, response = self._fault, self._response
        self._fault = None
        if fault is None:
            return
        if fault.hang:
            await asyncio.Event().wait()
        if fault.status:
            await self._write(self._error_line(fault))
        if fault.cut in ("reset", "fin", "short"):
            disconnect(self._call, reset=fault.cut == "reset")
        else:
            await response.write_eof()
        raise Broken(response)

    def _error_line(self, fault: Fault) -> bytes:
        if isinstance(fault.body, str | bytes):
            return fault.body.encode() if isinstance(fault.body, str) else fault.body
        return self._line(fault.body or problem_json(self._call.route.shape, _problem(fault, self._call)))

    def _line(self, value: Fields) -> bytes:
        line = encode(value)
        return b"data: " + line + b"\n\n" if self._call.route.shape == "openai" else line + b"\n"

    async def _write(self, data: bytes) -> None:
        step = self._split or len(data) or 1
        for start in range(0, len(data), step):
            await self._response.write(data[start : start + step])
            if self._split:
                await asyncio.sleep(0)


async def fail(call: Call, fault: Fault) -> web.StreamResponse:
    """Carry out a fault that comes instead of an answer. Raises `Broken` after it cut the connection."""
    call.seen.note = f"fault: {fault.status or fault.cut or 'hang'}"
    if fault.hang:
        await asyncio.Event().wait()
    if fault.cut in ("reset", "fin"):
        disconnect(call, reset=fault.cut == "reset")
        raise Broken(None)
    body, kind = _body(call, fault)
    headers = {**call.headers, **fault.headers}
    if fault.cut == "short":
        response = web.StreamResponse(headers={**headers, "content-type": kind}, status=fault.status or 200)
        response.content_length = len(body) + 100
        await response.prepare(call.request)
        await response.write(body)
        disconnect(call, reset=False)
        raise Broken(response)
    text = body if fault.status else body[: len(body) // 2]
    return web.Response(body=text, status=fault.status or 200, headers={**headers, "content-type": kind})


def _body(call: Call, fault: Fault) -> tuple[bytes, str]:
    if isinstance(fault.body, Mapping):
        return encode(fault.body), "application/json"
    if fault.body is not None:
        raw = fault.body.encode() if isinstance(fault.body, str) else fault.body
        return raw, "text/html" if raw.lstrip().startswith(b"<") else "application/json"
    if fault.status in (502, 504):
        return HTML % (fault.status, fault.status), "text/html"
    return encode(problem_json(call.route.shape, _problem(fault, call))), "application/json"


def disconnect(call: Call, *, reset: bool) -> None:
    """Close the client's connection, with RST or FIN."""
    transport = call.request.transport
    if transport is None:
        return
    if reset:
        faults.reset(transport)
    else:
        transport.close()


HTML = (
    b"<html>\r\n<head><title>%d</title></head>\r\n<body>\r\n<center><h1>%d</h1></center>\r\n"
    b"<hr><center>balancer</center>\r\n</body>\r\n</html>\r\n"
)


def _problem(fault: Fault, call: Call) -> Problem:
    message = MESSAGES.get(fault.status, "internal error")
    if fault.status == 429 and (rates := LIMITS.get(call.route.name)):
        message = rate_quota(rates[0])
    return Problem(GRPC_OF.get(fault.status, 13), message)


MESSAGES = {
    400: "invalid argument",
    401: "Unknown api key",
    403: "Permission denied",
    404: "Failed to get model",
    429: session_quota(10),
    500: "internal error",
    501: "unimplemented",
    503: "upstream is unavailable",
    504: "deadline exceeded",
}
