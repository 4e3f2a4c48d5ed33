"""What all parts of AI Studio share: the clock, keys, quotas and operations. Begin with `Part`.

`Quotas` says how many texts may be written at once and how often all else may be called; the texts of its errors are
the real ones. `Operations` are the answers to asynchronous requests: pictures and texts differ in how long they take
and are kept. `Iam` issues tokens.
"""

from __future__ import annotations

import math
import re
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from bot.clock import Clock
from bot.sandbox.ai_studio.validation import SERVICE, Access
from bot.sandbox.ai_studio.wire import BadRequest, Call, Json, Problem, Reply, route
from bot.sandbox.guard import loads

if TYPE_CHECKING:
    from joserfc.jwk import RSAKey


Limit = tuple[str, int, float]


Look = Callable[[], Awaitable[None]]
OperationKind = Literal["text", "art", "batch"]
Result = Mapping[str, object] | Callable[[], Awaitable[Mapping[str, object]]]

COMPLETION = "type.googleapis.com/yandex.cloud.ai.foundation_models.v1.CompletionResponse"
PICTURE = "type.googleapis.com/yandex.cloud.ai.foundation_models.v1.image_generation.ImageGenerationResponse"


class Quotas:
    """`sessions` texts may be written at once; `limits` maps a route to rows of (quota, calls, seconds)."""

    def __init__(self, clock: Clock, *, enabled: bool = True) -> None:
        self.enabled = enabled
        self.sessions = 10
        self.in_flight = 0
        self.limits = dict(LIMITS)
        self._clock = clock
        self._calls: dict[str, deque[float]] = {}

    @contextmanager
    def session(self) -> Iterator[None]:
        """Hold one of the slots for synchronous generation. Raises `Problem` 8 if all are in use."""
        if self.enabled and self.in_flight >= self.sessions:
            raise Problem(8, session_quota(self.sessions))
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    def take(self, route: str) -> None:
        """Count a call of a route. Raises `Problem` 8 if the quota is used up."""
        rows = self.limits.get(route, ()) if self.enabled else ()
        for row in rows:
            name, calls, seconds = row
            if len(self._recent(name, seconds)) >= calls:
                raise Problem(8, rate_quota(row))
        for name, _, _ in rows:
            self._calls[name].append(self._clock.monotonic())

    def _recent(self, name: str, seconds: float) -> deque[float]:
        calls = self._calls.setdefault(name, deque())
        while calls and self._clock.monotonic() - calls[0] >= seconds:
            calls.popleft()
        return calls


def session_quota(allowed: int) -> str:
    """The text of the error for too many texts at once; `allowed` is the quota."""
    return f"ai.textGenerationCompletionSessionsCount.count gauge quota limit exceed: allowed {allowed} requests"


def rate_quota(limit: Limit) -> str:
    """The error for too many calls in a time."""
    name, calls, _ = limit
    return f"ai.{name}.rate rate quota limit exceed: allowed {calls} requests"


@dataclass(slots=True)
class Operation:
    """One operation. `created` is a Unix time, `due` a monotonic one.

    `result` is the field `response`, or `error` (a google.rpc.Status), or computes the response. `look` brings work
    that goes by the clock up to date before the operation is shown, and `stop` ends that work; None if it can't be
    cancelled.
    """

    id: str
    what: OperationKind
    description: str
    created: float
    due: float
    polls_left: int
    result: Result
    metadata: Json | None = field(default=None, init=False)
    look: Look | None = field(default=None, init=False)
    stop: Callable[[], None] | None = field(default=None, init=False)
    changed: float = field(default=0.0, init=False)
    finished: float = field(default=0.0, init=False)


class Operations:
    """All operations of the server.

    An operation is done once `seconds` for its kind have passed and it was polled `polls` times. It is forgotten after
    the seconds in `kept`.
    """

    def __init__(self, clock: Clock, quotas: Quotas) -> None:
        self.seconds: dict[OperationKind, float] = {"text": 0.0, "art": 0.0, "batch": 0.0}
        self.polls: dict[OperationKind, int] = {"text": 0, "art": 0, "batch": 0}
        self.kept: dict[OperationKind, float] = {"text": 3 * DAY, "art": 12 * HOUR, "batch": 14 * DAY}
        self.strict_hosts = False
        self.all: dict[str, Operation] = {}
        self._clock = clock
        self._quotas = quotas

    def open(
        self, what: OperationKind, description: str, result: Result, *, error: Json | None = None, never: bool = False
    ) -> Json:
        """Begin an operation and return its JSON, with which the request is answered. `result` may be computed later.

        `error` comes in place of the result; with `never` the operation stays pending.
        """
        due = math.inf if never else self._clock.monotonic() + self.seconds[what]
        operation = Operation(
            id=PREFIX[what] + secrets.token_hex(9)[:17],
            what=what,
            description=description,
            created=self._clock.time(),
            due=due,
            polls_left=self.polls[what],
            result={"error": error} if error else {"response": result} if isinstance(result, Mapping) else result,
        )
        return self._keep(operation)

    def begin(
        self,
        id_: str,
        metadata: Json | None,
        look: Callable[[], Awaitable[None]],
        stop: Callable[[], None] | None = None,
    ) -> Json:
        """Begin the operation of a dataset, a run or a tuning, which `change` and `finish` go on with. Returns its
        JSON.
        """
        now = self._clock.time()
        operation = Operation(id=id_, what="batch", description="", created=now, due=math.inf, polls_left=0, result={})
        operation.metadata, operation.look, operation.stop = metadata, look, stop
        return self._keep(operation)

    def change(self, id_: str, metadata: Json, at: float) -> None:
        """Show new metadata, which changed at the Unix time `at`."""
        self.all[id_].metadata, self.all[id_].changed = metadata, at

    def finish(self, id_: str, at: float, **result: Json) -> Json:
        """End an operation at the Unix time `at` with its `response` or `error`, and return its JSON. One that has
        ended already is not changed.
        """
        operation = self.all[id_]
        if not operation.finished:
            operation.result, operation.changed, operation.finished = result, at, at
        return {**_shown(operation), **result}

    def _keep(self, operation: Operation) -> Json:
        self.all[operation.id] = operation
        while len(self.all) > REMEMBERED:
            del self.all[next(iter(self.all))]
        return _shown(operation)

    @route("GET /operations/{id:[^/:]+}", "operation")
    async def poll(self, call: Call) -> Reply:
        """Return the operation, with its result or error once it is done."""
        self._quotas.take("operation")
        operation = await self._find(call)
        call.seen.note = f"{operation.what} {operation.id}"
        if self._pending(operation):
            return _shown(operation)
        operation.finished = operation.finished or self._clock.time()
        return await self._done(operation)

    @route("GET /operations/{id:[^/:]+}:cancel", "cancel")
    async def cancel(self, call: Call) -> Reply:
        """Cancel the operation, unless it is done."""
        operation = await self._find(call)
        if operation.look is not None and operation.stop is None and not operation.finished:
            raise Problem(9, f"operation {operation.id} can't be cancelled")
        if operation.stop is not None and not operation.finished:
            operation.stop()
        self.finish(operation.id, self._clock.time(), error=CANCELLED)
        return await self._done(operation)

    async def _done(self, operation: Operation) -> Reply:
        if not isinstance(operation.result, Mapping):
            operation.result = {"response": await operation.result()}
        return {**_shown(operation), **operation.result}

    async def _find(self, call: Call) -> Operation:
        operation = self.all.get(call.id)
        wrong_host = operation and self.strict_hosts and call.host != HOSTS[operation.what]
        if operation is None or wrong_host or self._clock.time() >= operation.created + self.kept[operation.what]:
            raise Problem(5, f"operation {call.id} not found")
        if operation.look is not None:
            await operation.look()
        return operation

    def _pending(self, operation: Operation) -> bool:
        if operation.finished or self._clock.monotonic() < operation.due:
            return not operation.finished
        operation.polls_left -= 1
        return operation.polls_left >= 0


def _shown(operation: Operation) -> Json:
    """An operation without its result. As recorded, operations of pictures show neither dates nor who made them, and
    those of datasets, runs and tunings no description.
    """
    times = [operation.created, operation.changed or operation.finished or operation.created]
    created, modified = map(stamp, times) if operation.what != "art" else (None, None)
    made = {"description": operation.description, "createdBy": CREATOR if operation.what == "text" else ""}
    return {
        "id": operation.id,
        **(made if operation.what != "batch" else {}),
        "createdAt": created,
        "modifiedAt": modified,
        "done": bool(operation.finished),
        "metadata": operation.metadata,
    }


def stamp(at: float, *, milliseconds: bool = False) -> str:
    """A Unix time in the form 2026-11-21T12:00:00Z."""
    text = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds" if milliseconds else "seconds")
    return text.replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Core:
    """What all parts share."""

    clock: Clock
    access: Access
    quotas: Quotas
    operations: Operations


class Part:
    """A group of routes."""

    def __init__(self, core: Core) -> None:
        self._clock, self._access = core.clock, core.access
        self._quotas, self._operations = core.quotas, core.operations

    def check_folder(self, call: Call) -> None:
        """Raise `Problem` 3 if the body names another folder than that of the service account."""
        self._access.check_folder(str(call.get("folderId", "")))


REMEMBERED = 5_000
CREATOR = "ajesandbox0000000000"
PREFIX: dict[OperationKind, str] = {"text": "d7q", "art": "fbv"}
HOSTS: dict[OperationKind, str] = {"text": "operation", "art": "llm", "batch": "operation"}
CANCELLED: Json = {"code": 1, "message": "operation was cancelled", "details": []}
DAY, HOUR, MINUTE = 86_400.0, 3_600.0, 60.0
LIMITS: dict[str, list[Limit]] = SERVICE["limits"]


def new_id(prefix: str) -> str:
    """An id as the service makes them: a prefix and 17 more characters."""
    return prefix + "".join(secrets.choice(LETTERS) for _ in range(17))


LETTERS = "0123456789abcdefghijklmnopqrstuv"


AUDIENCE = "https://iam.api.cloud.yandex.net/iam/v1/tokens"


class Iam(Part):
    """Issues IAM tokens.

    `public_keys` maps key ids to RSA keys; a JWT with such a key id must have a valid signature of that key. Of a JWT
    with another key id only the header and the claims are checked. `metadata_tokens` False is a virtual machine
    without a service account.
    """

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self.public_keys: dict[str, RSAKey] = {}
        self.metadata_tokens = True

    @route("POST /iam/v1/tokens", "tokens", public=True)
    async def token(self, call: Call) -> Reply:
        """Issue an IAM token for a JWT or an OAuth token. Raises `Problem` 16."""
        jwt, oauth = call.body.get("jwt"), call.get("yandexPassportOauthToken")
        if isinstance(jwt, str) and jwt:
            self._check_jwt(jwt)
        elif not (isinstance(oauth, str) and re.match(r"y[0-3]_.", oauth)):
            raise Problem(16, "The token is invalid")
        token, until = self._access.issue()
        return {"iamToken": token, "expiresAt": stamp(until, milliseconds=True)}

    @route("GET /computeMetadata/v1/instance/service-accounts/default/token", "metadata", public=True)
    async def metadata(self, call: Call) -> Reply:
        """Play the metadata service of a virtual machine: issue an IAM token of its service account."""
        if call.request.headers.get("metadata-flavor") != "Google":
            raise Problem(7, "Missing Metadata-Flavor header")
        if not self.metadata_tokens:
            raise Problem(5, "no service account is attached")
        token, until = self._access.issue()
        left = int(until - self._clock.time())
        return {"access_token": token, "expires_in": left, "token_type": "Bearer"}

    def _check_jwt(self, jwt: str) -> None:
        if len(jwt) > 8_000:
            raise BadRequest("jwt is longer than 8000 characters")
        # Imported here, because the sandbox also runs without the extra `service-account`.
        from joserfc import jws
        from joserfc.errors import JoseError

        try:
            found = jws.extract_compact(jwt.encode())
            header = found.headers()
            good = self._is_good(header, loads(found.payload or b""))
        except (JoseError, ValueError, KeyError, TypeError):
            raise BadRequest("JWT is malformed") from None
        if not good:
            raise Problem(16, "JWT is invalid: PS256, kid, iss, aud, and exp at most an hour after iat are expected")
        key = self.public_keys.get(header["kid"])
        if key is not None and not jws.validate_compact(found, key, algorithms=["PS256"]):
            raise Problem(16, "JWT signature is invalid")

    def _is_good(self, header: Json, payload: Json) -> bool:
        issued, ends, now = payload["iat"], payload["exp"], self._clock.time()
        timely = issued - 60 <= now < ends and 0 < ends - issued <= 3_600
        named = bool(header["kid"]) and bool(payload["iss"]) and header["alg"] == "PS256"
        return timely and named and bool(payload["aud"] == AUDIENCE)
