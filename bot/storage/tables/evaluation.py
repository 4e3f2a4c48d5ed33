"""Cases that people have added, what runs of all cases have answered, and what is known of the models themselves."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Index, Named, TypedColumns, UniqueConstraint

from bot.storage.schema import Id
from bot.storage.tables.base import declare_table


class EvaluationCaseColumns(TypedColumns):
    """A case that somebody has added in the chat. `body` is the JSON of a `bot.evaluation.cases.Case`, `mark` its key.

    `user` and `chat` are whose words it has, `author` who has added it (0: somebody who was forgotten).
    """

    id: Named[int] = Column(Id, primary_key=True)
    bot: Named[int] = Column(sa.BigInteger)
    chat: Named[int] = Column(sa.BigInteger)
    user: Named[int] = Column(sa.BigInteger)
    author: Named[int] = Column(sa.BigInteger)
    mark: Named[str] = Column(sa.String(16))
    body: Named[str] = Column(sa.Text)
    at: Named[float] = Column(sa.Float)


evaluation_cases = declare_table("evaluation_cases", EvaluationCaseColumns, UniqueConstraint("bot", "mark"))


class EvaluationRunColumns(TypedColumns):
    """A run of an evaluation. `name` is "" if it was given none. `options` is JSON: the models and personas that
    answered.
    """

    id: Named[int] = Column(Id, primary_key=True)
    bot: Named[int] = Column(sa.BigInteger)
    name: Named[str] = Column(sa.String(48))
    options: Named[str] = Column(sa.Text)
    at: Named[float] = Column(sa.Float)


evaluation_runs = declare_table("evaluation_runs", EvaluationRunColumns, Index("ix_evaluation_runs_bot", "bot", "at"))


class EvaluationResultColumns(TypedColumns):
    """What became of a case in a run: the JSON of a `bot.evaluation.results.Result`. `user` and `chat` are whose words
    the case has.
    """

    id: Named[int] = Column(Id, primary_key=True)
    run_id: Named[int] = Column(Id, sa.ForeignKey("evaluation_runs.id", ondelete="CASCADE"))
    bot: Named[int] = Column(sa.BigInteger)
    chat: Named[int] = Column(sa.BigInteger)
    user: Named[int] = Column(sa.BigInteger)
    body: Named[str] = Column(sa.Text)
    at: Named[float] = Column(sa.Float)


evaluation_results = declare_table(
    "evaluation_results", EvaluationResultColumns, Index("ix_evaluation_results_run", "run_id")
)


class ModelStateColumns(TypedColumns):
    """What was told of a model last: the version that answers under its name ("": none was told), and since when it
    does not answer (Unix seconds; 0: it answers).
    """

    bot: Named[int] = Column(sa.BigInteger, primary_key=True)
    model: Named[str] = Column(sa.String(200), primary_key=True)
    version: Named[str] = Column(sa.String(100))
    down: Named[float] = Column(sa.Float)


model_states = declare_table("model_states", ModelStateColumns)
