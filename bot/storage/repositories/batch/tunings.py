"""Tunings that were begun here. Begin with `Tunings.add_tuning`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select, update

from bot.storage.repositories.mapping import Repository, made
from bot.storage.tables.batch import tunings


@dataclass(frozen=True, slots=True)
class StoredTuning:
    """A tuning as it stands in the table `tunings`. `state` is "starting", then the service's word."""

    id: int
    bot: int
    token: str
    name: str
    base: str
    kind: str
    digest: str
    train: str
    validation: str
    system: str
    task: str
    target: str
    state: str
    intent: float
    at: float
    verdict: str
    before: str


class Tunings(Repository):
    """The tunings of bots."""

    def add_tuning(self, bot: int, **values: Any) -> int:
        """Add a tuning that is about to be started. Returns its number."""
        row = {
            "bot": bot, "task": "", "target": "", "state": "starting", "intent": 0.0, "verdict": "", "before": "",
            "at": self.clock.time(), **values,
        }  # fmt: skip
        return int(self.connection.execute(insert(tunings).returning(tunings.c.id), row).scalar_one())

    def find_tuning(self, bot: int, tuning: int) -> StoredTuning | None:
        """Return a tuning, None if there is none."""
        return self._find(_tuning, select(tunings).where(tunings.c.bot == bot, tunings.c.id == tuning))

    def list_tunings(self, bot: int) -> Sequence[StoredTuning]:
        """Return the tunings of a bot, newest first."""
        query = select(tunings).where(tunings.c.bot == bot).order_by(tunings.c.id.desc())
        return [_tuning(row) for row in self.connection.execute(query)]

    def change_tuning(self, tuning: int, **values: Any) -> None:
        """Change columns of a tuning."""
        self.connection.execute(update(tunings).where(tunings.c.id == tuning).values(**values))


def _tuning(row: Any) -> StoredTuning:
    return made(StoredTuning, row)
