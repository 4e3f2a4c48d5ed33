"""How far batch runs are at the service that answers them as a whole. Begin with `VendorRuns.find_step`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, func, insert, select, update

from bot.ai import Usage
from bot.storage.repositories.batch.runs import PAGE, UNFINISHED, BatchRequest
from bot.storage.repositories.mapping import Repository, made
from bot.storage.tables.batch import batch_requests, batch_runs, batch_vendor_runs

PLANNED = "planned"
OVER = ("fetched", "invalid", "failed", "canceled")


@dataclass(frozen=True, slots=True)
class VendorStep:
    """How far a run is at the service (`tables/batch.py`). The words of `state` stand in `batch/vendor_runner.py`."""

    run: int
    token: str
    attempt: int
    state: str
    dataset: str
    task: str
    result: str
    upload: Mapping[str, Any]
    status: str
    intent: float
    due: float
    tries: int
    cost: int
    is_tidy: int

    @property
    def name(self) -> str:
        """The name of its dataset at the service."""
        return f"govorun-{self.token}-{self.attempt}"


class VendorRuns(Repository):
    """The steps of runs of the mode batch, and what their requests need for them."""

    def add_step(self, run: int, token: str) -> None:
        """Begin the steps of a run."""
        row = {
            "run": run, "token": token, "attempt": 1, "state": PLANNED, "dataset": "", "task": "", "result": "",
            "upload": "{}", "status": "", "intent": 0.0, "due": 0.0, "tries": 0, "cost": 0, "is_tidy": 0,
        }  # fmt: skip
        self.connection.execute(insert(batch_vendor_runs), row)

    def find_step(self, run: int) -> VendorStep | None:
        """Return how far a run is, None if it is none of the service."""
        return self._find(_step, select(batch_vendor_runs).where(batch_vendor_runs.c.run == run))

    def list_untidy(self, bot: int) -> Sequence[VendorStep]:
        """Return the steps of the bot's runs that are over, and of which the service may still have datasets."""
        steps, runs = batch_vendor_runs.c, batch_runs.c
        mine = select(runs.id).where(runs.bot == bot)
        query = select(batch_vendor_runs).where(steps.run.in_(mine), steps.state.in_(OVER), steps.is_tidy == 0)
        return [_step(row) for row in self.connection.execute(query)]

    def list_tokens(self) -> set[str]:
        """Return the names of all runs at the service."""
        return set(self.connection.scalars(select(batch_vendor_runs.c.token)))

    def change_step(self, run: int, **values: Any) -> None:
        """Change columns of a step."""
        if "upload" in values:
            values["upload"] = json.dumps(values["upload"])
        self.connection.execute(update(batch_vendor_runs).where(batch_vendor_runs.c.run == run).values(**values))

    def begin_attempt(self, run: int) -> None:
        """Begin again with another dataset."""
        attempt = batch_vendor_runs.c.attempt + 1
        self.change_step(
            run, attempt=attempt, state=PLANNED, dataset="", task="", result="", upload={}, status="", intent=0.0,
            due=0.0, tries=0, is_tidy=0,
        )  # fmt: skip

    # --- requests -----------------------------------------------------------------------------------------------------

    def page_unanswered(self, run: int, after: int) -> Sequence[BatchRequest]:
        """Return up to 500 requests without an end whose place is above `after`, in the order of the file."""
        requests = batch_requests.c
        mine = (requests.run == run, requests.state.in_(UNFINISHED), requests.place > after)
        query = select(batch_requests).where(*mine).order_by(requests.place).limit(PAGE)
        return [made(BatchRequest, row) for row in self.connection.execute(query)]

    def mark_lines(self, run: int, lines: Iterable[tuple[str, str]]) -> None:
        """Note for each hash in which line of the dataset its request stands."""
        statement = update(batch_requests).where(
            batch_requests.c.run == run, batch_requests.c.hash == bindparam("of_hash")
        )
        rows = [{"of_hash": hash_, "line": line} for hash_, line in lines]
        if rows:
            self.connection.execute(statement.values(state="running", operation=bindparam("line")), rows)

    def find_lines(self, run: int, lines: Sequence[str]) -> Mapping[str, BatchRequest]:
        """Return the requests that stand in these lines of the dataset."""
        requests = batch_requests.c
        query = select(batch_requests).where(requests.run == run, requests.operation.in_(lines))
        return {row.operation: made(BatchRequest, row) for row in self.connection.execute(query)}

    def count_attempt(self, run: int, attempt: int) -> Mapping[str, int]:
        """Return how many requests of a dataset are in which state."""
        requests = batch_requests.c
        query = select(requests.state, func.count().label("number")).group_by(requests.state)
        found = self.connection.execute(query.where(requests.run == run, requests.operation.like(f"{attempt}:%")))
        return {str(row.state): int(row.number) for row in found}

    def usage_of_attempt(self, run: int, attempt: int) -> Usage:
        """Return the tokens of the answers that a dataset has got."""
        requests = batch_requests.c
        sums = select(func.sum(requests.prompt), func.sum(requests.completion))
        row = self.connection.execute(
            sums.where(requests.run == run, requests.operation.like(f"{attempt}:%"), requests.state == "answered")
        ).one()
        return Usage(int(row[0] or 0), int(row[1] or 0))

    def store_answers(self, run: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Store the ends of requests: each row has of_hash, to_state, text, ended, read and written tokens."""
        statement = update(batch_requests).where(
            batch_requests.c.run == run, batch_requests.c.hash == bindparam("of_hash")
        )
        values: dict[str, Any] = {
            "state": bindparam("to_state"), "answer": bindparam("text"), "finish": bindparam("ended"),
            "prompt": bindparam("read"), "completion": bindparam("written"),
        }  # fmt: skip
        if rows:
            self.connection.execute(statement.values(**values), list(rows))


def _step(row: Any) -> VendorStep:
    return made(VendorStep, row, upload=json.loads(row.upload))
