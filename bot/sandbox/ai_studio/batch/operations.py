"""Operations of datasets, runs and tunings, as `OperationService` shows them. Begin with `Operations`."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from yandex.cloud.operation.operation_pb2 import Operation
from yandex.cloud.operation.operation_service_pb2 import CancelOperationRequest, GetOperationRequest

from bot.clock import Clock
from bot.sandbox.ai_studio.batch.caller import Caller
from bot.sandbox.ai_studio.core import DAY, Quotas
from bot.sandbox.ai_studio.wire import Problem

CANCELED = 1


@dataclass(slots=True)
class OpenOperation:
    """One operation. `look` is called before the operation is shown, and brings it up to date. `cancel` cancels its
    work; None if it can't be cancelled.
    """

    shown: Operation
    created: float
    look: Callable[[], None] = field(default=lambda: None)
    cancel: Callable[[], None] | None = None


class Operations:
    """All operations. They are forgotten `kept` seconds after they began."""

    def __init__(self, clock: Clock, quotas: Quotas) -> None:
        self.kept = 14 * DAY
        self.all: dict[str, OpenOperation] = {}
        self._clock = clock
        self._quotas = quotas

    def open(
        self,
        id_: str,
        metadata: Message | None = None,
        *,
        look: Callable[[], None] = lambda: None,
        cancel: Callable[[], None] | None = None,
    ) -> Operation:
        """Begin an operation and return a copy of it."""
        shown = Operation(id=id_, created_at=self.now(), modified_at=self.now())
        if metadata is not None:
            shown.metadata.Pack(metadata)
        self.all[id_] = OpenOperation(shown, self._clock.time(), look, cancel)
        return copied(shown)

    def change(self, id_: str, metadata: Message, at: float) -> None:
        """Show new metadata, which changed at the Unix time `at`."""
        shown = self.all[id_].shown
        shown.metadata.Pack(metadata)
        shown.modified_at.CopyFrom(moment(at))

    def finish(
        self, id_: str, at: float, response: Message | None = None, error: tuple[int, str] | None = None
    ) -> Operation:
        """End an operation at the Unix time `at`, with its response or with the code and message of an error, and
        return a copy of it.

        An operation that has ended already is not changed.
        """
        shown = self.all[id_].shown
        if shown.done:
            return copied(shown)
        shown.done = True
        shown.modified_at.CopyFrom(moment(at))
        if response is not None:
            shown.response.Pack(response)
        if error is not None:
            shown.error.code, shown.error.message = error
        return copied(shown)

    def take_quota(self, name: str) -> None:
        """Count the start of a run or a tuning. Raises `Problem` 8 over the quota of an hour or a day."""
        self._quotas.take(name)

    async def get(self, request: GetOperationRequest, _caller: Caller) -> Operation:
        """Handle `OperationService.Get`."""
        self._quotas.take("operation")
        return self._shown(self._find(request.operation_id))

    async def cancel(self, request: CancelOperationRequest, _caller: Caller) -> Operation:
        """Handle `OperationService.Cancel`. An operation that has ended already is not changed."""
        found = self._find(request.operation_id)
        found.look()
        if not found.shown.done:
            if found.cancel is None:
                raise Problem(9, f"operation {request.operation_id} can't be cancelled")
            found.cancel()
        return self._shown(found)

    def now(self) -> Timestamp:
        """The time in whole seconds, as operations and datasets have it."""
        return moment(self._clock.time())

    def _find(self, id_: str) -> OpenOperation:
        found = self.all.get(id_)
        if found is None or self._clock.time() >= found.created + self.kept:
            raise Problem(5, f"operation {id_} not found")
        return found

    def _shown(self, found: OpenOperation) -> Operation:
        found.look()
        return copied(found.shown)


def copied(operation: Operation) -> Operation:
    """Return a copy of an operation, which does not change when the operation does."""
    copy = Operation()
    copy.CopyFrom(operation)
    return copy


def moment(at: float, *, fine: bool = False) -> Timestamp:
    """Return a Unix time as a Timestamp, cut to whole seconds unless it should be `fine`."""
    stamp = Timestamp()
    stamp.FromMicroseconds(int(at * 1_000_000) if fine else int(at) * 1_000_000)
    return stamp


def new_id(prefix: str) -> str:
    """An id as the service makes them: three letters and 17 more characters."""
    return prefix + "".join(secrets.choice(LETTERS) for _ in range(17))


LETTERS = "0123456789abcdefghijklmnopqrstuv"
