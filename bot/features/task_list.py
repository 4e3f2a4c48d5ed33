"""What is under way for somebody in a chat: later answers, pictures, reminders. `/jobs` lists and cancels it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from bot.errors import ModelError
from bot.feature import ButtonHandler, Command, Feature
from bot.jobs import operations
from bot.outbox import Choice, finish, finish_turn, remove_buttons
from bot.ports import Reply
from bot.storage.repositories.buttons import ButtonPress
from bot.storage.repositories.operations import Operation
from bot.storage.store import Store, Tx
from bot.texts.catalog import say
from bot.types import Incoming, Job

log = logging.getLogger(__name__)

REMINDER = "reminder"  # the only kind that is a job without an operation
SHOWN = 60  # characters of what was asked for
MOST = 20  # lines
KINDS = {"later": "jobs.later", "image": "jobs.image"}  # of operations, with their sentences

Withdraw = Callable[[Operation], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class TaskLine:
    """One thing that is under way."""

    kind: str
    key: str
    text: str


@dataclass(slots=True, kw_only=True)
class TaskList:
    """`withdraw` says by the kind of an operation who asks the service to leave it."""

    store: Store
    withdraw: Mapping[str, Withdraw] = field(default_factory=dict)

    def feature(self) -> Feature:
        return Feature(commands={"/jobs": Command(self.jobs)}, presses={"jobs.cancel": ButtonHandler(self.cancel)})

    async def jobs(self, incoming: Incoming, reply: Reply, _rest: str) -> None:
        def work(tx: Tx) -> None:
            language = incoming.language
            lines = self._lines(tx, incoming, language)
            text = "\n".join(f"{number}. {line.text}" for number, line in enumerate(lines, 1))
            shown = say(language, "jobs", lines=text) if lines else say(language, "jobs.none")
            cancels = [
                cancel_choice(incoming, line.kind, line.key, f" {number}") for number, line in enumerate(lines, 1)
            ]
            finish_turn(tx, incoming, shown, choices=cancels)

        await finish(self.store, reply, work)

    async def cancel(self, incoming: Incoming, reply: Reply, action: ButtonPress) -> None:
        """End it in the database first: what the service says afterwards changes nothing."""
        kind, key = action.payload["kind"], action.payload["key"]

        def work(tx: Tx) -> Operation | None:
            tx.buttons.expire_button(action.key)
            remove_buttons(tx, incoming, only=action.key)
            operation = tx.operations.find_of_turn(incoming.address.bot, key) if kind != REMINDER else None
            found = _ended(tx, incoming, kind, key, operation)
            finish_turn(tx, incoming, say(incoming.language, "jobs.cancelled" if found else "jobs.over"))
            return operation if found else None

        operation = await finish(self.store, reply, work)
        if operation is not None:
            await self.leave(operation)

    async def leave(self, operation: Operation) -> None:
        """Tell the service that nobody waits for it; where that fails, it is paid like any other."""
        withdraw = self.withdraw.get(operation.kind)
        if withdraw is None or operation.state != "running":
            return
        try:
            await withdraw(operation)
        except ModelError as error:
            log.warning("operation %s was not cancelled at the service: %s", operation.operation, error)

    def _lines(self, tx: Tx, incoming: Incoming, language: str) -> list[TaskLine]:
        where, user = incoming.address, incoming.user.id
        running = [
            TaskLine(one.kind, one.turn, say(language, KINDS[one.kind], text=_short(_wish(one))))
            for one in tx.operations.list_open(where, user)
            if one.kind in KINDS
        ]
        waiting = [
            TaskLine(
                REMINDER,
                job.key,
                say(language, "jobs.reminder", text=_short(job.payload["text"]), at=job.payload["at"]),
            )
            for job in tx.jobs.list_of_chat(where, REMINDER)
            if job.payload["user"] == user
        ]
        return [*running, *waiting][:MOST]


def cancel_choice(incoming: Incoming, kind: str, key: str, suffix: str = "") -> Choice:
    """A button below the answer of this turn that ends what was ordered."""
    return Choice(say(incoming.language, "jobs.cancel") + suffix, "jobs.cancel", {"kind": kind, "key": key})


def _ended(tx: Tx, incoming: Incoming, kind: str, key: str, operation: Operation | None) -> bool:
    """Whether there was something to end."""
    where = incoming.address
    if kind == REMINDER:
        job = tx.jobs.find_job(where.bot, kind, key)
        if job is None or job.payload["user"] != incoming.user.id:
            return False
        tx.jobs.delete_done(job)
        return True
    if operation is None or operation.user != incoming.user.id or operation.state in ("done", "failed"):
        return False
    operations.release(tx, operation)
    tx.operations.store_end(operation.id, "failed")
    if "messages" in operation.request:  # of a later answer: what the conversation said stays only there
        tx.operations.replace_request(operation.id, {})
    tx.jobs.delete_done(Job(kind, key, operation.address))
    return True


def _wish(operation: Operation) -> str:
    return str(operation.request.get("question") or operation.request.get("prompt") or "")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else line[: SHOWN - 1] + "…"
