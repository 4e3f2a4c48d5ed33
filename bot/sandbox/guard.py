"""Checks that all servers of the sandbox share: requests caused by a foreign web page, and JSON that is nested too
deep. See `guard`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

HOSTS = re.compile(r"(127\.0\.0\.1|localhost)(:\d+)?")
MAX_DEPTH = 100  # levels of nesting: code that walks through a body is recursive

Json = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Refusal = Callable[[str], web.Response]


def guard(refuse: Refusal) -> Middleware:
    """A middleware that answers `refuse(sentence)` to requests with a Host or Origin other than this server's own.

    A foreign page can let its name point to 127.0.0.1 and read the answers (DNS rebinding): its requests carry the
    page's Host. It can also post a form to 127.0.0.1: that request carries the page's Origin. Programs send no Origin.
    """

    @web.middleware
    async def guarding(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await guarded(handler, refuse)(request)

    return guarding


def guarded(handler: Handler, refuse: Refusal) -> Handler:
    """The handler behind the check of `guard`, for servers of which tests start hundreds in one process.

    aiohttp keeps the last 1,024 handlers that it has wrapped in middlewares, and with them everything they refer to.
    """

    async def guarding(request: web.Request) -> web.StreamResponse:
        host = request.headers.get("Host", "")
        if not HOSTS.fullmatch(host):
            return refuse("only this machine may ask, and calls the sandbox 127.0.0.1 or localhost")
        if request.headers.get("Origin", f"http://{host}") != f"http://{host}":
            return refuse("no other web page may ask")
        return await handler(request)

    return guarding


async def listen(runner: web.BaseRunner, port: int) -> str:
    """Let a server listen on 127.0.0.1 and return its URL. Port 0 takes a free port. Raises `OSError` for one that is
    taken.
    """
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return f"http://127.0.0.1:{runner.addresses[-1][1]}"


def loads(text: str | bytes) -> Any:
    """Parse JSON. Raises `ValueError` for malformed JSON and for more than 100 levels of nesting."""
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("the JSON nests too deep") from None
    level = [found]
    for _ in range(MAX_DEPTH):
        level = [inner for value in level for inner in _inner(value)]
        if not level:
            return found
    raise ValueError("the JSON nests too deep")


def _inner(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
