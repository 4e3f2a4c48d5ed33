"""What all bots of a process share: connections, the database, the webhook server, the child processes that open files,
metrics and traces.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from contextvars import Context

from bot.clock import Clock
from bot.concurrency.child_pool import ChildPool
from bot.config.settings import Settings
from bot.errors import ConfigError
from bot.http.client import Http
from bot.storage.store import Store
from bot.telegram.receiving.webhook_server import WebhookServer
from bot.telemetry.metrics import Metrics
from bot.telemetry.tracing import NOTHING, TurnTracer


class SharedResources:
    """What the bots of a process share. Use it as `async with SharedResources.open(settings, clock) as process`."""

    def __init__(
        self,
        *,
        settings: Settings,
        clock: Clock,
        http: Http,
        opened: AsyncExitStack,
        tracer: TurnTracer = NOTHING,
    ) -> None:
        self.clock = clock
        self.http = http
        self.metrics = Metrics()
        self.tracer = tracer
        self.hooks = WebhookServer(host=settings.webhook_host, port=settings.webhook_port)
        self.files = ChildPool()
        self._url = settings.database_url
        self._opened = opened
        self._opening = asyncio.Lock()
        self._store: Store | None = None
        opened.push_async_callback(self.hooks.close)
        opened.push_async_callback(self.files.close)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, settings: Settings, clock: Clock, *, hooks: WebhookServer | None = None
    ) -> AsyncIterator[SharedResources]:
        """Open the shared resources, and close them when the block is left. Raises `ConfigError`.

        `hooks`: takes requests from another server; None: the process has one of its own.
        """
        async with (
            _traces(settings, clock) as tracer,
            Http(direct=[settings.yc_metadata_addr]) as http,
            AsyncExitStack() as opened,
        ):
            process = cls(settings=settings, clock=clock, http=http, opened=opened, tracer=tracer)
            process.hooks = hooks or process.hooks
            yield process

    async def store(self) -> Store:
        """Return the database; the first call opens it. Raises as `Store.open` does."""
        async with self._opening:
            if self._store is None:
                opening = Store.open(self._url, self.clock, self.metrics)
                # It is nobody's: what its tasks say in the log is about no bot.
                self._store = await asyncio.create_task(self._opened.enter_async_context(opening), context=Context())
            return self._store


def _traces(settings: Settings, clock: Clock) -> AbstractAsyncContextManager[TurnTracer]:
    """Yield the tracer of the process. OpenTelemetry's SDK is loaded only if TRACES is on. Raises `ConfigError`."""
    if not settings.traces:
        return nullcontext(NOTHING)
    try:
        from bot.telemetry import otel
    except ModuleNotFoundError:
        raise ConfigError("TRACES: the extra `otel` is not installed; pip install 'govorun[otel]' does it") from None
    return otel.opened(clock)
