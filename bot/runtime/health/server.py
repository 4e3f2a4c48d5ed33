"""The HTTP server of the health checks: /healthz, /readyz and /livez, and /metrics for Prometheus.

Begin with `serving`. It is off unless HEALTH_PORT is set, and listens on this machine only unless HEALTH_HOST says
otherwise. It takes no input, and its answers contain no ids, names or texts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from bot.config.settings import Settings
from bot.errors import ConfigError
from bot.http.listener import Listener
from bot.runtime.health.checks import Check, Health, Report, RowCounts, Status
from bot.runtime.health.prometheus import exposition
from bot.telemetry.metrics import Metrics

UNREADY = {"status": "fail", "reason": "starting, or stopping"}
TEXT = "text/plain; version=0.0.4; charset=utf-8"  # what every Prometheus reads
SHUTDOWN = 1.0  # seconds that a request under way gets when the bot stops

# The bots of the process by their names, "" where there is one; a check says why there is nothing to look at.
HealthByBot = Callable[[], Mapping[str, Health | Check]]
Reports = Mapping[str, Report]


@asynccontextmanager
async def serving(settings: Settings, health_by_bot: HealthByBot, metrics: Metrics) -> AsyncIterator[str]:
    """Serve while the block runs; yields the server's address. Raises `ConfigError` if the port can't be opened."""
    place = f"{settings.health_host}:{settings.health_port}"
    listener = Listener(f"the health server ({place})", _application(Probes(health_by_bot, metrics)), shutdown=SHUTDOWN)
    try:
        await listener.open(settings.health_host, settings.health_port)
    except OSError as error:
        raise ConfigError(f"HEALTH_HOST, HEALTH_PORT: can't listen on {place}: {error.strerror}") from None
    try:
        yield f"http://{place}"
    finally:
        await listener.close()


class Probes:
    """The handlers of the server's four paths."""

    def __init__(self, health_by_bot: HealthByBot, metrics: Metrics) -> None:
        self.health_by_bot = health_by_bot
        self.counted = metrics
        self._exposition: Callable[[Reports], bytes] | None = None

    async def healthz(self, _request: web.Request) -> web.Response:
        """Report all checks of every bot; status 503 if one fails."""
        reports = await self._reports()
        return _answer(_worst(reports), _as_json(reports))

    async def readyz(self, _request: web.Request) -> web.Response:
        """Report like `healthz`, but fail also while the bot is starting or stopping. Of several bots one that is ready
        and well is enough: a bot that fails must not take the others out of service.
        """
        reports, health_by_bot = await self._reports(), self.health_by_bot()
        ready = {name: report for name, report in reports.items() if _is_ready(health_by_bot.get(name))}
        if not ready:
            return _answer("fail", {**_as_json(reports), **UNREADY})
        return _answer(_worst(ready) if len(reports) == 1 else _best(ready), _as_json(reports))

    async def livez(self, _request: web.Request) -> web.Response:
        """Report what a restart would mend. Does not fail while Telegram or the model is away."""
        there = self.health_by_bot().items()
        reports = {name: health.alive() for name, health in there if isinstance(health, Health)}
        return _answer(_worst(reports), _as_json(reports) if reports else {"status": "ok", "checks": {}})

    async def metrics(self, _request: web.Request) -> web.Response:
        """Return the metrics in Prometheus's text format; status 503 until a bot has started."""
        reports = await self._reports()
        if self._exposition is None:
            versions = [one.app.store.version for one in self.health_by_bot().values() if isinstance(one, Health)]
            if not versions:
                return web.Response(status=503)
            self._exposition = exposition(self.counted, versions[0])
        return web.Response(body=self._exposition(reports), headers={"content-type": TEXT})

    async def _reports(self) -> Reports:
        return {
            name: await health.report() if isinstance(health, Health) else Report({"start": health}, RowCounts())
            for name, health in self.health_by_bot().items()
        }


def _application(probes: Probes) -> web.Application:
    server = web.Application(client_max_size=1024)
    for path, handler in (
        ("/healthz", probes.healthz),
        ("/readyz", probes.readyz),
        ("/livez", probes.livez),
        ("/metrics", probes.metrics),
    ):
        server.router.add_get(path, handler)
    return server


def _is_ready(health: Health | Check | None) -> bool:
    return isinstance(health, Health) and health.app.is_ready


def _worst(reports: Reports) -> Status:
    return max((report.status for report in reports.values()), key=GRAVITY.index, default="ok")


def _best(reports: Reports) -> Status:
    return min((report.status for report in reports.values()), key=GRAVITY.index)


def _as_json(reports: Reports) -> dict[str, Any]:
    """Return the report of the only bot, or the reports of several under their names."""
    if list(reports) == [""]:
        return reports[""].as_json()
    return {"status": _worst(reports), "bots": {name: report.as_json() for name, report in reports.items()}}


def _answer(status: Status, body: dict[str, Any]) -> web.Response:
    return web.json_response(body, status=503 if status == "fail" else 200, headers={"cache-control": "no-store"})


GRAVITY: list[Status] = ["ok", "warn", "fail"]
