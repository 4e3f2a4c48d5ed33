"""One HTTP listener for the webhooks and endpoints of all bots of a process, each at its path. Begin with
`WebhookServer.open`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.errors import ConfigError
from bot.http import asgi

if TYPE_CHECKING:  # 2 MB, loaded with the first path: a bot that polls needs no server
    from aiohttp import web

    from bot.http.listener import Listener

LARGEST_BODY = 2 * 1024 * 1024
SHUTDOWN = 5.0  # seconds that a request under way gets when a bot stops

Receive = Callable[..., Awaitable["web.Response"]]  # is given the request, then the parts of the path that vary
Found = tuple["WebhookRoute | None", tuple[str, ...]]


@dataclass(slots=True)
class WebhookRoute:
    """The handler of one path for some methods, and the number of requests under way there.

    Requests are handled in the `context` of the bot that has opened the path, whoever listens.
    """

    receive: Receive
    methods: Collection[str] = ("POST",)
    inside: int = 0
    context: Context = field(default_factory=copy_context)
    empty: asyncio.Event = field(default_factory=asyncio.Event)


class WebhookServer:
    """Listens at `host` and `port`, from the first path on that is opened. Without a host it does not listen: another
    server hands its requests to `application` or `asgi`.
    """

    def __init__(self, *, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self._routes: dict[str, WebhookRoute | None] = {}  # None: shut for now
        self._listener: Listener | None = None
        self._opening = asyncio.Lock()

    @property
    def place(self) -> str:
        """Where requests come in, for the log."""
        return f"at http://{self.host}:{self.port}" if self.host else "by another server"

    async def open(self, path: str, receive: Receive, methods: Collection[str] = ("POST",)) -> None:
        """Call `receive` for each request to a path that has one of these HTTP methods, and begin to listen.

        "{}" in the path stands for one segment of any text, which `receive` gets as an argument behind the request.
        Raises `ConfigError` if the path is taken, or if the address can't be listened on.
        """
        if self._routes.get(path) is not None:
            raise ConfigError(f"{path} is wanted twice in this process: by App.http, a webhook, or two bots")
        self._routes[path] = WebhookRoute(receive, methods)
        async with self._opening:
            if self._listener is None and self.host:
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

    def application(self) -> web.Application:
        """Return the paths as an application of aiohttp."""
        from aiohttp import web

        server = web.Application(client_max_size=LARGEST_BODY)
        server.router.add_route("*", "/{path:.*}", self._enter)
        return server

    async def asgi(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Answer a request of an ASGI server."""
        await asgi.answer(self._enter, scope, receive, send, most=LARGEST_BODY)

    async def _listening(self) -> Listener:
        from bot.http.listener import Listener

        server = self.application()
        listens_at = f"{self.host}:{self.port}"
        listener = Listener(f"the webhook ({listens_at})", server, shutdown=SHUTDOWN)
        try:
            await listener.open(self.host, self.port)
        except OSError as error:
            raise ConfigError(f"WEBHOOK_HOST, WEBHOOK_PORT: can't listen on {listens_at}: {error}") from None
        return listener

    async def _enter(self, request: web.Request) -> web.Response:
        from aiohttp import web

        found = [*self._found("/" + request.match_info["path"])]
        if not found:
            return web.Response(status=404)
        route, parts = next((one for one in found if one[0] and request.method in one[0].methods), found[0])
        if route is None:
            return web.Response(status=503, headers={"Retry-After": "1"})
        if request.method not in route.methods:
            return web.Response(status=405, headers={"Allow": ", ".join(route.methods)})
        route.inside += 1
        try:
            handling = asyncio.get_running_loop().create_task(
                _awaited(route.receive(request, *parts)), context=route.context.copy()
            )
            return await handling
        finally:
            route.inside -= 1
            if not route.inside:
                route.empty.set()

    def _found(self, path: str) -> Iterator[Found]:
        """Yield the routes that a path fits, with the texts for their "{}": first the route with exactly this path."""
        if path in self._routes:
            yield self._routes[path], ()
        for name, route in self._routes.items():
            pattern = "([^/]+)".join(map(re.escape, name.split("{}")))
            if "{}" in name and (match := re.fullmatch(pattern, path)):
                yield route, match.groups()


async def _awaited(answer: Awaitable[web.Response]) -> web.Response:
    return await answer
