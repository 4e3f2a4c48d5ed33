"""Prompts that are kept: the versions of personas that have answered, and the templates of users."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import and_, case, func, select

from bot.storage.engines.dialects import connector
from bot.storage.engines.prepared import Prepared
from bot.storage.repositories.mapping import Repository, made
from bot.storage.tables.desk import ADDRESS, Case
from bot.storage.tables.history import Conversation, Judgement, PersonaText, StoredMessage
from bot.storage.tables.knowledge import Gap
from bot.storage.tables.spending import Expense

KEEP = Prepared(lambda insert: insert(PersonaText.table).on_conflict_do_nothing())


@dataclass(frozen=True, slots=True)
class PersonaVersion:
    """A version of a persona: its file, the time of its first answer (Unix), its answers and their judgements."""

    bot: int
    key: str
    version: str
    text: str
    at: float
    answers: int
    good: int
    bad: int

    @property
    def label(self) -> str:
        """Name and version, such as "teacher@1a2b3c4d", as logs and stored answers have it."""
        return f"{self.key}@{self.version}"

    @property
    def line(self) -> str:
        """The version on one line, for people."""
        since = f"{datetime.fromtimestamp(self.at, UTC):%Y-%m-%d}"
        return f"{self.label:<30}  since {since}  {self.answers:>7,} answers  👍 {self.good:>4,}  👎 {self.bad:>4,}"


class PersonaVersions(Repository):
    """The versions of personas that have answered."""

    def keep_version(self, bot: int, key: str, version: str, text: str) -> None:
        """Store a version of a persona, unless it is there already."""
        row = {"bot": bot, "key": key, "version": version, "text": text, "at": self.clock.time()}
        self.execute(KEEP, row)

    def read_figures(self, bot: int, label: str, since: float) -> VersionFigures:
        """Return how a version has done since a time (Unix seconds)."""
        mine = (StoredMessage.bot == bot, StoredMessage.persona == label, StoredMessage.at >= since)
        one = self.connection.scalar
        answers = one(select(func.count()).where(*mine)) or 0
        ids = select(StoredMessage.conversation_id).where(*mine)
        judged = (Judgement.message_id == StoredMessage.id, *mine)
        good, bad = (
            one(select(func.count()).select_from(Judgement.table).where(*judged, Judgement.value == value)) or 0
            for value in (1, -1)
        )
        refused = one(
            select(func.count()).where(*mine, Gap.message_id == StoredMessage.parent, Gap.reason == "refused")
        )
        same = [Conversation.table.c[name] == Case.table.c[name] for name in ADDRESS]
        handed = one(
            select(func.count(Conversation.id.distinct())).where(
                Conversation.id.in_(ids), *same, Case.waiting_since >= since
            )
        )
        turns = select(StoredMessage.turn).where(*mine)
        paid = select(func.sum(Expense.cost)).where(Expense.bot == bot, Expense.turn.in_(turns)).group_by(Expense.turn)
        costs = [int(cost) for cost in self.connection.scalars(paid)]
        count = one(select(func.count(StoredMessage.conversation_id.distinct())).where(*mine))
        return VersionFigures(
            label, answers=answers, conversations=count or 0, good=good, bad=bad, refused=refused or 0,
            handed=handed or 0, costs=tuple(costs),
        )  # fmt: skip

    def first_answer(self, bot: int, label: str) -> float:
        """Return when a version has answered first (Unix seconds), 0.0 for never."""
        here = (StoredMessage.bot == bot, StoredMessage.persona == label)
        return float(self.connection.scalar(select(func.min(StoredMessage.at)).where(*here)) or 0.0)


@dataclass(frozen=True, slots=True)
class VersionFigures:
    """How a version of a persona has done: answers in so many conversations, 👍 and 👎, answers that sources did not
    have, conversations that went to a person, and the price of each turn (millionths).
    """

    label: str
    answers: int = 0
    conversations: int = 0
    good: int = 0
    bad: int = 0
    refused: int = 0
    handed: int = 0
    costs: tuple[int, ...] = ()


def read_versions(url: str, bots: Collection[int]) -> Iterator[PersonaVersion]:
    """Read the versions of the personas of these bots by name, the newest first, while the bots may be running."""
    label = PersonaText.key + "@" + PersonaText.version
    answered = and_(StoredMessage.bot == PersonaText.bot, StoredMessage.persona == label)
    judged = [func.count(case((Judgement.value == value, 1))).label(name) for name, value in (("good", 1), ("bad", -1))]
    query = (
        select(*PersonaText.table.c, func.count(StoredMessage.id.distinct()).label("answers"), *judged)
        .join(StoredMessage.table, answered, isouter=True)
        .join(Judgement.table, Judgement.message_id == StoredMessage.id, isouter=True)
        .where(PersonaText.bot.in_(bots))
        .group_by(*PersonaText.table.c)
        .order_by(PersonaText.bot, PersonaText.key, PersonaText.at.desc())
    )
    with connector(url, writer=False).connect() as connection:
        for row in connection.execute(query):
            yield made(PersonaVersion, row)
