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
from bot.storage.tables.history import conversations, feedback, messages, persona_versions
from bot.storage.tables.knowledge import kb_gaps
from bot.storage.tables.spending import usage

KEEP = Prepared(lambda insert: insert(persona_versions).on_conflict_do_nothing())


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
        mine = (messages.c.bot == bot, messages.c.persona == label, messages.c.at >= since)
        one = self.connection.scalar
        answers = one(select(func.count()).where(*mine)) or 0
        ids = select(messages.c.conversation_id).where(*mine)
        judged = (feedback.c.message_id == messages.c.id, *mine)
        good, bad = (
            one(select(func.count()).select_from(feedback).where(*judged, feedback.c.value == value)) or 0
            for value in (1, -1)
        )
        refused = one(
            select(func.count()).where(*mine, kb_gaps.c.message_id == messages.c.parent, kb_gaps.c.reason == "refused")
        )
        same = [conversations.c[name] == Case.table.c[name] for name in ADDRESS]
        handed = one(
            select(func.count(conversations.c.id.distinct())).where(
                conversations.c.id.in_(ids), *same, Case.waiting_since >= since
            )
        )
        turns = select(messages.c.turn).where(*mine)
        paid = select(func.sum(usage.c.cost)).where(usage.c.bot == bot, usage.c.turn.in_(turns)).group_by(usage.c.turn)
        costs = [int(cost) for cost in self.connection.scalars(paid)]
        count = one(select(func.count(messages.c.conversation_id.distinct())).where(*mine))
        return VersionFigures(
            label, answers=answers, conversations=count or 0, good=good, bad=bad, refused=refused or 0,
            handed=handed or 0, costs=tuple(costs),
        )  # fmt: skip

    def first_answer(self, bot: int, label: str) -> float:
        """Return when a version has answered first (Unix seconds), 0.0 for never."""
        here = (messages.c.bot == bot, messages.c.persona == label)
        return float(self.connection.scalar(select(func.min(messages.c.at)).where(*here)) or 0.0)


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
    label = persona_versions.c.key + "@" + persona_versions.c.version
    answered = and_(messages.c.bot == persona_versions.c.bot, messages.c.persona == label)
    judged = [
        func.count(case((feedback.c.value == value, 1))).label(name) for name, value in (("good", 1), ("bad", -1))
    ]
    query = (
        select(*persona_versions.c, func.count(messages.c.id.distinct()).label("answers"), *judged)
        .join(messages, answered, isouter=True)
        .join(feedback, feedback.c.message_id == messages.c.id, isouter=True)
        .where(persona_versions.c.bot.in_(bots))
        .group_by(*persona_versions.c)
        .order_by(persona_versions.c.bot, persona_versions.c.key, persona_versions.c.at.desc())
    )
    with connector(url, writer=False).connect() as connection:
        for row in connection.execute(query):
            yield made(PersonaVersion, row)
