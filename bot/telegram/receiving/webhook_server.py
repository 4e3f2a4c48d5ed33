"""One HTTP listener for the webhooks of all bots of a process, each at its path. Begin with `WebhookServer.open`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.errors import ConfigError

if TYPE_CHECKING:  # 2 MB, loaded with the first path: a bot that polls needs no server
    from aiohttp import web

    from bot.http.listener import Listener

LARGEST_BODY = 2 * 1024 * 1024
SHUTDOWN = 5.0  # seconds that a request under way gets when a bot stops

Receive = Callable[["web.Request"], Awaitable["web.Response"]]


@dataclass(slots=True)
class WebhookRoute:
    """The handler of one path, and the number of requests under way there."""

    receive: Receive
    inside: int = 0
    empty: asyncio.Event = field(default_factory=asyncio.Event)


class WebhookServer:
    """Listens at `host` and `port`, from the first bot on that uses a webhook."""

    def __init__(self, *, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self._routes: dict[str, WebhookRoute | None] = {}  # None: shut for now
        self._listener: Listener | None = None
        self._opening = asyncio.Lock()

    async def open(self, path: str, receive: Receive) -> None:
        """Give the requests to a path to `receive`. Raises `ConfigError` when the address can't be listened on."""
        self._routes[path] = WebhookRoute(receive)
        async with self._opening:
            if self._listener is None:
                self._listener = await self._listening()

    async def shut(self, path: str) -> None:
        """Answer 503 at a path from now on, and wait up to `SHUTDOWN` seconds for the requests under way there."""
        route, self._routes[path] = self._routes[path], None
        if route is not None and route.inside:
            route.empty.clear()
            try:
                async with asyncio.timeout(SHUTDOWN):
                    await route.empty.wait()
            except TimeoutError:  # Telegram sends the update again
                return

    async def close(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            await self._listener.close()

    async def _listening(self) -> Listener:
        from aiohttp import web

        from bot.http.listener import Listener

        server = web.Application(client_max_size=LARGEST_BODY)
        server.router.add_route("*", "/{path:.*}", self._enter)
        listens_at = f"{self.host}:{self.port}"
        listener = Listener(f"the webhook ({listens_at})", server, shutdown=SHUTDOWN)
        try:
            await listener.open(self.host, self.port)
        except OSError as error:
            raise ConfigError(f"WEBHOOK_HOST, WEBHOOK_PORT: can't listen on {listens_at}: {error}") from None
        return listener

    async def _enter(self, request: web.Request) -> web.Response:
        from aiohttp import web

        if request.path not in self._routes:
            return web.Response(status=404)
        if request.method != "POST":
            return web.Response(status=405, headers={"Allow": "POST"})
        route = self._routes[request.path]
        if route is None:
            return web.Response(status=503, headers={"Retry-After": "1"})
        route.inside += 1
        try:
            return await route.receive(request)
        finally:
            route.inside -= 1
            if not route.inside:
                route.empty.set()
