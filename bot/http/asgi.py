"""Requests of an ASGI server (uvicorn, hypercorn) for handlers that take those of aiohttp. Begin with `answer`."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from multidict import CIMultiDict

if TYPE_CHECKING:
    from aiohttp import web

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class AsgiRequest:
    """A request of an ASGI server, with the names of `aiohttp.web.Request`. A body of more than `most` bytes is
    refused.
    """

    def __init__(self, scope: Scope, receive: Receive, *, most: int) -> None:
        self.method = str(scope["method"])
        root, path = str(scope.get("root_path", "")), str(scope["path"])
        self.path = path.removeprefix(root) or "/"
        self.query: Mapping[str, str] = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))
        self.headers = CIMultiDict(
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
        )
        self.remote = (scope.get("client") or ("", 0))[0]
        self.match_info = {"path": self.path[1:]}
        self._receive = receive
        self._most = most
        self._body: bytes | None = None

    @property
    def content_type(self) -> str:
        """The media type of the body, without parameters."""
        return str(self.headers.get("Content-Type", "application/octet-stream")).partition(";")[0].strip().lower()

    async def read(self) -> bytes:
        """Return the body. Raises `web.HTTPRequestEntityTooLarge`, and `web.RequestPayloadError` for a caller that has
        hung up.
        """
        from aiohttp import web

        body = b"" if self._body is None else self._body
        while self._body is None:
            event = await self._receive()
            if event["type"] == "http.disconnect":
                raise web.RequestPayloadError("the caller has hung up")
            body += event.get("body", b"")
            if len(body) > self._most:
                raise web.HTTPRequestEntityTooLarge(self._most, len(body))
            if not event.get("more_body"):
                self._body = body
        return body

    async def text(self) -> str:
        """Return the body as a text."""
        return (await self.read()).decode()

    async def json(self) -> Any:
        """Return what the JSON of the body says. Raises `ValueError`."""
        return json.loads(await self.read())


async def answer(
    handler: Callable[[Any], Awaitable[web.Response]], scope: Scope, receive: Receive, send: Send, *, most: int
) -> None:  # fmt: skip
    """Answer an ASGI scope with a handler for requests of aiohttp. Bodies of more than `most` bytes are refused."""
    from aiohttp import web

    if scope["type"] == "lifespan":  # `App.running` opens and closes the bot
        while (event := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{event['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["type"] != "http":
        raise ValueError(f"{scope['type']}: only HTTP is served here")
    try:
        response = await handler(AsgiRequest(scope, receive, most=most))
    except web.HTTPException as error:
        response = error
    body = response.body if isinstance(response.body, bytes) else b""
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers.items()]
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
