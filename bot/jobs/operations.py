"""What a service does for us over minutes or hours: ordered once, followed by a job across restarts.

The way: `order` stores an operation and its job in the commit that ends the turn. The job (`OperationRunner.follow`)
submits it, stores its id before the first poll, then polls by putting itself back with a later `due`, and at the end
puts what came of it into the outbox in one commit with the end of the operation. Each accepted submit costs money, so
its outcome is never guessed: see `_submit`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Generic, Literal, Protocol, TypeVar

from bot.ai import Failed, Pending
from bot.clock import Clock
from bot.errors import (
    BadInput,
    ModelDenied,
    ModelError,
    ModelProtocolError,
    ModelRefused,
    ModelUnavailable,
    OutcomeUnknown,
)
from bot.outbox import Effect
from bot.ports import Transport
from bot.storage.repositories.operations import Operation
from bot.storage.store import Store, Tx
from bot.types import Incoming, Job

MOST_SUBMITS = 2  # a kill -9 between the request and its answer leaves the outcome unknown: once more, then ask
OVER = ("done", "failed")
HELD = ("held", "held_money")  # the numbers of reservations, in what was ordered

Result = TypeVar("Result")


class FailureReason(StrEnum):
    """Why there is no result. `UNKNOWN`: the order may have been carried out, and `SLOW`: it may still be."""

    OFF = "off"
    REFUSED = "refused"
    DENIED = "denied"
    UNKNOWN = "unknown"
    SLOW = "slow"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PollSchedule:
    """In seconds: how long a result is waited for, how long a service is asked again that takes no orders, and between
    which two a poll follows another. `shows` is what the chat sees meanwhile.
    """

    patience: float
    ordering: float
    shortest_poll: float
    longest_poll: float
    shows: Literal["photo", ""] = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an operation ends, and what else is stored with that."""

    state: Literal["done", "failed"]
    effect: Effect


class OperationKind(Protocol[Result]):
    """What is special to a kind of operation. `submit` and `poll` raise the `ModelError`s of `errors.py`."""

    @property
    def pace(self) -> PollSchedule: ...

    def is_offered(self, operation: Operation) -> bool:
        """Whether there still is a service for it."""
        ...

    async def submit(self, operation: Operation) -> str:
        """Return the service's own name for it. May raise `OutcomeUnknown`."""
        ...

    async def poll(self, operation: Operation) -> Pending | Failed | Result: ...

    async def withdraw(self, operation: Operation) -> None:
        """Nobody waits for it any more: ask the service to leave it, where it can."""
        ...

    def accepted(self, tx: Tx, operation: Operation) -> None:
        """The service has taken it."""
        ...

    def finished(self, operation: Operation, result: Result) -> Outcome: ...

    def failed(
        self, operation: Operation, why: FailureReason, error: ModelError | BadInput | None = None
    ) -> Outcome: ...

    def abandoned(self, tx: Tx, operation: Operation) -> None:
        """Nobody is there to be told how it ends."""
        ...


def order(tx: Tx, clock: Clock, kind: str, incoming: Incoming, request: Mapping[str, Any]) -> None:
    """Store what is ordered with a message, and the job that follows it."""
    tx.operations.add_operation(kind, incoming.id, incoming.address, incoming.user.id, request)
    tx.jobs.add_job(Job(kind, incoming.id, incoming.address, {}, due=clock.time()))


def release(tx: Tx, operation: Operation) -> None:
    """Settle what was held back for an order that nobody wants any more. What was submitted may be paid: all of it."""
    for held in HELD:
        tx.budgets.settle_reservation(operation.request.get(held, 0), 0 if operation.state == "asked" else None)


@dataclass(slots=True, kw_only=True)
class OperationRunner(Generic[Result]):
    store: Store
    clock: Clock
    transport: Transport
    kind: OperationKind[Result]

    async def follow(self, job: Job) -> None:
        """The job: one step of the operation."""
        operation, gone = await self.store.read(
            lambda tx: (tx.operations.find_of_turn(job.address.bot, job.key), tx.chats.is_unreachable(job.address))
        )
        if operation is None or operation.state in OVER:
            await self.store.write(lambda tx: tx.jobs.delete_done(job))
            return
        if gone:
            await self._abandon(job, operation)
            return
        if self.kind.pace.shows:
            await self.transport.reply(job.address, job.key).busy(self.kind.pace.shows)
        if not self.kind.is_offered(operation):
            await self._fail(job, operation, FailureReason.OFF)
        elif operation.state == "running":
            await self._poll(job, operation)
        elif operation.submits < MOST_SUBMITS:
            await self._submit(job, operation)
        else:
            await self._fail(job, operation, FailureReason.UNKNOWN)

    async def _submit(self, job: Job, operation: Operation) -> None:
        await self.store.write(lambda tx: tx.operations.mark_submitting(operation.id))
        try:
            name = await self.kind.submit(operation)
        except (ModelRefused, BadInput) as error:
            await self._fail(job, operation, FailureReason.REFUSED, error)
        except (OutcomeUnknown, ModelProtocolError) as error:  # whatever answered: it may have been carried out
            await self._fail(job, operation, FailureReason.UNKNOWN, error)
        except ModelDenied as error:
            await self._fail(job, operation, FailureReason.DENIED, error)
        except ModelUnavailable as error:
            await self._submit_later(job, operation, error)
        except ModelError as error:  # it is too long, or the like: nothing was taken
            await self._fail(job, operation, FailureReason.FAILED, error)
        else:
            await self._run(job, replace(operation, operation=name))

    async def _run(self, job: Job, operation: Operation) -> None:
        due = self.clock.time() + self.kind.pace.shortest_poll

        def running(tx: Tx) -> bool:
            now = tx.operations.find_of_turn(job.address.bot, job.key)
            if now is None:
                return False
            self.kind.accepted(tx, operation)
            if now.state in OVER:
                return False
            tx.operations.mark_running(operation.id, operation.operation)
            tx.jobs.reschedule(job, due)
            return True

        # Without its id on disk the order would be made, and paid, once more.
        if not await self.store.retry_until_stored(lambda: self.store.write(running)):
            await self.kind.withdraw(operation)  # it was cancelled, or its user forgotten, while it was being ordered

    async def _submit_later(self, job: Job, operation: Operation, error: ModelUnavailable) -> None:
        """The order was certainly not taken: nothing is paid yet, and it may be repeated."""
        age = self.clock.time() - operation.at
        if age > self.kind.pace.ordering:
            await self._fail(job, operation, FailureReason.FAILED, error)
            return
        due = self.clock.time() + max(error.retry_after, self.kind.pace.shortest_poll, age / 4)

        def asked(tx: Tx) -> None:
            tx.operations.mark_not_submitted(operation.id)
            tx.jobs.reschedule(job, due)

        await self.store.write(asked)

    async def _poll(self, job: Job, operation: Operation) -> None:
        age, pace = self.clock.time() - operation.at, self.kind.pace
        outcome: Pending | Failed | Result
        try:
            outcome = await self.kind.poll(operation)
        except ModelError:
            if age <= pace.patience:
                raise  # the worker asks again, ever more rarely
            outcome = Pending()
        if isinstance(outcome, Failed):
            await self._fail(job, operation, FailureReason.REFUSED if outcome.refused else FailureReason.FAILED)
        elif not isinstance(outcome, Pending):
            await self._end(job, operation, self.kind.finished(operation, outcome))
        elif age > pace.patience:
            await self._fail(job, operation, FailureReason.SLOW)
        else:
            wait = min(max(pace.shortest_poll, age / 10), pace.longest_poll)
            await self.store.write(lambda tx: tx.jobs.reschedule(job, self.clock.time() + wait))

    async def _fail(
        self, job: Job, operation: Operation, why: FailureReason, error: ModelError | BadInput | None = None
    ) -> None:
        await self._end(job, operation, self.kind.failed(operation, why, error))

    async def _end(self, job: Job, operation: Operation, end: Outcome) -> None:
        def work(tx: Tx) -> None:
            now = tx.operations.find_of_turn(job.address.bot, job.key)
            if now is not None and now.state not in OVER:  # else forgotten or cancelled while the service was asked
                tx.operations.store_end(operation.id, end.state)
                end.effect(tx)
            tx.jobs.delete_done(job)

        await self.store.write(work)
        await self.transport.reply(job.address, job.key).finish()

    async def _abandon(self, job: Job, operation: Operation) -> None:
        """Nobody is there any more: nothing is ordered, asked for or sent."""

        def work(tx: Tx) -> None:
            tx.operations.store_end(operation.id, "failed")
            self.kind.abandoned(tx, operation)
            tx.jobs.delete_done(job)

        await self.store.write(work)
        if operation.operation:
            await self.kind.withdraw(operation)
