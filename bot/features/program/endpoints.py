"""Serves the HTTP endpoints of a programmer (`App.http`): a secret, errors and a deadline around each function."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.errors import BotError, ConfigError, StorageUnavailable, UnknownUser
from bot.extension import Running
from bot.extension.endpoints import BY_SETTING, Endpoint
from bot.extension.running import current
from bot.features.program.caller_faults import Refusals, fault_of
from bot.telemetry.incidents import IncidentLog

if TYPE_CHECKING:  # 2 MB, loaded with the first request
    from aiohttp import web

log = logging.getLogger(__name__)

DEADLINE = 60.0  # seconds for an answer
SCHEME = "bearer "


@dataclass(slots=True, kw_only=True)
class Endpoints:
    """The endpoints of one path, by their methods. `secret` is HTTP_SECRET."""

    path: str
    methods: Mapping[str, Endpoint]
    secret: str
    running: Running[Any]
    incidents: IncidentLog
    refusals: Refusals

    def check(self) -> None:
        """Raise `ConfigError` if an endpoint needs HTTP_SECRET and there is none."""
        if not self.secret and any(one.secret == BY_SETTING for one in self.methods.values()):
            raise ConfigError(
                f"HTTP_SECRET is empty, so nobody could call {self.path}: set it to 16 or more random characters (as "
                "`openssl rand -hex 32` prints), or let anybody call it with App.http.post(path, secret=None)"
            )

    async def receive(self, request: web.Request, *parts: str) -> web.Response:
        """Answer one request; its method is one of `methods`, and `parts` are what varies in the path."""
        from aiohttp import web

        endpoint = self.methods[request.method]
        if wrong := self._refuses(endpoint, request.headers.get("Authorization", "")):
            self.refusals.add(401)
            return web.json_response({"error": wrong}, status=401, headers={"WWW-Authenticate": "Bearer"})
        token = current.set(self.running)
        try:
            async with asyncio.timeout(DEADLINE):
                return _response(await endpoint.serve(request, self.running, **endpoint.read(parts)))
        except web.HTTPRequestEntityTooLarge as error:
            self.refusals.add(error.status)
            raise
        except (web.HTTPException, asyncio.CancelledError):
            raise
        except StorageUnavailable:
            return web.json_response({"error": "try again"}, status=503, headers={"Retry-After": "5"})
        except UnknownUser as error:
            return web.json_response({"error": str(error)}, status=404)
        except Exception as error:  # the boundary around code that is not ours
            status, wrong = fault_of(error, request)
            if status:
                self.refusals.add(status)
                return web.json_response({"error": wrong}, status=status)
            code = self.incidents.record(error)
            told = error if isinstance(error, BotError) else None
            log.exception("%s %s failed: code %s", request.method, self.path, code)
            return web.json_response({"error": str(told or "failed"), "code": code}, status=500)
        finally:
            current.reset(token)

    def _refuses(self, endpoint: Endpoint, given: str) -> str:
        """Return why a request is refused, "" if it is not."""
        if endpoint.secret is None:
            return ""
        if not given.lower().startswith(SCHEME):
            return "the header 'Authorization: Bearer SECRET' is missing; the secret is HTTP_SECRET of the bot"
        wanted = self.secret if endpoint.secret == BY_SETTING else endpoint.secret
        is_right = hmac.compare_digest(given[len(SCHEME) :].strip().encode("utf-8", "surrogateescape"), wanted.encode())
        return "" if is_right else "the secret is wrong"


def _response(answer: Any) -> web.Response:
    from aiohttp import web

    if isinstance(answer, web.Response):
        return answer
    if answer is None:
        return web.Response(status=204)
    if isinstance(answer, str):
        return web.Response(text=answer)
    return web.json_response(answer)
