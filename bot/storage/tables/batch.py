"""Batch runs, their requests, how far the service's own runs are, whose words datasets have, and what was tuned."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Index, bindparam

from bot.storage.rows import Col, Query, Row, column, dump_json
from bot.storage.schema import Id

OPEN = ("planned", "running")
ENDED = ("done", "stopped")  # by themselves
UNFINISHED = ("asked", "sent", "running")
PLANNED = "planned"
OVER = ("fetched", "invalid", "failed", "canceled")


class BatchRun(Row, table="batch_runs", having=(Index("ix_batch_runs_open", "bot", "state"),)):
    """A batch run: a file of questions that a model answers.

    `state` is planned (its requests are being stored), running, done, canceled or stopped (`reason` says why). `source`
    is the path of the file, `digest` its SHA-256, `rows` the number of its rows, and `requests` the number of different
    requests among them. `estimate` is the highest price in millionths of the currency, `held` the id of the reservation
    of that amount. `worker` is the process that works on the run until the Unix time `until`; after that any process
    may. `told` says whether its owner was told that it has ended. Times are Unix seconds; 0.0 means not yet.
    """

    id: Col[int] = column(Id, primary_key=True, default=0)
    bot: Col[int]
    user: Col[int] = column(default=0)
    state: Col[str] = column(sa.String(12), default=PLANNED)
    mode: Col[str] = column(sa.String(8))  # sync, async, batch
    model: Col[str] = column(sa.String(200))
    source: Col[str]
    digest: Col[str] = column(sa.String(64), default="")
    options: Col[Mapping[str, Any]] = column(sa.Text, load=json.loads, dump=dump_json)
    rows: Col[int] = column(default=0)
    requests: Col[int] = column(default=0)
    estimate: Col[int] = column(default=0)
    held: Col[int] = column(default=0)
    reason: Col[str] = column(sa.String(500), default="")
    worker: Col[str] = column(sa.String(40), default="")
    until: Col[float] = column(default=0.0)
    at: Col[float]
    ended: Col[float] = column(default=0.0)
    told: Col[bool] = column(default=False)

    @property
    def is_open(self) -> bool:
        """Whether the run has not ended."""
        return self.state in OPEN


NEWEST_RUN = Query(BatchRun, order=[BatchRun.id.desc()])


class BatchRequest(
    Row,
    table="batch_requests",
    having=(
        Index("ix_batch_requests_state", *("run", "state", "due", "place")),
        Index("ix_batch_requests_place", "run", "place"),
    ),
):
    """A request of a batch run, stored once even if several rows of the file make it: `place` is the first of them.

    `body` is the request as canonical JSON, `hash` the hash of it. `state` is asked, sent (it is unknown whether the
    service accepted it), running (`operation` is the service's id of it), answered, refused or failed (`answer` says
    why). `cost` is in millionths of the currency.
    """

    run: Col[int] = column(Id, sa.ForeignKey("batch_runs.id", ondelete="CASCADE"), primary_key=True, default=0)
    hash: Col[str] = column(sa.String(32), primary_key=True)
    place: Col[int]
    body: Col[str]
    state: Col[str] = column(sa.String(10), default="asked")  # asked, sent, running, answered, refused, failed
    operation: Col[str] = column(sa.String(64), default="")
    submits: Col[int] = column(sa.Integer, default=0)
    due: Col[float] = column(default=0.0)
    answer: Col[str] = column(default="")
    finish: Col[str] = column(sa.String(10), default="")
    prompt: Col[int] = column(default=0)
    completion: Col[int] = column(default=0)
    cost: Col[int] = column(default=0)


READY_REQUESTS = Query(BatchRequest, BatchRequest.due <= bindparam("now"), order=[BatchRequest.due, BatchRequest.place])
REQUESTS_AFTER = Query(BatchRequest, BatchRequest.place > bindparam("after"), order=[BatchRequest.place])


class VendorStep(Row, table="batch_vendor_runs"):
    """How far a run of the mode batch is at the service. `token` is its name there, in those of its datasets.

    `attempt` counts them: what has no answer is sent again as another dataset. `upload` is JSON: how much of the file
    has arrived. `intent` is when the last call was decided on that may not be repeated, `due` the next step, `tries`
    how often it has failed. `cost` is that of all attempts. `is_tidy`: the service has no dataset of the run any more.
    """

    run: Col[int] = column(Id, sa.ForeignKey("batch_runs.id", ondelete="CASCADE"), primary_key=True)
    token: Col[str] = column(sa.String(32))
    attempt: Col[int] = column(sa.Integer, default=1)
    state: Col[str] = column(sa.String(12), default=PLANNED)
    dataset: Col[str] = column(sa.String(64), default="")
    task: Col[str] = column(sa.String(64), default="")
    result: Col[str] = column(sa.String(64), default="")
    upload: Col[Mapping[str, Any]] = column(sa.Text, default={}, load=json.loads, dump=dump_json)
    status: Col[str] = column(sa.String(500), default="")
    intent: Col[float] = column(default=0.0)
    due: Col[float] = column(default=0.0)
    tries: Col[int] = column(sa.Integer, default=0)
    cost: Col[int] = column(default=0)
    is_tidy: Col[bool] = column(default=False)

    @property
    def name(self) -> str:
        """The name under which the service keeps the dataset of the run."""
        return f"govorun-{self.token}-{self.attempt}"


class DatasetPerson(Row, table="dataset_people", having=(Index("ix_dataset_people_user", "bot", "user"),)):
    """Whose words a file has that `govorun dataset export` has written, and the datasets that were made of it.

    Of a file `digest` is its SHA-256, `dataset` and `name` are ""; of a dataset `digest` is the SHA-256 of that and its
    id.
    """

    bot: Col[int] = column(primary_key=True)
    digest: Col[str] = column(sa.String(64), primary_key=True)
    user: Col[int] = column(primary_key=True)
    dataset: Col[str] = column(sa.String(64), default="")
    name: Col[str] = column(sa.String(63), default="")


class StoredTuning(Row, table="tunings"):
    """A tuning that was begun here. `task` is its id at the service, `token` its label there, `base` its model's URI.

    `train` and `validation` are ids of datasets, `digest` is the SHA-256 of the file they were made of. `system` is the
    system prompt of the examples, `target` the URI of the model that has learned. `verdict` is what a comparison on the
    operator's own cases has found, `before` (JSON) what stood in the place of the model when it was taken into use.
    """

    id: Col[int] = column(Id, primary_key=True, default=0)
    bot: Col[int]
    token: Col[str] = column(sa.String(32))
    name: Col[str] = column(sa.String(100))
    base: Col[str] = column(sa.String(200))
    kind: Col[str] = column(sa.String(40))
    digest: Col[str] = column(sa.String(64))
    train: Col[str] = column(sa.String(64))
    validation: Col[str] = column(sa.String(64))
    system: Col[str]
    task: Col[str] = column(sa.String(64), default="")
    target: Col[str] = column(sa.String(200), default="")
    state: Col[str] = column(sa.String(16), default="starting")
    intent: Col[float] = column(default=0.0)
    at: Col[float]
    verdict: Col[str] = column(sa.String(200), default="")
    before: Col[str] = column(default="")


NEWEST_TUNING = Query(StoredTuning, order=[StoredTuning.id.desc()])
