"""Operations: the answers to asynchronous requests, and what polling returns until they are done and afterwards.

Begin with `Operations.open` and `Operations.poll`. Pictures and texts differ in how long they take and are kept.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
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
    """One operation. `created` is a Unix time, `due` a monotonic one; `error` is a google.rpc.Status. `never`: it stays
    pending.
    """

    id: str
    what: OperationKind
    description: str
    created: float
    due: float
    polls_left: int
    result: Result
    error: Json | None = None
    never: bool = False
    finished: float = 0.0


class Operations:
    """All operations of the server.

    An operation is done after `seconds` of its kind and after `polls` requests for it. `kept` are the seconds until it
    is forgotten.
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
        """Begin an operation and return it as the request for it is answered. `result` may be computed later."""
        now = self._clock.time()
        id = PREFIX[what] + secrets.token_hex(9)[:17]
        due = self._clock.monotonic() + self.seconds[what]
        operation = Operation(id, what, description, now, due, self.polls[what], result, error, never)
        self.all[id] = operation
        while len(self.all) > REMEMBERED:
            del self.all[next(iter(self.all))]
        return _shown(operation)

    async def poll(self, call: Call) -> web.Response:
        """`GET /operations/{id}`: the operation, with its result or error once it is done."""
        self._quotas.take("operation")
        operation = self._find(call)
        call.seen.note = f"{operation.what} {operation.id}"
        if self._pending(operation):
            return json_response(call, _shown(operation))
        operation.finished = operation.finished or self._clock.time()
        if operation.error is None and not isinstance(operation.result, Mapping):
            operation.result = await operation.result()
        return json_response(call, {**_shown(operation), **_outcome(operation)})

    async def cancel(self, call: Call) -> web.Response:
        """`GET /operations/{id}:cancel`. An operation that is done stays done."""
        operation = self._find(call)
        if not operation.finished:
            operation.error = {"code": 1, "message": "operation was cancelled", "details": []}
            operation.finished, operation.never = self._clock.time(), False
        return json_response(call, {**_shown(operation), **_outcome(operation)})

    def _find(self, call: Call) -> Operation:
        id = call.request.match_info["id"]
        operation = self.all.get(id)
        wrong_host = operation and self.strict_hosts and call.host != HOSTS[operation.what]
        if operation is None or wrong_host or self._clock.time() >= operation.created + self.kept[operation.what]:
            raise Problem(5, f"operation {id} not found")
        return operation

    def _pending(self, operation: Operation) -> bool:
        if operation.finished:
            return False
        if operation.never or self._clock.monotonic() < operation.due:
            return True
        operation.polls_left -= 1
        return operation.polls_left >= 0


def _shown(operation: Operation) -> Json:
    """An operation without its result. As recorded, operations of pictures show neither dates nor who made them."""
    text = operation.what == "text"
    changed = operation.finished or operation.created
    return {
        "id": operation.id,
        "description": operation.description,
        "createdAt": stamp(operation.created) if text else None,
        "createdBy": "ajesandbox0000000000" if text else "",
        "modifiedAt": stamp(changed) if text else None,
        "done": bool(operation.finished),
        "metadata": None,
    }


def _outcome(operation: Operation) -> Json:
    return {"error": operation.error} if operation.error is not None else {"response": operation.result}


def stamp(at: float, *, milliseconds: bool = False) -> str:
    """A Unix time in the form 2026-11-21T12:00:00Z."""
    text = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds" if milliseconds else "seconds")
    return text.replace("+00:00", "Z")


REMEMBERED = 500
PREFIX: dict[OperationKind, str] = {"text": "d7q", "art": "fbv"}
HOSTS: dict[OperationKind, str] = {"text": "operation", "art": "llm"}
