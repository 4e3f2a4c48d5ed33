"""The Bot API over HTTP on loopback: routes, faults, flood limits and a record of every call. Begin with
`HttpServer`.
"""

from __future__ import annotations

import inspect
import json
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from aiohttp import web

from bot.sandbox import faults
from bot.sandbox.faults import Fault, Faults
from bot.sandbox.guard import guarded
from bot.sandbox.telegram.call import ApiError, Call, read, too_many
from bot.sandbox.telegram.context import Method, MethodContext
from bot.sandbox.telegram.files import UPLOAD_LIMIT
from bot.sandbox.telegram.flood_limits import FloodLimits
from bot.sandbox.telegram.methods import account, business, copies, drafts, edit, send, topics
from bot.sandbox.telegram.updates import OTHER_POLL

TOKEN = re.compile(r"\d+:[A-Za-z0-9_-]+")
REMEMBERED = 20_000
INTERNAL = frozenset({"getupdates", "setwebhook", "deletewebhook", "close", "logout"})

TABLES = (
    send.METHODS, copies.METHODS, edit.METHODS, edit.EPHEMERAL_METHODS, drafts.METHODS, topics.METHODS, account.METHODS,
    business.METHODS,
)  # fmt: skip
METHODS: dict[str, tuple[str, Method]] = {
    name.lower(): (name, method) for table in TABLES for name, method in table.items()
}


@dataclass(frozen=True, slots=True)
class ApiCall:
    """A call that was answered.

    `status` is the HTTP code, or 0 if the connection was cut. `applied` says whether the call was carried out, whatever
    the answer was. `at` is Unix time, `monotonic` a time for measuring durations.
    """

    method: str
    params: dict[str, Any]
    status: int
    at: float
    monotonic: float
    chat_id: int | None = None
    applied: bool = True
    result: Any = None
    description: str = ""
    files: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Outcome:
    """How a call ended: with a result or an error, and whether it was carried out."""

    result: Any = None
    error: ApiError | None = None
    applied: bool = False

    def body(self) -> dict[str, Any]:
        return self.error.body() if self.error else {"ok": True, "result": self.result}

    @property
    def status(self) -> int:
        return self.error.code if self.error else 200


class HttpServer:
    """Listens on loopback. Methods of Telegram that are not in the tables answer 404."""

    def __init__(self, token: str, api: MethodContext, failures: Faults, limits: FloodLimits) -> None:
        self._token = token
        self._api = api
        self._faults = failures
        self._limits = limits
        self._runner: web.AppRunner | None = None
        self.calls: deque[ApiCall] = deque(maxlen=REMEMBERED)
        self.url = ""

    async def start(self, port: int) -> str:
        """Start listening on 127.0.0.1 and return the base URL. Port 0 takes a free port."""
        app = web.Application(client_max_size=UPLOAD_LIMIT + 1024 * 1024)
        for method, path, handler in (
            ("*", "/bot{token:[^/]+}/{method:[^/]*}", self._call),
            ("GET", "/file/bot{token:[^/]+}/{path:.+}", self._file),
            ("*", "/{path:.*}", _not_found),
        ):
            app.router.add_route(method, path, guarded(handler, _forbidden))
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, keepalive_timeout=75.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}"
        self._api.updates.stop(False)
        return self.url

    async def close(self) -> None:
        """Answer the poll that waits and stop listening; connections are refused afterwards."""
        self._api.updates.stop()
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    def cut(self) -> int:
        """Reset every open connection, with requests in progress too. Returns how many connections there were."""
        return faults.reset_all(self._runner)

    # --- methods ------------------------------------------------------------------------------------------------------

    async def _call(self, request: web.Request) -> web.StreamResponse:
        if refused := self._stranger(request):
            return refused
        started = self._api.state.clock.monotonic()
        given = request.match_info["method"]
        name = METHODS.get(given.lower(), (given,))[0]
        try:
            call = await read(request, name)
        except web.HTTPRequestEntityTooLarge:
            return _error(413, "Request Entity Too Large")
        except ApiError as error:
            return _error(error.code, error.description)
        fault = self._faults.take(name, call.chat_id, call.params)
        if fault is not None and fault.fails:
            outcome = await self.execute(call) if fault.apply else _Outcome()
            await self._delay(fault)
            self._record(call, outcome, started, fault)
            return _fail(request, fault)
        await self._delay(fault)
        outcome = await self.execute(call)
        self._record(call, outcome, started)
        if self._api.distance and name != "getUpdates":
            await self._api.state.clock.sleep(self._api.distance)
        return _json(outcome.status, outcome.body())

    async def execute(self, call: Call) -> _Outcome:
        """Carry out a call within the flood limits. Errors are part of the returned outcome."""
        found = METHODS.get(call.method.lower())
        if found is None or (found[0] in edit.EPHEMERAL_METHODS and not self._api.ephemeral):
            return _Outcome(error=ApiError(404, "Not Found: method not found"))
        try:
            self._limit(call)
            result = found[1](self._api, call)
            result = await result if inspect.isawaitable(result) else result
        except ApiError as error:
            return _Outcome(error=error)
        return _Outcome(result, applied=True)

    async def execute_internal(self, body: dict[str, Any]) -> None:
        """Carry out a method that the bot wrote into its answer to a webhook.

        Methods that read something or change the delivery of updates are ignored, as on the real server.
        """
        name = METHODS.get(str(body["method"]).lower(), (str(body["method"]),))[0]
        if name.lower().startswith("get") or name.lower() in INTERNAL:
            return
        call = Call(name, {key: value for key, value in body.items() if key != "method"})
        started = self._api.state.clock.monotonic()
        self._record(call, await self.execute(call), started)

    def _limit(self, call: Call) -> None:
        chat = self._api.state.chats.get(call.chat_id or 0)
        if chat is None:
            return
        if call.method.startswith("editMessage") and call.integer("message_id") not in chat.messages:
            return  # the server reads a message before it edits it
        now = self._api.state.clock.monotonic()
        if seconds := self._limits.wait(call.method, chat.id, chat.private, now, call.parts):
            raise too_many(seconds)

    async def _delay(self, fault: Fault | None) -> None:
        seconds = self._faults.shares["latency_ms"] / 1000 + (fault.delay if fault else 0.0)
        if seconds:
            await self._api.state.clock.sleep(seconds)

    def _record(self, call: Call, outcome: _Outcome, started: float, fault: Fault | None = None) -> None:
        clock, hub = self._api.state.clock, self._api.state.hub
        status = (0 if fault.cut or fault.raw else fault.status) if fault else outcome.status
        error = error_of(fault) if fault and status else outcome.error
        description, now = error.description if error else "", clock.monotonic()
        sizes = {name: len(upload.data) for name, upload in call.files.items()}
        self.calls.append(ApiCall(
            method=call.method, params=call.params, status=status, at=clock.time(), monotonic=now, chat_id=call.chat_id,
            applied=outcome.applied, result=outcome.result, description=description, files=sizes,
        ))  # fmt: skip
        if call.method == "getUpdates" and status == 200:
            hub.touch()
            return
        summary = description or call.text("text") or call.text("caption") or call.text("action")
        told = {"files": sizes, "error": description}
        detail = call.params | {name: value for name, value in told.items() if value}
        chat_id, ms = call.chat_id, (now - started) * 1000
        hub.journal("call", call.method, chat_id=chat_id, status=status, ms=ms, summary=summary, detail=detail)

    # --- files --------------------------------------------------------------------------------------------------------

    async def _file(self, request: web.Request) -> web.StreamResponse:
        """Answer with the bytes of a file. Faults for downloads are set for the method "file"."""
        if refused := self._stranger(request):
            return refused
        fault = self._faults.take("file", None)
        await self._delay(fault)
        if fault is not None and fault.fails:
            return _fail(request, fault)
        path = request.match_info["path"]
        file = next((file for file in self._api.state.files.values() if file.path == path), None)
        if file is None:
            return _error(404, "Not Found")
        return web.Response(body=file.data, content_type="application/octet-stream")

    def _stranger(self, request: web.Request) -> web.Response | None:
        """An answer 401 for the token of another bot, 404 for a malformed token; None for the right token."""
        token = request.match_info["token"]
        if token == self._token:
            return None
        return _error(401, "Unauthorized") if TOKEN.fullmatch(token) else _error(404, "Not Found")


def _json(status: int, body: dict[str, Any], headers: Mapping[str, str] | None = None) -> web.Response:
    waits = {"Retry-After": str(body["parameters"]["retry_after"])} if status == 429 and "parameters" in body else {}
    headers = waits if headers is None else headers
    return web.Response(status=status, body=json.dumps(body).encode(), content_type="application/json", headers=headers)


def _error(status: int, description: str) -> web.Response:
    return _json(status, ApiError(status, description).body())


def _forbidden(sentence: str) -> web.Response:
    return _error(403, f"Forbidden: {sentence}")


async def _not_found(_request: web.Request) -> web.Response:
    return _error(404, "Not Found")


def error_of(fault: Fault) -> ApiError:
    """The answer with `ok: false` that a fault describes."""
    parameters = dict(fault.parameters)
    if fault.status == 429 and not fault.description:
        wait = parameters.setdefault("retry_after", 3)
        return ApiError(429, too_many(wait).description, parameters)
    return ApiError(fault.status, fault.description or DESCRIPTIONS.get(fault.status, DESCRIPTIONS[500]), parameters)


def _fail(request: web.Request, fault: Fault) -> web.Response:
    """Answer with the failure that the fault describes."""
    transport = request.transport
    if transport is not None and fault.raw:
        transport.write(fault.raw)
        transport.close()
    elif fault.cut:
        faults.reset(transport)
    if fault.body:
        kind = {} if "content-type" in map(str.lower, fault.headers) else {"Content-Type": "application/json"}
        return web.Response(status=fault.status, body=fault.body, headers={**kind, **fault.headers})
    return _json(fault.status or 500, error_of(fault).body(), fault.headers)


DESCRIPTIONS = {status.value: status.phrase for status in HTTPStatus} | {
    409: OTHER_POLL,
    413: "Request Entity Too Large",
}
