"""Cases that people have added, what runs of all cases have answered, and what is known of the models themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Index, UniqueConstraint

from bot.storage.rows import Col, Query, Row, column, dump_json
from bot.storage.schema import Id


class StoredCase(Row, table="evaluation_cases", having=(UniqueConstraint("bot", "mark"),)):
    """A case that somebody has added in the chat. `body` is the JSON of a `bot.evaluation.cases.Case`, `mark` its key.

    `user` and `chat` are whose words it has, `author` who has added it (0: somebody who was forgotten).
    """

    id: Col[int] = column(Id, primary_key=True, default=0)
    bot: Col[int]
    chat: Col[int]
    user: Col[int]
    author: Col[int]
    mark: Col[str] = column(sa.String(16))
    body: Col[Mapping[str, Any]] = column(sa.Text, load=json.loads, dump=dump_json)
    at: Col[float]


CASES = Query(StoredCase, order=[StoredCase.id])


class StoredRun(Row, table="evaluation_runs", having=(Index("ix_evaluation_runs_bot", "bot", "at"),)):
    """A run of an evaluation. `name` is "" if it was given none. `options` is JSON: the models and personas that
    answered.
    """

    id: Col[int] = column(Id, primary_key=True, default=0)
    bot: Col[int]
    name: Col[str] = column(sa.String(48))
    options: Col[Mapping[str, Any]] = column(sa.Text, load=json.loads, dump=dump_json)
    at: Col[float]


NEWEST_RUN = Query(StoredRun, order=[StoredRun.id.desc()])


class StoredResult(Row, table="evaluation_results", having=(Index("ix_evaluation_results_run", "run_id"),)):
    """What became of a case in a run: the JSON of a `bot.evaluation.results.Result`. `user` and `chat` are whose words
    the case has.
    """

    id: Col[int] = column(Id, primary_key=True, default=0)
    run_id: Col[int] = column(Id, sa.ForeignKey("evaluation_runs.id", ondelete="CASCADE"))
    bot: Col[int]
    chat: Col[int]
    user: Col[int]
    body: Col[Mapping[str, Any]] = column(sa.Text, load=json.loads, dump=dump_json)
    at: Col[float]


RESULTS = Query(StoredResult, order=[StoredResult.id])


class ModelState(Row, table="model_states"):
    """What was told of a model last: the version that answers under its name ("": none was told), and since when it
    does not answer (Unix seconds; 0: it answers).
    """

    bot: Col[int] = column(primary_key=True)
    model: Col[str] = column(sa.String(200), primary_key=True)
    version: Col[str] = column(sa.String(100), default="")
    down: Col[float] = column(default=0.0)
