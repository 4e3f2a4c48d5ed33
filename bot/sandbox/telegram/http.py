"""The Bot API over HTTP on loopback: routes, faults, flood limits and a record of every call. Begin with `HttpServer`.

Telegram does not publish the exact flood limits; these are the documented ones. A chat in which the limit was exceeded
stays closed until the wait is over.
"""

from __future__ import annotations

import inspect
import json
import math
import re
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from aiohttp import web

from bot.sandbox import faults
from bot.sandbox.faults import Fault, Faults
from bot.sandbox.guard import Json, guarded, listen
from bot.sandbox.telegram.call import UPLOAD_LIMIT, ApiError, Call, read, too_many
from bot.sandbox.telegram.methods import account, edit, send, topics
from bot.sandbox.telegram.state import Method, State
from bot.sandbox.telegram.updates import OTHER_POLL

SPEAKING = frozenset(
    """
    sendmessage sendrichmessage sendphoto senddocument sendvoice sendvideo sendanimation sendaudio sendvideonote
    sendsticker sendlocation sendcontact sendmediagroup copymessage copymessages forwardmessage forwardmessages
    editmessagetext editmessagecaption editmessagereplymarkup editephemeralmessagetext editephemeralmessagecaption
    editephemeralmessagereplymarkup createforumtopic editforumtopic closeforumtopic reopenforumtopic pinchatmessage
    """.split()
)
SHOWING = frozenset({"sendmessagedraft", "sendrichmessagedraft", "sendchataction"})


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is allowed. Rates are messages a second; an edit counts like a message.

    In a private chat `private_burst` messages may follow each other at once, then `private_rate` a second; an album
    counts once there. A group takes `group_minute` messages a minute, and each part of an album counts; all chats
    together take `overall` a second. Drafts and chat actions are
    counted separately: `drafts_short` in 5 s and `drafts_long` in 30 s for each chat. `flood_wait` is the longest wait
    in seconds.
    """

    private_rate: float = 1.0
    private_burst: int = 5
    group_minute: int = 20
    overall: int = 30
    drafts_short: int = 20
    drafts_long: int = 40
    flood_wait: int = 3


class FloodLimits:
    """Counts calls and says how much of the limits is used up. `on` may be changed at any time."""

    def __init__(self, limits: Limits | bool = True) -> None:
        self.on = bool(limits)
        self.limits = limits if isinstance(limits, Limits) else Limits()
        self._closed: dict[int, float] = {}
        self._levels: dict[int, tuple[float, float]] = {}
        self._minutes: defaultdict[int, deque[float]] = defaultdict(deque)
        self._drafts: defaultdict[int, deque[float]] = defaultdict(deque)
        self._all: deque[float] = deque()

    def wait(self, method: str, chat_id: int, private: bool, now: float, parts: int = 1) -> int:
        """Count a call that sends so many messages. Returns 0, or the `retry_after` in seconds if the call must be
        refused. `now` is a monotonic time.
        """
        method = method.lower()
        if not self.on:
            if method in SPEAKING and not private:
                self._minutes[chat_id] += [now] * parts
            return 0
        if method in SHOWING:
            return self._draft(chat_id, now)
        return self._message(chat_id, private, now, parts) if method in SPEAKING else 0

    def spent(self, chat_id: int, now: float) -> int:
        """How many messages the bot has sent to a group in the last minute. `now` is a monotonic time."""
        _forget(self._minutes[chat_id], now - 60)
        return len(self._minutes[chat_id])

    def _message(self, chat_id: int, private: bool, now: float, parts: int) -> int:
        if (left := self._closed.get(chat_id, 0.0) - now) > 0:
            return math.ceil(left)
        allowed = self._private(chat_id, now) if private else self._group(chat_id, now, parts)
        if not allowed:
            self._closed[chat_id] = now + self.limits.flood_wait
            return self.limits.flood_wait
        _forget(self._all, now - 1)
        self._all.append(now)
        return 1 if len(self._all) > self.limits.overall else 0

    def _private(self, chat_id: int, now: float) -> bool:
        level, at = self._levels.get(chat_id, (0.0, now))
        level = max(level - (now - at) * self.limits.private_rate, 0.0)
        allowed = level + 1 <= self.limits.private_burst + 1e-9
        self._levels[chat_id] = (level + allowed, now)
        return allowed

    def _group(self, chat_id: int, now: float, parts: int) -> bool:
        if self.spent(chat_id, now) + parts > self.limits.group_minute:
            return False
        self._minutes[chat_id] += [now] * parts
        return True

    def _draft(self, chat_id: int, now: float) -> int:
        shown = self._drafts[chat_id]
        _forget(shown, now - 30)
        recent = sum(at > now - 5 for at in shown)
        if len(shown) >= self.limits.drafts_long:
            return max(1, min(self.limits.flood_wait, math.ceil(shown[0] + 30 - now)))
        if recent >= self.limits.drafts_short:
            return max(1, min(self.limits.flood_wait, math.ceil(shown[-self.limits.drafts_short] + 5 - now)))
        shown.append(now)
        return 0


def _forget(times: deque[float], before: float) -> None:
    while times and times[0] <= before:
        times.popleft()


TOKEN = re.compile(r"\d+:[A-Za-z0-9_-]+")
REMEMBERED = 20_000
INTERNAL = frozenset({"getupdates", "setwebhook", "deletewebhook", "close", "logout"})

TABLES = (send.METHODS, edit.METHODS, edit.EPHEMERAL_METHODS, topics.METHODS, account.METHODS)
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
    params: Json
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

    def body(self) -> Json:
        return self.error.body() if self.error else {"ok": True, "result": self.result}

    @property
    def status(self) -> int:
        return self.error.code if self.error else 200


class HttpServer:
    """Listens on loopback. Methods of Telegram that are not in the tables answer 404."""

    def __init__(self, token: str, api: State, failures: Faults, limits: FloodLimits) -> None:
        self._token = token
        self._api = api
        api.webhook.execute = self.execute_internal
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
        self.url = await listen(self._runner, port)
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
        started = self._api.clock.monotonic()
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
            await self._api.clock.sleep(self._api.distance)
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

    async def execute_internal(self, body: Json) -> None:
        """Carry out a method that the bot wrote into its answer to a webhook.

        Methods that read something or change the delivery of updates are ignored, as on the real server.
        """
        name = METHODS.get(str(body["method"]).lower(), (str(body["method"]),))[0]
        if name.lower().startswith("get") or name.lower() in INTERNAL:
            return
        call = Call(name, {key: value for key, value in body.items() if key != "method"})
        started = self._api.clock.monotonic()
        self._record(call, await self.execute(call), started)

    def _limit(self, call: Call) -> None:
        chat = self._api.chats.get(call.chat_id or 0)
        if chat is None:
            return
        if call.method.startswith("editMessage") and call.integer("message_id") not in chat.messages:
            return  # the server reads a message before it edits it
        now = self._api.clock.monotonic()
        if seconds := self._limits.wait(call.method, chat.id, chat.private, now, call.parts):
            raise too_many(seconds)

    async def _delay(self, fault: Fault | None) -> None:
        seconds = self._faults.shares["latency_ms"] / 1000 + (fault.delay if fault else 0.0)
        if seconds:
            await self._api.clock.sleep(seconds)

    def _record(self, call: Call, outcome: _Outcome, started: float, fault: Fault | None = None) -> None:
        clock, hub = self._api.clock, self._api.hub
        status = (0 if fault.cut or fault.raw else fault.status) if fault else outcome.status
        error = error_of(fault) if fault and status else outcome.error
        description, now = error.description if error else "", clock.monotonic()
        sizes = {name: len(upload.data) for name, upload in call.files.items()}
        self.calls.append(
            ApiCall(
                method=call.method,
                params=call.params,
                status=status,
                at=clock.time(),
                monotonic=now,
                chat_id=call.chat_id,
                applied=outcome.applied,
                result=outcome.result,
                description=description,
                files=sizes,
            )
        )
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
        file = next((file for file in self._api.files.values() if file.path == path), None)
        if file is None:
            return _error(404, "Not Found")
        return web.Response(body=file.data, content_type="application/octet-stream")

    def _stranger(self, request: web.Request) -> web.Response | None:
        """An answer 401 for the token of another bot, 404 for a malformed token; None for the right token."""
        token = request.match_info["token"]
        if token == self._token:
            return None
        return _error(401, "Unauthorized") if TOKEN.fullmatch(token) else _error(404, "Not Found")


def _json(status: int, body: Json, headers: Mapping[str, str] | None = None) -> web.Response:
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
