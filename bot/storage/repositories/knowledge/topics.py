"""The topics of questions: what was chosen for each, and the examples that operators corrected."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Executable, Row, func, inspect, select

from bot.storage.engines.dialects import connector
from bot.storage.repositories.mapping import Repository, load_parts
from bot.storage.tables.history import StoredMessage
from bot.storage.tables.knowledge import NEWEST_SAMPLES, TopicChoice, TopicSample
from bot.types import Text

MOST_SAMPLES = 200  # of a topic
CHOSEN = ("topic", "score", "way", "rivals", "flags", "holds", "rival", "wins")


class QuestionTopics(Repository):
    """The topics of questions, and corrected examples."""

    def add_sample(self, bot: int, user: int, topic: str, text: str, mark: str) -> None:
        """Store an example of a topic, in place of an example with these words (`mark` is their hash). If there are too
        many, the oldest is deleted.
        """
        self.remove(TopicSample, bot=bot, mark=mark)
        self.add(TopicSample(bot=bot, user=user, topic=topic, text=text, mark=mark, at=self.clock.time()))
        for old in self.all(NEWEST_SAMPLES, limit=MOST_SAMPLES + 1, bot=bot, topic=topic)[MOST_SAMPLES:]:
            self.remove(TopicSample, id=old.id)

    def stamp_of_samples(self, bot: int) -> tuple[object, ...]:
        """Return a value that changes when an example is added or removed."""
        table = TopicSample.table
        newest = select(func.count(), func.max(table.c.id), func.max(table.c.at)).where(table.c.bot == bot)
        return tuple(self.connection.execute(newest).one())


def recent_questions(url: str, bots: Collection[int], most: int) -> list[tuple[str, TopicChoice]]:
    """Read the newest questions that have a topic, newest first, while the bots may be running."""
    query = (
        select(TopicChoice.table, StoredMessage.parts)
        .join(StoredMessage.table, StoredMessage.id == TopicChoice.question_id)
        .where(StoredMessage.bot.in_(bots))
        .order_by(TopicChoice.question_id.desc())
        .limit(most)
    )
    return [(_typed(row.parts), TopicChoice.load(row)) for row in _recorded(url, query)]


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
