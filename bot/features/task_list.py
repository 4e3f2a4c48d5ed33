"""The command /jobs: list and cancel the deferred answers, pictures and reminders of a user in a chat."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath

from bot.access.policy import Access, Actor, Decision
from bot.errors import ModelError
from bot.feature import After, Feature, Turn, command, press, section
from bot.jobs import operations
from bot.outbox import Answer, Choice, Page, remove_buttons
from bot.storage.store import Store, Tx
from bot.storage.tables.batch import NEWEST_RUN, BatchRun
from bot.storage.tables.work import OPEN_OPERATIONS, Operation
from bot.texts.catalog import say
from bot.types import Incoming, Job, Permission

log = logging.getLogger(__name__)

REMINDER = "reminder"  # the only kind of job here without an operation
SHOWN = 60  # characters of a question, prompt or reminder in the list
NAMED = 30  # of them on the button that cancels it
MOST = 20  # lines
MOST_RUNS = 10  # of them about batch runs
KINDS = {"later": "jobs.later", "image": "jobs.image"}  # kinds of operations, with their text keys

Withdraw = Callable[[Operation], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class TaskLine:
    """A line of what /jobs lists: an operation (`key` is its turn) or a reminder (`key` is that of its job).

    `text` is the line, `name` what the button that cancels it says.
    """

    kind: str
    key: str
    text: str
    name: str


@dataclass(slots=True, kw_only=True)
class TaskList(Feature):
    """Lists and cancels tasks. `withdraw` maps a kind of operation to the function that cancels it at the service.

    An administrator also sees the batch runs of the bot, in a private chat.
    """

    store: Store
    withdraw: Mapping[str, Withdraw] = field(default_factory=dict)
    access: Access = field(default_factory=Access)

    @press("jobs.cancel", once=True, has_toast=True)
    def cancel(self, tx: Tx, turn: Turn, kind: str, key: str, listed: bool = False) -> After | Answer | Page:
        """Cancel a task in the database, so that a late result changes nothing, and then at the service.

        If the button is in the list, the list shows the tasks that are left. If it is below an answer, it is removed
        and a sentence says what was done.
        """
        operation = tx.one(Operation, bot=turn.address.bot, turn=key) if kind != REMINDER else None
        found = _end(tx, turn, kind, key, operation)
        done = turn.say("jobs.cancelled" if found else "jobs.over")
        if listed:
            outcome: Answer | Page = replace(self.jobs(tx, turn), toast=done)
        else:
            remove_buttons(tx, turn, only=turn.data)
            outcome = Answer(done, toast=done)
        return After(outcome, lambda: self.leave(operation)) if operation is not None and found else outcome

    async def leave(self, operation: Operation) -> None:
        """Cancel an operation at its service. If that fails, only a line is logged, and the service is paid."""
        withdraw = self.withdraw.get(operation.kind)
        if withdraw is None or operation.state != "running":
            return
        try:
            await withdraw(operation)
        except ModelError as error:
            log.warning("operation %s was not cancelled at the service: %s", operation.operation, error)

    @command("/jobs")
    @section("jobs")
    def jobs(self, tx: Tx, turn: Turn) -> Page:
        """List what the user has ordered in this chat, and the reminders, with a button to cancel each."""
        lines = self._lines(tx, turn, turn.language)
        text = "\n\n".join(
            turn.say(heading, lines="\n".join(f"· {line.text}" for line in under))
            for heading, reminders in (("jobs.orders", False), ("jobs.reminders", True))
            if (under := [line for line in lines if (line.kind == REMINDER) is reminders])
        )
        if runs := self._batch_runs(tx, turn):
            text = "\n\n".join([*filter(None, [text]), turn.say("jobs.batches", lines="\n".join(runs))])
        names = Counter(line.name for line in lines)
        buttons = [
            Choice(
                f"✕ {line.name if names[line.name] == 1 else line.text}",
                "jobs.cancel",
                {"kind": line.kind, "key": line.key, "listed": True},
            )
            for line in lines
        ]
        return Page(text or turn.say("jobs.none"), [[button] for button in buttons])

    def _lines(self, tx: Tx, incoming: Incoming, language: str) -> list[TaskLine]:
        where, user = incoming.address, incoming.user.id
        orders = [
            TaskLine(
                one.kind, one.turn, say(language, KINDS[one.kind], text=_short(subject, SHOWN)), _short(subject, NAMED)
            )
            for one, subject in (
                (one, _subject(one)) for one in tx.all(OPEN_OPERATIONS, bot=where.bot, chat=where.chat, user=user)
            )
            if one.kind in KINDS
        ]
        reminders = [
            TaskLine(REMINDER, job.key, f"{job.payload['at']}: {_short(text, SHOWN)}", _short(text, NAMED))
            for job, text in ((job, str(job.payload["text"])) for job in tx.jobs.list_of_chat(where, REMINDER))
            if job.payload["user"] == user
        ]
        return [*orders, *reminders][:MOST]

    def _batch_runs(self, tx: Tx, incoming: Incoming) -> list[str]:
        """The lines about the batch runs that go on, and about the last one that has ended; only for administrators."""
        decision = self.access.authorize(Actor.of(incoming), Permission.ADMINISTER)
        if not incoming.private or decision is not Decision.ALLOWED:
            return []
        runs = tx.all(NEWEST_RUN, bot=incoming.address.bot)
        shown = [run for run in runs if run.state == "running"] or runs[:1]
        return [_batch_line(tx, run, incoming.language) for run in shown[:MOST_RUNS] if run.state != "planned"]


def _batch_line(tx: Tx, run: BatchRun, language: str) -> str:
    answered, name = tx.batches.count_states(run.id).get("answered", 0), PurePath(run.source).name
    values = {"id": run.id, "name": name, "model": run.model, "answered": answered, "requests": run.requests}
    return f"· {say(language, f'jobs.batch.{run.state}', **values)}"


def cancel_choice(incoming: Incoming, kind: str, key: str) -> Choice:
    """The button that cancels the task with this kind and key, below the answer about that task."""
    return Choice(say(incoming.language, "jobs.cancel"), "jobs.cancel", {"kind": kind, "key": key})


def named_cancel_choice(kind: str, key: str, name: str) -> Choice:
    """The button that cancels one of several tasks that an answer is about; it says the name of the task."""
    return Choice(f"✕ {_short(name, NAMED)}", "jobs.cancel", {"kind": kind, "key": key})


def _end(tx: Tx, incoming: Incoming, kind: str, key: str, operation: Operation | None) -> bool:
    """End a task of the user in the database. Returns False if it has ended already or belongs to somebody else."""
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
    tx.change(operation, state="failed")
    if "messages" in operation.request:  # of a deferred answer: the text of the conversation must not stay here
        tx.change(operation, request={})
    tx.jobs.delete_done(Job(kind, key, operation.address))
    return True


def _subject(operation: Operation) -> str:
    return str(operation.request.get("question") or operation.request.get("prompt") or "")


def _short(text: str, most: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"
