"""Batch runs with their requests, how far the service's own runs are, and whose words its datasets have.

Begin with `Batches.take_run`, then `list_ready` and `store_end`; of the service's own runs with `VendorRuns`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, func, or_, select, update

from bot.ai import Usage
from bot.storage.engines.prepared import Prepared
from bot.storage.repositories.mapping import Repository
from bot.storage.rows import Query
from bot.storage.tables.batch import (
    OPEN,
    OVER,
    READY_REQUESTS,
    REQUESTS_AFTER,
    UNFINISHED,
    BatchRequest,
    BatchRun,
    DatasetPerson,
    VendorStep,
)

PAGE = 500
FREE_RUN = Query(BatchRun, or_(BatchRun.worker.in_(("", bindparam("me"))), BatchRun.until < bindparam("now")))
STATES = select(BatchRequest.state, func.count()).where(BatchRequest.run == bindparam("run"))
COUNT_STATES = Prepared(STATES.group_by(BatchRequest.state))
OF_ATTEMPT = BatchRequest.operation.like(bindparam("lines"))
COUNT_ATTEMPT = Prepared(STATES.where(OF_ATTEMPT).group_by(BatchRequest.state))
TOKENS = select(func.sum(BatchRequest.prompt), func.sum(BatchRequest.completion), func.sum(BatchRequest.cost))
SPENT = Prepared(TOKENS.where(BatchRequest.run == bindparam("run")))
SPENT_ON_ATTEMPT = Prepared(
    TOKENS.where(BatchRequest.run == bindparam("run"), OF_ATTEMPT, BatchRequest.state == "answered")
)
OPEN_REQUESTS = (BatchRequest.run == bindparam("run"), BatchRequest.state.in_(UNFINISHED))
NEXT_DUE = Prepared(select(func.min(BatchRequest.due)).where(*OPEN_REQUESTS))
ONE = (BatchRequest.run == bindparam("of_run"), BatchRequest.hash == bindparam("of_hash"))
MARK_SENT = Prepared(update(BatchRequest.table).where(*ONE).values(state="sent", submits=BatchRequest.submits + 1))
PUT_BACK = Prepared(
    update(BatchRequest.table)
    .where(*ONE)
    .values(state="asked", due=bindparam("when"), submits=BatchRequest.submits - bindparam("uncounted"))
)
MARK_LINE = Prepared(update(BatchRequest.table).where(*ONE).values(state="running", operation=bindparam("line")))
STORE_ANSWER = Prepared(
    update(BatchRequest.table)
    .where(*ONE)
    .values(
        state=bindparam("to_state"),
        answer=bindparam("text"),
        finish=bindparam("ended"),
        prompt=bindparam("read"),
        completion=bindparam("written"),
    )
)
OVER_AT_SERVICE = Query(
    VendorStep,
    VendorStep.run.in_(select(BatchRun.id).where(BatchRun.bot == bindparam("bot"))),
    VendorStep.state.in_(OVER),
)


class Batches(Repository):
    """The batch runs of bots, with their requests."""

    def take_run(self, run: int, worker: str, seconds: float) -> bool:
        """Reserve a run for a worker for so many seconds from now. Returns False if another worker has it."""
        now = self.clock.time()
        return bool(self.change_all(FREE_RUN, {"worker": worker, "until": now + seconds}, id=run, me=worker, now=now))

    def remove_run(self, run: int) -> None:
        """Delete a run with its requests and answers."""
        self.remove(BatchRequest, run=run)
        self.remove(VendorStep, run=run)
        self.remove(BatchRun, id=run)

    def open_reservations(self, bot: int) -> set[int]:
        """Return the ids of the reservations of money that unfinished runs hold, and which no clean-up may settle."""
        return {run.held for run in self.all(BatchRun, bot=bot, state=OPEN)}

    # --- requests -----------------------------------------------------------------------------------------------------

    def add_requests(self, run: int, requests: Iterable[BatchRequest]) -> None:
        """Add requests to a run. A request that the run has already is left out."""
        self.execute_many(BatchRequest.insert(beside=True), [one.altered(run=run).stored() for one in requests])

    def list_ready(self, run: int, state: str, most: int) -> Sequence[BatchRequest]:
        """Return requests in a state whose time has come, in the order of the file."""
        return self.all(READY_REQUESTS, limit=most, run=run, state=state, now=self.clock.time())

    def page_requests(self, run: int, after: int = 0) -> Sequence[BatchRequest]:
        """Return up to 500 requests of a run whose place is above `after`, in the order of the file."""
        return self.all(REQUESTS_AFTER, limit=PAGE, run=run, after=after)

    def iterate_requests(self, run: int) -> Iterator[BatchRequest]:
        """Yield all requests of a run in the order of the file."""
        after = 0
        while page := self.page_requests(run, after):
            yield from page
            after = page[-1].place

    def count_states(self, run: int) -> Mapping[str, int]:
        """Return for each state how many requests of a run are in it."""
        return dict(self.execute(COUNT_STATES, {"run": run}))

    def next_due(self, run: int) -> float | None:
        """Return when the next unfinished request of a run is due (Unix seconds), None if all have ended."""
        found: float | None = self.execute(NEXT_DUE, {"run": run}).scalar()
        return found

    def spent(self, run: int) -> tuple[Usage, int]:
        """Return the tokens of the answers that a run has, and its price so far (millionths)."""
        usage, cost = self._sum(SPENT, {"run": run})
        step = self.one(VendorStep, run=run)
        return usage, cost + (step.cost if step is not None else 0)

    def mark_sent(self, run: int, hashes: Sequence[str]) -> None:
        """Note that these requests are about to be sent, and count one more attempt for each."""
        self.execute_many(MARK_SENT, [{"of_run": run, "of_hash": hash_} for hash_ in hashes])

    def put_back(self, run: int, hash_: str, due: float, *, uncounted: int = 1) -> None:
        """Let a request be sent again at the Unix time `due`.

        `uncounted` is 1 if the service has certainly not accepted it, so that the attempt does not count; else 0.
        """
        self.execute(PUT_BACK, {"of_run": run, "of_hash": hash_, "when": due, "uncounted": uncounted})

    def ask_again(self, run: int, states: Sequence[str]) -> int:
        """Let the requests in these states be sent once more. Returns the number of them."""
        values = {"state": "asked", "due": 0.0, "submits": 0, "answer": "", "finish": "", "operation": ""}
        return self.change_all(BatchRequest, values, run=run, state=states)

    def _sum(self, statement: Prepared, values: Mapping[str, Any]) -> tuple[Usage, int]:
        prompt, completion, cost = (int(number or 0) for number in self.execute(statement, values).one())
        return Usage(prompt, completion), cost


class VendorRuns(Batches):
    """The steps of runs of the mode batch, and what their requests need for them."""

    def list_untidy(self, bot: int) -> Sequence[VendorStep]:
        """Return the steps of the bot's runs that are over, and of which the service may still have datasets."""
        return self.all(OVER_AT_SERVICE, bot=bot, is_tidy=False)

    def begin_attempt(self, run: int) -> None:
        """Begin again with another dataset."""
        if (step := self.one(VendorStep, run=run)) is not None:
            self.put(VendorStep(run=run, token=step.token, attempt=step.attempt + 1, cost=step.cost))

    def cancel(self, run: BatchRun) -> None:
        """Note that a run is canceled, here and at the service."""
        self.change(run, state="canceled")
        self.change_all(VendorStep, {"state": "canceled"}, run=run.id)

    # --- requests -----------------------------------------------------------------------------------------------------

    def page_unanswered(self, run: int, after: int) -> Sequence[BatchRequest]:
        """Return up to 500 requests without an end whose place is above `after`, in the order of the file."""
        return self.all(REQUESTS_AFTER, limit=PAGE, run=run, state=UNFINISHED, after=after)

    def mark_lines(self, run: int, lines: Iterable[tuple[str, str]]) -> None:
        """Note for each hash in which line of the dataset its request stands."""
        self.execute_many(MARK_LINE, [{"of_run": run, "of_hash": hash_, "line": line} for hash_, line in lines])

    def count_attempt(self, run: int, attempt: int) -> Mapping[str, int]:
        """Return how many requests of a dataset are in which state."""
        return dict(self.execute(COUNT_ATTEMPT, {"run": run, "lines": f"{attempt}:%"}))

    def usage_of_attempt(self, run: int, attempt: int) -> Usage:
        """Return the tokens of the answers that a dataset has got."""
        return self._sum(SPENT_ON_ATTEMPT, {"run": run, "lines": f"{attempt}:%"})[0]

    def store_answers(self, run: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Store the ends of requests: each row has of_hash, to_state, text, ended, read and written tokens."""
        self.execute_many(STORE_ANSWER, [{"of_run": run, **row} for row in rows])


class DatasetPeople(Repository):
    """The people whose words stand in exported files, and in the datasets that these became."""

    def note_export(self, bot: int, digest: str, people: Iterable[int]) -> None:
        """Note whose words stand in a file with this SHA-256."""
        rows = [DatasetPerson(bot=bot, digest=digest, user=user).stored() for user in sorted(people)]
        self.execute_many(DatasetPerson.insert(beside=True), rows)

    def note_upload(self, bot: int, digest: str, dataset: str, name: str) -> None:
        """Note that a file, or a part of it, was uploaded as a dataset; a file may become several."""
        mark = hashlib.sha256(f"{digest} {dataset}".encode()).hexdigest()
        for person in self.all(DatasetPerson, bot=bot, digest=digest):
            self.add_missing(person.altered(digest=mark, dataset=dataset, name=name[:63]))

    def list_names(self, bot: int, user: int) -> Sequence[str]:
        """Return the names of the datasets at the service that have words of a person."""
        return sorted({one.name for one in self.all(DatasetPerson, bot=bot, user=user) if one.dataset})
