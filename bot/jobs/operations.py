"""Long-running operations of AI services (pictures, deferred answers): submitted once, and polled across restarts.

`order` stores an operation and its job in the transaction that ends the turn. The job (`OperationRunner.follow`)
submits the operation, stores the service's id before the first poll, and polls by rescheduling itself. At the end one
transaction puts the result into the outbox and closes the operation. Each accepted submit costs money, so `_submit`
never repeats one whose outcome may be success.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
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
from bot.storage.store import Store, Tx
from bot.storage.tables.work import Operation
from bot.types import Incoming, Job

log = logging.getLogger(__name__)

MOST_SUBMITS = 2  # a crash between request and response leaves the outcome unknown: one more try, then the user decides
OVER = ("done", "failed")
AGAIN = object()  # returned by the effect of an outcome that has asked for the operation once more
HELD = ("held", "held_money")  # keys of reservations in `Operation.request`

Result = TypeVar("Result")


class FailureReason(StrEnum):
    """Why there is no result. `UNKNOWN`: the service may have done it. `SLOW`: the service may still do it."""

    OFF = "off"
    REFUSED = "refused"
    DENIED = "denied"
    UNKNOWN = "unknown"
    SLOW = "slow"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PollSchedule:
    """How often a service is polled and how long it may take, in seconds.

    `patience` is how long a result is waited for, and `ordering` for how long a service that accepts no submits is
    asked again. Polls are `shortest_poll` to `longest_poll` apart. `shows` is the chat action that users see meanwhile.
    """

    patience: float
    ordering: float
    shortest_poll: float
    longest_poll: float
    shows: Literal["photo", ""] = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an operation ends: its state, the `effect` that runs in the transaction that closes it, and what is done
    after that commit.

    An effect that has called `tx.operations.ask_again` returns `AGAIN`: then the operation is submitted once more.
    """

    state: Literal["done", "failed"]
    effect: Effect
    afterwards: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class AtOnce(Generic[Result]):
    """What a service has returned to a submit that needs no operation: the result, or why there is none.

    `operation` stands in the place of the service's id.
    """

    operation: str
    outcome: Result | Failed


class OperationKind(Protocol[Result]):
    """The part of an operation that depends on its kind. `submit` and `poll` raise the `ModelError`s of `errors.py`."""

    @property
    def pace(self) -> PollSchedule:
        """How often the service is polled, and for how long."""

    def is_offered(self, operation: Operation) -> bool:
        """Whether the bot still has a service for this operation."""

    async def submit(self, operation: Operation) -> str | AtOnce[Result]:
        """Submit the operation, and return the id that the service gave it, or its result. May raise
        `OutcomeUnknown`.
        """

    async def poll(self, operation: Operation) -> Pending | Failed | Result:
        """Ask the service for the result."""

    async def withdraw(self, operation: Operation) -> None:
        """Ask the service to cancel an operation for which nobody waits any more, if the service can."""

    def accepted(self, tx: Tx, operation: Operation) -> None:
        """Called in the transaction that stores the service's id or result: the service has accepted the operation.

        `operation.submits` counts this submit and those before whose outcome is unknown.
        """

    def waiting(self, tx: Tx, operation: Operation, age: float) -> None:
        """Called in the transaction that plans the next poll of an operation which is not done after `age` seconds."""

    def finished(self, operation: Operation, result: Result) -> Outcome:
        """What to store and send when the result is there."""

    def failed(self, operation: Operation, why: FailureReason, error: ModelError | BadInput | None = None) -> Outcome:
        """What to store and send if there will be no result."""

    def abandoned(self, tx: Tx, operation: Operation) -> None:
        """Called in the transaction that closes an operation whose chat can't be reached any more."""


def order(tx: Tx, clock: Clock, kind: str, incoming: Incoming, request: Mapping[str, Any]) -> None:
    """Store the operation that a message has ordered, and the job that follows it."""
    tx.operations.add_operation(kind, incoming.id, incoming.address, incoming.user.id, request)
    tx.jobs.add_job(Job(kind, incoming.id, incoming.address, {}, due=clock.time()))


def release(tx: Tx, operation: Operation) -> None:
    """Settle the reservations of a cancelled operation: in full once it was submitted, as the service may charge it."""
    for held in HELD:
        tx.budgets.settle_reservation(operation.request.get(held, 0), 0 if operation.state == "asked" else None)


@dataclass(slots=True, kw_only=True)
class OperationRunner(Generic[Result]):
    """Follows the operations of one kind."""

    store: Store
    clock: Clock
    transport: Transport
    kind: OperationKind[Result]

    async def follow(self, job: Job) -> None:
        """Do one step of an operation, as its job: submit it, poll it, or end it."""
        operation, gone = await self.store.read(
            lambda tx: (tx.one(Operation, bot=job.address.bot, turn=job.key), tx.chats.is_unreachable(job.address))
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
        if operation.submits:
            log.warning("%s of turn %s is ordered again: nobody knows whether it was before", job.kind, job.key)
        operation = replace(operation, submits=operation.submits + 1)
        try:
            found = await self.kind.submit(operation)
        except (ModelRefused, BadInput) as error:
            await self._fail(job, operation, FailureReason.REFUSED, error)
        except (OutcomeUnknown, ModelProtocolError) as error:  # the service may have done it
            await self._fail(job, operation, FailureReason.UNKNOWN, error)
        except ModelDenied as error:
            await self._fail(job, operation, FailureReason.DENIED, error)
        except ModelUnavailable as error:
            await self._submit_later(job, operation, error)
        except ModelError as error:  # too long, for example: certainly not done
            await self._fail(job, operation, FailureReason.FAILED, error)
        else:
            if isinstance(found, AtOnce):
                await self._end_at_once(job, replace(operation, operation=found.operation), found.outcome)
            else:
                await self._run(job, replace(operation, operation=found))

    async def _run(self, job: Job, operation: Operation) -> None:
        due = self.clock.time() + self.kind.pace.shortest_poll

        def running(tx: Tx) -> bool:
            now = tx.one(Operation, bot=job.address.bot, turn=job.key)
            if now is None:
                return False
            self.kind.accepted(tx, operation)
            if now.state in OVER:
                return False
            tx.change(operation, state="running", operation=operation.operation)
            tx.jobs.reschedule(job, due)
            return True

        # Without the service's id on disk the operation would be submitted, and paid, again.
        if not await self.store.write_until_stored(running):
            await self.kind.withdraw(operation)  # cancelled, or its user's data deleted, during the submit

    async def _end_at_once(self, job: Job, operation: Operation, outcome: Result | Failed) -> None:
        """Book and end an operation in one transaction. Before it, a crash leaves its outcome unknown."""
        end = self._outcome(operation, outcome)

        def work(tx: Tx) -> None:
            if (now := tx.one(Operation, bot=job.address.bot, turn=job.key)) is not None:
                self.kind.accepted(tx, operation)
                if now.state not in OVER:
                    tx.change(operation, state="running", operation=operation.operation)
            self._close(tx, job, operation, end)

        await self.store.write_until_stored(work)
        await self._deliver(job, end)

    def _outcome(self, operation: Operation, outcome: Result | Failed) -> Outcome:
        if not isinstance(outcome, Failed):
            return self.kind.finished(operation, outcome)
        return self.kind.failed(operation, FailureReason.REFUSED if outcome.refused else FailureReason.FAILED)

    async def _submit_later(self, job: Job, operation: Operation, error: ModelUnavailable) -> None:
        """Reschedule a submit that the service certainly did not accept: nothing is paid yet."""
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
        if not isinstance(outcome, Pending):
            await self._end(job, operation, self._outcome(operation, outcome))
        elif age > pace.patience:
            await self._fail(job, operation, FailureReason.SLOW)
        else:
            wait = min(max(pace.shortest_poll, age / 10), pace.longest_poll)

            def later(tx: Tx) -> None:
                self.kind.waiting(tx, operation, age)
                tx.jobs.reschedule(job, self.clock.time() + wait)

            await self.store.write(later)
            await self.transport.reply(job.address, job.key).finish()

    async def _fail(
        self, job: Job, operation: Operation, why: FailureReason, error: ModelError | BadInput | None = None
    ) -> None:
        await self._end(job, operation, self.kind.failed(operation, why, error))

    async def _end(self, job: Job, operation: Operation, end: Outcome) -> None:
        await self.store.write(lambda tx: self._close(tx, job, operation, end))
        await self._deliver(job, end)

    def _close(self, tx: Tx, job: Job, operation: Operation, end: Outcome) -> None:
        now = tx.one(Operation, bot=job.address.bot, turn=job.key)
        if now is not None and now.state not in OVER:  # else it was cancelled or deleted meanwhile
            tx.change(operation, state=end.state)
            if end.effect(tx) is AGAIN:
                tx.jobs.reschedule(job, self.clock.time())
                return
        tx.jobs.delete_done(job)

    async def _deliver(self, job: Job, end: Outcome) -> None:
        end.afterwards()
        await self.transport.reply(job.address, job.key).finish()

    async def _abandon(self, job: Job, operation: Operation) -> None:
        """Close the operation of an unreachable chat: nothing is submitted, polled or sent for it any more."""

        def work(tx: Tx) -> None:
            tx.change(operation, state="failed")
            self.kind.abandoned(tx, operation)
            tx.jobs.delete_done(job)

        await self.store.write(work)
        if operation.operation:
            await self.kind.withdraw(operation)
