"""The topics of questions: what was chosen for each, and the examples that operators corrected."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Executable, Row, delete, func, insert, inspect, select

from bot.storage.engines.dialects import connector
from bot.storage.engines.prepared import insert_or_update
from bot.storage.repositories.mapping import Repository, load_parts, made
from bot.storage.tables.history import StoredMessage
from bot.storage.tables.knowledge import TopicChoiceRow, TopicSample
from bot.types import Text

MOST_SAMPLES = 200  # of a topic
CHOSEN = ("topic", "score", "way", "rivals", "flags", "holds", "rival", "wins")
KEEP = insert_or_update(TopicChoiceRow.table, ("question_id",), CHOSEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicChoice:
    """The topic of a question, as it stands in the table `topic_choices`."""

    question_id: int
    conversation_id: int
    topic: str
    score: float = 0.0
    way: str = "other"
    rivals: str = ""
    flags: str = ""
    holds: str = ""
    rival: str = ""
    wins: int = 0


class QuestionTopics(Repository):
    """The topics of questions, and corrected examples."""

    def store_choice(self, choice: TopicChoice) -> None:
        """Store the topic of a question, in place of the one it had."""
        self.execute(KEEP, asdict(choice))

    def find_choice(self, question: int) -> TopicChoice | None:
        """Return the topic of a question, None where none was chosen."""
        return self._find(_choice, select(TopicChoiceRow.table).where(TopicChoiceRow.question_id == question))

    def find_newest(self, conversation: int) -> TopicChoice | None:
        """Return the topic of the newest question of a conversation that has one."""
        here = select(TopicChoiceRow.table).where(TopicChoiceRow.conversation_id == conversation)
        return self._find(_choice, here.order_by(TopicChoiceRow.question_id.desc()).limit(1))

    def add_sample(self, bot: int, user: int, topic: str, text: str, mark: str) -> None:
        """Store an example of a topic, in place of an example with these words (`mark` is their hash). If there are too
        many, the oldest is deleted.
        """
        table = TopicSample.table
        self.connection.execute(delete(table).where(table.c.bot == bot, table.c.mark == mark))
        row = {"bot": bot, "user": user, "topic": topic, "text": text, "mark": mark, "at": self.clock.time()}
        self.connection.execute(insert(table), row)
        of_topic = select(table.c.id).where(table.c.bot == bot, table.c.topic == topic)
        self.connection.execute(
            delete(table).where(
                table.c.id.in_(of_topic.order_by(table.c.id.desc()).offset(MOST_SAMPLES).limit(MOST_SAMPLES))
            )
        )

    def list_samples(self, bot: int) -> Sequence[tuple[str, str]]:
        """Return the corrected examples as (text, topic), oldest first."""
        table = TopicSample.table
        query = select(table.c.text, table.c.topic).where(table.c.bot == bot).order_by(table.c.id)
        return [(text, topic) for text, topic in self.connection.execute(query)]

    def stamp_of_samples(self, bot: int) -> tuple[object, ...]:
        """Return a value that changes when an example is added or removed."""
        table = TopicSample.table
        newest = select(func.count(), func.max(table.c.id), func.max(table.c.at)).where(table.c.bot == bot)
        return tuple(self.connection.execute(newest).one())


def recent_questions(url: str, bots: Collection[int], most: int) -> list[tuple[str, TopicChoice]]:
    """Read the newest questions that have a topic, newest first, while the bots may be running."""
    query = (
        select(TopicChoiceRow.table, StoredMessage.parts)
        .join(StoredMessage.table, StoredMessage.id == TopicChoiceRow.question_id)
        .where(StoredMessage.bot.in_(bots))
        .order_by(TopicChoiceRow.question_id.desc())
        .limit(most)
    )
    return [(_typed(row.parts), _choice(row)) for row in _recorded(url, query)]


def recorded_samples(url: str, bots: Collection[int]) -> list[tuple[str, str, int]]:
    """Read the corrected examples as (text, topic, who asked it), oldest first, while the bots may be running."""
    table = TopicSample.table
    columns = (table.c.text, table.c.topic, table.c.user)
    query = select(*columns).where(table.c.bot.in_(bots)).order_by(table.c.id)
    return [(row.text, row.topic, row.user) for row in _recorded(url, query)]


def _recorded(url: str, query: Executable) -> Sequence[Row[Any]]:
    """The rows of a database, none where an older version has written it."""
    with connector(url, writer=False).connect() as connection:
        if not inspect(connection).has_table(TopicSample.table.name):
            return ()
        return connection.execute(query).all()


def _typed(parts: str) -> str:
    first = next(iter(load_parts(parts)), None)
    return first.text if isinstance(first, Text) else ""


def _choice(row: Any) -> TopicChoice:
    return made(TopicChoice, row)
