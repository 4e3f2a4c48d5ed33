"""Cases that people have added, runs of all cases, and the answers that people have judged."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from bot.storage.repositories.knowledge.quotes import SPAN
from bot.storage.repositories.mapping import Repository, made
from bot.storage.tables.evaluation import NEWEST_RUN, ModelState, StoredCase, StoredResult, StoredRun
from bot.storage.tables.history import Conversation, Judgement, StoredMessage
from bot.storage.tables.knowledge import KnowledgeSource, PassageRow, Quote

MOST_JUDGED = 500  # the newest of them
KEPT_RUNS = 30


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


class Evaluations(Repository):
    """Cases and runs of bots."""

    def add_case(self, case: StoredCase) -> bool:
        """Store a case, in place of the one with its key. Returns whether it is new."""
        is_new = not self.count(StoredCase, bot=case.bot, mark=case.mark)
        self.put(case, by=("bot", "mark"), keep=("chat", "user"))
        return is_new

    def list_judged(self, bot: int) -> Sequence[JudgedAnswer]:
        """Return the newest `MOST_JUDGED` judgements of answers that are not unclear, oldest first."""
        query = (
            select(
                StoredMessage.id.label("message"), StoredMessage.parent, StoredMessage.persona, Judgement.value,
                Judgement.user.label("judge"), Judgement.at, Conversation.address.chat,
                Conversation.address.only.label("alone"),
            )
            .join(StoredMessage.table, StoredMessage.id == Judgement.message_id)
            .join(Conversation.table, Conversation.id == StoredMessage.conversation_id)
            .where(Judgement.bot == bot, Judgement.value != 0)
            .order_by(Judgement.id.desc())
            .limit(MOST_JUDGED)
        )  # fmt: skip
        return [made(JudgedAnswer, row) for row in self.connection.execute(query)][::-1]

    def list_quoted(self, answers: Collection[int]) -> Sequence[QuotedSentence]:
        """Return the sentences that these answers quote."""
        query = (
            select(Quote.message_id, SPAN.label("text"), PassageRow.ended)
            .join(PassageRow.table, PassageRow.id == Quote.passage_id)
            .where(Quote.message_id.in_(answers))
            .order_by(Quote.id)
        )
        return [QuotedSentence(row.message_id, row.text, row.ended is None) for row in self.connection.execute(query)]

    def stands(self, bot: int, text: str) -> bool:
        """Whether a text stands in a source of the bot now."""
        query = (
            select(PassageRow.id)
            .join(KnowledgeSource.table, KnowledgeSource.id == PassageRow.source_id)
            .where(
                KnowledgeSource.bot == bot,
                PassageRow.ended.is_(None),
                PassageRow.text.contains(text, autoescape=True),
            )
            .limit(1)
        )
        return self.connection.scalar(query) is not None

    def add_run(
        self, bot: int, name: str, options: Mapping[str, Any], results: Iterable[tuple[int, int, Mapping[str, Any]]]
    ) -> int:
        """Store a run with its results, each with whose words it has (user, chat), and delete the oldest runs without
        a name, and an older one with this name. Returns its number.
        """
        now = self.clock.time()
        older = self.all(NEWEST_RUN, bot=bot, name=name) if name else []
        new = self.add(StoredRun(bot=bot, name=name, options=options, at=now))
        self.add_all(
            [
                StoredResult(run_id=new.id, bot=bot, user=user, chat=chat, body=body, at=now)
                for user, chat, body in results
            ]
        )
        for run in [*older, *self.all(NEWEST_RUN, bot=bot, name="")[KEPT_RUNS:]]:
            self.remove(StoredResult, run_id=run.id)
            self.remove(StoredRun, id=run.id)
        return new.id

    def find_state(self, bot: int, model: str) -> ModelState:
        """Return what was told of a model last."""
        return self.one(ModelState, bot=bot, model=model) or ModelState(bot=bot, model=model)
