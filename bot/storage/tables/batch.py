"""Batch runs, their requests, and how far the service's own runs are, whose words datasets have,
and what was tuned."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Index, Named, TypedColumns

from bot.storage.schema import Id
from bot.storage.tables.base import declare_table


class RunColumns(TypedColumns):
    """A batch run: a file of questions that a model answers.

    `options` and `counts` are JSON, `digest` is the SHA-256 of the file. `worker` is the process that works on the run
    until the Unix time `until`; after that any process may. `held` is the id of the reservation of its price, `told`
    whether its owner was told that it has ended.
    """

    id: Named[int] = Column(Id, primary_key=True)
    bot: Named[int] = Column(sa.BigInteger)
    user: Named[int] = Column(sa.BigInteger)
    state: Named[str] = Column(sa.String(12))
    mode: Named[str] = Column(sa.String(8))  # sync, async, batch
    model: Named[str] = Column(sa.String(200))
    source: Named[str] = Column(sa.Text)
    digest: Named[str] = Column(sa.String(64))
    options: Named[str] = Column(sa.Text)
    rows: Named[int] = Column(sa.BigInteger)
    requests: Named[int] = Column(sa.BigInteger)
    estimate: Named[int] = Column(sa.BigInteger)
    held: Named[int] = Column(sa.BigInteger)
    reason: Named[str] = Column(sa.String(500))
    worker: Named[str] = Column(sa.String(40))
    until: Named[float] = Column(sa.Float)
    at: Named[float] = Column(sa.Float)
    ended: Named[float] = Column(sa.Float)
    told: Named[int] = Column(sa.Integer)


batch_runs = declare_table("batch_runs", RunColumns, Index("ix_batch_runs_open", "bot", "state"))


class RequestColumns(TypedColumns):
    """A request of a batch run, stored once even if several rows of the file make it. `hash` is that of `body`, the
    canonical JSON.
    """

    run: Named[int] = Column(Id, sa.ForeignKey("batch_runs.id", ondelete="CASCADE"), primary_key=True)
    hash: Named[str] = Column(sa.String(32), primary_key=True)
    place: Named[int] = Column(sa.BigInteger)
    body: Named[str] = Column(sa.Text)
    state: Named[str] = Column(sa.String(10))  # asked, sent, running, answered, refused, failed
    operation: Named[str] = Column(sa.String(64))
    submits: Named[int] = Column(sa.Integer)
    due: Named[float] = Column(sa.Float)
    answer: Named[str] = Column(sa.Text)
    finish: Named[str] = Column(sa.String(10))
    prompt: Named[int] = Column(sa.BigInteger)
    completion: Named[int] = Column(sa.BigInteger)
    cost: Named[int] = Column(sa.BigInteger)


batch_requests = declare_table(
    "batch_requests",
    RequestColumns,
    Index("ix_batch_requests_state", *("run", "state", "due", "place")),
    Index("ix_batch_requests_place", "run", "place"),
)


class VendorColumns(TypedColumns):
    """How far a run of the mode batch is at the service. `token` is its name there, in those of its datasets.

    `attempt` counts them: what has no answer is sent again as another dataset. `upload` is JSON: how much of the file
    has arrived. `intent` is when the last call was decided on that may not be repeated, `due` the next step, `tries`
    how often it has failed. `cost` is that of all attempts. `is_tidy`: the service has no dataset of the run any more.
    """

    run: Named[int] = Column(Id, sa.ForeignKey("batch_runs.id", ondelete="CASCADE"), primary_key=True)
    token: Named[str] = Column(sa.String(32))
    attempt: Named[int] = Column(sa.Integer)
    state: Named[str] = Column(sa.String(12))
    dataset: Named[str] = Column(sa.String(64))
    task: Named[str] = Column(sa.String(64))
    result: Named[str] = Column(sa.String(64))
    upload: Named[str] = Column(sa.Text)
    status: Named[str] = Column(sa.String(500))
    intent: Named[float] = Column(sa.Float)
    due: Named[float] = Column(sa.Float)
    tries: Named[int] = Column(sa.Integer)
    cost: Named[int] = Column(sa.BigInteger)
    is_tidy: Named[int] = Column(sa.Integer)


batch_vendor_runs = declare_table("batch_vendor_runs", VendorColumns)


class DatasetColumns(TypedColumns):
    """Whose words a file has that `govorun dataset export` has written, and the datasets that were made of it.

    Of a file `digest` is its SHA-256, `dataset` and `name` are ""; of a dataset `digest` is the SHA-256 of that and its
    id.
    """

    bot: Named[int] = Column(sa.BigInteger, primary_key=True)
    digest: Named[str] = Column(sa.String(64), primary_key=True)
    user: Named[int] = Column(sa.BigInteger, primary_key=True)
    dataset: Named[str] = Column(sa.String(64))
    name: Named[str] = Column(sa.String(63))


dataset_people = declare_table("dataset_people", DatasetColumns, Index("ix_dataset_people_user", "bot", "user"))


class TuningColumns(TypedColumns):
    """A tuning that was begun here. `task` is its id at the service, `token` its label there, `base` its model's URI.

    `train` and `validation` are ids of datasets, `digest` is the SHA-256 of the file they were made of. `system` is the
    system prompt of the examples, `target` the URI of the model that has learned. `verdict` is what a comparison on the
    operator's own cases has found, `before` (JSON) what stood in the place of the model when it was taken into use.
    """

    id: Named[int] = Column(Id, primary_key=True)
    bot: Named[int] = Column(sa.BigInteger)
    token: Named[str] = Column(sa.String(32))
    name: Named[str] = Column(sa.String(100))
    base: Named[str] = Column(sa.String(200))
    kind: Named[str] = Column(sa.String(40))
    digest: Named[str] = Column(sa.String(64))
    train: Named[str] = Column(sa.String(64))
    validation: Named[str] = Column(sa.String(64))
    system: Named[str] = Column(sa.Text)
    task: Named[str] = Column(sa.String(64))
    target: Named[str] = Column(sa.String(200))
    state: Named[str] = Column(sa.String(16))
    intent: Named[float] = Column(sa.Float)
    at: Named[float] = Column(sa.Float)
    verdict: Named[str] = Column(sa.String(200))
    before: Named[str] = Column(sa.Text)


tunings = declare_table("tunings", TuningColumns)
