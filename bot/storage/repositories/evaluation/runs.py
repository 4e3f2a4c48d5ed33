"""Cases that people have added, runs of all cases, and the answers that people have judged."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, select

from bot.storage.engines.prepared import insert_or_update
from bot.storage.repositories.knowledge.quotes import SPAN
from bot.storage.repositories.mapping import Repository, made
from bot.storage.tables.evaluation import evaluation_cases, evaluation_results, evaluation_runs, model_states
from bot.storage.tables.history import conversations, feedback, messages
from bot.storage.tables.knowledge import kb_passages, kb_quotes, kb_sources

MOST_JUDGED = 500  # the newest of them
KEPT_RUNS = 30
KEEP_CASE = insert_or_update(evaluation_cases, ("bot", "mark"), ("body", "author", "at"))
KEEP_STATE = insert_or_update(model_states, ("bot", "model"), ("version", "down"))


@dataclass(frozen=True, slots=True)
class StoredCase:
    """A case that was added in a chat: `body` is its JSON, `user` and `chat` whose words it has, `author` who added
    it.
    """

    id: int
    chat: int
    user: int
    author: int
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run of all cases. `options` say what has answered, `at` is its end (Unix seconds)."""

    id: int
    name: str
    options: Mapping[str, Any]
    at: float


@dataclass(frozen=True, slots=True)
class JudgedAnswer:
    """An answer that somebody liked (`value` 1) or not (-1). `chat` is where it stands; `alone` who alone saw it."""

    message: int
    parent: int | None
    value: int
    chat: int
    alone: int
    judge: int
    persona: str
    at: float


@dataclass(frozen=True, slots=True)
class QuotedSentence:
    """A sentence that an answer quotes. `is_there`: it still stands in its source."""

    message: int
    text: str
    is_there: bool


@dataclass(frozen=True, slots=True)
class ModelState:
    """What was told of a model last: the version that answers, and since when it is down (Unix seconds; 0: not)."""

    version: str = ""
    down: float = 0.0


class Evaluations(Repository):
    """Cases and runs of bots."""

    # --- cases --------------------------------------------------------------------------------------------------------

    def add_case(self, bot: int, key: str, body: Mapping[str, Any], *, chat: int, user: int, author: int) -> bool:
        """Store a case, in place of the one with this key. Returns whether it is new."""
        here = (evaluation_cases.c.bot == bot, evaluation_cases.c.mark == key)
        is_new = self.connection.scalar(select(evaluation_cases.c.id).where(*here)) is None
        row = {
            "bot": bot, "chat": chat, "user": user, "author": author, "mark": key,
            "body": json.dumps(body, ensure_ascii=False), "at": self.clock.time(),
        }  # fmt: skip
        self.execute(KEEP_CASE, row)
        return is_new

    def list_cases(self, bot: int) -> Sequence[StoredCase]:
        """Return the cases of a bot, oldest first."""
        query = select(evaluation_cases).where(evaluation_cases.c.bot == bot).order_by(evaluation_cases.c.id)
        return [made(StoredCase, row, body=json.loads(row.body)) for row in self.connection.execute(query)]

    def remove_case(self, bot: int, id_: int) -> bool:
        """Delete a case. False: there is none with this number."""
        here = (evaluation_cases.c.bot == bot, evaluation_cases.c.id == id_)
        return bool(self.connection.execute(delete(evaluation_cases).where(*here)).rowcount)

    def list_judged(self, bot: int) -> Sequence[JudgedAnswer]:
        """Return the newest `MOST_JUDGED` judgements of answers that are not unclear, oldest first."""
        query = (
            select(
                messages.c.id.label("message"), messages.c.parent, messages.c.persona, feedback.c.value,
                feedback.c.user.label("judge"), feedback.c.at, conversations.c.chat,
                conversations.c.only.label("alone"),
            )
            .join(messages, messages.c.id == feedback.c.message_id)
            .join(conversations, conversations.c.id == messages.c.conversation_id)
            .where(feedback.c.bot == bot, feedback.c.value != 0)
            .order_by(feedback.c.id.desc())
            .limit(MOST_JUDGED)
        )  # fmt: skip
        return [made(JudgedAnswer, row) for row in self.connection.execute(query)][::-1]

    def list_quoted(self, answers: Collection[int]) -> Sequence[QuotedSentence]:
        """Return the sentences that these answers quote."""
        query = (
            select(kb_quotes.c.message_id, SPAN.label("text"), kb_passages.c.ended)
            .join(kb_passages, kb_passages.c.id == kb_quotes.c.passage_id)
            .where(kb_quotes.c.message_id.in_(answers))
            .order_by(kb_quotes.c.id)
        )
        return [QuotedSentence(row.message_id, row.text, row.ended is None) for row in self.connection.execute(query)]

    def stands(self, bot: int, text: str) -> bool:
        """Whether a text stands in a source of the bot now."""
        query = (
            select(kb_passages.c.id)
            .join(kb_sources, kb_sources.c.id == kb_passages.c.source_id)
            .where(
                kb_sources.c.bot == bot,
                kb_passages.c.ended.is_(None),
                kb_passages.c.text.contains(text, autoescape=True),
            )
            .limit(1)
        )
        return self.connection.scalar(query) is not None

    # --- runs ---------------------------------------------------------------------------------------------------------

    def add_run(
        self, bot: int, name: str, options: Mapping[str, Any], results: Iterable[tuple[int, int, Mapping[str, Any]]]
    ) -> int:
        """Store a run with its results, each with whose words it has (user, chat), and delete the oldest runs without
        a name, and an older one with this name. Returns its number.
        """
        if name:
            self._drop_runs(evaluation_runs.c.bot == bot, evaluation_runs.c.name == name)
        now = self.clock.time()
        row = {"bot": bot, "name": name, "options": json.dumps(options, ensure_ascii=False), "at": now}
        run = int(self.connection.execute(insert(evaluation_runs).returning(evaluation_runs.c.id), row).scalar_one())
        rows = [
            {
                "run_id": run,
                "bot": bot,
                "user": user,
                "chat": chat,
                "body": json.dumps(body, ensure_ascii=False),
                "at": now,
            }
            for user, chat, body in results
        ]
        if rows:
            self.connection.execute(insert(evaluation_results), rows)
        unnamed = [one.id for one in self.list_runs(bot) if not one.name]
        self._drop_runs(evaluation_runs.c.id.in_(unnamed[KEPT_RUNS:]))
        return run

    def list_runs(self, bot: int) -> Sequence[StoredRun]:
        """Return the runs of a bot, newest first."""
        query = select(evaluation_runs).where(evaluation_runs.c.bot == bot).order_by(evaluation_runs.c.id.desc())
        return [made(StoredRun, row, options=json.loads(row.options)) for row in self.connection.execute(query)]

    def list_results(self, run: int) -> Sequence[Mapping[str, Any]]:
        """Return the results of a run as they were stored."""
        query = select(evaluation_results.c.body).where(evaluation_results.c.run_id == run)
        return [json.loads(body) for body in self.connection.scalars(query.order_by(evaluation_results.c.id))]

    def _drop_runs(self, *where: Any) -> None:
        ids = select(evaluation_runs.c.id).where(*where)
        self.connection.execute(delete(evaluation_results).where(evaluation_results.c.run_id.in_(ids)))
        self.connection.execute(delete(evaluation_runs).where(*where))

    # --- models -------------------------------------------------------------------------------------------------------

    def find_state(self, bot: int, model: str) -> ModelState:
        """Return what was told of a model last."""
        here = (model_states.c.bot == bot, model_states.c.model == model)
        return self._find(lambda row: made(ModelState, row), select(model_states).where(*here)) or ModelState()

    def store_state(self, bot: int, model: str, state: ModelState) -> None:
        """Store what was told of a model."""
        row = {"bot": bot, "model": model, "version": state.version[:100], "down": state.down}
        self.execute(KEEP_STATE, row)
