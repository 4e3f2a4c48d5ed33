"""Operations: the answers to asynchronous requests, and what polling returns until they are done and afterwards.

Begin with `Operations.open` and `Operations.poll`. Pictures and texts differ in how long they take and are kept.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from aiohttp import web

from bot.clock import Clock
from bot.sandbox.ai_studio.quota import Quotas
from bot.sandbox.ai_studio.wire import Call, Json, Problem, json_response

OperationKind = Literal["text", "art"]
Result = Mapping[str, object] | Callable[[], Awaitable[Mapping[str, object]]]

COMPLETION = "type.googleapis.com/yandex.cloud.ai.foundation_models.v1.CompletionResponse"
PICTURE = "type.googleapis.com/yandex.cloud.ai.foundation_models.v1.image_generation.ImageGenerationResponse"


@dataclass(slots=True)
class Operation:
    """One operation. `created` is a Unix time, `due` a monotonic one.

    `result` is the field `response`, or `error` (a google.rpc.Status), or computes the response.
    """

    id: str
    what: OperationKind
    description: str
    created: float
    due: float
    polls_left: int
    result: Result
    finished: float = field(default=0.0, init=False)


class Operations:
    """All operations of the server.

    An operation is done once `seconds` for its kind have passed and it was polled `polls` times. It is forgotten after
    the seconds in `kept`.
    """

    def __init__(self, clock: Clock, quotas: Quotas) -> None:
        self.seconds: dict[OperationKind, float] = {"text": 0.0, "art": 0.0}
        self.polls: dict[OperationKind, int] = {"text": 0, "art": 0}
        self.kept: dict[OperationKind, float] = {"text": 3 * 86_400.0, "art": 12 * 3_600.0}
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
            id=PREFIX[what] + secrets.token_hex(9)[:17], what=what, description=description, created=self._clock.time(),
            due=due, polls_left=self.polls[what],
            result={"error": error} if error else {"response": result} if isinstance(result, Mapping) else result,
        )  # fmt: skip
        self.all[operation.id] = operation
        while len(self.all) > REMEMBERED:
            del self.all[next(iter(self.all))]
        return _shown(operation)

    async def poll(self, call: Call) -> web.Response:
        """Handle `GET /operations/{id}`: return the operation, with its result or error once it is done."""
        self._quotas.take("operation")
        operation = self._find(call)
        call.seen.note = f"{operation.what} {operation.id}"
        if self._pending(operation):
            return json_response(call, _shown(operation))
        operation.finished = operation.finished or self._clock.time()
        return await self._done(call, operation)

    async def cancel(self, call: Call) -> web.Response:
        """Handle `GET /operations/{id}:cancel`: cancel the operation, unless it is done."""
        operation = self._find(call)
        if not operation.finished:
            operation.result = {"error": {"code": 1, "message": "operation was cancelled", "details": []}}
            operation.finished = self._clock.time()
        return await self._done(call, operation)

    async def _done(self, call: Call, operation: Operation) -> web.Response:
        if not isinstance(operation.result, Mapping):
            operation.result = {"response": await operation.result()}
        return json_response(call, {**_shown(operation), **operation.result})

    def _find(self, call: Call) -> Operation:
        id = call.request.match_info["id"]
        operation = self.all.get(id)
        wrong_host = operation and self.strict_hosts and call.host != HOSTS[operation.what]
        if operation is None or wrong_host or self._clock.time() >= operation.created + self.kept[operation.what]:
            raise Problem(5, f"operation {id} not found")
        return operation

    def _pending(self, operation: Operation) -> bool:
        if operation.finished or self._clock.monotonic() < operation.due:
            return not operation.finished
        operation.polls_left -= 1
        return operation.polls_left >= 0


def _shown(operation: Operation) -> Json:
    """An operation without its result. As recorded, operations of pictures show neither dates nor who made them."""
    made: Json = {"createdAt": None, "createdBy": "", "modifiedAt": None}
    if operation.what == "text":
        changed = operation.finished or operation.created
        made = {"createdAt": stamp(operation.created), "createdBy": CREATOR, "modifiedAt": stamp(changed)}
    head = {"id": operation.id, "description": operation.description, **made}
    return {**head, "done": bool(operation.finished), "metadata": None}


def stamp(at: float, *, milliseconds: bool = False) -> str:
    """A Unix time in the form 2026-11-21T12:00:00Z."""
    text = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds" if milliseconds else "seconds")
    return text.replace("+00:00", "Z")


REMEMBERED = 500
CREATOR = "ajesandbox0000000000"
PREFIX: dict[OperationKind, str] = {"text": "d7q", "art": "fbv"}
HOSTS: dict[OperationKind, str] = {"text": "operation", "art": "llm"}
