"""The server that tells how the bot is: /healthz, /readyz and /livez for machines, /metrics for Prometheus.

Begin with `serving`. It is off unless HEALTH_PORT is set, and listens on this machine unless HEALTH_HOST says
otherwise; it takes no input, and its answers hold no ids, names or texts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from bot.app import Bot
from bot.errors import ConfigError
from bot.health import Health, Report

UNREADY = {"status": "fail", "reason": "starting, or stopping"}
TEXT = "text/plain; version=0.0.4; charset=utf-8"  # what every Prometheus reads
SHUTDOWN = 1.0  # seconds that a request under way gets when the bot stops

Exposition = Callable[[Report], bytes]


@asynccontextmanager
async def serving(app: Bot, health: Health | None = None) -> AsyncIterator[str]:
    """Answer while inside, if the operator wants it. Gives the address, or "". Raises `ConfigError`."""
    settings = app.settings
    if not settings.health_port:
        yield ""
        return
    runner = web.AppRunner(_application(app, health or Health(app)), access_log=None, shutdown_timeout=SHUTDOWN)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.health_host, settings.health_port).start()
    except OSError as error:
        await runner.cleanup()
        place = f"{settings.health_host}:{settings.health_port}"
        raise ConfigError(f"HEALTH_HOST, HEALTH_PORT: can't listen on {place}: {error.strerror}") from None
    try:
        yield f"http://{settings.health_host}:{settings.health_port}"
    finally:
        await runner.cleanup()


class Probes:
    def __init__(self, app: Bot, health: Health, exposition: Exposition) -> None:
        self.app = app
        self.health = health
        self.exposition = exposition

    async def healthz(self, _request: web.Request) -> web.Response:
        """Does the bot do what it is for?"""
        report = await self.health.report()
        return _answer(report.status, report.shown())

    async def readyz(self, _request: web.Request) -> web.Response:
        """The same, and it has started and is not being stopped."""
        report = await self.health.report()
        if not self.app.telegram.is_ready or self.app.stopping.is_set():
            return _answer("fail", {**report.shown(), **UNREADY})
        return _answer(report.status, report.shown())

    async def livez(self, _request: web.Request) -> web.Response:
        """Is there anything that a restart would mend? Not red while Telegram or the model is away."""
        report = self.health.alive()
        return _answer(report.status, report.shown())

    async def metrics(self, _request: web.Request) -> web.Response:
        text = self.exposition(await self.health.report())
        return web.Response(body=text, headers={"content-type": TEXT})


def _application(app: Bot, health: Health) -> web.Application:
    # Here, because it loads a library that a bot without this server has no use for.
    from bot.exposition import exposition

    probes = Probes(app, health, exposition(app.metrics, app.store.version))
    server = web.Application(client_max_size=1024)
    for path, handler in (
        ("/healthz", probes.healthz),
        ("/readyz", probes.readyz),
        ("/livez", probes.livez),
        ("/metrics", probes.metrics),
    ):
        server.router.add_get(path, handler)
    return server


def _answer(status: str, body: dict[str, Any]) -> web.Response:
    return web.json_response(body, status=503 if status == "fail" else 200, headers={"cache-control": "no-store"})
