"""Failures of the sandbox's AI Studio: those that a test plans, and random ones (the sliders of the page).

Begin with `Faults`, which decides whether a call gets a `Fault` (`wire.py`). `Stream` writes a body piece by piece and
breaks off where the fault says.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from aiohttp import web

from bot.sandbox import broken_connections
from bot.sandbox.ai_studio.quota import LIMITS, rate_quota, session_quota
from bot.sandbox.ai_studio.wire import GRPC_OF, Call, Fault, Problem, encode, problem_json
from bot.sandbox.fault_shares import changed_shares


class Broken(Exception):
    """Raised after a fault was carried out: nothing more may be sent on this response."""

    def __init__(self, response: web.StreamResponse | None) -> None:
        super().__init__("broken on purpose")
        self.response = response


class Faults:
    """Decides which call gets which fault: planned faults first, then random ones, whose probabilities are `shares`."""

    def __init__(self, seed: int = 1) -> None:
        self.shares: dict[str, float] = dict(NO_FAULTS)
        self._plan: list[tuple[str, Fault]] = []
        self._random = random.Random(seed)  # noqa: S311 - chance for a rehearsal, not a secret

    def plan(self, route: str, fault: Fault, times: int) -> None:
        """Let the next `times` calls of a route ("*": of any) meet this fault."""
        self._plan += [(route, fault)] * times

    @property
    def planned(self) -> int:
        """The number of planned faults that no call has got yet."""
        return len(self._plan)

    def pick(self, route: str, *, streams: bool) -> Fault | None:
        """Return the fault that a call of this route gets, or None.

        `streams` says that the answer is a stream, which can be cut in the middle.
        """
        for index, (name, fault) in enumerate(self._plan):
            if name in (route, "*"):
                del self._plan[index]
                return replace(fault, after_chunks=-1) if fault.apply and streams else fault
        return None if route in UNHURT else self._by_chance(streams)

    def _by_chance(self, streams: bool) -> Fault | None:
        if self.happens("quota429"):
            return Fault(status=429)
        if self.happens("error500"):
            return Fault(status=500)
        if self.happens("cut"):
            return Fault(cut="reset", after_chunks=self._random.randrange(1, 12) if streams else None)
        return None

    def happens(self, name: str) -> bool:
        """Decide by chance whether a random fault happens now, with the probability that its share sets."""
        share = self.shares[name]
        return share > 0 and self._random.random() < share

    def set(self, partial: Mapping[str, float]) -> dict[str, float]:
        """Change some of the shares and return all. Raises `ValueError` for an unknown name or a number out
        of range.
        """
        self.shares = changed_shares(self.shares, partial, {"latency_ms": 1e6, "slow": 1e6})
        return dict(self.shares)


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

    def _line(self, value: Mapping[str, Any]) -> bytes:
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
        broken_connections.reset(transport)
    else:
        transport.close()


HTML = (
    b"<html>\r\n<head><title>%d</title></head>\r\n<body>\r\n<center><h1>%d</h1></center>\r\n"
    b"<hr><center>balancer</center>\r\n</body>\r\n</html>\r\n"
)
NO_FAULTS = {"quota429": 0.0, "error500": 0.0, "cut": 0.0, "latency_ms": 0.0, "slow": 1.0, "filter": 0.0}
UNHURT = frozenset({"tokens", "metadata"})


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
