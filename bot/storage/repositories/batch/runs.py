"""Batch runs and their requests. Begin with `add_run`, then `take_run`, `list_ready` and `store_answer`."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, insert, or_, select, update

from bot.ai import Usage
from bot.storage.engines.prepared import Prepared
from bot.storage.repositories.mapping import Repository, made
from bot.storage.tables.batch import batch_requests, batch_runs, batch_vendor_runs

OPEN = ("planned", "running")
ENDED = ("done", "stopped")  # by themselves
UNFINISHED = ("asked", "sent", "running")
PAGE = 500
ADD = Prepared(lambda insert: insert(batch_requests).on_conflict_do_nothing())


@dataclass(frozen=True, slots=True)
class BatchRun:
    """A batch run: a file of questions that a model answers.

    `state` is planned (its requests are being stored), running, done, canceled or stopped (`reason` says why). `source`
    is the path of the file, `digest` its SHA-256, `rows` the number of its rows, and `requests` the number of different
    requests among them. `estimate` is the highest price in millionths of the currency, `held` the id of the reservation
    of that amount. Times are Unix seconds; 0.0 means not yet.
    """

    id: int
    bot: int
    user: int
    state: str
    mode: str
    model: str
    source: str
    digest: str
    options: Mapping[str, Any]
    rows: int
    requests: int
    estimate: int
    held: int
    reason: str
    worker: str
    until: float
    at: float
    ended: float
    told: int


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """A request of a batch run. `body` is the request as canonical JSON, `hash` the hash of it, `place` the number of
    the first row with it.

    `state` is asked, sent (it is unknown whether the service accepted it), running (`operation` is the service's id of
    it), answered, refused or failed (`answer` says why). `cost` is in millionths of the currency.
    """

    hash: str
    place: int
    body: str
    state: str = "asked"
    operation: str = ""
    submits: int = 0
    answer: str = ""
    finish: str = ""
    prompt: int = 0
    completion: int = 0
    cost: int = 0


class Batches(Repository):
    """The batch runs of bots, with their requests."""

    def add_run(self, bot: int, user: int, **values: Any) -> int:
        """Add a run in the state planned. Returns its number."""
        row = {
            "bot": bot, "user": user, "state": "planned", "rows": 0, "requests": 0, "estimate": 0, "held": 0,
            "reason": "", "worker": "", "until": 0.0, "at": self.clock.time(), "ended": 0.0, "told": 0,
            **values, "options": json.dumps(values["options"], ensure_ascii=False),
        }  # fmt: skip
        return int(self.connection.execute(insert(batch_runs).returning(batch_runs.c.id), row).scalar_one())

    def find_run(self, bot: int, run: int) -> BatchRun | None:
        """Return a run, None if there is none."""
        return self._find(_run, select(batch_runs).where(batch_runs.c.bot == bot, batch_runs.c.id == run))

    def list_runs(self, bot: int, *, states: Sequence[str] = ()) -> Sequence[BatchRun]:
        """Return the runs of a bot in these states (all if none is given), newest first."""
        query = select(batch_runs).where(batch_runs.c.bot == bot).order_by(batch_runs.c.id.desc())
        if states:
            query = query.where(batch_runs.c.state.in_(states))
        return [_run(row) for row in self.connection.execute(query)]

    def list_untold(self, bot: int) -> Sequence[BatchRun]:
        """Return the runs of a bot that have ended, and of which nobody was told yet."""
        runs = batch_runs.c
        mine = (runs.bot == bot, runs.state.in_(ENDED), runs.told == 0)
        return [_run(row) for row in self.connection.execute(select(batch_runs).where(*mine))]

    def change_run(self, run: int, **values: Any) -> None:
        """Change columns of a run."""
        self.connection.execute(update(batch_runs).where(batch_runs.c.id == run).values(**values))

    def take_run(self, run: int, worker: str, seconds: float) -> bool:
        """Reserve a run for a worker for so many seconds from now. Returns False if another worker has it."""
        now = self.clock.time()
        is_free = or_(batch_runs.c.worker.in_(("", worker)), batch_runs.c.until < now)
        statement = update(batch_runs).where(batch_runs.c.id == run, is_free)
        return bool(self.connection.execute(statement.values(worker=worker, until=now + seconds)).rowcount)

    def remove_run(self, run: int) -> None:
        """Delete a run with its requests and answers."""
        self.connection.execute(delete(batch_requests).where(batch_requests.c.run == run))
        self.connection.execute(delete(batch_vendor_runs).where(batch_vendor_runs.c.run == run))
        self.connection.execute(delete(batch_runs).where(batch_runs.c.id == run))

    def open_reservations(self, bot: int) -> set[int]:
        """Return the ids of the reservations of money that unfinished runs hold, and which no clean-up may settle."""
        query = select(batch_runs.c.held).where(batch_runs.c.bot == bot, batch_runs.c.state.in_(OPEN))
        return set(self.connection.scalars(query))

    # --- requests -----------------------------------------------------------------------------------------------------

    def add_requests(self, run: int, requests: Iterable[BatchRequest]) -> None:
        """Add requests to a run. A request that the run has already is left out."""
        rows = [
            {
                "run": run, "hash": one.hash, "place": one.place, "body": one.body, "state": "asked", "operation": "",
                "submits": 0, "due": 0.0, "answer": "", "finish": "", "prompt": 0, "completion": 0, "cost": 0,
            }
            for one in requests
        ]  # fmt: skip
        self.execute_many(ADD, rows)

    def list_ready(self, run: int, state: str, most: int) -> Sequence[BatchRequest]:
        """Return requests in a state whose time has come, in the order of the file."""
        requests = batch_requests.c
        mine = (requests.run == run, requests.state == state, requests.due <= self.clock.time())
        query = select(batch_requests).where(*mine).order_by(requests.due, requests.place).limit(most)
        return [_request(row) for row in self.connection.execute(query)]

    def find_request(self, run: int, hash_: str) -> BatchRequest | None:
        """Return a request of a run, None if there is none."""
        requests = batch_requests.c
        return self._find(_request, select(batch_requests).where(requests.run == run, requests.hash == hash_))

    def list_requests(self, run: int, hashes: Collection[str]) -> Sequence[BatchRequest]:
        """Return the requests of a run with these hashes."""
        requests = batch_requests.c
        query = select(batch_requests).where(requests.run == run, requests.hash.in_(hashes))
        return [_request(row) for row in self.connection.execute(query)]

    def page_requests(self, run: int, after: int = 0) -> Sequence[BatchRequest]:
        """Return up to 500 requests of a run whose place is above `after`, in the order of the file."""
        requests = batch_requests.c
        query = select(batch_requests).where(requests.run == run, requests.place > after)
        return [_request(row) for row in self.connection.execute(query.order_by(requests.place).limit(PAGE))]

    def iterate_requests(self, run: int) -> Iterator[BatchRequest]:
        """Yield all requests of a run in the order of the file."""
        after = 0
        while page := self.page_requests(run, after):
            yield from page
            after = page[-1].place

    def count_states(self, run: int) -> Mapping[str, int]:
        """Return for each state how many requests of a run are in it."""
        requests = batch_requests.c
        query = select(requests.state, func.count().label("number")).where(requests.run == run).group_by(requests.state)
        return {str(row.state): int(row.number) for row in self.connection.execute(query)}

    def count_truncated(self, run: int) -> int:
        """Return how many answers of a run were cut off at the most tokens that an answer may have."""
        requests = batch_requests.c
        query = select(func.count()).where(requests.run == run, requests.finish == "length")
        return int(self.connection.scalar(query) or 0)

    def next_due(self, run: int) -> float | None:
        """Return when the next unfinished request of a run is due (Unix seconds), None if all have ended."""
        requests = batch_requests.c
        mine = (requests.run == run, requests.state.in_(UNFINISHED))
        return self.connection.scalar(select(func.min(requests.due)).where(*mine))

    def spent(self, run: int) -> tuple[Usage, int]:
        """Return the tokens of the answers that a run has, and its price so far (millionths)."""
        requests = batch_requests.c
        sums = (func.sum(requests.prompt), func.sum(requests.completion), func.sum(requests.cost))
        row = self.connection.execute(select(*sums).where(requests.run == run)).one()
        prompt, completion, cost = (number or 0 for number in row)
        whole = self.connection.scalar(select(batch_vendor_runs.c.cost).where(batch_vendor_runs.c.run == run))
        return Usage(int(prompt), int(completion)), int(cost) + (whole or 0)

    def mark_sent(self, run: int, hashes: Sequence[str]) -> None:
        """Note that these requests are about to be sent, and count one more attempt for each."""
        self._set(run, hashes, state="sent", submits=batch_requests.c.submits + 1)

    def mark_running(self, run: int, hash_: str, operation: str, due: float) -> None:
        """Store the service's id of a request that it has accepted, and when to ask for the answer."""
        self._set(run, [hash_], state="running", operation=operation, due=due)

    def put_back(self, run: int, hash_: str, due: float, *, uncounted: int = 1) -> None:
        """Let a request be sent again at the Unix time `due`.

        `uncounted` is 1 if the service has certainly not accepted it, so that the attempt does not count; else 0.
        """
        self._set(run, [hash_], state="asked", due=due, submits=batch_requests.c.submits - uncounted)

    def reschedule(self, run: int, hash_: str, due: float) -> None:
        """Set when the service is asked again for the answer of a request (Unix seconds)."""
        self._set(run, [hash_], due=due)

    def store_end(
        self, run: int, hash_: str, state: str, answer: str, *, finish: str = "", usage: Usage | None = None,
        cost: int = 0,
    ) -> None:  # fmt: skip
        """Store the answer of a request, or why there is none."""
        tokens = usage or Usage()
        self._set(
            run, [hash_], state=state, answer=answer, finish=finish, prompt=tokens.prompt,
            completion=tokens.completion, cost=cost,
        )  # fmt: skip

    def ask_again(self, run: int, states: Sequence[str]) -> int:
        """Let the requests in these states be sent once more. Returns the number of them."""
        requests = batch_requests.c
        statement = update(batch_requests).where(requests.run == run, requests.state.in_(states))
        values = {"state": "asked", "due": 0.0, "submits": 0, "answer": "", "finish": "", "operation": ""}
        return self.connection.execute(statement.values(**values)).rowcount

    def _set(self, run: int, hashes: Sequence[str], **values: Any) -> None:
        requests = batch_requests.c
        self.connection.execute(
            update(batch_requests).where(requests.run == run, requests.hash.in_(hashes)).values(**values)
        )


def _run(row: Any) -> BatchRun:
    return made(BatchRun, row, options=json.loads(row.options))


def _request(row: Any) -> BatchRequest:
    return made(BatchRequest, row)
